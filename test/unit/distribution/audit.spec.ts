import { REG_CONFIG_LENGTH, REG_DROPPED, REG_IN, REG_NOW, REG_SENT, REG_SLOT } from "../../../assembly/abi/board";
import { CONFIG_IKE_SLOT, CONFIG_LINK_KIND } from "../../../assembly/abi/config";
import { LINK_ETHERNET } from "../../../assembly/abi/fabric";
import {
  AUDITED_COUNT,
  AUDITED_END,
  AUDITED_HELD,
  AUDITED_NAMES,
  AUDITED_NEXT,
  AUDIT_DIRECTION_SHIFT,
  AUDIT_ENTRY_OCTETS,
  DIRECTION_INBOUND,
  DIRECTION_OUTBOUND,
  LINK_BITS,
  MESSAGE_LENGTH,
  MESSAGE_TRANSACTION,
  SA_DIRECTION,
  SA_LINK,
  SA_LOCAL_TS_COUNT,
  SA_RECORD_MAX,
  SA_REMOTE_TS_COUNT,
  SA_REPLAY_WINDOW,
  SA_SELECTORS,
  SA_SEQUENCE,
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
import { originate, portsReset } from "../../../assembly/bus/port";
import { channelReset } from "../../../assembly/channel/channel";
import { auditOf, auditReset, auditTimeout, handleAudited } from "../../../assembly/distribution/audit";
import { boardsReset } from "../../../assembly/distribution/board_table";
import {
  boardDown,
  boardUp,
  confirm,
  establish,
  establishReset,
  withdraw,
} from "../../../assembly/distribution/establish";
import { eventsReset } from "../../../assembly/distribution/event";
import { leasesReset } from "../../../assembly/distribution/lease";
import {
  LINK_INSTALLING,
  LINK_LIVE,
  Link,
  linkAt,
  localDatabaseReset,
  recordOf,
} from "../../../assembly/distribution/local_database";
import { move, movable } from "../../../assembly/distribution/move";
import { outboundIndexReset } from "../../../assembly/distribution/outbound_index";
import { historyReset } from "../../../assembly/distribution/passage";
import { policyReset } from "../../../assembly/distribution/policy";
import { removalPending, removalReset } from "../../../assembly/distribution/removal";
import { selectionReset } from "../../../assembly/distribution/selection";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { storeBE32 } from "../../../assembly/rt/bytes";
import { itemWriteU32 } from "../../../assembly/rt/items";
import { map } from "../../../assembly/rt/map";
import { configAddress } from "../../../assembly/rt/registers";

const ARENA: usize = 40 << 20;
const arena: usize = (<usize>memory.grow(<i32>(ARENA >> 16))) << 16;
const record = memory.data(SA_RECORD_MAX, 16);
const key = memory.data(32, 16);
const LINKS: u32 = 200;
const SECOND: u64 = 1_000_000_000;
const OUT: u32 = 0xc0ffee00;
const NOBODY: u32 = 0xffffffff;

function reset(): void {
  arenaResetAt(arena, arena + ARENA);
  for (let r: u32 = REG_IN; r <= REG_DROPPED; r += 8) store<u64>(map + r, 0);
  store<u32>(map + REG_SLOT, 0);
  store<u64>(map + REG_NOW, SECOND);
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
  auditReset();
  assert(poolReset() && portsReset(PORT_COUNT_IKE), "RAM");
  assert(localDatabaseReset(LINKS) && policyReset(LINKS) && removalReset(16) && outboundIndexReset(LINKS), "RAM");
  assert(leasesReset(LINKS, configAddress(), configAddress()) && historyReset(), "RAM");
}

function wait(time: u64): void {
  store<u64>(map + REG_NOW, load<u64>(map + REG_NOW) + time);
}

function selector(at: usize, start: u32): void {
  memory.fill(at, 0, SELECTOR_OCTETS);
  store<u8>(at + SELECTOR_FAMILY, 4);
  store<u16>(at + SELECTOR_END_PORT, 65535);
  storeBE32(at + SELECTOR_START, start);
  storeBE32(at + SELECTOR_END, start | 0xff);
}

function sa(link: u32, direction: u32, spi: u32): usize {
  memory.fill(record, 0, SA_RECORD_MAX);
  store<u32>(record + SA_LINK, link);
  store<u32>(record + SA_SPI, spi);
  store<u8>(record + SA_DIRECTION, <u8>direction);
  store<u8>(record + SA_LOCAL_TS_COUNT, 1);
  store<u8>(record + SA_REMOTE_TS_COUNT, 1);
  store<u16>(record + SA_REPLAY_WINDOW, 64);
  selector(record + SA_SELECTORS, 0x0a010000);
  selector(record + SA_SELECTORS + SELECTOR_OCTETS, 0x0b000000 | (link << 8));
  return record;
}

function spiOf(link: u32): u32 {
  return (0x5a << LINK_BITS) | link;
}

/** A CHILD_SA in place on the board that is chosen. */
function live(link: u32): Link {
  establish(sa(link, DIRECTION_INBOUND, spiOf(link)));
  establish(sa(link, DIRECTION_OUTBOUND, OUT + link));
  const l = changetype<Link>(linkAt(link));
  confirm(l.slot, link, spiOf(link), DIRECTION_INBOUND);
  confirm(l.slot, link, OUT + link, DIRECTION_OUTBOUND);
  return l;
}

function sent(): u64 {
  return load<u64>(map + REG_SENT);
}

/** Lets the audit of slot 1 make its next request, and says so. */
function requested(): bool {
  const a = auditOf(1);
  if (a.at > load<u64>(map + REG_NOW)) store<u64>(map + REG_NOW, a.at);
  auditTimeout();
  return a.transaction != 0;
}

/**
 * The board's answer to the last request: it has all that was asked for but the `missing`-th, and lists `listed` further SAs of link
 * `link`, inbound under `spi`.
 */
function answered(missing: u32 = NOBODY, listed: u32 = 0, link: u32 = 0, spi: u32 = 0, slot: u32 = 1): void {
  answeredTo(auditOf(slot).transaction, missing, listed, link, spi, slot);
}

function answeredTo(transaction: u32, missing: u32, listed: u32, link: u32, spi: u32, slot: u32): void {
  const frame = changetype<Frame>(originate());
  const m = frame.start;
  frame.length = AUDITED_NAMES + listed * AUDIT_ENTRY_OCTETS;
  store<u32>(m + MESSAGE_LENGTH, frame.length);
  store<u32>(m + MESSAGE_TRANSACTION, transaction);
  memory.fill(m + AUDITED_HELD, 0xff, 16);
  if (missing != NOBODY) store<u32>(m + AUDITED_HELD + ((missing >> 5) << 2), ~(1 << (missing & 31)));
  store<u32>(m + AUDITED_NEXT, AUDITED_END);
  store<u32>(m + AUDITED_COUNT, listed);
  for (let i: u32 = 0; i < listed; i++) {
    store<u32>(m + AUDITED_NAMES + i * AUDIT_ENTRY_OCTETS, spi + (i << LINK_BITS));
    store<u32>(m + AUDITED_NAMES + i * AUDIT_ENTRY_OCTETS + 4, link | (DIRECTION_INBOUND << AUDIT_DIRECTION_SHIFT));
  }
  handleAudited(frame, slot);
}

function disagreements(slot: u32 = 1): u32 {
  const a = auditOf(slot);
  return a.unknown + a.misplaced + a.missing;
}

describe("the audit of the local databases", () => {
  beforeEach(() => {
    reset();
    boardUp(1, 1, 100, key);
  });

  test("ten seconds after a board came, and from then on every ten seconds, all of its SAs are asked about", () => {
    live(3);
    live(5);
    const before = sent();
    expect(auditTimeout()).toBe(11 * SECOND);
    wait(10 * SECOND - 1);
    auditTimeout();
    expect(sent()).toBe(before);
    wait(1);
    auditTimeout();
    expect(sent()).toBe(before + 1);
    expect(auditOf(1).asked).toBe(4);
    answered();
    expect(auditOf(1).rounds).toBe(1);
    expect(auditOf(1).compared).toBe(4);
    expect(auditTimeout()).toBe(21 * SECOND);
    expect(disagreements()).toBe(0);
  });

  test("more SAs than one request names are asked about in several, a tenth of a second apart; each once", () => {
    for (let i: u32 = 0; i < 100; i++) live(i);
    let asked: u32 = 0;
    for (let i = 0; i < 4 && auditOf(1).rounds == 0; i++) {
      expect(requested()).toBe(true);
      asked += auditOf(1).asked;
      answered();
    }
    expect(asked).toBe(200);
    expect(auditOf(1).rounds).toBe(1);
  });

  test("an SA that is missing twice is installed again, from the end of its lease on; once it is, it does not count", () => {
    const link = live(3);
    const begins = load<u64>(recordOf(link, DIRECTION_OUTBOUND) + SA_SEQUENCE);
    requested();
    answered(1);
    expect(link.stateOut).toBe(LINK_LIVE, "messages may have crossed");
    expect(disagreements()).toBe(0);
    requested();
    expect(auditOf(1).asked).toBe(1, "it alone");
    const before = sent();
    answered(0);
    expect(auditOf(1).missing).toBe(1);
    expect(link.stateOut).toBe(LINK_INSTALLING);
    expect(link.stateIn).toBe(LINK_LIVE, "the other direction goes on");
    expect(load<u64>(recordOf(link, DIRECTION_OUTBOUND) + SA_SEQUENCE)).toBeGreaterThan(begins);
    expect(sent()).toBe(before + 2, "SA_INSTALL, and the operator is told");
    confirm(1, 3, OUT + 3, DIRECTION_OUTBOUND);
    requested();
    answered();
    expect(disagreements()).toBe(1);
  });

  test("missing once, and there when it is asked about again: nothing is done", () => {
    const link = live(3);
    requested();
    answered(0);
    requested();
    answered();
    expect(disagreements()).toBe(0);
    expect(link.stateIn).toBe(LINK_LIVE);
    expect(auditOf(1).rounds).toBe(1);
  });

  test("what was removed, or asked to be given up, between question and answer is not missing", () => {
    live(3);
    live(4);
    const moving = live(5);
    requested();
    answered(0);
    requested();
    withdraw(3, spiOf(3), DIRECTION_INBOUND);
    answered(0);
    expect(disagreements()).toBe(0);
    requested();
    answered(4);
    boardUp(2, 1, 100, key);
    expect(movable(moving)).toBe(true);
    expect(move(moving, 2)).toBe(true);
    requested();
    answered(0);
    expect(disagreements()).toBe(0);
  });

  test("an SA that no link has is removed when it is there twice; while that is under way it does not count again", () => {
    live(3);
    const stray = spiOf(9);
    requested();
    answered(NOBODY, 1, 9, stray);
    expect(removalPending(1, 1, stray, DIRECTION_INBOUND, 9)).toBe(false);
    requested();
    expect(auditOf(1).asked).toBe(1);
    answered();
    expect(auditOf(1).unknown).toBe(1);
    expect(removalPending(1, 1, stray, DIRECTION_INBOUND, 9)).toBe(true);
    requested();
    answered(NOBODY, 1, 9, stray);
    expect(auditOf(1).suspects).toBe(0);
    expect(disagreements()).toBe(1);
  });

  test("a stray that is gone when it is asked about again is nobody's concern", () => {
    requested();
    answered(NOBODY, 1, 9, spiOf(9));
    requested();
    answered(0);
    expect(disagreements()).toBe(0);
    expect(auditOf(1).rounds).toBe(1);
  });

  test("an SA on another board than its own is removed there, and stays where it belongs", () => {
    boardUp(2, 1, 100, key);
    live(3);
    const there = live(4);
    expect(there.slot).toBe(2);
    requested();
    answered(NOBODY, 1, 4, spiOf(4));
    requested();
    answered();
    expect(auditOf(1).misplaced).toBe(1);
    expect(removalPending(1, 1, spiOf(4), DIRECTION_INBOUND, 4)).toBe(true);
    expect(there.stateIn).toBe(LINK_LIVE);
  });

  test("what is being installed, and what is being removed, is no stray", () => {
    establish(sa(3, DIRECTION_INBOUND, spiOf(3)));
    requested();
    expect(auditOf(1).asked).toBe(0, "nor is it asked about");
    answered(NOBODY, 1, 3, spiOf(3));
    expect(auditOf(1).suspects).toBe(0);
    live(4);
    withdraw(4, spiOf(4), DIRECTION_INBOUND);
    requested();
    answered(NOBODY, 1, 4, spiOf(4));
    expect(auditOf(1).suspects).toBe(0);
  });

  test("a board that does not answer is asked again after a second, its suspects first", () => {
    live(3);
    requested();
    answered(1);
    requested();
    const first = auditOf(1).transaction;
    expect(auditOf(1).suspected).toBe(1);
    wait(SECOND - 1);
    auditTimeout();
    expect(auditOf(1).transaction).toBe(first);
    wait(1);
    auditTimeout();
    expect(auditOf(1).transaction).not.toBe(first);
    expect(auditOf(1).suspected).toBe(1);
    answeredTo(first, 0, 0, 0, 0, 1);
    expect(disagreements()).toBe(0, "an answer that comes too late");
    answered(0);
    expect(auditOf(1).missing).toBe(1);
  });

  test("another generation begins anew: neither suspects nor answers of the one before count", () => {
    live(3);
    requested();
    answered(0);
    requested();
    const old = auditOf(1).transaction;
    boardDown(1, 1);
    boardUp(1, 2, 100, key);
    answeredTo(old, 0, 0, 0, 0, 1);
    expect(disagreements()).toBe(0);
    expect(auditOf(1).suspects).toBe(0);
    expect(auditOf(1).at).toBe(load<u64>(map + REG_NOW) + 10 * SECOND);
  });

  test("a flood of strays is worked off a few at a time", () => {
    requested();
    answered(NOBODY, 128, 9, spiOf(9));
    expect(auditOf(1).suspects).toBe(32);
    requested();
    expect(auditOf(1).asked).toBe(32);
    answered(NOBODY, 1, 9, spiOf(9));
    expect(auditOf(1).unknown).toBe(32);
  });
});
