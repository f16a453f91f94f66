/** Addresses of both families in 16 octets: comparison, networks, sources, and what no node sends from. */
import {
  FAMILY_IPV4,
  FAMILY_IPV6,
  IpAddress,
  addressCopy,
  addressFamily,
  addressIpv4,
  addressIsLinkLocal,
  addressIsNone,
  addressOctets,
  addressOnWire,
  addressRead,
  addressSetIpv4,
  addressSource,
  addressTravels,
  addressWhole,
  addressWithin,
} from "../../../assembly/wire/ip_address";
import { storeBE16, storeBE32, storeBE64 } from "../../../assembly/rt/bytes";
import { udpChecksumRight6, udpEmit, udpEmitChecksum6 } from "../../../assembly/wire/udp";
import { ipv6Emit } from "../../../assembly/wire/ipv6";

const octets: usize = memory.data(16, 8);
const first: usize = memory.data(16, 8);
const second: usize = memory.data(16, 8);
const packet: usize = memory.data(128, 8);

function ipv4(at: usize, number: u32): IpAddress {
  const a = changetype<IpAddress>(at);
  addressSetIpv4(a, number);
  return a;
}

/** The address whose halves, read as numbers, are these. */
function ipv6(at: usize, high: u64, low: u64): IpAddress {
  const a = changetype<IpAddress>(at);
  storeBE64(octets, high);
  storeBE64(octets + 8, low);
  assert(addressRead(a, octets, 16));
  return a;
}

describe("IP addresses", () => {
  test("IPv4 stands mapped, and on the wire in four octets", () => {
    const a = ipv4(first, 0xc0000201);
    expect(addressFamily(a)).toBe(FAMILY_IPV4);
    expect(addressOctets(a)).toBe(4);
    expect(addressIpv4(a)).toBe(0xc0000201);
    expect(load<u32>(addressOnWire(a))).toBe(bswap<u32>(0xc0000201));
    const b = ipv6(second, 0, 0x0000ffffc0000201);
    expect(a == b).toBe(true, "the same octets");
    storeBE32(octets, 0xc0000201);
    expect(addressRead(b, octets, 4)).toBe(true);
    expect(a == b).toBe(true);
    expect(addressRead(b, octets, 5)).toBe(false);
    expect(addressRead(b, octets, 0)).toBe(false);
  });

  test("addresses are compared whole, and copied", () => {
    const a = ipv6(first, 0x20010db800000000, 1);
    for (let bit: u64 = 0; bit < 64; bit++) {
      const high = ipv6(second, 0x20010db800000000 ^ ((<u64>1) << bit), 1);
      assert(a != high && !(a == high));
      const low = ipv6(second, 0x20010db800000000, 1 ^ ((<u64>1) << bit));
      assert(a != low && !(a == low));
    }
    const b = changetype<IpAddress>(second);
    addressCopy(b, a);
    expect(a == b).toBe(true);
    expect(addressFamily(b)).toBe(FAMILY_IPV6);
    expect(addressOctets(b)).toBe(16);
    expect(addressOnWire(b)).toBe(second);
  });

  test("a network has the addresses of its family that begin as it does", () => {
    const network = ipv6(first, 0x20010db800000000, 0);
    let wrong = 0;
    for (let prefix: u32 = 0; prefix <= 128; prefix++) {
      // The bit behind the prefix is free, the one before it is not.
      for (let bit: u32 = 0; bit < 128; bit++) {
        const high: u64 = bit < 64 ? (<u64>1) << (63 - bit) : 0;
        const low: u64 = bit < 64 ? 0 : (<u64>1) << (127 - bit);
        const a = ipv6(second, 0x20010db800000000 ^ high, low);
        if (addressWithin(a, network, prefix) != bit >= prefix) wrong += 1;
      }
    }
    const v4 = ipv4(first, 0x0a000000);
    for (let prefix: u32 = 0; prefix <= 32; prefix++) {
      for (let bit: u32 = 0; bit < 32; bit++) {
        if (addressWithin(ipv4(second, 0x0a000000 ^ ((<u32>1) << (31 - bit))), v4, prefix) != bit >= prefix) wrong += 1;
      }
    }
    expect(wrong).toBe(0);
    expect(addressWithin(ipv4(second, 0x0a000000), ipv6(first, 0, 0), 0)).toBe(false, "::/0 has no IPv4");
    expect(addressWithin(ipv6(second, 0, 0), ipv4(first, 0), 0)).toBe(false, "0.0.0.0/0 has no IPv6");
    expect(addressWhole(ipv4(first, 1), 32)).toBe(true);
    expect(addressWhole(ipv4(first, 1), 31)).toBe(false);
    expect(addressWhole(ipv6(first, 1, 1), 128)).toBe(true);
    expect(addressWhole(ipv6(first, 1, 1), 32)).toBe(false);
  });

  test("a /64 is one source, an address of IPv4 another each", () => {
    const a = addressSource(ipv6(first, 0x20010db800010002, 3));
    expect(addressSource(ipv6(first, 0x20010db800010002, 0xfedcba9876543210))).toBe(a);
    expect(addressSource(ipv6(first, 0x20010db800010003, 3)) != a).toBe(true);
    expect(addressSource(ipv4(first, 1)) != addressSource(ipv4(second, 2))).toBe(true);
  });

  test("mapped, unspecified and multicast addresses do not travel; link-local ones are known", () => {
    expect(addressTravels(ipv6(first, 0x20010db800000000, 1))).toBe(true);
    expect(addressTravels(ipv6(first, 0xfe80000000000000, 1))).toBe(true);
    expect(addressTravels(ipv6(first, 0, 0x0000ffffc0000201))).toBe(false);
    expect(addressTravels(ipv6(first, 0, 0))).toBe(false);
    expect(addressIsNone(ipv6(first, 0, 0))).toBe(true);
    expect(addressTravels(ipv6(first, 0xff02000000000000, 1))).toBe(false);
    expect(addressIsLinkLocal(ipv6(first, 0xfe80000000000000, 1))).toBe(true);
    expect(addressIsLinkLocal(ipv6(first, 0xfebf000000000000, 1))).toBe(true);
    expect(addressIsLinkLocal(ipv6(first, 0xfec0000000000000, 1))).toBe(false);
    expect(addressIsLinkLocal(ipv6(first, 0xfd80000000000000, 1))).toBe(false);
  });

  test("over IPv6 a UDP checksum has to be there and right", () => {
    for (let length: u32 = 8; length < 24; length++) {
      memory.fill(packet, 0x5a, 128);
      ipv6Emit(packet, length, 17, first, second, 64, 0, 0);
      udpEmit(packet + 40, 500, 500, length);
      assert(!udpChecksumRight6(packet, packet + 40));
      udpEmitChecksum6(packet, packet + 40);
      assert(udpChecksumRight6(packet, packet + 40));
      for (let at: u32 = 8; at < 40 + length; at++) {
        if (at == 44 || at == 45) continue;
        store<u8>(packet + at, load<u8>(packet + at) ^ 4);
        assert(!udpChecksumRight6(packet, packet + 40), "an octet more or less");
        store<u8>(packet + at, load<u8>(packet + at) ^ 4);
      }
      storeBE16(packet + 46, 0);
      assert(!udpChecksumRight6(packet, packet + 40));
    }
    expect(true).toBe(true);
  });
});
