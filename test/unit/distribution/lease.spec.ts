/** Leases as the IKE board gives them: what is granted, how large, and that a number is never granted to two boards. */
import { CLASSIFIER_CUT_THROUGH, CLASSIFIER_STANDBY } from "../../../assembly/abi/classifier";
import { LEASE_MIN } from "../../../assembly/abi/config";
import {
  DIRECTION_INBOUND,
  DIRECTION_OUTBOUND,
  LEASE_DIRECTION,
  LEASE_LINK,
  LEASE_OCTETS,
  LEASE_SEQUENCE,
  LEASE_SERIAL,
  LEASE_SPI,
  SA_LEASE,
  SA_REPLAY_WINDOW,
  SA_SEQUENCE,
} from "../../../assembly/abi/message";
import { Frame } from "../../../assembly/bus/frame";
import { originate } from "../../../assembly/bus/port";
import { boardOffline } from "../../../assembly/distribution/board_table";
import {
  LEASE_RECORD_OCTETS,
  leaseRecord,
  leaseReturned,
  leaseStart,
  leaseSucceed,
} from "../../../assembly/distribution/lease";
import { recordOf } from "../../../assembly/distribution/local_database";
import { SPI_IN, lease, leaseAsked, link, linksReset, pass } from "./leased_links";

const LINKS: u32 = 200;
const LIMIT: u32 = 1000;
const SEEN_LIMIT: u32 = 16384;
const MS: u64 = 1_000_000;

/** The board has come to `sequence`; every number was a packet, or one in `lossy`. */
function wants(number: u32, direction: u32, sequence: u64, slot: u32 = 1, lossy: u64 = 1): u64 {
  return leaseAsked(number, direction, sequence, u64.MAX_VALUE, slot, lossy);
}

function serialOf(number: u32): u32 {
  return load<u32>(leaseRecord(link(number), DIRECTION_INBOUND) + LEASE_RECORD_OCTETS - 4);
}

/** The board accepts nothing beyond `sequence`. */
function returns(number: u32, sequence: u64, serial: u32, slot: u32 = 1): u64 {
  const frame = changetype<Frame>(originate());
  const m = frame.start;
  frame.length = LEASE_OCTETS;
  store<u32>(m, number, LEASE_LINK);
  store<u32>(m, SPI_IN + number, LEASE_SPI);
  store<u32>(m, DIRECTION_INBOUND, LEASE_DIRECTION);
  store<u64>(m, sequence, LEASE_SEQUENCE);
  store<u32>(m, serial, LEASE_SERIAL);
  leaseReturned(frame, slot);
  return lease(number, DIRECTION_INBOUND);
}

function reset(): void {
  linksReset(LINKS, CLASSIFIER_CUT_THROUGH, LIMIT);
}

function resetSeen(): void {
  linksReset(LINKS, CLASSIFIER_STANDBY, SEEN_LIMIT);
}

describe("leases, with cut-through", () => {
  beforeEach(reset);

  test("outbound: the whole lease each time, and thousands at least", () => {
    expect(lease(0, DIRECTION_OUTBOUND)).toBe(4096);
    expect(wants(0, DIRECTION_OUTBOUND, 2048)).toBe(6144);
    pass(1000 * MS);
    expect(wants(0, DIRECTION_OUTBOUND, 2050)).toBe(6146);
    expect(wants(0, DIRECTION_OUTBOUND, 100)).toBe(6146, "a lease does not shrink");
  });

  test("outbound: of a fast SA what it sends in 200 ms, up to 2^18", () => {
    pass(100 * MS);
    expect(wants(0, DIRECTION_OUTBOUND, 50_000) - 50_000).toBe(100_000);
    pass(5 * MS);
    expect(wants(0, DIRECTION_OUTBOUND, 100_000) - 100_000).toBe(100_000, "too soon to measure");
    pass(5 * MS);
    expect(wants(0, DIRECTION_OUTBOUND, 150_000) - 150_000).toBe(1 << 18);
    const end = lease(0, DIRECTION_OUTBOUND);
    leaseSucceed(link(0), DIRECTION_OUTBOUND);
    expect(lease(0, DIRECTION_OUTBOUND) - end).toBe(1 << 18, "as fast as before");
    pass(1000 * MS);
    const most = lease(0, DIRECTION_OUTBOUND);
    expect(wants(0, DIRECTION_OUTBOUND, most - 1000)).toBe(most - 1000 + ((most - 1000 - end) * 200) / 1000, "slower");
    pass(1000 * MS);
    const last = lease(0, DIRECTION_OUTBOUND);
    expect(wants(0, DIRECTION_OUTBOUND, last)).toBe(last + (last - most + 1000) / 5);
    pass(60000 * MS);
    const idle = lease(0, DIRECTION_OUTBOUND);
    expect(wants(0, DIRECTION_OUTBOUND, idle) - idle).toBe(4096, "slow: the least");
  });

  test("inbound: what comes in 20 ms, between the least and the setting", () => {
    expect(lease(0, DIRECTION_INBOUND)).toBe(64);
    pass(640 * MS); // 64 in 640 ms: 2 in 20 ms
    expect(wants(0, DIRECTION_INBOUND, 64) - 64).toBe(<u64>LEASE_MIN);
    pass(10 * MS);
    expect(wants(0, DIRECTION_INBOUND, 164) - 164).toBe(200);
    pass(10 * MS);
    expect(wants(0, DIRECTION_INBOUND, 4164) - 4164).toBe(<u64>LIMIT);
    pass(40000 * MS);
    expect(wants(0, DIRECTION_INBOUND, 5164) - 5164).toBe(<u64>LEASE_MIN, "slow again, small again");
  });

  test("inbound: what gets lost in front of the board counts, since the peer goes on", () => {
    pass(100 * MS);
    expect(wants(0, DIRECTION_INBOUND, 2000, 1, 4) - 2000).toBe(400, "2000 in 100 ms, 500 of them came in");
  });

  test("inbound: numbers that a successor skips are not taken for sent ones", () => {
    pass(100 * MS);
    const end = wants(0, DIRECTION_INBOUND, 2000);
    leaseSucceed(link(0), DIRECTION_INBOUND);
    expect(lease(0, DIRECTION_INBOUND) - end).toBe(400, "as fast as before");
    pass(100 * MS);
    expect(wants(0, DIRECTION_INBOUND, end + 1000) - end - 1000).toBe(200, "half as fast");
  });

  test("inbound: a burst beyond the lease doubles it, one within it does not", () => {
    pass(640 * MS);
    expect(wants(0, DIRECTION_INBOUND, 64)).toBe(68);
    expect(wants(0, DIRECTION_INBOUND, 68)).toBe(72);
    expect(wants(0, DIRECTION_INBOUND, 92)).toBe(100, "waited: 8");
    expect(wants(0, DIRECTION_INBOUND, 132)).toBe(148, "waited: 16");
  });

  test("inbound: what a burst has left is given back, once, of the last lease alone", () => {
    pass(10 * MS);
    const end = wants(0, DIRECTION_INBOUND, 500);
    const serial = serialOf(0);
    expect(end).toBe(500 + <u64>LIMIT);
    expect(returns(0, 564, serial - 1)).toBe(end, "there is a later one");
    expect(returns(0, 564, serial, 2)).toBe(end, "not its board");
    expect(returns(0, end + 1, serial)).toBe(end, "a lease does not grow by it");
    expect(returns(0, 564, serial)).toBe(564);
    expect(returns(0, 600, serial)).toBe(564);
    pass(1000 * MS);
    expect(wants(0, DIRECTION_INBOUND, 532)).toBe(564, "slow by now: the least is less than what it has");
    expect(returns(0, 540, serial)).toBe(564, "a lease has been sent since");
    leaseSucceed(link(0), DIRECTION_INBOUND);
    expect(returns(0, 565, serialOf(0) - 1)).toBe(lease(0, DIRECTION_INBOUND), "another board has it");
    expect(returns(0, 563, serialOf(0))).toBe(lease(0, DIRECTION_INBOUND), "nobody accepts numbers again");
  });

  test("many SAs that ask together get more", () => {
    for (let n: u32 = 0; n < 200; n++) wants(n, DIRECTION_INBOUND, 32);
    pass(5 * MS);
    expect(wants(199, DIRECTION_INBOUND, 96) - 96).toBeGreaterThan(64);
  });

  test("the successor of a board begins where the lease ends", () => {
    const end = wants(3, DIRECTION_INBOUND, 40);
    leaseSucceed(link(3), DIRECTION_INBOUND);
    const record = recordOf(link(3), DIRECTION_INBOUND);
    expect(load<u64>(record, SA_SEQUENCE)).toBe(end);
    expect(load<u64>(record, SA_LEASE)).toBeGreaterThan(end);
    leaseSucceed(link(3), DIRECTION_INBOUND);
    expect(load<u64>(record, SA_SEQUENCE)).toBeGreaterThan(end, "each time anew");
  });

  test("only the board that has the SA is heard, while it is there", () => {
    const before = lease(3, DIRECTION_INBOUND);
    expect(wants(3, DIRECTION_INBOUND, 5000, 2)).toBe(before);
    boardOffline(1, 1);
    expect(wants(3, DIRECTION_INBOUND, 5000)).toBe(before);
  });

  test("without a replay window there is no lease", () => {
    store<u16>(recordOf(link(7), DIRECTION_INBOUND), 0, SA_REPLAY_WINDOW);
    leaseStart(link(7), DIRECTION_INBOUND);
    expect(lease(7, DIRECTION_INBOUND)).toBe(0);
    leaseSucceed(link(7), DIRECTION_INBOUND);
    expect(lease(7, DIRECTION_INBOUND)).toBe(0);
  });
});

describe("inbound leases where all packets pass the IKE board", () => {
  beforeEach(resetSeen);

  test("a burst finds hundreds of numbers, of an SA that is new, and of one that is slow", () => {
    expect(lease(0, DIRECTION_INBOUND)).toBe(256);
    pass(60000 * MS);
    expect(wants(0, DIRECTION_INBOUND, 128) - 128).toBe(256);
  });

  test("a fast SA gets what it takes in 200 ms, up to the setting", () => {
    pass(100 * MS);
    expect(wants(0, DIRECTION_INBOUND, 2000) - 2000).toBe(4000);
    pass(1 * MS);
    expect(wants(0, DIRECTION_INBOUND, 2020) - 2020).toBe(4000, "20 in a millisecond");
    pass(50 * MS);
    expect(wants(0, DIRECTION_INBOUND, 8020) - 8020).toBe(<u64>SEEN_LIMIT);
    pass(1000 * MS);
    expect(wants(0, DIRECTION_INBOUND, 24_000) - 24_000).toBe(3196, "slower");
  });

  test("one that asks again before its rate can be told gets twice as much", () => {
    expect(wants(0, DIRECTION_INBOUND, 128) - 128).toBe(512);
    expect(wants(0, DIRECTION_INBOUND, 400) - 400).toBe(1024);
  });

  test("what is given back is not asked for again by a slow SA", () => {
    pass(1 * MS);
    const end = wants(0, DIRECTION_INBOUND, 900);
    expect(end - 900).toBe(<u64>SEEN_LIMIT);
    expect(returns(0, 1156, serialOf(0))).toBe(1156);
    pass(1000 * MS);
    expect(wants(0, DIRECTION_INBOUND, 1030) - 1030).toBe(256);
  });
});
