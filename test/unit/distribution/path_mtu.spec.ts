/**
 * ICMP errors about sealed packets, through forwardUnprotected: which SA they lead to, what the board is told, and what is refused. The
 * boards' control messages are sealed, so that their number is looked at here and what they say in test/host/ipsec_board_mtu.test.ts.
 */
import {
  MAP_DROPS,
  REG_CONFIG_LENGTH,
  REG_CONSUMED,
  REG_DROPPED,
  REG_IN,
  REG_NOW,
  REG_SENT,
  REG_SLOT,
} from "../../../assembly/abi/board";
import { CONFIG_IKE_SLOT, CONFIG_LINK_KIND, CONFIG_LOCAL_ADDRESS } from "../../../assembly/abi/config";
import { DROP_ICMP_QUOTE, DROP_PROTOCOL_UNKNOWN } from "../../../assembly/abi/drop";
import { LINK_ATM } from "../../../assembly/abi/fabric";
import { LINK_BITS } from "../../../assembly/abi/message";
import { PORT_COUNT_IKE } from "../../../assembly/abi/ring";
import { dropsReset } from "../../../assembly/bus/drop";
import { Frame } from "../../../assembly/bus/frame";
import { poolReset } from "../../../assembly/bus/pool";
import { originate, portsReset } from "../../../assembly/bus/port";
import { channelReset } from "../../../assembly/channel/channel";
import { controlKey } from "../../../assembly/channel/control";
import { boardOnline, boardsReset } from "../../../assembly/distribution/board_table";
import { eventsReset } from "../../../assembly/distribution/event";
import { FORWARD_DONE, forwardUnprotected } from "../../../assembly/distribution/forward";
import { localAddressReset } from "../../../assembly/policy/local_address";
import { LINK_LIVE, Link, linkAt, localDatabaseReset } from "../../../assembly/distribution/local_database";
import {
  outboundIndexInsert,
  outboundIndexNext,
  outboundIndexRemove,
  outboundIndexReset,
} from "../../../assembly/distribution/outbound_index";
import { policyReset } from "../../../assembly/distribution/policy";
import { reassemblyReset } from "../../../assembly/distribution/reassembly";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { storeBE16, storeBE32 } from "../../../assembly/rt/bytes";
import { itemWrite, itemWriteU32 } from "../../../assembly/rt/items";
import { map } from "../../../assembly/rt/map";
import { configAddress } from "../../../assembly/rt/registers";
import { icmpEmitFragmentationNeeded } from "../../../assembly/wire/icmp";
import { icmpv6EmitTooBig } from "../../../assembly/wire/icmpv6";
import { ipv4Checksum, ipv4Emit } from "../../../assembly/wire/ipv4";
import { ipv6Emit } from "../../../assembly/wire/ipv6";
import { udpEmit } from "../../../assembly/wire/udp";

const ARENA: usize = 40 << 20;
const arena: usize = (<usize>memory.grow(<i32>(ARENA >> 16))) << 16;
const scratch: usize = memory.data(32, 8);
const us6: usize = memory.data(16, 8);
const peer6: usize = memory.data(16, 8);
const router6: usize = memory.data(16, 8);
/** The packet that did not fit. */
const packet: usize = memory.data(2048, 8);
const US: u32 = 0xc0000201;
const PEER: u32 = 0xc0000202;
const ROUTER: u32 = 0xc63364fe;
const SPI: u32 = 0xabcdef01;

function reset(): void {
  arenaResetAt(arena, arena + ARENA);
  for (let r: u32 = REG_IN; r <= REG_DROPPED; r += 8) store<u64>(map + r, 0);
  store<u32>(map + REG_SLOT, 0);
  store<u64>(map + REG_NOW, 1_000_000_000);
  const config = configAddress();
  let p = itemWriteU32(config, CONFIG_LINK_KIND, LINK_ATM);
  p = itemWriteU32(p, CONFIG_IKE_SLOT, 0);
  storeBE32(scratch, US);
  p = itemWrite(p, CONFIG_LOCAL_ADDRESS, scratch, 4);
  storeBE32(us6, 0x20010db8);
  store<u8>(us6, 1, 15);
  storeBE32(peer6, 0x20010db8);
  store<u8>(peer6, 2, 15);
  storeBE32(router6, 0x20010db8);
  store<u8>(router6, 0xfe, 15);
  p = itemWrite(p, CONFIG_LOCAL_ADDRESS, us6, 16);
  store<u32>(map + REG_CONFIG_LENGTH, <u32>(p - config));
  dropsReset();
  assert(channelReset() && localAddressReset(config, p), "CONFIG");
  boardsReset();
  eventsReset();
  const built = poolReset() && portsReset(PORT_COUNT_IKE) && localDatabaseReset(64) && policyReset(64);
  assert(built && reassemblyReset() && outboundIndexReset(64), "RAM");
  boardOnline(4, 1, 10);
  controlKey(4, 1, scratch);
  live(9, SPI);
}

function live(number: u32, spi: u32): Link {
  const link = changetype<Link>(linkAt(number));
  link.spiIn = (0x77 << LINK_BITS) | number;
  link.spiOut = spi;
  link.stateIn = LINK_LIVE;
  link.stateOut = LINK_LIVE;
  link.slot = 4;
  link.generation = 1;
  outboundIndexInsert(link);
  return link;
}

function drops(reason: u32): u64 {
  return load<u64>(<usize>load<u32>(map + MAP_DROPS) + <usize>(reason << 3));
}

function told(): u64 {
  return load<u64>(map + REG_SENT);
}

/** A packet of ESP, AH or ESP in UDP that we sent, of `octets` in all. */
function sent(octets: u32, protocol: u32 = 50, spi: u32 = SPI, source: u32 = US): void {
  memory.fill(packet, 0, 2048);
  ipv4Emit(packet, octets, protocol, source, PEER, 60, 0, true, 1);
  fill(packet + 20, octets - 20, protocol, spi);
}

function sent6(octets: u32, protocol: u32 = 50): void {
  memory.fill(packet, 0, 2048);
  ipv6Emit(packet, octets - 40, protocol, us6, peer6, 60, 0, 0);
  fill(packet + 40, octets - 40, protocol, SPI);
}

function fill(p: usize, octets: u32, protocol: u32, spi: u32): void {
  if (protocol == 17) udpEmit(p, 4500, 61000, octets);
  const at: u32 = protocol == 17 ? 8 : protocol == 51 ? 4 : 0;
  storeBE32(p + at, spi);
  storeBE32(p + at + 4, 77);
}

function needed(quote: u32, mtu: u32): Frame {
  const frame = changetype<Frame>(originate());
  frame.length = icmpEmitFragmentationNeeded(frame.start, packet, quote, ROUTER, mtu);
  return frame;
}

function tooBig(quote: u32, mtu: u32): Frame {
  const frame = changetype<Frame>(originate());
  frame.length = icmpv6EmitTooBig(frame.start, packet, quote, router6, mtu);
  return frame;
}

function give(frame: Frame): void {
  expect(forwardUnprotected(frame)).toBe(FORWARD_DONE);
}

describe("ICMP errors about our packets", () => {
  beforeEach(reset);

  test("lead to the board of the SA: ESP, AH, and ESP in UDP, of either family", () => {
    for (let i: u32 = 0; i < 3; i++) {
      const protocol: u32 = i == 0 ? 50 : i == 1 ? 51 : 17;
      sent(1400, protocol);
      give(needed(548, 1280));
      sent6(1400, protocol);
      give(tooBig(1232, 1280));
    }
    expect(told()).toBe(6);
    expect(load<u64>(map + REG_CONSUMED)).toBe(6);
    expect(load<u64>(map + REG_DROPPED)).toBe(0);
  });

  test("a router that quotes 8 octets behind the header quotes ESP's number, and not that of AH or in UDP", () => {
    sent(1400);
    give(needed(28, 1280));
    expect(told()).toBe(1);
    give(needed(27, 1280));
    sent(1400, 51);
    give(needed(28, 1280));
    give(needed(32, 1280));
    expect(told()).toBe(2);
    sent(1400, 17);
    give(needed(28, 1280));
    give(needed(36, 1280));
    expect(told()).toBe(3);
    expect(drops(DROP_ICMP_QUOTE)).toBe(3);
  });

  test("a router that tells no MTU (RFC 1191 section 5)", () => {
    sent(1400);
    give(needed(548, 0));
    expect(told()).toBe(1);
    // There is no plateau below it that a path may have.
    sent(560);
    give(needed(548, 0));
    expect(told()).toBe(1);
    expect(drops(DROP_ICMP_QUOTE)).toBe(1);
  });

  test("what quotes no packet of ours is refused", () => {
    sent(1400, 50, SPI + 1);
    give(needed(548, 1280));
    sent(1400, 50, SPI, PEER);
    const foreign = needed(548, 1280);
    storeBE32(foreign.start + 16, US);
    store<u16>(foreign.start, 0, 10);
    storeBE16(foreign.start + 10, ipv4Checksum(foreign.start, 20));
    give(foreign);
    sent(1400, 6);
    give(needed(548, 1280));
    sent(1400, 17);
    storeBE16(packet + 20, 4501);
    give(needed(548, 1280));
    // Larger than what did not fit, or as large.
    sent(1280);
    give(needed(548, 1280));
    sent6(1400);
    give(tooBig(1232, 1400));
    // A later fragment has no SPI.
    sent(1400);
    storeBE16(packet + 6, 100);
    give(needed(548, 1280));
    // Damaged.
    sent(1400);
    const damaged = needed(548, 1280);
    store<u8>(damaged.start + 40, 1);
    give(damaged);
    sent6(1400);
    const damaged6 = tooBig(1232, 1280);
    store<u8>(damaged6.start + 300, 1);
    give(damaged6);
    expect(drops(DROP_ICMP_QUOTE)).toBe(9);
    expect(told()).toBe(0);
  });

  test("other ICMP is none of it", () => {
    sent(1400);
    const unreachable = needed(548, 1280);
    store<u8>(unreachable.start + 21, 3);
    give(unreachable);
    sent6(1400);
    const exceeded = tooBig(1232, 1280);
    store<u8>(exceeded.start + 40, 3);
    give(exceeded);
    expect(drops(DROP_PROTOCOL_UNKNOWN)).toBe(2);
    expect(told()).toBe(0);
  });

  test("behind a fragment header of ours", () => {
    sent6(1400, 44);
    store<u8>(packet + 40, 50);
    storeBE16(packet + 42, 1);
    storeBE32(packet + 48, SPI);
    storeBE32(packet + 52, 77);
    give(tooBig(1232, 1280));
    expect(told()).toBe(1);
    storeBE16(packet + 42, 8 | 1);
    give(tooBig(1232, 1280));
    expect(drops(DROP_ICMP_QUOTE)).toBe(1);
  });

  test("peers that chose one SPI are all asked, four at most; those that are gone are not", () => {
    for (let i: u32 = 20; i < 26; i++) live(i, SPI);
    sent(1400);
    give(needed(548, 1280));
    expect(told()).toBe(4);
    for (let i: u32 = 20; i < 26; i++) {
      const link = changetype<Link>(linkAt(i));
      outboundIndexRemove(link);
      link.spiOut = 0;
    }
    give(needed(548, 1280));
    expect(told()).toBe(5);
  });
});

describe("links by outbound SPI", () => {
  beforeEach(reset);

  test("against a walk over all of them, while they come and go", () => {
    let seed: u32 = 1;
    for (let step: u32 = 0; step < 4000; step++) {
      seed = seed * 1664525 + 1013904223;
      const number: u32 = (seed >> 8) % 60;
      if (number == 9) continue;
      const link = changetype<Link>(linkAt(number));
      const spi: u32 = ((seed >> 16) % 7) * 0x01000193 + 256;
      if (link.spiOut != 0) {
        outboundIndexRemove(link);
        link.spiOut = 0;
      } else {
        link.spiOut = spi;
        outboundIndexInsert(link);
      }
      let wanted: u32 = 0;
      for (let i: u32 = 0; i < 60; i++) if (changetype<Link>(linkAt(i)).spiOut == spi) wanted += 1;
      let found: u32 = 0;
      let at = outboundIndexNext(spi, null);
      while (at) {
        assert(at.spiOut == spi, "its SPI");
        found += 1;
        at = outboundIndexNext(spi, at);
      }
      assert(found == wanted, "all of them, each once");
    }
    expect(outboundIndexNext(SPI, null) != null).toBe(true);
  });
});
