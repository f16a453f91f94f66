/**
 * ChaCha20 (RFC 8439, 2.3) four blocks at a time in SIMD: lane i of every vector is block i, of any key, nonce and counter.
 * Poly1305 of other octets is computed between the rounds, because it keeps the scalar units busy while these keep the vector
 * units busy: rounds wait for one another, and so do blocks of Poly1305.
 *
 * No address and no branch depends on key or data. Only reachable where ASC_FEATURE_SIMD is on.
 */
import { poly1305Block } from "./poly1305";

/** Blocks of a run. */
export const CHACHA20_LANES: u32 = 4;
/** Most blocks of Poly1305 that a run takes along. */
export const CHACHA20_POLY_MAX: u32 = 20;
/** Words 4 to 15 of the four blocks' states, a vector for each word. */
export const CHACHA20_INPUT_OCTETS: u32 = 192;
/** A lane's record: where its block is exclusive-ored from (u32) and to (u32). */
export const CHACHA20_LANE_OCTETS: usize = 8;

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

/** Turns four words of the four blocks from lanes into rows, and exclusive-ors them on their way. */
// @ts-ignore: decorator
@inline
function emit(lanes: usize, at: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab0 = i32x4.shuffle(a, b, 0, 4, 1, 5);
  const ab1 = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cd0 = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const cd1 = i32x4.shuffle(c, d, 2, 6, 3, 7);
  emitRow(lanes, at, i64x2.shuffle(ab0, cd0, 0, 2));
  emitRow(lanes + 8, at, i64x2.shuffle(ab0, cd0, 1, 3));
  emitRow(lanes + 16, at, i64x2.shuffle(ab1, cd1, 0, 2));
  emitRow(lanes + 24, at, i64x2.shuffle(ab1, cd1, 1, 3));
}

// @ts-ignore: decorator
@inline
function emitRow(lane: usize, at: usize, row: v128): void {
  v128.store(<usize>load<u32>(lane, 4) + at, v128.xor(v128.load(<usize>load<u32>(lane) + at), row));
}

/** Four rows of 16 octets become four vectors at `input`, a lane for each row. */
// @ts-ignore: decorator
@inline
function transpose(input: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab0 = i32x4.shuffle(a, b, 0, 4, 1, 5);
  const ab1 = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cd0 = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const cd1 = i32x4.shuffle(c, d, 2, 6, 3, 7);
  v128.store(input, i64x2.shuffle(ab0, cd0, 0, 2));
  v128.store(input, i64x2.shuffle(ab0, cd0, 1, 3), 16);
  v128.store(input, i64x2.shuffle(ab1, cd1, 0, 2), 32);
  v128.store(input, i64x2.shuffle(ab1, cd1, 1, 3), 48);
}

/** Writes the input of a run: `keys` are four addresses (u32) of 32 octets, `nonces` four times counter (u32) | nonce. */
export function chacha20Input(input: usize, keys: usize, nonces: usize): void {
  const k0 = <usize>load<u32>(keys);
  const k1 = <usize>load<u32>(keys, 4);
  const k2 = <usize>load<u32>(keys, 8);
  const k3 = <usize>load<u32>(keys, 12);
  transpose(input, v128.load(k0), v128.load(k1), v128.load(k2), v128.load(k3));
  transpose(input + 64, v128.load(k0, 16), v128.load(k1, 16), v128.load(k2, 16), v128.load(k3, 16));
  const n = nonces;
  transpose(input + 128, v128.load(n), v128.load(n, 16), v128.load(n, 32), v128.load(n, 48));
}

/** Moves all lanes of an input on by a run's blocks. */
// @ts-ignore: decorator
@inline
export function chacha20Next(input: usize): void {
  v128.store(input, i32x4.add(v128.load(input, 128), i32x4.splat(CHACHA20_LANES)), 128);
}

/**
 * Makes the four blocks of `input`, and exclusive-ors each into what its record in `lanes` says. Meanwhile absorbs `blocks` (at
 * most CHACHA20_POLY_MAX) whole blocks at `message` into the Poly1305 context `poly`, before anything else is written.
 */
export function chacha20Run(input: usize, lanes: usize, poly: usize, message: usize, blocks: u32): void {
  let v0 = i32x4.splat(0x61707865);
  let v1 = i32x4.splat(0x3320646e);
  let v2 = i32x4.splat(0x79622d32);
  let v3 = i32x4.splat(0x6b206574);
  let v4 = v128.load(input);
  let v5 = v128.load(input, 16);
  let v6 = v128.load(input, 32);
  let v7 = v128.load(input, 48);
  let v8 = v128.load(input, 64);
  let v9 = v128.load(input, 80);
  let v10 = v128.load(input, 96);
  let v11 = v128.load(input, 112);
  let v12 = v128.load(input, 128);
  let v13 = v128.load(input, 144);
  let v14 = v128.load(input, 160);
  let v15 = v128.load(input, 176);
  for (let round: u32 = 0; round < 10; round++) {
    if (blocks != 0) {
      poly1305Block(poly, message, 1);
      message += 16;
      blocks -= 1;
      if (blocks != 0) {
        poly1305Block(poly, message, 1);
        message += 16;
        blocks -= 1;
      }
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
    lanes,
    0,
    i32x4.add(v0, i32x4.splat(0x61707865)),
    i32x4.add(v1, i32x4.splat(0x3320646e)),
    i32x4.add(v2, i32x4.splat(0x79622d32)),
    i32x4.add(v3, i32x4.splat(0x6b206574)),
  );
  emit(
    lanes,
    16,
    i32x4.add(v4, v128.load(input, 0)),
    i32x4.add(v5, v128.load(input, 16)),
    i32x4.add(v6, v128.load(input, 32)),
    i32x4.add(v7, v128.load(input, 48)),
  );
  emit(
    lanes,
    32,
    i32x4.add(v8, v128.load(input, 64)),
    i32x4.add(v9, v128.load(input, 80)),
    i32x4.add(v10, v128.load(input, 96)),
    i32x4.add(v11, v128.load(input, 112)),
  );
  emit(
    lanes,
    48,
    i32x4.add(v12, v128.load(input, 128)),
    i32x4.add(v13, v128.load(input, 144)),
    i32x4.add(v14, v128.load(input, 160)),
    i32x4.add(v15, v128.load(input, 176)),
  );
}
