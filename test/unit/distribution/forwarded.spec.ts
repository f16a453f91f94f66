/** Where a successor begins: what was handed to the board of an inbound SA, what a forged number does, what is forgotten, and when nothing is known. */
import { MAP_PORT_TABLE, REG_CONFIG_LENGTH, REG_DROPPED, REG_IN, REG_NOW, REG_SLOT } from "../../../assembly/abi/board";
import { CLASSIFIER_CUT_THROUGH, CLASSIFIER_STANDBY } from "../../../assembly/abi/classifier";
import { CONFIG_CLASSIFIER, CONFIG_IKE_SLOT, CONFIG_LINK_KIND } from "../../../assembly/abi/config";
import { LINK_ETHERNET } from "../../../assembly/abi/fabric";
import {
  DIRECTION_INBOUND,
  LEASE_DIRECTION,
  LEASE_LINK,
  LEASE_OCTETS,
  LEASE_SEQUENCE,
  LEASE_SERIAL,
  LEASE_SPI,
  LEASE_WANTED_END,
  LEASE_WANTED_MESSAGE_OCTETS,
  LEASE_WANTED_REACHED,
  SA_LEASE,
  SA_RECORD_MAX,
  SA_REPLAY_WINDOW,
  SA_SEQUENCE,
} from "../../../assembly/abi/message";
import {
  PORT_CHANNEL,
  PORT_COUNT_IKE,
  PORT_ENTRY_OCTETS,
  PORT_TX,
  RING_DONE,
  RING_POSTED,
} from "../../../assembly/abi/ring";
import { dropsReset } from "../../../assembly/bus/drop";
import { Frame } from "../../../assembly/bus/frame";
import { poolReset } from "../../../assembly/bus/pool";
import { originate, portsReclaim, portsReset } from "../../../assembly/bus/port";
import { channelReset } from "../../../assembly/channel/channel";
import { controlKey } from "../../../assembly/channel/control";
import { boardOnline, boardsReset } from "../../../assembly/distribution/board_table";
import { classifierConfigure } from "../../../assembly/distribution/classifier";
import {
  FORGET_NS,
  forwardedForget,
  forwardedNote,
  forwardedStart,
  forwardedUncertain,
} from "../../../assembly/distribution/forwarded";
import {
  LEASE_RECORD_OCTETS,
  leaseFrom,
  leaseRecord,
  leaseReturned,
  leaseStart,
  leaseSucceed,
  leaseWanted,
  leasesReset,
} from "../../../assembly/distribution/lease";
import { LINK_LIVE, Link, linkAt, localDatabaseReset, recordOf } from "../../../assembly/distribution/local_database";
import { recallBegin, recallPoll, recallReset } from "../../../assembly/distribution/recall";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { itemWriteU32 } from "../../../assembly/rt/items";
import { map } from "../../../assembly/rt/map";
import { configAddress } from "../../../assembly/rt/registers";

/** 40 MiB behind whatever heap the runner has; grown once. */
const ARENA: usize = 40 << 20;
const arena: usize = (<usize>memory.grow(<i32>(ARENA >> 16))) << 16;
const key = memory.data(32, 16);
const LINKS: u32 = 40;
const SPI: u32 = 0x5000;

function pass(time: u64): void {
  store<u64>(map + REG_NOW, load<u64>(map + REG_NOW) + time);
}

function link(number: u32 = 0): Link {
  return changetype<Link>(linkAt(number));
}

function record(number: u32 = 0): usize {
  return recordOf(link(number), DIRECTION_INBOUND);
}

function end(number: u32 = 0): u64 {
  return load<u64>(record(number), SA_LEASE);
}

/** The board has accepted up to `reached` under a lease that ends at `held`, and asks for the next one: its end. */
function wants(reached: u64, held: u64 = u64.MAX_VALUE, number: u32 = 0): u64 {
  const frame = changetype<Frame>(originate());
  const m = frame.start;
  frame.length = LEASE_WANTED_MESSAGE_OCTETS;
  memory.fill(m, 0, LEASE_WANTED_MESSAGE_OCTETS);
  store<u32>(m, number, LEASE_LINK);
  store<u32>(m, SPI + number, LEASE_SPI);
  store<u32>(m, DIRECTION_INBOUND, LEASE_DIRECTION);
  store<u64>(m, reached, LEASE_SEQUENCE);
  store<u64>(m, reached, LEASE_WANTED_REACHED);
  store<u64>(m, held == u64.MAX_VALUE ? end(number) : held, LEASE_WANTED_END);
  leaseWanted(frame, 1);
  return end(number);
}

/** Its board dies: where the next one begins. */
function successor(number: u32 = 0): u64 {
  leaseSucceed(link(number), DIRECTION_INBOUND);
  return load<u64>(record(number), SA_SEQUENCE);
}

function hand(sequence: u64, number: u32 = 0): void {
  forwardedNote(link(number), <u32>sequence);
}

function reset(): void {
  resetWith(CLASSIFIER_STANDBY);
}

function resetWith(classifier: u32): void {
  arenaResetAt(arena, arena + ARENA);
  for (let r: u32 = REG_IN; r <= REG_DROPPED; r += 8) store<u64>(map + r, 0);
  store<u32>(map + REG_SLOT, 0);
  store<u64>(map + REG_NOW, 1_000_000_000);
  const config = configAddress();
  let p = itemWriteU32(config, CONFIG_LINK_KIND, LINK_ETHERNET);
  p = itemWriteU32(p, CONFIG_IKE_SLOT, 0);
  p = itemWriteU32(p, CONFIG_CLASSIFIER, classifier);
  store<u32>(map + REG_CONFIG_LENGTH, <u32>(p - config));
  dropsReset();
  assert(channelReset() && classifierConfigure(config, p), "CONFIG");
  boardsReset();
  recallReset();
  assert(poolReset() && portsReset(PORT_COUNT_IKE), "RAM");
  assert(localDatabaseReset(LINKS) && leasesReset(LINKS, config, p), "RAM");
  boardOnline(1, 1, LINKS);
  controlKey(1, 1, key);
  for (let n: u32 = 0; n < LINKS; n++) {
    const l = link(n);
    memory.fill(recordOf(l, DIRECTION_INBOUND), 0, SA_RECORD_MAX);
    store<u16>(record(n), 64, SA_REPLAY_WINDOW);
    l.spiIn = SPI + n;
    l.stateIn = LINK_LIVE;
    l.slot = 1;
    l.generation = 1;
    leaseStart(l, DIRECTION_INBOUND);
  }
}

/** The chassis takes what waits on the internal path. */
function drained(): void {
  const ring = <usize>load<u32>(<usize>load<u32>(map + MAP_PORT_TABLE) + PORT_CHANNEL * PORT_ENTRY_OCTETS + PORT_TX);
  store<u32>(ring + RING_DONE, load<u32>(ring + RING_POSTED));
  portsReclaim();
}

/** An SA with ESN that has come to `sequence`. */
function begins(sequence: u64): void {
  store<u64>(record(), sequence, SA_SEQUENCE);
  leaseStart(link(), DIRECTION_INBOUND);
}

describe("where the successor of a board begins with an inbound SA", () => {
  beforeEach(reset);

  test("at the highest number that was handed to it", () => {
    expect(successor()).toBe(0, "nothing was");
    hand(5);
    hand(9);
    hand(7);
    expect(successor()).toBe(9);
    expect(successor()).toBe(9, "nothing since");
    hand(12);
    expect(successor()).toBe(12);
  });

  test("never beyond the lease, whatever number somebody writes", () => {
    const last = end();
    hand(7);
    hand(0xffff_ffff);
    expect(successor()).toBe(last);
    hand(last + 3);
    expect(successor()).toBe(last + 3, "what was forged before is over with the board that it went to");
  });

  test("where an SA was given up exactly, there", () => {
    hand(100);
    leaseFrom(link(), DIRECTION_INBOUND, 90);
    expect(successor()).toBe(90);
  });

  test("each SA for itself", () => {
    hand(30, 1);
    hand(60, 2);
    expect([successor(2), successor(1), successor(3)]).toStrictEqual([60, 30, 0]);
  });

  test("what was handed over is kept over leases that come soon", () => {
    hand(800);
    wants(600);
    hand(700);
    wants(700);
    wants(700);
    expect(successor()).toBe(800);
  });

  test("a forged number is forgotten when two leases have come to the board behind it", () => {
    hand(300);
    hand(0x7000_0000);
    const first = wants(300);
    hand(400);
    pass(FORGET_NS);
    const second = wants(1800, first);
    expect(second > first).toBe(true);
    hand(1900);
    expect(successor()).toBe(1900, "the first lease came behind the forged one");
  });

  test("not before the board says that the lease has come, and not sooner than datagrams may overtake", () => {
    hand(0x7000_0000);
    const before = end();
    const first = wants(300);
    pass(FORGET_NS);
    const second = wants(1800, before);
    expect(second > first).toBe(true);
    hand(1850);
    const third = wants(1900, 0);
    expect(successor()).toBe(third, "it had an earlier lease, and one of its own making");
    hand(0x7000_0000);
    const fourth = wants(third + 10);
    pass(FORGET_NS - 1);
    wants(third + 1000, fourth);
    const last = end();
    expect(successor()).toBe(last, "too soon");
  });

  test("a board of an earlier release does not say how far it is: what it was given counts for as long as it has the SA", () => {
    hand(900);
    for (let i: u32 = 0; i < 3; i++) {
      const frame = changetype<Frame>(originate());
      frame.length = LEASE_WANTED_REACHED;
      memory.fill(frame.start, 0xff, LEASE_WANTED_MESSAGE_OCTETS);
      store<u32>(frame.start, 0, LEASE_LINK);
      store<u32>(frame.start, SPI, LEASE_SPI);
      store<u32>(frame.start, DIRECTION_INBOUND, LEASE_DIRECTION);
      store<u64>(frame.start, 700 + i, LEASE_SEQUENCE);
      leaseWanted(frame, 1);
      pass(FORGET_NS);
    }
    hand(800);
    expect(successor()).toBe(900);
  });

  test("what was handed over while the lease was on its way counts on", () => {
    const first = wants(300);
    hand(900);
    hand(1100);
    pass(FORGET_NS);
    wants(900, first);
    expect(successor()).toBe(1100);
  });

  test("what waits on the board counts, though it was handed over long ago", () => {
    hand(1500);
    const first = wants(300);
    pass(FORGET_NS);
    wants(1500, first);
    hand(1400);
    expect(successor()).toBe(1500);
  });

  test("a lease that was given back is one that has come", () => {
    hand(0x7000_0000);
    wants(300);
    const frame = changetype<Frame>(originate());
    frame.length = LEASE_OCTETS;
    store<u32>(frame.start, 0, LEASE_LINK);
    store<u32>(frame.start, SPI, LEASE_SPI);
    store<u32>(frame.start, DIRECTION_INBOUND, LEASE_DIRECTION);
    store<u64>(frame.start, 700, LEASE_SEQUENCE);
    store<u32>(frame.start, load<u32>(leaseRecord(link(), DIRECTION_INBOUND) + LEASE_RECORD_OCTETS - 4), LEASE_SERIAL);
    leaseReturned(frame, 1);
    expect(end()).toBe(700);
    pass(FORGET_NS);
    wants(400, 700);
    hand(450);
    expect(successor()).toBe(450);
  });

  test("with ESN the high half is that of the lease", () => {
    const far: u64 = (3 << 32) | 1000;
    begins(far);
    hand(far + 20);
    expect(successor()).toBe(far + 20);
  });

  test("with ESN, where the low half begins anew nothing is below what was accepted", () => {
    const wrap: u64 = 5 << 32;
    begins(wrap - 10);
    for (let n: u64 = wrap - 9; n <= wrap + 9; n++) hand(n);
    expect(successor() >= wrap + 9).toBe(true);
    expect(successor() <= end()).toBe(true);
    begins(wrap - 3000);
    hand(wrap - 2999);
    expect(successor()).toBe(wrap - 2999, "far from it all is as ever");
  });
});

describe("what is not known of an inbound SA", () => {
  beforeEach(reset);

  test("with cut-through nothing ever is: the lease decides", () => {
    resetWith(CLASSIFIER_CUT_THROUGH);
    const last = end();
    hand(5);
    expect(successor()).toBe(last);
    hand(last + 1);
    const next = end();
    expect(successor()).toBe(next);
  });

  test("behind a restart: until two times have passed, each a lease that has come", () => {
    forwardedForget(link());
    hand(5);
    const ends = [wants(10)];
    for (let i: u32 = 0; i < 2; i++) {
      expect(forwardedUncertain(link())).toBe(true);
      pass(FORGET_NS);
      ends.push(wants(10, end()));
      expect(ends[i + 1] > ends[i]).toBe(true, "each lease has an end of its own");
    }
    expect(forwardedUncertain(link())).toBe(false);
    hand(40);
    expect(successor()).toBe(40);
  });

  test("behind a restart: a board that dies before is followed at the end of its lease, and so is one that only lost the SA", () => {
    forwardedForget(link());
    wants(10);
    pass(FORGET_NS);
    wants(10);
    hand(20);
    const last = end();
    expect(successor()).toBe(last);
    expect(forwardedUncertain(link())).toBe(true, "it may be on the same board again");
    forwardedStart(link(), last);
    hand(last + 1);
    expect(successor()).toBe(last + 1, "another board has it");
  });

  test("the boards are asked, until nothing is uncertain; an SA without a lease is not", () => {
    store<u16>(record(3), 0, SA_REPLAY_WINDOW);
    leaseStart(link(3), DIRECTION_INBOUND);
    for (let n: u32 = 0; n < LINKS; n++) forwardedForget(link(n));
    recallBegin();
    let asked: u32 = 0;
    let rounds: u32 = 0;
    for (let at = recallPoll(); at != u64.MAX_VALUE; at = recallPoll()) {
      expect(rounds < 1000).toBe(true, "it comes to an end");
      rounds += 1;
      // The boards answer what came on the ring.
      if (at - load<u64>(map + REG_NOW) > 1_000_000_000) {
        for (let n: u32 = 0; n < LINKS; n++) if (n != 3) wants(n, end(n), n);
        asked += 1;
      }
      drained();
      store<u64>(map + REG_NOW, at);
    }
    expect(asked).toBe(3);
    for (let n: u32 = 0; n < LINKS; n++) expect(forwardedUncertain(link(n))).toBe(false);
    hand(500, 7);
    expect(successor(7)).toBe(500);
  });
});
