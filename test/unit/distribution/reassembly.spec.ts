/**
 * Fragments to us, through forwardUnprotected: what becomes whole, what does not and why, and a slow twin that keeps an octet map of
 * every packet. Frames are accounted for after each step.
 */
import {
  MAP_DROPS,
  REG_CONFIG_LENGTH,
  REG_CONSUMED,
  REG_DROPPED,
  REG_HELD,
  REG_IN,
  REG_NOW,
  REG_ORIGINATED,
  REG_SENT,
  REG_SLOT,
} from "../../../assembly/abi/board";
import { CONFIG_IKE_SLOT, CONFIG_LINK_KIND, CONFIG_LOCAL_ADDRESS } from "../../../assembly/abi/config";
import {
  DROP_COUNT,
  DROP_ECN,
  DROP_FRAGMENT_DUPLICATE,
  DROP_FRAGMENT_LIMIT,
  DROP_FRAGMENT_MALFORMED,
  DROP_FRAGMENT_OVERLAP,
  DROP_FRAGMENT_TIMEOUT,
  DROP_IPV6_EXTENSION,
  DROP_IP_FRAGMENT,
  DROP_NO_SA_ENTRY_IKE_BOARD,
  DROP_PACKET_TOO_BIG,
  DROP_PROTOCOL_UNKNOWN,
} from "../../../assembly/abi/drop";
import { LINK_ATM } from "../../../assembly/abi/fabric";
import { PORT_COUNT_IKE } from "../../../assembly/abi/ring";
import { dropsReset } from "../../../assembly/bus/drop";
import { Frame } from "../../../assembly/bus/frame";
import { poolReset } from "../../../assembly/bus/pool";
import { consume, originate, portsReset, portsSettle } from "../../../assembly/bus/port";
import { channelReset } from "../../../assembly/channel/channel";
import { boardsReset } from "../../../assembly/distribution/board_table";
import { eventsReset } from "../../../assembly/distribution/event";
import { FORWARD_IKE, forwardUnprotected } from "../../../assembly/distribution/forward";
import { localAddressReset } from "../../../assembly/policy/local_address";
import { localDatabaseReset } from "../../../assembly/distribution/local_database";
import { policyReset } from "../../../assembly/distribution/policy";
import {
  REASSEMBLY_CONTEXTS,
  REASSEMBLY_PER_SOURCE,
  REASSEMBLY_TIME,
  reassemblyReset,
  reassemblyTimeout,
} from "../../../assembly/distribution/reassembly";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { storeBE16, storeBE32 } from "../../../assembly/rt/bytes";
import { itemWrite, itemWriteU32 } from "../../../assembly/rt/items";
import { map } from "../../../assembly/rt/map";
import { configAddress } from "../../../assembly/rt/registers";
import { ipv4Check, ipv4Checksum, ipv4Emit } from "../../../assembly/wire/ipv4";
import { ipv6Check, ipv6Emit } from "../../../assembly/wire/ipv6";

const ARENA: usize = 40 << 20;
const arena: usize = (<usize>memory.grow(<i32>(ARENA >> 16))) << 16;
const address: usize = memory.data(4, 4);
const us6: usize = memory.data(16, 8);
const peer6: usize = memory.data(16, 8);
const US: u32 = 0xc0000201;
const PEER: u32 = 0xc0000202;
/** Whole IKE datagrams: what comes out is the caller's, to be compared octet by octet. */
const datagram: usize = memory.data(16384, 8);
const START: u64 = 1_000_000_000;

function reset(): void {
  arenaResetAt(arena, arena + ARENA);
  for (let r: u32 = REG_IN; r <= REG_DROPPED; r += 8) store<u64>(map + r, 0);
  store<u32>(map + REG_SLOT, 0);
  store<u64>(map + REG_NOW, START);
  const config = configAddress();
  let p = itemWriteU32(config, CONFIG_LINK_KIND, LINK_ATM);
  p = itemWriteU32(p, CONFIG_IKE_SLOT, 0);
  storeBE32(address, US);
  p = itemWrite(p, CONFIG_LOCAL_ADDRESS, address, 4);
  storeBE32(us6, 0x20010db8);
  store<u8>(us6, 1, 15);
  storeBE32(peer6, 0x20010db8);
  store<u8>(peer6, 2, 15);
  p = itemWrite(p, CONFIG_LOCAL_ADDRESS, us6, 16);
  store<u32>(map + REG_CONFIG_LENGTH, <u32>(p - config));
  dropsReset();
  assert(channelReset() && localAddressReset(config, p), "CONFIG");
  boardsReset();
  eventsReset();
  const built = poolReset() && portsReset(PORT_COUNT_IKE) && localDatabaseReset(64) && policyReset(64);
  assert(built && reassemblyReset(), "RAM");
}

function drops(reason: u32): u64 {
  return load<u64>(<usize>load<u32>(map + MAP_DROPS) + <usize>(reason << 3));
}

function allDrops(): u64 {
  let sum: u64 = 0;
  for (let i: u32 = 0; i < DROP_COUNT; i++) sum += drops(i);
  return sum;
}

function held(): u32 {
  portsSettle();
  const gone = load<u64>(map + REG_SENT) + load<u64>(map + REG_CONSUMED) + load<u64>(map + REG_DROPPED);
  const frames = load<u32>(map + REG_HELD);
  assert(load<u64>(map + REG_ORIGINATED) == gone + <u64>frames, "conservation");
  assert(load<u64>(map + REG_DROPPED) == allDrops(), "every drop has a reason");
  return frames;
}

/** A datagram of `octets` in all to the IKE port, filled with what `seed` gives. */
function fill(octets: u32, seed: u32): void {
  for (let i: u32 = 0; i < octets; i++) store<u8>(datagram + i, <u8>((i * 31 + seed * 7) >> 1));
  storeBE16(datagram, 500);
  storeBE16(datagram + 2, 500);
  storeBE16(datagram + 4, octets);
  storeBE16(datagram + 6, 0xbeef);
}

/** Octets `from` to `to` of the datagram as a fragment; `options`: octets of IPv4 options, no-operations. */
function piece4(
  from: u32,
  to: u32,
  more: bool,
  id: u32 = 7,
  source: u32 = PEER,
  tos: u32 = 0,
  options: u32 = 0,
): Frame {
  const frame = changetype<Frame>(originate());
  const header = 20 + options;
  frame.length = header + to - from;
  ipv4Emit(frame.start, frame.length, 17, source, US, 64, tos, false, id);
  storeBE16(frame.start + 6, (more ? 0x2000 : 0) | (from >> 3));
  store<u8>(frame.start, <u8>(0x40 | (header >> 2)));
  memory.fill(frame.start + 20, 1, options);
  store<u16>(frame.start, 0, 10);
  storeBE16(frame.start + 10, ipv4Checksum(frame.start, header));
  memory.copy(frame.start + header, datagram + from, to - from);
  return frame;
}

/** The same over IPv6, behind `options` octets of hop-by-hop options. */
function piece6(from: u32, to: u32, more: bool, id: u32 = 7, next: u32 = 17, options: u32 = 0): Frame {
  const frame = changetype<Frame>(originate());
  const p = frame.start;
  frame.length = 48 + options + to - from;
  ipv6Emit(p, frame.length - 40, options == 0 ? 44 : 0, peer6, us6, 64, 0, 0x12345);
  if (options != 0) {
    memory.fill(p + 40, 0, options);
    store<u8>(p + 40, 44);
    store<u8>(p + 41, <u8>((options >> 3) - 1));
    // One option of padding fills it (RFC 8200 4.2).
    store<u8>(p + 42, 1);
    store<u8>(p + 43, <u8>(options - 4));
  }
  const fragment = p + 40 + options;
  store<u8>(fragment, <u8>next);
  store<u8>(fragment, 0, 1);
  storeBE16(fragment + 2, from | (more ? 1 : 0));
  storeBE32(fragment + 4, id);
  memory.copy(fragment + 8, datagram + from, to - from);
  return frame;
}

/** True when the frame came out as IKE with `octets` of the datagram behind `header` octets; it is consumed then. */
function whole(frame: Frame, header: u32, octets: u32): bool {
  if (forwardUnprotected(frame) != FORWARD_IKE) return false;
  const right =
    frame.length == header + octets &&
    (header < 40 ? ipv4Check(frame.start, frame.length) : ipv6Check(frame.start, frame.length)) &&
    memory.compare(frame.start + header, datagram, octets) == 0;
  consume(frame);
  return right;
}

function nothing(frame: Frame): bool {
  return forwardUnprotected(frame) != FORWARD_IKE;
}

describe("reassembly", () => {
  beforeEach(reset);

  test("two, three, in any order, with the headers of the first", () => {
    fill(3000, 1);
    expect(nothing(piece4(0, 1480, true))).toBe(true);
    expect(held()).toBe(1);
    expect(whole(piece4(1480, 3000, false), 20, 3000)).toBe(true);
    expect(held()).toBe(0);
    expect(nothing(piece4(1480, 2960, true, 8))).toBe(true);
    expect(nothing(piece4(2960, 3000, false, 8))).toBe(true);
    // Options are those of the first one.
    expect(whole(piece4(0, 1480, true, 8, PEER, 0, 8), 28, 3000)).toBe(true);
    expect(held()).toBe(0);
    expect(allDrops()).toBe(0);
  });

  test("IPv6, behind hop-by-hop options too", () => {
    fill(2500, 2);
    expect(nothing(piece6(1232, 2464, true))).toBe(true);
    expect(nothing(piece6(2464, 2500, false))).toBe(true);
    expect(whole(piece6(0, 1232, true), 40, 2500)).toBe(true);
    expect(nothing(piece6(0, 1232, true, 9, 17, 16))).toBe(true);
    expect(whole(piece6(1232, 2500, false, 9, 17, 16), 56, 2500)).toBe(true);
    expect(held()).toBe(0);
    expect(allDrops()).toBe(0);
  });

  test("an atomic fragment goes on at once, whatever else there is of its identification (RFC 6946)", () => {
    fill(900, 3);
    expect(nothing(piece6(0, 80, true, 1))).toBe(true);
    expect(whole(piece6(0, 900, false, 1), 40, 900)).toBe(true);
    expect(whole(piece6(0, 900, false, 1, 17, 8), 48, 900)).toBe(true);
    expect(held()).toBe(1);
    expect(whole(piece6(80, 900, false, 1), 40, 900)).toBe(true);
    expect(held()).toBe(0);
  });

  test("packets are told apart by identification, source, and protocol", () => {
    fill(1600, 4);
    expect(nothing(piece4(0, 800, true, 1))).toBe(true);
    expect(nothing(piece4(800, 1600, false, 2))).toBe(true);
    expect(nothing(piece4(800, 1600, false, 1, PEER + 1))).toBe(true);
    const esp = piece4(800, 1600, false, 1);
    store<u8>(esp.start, 50, 9);
    store<u16>(esp.start, 0, 10);
    storeBE16(esp.start + 10, ipv4Checksum(esp.start, 20));
    expect(nothing(esp)).toBe(true);
    expect(held()).toBe(4);
    expect(whole(piece4(800, 1600, false, 1), 20, 1600)).toBe(true);
    expect(held()).toBe(3);
  });

  test("sealed packets in fragments are looked up when they are whole", () => {
    memory.fill(datagram, 0x5a, 2000);
    const first = piece6(0, 1000, true, 3, 50);
    const second = piece6(1000, 2000, false, 3, 50);
    forwardUnprotected(first);
    expect(drops(DROP_NO_SA_ENTRY_IKE_BOARD)).toBe(0);
    forwardUnprotected(second);
    expect(drops(DROP_NO_SA_ENTRY_IKE_BOARD)).toBe(1);
    expect(held()).toBe(0);
  });

  test("overlap discards the packet and what follows of it (RFC 5722)", () => {
    fill(2000, 5);
    expect(nothing(piece4(0, 1000, true))).toBe(true);
    expect(nothing(piece4(992, 2000, false))).toBe(true);
    expect(drops(DROP_FRAGMENT_OVERLAP)).toBe(2);
    expect(held()).toBe(0);
    expect(nothing(piece4(1000, 2000, false))).toBe(true);
    expect(nothing(piece4(0, 1000, true))).toBe(true);
    expect(drops(DROP_FRAGMENT_OVERLAP)).toBe(4);
    // Other octets in the same place.
    expect(nothing(piece6(0, 1000, true))).toBe(true);
    store<u8>(datagram + 500, ~load<u8>(datagram + 500));
    expect(nothing(piece6(0, 1000, true))).toBe(true);
    expect(drops(DROP_FRAGMENT_OVERLAP)).toBe(6);
    expect(held()).toBe(0);
    // When its time is over, the identification may be used anew.
    store<u64>(map + REG_NOW, START + REASSEMBLY_TIME);
    expect(reassemblyTimeout()).toBe(u64.MAX_VALUE);
    expect(nothing(piece4(0, 1000, true))).toBe(true);
    expect(whole(piece4(1000, 2000, false), 20, 2000)).toBe(true);
  });

  test("what contradicts the end discards the packet, too", () => {
    fill(2000, 6);
    nothing(piece4(1000, 1400, false));
    nothing(piece4(1400, 2000, false));
    expect(drops(DROP_FRAGMENT_OVERLAP)).toBe(2);
    nothing(piece4(1000, 1400, false, 8));
    nothing(piece4(1400, 1600, true, 8));
    expect(drops(DROP_FRAGMENT_OVERLAP)).toBe(4);
    nothing(piece4(1000, 1400, true, 9));
    nothing(piece4(8, 800, false, 9));
    expect(drops(DROP_FRAGMENT_OVERLAP)).toBe(6);
    expect(held()).toBe(0);
  });

  test("a duplicate is dropped by itself", () => {
    fill(2000, 7);
    nothing(piece4(1000, 2000, false));
    nothing(piece4(1000, 2000, false));
    expect(drops(DROP_FRAGMENT_DUPLICATE)).toBe(1);
    expect(whole(piece4(0, 1000, true), 20, 2000)).toBe(true);
    expect(held()).toBe(0);
  });

  test("what does not add up harms nobody else: empty, no multiple of 8, beyond 65535", () => {
    fill(2000, 8);
    nothing(piece4(0, 1000, true));
    nothing(piece4(1000, 1000, false));
    nothing(piece4(1000, 1000, true));
    nothing(piece4(1000, 1001, true));
    const beyond = piece4(1000, 1500, false);
    storeBE16(beyond.start + 6, 0x1fff);
    store<u16>(beyond.start, 0, 10);
    storeBE16(beyond.start + 10, ipv4Checksum(beyond.start, 20));
    nothing(beyond);
    nothing(piece6(1000, 1000, false));
    nothing(piece6(1000, 1012, true));
    expect(drops(DROP_FRAGMENT_MALFORMED)).toBe(6);
    expect(held()).toBe(1);
    expect(whole(piece4(1000, 2000, false), 20, 2000)).toBe(true);
  });

  test("tiny fragments: 8 octets each", () => {
    fill(1600, 9);
    for (let at: u32 = 8; at < 1600; at += 8) nothing(piece6(at, at + 8, at + 8 < 1600));
    expect(held()).toBe(1);
    expect(whole(piece6(0, 8, true), 40, 1600)).toBe(true);
    expect(held()).toBe(0);
  });

  test("a packet that fits no frame is given up at once", () => {
    fill(9000, 10);
    nothing(piece4(0, 8000, true));
    const far = piece4(8000, 8800, true);
    storeBE16(far.start + 6, 0x2000 | (9600 >> 3));
    store<u16>(far.start, 0, 10);
    storeBE16(far.start + 10, ipv4Checksum(far.start, 20));
    nothing(far);
    expect(drops(DROP_PACKET_TOO_BIG)).toBe(2);
    expect(held()).toBe(0);
    nothing(piece4(8000, 9000, false));
    expect(drops(DROP_PACKET_TOO_BIG)).toBe(3);
  });

  test("neither ESP, AH nor UDP: not kept", () => {
    const ping = piece4(0, 800, true);
    store<u8>(ping.start, 1, 9);
    store<u16>(ping.start, 0, 10);
    storeBE16(ping.start + 10, ipv4Checksum(ping.start, 20));
    nothing(ping);
    nothing(piece6(800, 1600, true, 1, 58));
    expect(drops(DROP_PROTOCOL_UNKNOWN)).toBe(2);
    expect(held()).toBe(0);
  });

  test("a fragment inside a fragment, and headers without end", () => {
    memory.fill(datagram, 0, 200);
    // Destination options, then another fragment header.
    store<u8>(datagram, 44);
    store<u8>(datagram, 1, 2);
    store<u8>(datagram, 4, 3);
    store<u8>(datagram, 50, 8);
    storeBE16(datagram + 10, 1);
    nothing(piece6(0, 200, false, 4, 60));
    expect(drops(DROP_IPV6_EXTENSION)).toBe(1);
    store<u8>(datagram, 17);
    nothing(piece6(0, 104, true, 5, 17, 256));
    expect(drops(DROP_IPV6_EXTENSION)).toBe(2);
    // It comes out only when all is there.
    store<u8>(datagram, 44);
    nothing(piece6(104, 200, false, 6, 60));
    nothing(piece6(0, 104, true, 6, 60));
    expect(drops(DROP_IPV6_EXTENSION)).toBe(3);
    expect(drops(DROP_IP_FRAGMENT)).toBe(0);
    store<u64>(map + REG_NOW, START + REASSEMBLY_TIME);
    reassemblyTimeout();
    expect(held()).toBe(0);
  });

  test("congestion that one piece met (RFC 3168 5.3)", () => {
    fill(1600, 11);
    nothing(piece4(0, 800, true, 1, PEER, 2));
    const last = piece4(800, 1600, false, 1, PEER, 3);
    expect(forwardUnprotected(last)).toBe(FORWARD_IKE);
    expect(load<u8>(last.start, 1)).toBe(3);
    expect(ipv4Check(last.start, last.length)).toBe(true);
    consume(last);
    nothing(piece4(0, 800, true, 2, PEER, 0));
    nothing(piece4(800, 1600, false, 2, PEER, 3));
    expect(drops(DROP_ECN)).toBe(2);
    expect(held()).toBe(0);
  });

  test("time is over for what does not become whole", () => {
    fill(1600, 12);
    nothing(piece4(0, 800, true, 1));
    store<u64>(map + REG_NOW, START + 1000);
    nothing(piece4(0, 800, true, 2));
    expect(reassemblyTimeout()).toBe(START + REASSEMBLY_TIME);
    store<u64>(map + REG_NOW, START + REASSEMBLY_TIME);
    expect(reassemblyTimeout()).toBe(START + REASSEMBLY_TIME + 1000);
    expect(drops(DROP_FRAGMENT_TIMEOUT)).toBe(1);
    expect(held()).toBe(1);
    expect(whole(piece4(800, 1600, false, 2), 20, 1600)).toBe(true);
    nothing(piece4(800, 1600, false, 1));
    expect(held()).toBe(1);
  });

  test("a source has its share, and all have theirs: the oldest goes", () => {
    fill(1600, 13);
    for (let i: u32 = 0; i <= REASSEMBLY_PER_SOURCE; i++) {
      store<u64>(map + REG_NOW, START + <u64>i);
      nothing(piece4(0, 800, true, 100 + i));
    }
    expect(drops(DROP_FRAGMENT_LIMIT)).toBe(1);
    expect(held()).toBe(REASSEMBLY_PER_SOURCE);
    for (let i: u32 = 0; i < 200; i++) {
      store<u64>(map + REG_NOW, START + 1000 + <u64>i);
      nothing(piece4(0, 800, true, 1, PEER + 100 + i));
    }
    expect(held()).toBe(REASSEMBLY_CONTEXTS);
    expect(drops(DROP_FRAGMENT_LIMIT)).toBe(1 + REASSEMBLY_PER_SOURCE + 200 - REASSEMBLY_CONTEXTS);
    expect(whole(piece4(800, 1600, false, 1, PEER + 299), 20, 1600)).toBe(true);
  });
});

/** The slow twin: for each of PACKETS, an octet each for whether and what is there. */
const PACKETS: u32 = 4;
const PACKET_OCTETS: u32 = 1600;
const twin: usize = memory.data(4 * 1600 * 2, 8);
const twinEnd: usize = memory.data(4 * 4, 4);
const twinDead: usize = memory.data(4, 4);
let seed: u32 = 0;

function random(below: u32): u32 {
  seed = seed * 1664525 + 1013904223;
  return <u32>((<u64>seed * <u64>below) >> 32);
}

/** What RFC 791, RFC 8200 and RFC 5722 make of a piece: 0 kept, 1 the packet is whole, 2 gone by itself, 3 the packet is gone. */
function twinTake(packet: u32, from: u32, to: u32, more: bool, octets: usize): u32 {
  if (load<u8>(twinDead + packet) != 0) return 2;
  const there = twin + <usize>(packet * PACKET_OCTETS * 2);
  const what = there + PACKET_OCTETS;
  const end = load<u32>(twinEnd + (packet << 2));
  let highest: u32 = 0;
  for (let i: u32 = 0; i < PACKET_OCTETS; i++) if (load<u8>(there + i) != 0) highest = i + 1;
  let wrong = !more && (end != 0 ? end != to : highest > to);
  if (more && end != 0 && to >= end) wrong = true;
  let covered: u32 = 0;
  let same = true;
  for (let i = from; i < to; i++) {
    if (load<u8>(there + i) == 0) continue;
    covered += 1;
    if (load<u8>(what + i) != load<u8>(octets + i)) same = false;
  }
  if (!wrong && covered == to - from && same) return 2;
  if (wrong || covered != 0) {
    store<u8>(twinDead + packet, 1);
    return 3;
  }
  for (let i = from; i < to; i++) {
    store<u8>(there + i, 1);
    store<u8>(what + i, load<u8>(octets + i));
  }
  if (!more) store<u32>(twinEnd + (packet << 2), to);
  const total = load<u32>(twinEnd + (packet << 2));
  if (total == 0) return 0;
  for (let i: u32 = 0; i < total; i++) if (load<u8>(there + i) == 0) return 0;
  return 1;
}

function twinClear(packet: u32): void {
  memory.fill(twin + <usize>(packet * PACKET_OCTETS * 2), 0, PACKET_OCTETS * 2);
  store<u32>(twinEnd + (packet << 2), 0);
  store<u8>(twinDead + packet, 0);
}

describe("reassembly against its slow twin", () => {
  test("random pieces of packets in any order, repeated, overlapping and altered", () => {
    let completed: u32 = 0;
    let discarded: u32 = 0;
    for (let round: u32 = 0; round < 400; round++) {
      reset();
      seed = round + 1;
      const six = (round & 1) != 0;
      for (let i: u32 = 0; i < PACKETS; i++) twinClear(i);
      const total: u32 = random(PACKET_OCTETS - 64) + 64;
      const unit: u32 = (random(400) + 8) & ~7;
      // Honest rounds have nothing but the pieces in their places.
      const honest = round % 4 == 0;
      for (let step: u32 = 0; step < 60; step++) {
        const packet = random(PACKETS);
        fill(total, packet);
        let from: u32 = random((total + unit - 1) / unit) * unit;
        let to: u32 = min<u32>(from + unit, total);
        let more: bool = total > to;
        if (!honest && random(12) == 0) {
          from = random(total >> 3) << 3;
          to = min<u32>(total, from + ((random(200) + 8) & ~7));
          more = total > to || random(8) == 0;
          if (more) to = from + ((to - from) & ~7);
        }
        // An atomic fragment, or an empty one, is not the twin's business.
        if (to == from || (from == 0 && !more)) continue;
        if (!honest && random(40) == 0) store<u8>(datagram + from + random(to - from), <u8>random(256));
        // What the packet is when all of it is here: its pieces as they were taken.
        const wanted = twinTake(packet, from, to, more, datagram);
        const frame = six ? piece6(from, to, more, 50 + packet) : piece4(from, to, more, 50 + packet);
        const header: u32 = six ? 40 : 20;
        const lost = allDrops();
        const verdict = forwardUnprotected(frame);
        if (wanted == 1) {
          const end = load<u32>(twinEnd + (packet << 2));
          const octets = twin + <usize>(packet * PACKET_OCTETS * 2) + PACKET_OCTETS;
          // Altered ports or lengths are dropped behind the reassembly, by name.
          if (verdict == FORWARD_IKE) {
            assert(frame.length == header + end, "length");
            assert(memory.compare(frame.start + header, octets, end) == 0, "octets");
            consume(frame);
            completed += 1;
          } else assert(allDrops() == lost + 1 && !honest, "it was whole");
          twinClear(packet);
        } else {
          assert(verdict != FORWARD_IKE, "it is not whole");
          if (wanted == 0) assert(allDrops() == lost, "kept");
          else assert(allDrops() > lost, "dropped");
          if (wanted == 3) discarded += 1;
        }
        assert(held() <= PACKETS, "one frame a packet");
      }
    }
    expect(completed).toBeGreaterThan(300);
    expect(discarded).toBeGreaterThan(50);
  });
});
