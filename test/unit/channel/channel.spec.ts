/**
 * The internal path on both links: one program plays both ends by changing its slot between push and pull. Every capsule that
 * was not made by the peer that may speak is dropped for its reason; sealed control messages open once, and only as sealed.
 */
import { REG_CONFIG_LENGTH, REG_GENERATION, REG_NOW, REG_SLOT } from "../../../assembly/abi/board";
import { CONFIG_IKE_SLOT, CONFIG_LINK_KIND } from "../../../assembly/abi/config";
import {
  DROP_CHANNEL_MALFORMED,
  DROP_CHANNEL_SOURCE,
  DROP_CONTROL_AUTHENTICATION,
  DROP_CONTROL_MALFORMED,
  DROP_CONTROL_REPLAY,
  DROP_ETHERTYPE_UNKNOWN,
  DROP_IP_VERSION,
  DROP_LLC_UNKNOWN_PID,
} from "../../../assembly/abi/drop";
import { MAP_DROPS } from "../../../assembly/abi/board";
import { LINK_ATM, LINK_ETHERNET } from "../../../assembly/abi/fabric";
import { FRAME_COUNT, FRAME_STRIDE } from "../../../assembly/abi/frame";
import { MESSAGE_LENGTH } from "../../../assembly/abi/message";
import { dropsReset } from "../../../assembly/bus/drop";
import { Frame } from "../../../assembly/bus/frame";
import { poolReset } from "../../../assembly/bus/pool";
import { consume, originate } from "../../../assembly/bus/port";
import {
  CHANNEL_CONTROL,
  CHANNEL_DROPPED,
  CHANNEL_IPV4,
  CHANNEL_IPV6,
  channelLink,
  channelPull,
  channelPushControl,
  channelPushPacket,
  channelReset,
  channelSourceSlot,
} from "../../../assembly/channel/channel";
import { controlForget, controlKey, controlOpen, controlSeal } from "../../../assembly/channel/control";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { itemWriteU32 } from "../../../assembly/rt/items";
import { map } from "../../../assembly/rt/map";
import { configAddress, mapReset } from "../../../assembly/rt/registers";
import { ethernetEmit } from "../../../assembly/wire/ethernet";
import { ipv4Emit } from "../../../assembly/wire/ipv4";
import { llcSnapEmit } from "../../../assembly/wire/llc_snap";

const ROOM: usize = <usize>FRAME_COUNT * FRAME_STRIDE + 200000;
const block: usize = memory.data(22000000, 64);
const wire: usize = memory.data(4096, 64);
const key: usize = memory.data<u8>([
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
]);
const GENERATION: u32 = 4;
const BOARD: u32 = 5;

/** We are the board in `slot` from now on; what was on the wire stays there. */
function become(slot: u32, kind: u32): void {
  mapReset(1);
  store<u32>(map + REG_SLOT, slot);
  store<u32>(map + REG_GENERATION, GENERATION);
  store<u64>(map + REG_NOW, 1000);
  let end = itemWriteU32(configAddress(), CONFIG_LINK_KIND, kind);
  end = itemWriteU32(end, CONFIG_IKE_SLOT, 0);
  store<u32>(map + REG_CONFIG_LENGTH, <u32>(end - configAddress()));
  arenaResetAt(block, block + ROOM);
  dropsReset();
  assert(poolReset() && channelReset());
}

/** A frame with `length` octets from `from`. */
function frameOf(from: usize, length: u32): Frame {
  const frame = originate()!;
  memory.copy(frame.start, from, length);
  frame.length = length;
  return frame;
}

/** Puts a frame on the wire; returns its octets. */
function toWire(frame: Frame): u32 {
  const length = frame.length;
  memory.copy(wire, frame.start, length);
  consume(frame);
  return length;
}

function packet(): Frame {
  const frame = originate()!;
  ipv4Emit(frame.start, 28, 17, 0x0a010005, 0x0a020005, 64, 0, false, 3);
  store<u64>(frame.start + 20, 0x1122334455667788);
  frame.length = 28;
  return frame;
}

function fromWire(length: u32, link: u32): Frame {
  const frame = frameOf(wire, length);
  frame.link = link;
  return frame;
}

function drops(reason: u32): u64 {
  return load<u64>(<usize>load<u32>(map + MAP_DROPS) + (reason << 3));
}

/** Flips a bit on the wire. */
function flip(bit: u32): void {
  const mask: u32 = 1 << (bit & 7);
  const at = wire + (bit >> 3);
  store<u8>(at, <u8>((<u32>load<u8>(at)) ^ mask));
}

/** From the IKE board to BOARD and back again, with Ethernet padding on the way. */
function roundTrip(kind: u32, capsule: u32): void {
  become(0, kind);
  let frame = packet();
  expect(channelPushPacket(frame, BOARD)).toBe(true);
  expect(frame.length).toBe(28 + capsule);
  const link = channelLink(BOARD);
  const length = toWire(frame);
  become(BOARD, kind);
  expect(channelLink(0)).toBe(link);
  frame = fromWire(kind == LINK_ETHERNET ? length + 11 : length, link);
  expect(channelPull(frame)).toBe(CHANNEL_IPV4);
  expect(channelSourceSlot()).toBe(0);
  expect(frame.length).toBe(28);
  expect(load<u64>(frame.start + 20)).toBe(0x1122334455667788);
  expect(channelPushPacket(frame, 0)).toBe(true);
  const back = toWire(frame);
  become(0, kind);
  frame = fromWire(back, link);
  expect(channelPull(frame)).toBe(CHANNEL_IPV4);
  expect(channelSourceSlot()).toBe(BOARD);
}

describe("channel", () => {
  it("carries a packet both ways over Ethernet, 34 octets of capsule", () => {
    roundTrip(LINK_ETHERNET, 34);
  });

  it("carries a packet both ways over a VC, 8 octets of capsule", () => {
    roundTrip(LINK_ATM, 8);
    expect(channelLink(BOARD)).toBe(37);
  });

  it("carries IPv6 by its own number", () => {
    for (let kind = LINK_ETHERNET; kind <= LINK_ATM; kind++) {
      become(0, kind);
      let frame = originate()!;
      frame.length = 60;
      memory.fill(frame.start, 0, 60);
      store<u8>(frame.start, 0x60);
      expect(channelPushPacket(frame, BOARD)).toBe(true);
      const length = toWire(frame);
      become(BOARD, kind);
      frame = fromWire(length, 37);
      expect(channelPull(frame)).toBe(CHANNEL_IPV6);
      expect(frame.length).toBe(60);
    }
  });

  it("refuses to send where it has no peer, or what it cannot carry", () => {
    become(BOARD, LINK_ETHERNET);
    const frame = packet();
    const start = frame.start;
    expect(channelPushPacket(frame, 6)).toBe(false, "another IPsec board");
    expect(channelPushPacket(frame, BOARD)).toBe(false, "ourselves");
    expect(channelPushPacket(frame, 64)).toBe(false, "outside the fabric");
    store<u8>(frame.start, 0x50);
    expect(channelPushPacket(frame, 0)).toBe(false, "IP version 5");
    store<u8>(frame.start, 0x45);
    frame.length = 9217;
    expect(channelPushPacket(frame, 0)).toBe(false, "beyond the MTU");
    expect(frame.start).toBe(start);
  });

  it("Ethernet: drops every flipped header bit and every cut", () => {
    let accepted = 0;
    for (let bit: u32 = 0; bit < 34 * 8; bit++) {
      become(0, LINK_ETHERNET);
      const frame = packet();
      channelPushPacket(frame, BOARD);
      const length = toWire(frame);
      flip(bit);
      become(BOARD, LINK_ETHERNET);
      if (channelPull(fromWire(length, 0)) == CHANNEL_IPV4) accepted += 1;
      if (bit != 0) continue;
      for (let cut: u32 = 0; cut < length; cut++) {
        if (channelPull(fromWire(cut, 0)) != CHANNEL_DROPPED) accepted += 1;
      }
    }
    expect(accepted).toBe(0);
  });

  it("Ethernet: names the reasons", () => {
    become(0, LINK_ETHERNET);
    const frame = packet();
    channelPushPacket(frame, BOARD);
    const length = toWire(frame);
    become(BOARD, LINK_ETHERNET);
    ethernetEmit(wire, 0x024343000005, 0x024343000006, 0x0800);
    channelPull(fromWire(length, 0));
    expect(drops(DROP_CHANNEL_SOURCE)).toBe(1, "another IPsec board");
    ethernetEmit(wire, 0x024343000005, 0x024343000000, 0x0806);
    channelPull(fromWire(length, 0));
    expect(drops(DROP_ETHERTYPE_UNKNOWN)).toBe(1);
    ethernetEmit(wire, 0xffffffffffff, 0x024343000000, 0x0800);
    channelPull(fromWire(length, 0));
    expect(drops(DROP_CHANNEL_MALFORMED)).toBe(1, "not for us");
    ethernetEmit(wire, 0x024343000005, 0x024343000000, 0x0800);
    ipv4Emit(wire + 14, 48, 4, 0xa9fe5306, 0xa9fe5305, 64, 0, true, 0);
    channelPull(fromWire(length, 0));
    expect(drops(DROP_CHANNEL_SOURCE)).toBe(2, "MAC and address of two slots");
    ipv4Emit(wire + 14, 48, 41, 0xa9fe5300, 0xa9fe5305, 64, 0, true, 0);
    channelPull(fromWire(length, 0));
    expect(drops(DROP_IP_VERSION)).toBe(1, "IPv4 inside protocol 41");
  });

  it("ATM: names the reasons", () => {
    become(0, LINK_ATM);
    const frame = packet();
    channelPushPacket(frame, BOARD);
    const length = toWire(frame);
    become(BOARD, LINK_ATM);
    channelPull(fromWire(length, 38));
    channelPull(fromWire(length, 0x10025));
    channelPull(fromWire(length, 0));
    expect(drops(DROP_CHANNEL_SOURCE)).toBe(3, "VCs of others");
    llcSnapEmit(wire, 0x0806);
    channelPull(fromWire(length, 37));
    expect(drops(DROP_LLC_UNKNOWN_PID)).toBe(1);
    llcSnapEmit(wire, 0x86dd);
    channelPull(fromWire(length, 37));
    expect(drops(DROP_IP_VERSION)).toBe(1);
    store<u8>(wire + 2, 4);
    channelPull(fromWire(length, 37));
    expect(drops(DROP_CHANNEL_MALFORMED)).toBe(1);
    become(0, LINK_ATM);
    channelPull(fromWire(length, 31));
    channelPull(fromWire(length, 96));
    channelPull(fromWire(length, 32));
    expect(drops(DROP_CHANNEL_SOURCE)).toBe(3, "no slot, no slot, our own");
  });

  it("refuses a link that CONFIG does not name", () => {
    become(0, LINK_ATM);
    itemWriteU32(configAddress(), CONFIG_LINK_KIND, 9);
    expect(channelReset()).toBe(false);
    itemWriteU32(configAddress(), CONFIG_LINK_KIND, LINK_ATM);
    expect(channelReset()).toBe(true);
    store<u32>(map + REG_SLOT, 64);
    expect(channelReset()).toBe(false);
  });
});

/** A message of `length` octets, sealed by the IKE board, on the wire; returns the octets of the frame. */
function sealed(length: u32, kind: u32): u32 {
  become(0, kind);
  controlKey(BOARD, GENERATION, key);
  return sealAnother(length);
}

function sealAnother(length: u32): u32 {
  const frame = originate()!;
  for (let i: u32 = 0; i < length; i++) store<u8>(frame.start + i, <u8>i);
  store<u32>(frame.start, length, MESSAGE_LENGTH);
  frame.length = length;
  assert(controlSeal(frame, BOARD) && channelPushControl(frame, BOARD));
  return toWire(frame);
}

function listen(kind: u32): void {
  become(BOARD, kind);
  controlKey(0, GENERATION, key);
}

describe("control messages", () => {
  it("open as they were sealed, on both links, with Ethernet padding", () => {
    for (let kind = LINK_ETHERNET; kind <= LINK_ATM; kind++) {
      const length = sealed(12, kind);
      if (kind == LINK_ETHERNET) expect(length).toBeGreaterThan(59, "no padding behind the ICV");
      listen(kind);
      const frame = fromWire(length, 37);
      expect(channelPull(frame)).toBe(CHANNEL_CONTROL);
      expect(controlOpen(frame, channelSourceSlot())).toBe(true);
      expect(frame.length).toBe(12);
      expect(load<u8>(frame.start + 7)).toBe(7);
    }
  });

  it("open once; an older one never", () => {
    const length = sealed(40, LINK_ATM);
    listen(LINK_ATM);
    let frame = fromWire(length, 37);
    channelPull(frame);
    expect(controlOpen(frame, 0)).toBe(true);
    frame = fromWire(length, 37);
    channelPull(frame);
    expect(controlOpen(frame, 0)).toBe(false);
    expect(drops(DROP_CONTROL_REPLAY)).toBe(1);
  });

  it("refuse every flipped bit, another generation, another direction, no key", () => {
    let opened = 0;
    let length = sealed(20, LINK_ATM);
    listen(LINK_ATM);
    for (let bit: u32 = 64; bit < length << 3; bit++) {
      flip(bit);
      const frame = fromWire(length, 37);
      if (channelPull(frame) == CHANNEL_CONTROL && controlOpen(frame, 0)) opened += 1;
      flip(bit);
    }
    for (let cut: u32 = 0; cut < length; cut++) {
      const frame = fromWire(cut, 37);
      if (channelPull(frame) == CHANNEL_CONTROL && controlOpen(frame, 0)) opened += 1;
    }
    expect(opened).toBe(0);
    controlKey(0, GENERATION + 1, key);
    let frame = fromWire(length, 37);
    channelPull(frame);
    expect(controlOpen(frame, 0)).toBe(false);
    controlForget(0);
    frame = fromWire(length, 37);
    channelPull(frame);
    expect(controlOpen(frame, 0)).toBe(false);
    // Reflected: the IKE board hears its own message from the board it sent it to.
    become(0, LINK_ATM);
    controlKey(BOARD, GENERATION, key);
    frame = fromWire(length, 37);
    channelPull(frame);
    expect(controlOpen(frame, BOARD)).toBe(false);
    expect(drops(DROP_CONTROL_AUTHENTICATION)).toBe(1);
  });

  it("refuse a length that leaves the message", () => {
    become(0, LINK_ATM);
    controlKey(BOARD, GENERATION, key);
    const frame = originate()!;
    memory.fill(frame.start, 0, 20);
    store<u32>(frame.start, 21, MESSAGE_LENGTH);
    frame.length = 20;
    expect(controlSeal(frame, BOARD) && channelPushControl(frame, BOARD)).toBe(true);
    const length = toWire(frame);
    listen(LINK_ATM);
    const arrived = fromWire(length, 37);
    channelPull(arrived);
    expect(controlOpen(arrived, 0)).toBe(false);
    expect(drops(DROP_CONTROL_MALFORMED)).toBe(1);
  });

  it("count on above all that was sent, even after a restart of the IKE board", () => {
    sealed(16, LINK_ATM);
    const first = load<u64>(wire + 8 + 8);
    sealAnother(16);
    expect(load<u64>(wire + 8 + 8)).toBe(first + 1);
    controlKey(BOARD, GENERATION, key);
    sealAnother(16);
    expect(load<u64>(wire + 8 + 8)).toBe(first + 2, "keyed once more for the same generation");
    expect(first).toBe(1001, "starts at NOW");
    controlForget(BOARD);
    const frame = packet();
    expect(controlSeal(frame, BOARD)).toBe(false);
  });
});
