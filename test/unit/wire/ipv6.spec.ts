/** IPv6, its extension headers and packet too big: what is emitted checks, every cut is refused, every walk ends. */
import { loadBE16, loadBE32, storeBE16, storeBE64 } from "../../../assembly/rt/bytes";
import { PROTOCOL_ICMPV6, icmpv6EmitTooBig, icmpv6MayAnswer } from "../../../assembly/wire/icmpv6";
import { checksumAdd, checksumFinish } from "../../../assembly/wire/ipv4";
import {
  IPV6_HEADER,
  WALK_DONE,
  WALK_ORDER,
  WALK_ROUTED,
  WALK_TOO_MANY,
  WALK_TRUNCATED,
  ipv6Check,
  ipv6Emit,
  ipv6FlowLabel,
  ipv6PseudoSum,
  ipv6SetTrafficClass,
  ipv6TotalLength,
  ipv6TrafficClass,
  ipv6Walk,
  ipv6WalkFragmentOffset,
  ipv6WalkFragmented,
  ipv6WalkHopNextHeaderAt,
  ipv6WalkHopOctets,
  ipv6WalkNextHeaderAt,
  ipv6WalkOctets,
  ipv6WalkProtocol,
} from "../../../assembly/wire/ipv6";

const p: usize = memory.data(2048, 16);
const q: usize = memory.data(2048, 16);
const a: usize = memory.data(16, 16);
const b: usize = memory.data(16, 16);

/** From 2001:db8::5 to 2001:db8::9. */
function packet(nextHeader: u32, payload: u32): void {
  storeBE64(a, 0x20010db800000000);
  storeBE64(a + 8, 5);
  storeBE64(b, 0x20010db800000000);
  storeBE64(b + 8, 9);
  memory.fill(p, 0, 2048);
  ipv6Emit(p, payload, nextHeader, a, b, 61, 0xb9, 0xabcde);
}

/** An extension header of `octets` at `at`. */
function extension(at: u32, next: u32, octets: u32): void {
  store<u8>(p + at, <u8>next);
  store<u8>(p + at + 1, <u8>((octets >> 3) - 1));
}

let seed: u32 = 3;
function random(below: u32): u32 {
  seed = seed * 1664525 + 1013904223;
  return <u32>((<u64>seed * <u64>below) >> 32);
}

describe("IPv6", () => {
  it("emits what it checks", () => {
    packet(17, 20);
    expect(loadBE32(p)).toBe(0x6b9abcde);
    expect(ipv6Check(p, 60)).toBe(true);
    expect(ipv6Check(p, 59)).toBe(false);
    expect(ipv6Check(p, 39)).toBe(false);
    expect(ipv6TotalLength(p)).toBe(60);
    expect(ipv6TrafficClass(p)).toBe(0xb9);
    expect(ipv6FlowLabel(p)).toBe(0xabcde);
    ipv6SetTrafficClass(p, 0x47);
    expect(loadBE32(p)).toBe(0x647abcde);
    store<u8>(p, 0x45);
    expect(ipv6Check(p, 60)).toBe(false);
  });

  it("walks to the next layer, and knows where IPsec headers go", () => {
    packet(6, 20);
    expect(ipv6Walk(p, 60)).toBe(WALK_DONE);
    expect(ipv6WalkProtocol()).toBe(6);
    expect(ipv6WalkOctets()).toBe(40);
    expect(ipv6WalkNextHeaderAt()).toBe(6);
    expect(ipv6WalkHopOctets()).toBe(40);
    // Hop-by-hop 8, destination 16, routing 24 without segments left, destination 8, UDP.
    packet(0, 76);
    extension(40, 60, 8);
    extension(48, 43, 16);
    extension(64, 60, 24);
    extension(88, 17, 8);
    expect(ipv6Walk(p, 116)).toBe(WALK_DONE);
    expect(ipv6WalkProtocol()).toBe(17);
    expect(ipv6WalkOctets()).toBe(96);
    expect(ipv6WalkNextHeaderAt()).toBe(88);
    expect(ipv6WalkHopOctets()).toBe(88);
    expect(ipv6WalkHopNextHeaderAt()).toBe(64);
    expect(ipv6WalkFragmented()).toBe(false);
    store<u8>(p + 67, 1);
    expect(ipv6Walk(p, 116)).toBe(WALK_ROUTED);
  });

  it("destination options alone go behind IPsec headers, AH is a next layer", () => {
    packet(60, 40);
    extension(40, 51, 8);
    extension(48, 6, 24);
    expect(ipv6Walk(p, 80)).toBe(WALK_DONE);
    expect(ipv6WalkProtocol()).toBe(51);
    expect(ipv6WalkHopOctets()).toBe(40);
    expect(ipv6WalkHopNextHeaderAt()).toBe(6);
  });

  it("fragments: the first, a later one, and a whole packet in one", () => {
    packet(44, 40);
    store<u8>(p + 40, 17);
    storeBE16(p + 42, 1);
    expect(ipv6Walk(p, 80)).toBe(WALK_DONE);
    expect(ipv6WalkFragmented()).toBe(true);
    expect(ipv6WalkFragmentOffset()).toBe(0);
    expect(ipv6WalkProtocol()).toBe(17);
    store<u8>(p + 40, 60);
    storeBE16(p + 42, 1 << 3);
    // What would be an extension header too long for the packet is a piece of data here.
    store<u8>(p + 49, 200);
    expect(ipv6Walk(p, 80)).toBe(WALK_DONE);
    expect(ipv6WalkFragmentOffset()).toBe(1);
    expect(ipv6WalkOctets()).toBe(48);
    storeBE16(p + 42, 0);
    expect(ipv6Walk(p, 80)).toBe(WALK_TRUNCATED);
    store<u8>(p + 40, 44);
    expect(ipv6Walk(p, 80)).toBe(WALK_ORDER, "a fragment of a fragment");
  });

  it("is bounded, and refuses hop-by-hop options in the middle", () => {
    packet(60, 200);
    for (let i: u32 = 0; i < 9; i++) extension(40 + 8 * i, 60, 8);
    expect(ipv6Walk(p, 240)).toBe(WALK_TOO_MANY);
    store<u8>(p + 40 + 56, 59);
    expect(ipv6Walk(p, 240)).toBe(WALK_DONE);
    expect(ipv6WalkOctets()).toBe(104);
    store<u8>(p + 40, 0);
    expect(ipv6Walk(p, 240)).toBe(WALK_ORDER);
    packet(60, 4);
    expect(ipv6Walk(p, 44)).toBe(WALK_TRUNCATED);
    packet(60, 8);
    store<u8>(p + 41, 1);
    expect(ipv6Walk(p, 48)).toBe(WALK_TRUNCATED);
  });

  it("ends inside the packet whatever the octets are", () => {
    const kinds: u32[] = [0, 43, 44, 60, 6, 17, 50, 51, 58];
    let wrong = 0;
    for (let round = 0; round < 20000; round++) {
      const payload = random(64);
      packet(kinds[random(9)], payload);
      for (let i: u32 = 0; i < payload; i++) {
        store<u8>(p + 40 + i, <u8>(random(2) ? kinds[random(9)] : random(4)));
      }
      if (ipv6Walk(p, 40 + payload) != WALK_DONE) continue;
      if (ipv6WalkOctets() > 40 + payload || ipv6WalkHopOctets() > ipv6WalkOctets()) wrong += 1;
      if (ipv6WalkNextHeaderAt() >= ipv6WalkOctets()) wrong += 1;
      const named = <u32>load<u8>(p + ipv6WalkNextHeaderAt());
      if (named != ipv6WalkProtocol()) wrong += 1;
    }
    expect(wrong).toBe(0);
  });
});

describe("ICMPv6 packet too big", () => {
  it("is what RFC 4443 3.2 has, with a right checksum", () => {
    packet(17, 1460);
    storeBE64(b, 0x20010db800010000);
    const length = icmpv6EmitTooBig(q, p, 1500, b, 1406);
    expect(length).toBe(1280);
    expect(ipv6Check(q, length)).toBe(true);
    expect(load<u8>(q + 6)).toBe(58);
    expect(memory.compare(q + 8, b, 16)).toBe(0);
    expect(memory.compare(q + 24, a, 16)).toBe(0);
    expect(loadBE16(q + 40)).toBe(0x0200);
    expect(loadBE32(q + 44)).toBe(1406);
    expect(memory.compare(q + 48, p, 1232)).toBe(0);
    // RFC 1071 over the pseudo header as RFC 8200 8.1 draws it, word by word.
    let sum: u32 = 0;
    for (let i: u32 = 8; i < 40; i += 2) sum += loadBE16(q + i);
    sum += 1240 + PROTOCOL_ICMPV6;
    for (let i: u32 = 40; i < 1280; i += 2) sum += loadBE16(q + i);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    expect(sum).toBe(0xffff);
    expect(checksumFinish(checksumAdd(ipv6PseudoSum(q, 1240, 58), q + IPV6_HEADER, 1240))).toBe(0);
  });

  it("answers echo and groups, not errors, redirects and nobody", () => {
    packet(58, 40);
    store<u8>(p + 40, 128);
    expect(icmpv6MayAnswer(p, 80)).toBe(true);
    store<u8>(p + 40, 2);
    expect(icmpv6MayAnswer(p, 80)).toBe(false);
    store<u8>(p + 40, 137);
    expect(icmpv6MayAnswer(p, 80)).toBe(false);
    packet(17, 40);
    store<u8>(p + 24, 0xff);
    expect(icmpv6MayAnswer(p, 80)).toBe(true, "to a group");
    store<u8>(p + 8, 0xff);
    expect(icmpv6MayAnswer(p, 80)).toBe(false);
    memory.fill(p + 8, 0, 16);
    expect(icmpv6MayAnswer(p, 80)).toBe(false);
    store<u8>(p + 23, 1);
    expect(icmpv6MayAnswer(p, 80)).toBe(false);
  });
});
