/**
 * Every order in which what two IKE cores send each other can arrive: all that is under way, messages and the operator's
 * commands alike, lies in one pool, and each delivery branches over whatever lies there; with a loss, also over which one
 * message never arrives. The cores are deterministic (their entropy is given), so a schedule is a list of choices, and the
 * next one is played from the same beginning.
 *
 * Time stands still while anything is under way. When nothing is, it goes on to the next deadline; orders are branched over
 * until BRANCH_NS have passed, which is the first retransmission and what it entails. Afterwards everything arrives as sent.
 */
import * as assert from "uvu/assert";
import * as B from "../../assembly/abi/board.ts";
import * as M from "../../assembly/abi/management.ts";
import * as R from "../../assembly/abi/ring.ts";
import { EVENTS, EVENT_OCTETS } from "../entries/event_log.ts";
import { Pair, connection } from "./ike_endpoints.ts";
import type { Endpoint, Item, Options } from "./ike_endpoints.ts";

const SECOND = 1_000_000_000n;
const BRANCH_NS = (5n * SECOND) / 2n;
const SETTLED_NS = 150n * SECOND;
const IKE_SAS = 16;
const CHILD_SAS = 64;

export type Side = "a" | "b";

export interface Command {
  at: Side;
  type: number;
  items: Item[];
}

export interface Ends {
  ikeSas: number;
  children: number;
}

export interface Collision {
  seed: number;
  options?: Options;
  /** Brings the pair to where the collision starts; an established child by default. */
  before?: (pair: Pair) => void;
  commands: Command[];
  /** Messages that never arrive, 0 or 1. */
  losses?: number;
  /** What is there in the end; several, where it is the order that decides. */
  ends: Ends | readonly Ends[];
  /** True: nothing is deleted for good, so there is always an SA to send on, and whatever is sent on, the peer receives on. */
  flows: boolean;
}

export interface Tally {
  schedules: number;
  deliveries: number;
  /** How often each end holds the role of the IKE_SA's original initiator in the end, and how often each set of SPIs won. */
  outcomes: Map<string, number>;
}

interface Parcel {
  name: string;
  lossy: boolean;
  arrive: () => void;
}

/** SAs that a core's boards hold, kept up to date from its event log. */
class Boards {
  readonly inbound = new Map<number, number>();
  readonly outbound = new Map<number, number>();
  #read = 0;
  readonly #core: Endpoint;

  constructor(core: Endpoint) {
    this.#core = core;
    this.look();
  }

  look(): void {
    const at = this.#core.wasm.eventLog();
    const count = this.#core.wasm.eventCount();
    assert.ok(count - this.#read <= EVENTS, "the log holds what happened since the last look");
    for (; this.#read < count; this.#read++) {
      const e = at + (this.#read % EVENTS) * EVENT_OCTETS;
      const [kind, , spi, direction, key] = [0, 4, 8, 12, 16].map((o) => this.#core.u32(e + o));
      const table = direction === 0 ? this.inbound : this.outbound;
      if (kind === 1) {
        assert.not.ok(table.has(spi), "an SA is installed once");
        table.set(spi, key);
      } else if (kind === 2) {
        assert.ok(table.delete(spi), "what is removed was installed");
      }
    }
  }
}

class Play {
  readonly pool: Parcel[] = [];
  readonly story: string[] = [];
  readonly boards: Record<Side, Boards>;
  time: bigint;
  deliveries = 0;
  readonly #pair: Pair;
  readonly #flows: boolean;

  constructor(pair: Pair, time: bigint, flows: boolean) {
    this.#pair = pair;
    this.time = time;
    this.#flows = flows;
    this.boards = { a: new Boards(pair.a), b: new Boards(pair.b) };
  }

  command({ at, type, items }: Command): void {
    const core = this.#pair[at];
    this.pool.push({ name: `${at}: command ${type}`, lossy: false, arrive: () => core.command(type, items) });
  }

  /** Lets both ends finish what they can without the other. */
  settle(): void {
    for (let idle = 0; idle < 3; ) {
      this.#pair.a.poll(this.time);
      this.#pair.b.poll(this.time);
      idle = this.#collect("a") + this.#collect("b") > 0 ? 0 : idle + 1;
    }
    this.boards.a.look();
    this.boards.b.look();
    if (this.#flows) this.check();
  }

  #collect(side: Side): number {
    const sent = this.#pair[side].sent.splice(0);
    const to = this.#pair[side === "a" ? "b" : "a"];
    for (const packet of sent) {
      const ike = packet.readUInt16BE(22) === 4500 ? 32 : 28;
      const kind = `${packet[ike + 18]} ${(packet[ike + 19] & 0x20) !== 0 ? "response" : "request"}`;
      const name = `${side}: ${kind} ${packet.readUInt32BE(ike + 20)} of ${packet.toString("hex", ike, ike + 4)}`;
      this.pool.push({ name, lossy: true, arrive: () => to.push(R.PORT_UNPROTECTED, packet) });
    }
    return sent.length;
  }

  deliver(i: number, lose: boolean): void {
    const [parcel] = this.pool.splice(i, 1);
    this.story.push(`${lose ? "LOST " : ""}${parcel.name}`);
    this.deliveries++;
    if (!lose) parcel.arrive();
    this.settle();
  }

  /** RFC 7296 2.8: nothing is sent on an SA whose other end the peer does not have, and there is always one to send on. */
  check(): void {
    for (const [from, to] of [
      ["a", "b"],
      ["b", "a"],
    ] as const) {
      assert.ok(this.boards[from].outbound.size > 0, `${from} has an SA to send on`);
      for (const [spi, key] of this.boards[from].outbound)
        assert.is(this.boards[to].inbound.get(spi), key, `what ${from} sends on ${spi} is received`);
    }
  }

  /** The clock goes to the next deadline, at most to `end`; false when there is none before. */
  wait(end: bigint): boolean {
    const next = [this.#pair.a, this.#pair.b]
      .map((e) => e.u64(e.map + B.REG_DEADLINE))
      .reduce((x, y) => (x < y ? x : y));
    if (next > end) return false;
    this.time = next > this.time ? next : this.time + 1_000_000n;
    this.settle();
    return true;
  }
}

function mirrored({ a, b }: Record<Side, Boards>, children: number): void {
  const sorted = (m: Map<number, number>): [number, number][] => [...m].sort(([x], [y]) => x - y);
  assert.equal(sorted(a.inbound), sorted(b.outbound));
  assert.equal(sorted(a.outbound), sorted(b.inbound));
  assert.is(a.inbound.size, children);
  assert.is(a.outbound.size, children);
}

/** Plays every schedule; a failure tells the one that failed. */
export function enumerate(c: Collision): Tally {
  const pair = new Pair("secret", "secret", c.seed);
  pair.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, c.options));
  pair.b.command(M.MANAGEMENT_CONNECTION_LOAD, connection(2, c.options));
  pair.drive();
  pair.a.command(M.MANAGEMENT_INITIATE, [[M.CHILD_NAME, Buffer.from("net")]]);
  pair.drive(1);
  c.before?.(pair);
  const begin = pair.time;
  const restore = [pair.a.snapshot(), pair.b.snapshot()];
  const tally: Tally = { schedules: 0, deliveries: 0, outcomes: new Map() };
  const choices: number[] = [];
  const widths: number[] = [];
  for (;;) {
    for (const back of restore) back();
    const play = new Play(pair, begin, c.flows);
    for (const command of c.commands) play.command(command);
    widths.length = 0;
    let losses = c.losses ?? 0;
    const choose = (width: number): number => {
      const depth = widths.length;
      widths.push(width);
      if (depth === choices.length) choices.push(0);
      return choices[depth];
    };
    try {
      for (;;) {
        if (play.pool.length > 0) {
          const lossy = losses > 0 ? play.pool.flatMap((p, i) => (p.lossy ? [i] : [])) : [];
          const choice = choose(play.pool.length + lossy.length);
          const lose = choice >= play.pool.length;
          if (lose) losses--;
          play.deliver(lose ? lossy[choice - play.pool.length] : choice, lose);
        } else if (!play.wait(begin + BRANCH_NS)) break;
      }
      for (;;) {
        if (play.pool.length > 0) play.deliver(0, false);
        else if (!play.wait(begin + SETTLED_NS)) break;
      }
      play.time = begin + SETTLED_NS;
      ending(pair, play, c);
    } catch (error) {
      if (error instanceof Error)
        error.message = `seed ${c.seed}, schedule ${choices.join(" ")}: ${error.message}\n  ${play.story.join("\n  ")}`;
      throw error;
    }
    tally.schedules++;
    tally.deliveries += play.deliveries;
    const outcome = winner(pair, play);
    tally.outcomes.set(outcome, (tally.outcomes.get(outcome) ?? 0) + 1);
    while (choices.length > 0 && choices.at(-1)! + 1 >= widths[choices.length - 1]) choices.pop();
    if (choices.length === 0) return tally;
    choices[choices.length - 1]++;
  }
}

function ending(pair: Pair, play: Play, collision: Collision): void {
  const { flows } = collision;
  const all = [collision.ends].flat();
  const there = IKE_SAS - pair.a.wasm.freeIkeSas();
  const ends =
    all.find(({ ikeSas, children }) => ikeSas === there && children === play.boards.a.inbound.size) ?? all[0];
  mirrored(play.boards, ends.children);
  for (const core of [pair.a, pair.b]) {
    const list = core.list(play.time);
    const ikeSas = list.filter(({ type }) => type === M.MANAGEMENT_IKE_SA);
    const children = list.filter(({ type }) => type === M.MANAGEMENT_CHILD_SA);
    assert.is(ikeSas.length, ends.ikeSas, "IKE_SAs");
    assert.is(children.length, ends.children, "CHILD_SAs");
    for (const sa of ikeSas) assert.is(sa.items.get(M.IKE_SA_STATE)!.readUInt32LE(0), M.IKE_STATE_ESTABLISHED);
    for (const sa of children) assert.is(sa.items.get(M.CHILD_SA_STATE)!.readUInt32LE(0), M.CHILD_STATE_INSTALLED);
    assert.is(core.wasm.freeIkeSas(), IKE_SAS - ends.ikeSas, "no record of an IKE_SA is leaked");
    assert.is(core.wasm.freeChildSas(), CHILD_SAS - ends.children, "no record of a CHILD_SA is leaked");
  }
  if (!flows) return;
  // The windows are in step, too: either end can rekey what is left.
  for (const side of ["a", "b"] as const) {
    const before = [...play.boards[side].inbound.keys()];
    play.command({ at: side, type: M.MANAGEMENT_REKEY, items: [[M.CHILD_NAME, Buffer.from("net")]] });
    while (play.pool.length > 0) play.deliver(0, false);
    const end = play.time + SECOND;
    while (play.wait(end)) assert.is(play.pool.length, 0);
    play.time = end;
    mirrored(play.boards, ends.children);
    assert.not.equal([...play.boards[side].inbound.keys()], before);
  }
}

/** Who was the original initiator of the IKE_SA that is left. */
function winner(pair: Pair, play: Play): string {
  const sa = pair.a.list(play.time).find(({ type }) => type === M.MANAGEMENT_IKE_SA);
  if (!sa) return "none";
  return sa.items.get(M.IKE_SA_INITIATOR)!.readUInt32LE(0) === 1 ? "a" : "b";
}
