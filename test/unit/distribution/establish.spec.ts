import {
  REG_CONSUMED,
  REG_DROPPED,
  REG_HELD,
  REG_IN,
  REG_NOW,
  REG_ORIGINATED,
  REG_SENT,
  REG_SLOT,
  REG_CONFIG_LENGTH,
} from "../../../assembly/abi/board";
import { CONFIG_IKE_SLOT, CONFIG_LINK_KIND } from "../../../assembly/abi/config";
import { LINK_ETHERNET } from "../../../assembly/abi/fabric";
import {
  DIRECTION_INBOUND,
  DIRECTION_OUTBOUND,
  LINK_BITS,
  REFUSED_NO_BOARD,
  REFUSED_NO_SA,
  REFUSED_TABLE_FULL,
  SA_DIRECTION,
  SA_KEYMAT,
  SA_LEASE,
  SA_LINK,
  SA_LOCAL_TS_COUNT,
  SA_RECORD_MAX,
  SA_SEQUENCE,
  SA_REMOTE_PORT,
  SA_REMOTE_TS_COUNT,
  SA_SELECTORS,
  SA_SPI,
  SELECTOR_END,
  SELECTOR_END_PORT,
  SELECTOR_FAMILY,
  SELECTOR_OCTETS,
  SELECTOR_START,
} from "../../../assembly/abi/message";
import { PORT_COUNT_IKE } from "../../../assembly/abi/ring";
import { dropsReset } from "../../../assembly/bus/drop";
import { Frame } from "../../../assembly/bus/frame";
import { poolReset } from "../../../assembly/bus/pool";
import { originate, portsReset, portsSettle } from "../../../assembly/bus/port";
import { channelReset } from "../../../assembly/channel/channel";
import { boardsReset } from "../../../assembly/distribution/board_table";
import { sendControl } from "../../../assembly/distribution/control_out";
import {
  boardDown,
  boardUp,
  confirm,
  refused,
  establish,
  establishReset,
  establishTimeout,
  withdraw,
} from "../../../assembly/distribution/establish";
import {
  DISTRIBUTION_INSTALLED,
  DISTRIBUTION_LOST,
  DISTRIBUTION_NOT_UPDATED,
  DISTRIBUTION_REFUSED,
  DistributionEvent,
  eventsReset,
  pollDistributionEvent,
} from "../../../assembly/distribution/event";
import { Link, findInbound, linkAt, localDatabaseReset, recordOf } from "../../../assembly/distribution/local_database";
import { leasesReset } from "../../../assembly/distribution/lease";
import { historyReset } from "../../../assembly/distribution/passage";
import { policyReset } from "../../../assembly/distribution/policy";
import { outboundIndexReset } from "../../../assembly/distribution/outbound_index";
import { removalReset, removalTimeout } from "../../../assembly/distribution/removal";
import { update, updateAnswered } from "../../../assembly/distribution/update";
import { takeoverPending, takeoverPoll } from "../../../assembly/distribution/takeover";
import { selectionReset } from "../../../assembly/distribution/selection";
import { SELECTOR_TABLE_NONE, selectorTableLookup } from "../../../assembly/policy/selector_table";
import { PORT_NONE } from "../../../assembly/policy/flow";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { storeBE32 } from "../../../assembly/rt/bytes";
import { itemWriteU32 } from "../../../assembly/rt/items";
import { map } from "../../../assembly/rt/map";
import { configAddress } from "../../../assembly/rt/registers";

/** 40 MiB behind whatever heap the runner has; grown once. */
const ARENA: usize = 40 << 20;
const arena: usize = (<usize>memory.grow(<i32>(ARENA >> 16))) << 16;
const record = memory.data(SA_RECORD_MAX, 16);
const key = memory.data(32, 16);
const addresses = memory.data(8, 8);
const LINKS: u32 = 64;

function reset(): void {
  arenaResetAt(arena, arena + ARENA);
  for (let r: u32 = REG_IN; r <= REG_DROPPED; r += 8) store<u64>(map + r, 0);
  store<u32>(map + REG_SLOT, 0);
  store<u64>(map + REG_NOW, 1_000_000_000);
  let p = configAddress();
  p = itemWriteU32(p, CONFIG_LINK_KIND, LINK_ETHERNET);
  p = itemWriteU32(p, CONFIG_IKE_SLOT, 0);
  store<u32>(map + REG_CONFIG_LENGTH, <u32>(p - configAddress()));
  dropsReset();
  assert(channelReset(), "CONFIG");
  boardsReset();
  selectionReset();
  establishReset();
  eventsReset();
  assert(poolReset() && portsReset(PORT_COUNT_IKE), "RAM");
  assert(localDatabaseReset(LINKS) && policyReset(LINKS) && removalReset(16) && outboundIndexReset(LINKS), "RAM");
  assert(leasesReset(LINKS, configAddress(), configAddress()) && historyReset(), "RAM");
}

function selector(at: usize, start: u32, end: u32): void {
  memory.fill(at, 0, SELECTOR_OCTETS);
  store<u8>(at + SELECTOR_FAMILY, 4);
  store<u16>(at + SELECTOR_END_PORT, 65535);
  storeBE32(at + SELECTOR_START, start);
  storeBE32(at + SELECTOR_END, end);
}

/** An SA record for 10.1.0.0/24 - 10.(2 + link).0.0/24. */
function sa(link: u32, direction: u32, spi: u32): usize {
  memory.fill(record, 0, SA_RECORD_MAX);
  store<u32>(record + SA_LINK, link);
  store<u32>(record + SA_SPI, spi);
  store<u8>(record + SA_DIRECTION, <u8>direction);
  store<u8>(record + SA_LOCAL_TS_COUNT, 1);
  store<u8>(record + SA_REMOTE_TS_COUNT, 1);
  memory.fill(record + SA_KEYMAT, 0xa5, 20);
  selector(record + SA_SELECTORS, 0x0a010000, 0x0a0100ff);
  const net = 0x0a000000 | ((2 + link) << 16);
  selector(record + SA_SELECTORS + SELECTOR_OCTETS, net, net | 0xff);
  return record;
}

function lookup(link: u32): u32 {
  storeBE32(addresses, 0x0a010005);
  storeBE32(addresses + 4, 0x0a000007 | ((2 + link) << 16));
  return selectorTableLookup(addresses, addresses + 4, 1, PORT_NONE, PORT_NONE);
}

function sent(): u64 {
  return load<u64>(map + REG_SENT);
}

function spiOf(link: u32): u32 {
  return (0x5a << LINK_BITS) | link;
}

/** What a link's records hold, all octets together. */
function recordLeft(link: Link): u32 {
  let left: u32 = 0;
  for (let d: u32 = 0; d < 2; d++) {
    for (let i: u32 = 0; i < SA_RECORD_MAX; i++) left |= load<u8>(recordOf(link, d) + i);
  }
  return left;
}

function leaseEnd(link: u32, direction: u32): u64 {
  return load<u64>(recordOf(changetype<Link>(linkAt(link)), direction), SA_LEASE);
}

function begins(link: u32, direction: u32): u64 {
  return load<u64>(recordOf(changetype<Link>(linkAt(link)), direction), SA_SEQUENCE);
}

function installBoth(link: u32): void {
  establish(sa(link, DIRECTION_INBOUND, spiOf(link)));
  establish(sa(link, DIRECTION_OUTBOUND, 0xc0ffee00 + link));
}

describe("establish (S402 to S404)", () => {
  beforeEach(reset);

  test("without a board the SA is refused at once", () => {
    establish(sa(3, DIRECTION_INBOUND, spiOf(3)));
    const event = changetype<DistributionEvent>(pollDistributionEvent());
    expect(event.kind).toBe(DISTRIBUTION_REFUSED);
    expect(event.link).toBe(3);
    expect(event.reason).toBe(REFUSED_NO_BOARD);
    expect(sent()).toBe(0);
  });

  test("a LINK beyond the table is refused", () => {
    boardUp(1, 1, 10, key);
    establish(sa(LINKS, DIRECTION_INBOUND, spiOf(LINKS)));
    expect(changetype<DistributionEvent>(pollDistributionEvent()).reason).toBe(REFUSED_TABLE_FULL);
  });

  test("links alternate over two boards, both directions of one on the same", () => {
    boardUp(1, 1, 10, key);
    boardUp(2, 1, 10, key);
    for (let i: u32 = 0; i < 4; i++) installBoth(i);
    expect(changetype<Link>(linkAt(0)).slot).toBe(1);
    expect(changetype<Link>(linkAt(1)).slot).toBe(2);
    expect(changetype<Link>(linkAt(2)).slot).toBe(1);
    expect(changetype<Link>(linkAt(3)).slot).toBe(2);
    expect(sent()).toBe(8);
  });

  test("confirmed: live, found by SPI and selectors; the records stay until it is withdrawn", () => {
    boardUp(1, 1, 10, key);
    installBoth(5);
    expect(lookup(5)).toBe(SELECTOR_TABLE_NONE, "no outbound traffic before the board has the SA");
    confirm(1, 5, spiOf(5), DIRECTION_INBOUND);
    confirm(1, 5, 0xc0ffee05, DIRECTION_OUTBOUND);
    expect(lookup(5)).toBe(5);
    expect(changetype<DistributionEvent>(pollDistributionEvent()).kind).toBe(DISTRIBUTION_INSTALLED);
    expect(changetype<DistributionEvent>(pollDistributionEvent()).direction).toBe(DIRECTION_OUTBOUND);
    const link = changetype<Link>(findInbound(spiOf(5)));
    expect(link.slot).toBe(1);
    expect(findInbound(spiOf(5) ^ (1 << LINK_BITS)) == null).toBe(true, "the random bits of the SPI count");
    expect(recordLeft(link)).not.toBe(0);
    withdraw(5, spiOf(5), DIRECTION_INBOUND);
    withdraw(5, 0xc0ffee05, DIRECTION_OUTBOUND);
    expect(recordLeft(link)).toBe(0, "keys are wiped with the SA");
  });

  test("an answer from another slot, or for another SPI, changes nothing", () => {
    boardUp(1, 1, 10, key);
    installBoth(0);
    confirm(2, 0, 0xc0ffee00, DIRECTION_OUTBOUND);
    confirm(1, 0, 0xc0ffee01, DIRECTION_OUTBOUND);
    expect(lookup(0)).toBe(SELECTOR_TABLE_NONE);
    expect(pollDistributionEvent() == null).toBe(true);
  });

  test("unanswered transfers are repeated, then given up", () => {
    boardUp(1, 1, 10, key);
    establish(sa(0, DIRECTION_INBOUND, spiOf(0)));
    expect(sent()).toBe(1);
    let deadline = establishTimeout();
    store<u64>(map + REG_NOW, deadline);
    establishTimeout();
    expect(sent()).toBe(2);
    for (let i = 0; i < 100; i++) {
      deadline = establishTimeout();
      if (deadline == u64.MAX_VALUE) break;
      store<u64>(map + REG_NOW, deadline);
    }
    expect(deadline).toBe(u64.MAX_VALUE);
    const event = changetype<DistributionEvent>(pollDistributionEvent());
    expect(event.kind).toBe(DISTRIBUTION_REFUSED);
    expect(event.reason).toBe(REFUSED_NO_BOARD);
    expect(findInbound(spiOf(0)) == null).toBe(true);
  });

  test("withdrawn: gone from both look-ups, the removal repeated until it is given up", () => {
    boardUp(1, 1, 10, key);
    installBoth(2);
    confirm(1, 2, spiOf(2), DIRECTION_INBOUND);
    confirm(1, 2, 0xc0ffee02, DIRECTION_OUTBOUND);
    withdraw(2, 0xc0ffee02, DIRECTION_OUTBOUND);
    withdraw(2, spiOf(2), DIRECTION_INBOUND);
    expect(lookup(2)).toBe(SELECTOR_TABLE_NONE);
    expect(findInbound(spiOf(2)) == null).toBe(true);
    expect(sent()).toBe(4);
    const deadline = removalTimeout();
    store<u64>(map + REG_NOW, deadline);
    removalTimeout();
    expect(sent()).toBe(6);
  });

  test("a board that goes: its links, and theirs alone, go to another one, behind their leases", () => {
    boardUp(1, 1, 10, key);
    boardUp(2, 1, 10, key);
    for (let i: u32 = 0; i < 4; i++) {
      installBoth(i);
      confirm(1 + (i & 1), i, spiOf(i), DIRECTION_INBOUND);
      confirm(1 + (i & 1), i, 0xc0ffee00 + i, DIRECTION_OUTBOUND);
    }
    while (pollDistributionEvent());
    const out = leaseEnd(0, DIRECTION_OUTBOUND);
    const inside = leaseEnd(0, DIRECTION_INBOUND);
    const before = sent();
    expect(boardDown(1, 1)).toBe(true);
    expect(takeoverPending()).toBe(true);
    takeoverPoll(LINKS);
    expect(takeoverPending()).toBe(false);
    expect(sent() - before).toBe(4);
    for (let i: u32 = 0; i < 4; i++) expect(changetype<Link>(linkAt(i)).slot).toBe(2);
    expect(begins(0, DIRECTION_OUTBOUND)).toBe(out, "behind every number that was leased");
    expect(begins(0, DIRECTION_INBOUND)).toBe(inside);
    expect(leaseEnd(0, DIRECTION_OUTBOUND)).toBeGreaterThan(out);
    expect(begins(1, DIRECTION_OUTBOUND)).toBe(0);
    expect(lookup(0)).toBe(0, "its selectors lead to it all the time");
    confirm(2, 0, 0xc0ffee00, DIRECTION_OUTBOUND);
    expect(lookup(0)).toBe(0);
    const event = changetype<DistributionEvent>(pollDistributionEvent());
    expect(event.kind).toBe(DISTRIBUTION_INSTALLED);
    withdraw(0, 0xc0ffee00, DIRECTION_OUTBOUND);
    expect(lookup(0)).toBe(SELECTOR_TABLE_NONE);
  });

  test("the generation that follows in a slot is taught like any other board, behind the lease", () => {
    // The board may have sealed packets under the SA before it died: the same numbers under the same KEYMAT would be a nonce twice.
    boardUp(1, 1, 10, key);
    establish(sa(0, DIRECTION_OUTBOUND, 0xc0ffee00));
    establish(sa(1, DIRECTION_INBOUND, spiOf(1)));
    expect(sent()).toBe(2);
    const end = leaseEnd(0, DIRECTION_OUTBOUND);
    boardDown(1, 1);
    takeoverPoll(LINKS);
    store<u64>(map + REG_NOW, establishTimeout());
    establishTimeout();
    expect(sent()).toBe(2, "nobody is there");
    boardUp(1, 2, 10, key);
    expect(begins(0, DIRECTION_OUTBOUND)).toBe(0);
    establish(sa(1, DIRECTION_OUTBOUND, 0xc0ffee01));
    expect(sent()).toBe(2, "no second direction goes to a board that is not the link's");
    confirm(1, 0, 0xc0ffee00, DIRECTION_OUTBOUND);
    expect(lookup(0)).toBe(SELECTOR_TABLE_NONE, "no answer of the next generation makes it live");
    takeoverPoll(LINKS);
    expect(sent()).toBe(5);
    expect(begins(0, DIRECTION_OUTBOUND)).toBe(end);
    confirm(1, 0, 0xc0ffee00, DIRECTION_OUTBOUND);
    expect(lookup(0)).toBe(0);
  });

  test("one that was in use and that no board takes is lost: closed, and told once", () => {
    boardUp(1, 1, 10, key);
    installBoth(0);
    confirm(1, 0, spiOf(0), DIRECTION_INBOUND);
    confirm(1, 0, 0xc0ffee00, DIRECTION_OUTBOUND);
    while (pollDistributionEvent());
    boardDown(1, 1);
    boardUp(2, 1, 10, key);
    takeoverPoll(LINKS);
    refused(2, 0, 0xc0ffee00, DIRECTION_OUTBOUND, REFUSED_TABLE_FULL);
    refused(2, 0, spiOf(0), DIRECTION_INBOUND, REFUSED_TABLE_FULL);
    const event = changetype<DistributionEvent>(pollDistributionEvent());
    expect(event.kind).toBe(DISTRIBUTION_LOST);
    expect(event.link).toBe(0);
    expect(pollDistributionEvent() == null).toBe(true);
    expect(findInbound(spiOf(0)) == null).toBe(true);
    expect(lookup(0)).toBe(SELECTOR_TABLE_NONE);
    expect(recordLeft(changetype<Link>(linkAt(0)))).toBe(0);
  });

  test("transfers that are due together are repeated a bounded number at a time", () => {
    boardUp(1, 1, LINKS, key);
    for (let i: u32 = 0; i < LINKS; i++) establish(sa(i, DIRECTION_INBOUND, spiOf(i)));
    const first = sent();
    const deadline = establishTimeout();
    store<u64>(map + REG_NOW, deadline);
    expect(establishTimeout()).toBe(deadline, "the rest is due at once");
    expect(sent() - first).toBe(LINKS / 2);
    establishTimeout();
    expect(sent() - first).toBe(LINKS);
  });

  test("a message that cannot be sealed is wiped", () => {
    const frame = changetype<Frame>(originate());
    const start = frame.start;
    memory.fill(start, 0xa5, 64);
    frame.length = 64;
    expect(sendControl(frame, 5)).toBe(false);
    let left: u32 = 0;
    for (let i: u32 = 0; i < 64; i++) left |= load<u8>(start + i);
    expect(left).toBe(0);
  });

  afterEach(() => {
    portsSettle();
    expect(load<u32>(map + REG_HELD)).toBe(0);
    const made = load<u64>(map + REG_IN) + load<u64>(map + REG_ORIGINATED);
    const gone = load<u64>(map + REG_SENT) + load<u64>(map + REG_DROPPED) + load<u64>(map + REG_CONSUMED);
    expect(made).toBe(gone);
  });
});

/** An SA in place, both directions confirmed, its events taken. */
function place(link: u32): void {
  boardUp(1, 1, 10, key);
  installBoth(link);
  confirm(1, link, spiOf(link), DIRECTION_INBOUND);
  confirm(1, link, 0xc0ffee00 + link, DIRECTION_OUTBOUND);
  while (pollDistributionEvent());
}

/** New ends of the outbound SA of `link`. */
function moved(link: u32, port: u16): usize {
  sa(link, DIRECTION_OUTBOUND, 0xc0ffee00 + link);
  store<u16>(record + SA_REMOTE_PORT, port);
  return record;
}

/** The transaction of the n-th SA_UPDATE of the outbound SA of `link`. */
function transaction(link: u32, n: u32): u32 {
  return 0x40000000 | (n << 18) | (link << 1) | DIRECTION_OUTBOUND;
}

function passRetry(): void {
  store<u64>(map + REG_NOW, load<u64>(map + REG_NOW) + 100_000_000);
  establishTimeout();
}

describe("update (RFC 7296 2.23, RFC 4555 3.5)", () => {
  beforeEach(reset);

  test("repeated until it is answered", () => {
    place(4);
    update(moved(4, 40000));
    expect(sent()).toBe(3);
    passRetry();
    expect(sent()).toBe(4);
    updateAnswered(1, transaction(4, 1), 0);
    passRetry();
    expect(sent()).toBe(4);
    expect(establishTimeout()).toBe(u64.MAX_VALUE);
    const kept = recordOf(changetype<Link>(linkAt(4)), DIRECTION_OUTBOUND);
    expect(load<u16>(kept + SA_REMOTE_PORT)).toBe(40000, "another board would be taught the new ends");
    expect(lookup(4)).toBe(4, "the SA is where it was");
  });

  test("the newest ends count: an answer to those before, or from another slot, confirms nothing", () => {
    place(4);
    update(moved(4, 40000));
    update(moved(4, 40001));
    updateAnswered(1, transaction(4, 1), 0);
    updateAnswered(2, transaction(4, 2), 0);
    expect(sent()).toBe(4);
    passRetry();
    expect(sent()).toBe(5);
    updateAnswered(1, transaction(4, 2), 0);
    passRetry();
    expect(sent()).toBe(5);
  });

  test("refused, or not answered: told, and the SA stays", () => {
    place(4);
    update(moved(4, 40000));
    updateAnswered(1, transaction(4, 1), REFUSED_NO_SA);
    const refusal = changetype<DistributionEvent>(pollDistributionEvent());
    expect(refusal.kind).toBe(DISTRIBUTION_NOT_UPDATED);
    expect(refusal.link).toBe(4);
    expect(refusal.reason).toBe(REFUSED_NO_SA);
    update(moved(4, 40001));
    for (let i = 0; i < 40; i++) passRetry();
    const silence = changetype<DistributionEvent>(pollDistributionEvent());
    expect(silence.kind).toBe(DISTRIBUTION_NOT_UPDATED);
    expect(silence.reason).toBe(REFUSED_NO_BOARD);
    expect(pollDistributionEvent() == null).toBe(true);
    expect(establishTimeout()).toBe(u64.MAX_VALUE);
    expect(findInbound(spiOf(4)) != null).toBe(true);
  });

  test("an SA that is being installed has the new ends in its record, and an SA_UPDATE behind it", () => {
    boardUp(1, 1, 10, key);
    installBoth(4);
    update(moved(4, 40000));
    expect(sent()).toBe(2);
    const kept = recordOf(changetype<Link>(linkAt(4)), DIRECTION_OUTBOUND);
    expect(load<u16>(kept + SA_REMOTE_PORT)).toBe(40000);
    expect(load<u8>(kept + SA_KEYMAT)).toBe(0xa5);
    confirm(1, 4, 0xc0ffee04, DIRECTION_OUTBOUND);
    expect(sent()).toBe(3);
    expect(load<u16>(kept + SA_REMOTE_PORT)).toBe(40000);
    updateAnswered(1, transaction(4, 1), 0);
    confirm(1, 4, spiOf(4), DIRECTION_INBOUND);
    expect(establishTimeout()).toBe(u64.MAX_VALUE);
  });

  test("of an SA that is not there, or that has gone meanwhile, no board hears", () => {
    place(4);
    update(moved(5, 40000));
    expect(sent()).toBe(2);
    update(moved(4, 40000));
    withdraw(4, 0xc0ffee04, DIRECTION_OUTBOUND);
    const before = sent();
    passRetry();
    expect(sent()).toBe(before);
    updateAnswered(1, transaction(4, 1), REFUSED_NO_SA);
    expect(pollDistributionEvent() == null).toBe(true);
  });
});
