import {
  CONFIG_PLACEMENT,
  PLACEMENT_FIXED,
  PLACEMENT_HASH,
  PLACEMENT_LEAST_LOADED,
  PLACEMENT_ROUND_ROBIN,
  PLACEMENT_SLOT_SHIFT,
} from "../../../assembly/abi/config";
import { REG_NOW } from "../../../assembly/abi/board";
import {
  REFUSED_BOARDS_FULL,
  REFUSED_NO_BOARD,
  REFUSED_SLOT_FULL,
  REFUSED_SLOT_OFFLINE,
} from "../../../assembly/abi/message";
import {
  boardAssume,
  boardLoad,
  boardLoadForget,
  boardLoadsReset,
  boardMeasured,
  boardOctetRate,
  boardPacketRate,
} from "../../../assembly/distribution/board_load";
import {
  boardOffline,
  boardOnline,
  boardLinkAdd,
  boardLinkRemove,
  boardsReset,
  boardHasRoom,
  boardIsOnline,
  boardWeight,
} from "../../../assembly/distribution/board_table";
import {
  SELECTION_NONE,
  selectBoard,
  selectionForget,
  selectionRefusal,
  selectionReset,
} from "../../../assembly/distribution/selection";
import { itemWriteU32 } from "../../../assembly/rt/items";
import { map } from "../../../assembly/rt/map";

const SECOND: u64 = 1_000_000_000;
const MIB: u64 = 1 << 20;
const FIXED_3: u32 = PLACEMENT_FIXED | (3 << PLACEMENT_SLOT_SHIFT);
const config = memory.data(64, 8);

function at(time: u64): void {
  store<u64>(map + REG_NOW, time);
}

/** Slots chosen one after the other, as text; each choice is a link. */
function choices(count: u32, placement: u32 = 0): string {
  let chosen = "";
  for (let i: u32 = 0; i < count; i++) {
    const slot = selectBoard(placement);
    if (slot != SELECTION_NONE) boardLinkAdd(slot);
    chosen += slot == SELECTION_NONE ? "-" : slot.toString();
  }
  return chosen;
}

describe("selection of a board (S402)", () => {
  beforeEach(() => {
    at(1000 * SECOND);
    boardsReset();
    boardLoadsReset();
    selectionReset();
  });

  test("no board, no choice", () => {
    expect(selectBoard()).toBe(SELECTION_NONE);
    expect(selectionRefusal()).toBe(REFUSED_NO_BOARD);
  });

  test("round robin over the boards that are online", () => {
    boardOnline(1, 1, 10);
    boardOnline(3, 1, 10);
    boardOnline(7, 1, 10);
    expect(choices(4)).toBe("1371");
  });

  test("a full board is passed over until it has room again; when all are full, that is the reason", () => {
    boardOnline(1, 1, 1);
    boardOnline(2, 1, 2);
    boardLinkAdd(1);
    expect(boardHasRoom(1)).toBe(false);
    expect(choices(2)).toBe("22");
    expect(selectBoard()).toBe(SELECTION_NONE);
    expect(selectionRefusal()).toBe(REFUSED_BOARDS_FULL);
    boardLinkRemove(1, 1);
    expect(selectBoard()).toBe(1);
  });

  test("a board that left is not chosen, an earlier generation is not heard", () => {
    boardOnline(1, 1, 10);
    boardOnline(2, 1, 10);
    boardOnline(1, 2, 10);
    expect(boardOffline(1, 1)).toBe(false, "an old generation going down concerns nobody");
    expect(boardIsOnline(1, 1)).toBe(false);
    expect(boardIsOnline(1, 2)).toBe(true);
    expect(boardOffline(1, 2)).toBe(true);
    expect(selectBoard()).toBe(2);
    expect(selectBoard()).toBe(2);
  });

  test("slots beyond the cage are refused", () => {
    expect(boardOnline(64, 1, 10)).toBe(false);
    expect(boardOffline(64, 1)).toBe(false);
    expect(boardIsOnline(64, 1)).toBe(false);
  });

  test("the turns of a heavy board are spread among those of the others, round after round", () => {
    boardOnline(1, 1, 1000, 5);
    boardOnline(2, 1, 1000, 1);
    boardOnline(3, 1, 1000, 1);
    expect(choices(14)).toBe("11213111121311");
  });

  test("weights are 1 to 100; a board of another weight takes its turns by that", () => {
    boardOnline(1, 1, 1000, 0);
    boardOnline(2, 1, 1000, 1000);
    expect(boardWeight(1)).toBe(1);
    expect(boardWeight(2)).toBe(100);
    boardOnline(2, 2, 1000, 2);
    selectionForget(2);
    expect(choices(6)).toBe("212212");
  });

  test("with random weights every board has its share after each round, and is never ahead by a turn", () => {
    let seed: u32 = 12345;
    for (let trial = 0; trial < 50; trial++) {
      boardsReset();
      selectionReset();
      let sum: u32 = 0;
      const counts = new StaticArray<u32>(64);
      for (let slot: u32 = 1; slot <= 6; slot++) {
        seed = seed * 1664525 + 1013904223;
        const weight = 1 + ((seed >> 16) % 20);
        boardOnline(slot, 1, 100000, weight);
        sum += weight;
      }
      let ahead = false;
      for (let i: u32 = 1; i <= 3 * sum; i++) {
        const slot = selectBoard();
        counts[slot] += 1;
        // Its due share after i choices is i * weight / sum.
        if (counts[slot] * sum >= i * boardWeight(slot) + 2 * sum) ahead = true;
        if (i % sum != 0) continue;
        for (let other: u32 = 1; other <= 6; other++) if (counts[other] != (i / sum) * boardWeight(other)) ahead = true;
      }
      expect(ahead).toBe(false, "trial " + trial.toString());
    }
  });

  test("fixed: that slot or none, and the reason is named", () => {
    boardOnline(1, 1, 10);
    expect(selectBoard(FIXED_3)).toBe(SELECTION_NONE);
    expect(selectionRefusal()).toBe(REFUSED_SLOT_OFFLINE);
    boardOnline(3, 1, 2);
    expect(choices(3, FIXED_3)).toBe("33-");
    expect(selectionRefusal()).toBe(REFUSED_SLOT_FULL);
    boardOffline(3, 1);
    expect(selectBoard(FIXED_3)).toBe(SELECTION_NONE);
    expect(selectionRefusal()).toBe(REFUSED_SLOT_OFFLINE);
    expect(selectBoard(PLACEMENT_FIXED | (1000 << PLACEMENT_SLOT_SHIFT))).toBe(SELECTION_NONE);
  });

  test("of two boards of one number the last one has it, and the other one again when that went", () => {
    boardOnline(3, 1, 10);
    boardOnline(5, 1, 10, 1, 3);
    expect(selectBoard(FIXED_3)).toBe(5);
    expect(boardHasRoom(3)).toBe(false, "it takes no more");
    expect(choices(2)).toBe("55");
    boardOffline(5, 1);
    expect(selectBoard(FIXED_3)).toBe(3);
    boardOnline(5, 2, 10, 1, 3);
    boardOffline(3, 1);
    expect(selectBoard(FIXED_3)).toBe(5, "the one without the number goes");
    boardOffline(5, 2);
    expect(selectBoard(FIXED_3)).toBe(SELECTION_NONE);
    expect(selectionRefusal()).toBe(REFUSED_SLOT_OFFLINE);
    boardOnline(5, 3, 10, 1, 3);
    boardOnline(5, 4, 10, 1, 6);
    expect(selectBoard(FIXED_3)).toBe(SELECTION_NONE, "it is another one now");
    expect(boardOnline(1, 1, 10, 1, 64)).toBe(false);
  });

  test("the chassis's placement is that of children that name none", () => {
    boardOnline(1, 1, 10);
    boardOnline(2, 1, 10);
    const end = itemWriteU32(config, CONFIG_PLACEMENT, PLACEMENT_LEAST_LOADED);
    expect(selectionReset(config, end)).toBe(true);
    boardMeasured(1, SECOND, 1, 1, 1000);
    expect(choices(3)).toBe("222");
    expect(choices(2, PLACEMENT_ROUND_ROBIN)).toBe("12");
    itemWriteU32(config, CONFIG_PLACEMENT, PLACEMENT_FIXED);
    expect(selectionReset(config, end)).toBe(false, "a slot is a child's affair");
    itemWriteU32(config, CONFIG_PLACEMENT, 0);
    expect(selectionReset(config, end)).toBe(false);
  });
});

describe("placement by load", () => {
  beforeEach(() => {
    at(1000 * SECOND);
    boardsReset();
    boardLoadsReset();
    selectionReset();
    for (let slot: u32 = 1; slot <= 3; slot++) {
      boardOnline(slot, 1, 1000);
      boardLoadForget(slot);
    }
  });

  test("without any work the one with the fewest SAs", () => {
    expect(choices(5, PLACEMENT_LEAST_LOADED)).toBe("12312");
  });

  test("the least work, however many SAs it has", () => {
    for (let i = 0; i < 100; i++) boardLinkAdd(2);
    boardMeasured(1, SECOND, 10, 1000, MIB);
    boardMeasured(2, SECOND, 10, 1000, MIB / 2);
    boardMeasured(3, SECOND, 10, 1000, MIB);
    expect(selectBoard(PLACEMENT_LEAST_LOADED)).toBe(2);
  });

  test("a full board is passed over", () => {
    boardOnline(2, 2, 1);
    boardLoadForget(2);
    boardLinkAdd(2);
    boardMeasured(1, SECOND, 10, 1000, MIB);
    expect(selectBoard(PLACEMENT_LEAST_LOADED)).toBe(3);
  });

  test("work counts by weight", () => {
    boardOnline(2, 2, 1000, 4);
    boardLoadForget(2);
    boardMeasured(1, SECOND, 10, 1000, MIB);
    boardMeasured(2, SECOND, 10, 1000, 3 * MIB);
    boardMeasured(3, SECOND, 10, 1000, MIB);
    expect(selectBoard(PLACEMENT_LEAST_LOADED)).toBe(2);
  });

  test("a report moves the load a quarter of the way; silence lets it fade", () => {
    boardMeasured(1, SECOND, 400, 4000, 4 * MIB);
    expect(boardLoad(1)).toBe(MIB);
    expect(boardPacketRate(1)).toBe(100);
    expect(boardOctetRate(1)).toBe(1000);
    at(1001 * SECOND);
    boardMeasured(1, SECOND, 400, 4000, 4 * MIB);
    expect(boardLoad(1)).toBe((MIB * 7) / 4);
    at(1002 * SECOND + SECOND / 2);
    expect(boardLoad(1)).toBe((MIB * 7) / 4, "a report may be on its way");
    at(1003 * SECOND);
    expect(boardLoad(1)).toBe((MIB * 21) / 16);
    at(2000 * SECOND);
    expect(boardLoad(1)).toBe(0);
    expect(boardPacketRate(1)).toBe(0);
  });

  test("windows of any length give rates a second", () => {
    boardMeasured(1, SECOND / 2, 0, 0, MIB);
    boardMeasured(2, 2 * SECOND, 0, 0, 4 * MIB);
    expect(boardLoad(1)).toBe(MIB / 2);
    expect(boardLoad(2)).toBe(MIB / 2);
    boardMeasured(3, 0, u64.MAX_VALUE, u64.MAX_VALUE, u64.MAX_VALUE);
    expect(boardLoad(3)).toBeGreaterThan(0);
  });

  test("many that are placed at once spread, though nothing has been measured of them", () => {
    for (let slot: u32 = 1; slot <= 3; slot++) for (let i = 0; i < 10; i++) boardLinkAdd(slot);
    boardMeasured(1, SECOND, 10, 1000, 40 * MIB);
    boardMeasured(2, SECOND, 10, 1000, 40 * MIB);
    boardMeasured(3, SECOND, 10, 1000, 20 * MIB);
    const counts = new StaticArray<u32>(4);
    for (let i = 0; i < 35; i++) {
      const slot = selectBoard(PLACEMENT_LEAST_LOADED);
      boardLinkAdd(slot);
      boardAssume(slot);
      counts[slot] += 1;
    }
    expect(counts[3]).toBeGreaterThan(counts[1] + 4, "the idle one has most of them");
    expect(counts[1]).toBeGreaterThan(4, "and not all");
    expect(counts[2]).toBeGreaterThan(4);
    // What is measured takes the place of what was assumed.
    at(1100 * SECOND);
    expect(boardLoad(3)).toBe(0);
  });

  test("another board in the slot begins with nothing", () => {
    boardMeasured(1, SECOND, 10, 1000, MIB);
    boardLoadForget(1);
    expect(boardLoad(1)).toBe(0);
  });
});

/** Rendezvous over these slots of a number of peers: the choice of each. */
const PEERS: u32 = 4000;
const before = new StaticArray<u32>(PEERS);

function remember(): void {
  for (let i: u32 = 0; i < PEERS; i++) before[i] = selectBoard(PLACEMENT_HASH, digest(i));
}

/** As digests of identities are: numbers that have much in common. */
function digest(i: u32): u64 {
  return 0xcbf29ce484222325 + ((<u64>i) << 8);
}

describe("placement by hash", () => {
  beforeEach(() => {
    at(1000 * SECOND);
    boardsReset();
    boardLoadsReset();
    selectionReset();
    for (let slot: u32 = 1; slot <= 4; slot++) boardOnline(slot, 1, 100000);
  });

  test("all of a peer's meet on one board; the peers spread", () => {
    const counts = new StaticArray<u32>(8);
    remember();
    let same = true;
    for (let i: u32 = 0; i < PEERS; i++) {
      counts[before[i]] += 1;
      same = same && selectBoard(PLACEMENT_HASH, digest(i)) == before[i];
    }
    expect(same).toBe(true);
    for (let slot: u32 = 1; slot <= 4; slot++) {
      expect(counts[slot]).toBeGreaterThan(PEERS / 4 - PEERS / 20);
      expect(counts[slot]).toBeLessThan(PEERS / 4 + PEERS / 20);
    }
  });

  test("a board that goes takes its own peers along and no others; when it is back, so are they", () => {
    remember();
    boardOffline(3, 1);
    let moved: u32 = 0;
    let others = false;
    for (let i: u32 = 0; i < PEERS; i++) {
      const slot = selectBoard(PLACEMENT_HASH, digest(i));
      if (before[i] == 3) moved += 1;
      else others = others || slot != before[i];
    }
    expect(others).toBe(false);
    expect(moved).toBeGreaterThan(0);
    boardOnline(3, 2, 100000);
    let same = true;
    for (let i: u32 = 0; i < PEERS; i++) same = same && selectBoard(PLACEMENT_HASH, digest(i)) == before[i];
    expect(same).toBe(true, "another generation in the slot is the same choice");
  });

  test("a board that comes takes its share from all, and nobody else changes", () => {
    remember();
    boardOnline(9, 1, 100000);
    let moved: u32 = 0;
    let others = false;
    for (let i: u32 = 0; i < PEERS; i++) {
      const slot = selectBoard(PLACEMENT_HASH, digest(i));
      if (slot == 9) moved += 1;
      else others = others || slot != before[i];
    }
    expect(others).toBe(false);
    expect(moved).toBeGreaterThan(PEERS / 5 - PEERS / 20);
    expect(moved).toBeLessThan(PEERS / 5 + PEERS / 20);
  });

  test("peers by weight; a weight that grows takes from others and gives to none", () => {
    remember();
    boardOnline(2, 2, 100000, 3);
    let mine: u32 = 0;
    let others = false;
    for (let i: u32 = 0; i < PEERS; i++) {
      const slot = selectBoard(PLACEMENT_HASH, digest(i));
      if (slot == 2) mine += 1;
      else others = others || slot != before[i];
    }
    expect(others).toBe(false);
    expect(mine).toBeGreaterThan(PEERS / 2 - PEERS / 20);
    expect(mine).toBeLessThan(PEERS / 2 + PEERS / 20);
  });

  test("a board in another slot under the number of the one that went is the same to every peer", () => {
    remember();
    boardOffline(2, 1);
    boardOnline(40, 1, 100000, 1, 2);
    let others = false;
    for (let i: u32 = 0; i < PEERS; i++)
      others = others || selectBoard(PLACEMENT_HASH, digest(i)) != (before[i] == 2 ? 40 : before[i]);
    expect(others).toBe(false);
  });

  test("a peer whose board is full goes to its next one, and back when there is room", () => {
    const peer = digest(7);
    const home = selectBoard(PLACEMENT_HASH, peer);
    boardOnline(home, 2, 1);
    boardLinkAdd(home);
    const next = selectBoard(PLACEMENT_HASH, peer);
    expect(next).not.toBe(home);
    expect(next).not.toBe(SELECTION_NONE);
    boardLinkRemove(home, 2);
    expect(selectBoard(PLACEMENT_HASH, peer)).toBe(home);
  });
});
