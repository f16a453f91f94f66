/** The journal: what is written is sealed, comes back as it was under the key of its epoch, and under nothing else. */
import { MAP_CHECKPOINT, REG_CHECKPOINT, REG_GENERATION } from "../../../assembly/abi/board";
import {
  CHECKPOINT_AREA,
  CHECKPOINT_EPOCH,
  CHECKPOINT_HEADER,
  CHECKPOINT_ICV,
  CHECKPOINT_INDEX,
  CHECKPOINT_KIND,
  CHECKPOINT_LINK,
  CHECKPOINT_OCTETS,
  CHECKPOINT_RECORD_MAX,
  CHECKPOINT_SALT,
  CHECKPOINT_SERIAL,
} from "../../../assembly/abi/checkpoint";
import {
  CHECKPOINT_CONTENTS,
  journalClose,
  journalContents,
  journalForget,
  journalIsOn,
  journalKey,
  journalOldForget,
  journalOldKey,
  journalOpen,
  journalPoll,
  journalRead,
  journalReadDone,
  journalReset,
  journalRoom,
} from "../../../assembly/checkpoint/journal";
import { drbgSeed } from "../../../assembly/crypto/drbg";
import { keyCacheReset } from "../../../assembly/crypto/key_cache";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { map } from "../../../assembly/rt/map";

const ARENA: usize = 2 << 20;
const arena: usize = memory.data(2 << 20, 64);
const key: usize = memory.data(64, 8);
const copy: usize = memory.data(16384, 8);

function fresh(epoch: u32): usize {
  arenaResetAt(arena, arena + ARENA);
  store<u32>(map + REG_GENERATION, epoch);
  memory.fill(key, 0x4b, 32);
  drbgSeed(key, 64);
  assert(keyCacheReset(2, 2), "room");
  assert(journalReset(true), "room");
  journalPoll();
  journalKey(key, 99);
  return <usize>load<u32>(map + MAP_CHECKPOINT);
}

/** Writes a record of `octets` times `fill`; gives where it stands. */
function written(index: u32, octets: u32, fill: u8): usize {
  const at = journalOpen(CHECKPOINT_LINK, index);
  memory.fill(at, fill, octets);
  journalClose(octets);
  return at - CHECKPOINT_HEADER;
}

/** What contents of so many octets without a zero take. */
function packedOf(octets: u32): u32 {
  const words = (octets + 7) / 8;
  return words * 8 + (words + 7) / 8 + 4;
}

function octetsOf(record: usize): u32 {
  return CHECKPOINT_HEADER + load<u32>(record, CHECKPOINT_OCTETS);
}

describe("the journal", () => {
  it("begins with the salt, in clear", () => {
    const area = fresh(3);
    expect(journalIsOn()).toBe(true);
    expect(load<u32>(area, CHECKPOINT_KIND)).toBe(CHECKPOINT_SALT);
    expect(load<u32>(area, CHECKPOINT_OCTETS)).toBe(36);
    expect(load<u32>(area, CHECKPOINT_EPOCH)).toBe(3);
    expect(load<u32>(area, CHECKPOINT_HEADER)).toBe(99);
    expect(load<u32>(map + REG_CHECKPOINT)).toBe(64);
  });

  it("seals a record, and reads it again under the key of its epoch", () => {
    fresh(3);
    const record = written(7, 100, 0xa5);
    expect(load<u32>(record, CHECKPOINT_INDEX)).toBe(7);
    expect(load<u32>(record, CHECKPOINT_OCTETS)).toBe(packedOf(100) + CHECKPOINT_ICV);
    let clear = true;
    for (let i: u32 = 0; i < 92; i++) if (load<u8>(record + CHECKPOINT_HEADER + i) != 0xa5) clear = false;
    expect(clear).toBe(false);
    const octets = octetsOf(record);
    memory.copy(copy, record, octets);
    journalOldKey(3, key);
    expect(journalRead(copy, octets)).toBe(100);
    for (let i: u32 = 0; i < 100; i++) assert(load<u8>(journalContents() + i) == 0xa5, "as it was");
    for (let i: u32 = CHECKPOINT_HEADER; i < octets; i++) assert(load<u8>(copy + i) == 0, "what was sealed is wiped");
    journalReadDone();
    for (let i: u32 = 0; i < 100; i++) assert(load<u8>(journalContents() + i) == 0, "wiped when it has been taken");
  });

  it("does not keep zeros, and leaves nothing of the contents behind the record", () => {
    fresh(3);
    const at = journalOpen(CHECKPOINT_LINK, 7);
    memory.fill(at, 0, 4096);
    store<u64>(at, 0x1122334455667788, 4088);
    journalClose(4096);
    const record = at - CHECKPOINT_HEADER;
    const octets = octetsOf(record);
    expect(octets).toBe(CHECKPOINT_HEADER + 8 + 64 + 4 + CHECKPOINT_ICV);
    for (let i: u32 = octets; i < CHECKPOINT_HEADER + 4096; i++) assert(load<u8>(record + i) == 0, "nothing is left");
    memory.copy(copy, record, octets);
    journalOldKey(3, key);
    expect(journalRead(copy, octets)).toBe(4096);
    expect(load<u64>(journalContents(), 4088)).toBe(0x1122334455667788);
    for (let i: u32 = 0; i < 4088; i++) assert(load<u8>(journalContents() + i) == 0, "as it was");
    journalReadDone();
  });

  it("reads nothing that was changed, cut, or is of another epoch or place, and wipes it", () => {
    fresh(3);
    const record = written(7, 64, 1);
    const octets = octetsOf(record);
    journalOldKey(3, key);
    for (let i: u32 = 0; i < octets; i++) {
      memory.copy(copy, record, octets);
      store<u8>(copy + i, load<u8>(copy + i) ^ 1);
      assert(journalRead(copy, octets) == -1, "an octet that was changed");
    }
    memory.copy(copy, record, octets);
    expect(journalRead(copy, octets - 1)).toBe(-1);
    journalOldKey(4, key);
    memory.copy(copy, record, octets);
    expect(journalRead(copy, octets)).toBe(-1);
    store<u8>(key, 0);
    journalOldKey(3, key);
    expect(journalRead(copy, octets)).toBe(-1);
    expect(load<u64>(copy, CHECKPOINT_HEADER)).toBe(0);
    memory.copy(copy, record, octets);
    journalOldForget();
    expect(journalRead(copy, octets)).toBe(-1);
  });

  it("never seals twice under one nonce", () => {
    fresh(3);
    const first = written(1, 8, 0);
    const second = written(1, 8, 0);
    expect(load<u64>(second, CHECKPOINT_SERIAL)).toBeGreaterThan(load<u64>(first, CHECKPOINT_SERIAL));
    journalPoll();
    const third = written(1, 8, 0);
    expect(load<u64>(third, CHECKPOINT_SERIAL)).toBeGreaterThan(2);
  });

  it("says that a record is gone", () => {
    fresh(3);
    journalPoll();
    expect(load<u32>(map + REG_CHECKPOINT)).toBe(0);
    journalForget(CHECKPOINT_LINK, 12);
    const area = <usize>load<u32>(map + MAP_CHECKPOINT);
    expect(load<u32>(area, CHECKPOINT_INDEX)).toBe(12);
    expect(load<u32>(area, CHECKPOINT_OCTETS)).toBe(0);
    expect(load<u32>(map + REG_CHECKPOINT)).toBe(CHECKPOINT_HEADER);
  });

  it("has room for so many records of any size, and stays within its area", () => {
    fresh(3);
    journalPoll();
    let count: u32 = 0;
    while (journalRoom(1)) {
      written(count, CHECKPOINT_CONTENTS, 3);
      count += 1;
    }
    expect(count).toBe(CHECKPOINT_AREA / CHECKPOINT_RECORD_MAX);
    expect(load<u32>(map + REG_CHECKPOINT)).toBeLessThan(CHECKPOINT_AREA + 1);
    journalPoll();
    expect(journalRoom(4)).toBe(true);
  });

  it("writes nothing when it is off", () => {
    arenaResetAt(arena, arena + ARENA);
    expect(journalReset(false)).toBe(true);
    expect(journalIsOn()).toBe(false);
    expect(load<u32>(map + MAP_CHECKPOINT)).toBe(0);
  });
});
