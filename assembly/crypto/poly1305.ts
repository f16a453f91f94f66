/**
 * Poly1305 (RFC 8439, 2.5): a one-time authenticator. Numbers modulo 2^130 - 5 in 32-bit limbs with 64-bit products.
 *
 * A context:
 *     0              16             32                   52
 *     +--------------+--------------+--------------------+
 *     | r, clamped   | s            | accumulator, 5 u32 |
 *     +--------------+--------------+--------------------+
 *
 * Constant time. The key must serve one message: twice reveals it. Refuses nothing: any key, any length.
 */
import { zeroize } from "../rt/bytes";

/** Size of a context, alignment 8. */
export const POLY1305_CONTEXT_OCTETS: u32 = 56;
const S: usize = 16;
const H: usize = 32;

const last: usize = memory.data(16, 16);

/** Takes the 32 octets of a one-time key and begins the message. */
export function poly1305Init(context: usize, key: usize): void {
  store<u32>(context, load<u32>(key) & 0x0fffffff); // 2.5.1: the clamp
  store<u32>(context, load<u32>(key, 4) & 0x0ffffffc, 4);
  store<u32>(context, load<u32>(key, 8) & 0x0ffffffc, 8);
  store<u32>(context, load<u32>(key, 12) & 0x0ffffffc, 12);
  memory.copy(context + S, key + 16, 16);
  memory.fill(context + H, 0, 20);
}

/** One block: h = (h + block + high * 2^128) * r, partly reduced. `high` is 1 for a block of 16 octets. */
// @ts-ignore: decorator
@inline
export function poly1305Block(context: usize, p: usize, high: u64): void {
  const r0 = <u64>load<u32>(context);
  const r1 = <u64>load<u32>(context, 4);
  const r2 = <u64>load<u32>(context, 8);
  const r3 = <u64>load<u32>(context, 12);
  // 2^128 = 5/4 modulo 2^130 - 5, and r1..r3 are multiples of 4; for r0 the lost bits come back in x4.
  const q0 = (r0 >>> 2) * 5;
  const q1 = (r1 >>> 2) + r1;
  const q2 = (r2 >>> 2) + r2;
  const q3 = (r3 >>> 2) + r3;
  const s0 = <u64>load<u32>(context, H) + <u64>load<u32>(p);
  const s1 = <u64>load<u32>(context, H + 4) + <u64>load<u32>(p, 4);
  const s2 = <u64>load<u32>(context, H + 8) + <u64>load<u32>(p, 8);
  const s3 = <u64>load<u32>(context, H + 12) + <u64>load<u32>(p, 12);
  const s4 = <u64>load<u32>(context, H + 16) + high;
  const x0 = s0 * r0 + s1 * q3 + s2 * q2 + s3 * q1 + s4 * q0;
  const x1 = s0 * r1 + s1 * r0 + s2 * q3 + s3 * q2 + s4 * q1;
  const x2 = s0 * r2 + s1 * r1 + s2 * r0 + s3 * q3 + s4 * q2;
  const x3 = s0 * r3 + s1 * r2 + s2 * r1 + s3 * r0 + s4 * q3;
  const x4 = s4 * (r0 & 3);
  const u5 = x4 + (x3 >>> 32);
  const u0 = (u5 >>> 2) * 5 + (x0 & 0xffffffff);
  const u1 = (u0 >>> 32) + (x1 & 0xffffffff) + (x0 >>> 32);
  const u2 = (u1 >>> 32) + (x2 & 0xffffffff) + (x1 >>> 32);
  const u3 = (u2 >>> 32) + (x3 & 0xffffffff) + (x2 >>> 32);
  const u4 = (u3 >>> 32) + (u5 & 3);
  store<u32>(context, <u32>u0, H);
  store<u32>(context, <u32>u1, H + 4);
  store<u32>(context, <u32>u2, H + 8);
  store<u32>(context, <u32>u3, H + 12);
  store<u32>(context, <u32>u4, H + 16);
}

/** Absorbs `count` whole blocks. */
export function poly1305Blocks(context: usize, p: usize, count: u32): void {
  for (; count != 0; count--) {
    poly1305Block(context, p, 1);
    p += 16;
  }
}

/** Absorbs `length` octets, zero padded to whole blocks (RFC 8439, 2.8.1). */
export function poly1305Padded(context: usize, p: usize, length: u32): void {
  poly1305Blocks(context, p, length >>> 4);
  const rest = length & 15;
  if (rest == 0) return;
  memory.fill(last, 0, 16);
  memory.copy(last, p + (length - rest), rest);
  poly1305Block(context, last, 1);
}

/** Absorbs the last `length` octets, writes the tag and wipes the context. Only the last call may end inside a block. */
export function poly1305Final(context: usize, p: usize, length: u32, tag: usize): void {
  poly1305Blocks(context, p, length >>> 4);
  const rest = length & 15;
  if (rest != 0) {
    memory.fill(last, 0, 16);
    memory.copy(last, p + (length - rest), rest);
    store<u8>(last + rest, 1);
    poly1305Block(context, last, 0);
  }
  // h mod 2^130 - 5 plus s: when h + 5 reaches 2^130, the carry brings the 5 in.
  let carry: u64 = 5;
  for (let i: usize = 0; i < 16; i += 4) carry = (carry + <u64>load<u32>(context + H + i)) >>> 32;
  carry = ((carry + <u64>load<u32>(context, H + 16)) >>> 2) * 5;
  for (let i: usize = 0; i < 16; i += 4) {
    carry += <u64>load<u32>(context + H + i) + <u64>load<u32>(context + S + i);
    store<u32>(tag + i, <u32>carry);
    carry >>>= 32;
  }
  zeroize(context, POLY1305_CONTEXT_OCTETS);
  zeroize(last, 16);
}
