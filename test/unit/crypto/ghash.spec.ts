/** GHASH: test case 2 of the GCM specification, sums of powers and the sixteen-lane kernel against a bit-by-bit product. */
import { loadBE64, storeBE64 } from "../../../assembly/rt/bytes";
import { POWER_OCTETS, ghashFirstPower, ghashPowers, ghashSum } from "../../../assembly/crypto/ghash";
import {
  LANE_OCTETS,
  swizzleLastPair,
  swizzlePairs,
  swizzleSteps,
  swizzleTable,
  transposeOctets,
} from "../../../assembly/crypto/ghash_swizzle";

const powers: usize = memory.data(768, 64);
const blocks: usize = memory.data(512, 64);
const hash: usize = memory.data(16, 16);
const slow: usize = memory.data(16, 16);
const table: usize = memory.data(8192, 64);
const state: usize = memory.data(512, 64);
const table2: usize = memory.data(8192, 64);
const rows: usize = memory.data(256, 64);
const lanes: usize = memory.data(128, 16);

/** H and the hash of McGrew and Viega's test case 2: one block of text and its lengths. */
// prettier-ignore
const case2: usize = memory.data<u8>([
  0x66, 0xe9, 0x4b, 0xd4, 0xef, 0x8a, 0x2c, 0x3b, 0x88, 0x4c, 0xfa, 0x59, 0xca, 0x34, 0x2b, 0x2e,
  0x03, 0x88, 0xda, 0xce, 0x60, 0xb6, 0xa3, 0x92, 0xf3, 0x28, 0xc2, 0xb9, 0x71, 0xb2, 0xfe, 0x78,
  0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80,
  0xf3, 0x8c, 0xbb, 0x1a, 0xd6, 0x92, 0x23, 0xdc, 0xc3, 0x45, 0x7a, 0xe5, 0xb6, 0xb0, 0xf8, 0x85,
]);

/** y = y * h, bit by bit (SP 800-38D, 6.3). */
function product(y: usize, h: usize): void {
  let high: u64 = 0;
  let low: u64 = 0;
  let v1 = loadBE64(h);
  let v0 = loadBE64(h + 8);
  for (let bit: u64 = 0; bit < 128; bit++) {
    const word = bit < 64 ? loadBE64(y) : loadBE64(y + 8);
    if (((word >> (63 - (bit & 63))) & 1) != 0) {
      high ^= v1;
      low ^= v0;
    }
    const carry = v0 & 1;
    v0 = (v0 >> 1) | (v1 << 63);
    v1 = (v1 >> 1) ^ (carry != 0 ? 0xe100000000000000 : 0);
  }
  storeBE64(y, high);
  storeBE64(y + 8, low);
}

function addTo(y: usize, x: usize): void {
  store<u64>(y, load<u64>(y) ^ load<u64>(x));
  store<u64>(y + 8, load<u64>(y + 8) ^ load<u64>(x + 8));
}

function fillBlocks(seed: u32): void {
  let x: u32 = seed;
  for (let i: usize = 0; i < 512; i++) {
    x = x * 1664525 + 1013904223;
    store<u8>(blocks + i, <u8>(x >> 24));
  }
}

describe("ghash", () => {
  test("test case 2 of the GCM specification", () => {
    ghashFirstPower(powers, case2);
    ghashPowers(powers, 1, 2);
    ghashSum(case2 + 16, 2, powers, hash);
    expect(memory.compare(hash, case2 + 48, 16)).toBe(0);
  });

  test("a sum of any number of blocks is the hash step by step", () => {
    let wrong = 0;
    ghashFirstPower(powers, case2);
    ghashPowers(powers, 1, 3);
    ghashPowers(powers, 3, 16);
    for (let count: u32 = 1; count <= 16; count++) {
      fillBlocks(count);
      memory.fill(slow, 0, 16);
      for (let i: usize = 0; i < count; i++) {
        addTo(slow, blocks + 16 * i);
        product(slow, case2);
      }
      ghashSum(blocks, count, powers, hash);
      if (memory.compare(hash, slow, 16) != 0) wrong += 1;
    }
    expect(wrong).toBe(0);
  });

  if (ASC_FEATURE_SIMD) {
    test("transposing puts octet j of row i to octet i of row j", () => {
      fillBlocks(5);
      transposeOctets(blocks, rows);
      let wrong = 0;
      for (let i: usize = 0; i < 16; i++) {
        for (let j: usize = 0; j < 16; j++) {
          if (load<u8>(rows + 16 * j + i) != load<u8>(blocks + 16 * i + j)) wrong += 1;
        }
      }
      expect(wrong).toBe(0);
    });

    test("sixteen lanes at once are sixteen hashes", () => {
      let wrong = 0;
      for (let power: u32 = 0; power < 2; power++) {
        ghashFirstPower(powers, case2);
        ghashPowers(powers, 1, 16);
        const multiplier = powers + power * 15 * POWER_OCTETS;
        const high = load<u64>(multiplier);
        const low = load<u64>(multiplier, 8);
        swizzleTable(high, low, table);
        storeBE64(state, high);
        storeBE64(state + 8, low);
        memory.copy(hash, state, 16);
        memory.fill(state, 0, 256);
        fillBlocks(99 + power);
        // Lane i reads two blocks, the second one 16 octets behind the first.
        for (let i: usize = 0; i < 16; i++) {
          store<u32>(lanes + i * LANE_OCTETS, <u32>(blocks + 16 * i));
          store<u32>(lanes + i * LANE_OCTETS + 4, 16);
        }
        swizzleSteps(table, state, lanes, 2);
        transposeOctets(state, rows);
        for (let i: usize = 0; i < 16; i++) {
          memory.copy(slow, blocks + 16 * i, 16);
          product(slow, hash);
          addTo(slow, blocks + 16 * i + 16);
          product(slow, hash);
          if (memory.compare(rows + 16 * i, slow, 16) != 0) wrong += 1;
          if (load<u32>(lanes + i * LANE_OCTETS) != <u32>(blocks + 16 * i + 32)) wrong += 1;
        }
      }
      expect(wrong).toBe(0);
    });

    test("pairs under the square, the last one under both, are the hash block by block", () => {
      let wrong = 0;
      ghashFirstPower(powers, case2);
      ghashPowers(powers, 1, 2);
      swizzleTable(load<u64>(powers), load<u64>(powers, 8), table);
      swizzleTable(load<u64>(powers, POWER_OCTETS), load<u64>(powers, POWER_OCTETS + 8), table2);
      memory.fill(state, 0, 512);
      fillBlocks(7);
      // Lane i reads six blocks, 16 octets on from those of the lane before.
      for (let i: usize = 0; i < 16; i++) {
        store<u32>(lanes + i * LANE_OCTETS, <u32>(blocks + 16 * i));
        store<u32>(lanes + i * LANE_OCTETS + 4, 32);
      }
      swizzlePairs(table2, state, lanes, 2);
      swizzleLastPair(table2, table, state, lanes);
      transposeOctets(state, rows);
      for (let i: usize = 0; i < 16; i++) {
        memory.fill(slow, 0, 16);
        for (let k: usize = 0; k < 6; k++) {
          addTo(slow, blocks + 16 * (i + k));
          product(slow, case2);
        }
        if (memory.compare(rows + 16 * i, slow, 16) != 0) wrong += 1;
        if (load<u32>(lanes + i * LANE_OCTETS) != <u32>(blocks + 16 * i + 64)) wrong += 1;
      }
      expect(wrong).toBe(0);
    });
  }
});
