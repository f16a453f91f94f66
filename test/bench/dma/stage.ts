/**
 * A thread of the pipeline (pipeline.ts): waits for the burst, does its part of it on the way that was ordered, notes what that took, and
 * hands the burst on. No firmware runs: what is measured is how octets come from one memory into another.
 */
import { workerData } from "node:worker_threads";
import { copyOctets } from "../../../host/chassis/copy.ts";
import { MessageRing } from "../../../host/chassis/drive/message_ring.ts";
import * as P from "./plan.ts";

const parts = workerData as P.StageParts;
const control = new Int32Array(parts.control);
const times = new Float64Array(parts.times);
const [fromNic, between, toNic, kept] = parts.rings.map((memory) => new MessageRing(memory)) as [
  MessageRing,
  MessageRing,
  MessageRing,
  MessageRing,
];

interface Memory {
  octets: Uint8Array;
  eights: BigInt64Array;
}
const memory = (buffer: ArrayBufferLike): Memory => ({
  octets: new Uint8Array(buffer),
  eights: new BigInt64Array(buffer),
});
const [source, sink] = [memory(parts.source), memory(parts.sink)];
/** As a board's: WebAssembly's. A thread has that of one board. */
const own = memory(new WebAssembly.Memory({ initial: P.RAM_PAGES, maximum: P.RAM_PAGES }).buffer);
const shared = parts.shared.map(memory) as [Memory, Memory];

let copied = 0;
function copy(from: Memory, at: number, to: Memory, toAt: number, length: number): void {
  copyOctets(from.octets, from.eights, at, to.octets, to.eights, toAt, length);
  copied += length;
}

/** Puts a message into a ring; `every`: messages after which its reader sees them. */
function put(
  ring: MessageRing,
  i: number,
  from: Memory,
  at: number,
  length: number,
  every: number,
  link = 0,
  whole = 0,
): void {
  const room = ring.reserve(length, at);
  if (room < 0) throw new RangeError("a burst is longer than a ring");
  copy(from, at, ring, room, length);
  ring.append(length, 0, link, whole);
  if ((i + 1) % every === 0) ring.publish();
}

/** What a board looks at in any case. */
let seen = 0;
const look = (ram: Memory, at: number): void => {
  seen = (seen + ram.octets[at]! + ram.octets[at + 9]! + ram.octets[at + 16]!) | 0;
};

/** From one ring into RAM and out of it into the other, a poll's packets at a time. */
function throughRam(from: MessageRing, ram: Memory, to: MessageRing, every: number): void {
  for (let first = 0; first < P.BURST; first += P.POLL) {
    const lengths: number[] = [];
    for (let i = first; i < first + P.POLL; i++) {
      if (!from.peek()) throw new Error("a packet is missing");
      copy(from, from.at, ram, P.frameAt(i), from.length);
      lengths.push(from.length);
      from.pass();
      if ((i + 1) % every === 0) from.settle();
    }
    for (let i = first; i < first + P.POLL; i++) {
      look(ram, P.frameAt(i));
      put(to, i, ram, P.frameAt(i), lengths[i - first]!, every);
    }
  }
  from.settle();
  to.publish();
}

const NOTHING = memory(new ArrayBuffer(16));

function nicIn(way: P.Way, octets: number): void {
  const every = way === "rings, cursor" ? 1 : P.PUBLISHED_AT_ONCE;
  const ring = way === "headers" ? kept : fromNic;
  if (way === "shared")
    for (let i = 0; i < P.BURST; i++) copy(source, i * P.PACKET_STRIDE, shared[0], P.frameAt(i), octets);
  else for (let i = 0; i < P.BURST; i++) put(ring, i, source, i * P.PACKET_STRIDE, octets, every);
  ring.publish();
}

function ike(way: P.Way, octets: number): void {
  if (way === "cut") return;
  if (way === "shared") {
    for (let i = 0; i < P.BURST; i++) {
      look(shared[0], P.frameAt(i));
      copy(shared[0], P.frameAt(i), shared[1], P.frameAt(i), octets);
      put(between, i, NOTHING, 0, 0, P.PUBLISHED_AT_ONCE, i, octets);
    }
    between.publish();
  } else if (way === "headers") {
    // The room of the burst before: the IPsec board has fetched that.
    kept.settle();
    for (let first = 0; first < P.BURST; first += P.POLL) {
      const heads: { at: number; length: number }[] = [];
      for (let i = first; i < first + P.POLL; i++) {
        if (!kept.peek()) throw new Error("a packet is missing");
        copy(kept, kept.at, own, P.frameAt(i), Math.min(P.HEADER, kept.length));
        heads.push({ at: kept.at, length: kept.length });
        kept.pass();
      }
      for (let i = first; i < first + P.POLL; i++) {
        const { at, length } = heads[i - first]!;
        look(own, P.frameAt(i));
        put(between, i, own, P.frameAt(i), Math.min(P.HEADER, length), P.PUBLISHED_AT_ONCE, at, length);
      }
    }
    between.publish();
  } else {
    throughRam(
      fromNic,
      way === "rings, shared" ? shared[0] : own,
      between,
      way === "rings, cursor" ? 1 : P.PUBLISHED_AT_ONCE,
    );
  }
}

function ipsec(way: P.Way): void {
  const ram = way === "rings, shared" ? shared[1] : own;
  if (way === "cut") return throughRam(fromNic, ram, toNic, P.PUBLISHED_AT_ONCE);
  if (way === "shared") {
    for (let i = 0; between.peek(); i++) {
      look(shared[1], P.frameAt(between.link));
      put(toNic, i, NOTHING, 0, 0, P.PUBLISHED_AT_ONCE, between.link, between.from);
      between.pass();
    }
    between.settle();
    toNic.publish();
  } else if (way === "headers") {
    for (let first = 0; first < P.BURST; first += P.POLL) {
      const lengths: number[] = [];
      for (let i = first; i < first + P.POLL; i++) {
        if (!between.peek()) throw new Error("a packet is missing");
        const { at, length, link, from: whole } = between;
        copy(between, at, ram, P.frameAt(i), length);
        if (whole > length) copy(kept, link + length, ram, P.frameAt(i) + length, whole - length);
        lengths.push(whole);
        between.pass();
      }
      between.settle();
      for (let i = first; i < first + P.POLL; i++) {
        look(ram, P.frameAt(i));
        put(toNic, i, ram, P.frameAt(i), lengths[i - first]!, P.PUBLISHED_AT_ONCE);
      }
    }
    toNic.publish();
  } else {
    throughRam(between, ram, toNic, way === "rings, cursor" ? 1 : P.PUBLISHED_AT_ONCE);
  }
}

function nicOut(way: P.Way): void {
  let i = 0;
  for (; toNic.peek(); i++) {
    if (way === "shared") copy(shared[1], P.frameAt(toNic.link), sink, i * P.PACKET_STRIDE, toNic.from);
    else copy(toNic, toNic.at, sink, i * P.PACKET_STRIDE, toNic.length);
    toNic.pass();
  }
  toNic.settle();
  if (i !== P.BURST) throw new Error(`${i} packets came out`);
}

/** Waits until it is this thread's turn; false at the end. */
function turn(stage: number): boolean {
  for (;;) {
    if (Atomics.load(control, P.STOP) !== 0) return false;
    const now = Atomics.load(control, P.STAGE);
    if (now === stage) return true;
    Atomics.wait(control, P.STAGE, now);
  }
}

function burst(stage: number): boolean {
  if (!turn(stage)) return false;
  const way = P.WAYS[Atomics.load(control, P.WAY)]!;
  const octets = Atomics.load(control, P.OCTETS);
  copied = 0;
  const start = process.hrtime.bigint();
  if (stage === P.NIC_IN) nicIn(way, octets);
  else if (stage === P.IKE) ike(way, octets);
  else if (stage === P.IPSEC) ipsec(way);
  else nicOut(way);
  times[stage] = Number(process.hrtime.bigint() - start);
  if (stage === P.IKE || stage === P.IPSEC) Atomics.add(control, P.COPIED, copied);
  Atomics.store(control, P.STAGE, stage + 1);
  Atomics.notify(control, P.STAGE);
  return true;
}

for (let running = true; running; ) for (const stage of parts.stages) running = running && burst(stage);
Atomics.add(control, P.SEEN, seen);
