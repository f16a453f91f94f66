/**
 * What can be wrong in a message of IKEv2 that its peer made and sealed: payloads that are missing, twice, in another order, of
 * another type; insides that contradict themselves, told apart by payload; values that another exchange would have. Mutations
 * of octets (test/fuzz/mutation.ts) work inside payloads.
 */
import type { SeededRandom } from "../../../host/chassis/entropy.ts";
import { MUTATIONS, randomOctets } from "../mutation.ts";
import {
  PAYLOAD_AUTH,
  PAYLOAD_DELETE,
  PAYLOAD_KE,
  PAYLOAD_NONCE,
  PAYLOAD_NOTIFY,
  PAYLOAD_SA,
  PAYLOAD_TSI,
  PAYLOAD_TSR,
  type Payload,
} from "./message.ts";

/** What the mutator may draw from beyond the message in hand. */
export interface Pool {
  /** Payloads of other messages. */
  payload: () => Payload | undefined;
  /** An SPI of a CHILD_SA that one of the ends holds, 4 octets. */
  spi: () => Uint8Array;
}

export const pick = <T>(random: SeededRandom, list: readonly T[]): T => list[random.below(list.length)]!;

/** IANA's IKEv2 notify types that are assigned or nearly. */
const NOTIFIES = [
  ...[0, 1, 4, 5, 7, 9, 11, 14, 17, 24, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48],
  ...Array.from({ length: 62 }, (_, i) => 16384 + i),
  ...[8192, 40960, 65535],
];
const KE_METHODS = [0, 1, 2, 14, 15, 19, 20, 21, 28, 31, 32, 35, 36, 37, 1024, 65535];
const LENGTHS = [0, 1, 3, 4, 5, 7, 8, 15, 16, 32, 64, 255, 256, 257, 512, 1599, 1600, 1601];

function anew({ type, flags }: Payload, body: Uint8Array): Payload {
  return { type, flags, body };
}

function octetsOf(random: SeededRandom, body: Uint8Array, pool: Pool): Uint8Array {
  if (body.length === 0) return randomOctets(random, random.below(16));
  return pick(random, MUTATIONS)(body.slice(), random, () => pool.payload()?.body ?? body);
}

/** Proposals as [octets of the proposal's 8 and SPI, transforms' octets]. */
function saOf(random: SeededRandom, body: Uint8Array, pool: Pool): Uint8Array {
  const out = Uint8Array.from(body);
  if (out.length < 16) return octetsOf(random, body, pool);
  switch (random.below(9)) {
    case 0:
      // Last or more.
      out[0] = pick(random, [0, 2, 1, 3]);
      return out;
    case 1:
      // Number, protocol, SPI size, transforms.
      out[4 + random.below(4)] = pick(random, [0, 1, 2, 3, 4, 5, 8, 9, 255]);
      return out;
    case 2: {
      // One proposal more: the same again, with another number.
      const first = Uint8Array.from(out);
      const length = (first[2]! << 8) | first[3]!;
      if (length < 8 || length > first.length) return out;
      const again = first.slice(0, length);
      again[0] = 0;
      again[4] = pick(random, [first[4]! + 1, first[4]!, 0]) & 255;
      first[0] = 2;
      return Uint8Array.from([...first.subarray(0, length), ...again]);
    }
    case 3: {
      // A transform's type, its number, or its attribute.
      const at = 8 + out[6]! + 8 * random.below(6);
      if (at + 8 > out.length) return out;
      out[at + pick(random, [0, 2, 3, 4, 6, 7])] = random.below(256);
      return out;
    }
    case 4: {
      const at = 8 + out[6]! + 8 * random.below(6);
      if (at + 8 > out.length) return out;
      out[at + 4] = pick(random, [0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 255]);
      return out;
    }
    case 5:
      out.set(pool.spi(), 8);
      return out;
    case 6:
      out.fill(0, 8, 8 + out[6]!);
      return out;
    default:
      return octetsOf(random, body, pool);
  }
}

function notifyOf(random: SeededRandom, body: Uint8Array, pool: Pool): Uint8Array {
  const spi = random.below(3) === 0 ? pool.spi() : body.subarray(4, 4 + (body[1] ?? 0));
  const data = body.subarray(4 + (body[1] ?? 0));
  const type = random.below(2) === 0 ? pick(random, NOTIFIES) : ((body[2] ?? 0) << 8) | (body[3] ?? 0);
  switch (random.below(5)) {
    case 0:
      return octetsOf(random, body, pool);
    case 1:
      return Uint8Array.from([
        pick(random, [0, 1, 2, 3, 4, 255]),
        pick(random, [0, 1, 3, 4, 5, 8, 255]),
        type >> 8,
        type & 255,
        ...spi,
        ...data,
      ]);
    case 2:
      return Uint8Array.from([3, spi.length, type >> 8, type & 255, ...spi]);
    case 3:
      return Uint8Array.from([0, 0, type >> 8, type & 255, ...randomOctets(random, pick(random, LENGTHS))]);
    default:
      return Uint8Array.from([body[0] ?? 0, spi.length, type >> 8, type & 255, ...spi, ...data]);
  }
}

function deleteOf(random: SeededRandom, body: Uint8Array, pool: Pool): Uint8Array {
  const count = random.below(6);
  const spis = Array.from({ length: count }, () => pool.spi());
  switch (random.below(6)) {
    case 0:
      return octetsOf(random, body, pool);
    case 1:
      return Uint8Array.from([1, 0, 0, 0]);
    case 2:
      return Uint8Array.from([
        pick(random, [0, 1, 2, 3, 4]),
        pick(random, [0, 4, 8, 255]),
        255,
        255,
        ...spis.flatMap((s) => [...s]),
      ]);
    case 3: {
      // One of them many times.
      const spi = pool.spi();
      const times = pick(random, [2, 3, 64, 300]);
      return Uint8Array.from([3, 4, times >> 8, times & 255, ...Array.from({ length: times }, () => [...spi]).flat()]);
    }
    default:
      return Uint8Array.from([3, 4, 0, count, ...spis.flatMap((s) => [...s])]);
  }
}

function keOf(random: SeededRandom, body: Uint8Array, pool: Pool): Uint8Array {
  const method = pick(random, KE_METHODS);
  switch (random.below(4)) {
    case 0:
      return octetsOf(random, body, pool);
    case 1:
      return Uint8Array.from([method >> 8, method & 255, ...body.subarray(2)]);
    case 2:
      return Uint8Array.from([...body.subarray(0, 4), ...randomOctets(random, pick(random, LENGTHS))]);
    default:
      return Uint8Array.from([method >> 8, method & 255, 0, 0, ...randomOctets(random, pick(random, LENGTHS))]);
  }
}

function selectorsOf(random: SeededRandom, body: Uint8Array, pool: Pool): Uint8Array {
  const out = Uint8Array.from(body);
  if (out.length < 20) return octetsOf(random, body, pool);
  switch (random.below(6)) {
    case 0:
      out[0] = pick(random, [0, 1, 2, 3, 16, 255]);
      return out;
    case 1:
      out[4] = pick(random, [7, 8, 9, 0]);
      return out;
    case 2:
      out[5] = pick(random, [0, 1, 6, 17, 58, 135, 255]);
      return out;
    case 3: {
      // Another selector, and the count that goes with it.
      const times = pick(random, [1, 2, 7, 8, 9, 32, 254]);
      out[0] = 1 + times;
      return Uint8Array.from([...out, ...Array.from({ length: times }, () => [...out.subarray(4, 20)]).flat()]);
    }
    case 4:
      // Ports or addresses that end before they begin.
      out.set(randomOctets(random, 4), pick(random, [8, 12, 16]));
      return out;
    default:
      return octetsOf(random, body, pool);
  }
}

/** A body of this payload's kind with something about it changed. */
function inside(random: SeededRandom, payload: Payload, pool: Pool): Payload {
  const { type, body } = payload;
  if (type === PAYLOAD_SA) return anew(payload, saOf(random, body, pool));
  if (type === PAYLOAD_NOTIFY) return anew(payload, notifyOf(random, body, pool));
  if (type === PAYLOAD_DELETE) return anew(payload, deleteOf(random, body, pool));
  if (type === PAYLOAD_KE) return anew(payload, keOf(random, body, pool));
  if (type === PAYLOAD_TSI || type === PAYLOAD_TSR) return anew(payload, selectorsOf(random, body, pool));
  if (type === PAYLOAD_NONCE && random.below(2) === 0) {
    return anew(payload, randomOctets(random, pick(random, LENGTHS)));
  }
  if (type === PAYLOAD_AUTH && random.below(2) === 0) {
    return anew(payload, Uint8Array.from([pick(random, [0, 1, 2, 3, 9, 10, 11, 12, 13, 14, 15]), ...body.subarray(1)]));
  }
  return anew(payload, octetsOf(random, body, pool));
}

type ChainMutation = (chain: Payload[], random: SeededRandom, pool: Pool) => Payload[];

const CHAIN_MUTATIONS: ChainMutation[] = [
  function change(chain, random, pool) {
    const at = random.below(chain.length);
    return chain.map((payload, i) => (i === at ? inside(random, payload, pool) : payload));
  },
  function drop(chain, random) {
    const at = random.below(chain.length);
    return chain.filter((_, i) => i !== at);
  },
  function twice(chain, random) {
    const at = random.below(chain.length);
    return [...chain.slice(0, at), chain[at]!, ...chain.slice(at)];
  },
  function swap(chain, random) {
    const out = chain.slice();
    const [a, b] = [random.below(out.length), random.below(out.length)];
    [out[a], out[b]] = [out[b]!, out[a]!];
    return out;
  },
  function insert(chain, random, pool) {
    const other = pool.payload();
    if (other === undefined) return chain;
    const at = random.below(chain.length + 1);
    return [...chain.slice(0, at), random.below(2) === 0 ? other : inside(random, other, pool), ...chain.slice(at)];
  },
  function exchange(chain, random, pool) {
    const at = random.below(chain.length);
    const other = pool.payload();
    return chain.map((payload, i) => (i === at && other !== undefined ? other : payload));
  },
  function retype(chain, random) {
    const at = random.below(chain.length);
    const type = random.below(4) === 0 ? random.below(256) : 33 + random.below(22);
    return chain.map((payload, i) => (i === at ? { ...payload, type } : payload));
  },
  function flag(chain, random) {
    const at = random.below(chain.length);
    return chain.map((payload, i) => (i === at ? { ...payload, flags: pick(random, [0x80, 0xff, 0x7f, 1]) } : payload));
  },
  function unknown(chain, random) {
    const type = pick(random, [1, 32, 49, 50, 54, 55, 128, 255]);
    const payload = { type, flags: pick(random, [0, 0x80]), body: randomOctets(random, random.below(24)) };
    const at = random.below(chain.length + 1);
    return [...chain.slice(0, at), payload, ...chain.slice(at)];
  },
  function lie(chain, random) {
    const at = random.below(chain.length);
    const truth = chain[at]!.body.length + 4;
    const length = pick(random, [truth + 1, truth - 1, 0, 3, 4, 65535, truth + 4]);
    return chain.map((payload, i) => (i === at ? { ...payload, length } : payload));
  },
  function many(chain, random) {
    const at = random.below(chain.length);
    const times = pick(random, [2, 16, 60, 64, 65, 100]);
    return [...chain.slice(0, at), ...Array.from({ length: times }, () => chain[at]!), ...chain.slice(at + 1)];
  },
  function empty() {
    return [];
  },
];
/** How often each is chosen, in sixteenths: insides are where most code is. */
const WEIGHTS = [14, 4, 3, 3, 5, 3, 2, 2, 2, 3, 1, 1];
const WEIGHT_SUM = WEIGHTS.reduce((a, b) => a + b);
const OCTETS_MAX = 7000;

/** A chain with `times` things wrong. */
export function mutateChain(chain: readonly Payload[], times: number, random: SeededRandom, pool: Pool): Payload[] {
  let out = chain.slice();
  for (let n = 0; n < times; n++) {
    if (out.length === 0) {
      const other = pool.payload();
      if (other === undefined) return out;
      out = [other];
    }
    let at = random.below(WEIGHT_SUM);
    let which = 0;
    while (at >= WEIGHTS[which]!) at -= WEIGHTS[which++]!;
    const next = CHAIN_MUTATIONS[which]!(out, random, pool);
    const octets = next.reduce((sum, { body }) => sum + body.length + 4, 0);
    // What no frame holds is not sent by anybody.
    if (octets <= OCTETS_MAX) out = next;
  }
  return out;
}
