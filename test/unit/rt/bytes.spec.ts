/** Octets: big-endian access at every alignment, comparison, wiping. */
import {
  equalConstantTime,
  loadBE16,
  loadBE32,
  loadBE64,
  storeBE16,
  storeBE32,
  storeBE64,
  zeroize,
} from "../../../assembly/rt/bytes";

const block: usize = memory.data(64, 16);

function count(): void {
  for (let i: u32 = 0; i < 64; i++) store<u8>(block + i, <u8>(i + 1));
}

describe("bytes", () => {
  test("loads are big-endian at every alignment", () => {
    count();
    let wrong = 0;
    for (let at: u32 = 0; at < 8; at++) {
      const first = <u64>(at + 1);
      let expected: u64 = 0;
      for (let i: u64 = 0; i < 8; i++) expected = (expected << 8) | (first + i);
      if (loadBE64(block + at) != expected) wrong += 1;
      if (loadBE32(block + at) != <u32>(expected >> 32)) wrong += 1;
      if (loadBE16(block + at) != <u32>(expected >> 48)) wrong += 1;
    }
    expect(wrong).toBe(0);
  });

  test("stores write what loads read, and nothing beside it", () => {
    let wrong = 0;
    for (let at: u32 = 8; at < 16; at++) {
      count();
      storeBE64(block + at, 0xf1f2f3f4f5f6f7f8);
      if (load<u8>(block + at) != 0xf1 || load<u8>(block + at + 7) != 0xf8) wrong += 1;
      if (load<u8>(block + at - 1) != <u8>at || load<u8>(block + at + 8) != <u8>(at + 9)) wrong += 1;
      storeBE32(block + at, 0xa1a2a3a4);
      if (loadBE64(block + at) != 0xa1a2a3a4f5f6f7f8) wrong += 1;
      storeBE16(block + at, 0x5b1b2);
      if (loadBE64(block + at) != 0xb1b2a3a4f5f6f7f8) wrong += 1;
    }
    expect(wrong).toBe(0);
  });

  test("equalConstantTime finds a difference of one bit in any octet", () => {
    let wrong = 0;
    for (let i: u32 = 0; i < 32; i++) {
      memory.fill(block, 0x5a, 64);
      if (!equalConstantTime(block, block + 32, 32)) wrong += 1;
      store<u8>(block + i, 0x5a ^ (<u8>((<u32>1) << (i & 7))));
      if (equalConstantTime(block, block + 32, 32)) wrong += 1;
      if (!equalConstantTime(block, block + 32, i)) wrong += 1;
    }
    expect(wrong).toBe(0);
    expect(equalConstantTime(block, block + 32, 0)).toBe(true);
  });

  test("zeroize wipes its range only", () => {
    count();
    zeroize(block + 8, 16);
    let sum: u32 = 0;
    for (let i: u32 = 8; i < 24; i++) sum += load<u8>(block + i);
    expect(sum).toBe(0);
    expect(load<u8>(block + 7)).toBe(8);
    expect(load<u8>(block + 24)).toBe(25);
  });
});
