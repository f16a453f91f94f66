/** The arena: aligned, zeroed, bounded, and it remembers that something did not fit. */
import { arenaExhausted, arenaResetAt, arenaTake, arenaUsed } from "../../../assembly/rt/arena";

const OCTETS: usize = 4096;
const block: usize = memory.data(4096, 64);

describe("arena", () => {
  test("hands out zeroed blocks aligned to 64 that do not overlap", () => {
    memory.fill(block, 0xff, OCTETS);
    arenaResetAt(block, block + OCTETS);
    let wrong = 0;
    let previousEnd: usize = block;
    for (let octets: usize = 1; octets < 200; octets += 13) {
      const start = arenaTake(octets);
      if ((start & 63) != 0 || start < previousEnd) wrong += 1;
      for (let i: usize = 0; i < octets; i++) if (load<u8>(start + i) != 0) wrong += 1;
      previousEnd = start + octets;
    }
    expect(wrong).toBe(0);
    expect(arenaExhausted()).toBe(false);
    expect(arenaUsed() >= previousEnd && arenaUsed() < previousEnd + 64).toBe(true);
  });

  test("aligns a start that is not aligned", () => {
    arenaResetAt(block + 1, block + OCTETS);
    expect(arenaTake(8)).toBe(block + 64);
  });

  test("fills to the last octet, then refuses and says so", () => {
    arenaResetAt(block, block + OCTETS);
    expect(arenaTake(OCTETS)).toBe(block);
    expect(arenaExhausted()).toBe(false);
    expect(arenaTake(1)).toBe(0);
    expect(arenaExhausted()).toBe(true);
  });

  test("a request that would wrap the address space is refused", () => {
    arenaResetAt(block, block + OCTETS);
    expect(arenaTake(usize.MAX_VALUE - 8)).toBe(0);
    expect(arenaExhausted()).toBe(true);
    arenaResetAt(block, block + OCTETS);
    expect(arenaExhausted()).toBe(false);
  });
});
