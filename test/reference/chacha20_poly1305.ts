/** ChaCha20-Poly1305 after RFC 8439 over BigInt: the slow twin of assembly/crypto/chacha20*.ts and poly1305.ts. */

const P = (1n << 130n) - 5n;
const CLAMP = 0x0ffffffc0ffffffc0ffffffc0fffffffn;

function little(octets: Uint8Array): bigint {
  return octets.reduceRight((value, octet) => (value << 8n) | BigInt(octet), 0n);
}

function octetsOf(value: bigint, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => Number((value >> BigInt(8 * i)) & 255n)));
}

/** 2.5 */
export function poly1305(key: Uint8Array, message: Uint8Array): Buffer {
  const r = little(key.subarray(0, 16)) & CLAMP;
  let a = 0n;
  for (let at = 0; at < message.length; at += 16) {
    const block = message.subarray(at, at + 16);
    a = ((a + little(block) + (1n << BigInt(8 * block.length))) * r) % P;
  }
  return octetsOf(a + little(key.subarray(16, 32)), 16);
}

/** 2.3 */
export function chacha20Block(key: Uint8Array, nonce: Uint8Array, counter: number): Buffer {
  const input = Buffer.concat([Buffer.from("expand 32-byte k"), key, Buffer.alloc(4), nonce]);
  input.writeUInt32LE(counter >>> 0, 48);
  const x = Array.from({ length: 16 }, (_, i) => input.readUInt32LE(4 * i));
  const step = (to: number, from: number, mixed: number, turn: number): void => {
    x[to] = (x[to]! + x[from]!) >>> 0;
    const value = (x[mixed]! ^ x[to]!) >>> 0;
    x[mixed] = ((value << turn) | (value >>> (32 - turn))) >>> 0;
  };
  const quarter = (a: number, b: number, c: number, d: number): void => {
    step(a, b, d, 16);
    step(c, d, b, 12);
    step(a, b, d, 8);
    step(c, d, b, 7);
  };
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 4; i++) quarter(i, 4 + i, 8 + i, 12 + i);
    for (let i = 0; i < 4; i++) quarter(i, 4 + ((i + 1) % 4), 8 + ((i + 2) % 4), 12 + ((i + 3) % 4));
  }
  const out = Buffer.alloc(64);
  x.forEach((word, i) => out.writeUInt32LE((word + input.readUInt32LE(4 * i)) >>> 0, 4 * i));
  return out;
}

/** 2.8: ciphertext and tag. */
export function chacha20Poly1305Seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, data: Uint8Array): Buffer {
  const sealed = Buffer.from(data);
  for (let at = 0; at < sealed.length; at += 64) {
    const block = chacha20Block(key, nonce, 1 + at / 64);
    for (let i = at; i < Math.min(at + 64, sealed.length); i++) sealed[i]! ^= block[i - at]!;
  }
  const pad = (octets: Uint8Array): Buffer => Buffer.concat([octets, Buffer.alloc(-octets.length & 15)]);
  const lengths = Buffer.concat([octetsOf(BigInt(aad.length), 8), octetsOf(BigInt(data.length), 8)]);
  const tag = poly1305(chacha20Block(key, nonce, 0), Buffer.concat([pad(aad), pad(sealed), lengths]));
  return Buffer.concat([sealed, tag]);
}
