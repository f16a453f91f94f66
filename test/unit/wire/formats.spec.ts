/** IPv4, UDP, ESP, Ethernet, LLC/SNAP and ICMP: what is emitted checks, numbers of the RFCs, and every cut is refused. */
import { loadBE16, loadBE32, storeBE16, storeBE32 } from "../../../assembly/rt/bytes";
import { espEmitTrailer, espPadding, espTrailerOctets } from "../../../assembly/wire/esp";
import { ethernetDestination, ethernetEmit, ethernetSource, ethernetType } from "../../../assembly/wire/ethernet";
import { icmpEmitFragmentationNeeded, icmpMayAnswer } from "../../../assembly/wire/icmp";
import {
  IPV4_HEADER,
  IPV4_TOS,
  PROTOCOL_ICMP,
  PROTOCOL_UDP,
  ipv4Check,
  ipv4Checksum,
  ipv4Destination,
  ipv4DontFragment,
  ipv4Emit,
  ipv4HeaderOctets,
  ipv4Protocol,
  ipv4SetTos,
  ipv4Source,
  ipv4TotalLength,
} from "../../../assembly/wire/ipv4";
import { llcSnapCheck, llcSnapEmit, llcSnapPid } from "../../../assembly/wire/llc_snap";
import { checksumAdd, checksumFinish } from "../../../assembly/wire/ipv4";
import { udpCheck, udpEmit, udpEmitChecksum } from "../../../assembly/wire/udp";

const p: usize = memory.data(2048, 16);
const q: usize = memory.data(2048, 16);

/** RFC 1071 as its section 4.1 has it, word by word. */
function slowChecksum(from: usize, octets: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < octets; i += 2) {
    sum += (<u32>load<u8>(from + i)) << 8;
    if (i + 1 < octets) sum += <u32>load<u8>(from + i + 1);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

/** Inverts a bit of the octets from p on. */
function flip(bit: u32): void {
  const mask: u32 = 1 << (bit & 7);
  const at = p + (bit >> 3);
  store<u8>(at, <u8>((<u32>load<u8>(at)) ^ mask));
}

let seed: u32 = 1;
function random(): u32 {
  seed = seed * 1664525 + 1013904223;
  return seed >> 8;
}

describe("IPv4", () => {
  it("emits what it checks", () => {
    ipv4Emit(p, 40, PROTOCOL_UDP, 0x0a010203, 0xc0000201, 64, 0xb8, true, 7);
    expect(ipv4Check(p, 40)).toBe(true);
    expect(ipv4HeaderOctets(p)).toBe(20);
    expect(ipv4TotalLength(p)).toBe(40);
    expect(ipv4Protocol(p)).toBe(17);
    expect(ipv4Source(p)).toBe(0x0a010203);
    expect(ipv4Destination(p)).toBe(0xc0000201);
    expect(ipv4DontFragment(p)).toBe(true);
  });

  it("knows the checksum of RFC 1071's example", () => {
    storeBE32(p, 0x0001f203);
    storeBE32(p + 4, 0xf4f5f6f7);
    expect(ipv4Checksum(p, 8)).toBe(0xffff ^ 0xddf2);
  });

  it("sums any length like the slow way", () => {
    for (let i: u32 = 0; i < 300; i++) store<u8>(p + i, <u8>random());
    let wrong = 0;
    for (let n: u32 = 0; n < 300; n++) if (ipv4Checksum(p, n) != slowChecksum(p, n)) wrong += 1;
    expect(wrong).toBe(0);
  });

  it("refuses every cut, version, length and flipped bit", () => {
    let accepted = 0;
    for (let length: u32 = 0; length < 40; length++) {
      ipv4Emit(p, 40, 17, 1, 2, 64, 0, false, 0);
      if (ipv4Check(p, length)) accepted += 1;
    }
    for (let bit: u32 = 0; bit < 160; bit++) {
      ipv4Emit(p, 40, 17, 1, 2, 64, 0, false, 0);
      flip(bit);
      if (ipv4Check(p, 64)) accepted += 1;
    }
    expect(accepted).toBe(0);
    ipv4Emit(p, 19, 17, 1, 2, 64, 0, false, 0);
    expect(ipv4Check(p, 40)).toBe(false, "total length below the header");
  });

  it("changes TOS and keeps the checksum right, for every TOS", () => {
    let wrong = 0;
    for (let from: u32 = 0; from < 256; from += 5) {
      for (let to: u32 = 0; to < 256; to++) {
        ipv4Emit(p, 20, 17, random(), random(), 64, from, false, random());
        ipv4SetTos(p, to);
        if (!ipv4Check(p, 20) || <u32>load<u8>(p, IPV4_TOS) != to) wrong += 1;
      }
    }
    expect(wrong).toBe(0);
  });
});

describe("UDP", () => {
  it("accepts a datagram with octets behind it and refuses cuts", () => {
    udpEmit(p, 500, 4500, 20);
    expect(udpCheck(p, 20)).toBe(true);
    expect(udpCheck(p, 26)).toBe(true);
    expect(udpCheck(p, 19)).toBe(false);
    expect(udpCheck(p, 7)).toBe(false);
    udpEmit(p, 500, 4500, 7);
    expect(udpCheck(p, 20)).toBe(false);
  });

  it("writes a checksum that sums to zero with the pseudo header", () => {
    for (let i: u32 = 0; i < 13; i++) store<u8>(p + 8 + i, <u8>random());
    udpEmit(p, 500, 500, 21);
    udpEmitChecksum(p, 0xc0000201, 0xc0000202);
    storeBE32(q, 0xc0000201);
    storeBE32(q + 4, 0xc0000202);
    storeBE32(q + 8, (17 << 16) | 21);
    expect(checksumFinish(checksumAdd(checksumAdd(0, q, 12), p, 21))).toBe(0);
  });
});

describe("ESP trailer", () => {
  it("pads to the block, and every length comes back", () => {
    let wrong = 0;
    for (let length: u32 = 0; length < 70; length++) {
      const padding = espPadding(length, 4);
      if (((length + padding + 2) & 3) != 0 || padding > 3) wrong += 1;
      espEmitTrailer(p + length, padding, 4);
      if (espTrailerOctets(p + length + padding + 2, length + padding + 2) != padding + 2) wrong += 1;
    }
    expect(wrong).toBe(0);
  });

  it("refuses padding that is not 1, 2, 3.. or leaves the plaintext", () => {
    memory.fill(p, 0, 64);
    espEmitTrailer(p + 4, 10, 4);
    expect(espTrailerOctets(p + 16, 12)).toBe(12);
    expect(espTrailerOctets(p + 16, 11)).toBe(0, "one octet too few");
    store<u8>(p + 9, 5);
    expect(espTrailerOctets(p + 16, 16)).toBe(0, "a wrong octet");
    expect(espTrailerOctets(p + 16, 1)).toBe(0);
    memory.fill(p, 0xff, 64);
    expect(espTrailerOctets(p + 64, 64)).toBe(0, "pad length 255 in 64 octets");
  });
});

describe("Ethernet and LLC/SNAP", () => {
  it("Ethernet: MACs and type", () => {
    ethernetEmit(p, 0x024343000102, 0x024343000304, 0x88b5);
    expect(ethernetDestination(p)).toBe(0x024343000102);
    expect(ethernetSource(p)).toBe(0x024343000304);
    expect(ethernetType(p)).toBe(0x88b5);
    expect(load<u8>(p)).toBe(2);
  });

  it("LLC/SNAP: the octets of RFC 2684 5.1, and nothing else is SNAP", () => {
    llcSnapEmit(p, 0x0800);
    expect(loadBE32(p)).toBe(0xaaaa0300);
    expect(loadBE32(p + 4)).toBe(0x00000800);
    expect(llcSnapCheck(p, 8)).toBe(true);
    expect(llcSnapPid(p)).toBe(0x0800);
    expect(llcSnapCheck(p, 7)).toBe(false);
    let accepted = 0;
    for (let bit: u32 = 0; bit < 48; bit++) {
      llcSnapEmit(p, 0x0800);
      flip(bit);
      if (llcSnapCheck(p, 8)) accepted += 1;
    }
    expect(accepted).toBe(0);
  });
});

describe("ICMP", () => {
  it("says fragmentation needed with the MTU and quotes the packet", () => {
    memory.fill(p, 0x55, 1500);
    ipv4Emit(p, 1500, PROTOCOL_UDP, 0x0a010005, 0x0a020005, 64, 0, true, 9);
    expect(icmpMayAnswer(p, 1500)).toBe(true);
    const length = icmpEmitFragmentationNeeded(q, p, 1500, 0xc0000201, 1446);
    expect(length).toBe(576);
    expect(ipv4Check(q, length)).toBe(true);
    expect(ipv4Destination(q)).toBe(0x0a010005);
    expect(ipv4Protocol(q)).toBe(PROTOCOL_ICMP);
    expect(ipv4Checksum(q + IPV4_HEADER, length - IPV4_HEADER)).toBe(0);
    expect(loadBE16(q + IPV4_HEADER)).toBe(0x0304);
    expect(loadBE16(q + IPV4_HEADER + 6)).toBe(1446);
    expect(memory.compare(q + 28, p, 548)).toBe(0);
  });

  it("does not answer errors, later fragments, multicast", () => {
    ipv4Emit(p, 40, PROTOCOL_ICMP, 0x0a010005, 0x0a020005, 64, 0, true, 9);
    store<u8>(p + 20, 3);
    expect(icmpMayAnswer(p, 40)).toBe(false, "destination unreachable");
    store<u8>(p + 20, 8);
    expect(icmpMayAnswer(p, 40)).toBe(true, "echo");
    storeBE16(p + 6, 100);
    expect(icmpMayAnswer(p, 40)).toBe(false, "later fragment");
    ipv4Emit(p, 40, PROTOCOL_UDP, 0x0a010005, 0xe0000001, 64, 0, true, 9);
    expect(icmpMayAnswer(p, 40)).toBe(false, "to a multicast group");
    ipv4Emit(p, 40, PROTOCOL_UDP, 0xff000005, 0x0a020005, 64, 0, true, 9);
    expect(icmpMayAnswer(p, 40)).toBe(false, "from nowhere");
  });
});
