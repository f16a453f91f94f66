/** AES: the examples of FIPS 197 (appendix C) and SP 800-38A (F.5), blocks in runs, and that other octets stay as they are. */
import {
  AES_CONTEXT_OCTETS,
  aesCtr,
  aesDecryptBlock,
  aesDecryptBlocks,
  aesEncryptBlock,
  aesEncryptBlocks,
  aesInit,
  aesWipe,
} from "../../../assembly/crypto/aes";

const context: usize = memory.data(256, 16);
const block: usize = memory.data(512, 16);
const other: usize = memory.data(512, 16);

/** FIPS 197, appendix C: the key counts up from 0. */
const counting: usize = memory.data(32, 16);
// prettier-ignore
const clear: usize = memory.data<u8>([
  0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
]);
// prettier-ignore
const sealed: usize = memory.data<u8>([
  0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a,
  0xdd, 0xa9, 0x7c, 0xa4, 0x86, 0x4c, 0xdf, 0xe0, 0x6e, 0xaf, 0x70, 0xa0, 0xec, 0x0d, 0x71, 0x91,
  0x8e, 0xa2, 0xb7, 0xca, 0x51, 0x67, 0x45, 0xbf, 0xea, 0xfc, 0x49, 0x90, 0x4b, 0x49, 0x60, 0x89,
]);

/** SP 800-38A, F.5.1: key, first counter block, two blocks of text and of cipher text. */
// prettier-ignore
const ctr: usize = memory.data<u8>([
  0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c,
  0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
  0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17, 0x2a,
  0xae, 0x2d, 0x8a, 0x57, 0x1e, 0x03, 0xac, 0x9c, 0x9e, 0xb7, 0x6f, 0xac, 0x45, 0xaf, 0x8e, 0x51,
  0x87, 0x4d, 0x61, 0x91, 0xb6, 0x20, 0xe3, 0x26, 0x1b, 0xef, 0x68, 0x64, 0x99, 0x0d, 0xb6, 0xce,
  0x98, 0x06, 0xf6, 0x6b, 0x79, 0x70, 0xfd, 0xff, 0x86, 0x17, 0x18, 0x7b, 0xb9, 0xff, 0xfd, 0xff,
]);

function countingKey(): void {
  for (let i: usize = 0; i < 32; i++) store<u8>(counting + i, <u8>i);
}

describe("aes", () => {
  test("FIPS 197, appendix C, for the three key sizes and back", () => {
    countingKey();
    let wrong = 0;
    for (let size: u32 = 0; size < 3; size++) {
      aesInit(context, counting, 16 + 8 * size);
      aesEncryptBlock(context, clear, block);
      if (memory.compare(block, sealed + 16 * size, 16) != 0) wrong += 1;
      aesDecryptBlock(context, block, block);
      if (memory.compare(block, clear, 16) != 0) wrong += 1;
    }
    expect(wrong).toBe(0);
  });

  test("SP 800-38A, F.5.1, one block and two, whole and cut", () => {
    aesInit(context, ctr, 16);
    let wrong = 0;
    for (let length: u32 = 0; length <= 32; length++) {
      memory.fill(block, 0xa5, 64);
      memory.copy(block, ctr + 32, length);
      aesCtr(context, ctr + 16, block, length);
      if (memory.compare(block, ctr + 64, length) != 0) wrong += 1;
      for (let i = length; i < 64; i++) if (load<u8>(block + i) != 0xa5) wrong += 1;
    }
    expect(wrong).toBe(0);
  });

  test("runs of blocks are the blocks one by one, in place, at every alignment", () => {
    countingKey();
    aesInit(context, counting, 32);
    let wrong = 0;
    for (let count: u32 = 1; count <= 9; count++) {
      for (let i: usize = 0; i < 256; i++) store<u8>(other + i, <u8>(i * 29 + count));
      for (let k: usize = 0; k < count; k++) aesEncryptBlock(context, other + 16 * k, other + 256 + 16 * k);
      const at = block + count;
      memory.fill(block, 0xa5, 256);
      memory.copy(at, other, 16 * count);
      aesEncryptBlocks(context, at, at, count);
      if (memory.compare(at, other + 256, 16 * count) != 0) wrong += 1;
      if (load<u8>(at - 1) != 0xa5 || load<u8>(at + 16 * count) != 0xa5) wrong += 1;
      aesDecryptBlocks(context, at, at, count);
      if (memory.compare(at, other, 16 * count) != 0) wrong += 1;
      if (load<u8>(at - 1) != 0xa5 || load<u8>(at + 16 * count) != 0xa5) wrong += 1;
    }
    expect(wrong).toBe(0);
  });

  test("the counter wraps within its 32 bits", () => {
    countingKey();
    aesInit(context, counting, 16);
    memory.fill(other, 0xff, 16);
    memory.fill(block, 0, 32);
    aesCtr(context, other, block, 32);
    memory.fill(other + 12, 0, 4);
    aesEncryptBlock(context, other, other + 16);
    expect(memory.compare(block + 16, other + 16, 16)).toBe(0);
  });

  test("a wiped context is empty", () => {
    aesInit(context, counting, 32);
    aesWipe(context);
    let rest: u32 = 0;
    for (let i: usize = 0; i < AES_CONTEXT_OCTETS; i++) rest |= load<u8>(context + i);
    expect(rest).toBe(0);
  });
});
