/**
 * ChaCha20 (RFC 8439, 2.3), one block at a time in 32-bit integers: for builds without SIMD.
 *
 * No address and no branch depends on key or data. Authenticates nothing: chacha20_poly1305.ts does.
 */

/**
 * Exclusive-ors `data` with the keystream block `counter`, 64 octets. `key` has the 8 words of the key, `nonce` 3 words.
 *
 *     expa nd 3 2-by te k      v0  v1  v2  v3
 *     key  key  key  key       v4  v5  v6  v7
 *     key  key  key  key       v8  v9  v10 v11
 *     ctr  nonce ..  ..        v12 v13 v14 v15
 */
export function chacha20XorBlock(key: usize, nonce: usize, counter: u32, data: usize): void {
  let v0: u32 = 0x61707865;
  let v1: u32 = 0x3320646e;
  let v2: u32 = 0x79622d32;
  let v3: u32 = 0x6b206574;
  let v4 = load<u32>(key, 0);
  let v5 = load<u32>(key, 4);
  let v6 = load<u32>(key, 8);
  let v7 = load<u32>(key, 12);
  let v8 = load<u32>(key, 16);
  let v9 = load<u32>(key, 20);
  let v10 = load<u32>(key, 24);
  let v11 = load<u32>(key, 28);
  let v12 = counter;
  let v13 = load<u32>(nonce, 0);
  let v14 = load<u32>(nonce, 4);
  let v15 = load<u32>(nonce, 8);
  for (let round: u32 = 0; round < 10; round++) {
    // columns
    v0 = v0 + v4;
    v1 = v1 + v5;
    v2 = v2 + v6;
    v3 = v3 + v7;
    v12 = rotl<u32>(v12 ^ v0, 16);
    v13 = rotl<u32>(v13 ^ v1, 16);
    v14 = rotl<u32>(v14 ^ v2, 16);
    v15 = rotl<u32>(v15 ^ v3, 16);
    v8 = v8 + v12;
    v9 = v9 + v13;
    v10 = v10 + v14;
    v11 = v11 + v15;
    v4 = rotl<u32>(v4 ^ v8, 12);
    v5 = rotl<u32>(v5 ^ v9, 12);
    v6 = rotl<u32>(v6 ^ v10, 12);
    v7 = rotl<u32>(v7 ^ v11, 12);
    v0 = v0 + v4;
    v1 = v1 + v5;
    v2 = v2 + v6;
    v3 = v3 + v7;
    v12 = rotl<u32>(v12 ^ v0, 8);
    v13 = rotl<u32>(v13 ^ v1, 8);
    v14 = rotl<u32>(v14 ^ v2, 8);
    v15 = rotl<u32>(v15 ^ v3, 8);
    v8 = v8 + v12;
    v9 = v9 + v13;
    v10 = v10 + v14;
    v11 = v11 + v15;
    v4 = rotl<u32>(v4 ^ v8, 7);
    v5 = rotl<u32>(v5 ^ v9, 7);
    v6 = rotl<u32>(v6 ^ v10, 7);
    v7 = rotl<u32>(v7 ^ v11, 7);
    // diagonals
    v0 = v0 + v5;
    v1 = v1 + v6;
    v2 = v2 + v7;
    v3 = v3 + v4;
    v15 = rotl<u32>(v15 ^ v0, 16);
    v12 = rotl<u32>(v12 ^ v1, 16);
    v13 = rotl<u32>(v13 ^ v2, 16);
    v14 = rotl<u32>(v14 ^ v3, 16);
    v10 = v10 + v15;
    v11 = v11 + v12;
    v8 = v8 + v13;
    v9 = v9 + v14;
    v5 = rotl<u32>(v5 ^ v10, 12);
    v6 = rotl<u32>(v6 ^ v11, 12);
    v7 = rotl<u32>(v7 ^ v8, 12);
    v4 = rotl<u32>(v4 ^ v9, 12);
    v0 = v0 + v5;
    v1 = v1 + v6;
    v2 = v2 + v7;
    v3 = v3 + v4;
    v15 = rotl<u32>(v15 ^ v0, 8);
    v12 = rotl<u32>(v12 ^ v1, 8);
    v13 = rotl<u32>(v13 ^ v2, 8);
    v14 = rotl<u32>(v14 ^ v3, 8);
    v10 = v10 + v15;
    v11 = v11 + v12;
    v8 = v8 + v13;
    v9 = v9 + v14;
    v5 = rotl<u32>(v5 ^ v10, 7);
    v6 = rotl<u32>(v6 ^ v11, 7);
    v7 = rotl<u32>(v7 ^ v8, 7);
    v4 = rotl<u32>(v4 ^ v9, 7);
  }
  // 2.3: the input state is added to the output of the rounds.
  store<u32>(data, load<u32>(data) ^ (v0 + 0x61707865));
  store<u32>(data, load<u32>(data, 4) ^ (v1 + 0x3320646e), 4);
  store<u32>(data, load<u32>(data, 8) ^ (v2 + 0x79622d32), 8);
  store<u32>(data, load<u32>(data, 12) ^ (v3 + 0x6b206574), 12);
  store<u32>(data, load<u32>(data, 16) ^ (v4 + load<u32>(key, 0)), 16);
  store<u32>(data, load<u32>(data, 20) ^ (v5 + load<u32>(key, 4)), 20);
  store<u32>(data, load<u32>(data, 24) ^ (v6 + load<u32>(key, 8)), 24);
  store<u32>(data, load<u32>(data, 28) ^ (v7 + load<u32>(key, 12)), 28);
  store<u32>(data, load<u32>(data, 32) ^ (v8 + load<u32>(key, 16)), 32);
  store<u32>(data, load<u32>(data, 36) ^ (v9 + load<u32>(key, 20)), 36);
  store<u32>(data, load<u32>(data, 40) ^ (v10 + load<u32>(key, 24)), 40);
  store<u32>(data, load<u32>(data, 44) ^ (v11 + load<u32>(key, 28)), 44);
  store<u32>(data, load<u32>(data, 48) ^ (v12 + counter), 48);
  store<u32>(data, load<u32>(data, 52) ^ (v13 + load<u32>(nonce, 0)), 52);
  store<u32>(data, load<u32>(data, 56) ^ (v14 + load<u32>(nonce, 4)), 56);
  store<u32>(data, load<u32>(data, 60) ^ (v15 + load<u32>(nonce, 8)), 60);
}
