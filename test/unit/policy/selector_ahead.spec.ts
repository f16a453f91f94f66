/** The look ahead into the selector table: it foresees what the look-up finds, and changes nothing of what that finds. */
import { POLL_BATCH } from "../../../assembly/abi/board";
import { SELECTOR_OCTETS } from "../../../assembly/abi/message";
import {
  selectorAheadAdd,
  selectorAheadClear,
  selectorAheadGo,
  selectorAheadLookup,
  selectorAheadValue,
  selectorAheadValues,
} from "../../../assembly/policy/selector_ahead";
import {
  SELECTOR_TABLE_NONE,
  selectorTableFree,
  selectorTableInsert,
  selectorTableLookupPacket,
  selectorTableRemove,
  selectorTableReset,
} from "../../../assembly/policy/selector_table";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { storeBE32 } from "../../../assembly/rt/bytes";
import { ipv4Emit, ipv4TotalLength } from "../../../assembly/wire/ipv4";

const ROWS: u32 = 1500;
const PACKET: u32 = 64;
const INSIDE: u32 = 0x0a010000;
const OUTSIDE: u32 = 0x0b000000;
const block: usize = memory.data(2000000, 64);
const local: usize = memory.data(SELECTOR_OCTETS, 8);
const remote: usize = memory.data(SELECTOR_OCTETS, 8);
const packets: usize = memory.data(POLL_BATCH * PACKET, 8);

function write(at: usize, start: u32, end: u32): void {
  memory.fill(at, 0, SELECTOR_OCTETS);
  store<u8>(at, 4);
  store<u16>(at + 4, 65535);
  storeBE32(at + 8, start);
  storeBE32(at + 24, end);
}

/** Everything from INSIDE to one address each: the value is what is added to OUTSIDE. */
function fill(rows: u32): void {
  arenaResetAt(block, block + 2000000);
  expect(selectorTableReset(ROWS + 16)).toBe(true);
  write(local, INSIDE, INSIDE | 0xffff);
  for (let value: u32 = 0; value < rows; value++) {
    write(remote, OUTSIDE + value, OUTSIDE + value);
    expect(selectorTableInsert(local, 1, remote, 1, value)).toBe(true);
  }
}

function packetAt(i: u32): usize {
  return packets + <usize>(i * PACKET);
}

function packet(i: u32, destination: u32): usize {
  const at = packetAt(i);
  memory.fill(at, 0, PACKET);
  ipv4Emit(at, 40, 17, INSIDE + 5, destination, 64, 0, false, 0);
  return at;
}

function add(at: usize): void {
  selectorAheadAdd(at, ipv4TotalLength(at));
}

function lookUp(at: usize): u32 {
  return selectorAheadLookup(at, ipv4TotalLength(at));
}

/** How often a value is foreseen. */
function foreseen(value: u32): u32 {
  let times: u32 = 0;
  for (let at: u32 = 0; at < selectorAheadValues(); at++) if (selectorAheadValue(at) == value) times += 1;
  return times;
}

describe("look ahead", () => {
  beforeEach(() => {
    selectorAheadClear();
  });

  test("foresees the value of each packet of a batch, and takes nothing from the look-up", () => {
    fill(ROWS);
    const free = selectorTableFree();
    for (let i: u32 = 0; i < POLL_BATCH; i++) add(packet(i, OUTSIDE + ((i * 23) % ROWS)));
    selectorAheadGo();
    expect(selectorAheadValues()).toBe(POLL_BATCH);
    for (let i: u32 = 0; i < POLL_BATCH; i++) {
      expect(foreseen((i * 23) % ROWS)).toBe(1);
      expect(lookUp(packetAt(i))).toBe((i * 23) % ROWS);
    }
    expect(selectorTableFree()).toBe(free);
  });

  test("foresees what the cache of flows knows, and nothing where nothing covers a packet", () => {
    fill(ROWS);
    const known = packet(0, OUTSIDE + 7);
    expect(selectorTableLookupPacket(known, ipv4TotalLength(known))).toBe(7);
    add(known);
    add(packet(1, OUTSIDE + ROWS));
    selectorAheadGo();
    expect(foreseen(7)).toBe(1);
    expect(selectorAheadValues()).toBe(1);
    expect(lookUp(known)).toBe(7);
    expect(lookUp(packetAt(1))).toBe(SELECTOR_TABLE_NONE);
  });

  test("looks no further than at the flows where there are few rows", () => {
    fill(100);
    add(packet(0, OUTSIDE + 7));
    selectorAheadGo();
    expect(selectorAheadValues()).toBe(0);
    expect(lookUp(packetAt(0))).toBe(7);
  });

  test("packets are found in their order, also where some of them, or others, are not looked up", () => {
    fill(100);
    for (let i: u32 = 0; i < 4; i++) add(packet(i, OUTSIDE + i));
    selectorAheadGo();
    expect(lookUp(packetAt(1))).toBe(1);
    expect(lookUp(packet(5, OUTSIDE + 50))).toBe(50);
    expect(lookUp(packetAt(0))).toBe(0);
    expect(lookUp(packetAt(3))).toBe(3);
    expect(lookUp(packetAt(2))).toBe(2);
  });

  test("what stands there is looked up again behind the packet, and behind the batch", () => {
    fill(100);
    add(packet(0, OUTSIDE + 1));
    add(packet(1, OUTSIDE + 2));
    selectorAheadGo();
    expect(lookUp(packetAt(0))).toBe(1);
    expect(lookUp(packet(0, OUTSIDE + 3))).toBe(3);
    selectorAheadClear();
    expect(lookUp(packet(1, OUTSIDE + 4))).toBe(4);
  });

  test("a table that changes between the two is looked up as it is then", () => {
    fill(ROWS);
    add(packet(0, OUTSIDE + 9));
    add(packet(1, OUTSIDE + 10));
    selectorAheadGo();
    expect(foreseen(10)).toBe(1);
    expect(selectorTableRemove(10)).toBe(1);
    expect(lookUp(packetAt(0))).toBe(9);
    expect(lookUp(packetAt(1))).toBe(SELECTOR_TABLE_NONE);
  });

  test("rows that share a bucket are foreseen behind each other", () => {
    fill(ROWS);
    let found: u32 = 0;
    for (let from: u32 = 0; from + POLL_BATCH <= ROWS; from += POLL_BATCH) {
      selectorAheadClear();
      for (let i: u32 = 0; i < POLL_BATCH; i++) add(packet(i, OUTSIDE + from + i));
      selectorAheadGo();
      for (let i: u32 = 0; i < POLL_BATCH; i++) found += foreseen(from + i);
    }
    // Of 1472 rows some stand fourth in their bucket or later, by chance.
    expect(found).toBeGreaterThan(1440);
  });
});
