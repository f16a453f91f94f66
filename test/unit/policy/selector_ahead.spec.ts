/** The look ahead into the selector table: it foresees what the look-up finds, and changes nothing. */
import { POLL_BATCH } from "../../../assembly/abi/board";
import { SELECTOR_OCTETS } from "../../../assembly/abi/message";
import {
  selectorAheadBegin,
  selectorAheadGo,
  selectorAheadPays,
  selectorAheadValue,
  selectorAheadValues,
} from "../../../assembly/policy/selector_ahead";
import {
  SELECTOR_TABLE_NONE,
  selectorTableFree,
  selectorTableInsert,
  selectorTableLookupPacket,
  selectorTableReset,
} from "../../../assembly/policy/selector_table";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { storeBE32 } from "../../../assembly/rt/bytes";
import { ipv4Emit, ipv4TotalLength } from "../../../assembly/wire/ipv4";

const ROWS: u32 = 1500;
const PACKET: u32 = 64;
const INSIDE: u32 = 0x0a010000;
const OUTSIDE: u32 = 0x0b000000;
/** Combinations that are looked into for each packet. */
const COMBINATIONS: u32 = selectorAheadValues(1);

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

/** What it foresees of packet `i`: a value, or SELECTOR_TABLE_NONE. */
function foreseen(i: u32): u32 {
  for (let t: u32 = 0; t < COMBINATIONS; t++) {
    const value = selectorAheadValue(i * COMBINATIONS + t);
    if (value != SELECTOR_TABLE_NONE) return value;
  }
  return SELECTOR_TABLE_NONE;
}

describe("look ahead", () => {
  test("pays with many rows alone", () => {
    fill(100);
    expect(selectorAheadPays()).toBe(false);
    fill(ROWS);
    expect(selectorAheadPays()).toBe(true);
  });

  test("foresees the value of each packet of a batch, and takes nothing from the look-up", () => {
    fill(ROWS);
    const free = selectorTableFree();
    for (let i: u32 = 0; i < POLL_BATCH; i++) {
      const at = packet(i, OUTSIDE + ((i * 23) % ROWS));
      selectorAheadBegin(i, at, ipv4TotalLength(at));
    }
    selectorAheadGo(POLL_BATCH);
    let right: u32 = 0;
    for (let i: u32 = 0; i < POLL_BATCH; i++) {
      const value = selectorTableLookupPacket(packetAt(i), ipv4TotalLength(packetAt(i)));
      expect(value).toBe((i * 23) % ROWS);
      // The bucket may begin with another row: then it foresees that one.
      if (foreseen(i) == value) right += 1;
      else expect(foreseen(i)).not.toBe(SELECTOR_TABLE_NONE);
    }
    expect(right).toBeGreaterThan(POLL_BATCH / 2);
    expect(selectorTableFree()).toBe(free);
  });

  test("of a flow in the cache, of no packet and of what nothing covers there is nothing to foresee", () => {
    fill(ROWS);
    const known = packet(0, OUTSIDE + 7);
    expect(selectorTableLookupPacket(known, ipv4TotalLength(known))).toBe(7);
    selectorAheadBegin(0, known, ipv4TotalLength(known));
    selectorAheadBegin(1, 0, 0);
    const other = packet(2, OUTSIDE + 8);
    selectorAheadBegin(2, other, ipv4TotalLength(other));
    selectorAheadGo(3);
    expect(foreseen(0)).toBe(SELECTOR_TABLE_NONE);
    expect(foreseen(1)).toBe(SELECTOR_TABLE_NONE);
    expect(foreseen(2)).not.toBe(SELECTOR_TABLE_NONE);
    fill(0);
    selectorAheadBegin(0, other, ipv4TotalLength(other));
    selectorAheadGo(1);
    expect(foreseen(0)).toBe(SELECTOR_TABLE_NONE);
  });
});
