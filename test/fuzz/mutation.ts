/**
 * Frames that nobody meant: random octets, and valid frames with something wrong.
 *
 * Half of the mutated IP packets get their lengths and header checksums put right again, so that they pass the first checks
 * and reach the ones behind. All choices come from one seeded generator.
 */
import type { SeededRandom } from "../../host/chassis/entropy.ts";

/** A valid frame as it was seen. */
export interface Sample {
  octets: Uint8Array;
  /** VC on an ATM channel, else 0. */
  link: number;
}

const INTERESTING = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff];
const WIDE = [0, 1, 4, 7, 8, 28, 0x7fff, 0x8000, 0xfffe, 0xffff];
const LENGTH_MAX = 9984;

export function randomOctets(random: SeededRandom, length: number): Uint8Array {
  const octets = new Uint8Array(length);
  for (let i = 0; i < length; i++) octets[i] = random.below(256);
  return octets;
}

/** Mostly short, sometimes as long as a frame can be. */
function randomLength(random: SeededRandom): number {
  const kind = random.below(16);
  if (kind === 0) return random.below(LENGTH_MAX + 1);
  return random.below(kind < 8 ? 64 : 512);
}

export type Mutation = (octets: Uint8Array, random: SeededRandom, other: () => Uint8Array) => Uint8Array;

const splice = (octets: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array =>
  Uint8Array.from([...octets.subarray(0, at), ...insert, ...octets.subarray(at + remove)]).subarray(0, LENGTH_MAX);

export const MUTATIONS: Mutation[] = [
  function flipBits(octets, random) {
    for (let n = 1 + random.below(8); n > 0; n--) octets[random.below(octets.length)]! ^= 1 << random.below(8);
    return octets;
  },
  function setOctet(octets, random) {
    octets[random.below(octets.length)] = INTERESTING[random.below(INTERESTING.length)]!;
    return octets;
  },
  function setWord(octets, random) {
    if (octets.length < 2) return octets;
    const at = random.below(octets.length - 1);
    const value = WIDE[random.below(WIDE.length)]!;
    const little = random.below(2);
    octets[at + little] = value >>> 8;
    octets[at + 1 - little] = value & 255;
    return octets;
  },
  function nudgeOctet(octets, random) {
    octets[random.below(octets.length)]! += random.below(2) === 0 ? 1 : -1;
    return octets;
  },
  function cut(octets, random) {
    return octets.slice(0, random.below(octets.length + 1));
  },
  function cutFront(octets, random) {
    return octets.slice(random.below(Math.min(octets.length, 64) + 1));
  },
  function extend(octets, random) {
    return splice(octets, octets.length, 0, randomOctets(random, 1 + random.below(64)));
  },
  function insert(octets, random) {
    return splice(octets, random.below(octets.length + 1), 0, randomOctets(random, 1 + random.below(16)));
  },
  function remove(octets, random) {
    return splice(octets, random.below(octets.length), 1 + random.below(16), new Uint8Array(0));
  },
  function repeat(octets, random) {
    const at = random.below(octets.length);
    return splice(octets, at, 0, octets.slice(at, at + 1 + random.below(48)));
  },
  function cross(octets, random, other) {
    const second = other();
    const at = random.below(Math.min(octets.length, second.length) + 1);
    return Uint8Array.from([...octets.subarray(0, at), ...second.subarray(at)]);
  },
];

function checksum(octets: Uint8Array, start: number, length: number): number {
  let sum = 0;
  for (let i = 0; i + 1 < length; i += 2) sum += (octets[start + i]! << 8) | octets[start + i + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function put16(octets: Uint8Array, at: number, value: number): void {
  octets[at] = (value >>> 8) & 255;
  octets[at + 1] = value & 255;
}

/** Makes the IPv4 header at `start` true again: total length, checksum; with UDP its length, with IKE the message's. */
function mend(octets: Uint8Array, start: number): void {
  if (octets.length < start + 20 || octets[start]! >>> 4 !== 4) return;
  const header = (octets[start]! & 15) * 4;
  if (header < 20 || octets.length < start + header) return;
  put16(octets, start + 2, octets.length - start);
  put16(octets, start + 10, 0);
  put16(octets, start + 10, checksum(octets, start, header));
  const udp = start + header;
  if (octets[start + 9] === 4) mend(octets, udp);
  if (octets[start + 9] !== 17 || octets.length < udp + 8) return;
  put16(octets, udp + 4, octets.length - udp);
  put16(octets, udp + 6, 0);
  const natt = octets[udp + 2] === 4500 >>> 8 && octets[udp + 3] === (4500 & 255);
  const ike = udp + 8 + (natt ? 4 : 0);
  if (octets.length < ike + 28) return;
  put16(octets, ike + 24, 0);
  put16(octets, ike + 26, octets.length - ike);
}

/** The next frame to feed, from the samples of its port and from nothing. */
export function nextFrame(random: SeededRandom, samples: readonly Sample[]): Sample {
  if (samples.length === 0 || random.below(8) === 0) {
    const link = samples.length === 0 ? 0 : samples[random.below(samples.length)]!.link;
    return { octets: randomOctets(random, randomLength(random)), link };
  }
  const sample = samples[random.below(samples.length)]!;
  const other = (): Uint8Array => samples[random.below(samples.length)]!.octets;
  let octets = sample.octets.slice();
  // Now and then a frame comes again just as it was.
  for (let n = random.below(4); n > 0 && octets.length > 0; n--) {
    octets = Uint8Array.from(MUTATIONS[random.below(MUTATIONS.length)]!(octets, random, other));
  }
  if (random.below(2) === 0) mend(octets, 0);
  else if (random.below(2) === 0) mend(octets, 14);
  // A wrong VC is the backplane's mistake, and must be survived too.
  const link = random.below(64) === 0 ? random.below(128) : sample.link;
  return { octets: octets.subarray(0, LENGTH_MAX), link };
}
