/** Half-open responders, counted for each source (RFC 7296 section 2.6): a source that has its part takes nobody else's. */
import { MAP_SIZE, REG_NOW } from "../../../assembly/abi/board";
import { drbgSeed } from "../../../assembly/crypto/drbg";
import {
  halfOpenCount,
  halfOpenReset,
  halfOpenRoom,
  halfOpenSuspicious,
  halfOpenTotal,
} from "../../../assembly/ike/half_open";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { map } from "../../../assembly/rt/map";

const arena: usize = memory.data(1 << 20, 64);
const seed: usize = memory.data(64, 16);
/** What one source may have of 256 IKE_SAs: a fourth of a fourth. */
const PART: u32 = 16;

function fresh(): void {
  memory.fill(seed, 0x5a, 64);
  drbgSeed(seed, 64);
  memory.fill(map, 0, MAP_SIZE);
  store<u64>(map + REG_NOW, 1_000_000_000_000);
  arenaResetAt(arena, arena + (1 << 20));
  assert(halfOpenReset(), "room");
}

describe("half-open responders of a source", () => {
  it("are let in up to its part, with a cookie from the third on, and again when they have gone", () => {
    fresh();
    const source: u64 = 0xc0000201;
    for (let i: u32 = 0; i < PART; i++) {
      expect(halfOpenSuspicious(source)).toBe(i >= 3, "a cookie is asked for");
      expect(halfOpenRoom(source)).toBe(true, "there is room");
      halfOpenCount(source, true);
    }
    expect(halfOpenRoom(source)).toBe(false, "its part is used up");
    expect(halfOpenTotal()).toBe(PART);
    halfOpenCount(source, false);
    expect(halfOpenRoom(source)).toBe(true, "one has gone");
  });

  it("are not those of another one", () => {
    fresh();
    const source: u64 = 0xcb007101;
    for (let i: u32 = 0; i < PART; i++) halfOpenCount(source, true);
    let suspected: u32 = 0;
    let refused: u32 = 0;
    for (let other: u64 = 1; other <= 4096; other++) {
      if (halfOpenSuspicious(source ^ other)) suspected += 1;
      if (!halfOpenRoom(source ^ other)) refused += 1;
    }
    expect(suspected).toBe(0);
    expect(refused).toBe(0);
  });
});
