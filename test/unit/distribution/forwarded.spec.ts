/** Where a successor begins: what was handed to the board of an inbound SA, what a forged number does, what is forgotten, and when nothing is known. */
import { REG_NOW } from "../../../assembly/abi/board";
import { CLASSIFIER_CUT_THROUGH, CLASSIFIER_STANDBY } from "../../../assembly/abi/classifier";
import {
  DIRECTION_INBOUND,
  LEASE_DIRECTION,
  LEASE_LINK,
  LEASE_OCTETS,
  LEASE_SEQUENCE,
  LEASE_SERIAL,
  LEASE_SPI,
  LEASE_WANTED_MESSAGE_OCTETS,
  LEASE_WANTED_REACHED,
  SA_REPLAY_WINDOW,
  SA_SEQUENCE,
} from "../../../assembly/abi/message";
import { Frame } from "../../../assembly/bus/frame";
import { originate } from "../../../assembly/bus/port";
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
} from "../../../assembly/distribution/lease";
import { recordOf } from "../../../assembly/distribution/local_database";
import { recallBegin, recallPoll } from "../../../assembly/distribution/recall";
import { map } from "../../../assembly/rt/map";
import { SPI_IN, channelDrained, lease, leaseAsked, link, linksReset, pass } from "./leased_links";

const LINKS: u32 = 40;

function record(number: u32 = 0): usize {
  return recordOf(link(number), DIRECTION_INBOUND);
}

/** The board has accepted up to `reached` under a lease that ends at `held`, and asks for the next one: its end. */
function wants(reached: u64, held: u64 = u64.MAX_VALUE, number: u32 = 0): u64 {
  return leaseAsked(number, DIRECTION_INBOUND, reached, held);
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
  linksReset(LINKS, CLASSIFIER_STANDBY);
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
    const last = lease();
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
    const before = lease();
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
    const last = lease();
    expect(successor()).toBe(last, "too soon");
  });

  test("a board of an earlier release does not say how far it is: what it was given counts for as long as it has the SA", () => {
    hand(900);
    for (let i: u32 = 0; i < 3; i++) {
      const frame = changetype<Frame>(originate());
      frame.length = LEASE_WANTED_REACHED;
      memory.fill(frame.start, 0xff, LEASE_WANTED_MESSAGE_OCTETS);
      store<u32>(frame.start, 0, LEASE_LINK);
      store<u32>(frame.start, SPI_IN, LEASE_SPI);
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
    store<u32>(frame.start, SPI_IN, LEASE_SPI);
    store<u32>(frame.start, DIRECTION_INBOUND, LEASE_DIRECTION);
    store<u64>(frame.start, 700, LEASE_SEQUENCE);
    store<u32>(frame.start, load<u32>(leaseRecord(link(), DIRECTION_INBOUND) + LEASE_RECORD_OCTETS - 4), LEASE_SERIAL);
    leaseReturned(frame, 1);
    expect(lease()).toBe(700);
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
    expect(successor() <= lease()).toBe(true);
    begins(wrap - 3000);
    hand(wrap - 2999);
    expect(successor()).toBe(wrap - 2999, "far from it all is as ever");
  });
});

describe("what is not known of an inbound SA", () => {
  beforeEach(reset);

  test("with cut-through nothing ever is: the lease decides", () => {
    linksReset(LINKS, CLASSIFIER_CUT_THROUGH);
    const last = lease();
    hand(5);
    expect(successor()).toBe(last);
    hand(last + 1);
    const next = lease();
    expect(successor()).toBe(next);
  });

  test("behind a restart: until two times have passed, each a lease that has come", () => {
    forwardedForget(link());
    hand(5);
    const ends = [wants(10)];
    for (let i: u32 = 0; i < 2; i++) {
      expect(forwardedUncertain(link())).toBe(true);
      pass(FORGET_NS);
      ends.push(wants(10, lease()));
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
    const last = lease();
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
        for (let n: u32 = 0; n < LINKS; n++) if (n != 3) wants(n, lease(n), n);
        asked += 1;
      }
      channelDrained();
      store<u64>(map + REG_NOW, at);
    }
    expect(asked).toBe(3);
    for (let n: u32 = 0; n < LINKS; n++) expect(forwardedUncertain(link(n))).toBe(false);
    hand(500, 7);
    expect(successor(7)).toBe(500);
  });
});
