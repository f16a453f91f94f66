/**
 * ChaCha20 (RFC 8439, 2.3) four blocks at a time in SIMD: lane i of every vector is block i. Poly1305 of other octets is
 * computed between the rounds, two blocks in each double round, because it keeps the scalar units busy while these keep
 * the vector units busy.
 *
 * No address and no branch depends on key or data. Only reachable where ASC_FEATURE_SIMD is on.
 */
import { poly1305Block } from "./poly1305";

/** Octets of four blocks, and blocks of Poly1305 in as many. */
export const CHACHA20_RUN: u32 = 256;
const POLY_ROUNDS: u32 = 8;

// @ts-ignore: decorator
@inline
function rotl16(x: v128): v128 {
  return i8x16.swizzle(x, i8x16(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
}

// @ts-ignore: decorator
@inline
function rotl8(x: v128): v128 {
  return i8x16.swizzle(x, i8x16(3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14));
}

// @ts-ignore: decorator
@inline
function rotl12(x: v128): v128 {
  return v128.or(i32x4.shl(x, 12), i32x4.shr_u(x, 20));
}

// @ts-ignore: decorator
@inline
function rotl7(x: v128): v128 {
  return v128.or(i32x4.shl(x, 7), i32x4.shr_u(x, 25));
}

/** Adds the input state to four words of all blocks, turns lanes into blocks, and exclusive-ors them into the data. */
// @ts-ignore: decorator
@inline
function emit(data: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab0 = i32x4.shuffle(a, b, 0, 4, 1, 5);
  const ab1 = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cd0 = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const cd1 = i32x4.shuffle(c, d, 2, 6, 3, 7);
  v128.store(data, v128.xor(v128.load(data), i64x2.shuffle(ab0, cd0, 0, 2)));
  v128.store(data, v128.xor(v128.load(data, 64), i64x2.shuffle(ab0, cd0, 1, 3)), 64);
  v128.store(data, v128.xor(v128.load(data, 128), i64x2.shuffle(ab1, cd1, 0, 2)), 128);
  v128.store(data, v128.xor(v128.load(data, 192), i64x2.shuffle(ab1, cd1, 1, 3)), 192);
}

// @ts-ignore: decorator
@inline
function input(p: usize): v128 {
  return v128.load_splat<u32>(p);
}

/**
 * Exclusive-ors 256 octets at `data` with the keystream blocks `counter` to `counter` + 3; when `poly` is not 0, absorbs the
 * 256 octets at `message` into that Poly1305 context before anything is written: `message` may be `data`.
 */
export function chacha20Xor4(key: usize, nonce: usize, counter: u32, data: usize, poly: usize, message: usize): void {
  let v0 = i32x4.splat(0x61707865);
  let v1 = i32x4.splat(0x3320646e);
  let v2 = i32x4.splat(0x79622d32);
  let v3 = i32x4.splat(0x6b206574);
  let v4 = input(key);
  let v5 = input(key + 4);
  let v6 = input(key + 8);
  let v7 = input(key + 12);
  let v8 = input(key + 16);
  let v9 = input(key + 20);
  let v10 = input(key + 24);
  let v11 = input(key + 28);
  let v12 = i32x4.add(i32x4.splat(counter), i32x4(0, 1, 2, 3));
  let v13 = input(nonce);
  let v14 = input(nonce + 4);
  let v15 = input(nonce + 8);
  for (let round: u32 = 0; round < 10; round++) {
    if (poly != 0 && round < POLY_ROUNDS) {
      poly1305Block(poly, message, 1);
      poly1305Block(poly, message + 16, 1);
      message += 32;
    }
    // columns
    v0 = i32x4.add(v0, v4);
    v1 = i32x4.add(v1, v5);
    v2 = i32x4.add(v2, v6);
    v3 = i32x4.add(v3, v7);
    v12 = rotl16(v128.xor(v12, v0));
    v13 = rotl16(v128.xor(v13, v1));
    v14 = rotl16(v128.xor(v14, v2));
    v15 = rotl16(v128.xor(v15, v3));
    v8 = i32x4.add(v8, v12);
    v9 = i32x4.add(v9, v13);
    v10 = i32x4.add(v10, v14);
    v11 = i32x4.add(v11, v15);
    v4 = rotl12(v128.xor(v4, v8));
    v5 = rotl12(v128.xor(v5, v9));
    v6 = rotl12(v128.xor(v6, v10));
    v7 = rotl12(v128.xor(v7, v11));
    v0 = i32x4.add(v0, v4);
    v1 = i32x4.add(v1, v5);
    v2 = i32x4.add(v2, v6);
    v3 = i32x4.add(v3, v7);
    v12 = rotl8(v128.xor(v12, v0));
    v13 = rotl8(v128.xor(v13, v1));
    v14 = rotl8(v128.xor(v14, v2));
    v15 = rotl8(v128.xor(v15, v3));
    v8 = i32x4.add(v8, v12);
    v9 = i32x4.add(v9, v13);
    v10 = i32x4.add(v10, v14);
    v11 = i32x4.add(v11, v15);
    v4 = rotl7(v128.xor(v4, v8));
    v5 = rotl7(v128.xor(v5, v9));
    v6 = rotl7(v128.xor(v6, v10));
    v7 = rotl7(v128.xor(v7, v11));
    // diagonals
    v0 = i32x4.add(v0, v5);
    v1 = i32x4.add(v1, v6);
    v2 = i32x4.add(v2, v7);
    v3 = i32x4.add(v3, v4);
    v15 = rotl16(v128.xor(v15, v0));
    v12 = rotl16(v128.xor(v12, v1));
    v13 = rotl16(v128.xor(v13, v2));
    v14 = rotl16(v128.xor(v14, v3));
    v10 = i32x4.add(v10, v15);
    v11 = i32x4.add(v11, v12);
    v8 = i32x4.add(v8, v13);
    v9 = i32x4.add(v9, v14);
    v5 = rotl12(v128.xor(v5, v10));
    v6 = rotl12(v128.xor(v6, v11));
    v7 = rotl12(v128.xor(v7, v8));
    v4 = rotl12(v128.xor(v4, v9));
    v0 = i32x4.add(v0, v5);
    v1 = i32x4.add(v1, v6);
    v2 = i32x4.add(v2, v7);
    v3 = i32x4.add(v3, v4);
    v15 = rotl8(v128.xor(v15, v0));
    v12 = rotl8(v128.xor(v12, v1));
    v13 = rotl8(v128.xor(v13, v2));
    v14 = rotl8(v128.xor(v14, v3));
    v10 = i32x4.add(v10, v15);
    v11 = i32x4.add(v11, v12);
    v8 = i32x4.add(v8, v13);
    v9 = i32x4.add(v9, v14);
    v5 = rotl7(v128.xor(v5, v10));
    v6 = rotl7(v128.xor(v6, v11));
    v7 = rotl7(v128.xor(v7, v8));
    v4 = rotl7(v128.xor(v4, v9));
  }
  emit(
    data,
    i32x4.add(v0, i32x4.splat(0x61707865)),
    i32x4.add(v1, i32x4.splat(0x3320646e)),
    i32x4.add(v2, i32x4.splat(0x79622d32)),
    i32x4.add(v3, i32x4.splat(0x6b206574)),
  );
  emit(
    data + 16,
    i32x4.add(v4, input(key)),
    i32x4.add(v5, input(key + 4)),
    i32x4.add(v6, input(key + 8)),
    i32x4.add(v7, input(key + 12)),
  );
  emit(
    data + 32,
    i32x4.add(v8, input(key + 16)),
    i32x4.add(v9, input(key + 20)),
    i32x4.add(v10, input(key + 24)),
    i32x4.add(v11, input(key + 28)),
  );
  emit(
    data + 48,
    i32x4.add(v12, i32x4.add(i32x4.splat(counter), i32x4(0, 1, 2, 3))),
    i32x4.add(v13, input(nonce)),
    i32x4.add(v14, input(nonce + 4)),
    i32x4.add(v15, input(nonce + 8)),
  );
}
