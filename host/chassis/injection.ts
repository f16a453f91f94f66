/**
 * Faults on order: what an operator, or a test, lets go wrong in a chassis, to see what comes of it. Each says what it is, stands for so
 * many seconds or until it is cleared, and is shown for as long; a minor alarm of its slot goes with it. Trap and hang strike once.
 *
 *   trap        a descriptor in the board's RAM is damaged, and the firmware traps
 *   hang        a poll does not return
 *   bus         frames (cells) on the backplane are lost, doubled, reordered, or a bit of them flips
 *   descriptors a board's transmit descriptors are missed, or taken twice
 *   link        the link of a slot carries nothing
 *   clock       a board's NOW runs too fast or too slow, or jumps ahead
 *   stall       a board's transmit rings are not emptied: they fill, and its pool runs out
 *   element     the secure element takes long, or gives no answer
 *
 * One of a kind stands at a slot; a second takes its place. Refuses what has no effect, and slots that there are not.
 */
import type { AlarmPanel } from "./alarms.ts";
import { NS_PER_MS, NS_PER_SECOND } from "./clock.ts";
import type { Cage, Drive } from "./drive/drive.ts";
import { SeededRandom } from "./entropy.ts";
import type { FaultSpec } from "./tap/fault_injector.ts";
import type { SlotFaults } from "./tap/slot_faults.ts";

export type FaultOrder =
  | { kind: "trap"; slot: number }
  | { kind: "hang"; slot: number }
  | ({ kind: "bus"; seconds?: number } & FaultSpec)
  | { kind: "descriptors"; slot: number; lose?: number; duplicate?: number; seed?: number; seconds?: number }
  | { kind: "link" | "stall"; slot: number; seconds?: number }
  | { kind: "clock"; slot: number; rate?: number; ahead?: number; seconds?: number }
  | { kind: "element"; delayMs?: number; lose?: number; seed?: number; seconds?: number };

export type FaultKind = FaultOrder["kind"];

/** A fault that stands. */
export interface StandingFault {
  kind: FaultKind;
  slot?: number;
  text: string;
  /** Seconds until it ends by itself. */
  left?: number;
}

interface Standing {
  order: FaultOrder;
  text: string;
  /** NOW, ns. */
  until: bigint | undefined;
  cancel: () => void;
}

export interface InjectionParts {
  drive: Drive;
  cage: Cage;
  alarms: AlarmPanel;
  ikeSlot: number;
  slots: ReadonlySet<number>;
  /** What is wrong has changed. */
  changed(): void;
}

const slotOf = (order: FaultOrder): number | undefined => ("slot" in order ? order.slot : undefined);
const percent = (probability: number): string => `${Number((probability * 100).toFixed(4))} %`;

export class Injection {
  readonly #parts: InjectionParts;
  readonly #standing = new Map<string, Standing>();
  #element: { delay: bigint; lose: number; random: SeededRandom } | undefined;

  constructor(parts: InjectionParts) {
    this.#parts = parts;
  }

  /** Lets it happen. Throws RangeError for what cannot be. */
  order(order: FaultOrder): void {
    const { cage, drive, slots } = this.#parts;
    const slot = slotOf(order);
    if (slot !== undefined && !slots.has(slot)) throw new RangeError(`there is no slot ${slot}`);
    if (order.kind === "trap" || order.kind === "hang") return cage.strike(slot!, order.kind);
    const text = textOf(order);
    const { seconds } = order;
    if (seconds !== undefined && !(seconds > 0 && seconds <= 86_400))
      throw new RangeError("seconds: more than 0, a day at most");
    const key = `${order.kind} ${slot ?? ""}`;
    this.#standing.get(key)?.cancel();
    const wait = seconds === undefined ? undefined : BigInt(Math.round(seconds * 1e9));
    const cancel = wait === undefined ? (): void => undefined : drive.after(wait, () => this.#lift(key));
    const until = wait === undefined ? undefined : drive.clock.now() + wait;
    this.#standing.set(key, { order, text, until, cancel });
    this.#apply(order, true);
  }

  /** Ends all faults that stand. */
  clear(): void {
    for (const [key, { cancel }] of [...this.#standing]) {
      cancel();
      this.#lift(key);
    }
  }

  get standing(): StandingFault[] {
    const now = this.#parts.drive.clock.now();
    return [...this.#standing.values()].map(({ order, text, until }) => {
      const slot = slotOf(order);
      return {
        kind: order.kind,
        ...(slot === undefined ? {} : { slot }),
        text,
        ...(until === undefined ? {} : { left: Number(until - now) / Number(NS_PER_SECOND) }),
      };
    });
  }

  /** What the secure element's next answer suffers: ns of delay, or that it is lost. */
  answer(): bigint | "lost" {
    if (!this.#element) return 0n;
    const { delay, lose, random } = this.#element;
    return random.next() < lose ? "lost" : delay;
  }

  /** True while the secure element's answers suffer something. */
  get afflictsElement(): boolean {
    return this.#element !== undefined;
  }

  #lift(key: string): void {
    const standing = this.#standing.get(key);
    this.#standing.delete(key);
    if (standing) this.#apply(standing.order, false);
  }

  #apply(order: FaultOrder, begun: boolean): void {
    const { cage, alarms, drive, ikeSlot } = this.#parts;
    const slot = slotOf(order);
    if (order.kind === "bus") {
      cage.inject(begun ? order : undefined);
    } else if (order.kind === "element") {
      const { delayMs = 0, lose = 0, seed = 1 } = order;
      const delay = BigInt(Math.round(delayMs)) * NS_PER_MS;
      this.#element = begun ? { delay, lose, random: new SeededRandom(seed) } : undefined;
    } else {
      cage.afflict(slot!, this.#faultsOf(slot!, begun && order.kind === "clock" ? order.ahead : 0));
    }
    const where = slot ?? ikeSlot;
    const here = [...this.#standing.values()].filter((one) => (slotOf(one.order) ?? ikeSlot) === where);
    alarms.clear(where, "fault_injected");
    if (here.length > 0)
      alarms.raise(where, "fault_injected", here.map(({ text }) => text).join("; "), drive.clock.now());
    this.#parts.changed();
  }

  /** All that is wrong with a slot. */
  #faultsOf(slot: number, ahead = 0): SlotFaults {
    const faults: SlotFaults = { clockAhead: ahead };
    for (const { order } of this.#standing.values()) {
      if (slotOf(order) !== slot) continue;
      if (order.kind === "link") faults.linkDown = true;
      else if (order.kind === "stall") faults.stalled = true;
      else if (order.kind === "clock") faults.clockRate = order.rate ?? 1;
      else if (order.kind === "descriptors") {
        faults.lose = order.lose ?? 0;
        faults.duplicate = order.duplicate ?? 0;
        faults.seed = order.seed ?? 1;
      }
    }
    return faults;
  }
}

/** What a fault is, for people. Throws RangeError for one that is none. */
function textOf(order: FaultOrder): string {
  const chance = (name: string, value: number | undefined): string => {
    if (value === undefined || value === 0) return "";
    if (!(value > 0 && value <= 1)) throw new RangeError(`${name}: a probability, more than 0 and 1 at most`);
    return `${name} ${percent(value)}`;
  };
  const parts = (...texts: string[]): string => {
    const said = texts.filter((text) => text !== "");
    if (said.length === 0) throw new RangeError(`${order.kind}: what shall be wrong?`);
    return said.join(", ");
  };
  switch (order.kind) {
    case "bus": {
      const { lose, duplicate, reorder, flip } = order;
      const chances = [
        chance("lose", lose),
        chance("duplicate", duplicate),
        chance("reorder", reorder),
        chance("flip", flip),
      ];
      return `backplane: ${parts(...chances)}`;
    }
    case "descriptors":
      return `descriptors of slot ${order.slot}: ${parts(chance("lose", order.lose), chance("duplicate", order.duplicate))}`;
    case "link":
      return `link of slot ${order.slot} down`;
    case "stall":
      return `transmit rings of slot ${order.slot} stalled`;
    case "clock": {
      const { rate = 1, ahead = 0 } = order;
      if (!(rate >= 0.01 && rate <= 100)) throw new RangeError("rate: 0.01 to 100 seconds a second");
      if (!(ahead >= 0 && ahead <= 1e6)) throw new RangeError("ahead: seconds, 0 to a million; NOW never goes back");
      const run = rate === 1 ? "" : `runs ${rate} seconds a second`;
      return `clock of slot ${order.slot}: ${parts(run, ahead === 0 ? "" : `${ahead} s ahead`)}`;
    }
    case "element": {
      const { delayMs = 0 } = order;
      if (!(delayMs >= 0 && delayMs <= 3_600_000)) throw new RangeError("delay: milliseconds, an hour at most");
      return `secure element: ${parts(delayMs === 0 ? "" : `${delayMs} ms later`, chance("lose", order.lose))}`;
    }
    default:
      return order.kind;
  }
}
