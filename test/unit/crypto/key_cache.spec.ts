/** Which keys keep their slots of the cache of expanded keys, and that slots that change hands are empty. */
import {
  AES_SLOT_OCTETS,
  AES_SLOT_SCHEDULE,
  KEY_RECORD_OCTETS,
  aesSlot,
  keyCacheMisses,
  keyCacheReset,
  keyRecord,
  keyWipe,
  slotWritten,
} from "../../../assembly/crypto/key_cache";
import { arenaResetAt } from "../../../assembly/rt/arena";

const SLOTS: u32 = 200;
const RECORDS: u32 = 5000;
const room: usize = memory.data(512000, 64);
const records: usize = memory.data(RECORDS * KEY_RECORD_OCTETS, 16);
const key: usize = memory.data(32, 16);

function recordOf(i: u32): usize {
  return records + <usize>(i * KEY_RECORD_OCTETS);
}

/** Uses the keys from one number to before another; how many were not in their slots. */
function use(from: u32, to: u32): u32 {
  const misses = keyCacheMisses();
  for (let i = from; i < to; i++) aesSlot(recordOf(i));
  return <u32>(keyCacheMisses() - misses);
}

function begin(slots: u32): void {
  arenaResetAt(room, room + 512000);
  expect(keyCacheReset(0, slots)).toBe(true);
  for (let i: u32 = 0; i < RECORDS; i++) {
    store<u32>(key, i);
    keyRecord(recordOf(i), key, 16);
  }
}

describe("cache of expanded keys", () => {
  test("has a slot for each of as many keys as are not on trial, and keeps them", () => {
    begin(SLOTS);
    const keys = SLOTS - 16;
    expect(use(0, keys)).toBe(keys);
    for (let round = 0; round < 5; round++) expect(use(0, keys)).toBe(0);
  });

  test("keys of which each is used once do not drive out those that are used all the time", () => {
    begin(SLOTS);
    use(0, 150);
    use(0, 150);
    for (let round: u32 = 0; round < 4; round++) {
      const from = 200 + round * 1000;
      expect(use(from, from + 1000)).toBe(1000);
      expect(use(0, 150)).toBe(0);
    }
  });

  test("keys that are used all the time from now on get slots to stay, whoever had them", () => {
    begin(SLOTS);
    use(0, 184);
    use(0, 184);
    use(1000, 1150);
    use(1000, 1150);
    use(1000, 1150);
    for (let round = 0; round < 3; round++) expect(use(1000, 1150)).toBe(0);
  });

  test("without slots for trial each key takes its turn", () => {
    begin(40);
    expect(use(0, 40)).toBe(40);
    expect(use(0, 40)).toBe(0);
    expect(use(40, 80)).toBe(40);
    expect(use(40, 80)).toBe(0);
  });

  test("a slot that changes hands is empty, and the one that had it gets another", () => {
    begin(SLOTS);
    const first = aesSlot(recordOf(0));
    store<u64>(first + AES_SLOT_SCHEDULE, 0x0123456789abcdef);
    slotWritten(first, AES_SLOT_SCHEDULE + 8);
    expect(aesSlot(recordOf(0))).toBe(first);
    expect(load<u64>(first + AES_SLOT_SCHEDULE)).toBe(0x0123456789abcdef);
    // All slots get used, and asked for again, until the clock has been round.
    for (let i: u32 = 1; i < 900; i++) {
      aesSlot(recordOf(i % 300));
      aesSlot(recordOf(i % 300));
    }
    let left: u64 = 0;
    for (let at = room; at < room + SLOTS * AES_SLOT_OCTETS; at += 8) {
      if (load<u64>(at) == 0x0123456789abcdef) left += 1;
    }
    const again = aesSlot(recordOf(0));
    expect(left == 0 || again == first).toBe(true);
    store<u64>(again + AES_SLOT_SCHEDULE, 0x0123456789abcdef);
    slotWritten(again, AES_SLOT_SCHEDULE + 8);
    keyWipe(recordOf(0));
    for (let at = room; at < room + SLOTS * AES_SLOT_OCTETS; at += 8) {
      if (load<u64>(at) == 0x0123456789abcdef) left = 99;
    }
    expect(left).not.toBe(99);
  });
});
