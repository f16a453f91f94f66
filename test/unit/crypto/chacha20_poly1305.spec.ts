/** ChaCha20-Poly1305: RFC 8439, 2.4.2's keystream block, 2.5.2, 2.8.2, and that nothing behind the data is touched. */
import { chacha20XorBlock } from "../../../assembly/crypto/chacha20";
import {
  chacha20Poly1305Init,
  chacha20Poly1305Open,
  chacha20Poly1305Seal,
} from "../../../assembly/crypto/chacha20_poly1305";
import { chachaSelfTest } from "../../../assembly/crypto/chacha_self_test";
import { poly1305Final, poly1305Init } from "../../../assembly/crypto/poly1305";

const context: usize = memory.data(64, 16);
const block: usize = memory.data(64, 16);
const data: usize = memory.data(1200, 16);
const copy: usize = memory.data(1200, 16);
const tag: usize = memory.data(16, 16);

/** 2.3.2: the block for key 00..1f, nonce 000000090000004a00000000, counter 1: its first 16 octets. */
// prettier-ignore
const keystream: usize = memory.data<u8>([
  0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3, 0x20, 0x71, 0xc4,
]);
const nonce: usize = memory.data<u8>([0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0]);

/** 2.5.2 */
// prettier-ignore
const polyKey: usize = memory.data<u8>([
  0x85, 0xd6, 0xbe, 0x78, 0x57, 0x55, 0x6d, 0x33, 0x7f, 0x44, 0x52, 0xfe, 0x42, 0xd5, 0x06, 0xa8,
  0x01, 0x03, 0x80, 0x8a, 0xfb, 0x0d, 0xb2, 0xfd, 0x4a, 0xbf, 0xf6, 0xaf, 0x41, 0x49, 0xf5, 0x1b,
]);
// prettier-ignore
const polyTag: usize = memory.data<u8>([
  0xa8, 0x06, 0x1d, 0xc1, 0x30, 0x51, 0x36, 0xc6, 0xc2, 0x2b, 0x8b, 0xaf, 0x0c, 0x01, 0x27, 0xa9,
]);

/** 2.8.2: nonce and AAD; key 80..9f. The tag. */
const aeadNonce: usize = memory.data<u8>([7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47]);
// prettier-ignore
const aeadAad: usize = memory.data<u8>([
  0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7,
]);
// prettier-ignore
const aeadTag: usize = memory.data<u8>([
  0x1a, 0xe1, 0x0b, 0x59, 0x4f, 0x09, 0xe2, 0x6a, 0x7e, 0x90, 0x2e, 0xcb, 0xd0, 0x60, 0x06, 0x91,
]);

function text(value: string, to: usize): u32 {
  for (let i = 0; i < value.length; i++) store<u8>(to + i, <u8>value.charCodeAt(i));
  return value.length;
}

describe("chacha20 and poly1305", () => {
  test("RFC 8439, 2.3.2", () => {
    for (let i: usize = 0; i < 32; i++) store<u8>(context + i, <u8>i);
    memory.fill(block, 0, 64);
    chacha20XorBlock(context, nonce, 1, block);
    expect(memory.compare(block, keystream, 16)).toBe(0);
  });

  test("RFC 8439, 2.5.2", () => {
    const length = text("Cryptographic Forum Research Group", data);
    poly1305Init(block, polyKey);
    poly1305Final(block, data, length, tag);
    expect(memory.compare(tag, polyTag, 16)).toBe(0);
  });
});

describe("chacha20_poly1305", () => {
  test("RFC 8439, 2.8.2", () => {
    for (let i: usize = 0; i < 32; i++) store<u8>(block + i, <u8>(0x80 + i));
    chacha20Poly1305Init(context, block);
    const words =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
    const length = text(words, data);
    chacha20Poly1305Seal(context, aeadNonce, aeadAad, 12, data, length, tag);
    expect(memory.compare(tag, aeadTag, 16)).toBe(0);
    expect(chacha20Poly1305Open(context, aeadNonce, aeadAad, 12, data, length, tag)).toBe(true);
    text(words, copy);
    expect(memory.compare(data, copy, length)).toBe(0);
  });

  test("a wrong tag, AAD or nonce leaves the data as they came, at every length around a run", () => {
    let wrong = 0;
    for (
      let length: u32 = 0;
      length <= 1100;
      length += 1 + (length > 70 && length < 180 ? 12 : length > 210 ? 29 : 0)
    ) {
      for (let i: u32 = 0; i < length; i++) store<u8>(data + i, <u8>(i * 7));
      store<u8>(data + length, 0x5a);
      chacha20Poly1305Seal(context, aeadNonce, aeadAad, 12, data, length, tag);
      memory.copy(copy, data, length);
      if (chacha20Poly1305Open(context, nonce, aeadAad, 12, data, length, tag)) wrong += 1;
      if (chacha20Poly1305Open(context, aeadNonce, aeadAad, 11, data, length, tag)) wrong += 1;
      store<u8>(tag, load<u8>(tag, 15) ^ 0x80, 15);
      if (chacha20Poly1305Open(context, aeadNonce, aeadAad, 12, data, length, tag)) wrong += 1;
      if (memory.compare(copy, data, length) != 0 || load<u8>(data + length) != 0x5a) wrong += 1;
      store<u8>(tag, load<u8>(tag, 15) ^ 0x80, 15);
      if (!chacha20Poly1305Open(context, aeadNonce, aeadAad, 12, data, length, tag)) wrong += 1;
      for (let i: u32 = 0; i < length; i++) if (load<u8>(data + i) != <u8>(i * 7)) wrong += 1;
    }
    expect(wrong).toBe(0);
  });

  test("the power-on self test passes", () => {
    expect(chachaSelfTest()).toBe(true);
  });
});
