/**
 * A core for each board, on a machine that has fewer: lockstep (host/chassis/drive/lockstep.ts) in which a poll takes as much virtual time as
 * it took of this thread's processor, or as a model says. What a board waits for, and how long, follows from that and from nothing else: not
 * from who else is on this machine.
 *
 * Counted is boardPoll, all of a board's own work. Not counted: the chassis's (DMA, the backplane, the classifier), which is hardware here. A
 * secure element is a core as well, which serves one request after the other; what those take is measured, too.
 */
import { createHmac } from "node:crypto";
import { PSA_OP, PSA_RESPOND_KEY } from "../../../assembly/abi/psa.ts";
import type { Board } from "../../../host/chassis/board.ts";
import { VirtualClock } from "../../../host/chassis/clock.ts";
import { Lockstep } from "../../../host/chassis/drive/lockstep.ts";
import { generateShare, respond } from "../../../host/secure_element/key_agreement.ts";
import { SecureElement } from "../../../host/secure_element/secure_element.ts";
import { threadTime } from "../gateway/thread_time.ts";
import { median } from "../figures/median.ts";

/** Processor time of this thread, ns. */
const processor = (): number => threadTime(process.pid);

/** What the look at the clock itself takes, ns. */
function lookTime(): number {
  return median(Array.from({ length: 2001 }, () => -processor() + processor()));
}

const LOOK = lookTime();
export const elementTimes = (): { exchange: number; other: number } => ({ exchange: EXCHANGE_TIME, other: OTHER_TIME });

/** Processor time of `work`, ns: the median of what it takes when it has been done some times. */
function timeOf(work: () => void): number {
  for (let i = 0; i < 200; i++) work();
  return median(
    Array.from({ length: 201 }, () => {
      const start = processor();
      work();
      return processor() - start - LOOK;
    }),
  );
}

/** X25519 (RFC 8031). */
const CURVE25519 = 31;
const PEER = generateShare(CURVE25519)!.publicValue;
/** What a secure element takes, ns: for a key exchange as responder, and for anything else, which is AUTH by a shared key, four HMACs. */
const EXCHANGE_TIME = timeOf(() => respond(CURVE25519, PEER));
const OTHER_TIME = timeOf(() => {
  for (let i = 0; i < 4; i++) createHmac("sha256", PEER).update(PEER).digest();
});

/** The processor time of a poll; `packets`: what it took from its rings. */
export type Model = (slot: number, packets: number) => number;

/** The request that an element was given last and the drive has not heard of; 0 none. */
let asked = 0;
const { handle } = SecureElement.prototype;
SecureElement.prototype.handle = function (request: Uint8Array): Promise<Uint8Array> {
  asked = new DataView(request.buffer, request.byteOffset, request.byteLength).getUint16(PSA_OP, true);
  return handle.call(this, request);
};

const REG_IN = 192;

export class Cores extends Lockstep {
  /** Of the first chassis, by slot: what its polls took while they were counted, ns, and the packets that they took. */
  readonly spent = new Map<number, { time: number; packets: number; polls: number }>();
  /** While false nothing takes time. */
  counting = false;
  #elementFree = 0n;

  /** Without a model polls take what they take. */
  constructor(model?: Model) {
    super(new VirtualClock(), (poll, board, slot, cage) => this.#work(poll, board, slot, cage, model));
  }

  #work(poll: () => void, board: Board, slot: number, cage: number, model: Model | undefined): number {
    // The peer's boards, and all that is done beforehand.
    if (!this.counting || cage !== 0) {
      poll();
      return 0;
    }
    const map = new DataView(board.map.buffer, board.map.byteOffset);
    const before = map.getUint32(REG_IN, true);
    const start = model ? 0 : processor();
    poll();
    const measured = model ? 0 : Math.max(processor() - start - LOOK, 0);
    const packets = (map.getUint32(REG_IN, true) - before) >>> 0;
    const time = model ? model(slot, packets) : measured;
    const spent = this.spent.get(slot) ?? { time: 0, packets: 0, polls: 0 };
    this.spent.set(slot, { time: spent.time + time, packets: spent.packets + packets, polls: spent.polls + 1 });
    return time;
  }

  /** An answer of the secure element comes when that has come to it. */
  override pending<T>(promise: Promise<T>, then?: (value: T) => void): void {
    const op = asked;
    asked = 0;
    if (op === 0 || !then || !this.counting) return super.pending(promise, then);
    const now = this.clock.now();
    const begins = this.#elementFree > now ? this.#elementFree : now;
    this.#elementFree = begins + BigInt(Math.round(op === PSA_RESPOND_KEY ? EXCHANGE_TIME : OTHER_TIME));
    const wait = this.#elementFree - now;
    super.pending(promise, (value) => void this.after(wait, () => then(value), true));
  }
}
