/** The local database: names, free records, removal; the SPI index under years of rekeying, against a map. */
import { DIRECTION_INBOUND, DIRECTION_OUTBOUND, SA_RECORD_MAX } from "../../../assembly/abi/message";
import { CONTEXT_SALT } from "../../../assembly/crypto/job";
import { COLD_OCTETS, coldFits, coldHome, coldPut } from "../../../assembly/ipsec/cold_record";
import {
  findInbound,
  findNamed,
  localDatabaseLive,
  localDatabaseRecords,
  localDatabaseReset,
  removeSa,
  saAt,
  takeSa,
} from "../../../assembly/ipsec/local_database";
import { SA_OCTETS } from "../../../assembly/ipsec/sa";
import {
  SPI_INDEX_NONE,
  spiIndexFind,
  spiIndexInsert,
  spiIndexRemove,
  spiIndexTake,
} from "../../../assembly/ipsec/spi_index";
import { arenaResetAt } from "../../../assembly/rt/arena";

const ROOM: usize = 8000000;
const block: usize = memory.data(8000000, 64);

let seed: u32 = 9;
function random(below: u32): u32 {
  seed = seed * 1664525 + 1013904223;
  return <u32>((<u64>seed * <u64>below) >> 32);
}

describe("SPI index", () => {
  it("agrees with a map over 20000 random steps in a full table", () => {
    arenaResetAt(block, block + ROOM);
    const index = spiIndexTake(100);
    const twin = new Map<u64, u32>();
    let wrong = 0;
    for (let step: u32 = 0; step < 20000; step++) {
      const key: u64 = 1 + random(150) + ((<u64>random(2)) << 40);
      if (twin.has(key)) {
        if (random(2)) {
          spiIndexRemove(index, key);
          twin.delete(key);
        }
      } else if (twin.size < 100) {
        spiIndexInsert(index, key, step);
        twin.set(key, step);
      } else {
        spiIndexRemove(index, key);
      }
      const probe: u64 = 1 + random(150) + ((<u64>random(2)) << 40);
      const expected = twin.has(probe) ? twin.get(probe) : SPI_INDEX_NONE;
      if (spiIndexFind(index, probe) != expected) wrong += 1;
    }
    expect(wrong).toBe(0);
  });
});

describe("local database", () => {
  it("keeps inbound SAs by SPI and outbound ones by SPI and link", () => {
    arenaResetAt(block, block + ROOM);
    expect(localDatabaseReset(8)).toBe(true);
    const inbound = takeSa(1000, DIRECTION_INBOUND, 1);
    const first = takeSa(2000, DIRECTION_OUTBOUND, 1);
    const second = takeSa(2000, DIRECTION_OUTBOUND, 2);
    expect(inbound != null && first != null && second != null).toBe(true);
    expect(findInbound(1000) == inbound).toBe(true);
    expect(findInbound(2000) == null).toBe(true);
    expect(findNamed(2000, DIRECTION_OUTBOUND, 2) == second).toBe(true);
    expect(findNamed(2000, DIRECTION_OUTBOUND, 3) == null).toBe(true);
    expect(findNamed(1000, DIRECTION_INBOUND, 2) == null).toBe(true, "another link's");
    expect(findNamed(1000, 7, 1) == null).toBe(true, "no such direction");
    expect(localDatabaseLive()).toBe(3);
  });

  it("is full when it is full, and wipes what it removes", () => {
    arenaResetAt(block, block + ROOM);
    localDatabaseReset(4);
    for (let i: u32 = 0; i < 4; i++) takeSa(1000 + i, DIRECTION_INBOUND, i);
    expect(takeSa(1004, DIRECTION_INBOUND, 4) == null).toBe(true);
    expect(takeSa(1004, DIRECTION_OUTBOUND, 4) != null).toBe(true);
    const sa = findInbound(1002)!;
    const cold = sa.cold;
    const number = sa.number;
    memory.fill(cold, 0x5a, COLD_OCTETS);
    store<u32>(sa.context, 0x12345678, CONTEXT_SALT);
    removeSa(sa);
    let left = 0;
    for (let i: u32 = 0; i < COLD_OCTETS; i++) if (load<u8>(cold + i) != 0) left += 1;
    expect(left).toBe(0);
    expect(load<u32>(saAt(number).context, CONTEXT_SALT)).toBe(0);
    expect(saAt(number).cold).toBe(cold);
    expect(findInbound(1002) == null).toBe(true);
    expect(findInbound(1003) != null).toBe(true);
    expect(takeSa(1005, DIRECTION_INBOUND, 5) != null).toBe(true);
    expect(localDatabaseLive()).toBe(5);
    expect(localDatabaseRecords()).toBe(8);
    expect(SA_OCTETS).toBe(192);
  });

  it("lends wide places to SAs of many selectors while there are some, and takes them back wiped", () => {
    arenaResetAt(block, block + ROOM);
    const count: u32 = 400;
    localDatabaseReset(count);
    const record = memory.data(SA_RECORD_MAX);
    memory.fill(record, 0x5a, SA_RECORD_MAX);
    let lent: u32 = 0;
    for (let i: u32 = 0; i < count; i++) {
      const sa = takeSa(1000 + i, DIRECTION_INBOUND, i)!;
      expect(coldFits(sa, COLD_OCTETS)).toBe(true);
      if (!coldFits(sa, SA_RECORD_MAX)) continue;
      coldPut(sa, record, SA_RECORD_MAX);
      expect(sa.cold == coldHome(sa.number)).toBe(false);
      expect(memory.compare(sa.cold, record, SA_RECORD_MAX)).toBe(0);
      lent += 1;
    }
    expect(lent).toBe(256);
    // The same SA once more needs no other place; a short record goes home.
    const first = findInbound(1000)!;
    expect(coldFits(first, SA_RECORD_MAX)).toBe(true);
    coldPut(first, record, SA_RECORD_MAX);
    const place = first.cold;
    coldPut(first, record, COLD_OCTETS);
    expect(first.cold).toBe(coldHome(first.number));
    let left = 0;
    for (let i: u32 = 4; i < SA_RECORD_MAX; i++) if (load<u8>(place + i) != 0) left += 1;
    expect(left).toBe(0);
    // What was given back goes to the next one.
    const late = findInbound(1000 + count - 1)!;
    expect(coldFits(late, SA_RECORD_MAX)).toBe(true);
    coldPut(late, record, SA_RECORD_MAX);
    expect(late.cold).toBe(place);
    removeSa(late);
    expect(late.cold).toBe(coldHome(late.number));
    expect(coldFits(first, SA_RECORD_MAX)).toBe(true);
  });

  it("tells when RAM is too small", () => {
    arenaResetAt(block, block + 100000);
    expect(localDatabaseReset(1000)).toBe(false);
  });
});
