/**
 * The secure element's thread while the IKE board's thread is wired to it (chassis/drive/line.ts): takes requests from the ring, answers
 * what can be answered at once, and sleeps on the bell when there is nothing to do. Requests are answered in their order as far as that
 * goes; those that wait for a path of certificates or for EAP hold up none behind them.
 *
 *   BELL, SLEEPING   as a line has them
 *   BUSY             requests that were taken and whose answers are not in the ring
 *
 * Bounded: as many requests under way at a time as one IKE board has exchanges. What is secret does not stay in the rings.
 */
import { copyOctets } from "../chassis/copy.ts";
import { Doorbell, DeviceLine, type BellParts, type DeviceLineParts } from "../chassis/drive/line.ts";
import { waitAsync } from "../chassis/drive/wait_async.ts";

/** Words that the element's thread shares. */
export const BELL = 0;
const SLEEPING = 1;
const BUSY = 2;
const WORDS_OCTETS = 16;

/** Requests that are answered before the board's thread is woken. */
const BATCH = 16;
/** Octets of a request that is copied to a place kept for it: all but those that carry certificates. */
const ROOM = 2048;
/** Longest sleep, ms: what else a thread has to do gets its turn then. */
const SLEEP_MAX = 1000;

export const elementWords = (): SharedArrayBuffer => new SharedArrayBuffer(WORDS_OCTETS);
export const elementBell = (memory: SharedArrayBuffer): BellParts => ({ memory, at: BELL });
/** Whether requests are under way. */
export const isElementBusy = (words: Int32Array): boolean => Atomics.load(words, BUSY) !== 0;
export const elementDoorbell = (memory: SharedArrayBuffer): Doorbell => new Doorbell(elementBell(memory));

/** What the loop needs of the thread around it. */
export interface ElementThread {
  /** Answers one request; the request's octets are only there until it returns or resolves. */
  answer(request: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** Takes the orders of the thread that started this one; false: there is an end to it. */
  orders(): boolean;
  /** Answers that go the other way, and need turns of the event loop. */
  readonly waits: boolean;
}

const turnOfEventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Serves until orders() says that it is over. */
export async function serveLine(
  parts: DeviceLineParts,
  memory: SharedArrayBuffer,
  thread: ElementThread,
): Promise<void> {
  const line = new DeviceLine(parts);
  const ring = line.in[0]!;
  const words = new Int32Array(memory);
  const bell = elementDoorbell(memory);

  let room = new Uint8Array(ROOM);
  let roomEights = new BigInt64Array(room.buffer);

  /** A copy of the oldest request: fields of one that is answered later must outlive its place in the ring. */
  const copied = (): Uint8Array => {
    const { at, length } = ring;
    const gap = at & 7;
    if (gap + length > ROOM) return ring.octets.slice(at, at + length);
    copyOctets(ring.octets, ring.eights, at, room, roomEights, gap, length);
    return room.subarray(gap, gap + length);
  };

  const reply = (answer: Uint8Array, generation: number): void => {
    if (line.board.ring.push(line.port, generation, line.board.slot, answer, 0, answer.length))
      line.board.touched = true;
    else line.control.refuse();
    answer.fill(0);
    Atomics.sub(words, BUSY, 1);
  };

  /** Takes the oldest request. */
  const take = (): void => {
    const generation = ring.link;
    Atomics.add(words, BUSY, 1);
    const request = copied();
    ring.wipe();
    ring.release();
    const answer = thread.answer(request);
    if (answer instanceof Uint8Array) {
      request.fill(0);
      return reply(answer, generation);
    }
    if (request.buffer === room.buffer) {
      room = new Uint8Array(ROOM);
      roomEights = new BigInt64Array(room.buffer);
    }
    void answer.then((late) => {
      request.fill(0);
      reply(late, generation);
      line.ring();
      bell.ring();
    });
  };

  /** Sleeps until the bell rings or something else is due: within the event loop while an answer needs its turns. */
  const sleep = async (heard: number): Promise<void> => {
    const waiting = thread.waits || isElementBusy(words);
    if (waiting) await turnOfEventLoop();
    Atomics.store(words, SLEEPING, 1);
    if (!ring.empty) {
      // It came before whoever sent it could see that this thread sleeps.
    } else if (waiting) {
      await waitAsync(words, BELL, heard, SLEEP_MAX).value;
    } else if (Atomics.wait(words, BELL, heard, SLEEP_MAX) === "timed-out") {
      await turnOfEventLoop();
    }
    Atomics.store(words, SLEEPING, 0);
  };

  // Out of the message that brought the line.
  await turnOfEventLoop();
  for (;;) {
    const heard = Atomics.load(words, BELL);
    if (!thread.orders()) return;
    for (let taken = 0; taken < BATCH && ring.peek(); taken++) take();
    line.ring();
    if (ring.empty) await sleep(heard);
  }
}
