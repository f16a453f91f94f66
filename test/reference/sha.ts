/**
 * SHA-1 and SHA-2 after FIPS 180-4 over BigInt, with the constants computed from their definitions: the slow twin of
 * assembly/crypto/sha*.ts and hash.ts. HMAC after RFC 2104 on top.
 */

function primes(count: number): bigint[] {
  const found: bigint[] = [];
  for (let n = 2n; found.length < count; n++) if (found.every((prime) => n % prime !== 0n)) found.push(n);
  return found;
}

/** The whole part of the `degree`th root of `value`. */
function root(value: bigint, degree: bigint): bigint {
  let [low, high] = [0n, value + 1n];
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (middle ** degree <= value) low = middle;
    else high = middle;
  }
  return low;
}

/** The first `bits` bits of the fractional part of a root of a prime. */
function fraction(prime: bigint, degree: bigint, bits: bigint): bigint {
  return root(prime << (degree * bits), degree) & ((1n << bits) - 1n);
}

/** Pads (5.1) to blocks of `block` octets and splits into words of `bits` bits. */
function blocks(message: Uint8Array, block: number, bits: number): bigint[][] {
  const lengthOctets = block / 8;
  const padded = Buffer.alloc(Math.ceil((message.length + 1 + lengthOctets) / block) * block);
  padded.set(message);
  padded[message.length] = 0x80;
  padded.writeBigUInt64BE(BigInt(message.length) * 8n, padded.length - 8);
  const words = Array.from({ length: (padded.length * 8) / bits }, (_, i) =>
    bits === 32 ? BigInt(padded.readUInt32BE(4 * i)) : padded.readBigUInt64BE(8 * i),
  );
  return Array.from({ length: words.length / 16 }, (_, i) => words.slice(16 * i, 16 * i + 16));
}

function octetsOf(words: bigint[], bits: number): Buffer {
  return Buffer.from(words.map((word) => word.toString(16).padStart(bits / 4, "0")).join(""), "hex");
}

function sha1(message: Uint8Array): Buffer {
  const mask = 0xffffffffn;
  const left = (x: bigint, n: bigint): bigint => ((x << n) | (x >> (32n - n))) & mask;
  let state = [0x67452301n, 0xefcdab89n, 0x98badcfen, 0x10325476n, 0xc3d2e1f0n];
  for (const w of blocks(message, 64, 32)) {
    for (let t = 16; t < 80; t++) w.push(left(w[t - 3]! ^ w[t - 8]! ^ w[t - 14]! ^ w[t - 16]!, 1n));
    let [a, b, c, d, e] = state as [bigint, bigint, bigint, bigint, bigint];
    for (let t = 0; t < 80; t++) {
      const f = t < 20 ? (b & c) ^ (~b & mask & d) : t >= 40 && t < 60 ? (b & c) ^ (b & d) ^ (c & d) : b ^ c ^ d;
      const k = [0x5a827999n, 0x6ed9eba1n, 0x8f1bbcdcn, 0xca62c1d6n][Math.floor(t / 20)]!;
      [a, b, c, d, e] = [(left(a, 5n) + f + e + k + w[t]!) & mask, a, left(b, 30n), c, d];
    }
    state = [a, b, c, d, e].map((word, i) => (word + state[i]!) & mask);
  }
  return octetsOf(state, 32);
}

type Rotations = [bigint, bigint, bigint];

function sha2(message: Uint8Array, bits: 32 | 64, rounds: number, start: bigint[], r: Rotations[]): Buffer {
  const width = BigInt(bits);
  const mask = (1n << width) - 1n;
  const right = (x: bigint, n: bigint): bigint => ((x >> n) | (x << (width - n))) & mask;
  const sum = (x: bigint, [i, j, k]: Rotations): bigint => right(x, i) ^ right(x, j) ^ right(x, k);
  const sigma = (x: bigint, [i, j, k]: Rotations): bigint => right(x, i) ^ right(x, j) ^ (x >> k);
  const constants = primes(rounds).map((prime) => fraction(prime, 3n, width));
  let state = start;
  for (const w of blocks(message, bits * 2, bits)) {
    for (let t = 16; t < rounds; t++)
      w.push((sigma(w[t - 2]!, r[3]!) + w[t - 7]! + sigma(w[t - 15]!, r[2]!) + w[t - 16]!) & mask);
    let [a, b, c, d, e, f, g, h] = state as [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint];
    for (let t = 0; t < rounds; t++) {
      const t1 = h + sum(e, r[1]!) + ((e & f) ^ (~e & mask & g)) + constants[t]! + w[t]!;
      const t2 = sum(a, r[0]!) + ((a & b) ^ (a & c) ^ (b & c));
      [a, b, c, d, e, f, g, h] = [(t1 + t2) & mask, a, b, c, (d + t1) & mask, e, f, g];
    }
    state = [a, b, c, d, e, f, g, h].map((word, i) => (word + state[i]!) & mask);
  }
  return octetsOf(state, bits);
}

const ROTATIONS_32: Rotations[] = [
  [2n, 13n, 22n],
  [6n, 11n, 25n],
  [7n, 18n, 3n],
  [17n, 19n, 10n],
];
const ROTATIONS_64: Rotations[] = [
  [28n, 34n, 39n],
  [14n, 18n, 41n],
  [1n, 8n, 7n],
  [19n, 61n, 6n],
];

/** The digest; `id` as in assembly/crypto/hash.ts. */
export function hash(id: number, message: Uint8Array): Buffer {
  const square = (prime: bigint, width: bigint): bigint => fraction(prime, 2n, width);
  if (id === 1) return sha1(message);
  if (id === 2)
    return sha2(
      message,
      32,
      64,
      primes(8).map((prime) => square(prime, 32n)),
      ROTATIONS_32,
    );
  const sixteen = primes(16).map((prime) => square(prime, 64n));
  if (id === 3) return sha2(message, 64, 80, sixteen.slice(8), ROTATIONS_64).subarray(0, 48);
  return sha2(message, 64, 80, sixteen.slice(0, 8), ROTATIONS_64);
}

/** HMAC (RFC 2104, 2). */
export function hmac(id: number, key: Uint8Array, message: Uint8Array): Buffer {
  const block = id <= 2 ? 64 : 128;
  const padded = Buffer.alloc(block);
  padded.set(key.length > block ? hash(id, key) : key);
  const inner = hash(id, Buffer.concat([padded.map((octet) => octet ^ 0x36), message]));
  return hash(id, Buffer.concat([padded.map((octet) => octet ^ 0x5c), inner]));
}
