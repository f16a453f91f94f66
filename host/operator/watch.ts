/**
 * The whole of a gateway at a glance, again and again: boards, SAs, connections, drops, and what passed since the glance before. It is what
 * the front panel and `cardcage top` show.
 *
 * However many watch, the boards are asked once a glance; with nobody watching they are not asked. A gateway with many SAs is looked at less
 * often: looking may take at most a REST_SHARE-th of the time. Rates are by the chassis's clock, and begin anew with each board.
 */
import type { ChassisStatus, LinkStatus, SlotStatus } from "../chassis/chassis.ts";
import { CommandError } from "./command_error.ts";
import { type DropsStatus, dropsOf } from "./drops.ts";
import type { BoardsStatus, Gateway } from "./gateway.ts";
import type { ConnectionStatus } from "./management.ts";
import type { ConnectionSas } from "./sas.ts";

/** Seconds from one glance to the next, at least. */
const INTERVAL = 1;
/** Seconds that a watcher may wish for. */
export const WATCH_INTERVAL_MAX = 3600;
/** Looking takes one part in so many of the time. */
const REST_SHARE = 4;
/** SAs that a glance shows; the others are counted. */
const IKE_SAS_MAX = 256;
const CHILD_SAS_MAX = 512;

/** A second. */
export interface SlotRates {
  slot: number;
  /** Packets. */
  in: number;
  sent: number;
  dropped: number;
  /** Over its link with the IKE board: octets of frames to the board, and from it. */
  octetsToBoard: number;
  octetsFromBoard: number;
}

export interface WatchStatus {
  /** Milliseconds since 1970. */
  time: number;
  boards: BoardsStatus;
  /** At most 256 IKE_SAs with 512 CHILD_SAs. */
  sas: ConnectionSas[];
  /** SAs that there are. */
  count: { ikeSas: number; childSas: number };
  connections: ConnectionStatus[];
  drops: DropsStatus;
  rates: SlotRates[];
  /** Why SAs and connections are not told. */
  failure?: string;
}

interface Watcher {
  /** Milliseconds. */
  interval: number;
  last: number;
  tell: (status: WatchStatus) => void;
}

export class Watch {
  readonly #gateway: Gateway;
  readonly #watchers = new Set<Watcher>();
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #before: ChassisStatus | undefined;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  /** Tells every `interval` seconds, the first time at once; returns what ends it. */
  follow(interval: number, tell: (status: WatchStatus) => void): () => void {
    const watcher = { interval: interval * 1000, last: -Infinity, tell };
    this.#watchers.add(watcher);
    if (!this.#looking) {
      clearTimeout(this.#timer);
      void this.#look();
    }
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size > 0) return;
      clearTimeout(this.#timer);
      this.#before = undefined;
    };
  }

  async #look(): Promise<void> {
    this.#looking = true;
    const began = performance.now();
    try {
      const status = await this.#status();
      const now = performance.now();
      for (const watcher of [...this.#watchers]) {
        // A timer may be early by a fraction of a millisecond.
        if (now - watcher.last < watcher.interval - 50) continue;
        watcher.last = now;
        watcher.tell(status);
      }
    } finally {
      this.#looking = false;
      const took = performance.now() - began;
      const pause = Math.max(INTERVAL * 1000 - took, took * (REST_SHARE - 1), 0);
      if (this.#watchers.size > 0) this.#timer = setTimeout(() => void this.#look(), pause).unref();
    }
  }

  async #status(): Promise<WatchStatus> {
    const gateway = this.#gateway;
    const boards = await gateway.boards();
    let sas: ConnectionSas[] = [];
    let connections: ConnectionStatus[] = [];
    let failure: string | undefined;
    try {
      [connections, sas] = [await gateway.connections(), await gateway.sas()];
    } catch (error) {
      // An IKE board that is silent, or gone by now: the chassis is to be seen all the same.
      if (!(error instanceof CommandError)) throw error;
      failure = error.message;
    }
    const rates = ratesOf(this.#before, boards);
    this.#before = boards;
    return {
      time: Date.now(),
      boards,
      sas: shown(sas),
      count: {
        ikeSas: sas.filter(({ state }) => state !== "DOWN").length,
        childSas: sas.reduce((sum, ike) => sum + ike["child-sas"].length, 0),
      },
      connections,
      drops: dropsOf(boards),
      rates,
      ...(failure === undefined ? {} : { failure }),
    };
  }
}

/** As many as a glance shows. */
function shown(sas: readonly ConnectionSas[]): ConnectionSas[] {
  let room = CHILD_SAS_MAX;
  return sas.slice(0, IKE_SAS_MAX).map((ike) => {
    const children = ike["child-sas"].slice(0, room);
    room -= children.length;
    return { ...ike, "child-sas": children };
  });
}

/** What passed between two glances, a second; 0 where there is none before, and of a board that has begun anew. */
export function ratesOf(before: ChassisStatus | undefined, now: ChassisStatus): SlotRates[] {
  const seconds = before ? now.now - before.now : 0;
  const rate = (was: number | undefined, is: number): number =>
    was === undefined || is < was || !(seconds > 0) ? 0 : (is - was) / seconds;
  const linkOf = ({ links }: ChassisStatus, slot: number): LinkStatus | undefined =>
    links.find((link) => link.slot === slot);
  return now.slots.map(({ slot, generation, counters }) => {
    const then: SlotStatus | undefined = before?.slots.find((one) => one.slot === slot);
    const was = then?.generation === generation ? then.counters : undefined;
    const wire = linkOf(now, slot);
    const wireBefore = before && linkOf(before, slot);
    return {
      slot,
      in: rate(was?.in, counters.in),
      sent: rate(was?.sent, counters.sent),
      dropped: rate(was?.dropped, counters.dropped),
      octetsToBoard: rate(wireBefore?.toBoard.octets, wire?.toBoard.octets ?? 0),
      octetsFromBoard: rate(wireBefore?.fromBoard.octets, wire?.fromBoard.octets ?? 0),
    };
  });
}
