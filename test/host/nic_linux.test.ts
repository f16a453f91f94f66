/** The parts of the Linux NICs that need no privilege: the packet ring, the outer headers, batches over loopback. */

import { test } from "uvu";
import * as assert from "uvu/assert";
import { PacketRing, packetRingOctets } from "../../host/nic/linux/packet_ring.ts";
import {
  LEAVES_RAW,
  LEAVES_UDP,
  REFUSED_MALFORMED,
  REFUSED_PROTOCOL,
  PROTOCOL_ESP,
  PROTOCOL_UDP,
  datagramChecksum6,
  emptyOuterHeader,
  headerChecksum,
  headerOctets,
  readClearHeader,
  readOuterHeader,
  socketKey,
  writeOuterHeader,
} from "../../host/nic/linux/outer_header.ts";
import { routesBeside } from "../../host/nic/linux/bypass_routes.ts";
import { routeDestinations } from "../../host/nic/linux/tun.ts";
import { interfaceAddresses, localAddresses } from "../../host/nic/linux/interfaces.ts";
import { NIC_COUNTERS, NIC_COUNTERS_OCTETS, NicCounters, counterIndex } from "../../host/nic/linux/counters.ts";
import { addressOctets } from "../../host/chassis/config.ts";
import { SharedSockets } from "../../host/nic/linux/shared_sockets.ts";
import { openOuterSockets } from "../../host/nic/linux/sockets.ts";
import type { OuterSocket } from "../../host/nic/linux/sockets.ts";
import { FRAGMENT_OCTETS, fragmentsOf } from "../../host/nic/linux/ah_fragments.ts";
import * as libc from "../../host/nic/linux/libc.ts";
import { MessageBatch } from "../../host/nic/linux/message_batch.ts";

function ring(capacity: number): { producer: PacketRing; consumer: PacketRing } {
  const memory = new SharedArrayBuffer(packetRingOctets(capacity));
  return { producer: new PacketRing(memory), consumer: new PacketRing(memory) };
}

function packetOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (seed * 31 + i * 7) & 0xff);
}

test("a ring gives every packet back whole, in order, across many wraps", () => {
  const { producer, consumer } = ring(4096);
  const expected: Uint8Array[] = [];
  let taken = 0;
  for (let i = 0; i < 5000; i++) {
    const packet = packetOf((i * 37) % 1500, i);
    if (producer.push(packet)) expected.push(packet);
    if (i % 3 !== 2) continue;
    for (let at = consumer.peek(); at >= 0; at = consumer.peek()) {
      assert.equal(consumer.view(at, consumer.length).slice(), expected[taken++]);
    }
    consumer.release();
  }
  assert.ok(taken > 4000, `${taken} packets went through`);
  assert.is(consumer.pending(), taken < expected.length);
});

test("a full ring refuses, and room comes back with release", () => {
  const { producer, consumer } = ring(1024);
  const packet = packetOf(100, 1);
  let pushed = 0;
  while (producer.push(packet)) pushed++;
  assert.is(pushed, Math.floor(1024 / 104));
  assert.is.not(consumer.peek(), -1);
  assert.is(producer.push(packet), false);
  consumer.release();
  assert.is(producer.push(packet), true);
});

test("a packet that exceeds the ring is refused, a reservation may be committed shorter", () => {
  const { producer, consumer } = ring(1024);
  assert.is(producer.push(packetOf(1021, 0)), false);
  const at = producer.reserve(600);
  new Uint8Array(producer.memory).set(packetOf(40, 9), at);
  producer.commit(40);
  assert.is(consumer.peek(), at);
  assert.is(consumer.length, 40);
  assert.is(consumer.peek(), -1);
});

test("ring cursors go on past 2^32", () => {
  const memory = new SharedArrayBuffer(packetRingOctets(1024));
  const cursors = new Int32Array(memory);
  cursors[0] = -8;
  cursors[16] = -8;
  const producer = new PacketRing(memory);
  const consumer = new PacketRing(memory);
  for (let i = 0; i < 10; i++) {
    assert.is(producer.push(packetOf(50, i)), true);
    const at = consumer.peek();
    assert.equal(consumer.view(at, consumer.length).slice(), packetOf(50, i));
    consumer.release();
  }
});

test("a ring's capacity is a power of two", () => {
  assert.throws(() => new PacketRing(new SharedArrayBuffer(packetRingOctets(1500))), /power of two/);
});

/** A packet as the NIC makes it of a message with `payload` octets, each its own place. */
function arrived(
  source: string,
  destination: string,
  protocol: number,
  payload: number,
  tos: number,
  content: readonly number[] = [],
): Uint8Array {
  const from = addressOctets(source);
  const family = from.length === 16 ? 6 : 4;
  const header = headerOctets(family, protocol);
  const octets = new Uint8Array(header + payload + from.length);
  for (let i = 0; i < payload; i++) octets[header + i] = content[i] ?? i & 0xff;
  const sourceAt = header + payload;
  octets.set(from, sourceAt);
  const arrival = {
    octets,
    sourceAt,
    sourcePort: 4500,
    destination: addressOctets(destination),
    destinationPort: 61000,
    tos,
  };
  writeOuterHeader(family, protocol, arrival, 0, payload);
  return octets.subarray(0, sourceAt);
}

test("header checksum: the numbers of RFC 1071, and a header that verifies to 0", () => {
  assert.is(headerChecksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7), 0, 8), ~0xddf2 & 0xffff);
  const octets = arrived("192.0.2.2", "192.0.2.1", PROTOCOL_UDP, 10, 0xb9);
  assert.is(headerChecksum(octets, 0, 20), 0);
  assert.equal([...octets.subarray(0, 10)], [0x45, 0xb9, 0, 38, 0, 0, 0, 0, 64, 17]);
  assert.equal([...octets.subarray(12, 28)], [192, 0, 2, 2, 192, 0, 2, 1, 0x11, 0x94, 0xee, 0x48, 0, 18, 0, 0]);
});

test("over IPv6 the UDP checksum is written, 0 as ffff; a raw socket's ESP gets its header back", () => {
  for (const payload of [0, 1, 8, 9, 1452]) {
    const octets = arrived("2001:db8::2", "2001:db8::1", PROTOCOL_UDP, payload, 0xb9);
    assert.equal([...octets.subarray(0, 8)], [0x6b, 0x90, 0, 0, (payload + 8) >> 8, (payload + 8) & 255, 17, 64]);
    assert.is(datagramChecksum6(octets, 0), 0, `${payload} octets`);
    // By the definition of RFC 1071 once more, octet by octet.
    const pseudo = [...octets.subarray(8, 40), 0, 0, (payload + 8) >> 8, (payload + 8) & 255, 0, 0, 0, 17];
    let sum = 0;
    [...pseudo, ...octets.subarray(40)].forEach((octet, i) => (sum += i & 1 ? octet : octet << 8));
    while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65536);
    assert.is(sum, 0xffff);
  }
  const esp = arrived("2001:db8::2", "2001:db8::1", PROTOCOL_ESP, 20, 3);
  assert.equal([...esp.subarray(0, 8)], [0x60, 0x30, 0, 0, 0, 20, 50, 64]);
  assert.equal(esp.subarray(8, 40), Uint8Array.of(...addressOctets("2001:db8::2"), ...addressOctets("2001:db8::1")));
  assert.is(esp[40 + 19], 19);
  // A payload whose word is what the sum lacks: its checksum is 0, which would say that there is none.
  const lacking = arrived("2001:db8::2", "2001:db8::1", PROTOCOL_UDP, 2, 0);
  const word = 1 + ((lacking[46]! << 8) | lacking[47]!);
  const complete = arrived("2001:db8::2", "2001:db8::1", PROTOCOL_UDP, 2, 0, [word >> 8, word & 255]);
  assert.equal([...complete.subarray(46)], [0xff, 0xff, word >> 8, word & 255]);
  assert.is(datagramChecksum6(complete, 0), 0);
});

test("a written header reads back", () => {
  for (const [source, destination, addresses, payloadAt] of [
    ["203.0.113.255", "198.51.100.7", [12, 16], 28],
    ["2001:db8:1::ffff", "2001:db8:2::7", [8, 24], 48],
  ] as const) {
    const header = emptyOuterHeader();
    const octets = arrived(source, destination, PROTOCOL_UDP, 5, 3);
    assert.is(readOuterHeader(octets, 0, octets.length, header), LEAVES_UDP);
    assert.equal(header, {
      family: payloadAt === 28 ? 4 : 6,
      tos: 3,
      dontFragment: false,
      fragment: false,
      sourceAt: addresses[0],
      destinationAt: addresses[1],
      sourcePort: 4500,
      destinationPort: 61000,
      payloadAt,
      payloadLength: 5,
    });
    const esp = arrived(source, destination, PROTOCOL_ESP, 16, 0);
    assert.is(readOuterHeader(esp, 0, esp.length, header), LEAVES_RAW);
    assert.is(header.payloadLength, 16);
  }
});

test("sockets are told apart by address and port", () => {
  const keys = ["192.0.2.1", "192.0.2.2", "255.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db9::1"].flatMap((address) =>
    [0, 500, 4500].map((port) => socketKey(addressOctets(address), 0, address.includes(":") ? 6 : 4, port)),
  );
  assert.is(new Set(keys).size, 18);
});

test("outgoing IPv6: lengths that do not fit and extension headers are refused", () => {
  const header = emptyOuterHeader();
  const octets = arrived("2001:db8::2", "2001:db8::1", PROTOCOL_UDP, 16, 0);
  assert.is(readOuterHeader(octets, 0, 64, header), LEAVES_UDP);
  assert.is(readOuterHeader(octets, 0, 63, header), REFUSED_MALFORMED);
  assert.is(readOuterHeader(octets, 0, 39, header), REFUSED_MALFORMED);
  octets[45] = 23;
  assert.is(readOuterHeader(octets, 0, 64, header), REFUSED_MALFORMED, "UDP length");
  octets[6] = 44;
  assert.is(readOuterHeader(octets, 0, 64, header), LEAVES_RAW, "a fragment");
  assert.is(header.fragment, true);
  octets[6] = 60;
  assert.is(readOuterHeader(octets, 0, 64, header), REFUSED_PROTOCOL, "options");
});

test("outgoing packets: ESP is raw, other protocols and bad lengths are refused", () => {
  const octets = arrived("0.0.0.1", "0.0.0.2", PROTOCOL_UDP, 36, 0);
  const header = emptyOuterHeader();
  octets[9] = 50;
  octets[6] = 0x40;
  assert.is(readOuterHeader(octets, 0, 64, header), LEAVES_RAW);
  assert.is(header.dontFragment, true);
  assert.is(header.payloadAt, 20);
  octets[9] = 1;
  assert.is(readOuterHeader(octets, 0, 64, header), REFUSED_PROTOCOL);
  octets[9] = 17;
  octets[6] = 0;
  assert.is(readOuterHeader(octets, 0, 64, header), LEAVES_UDP);
  assert.is(readOuterHeader(octets, 0, 63, header), REFUSED_MALFORMED);
  octets[25] = 43;
  assert.is(readOuterHeader(octets, 0, 64, header), REFUSED_MALFORMED, "UDP length");
  octets[25] = 44;
  octets[6] = 0x40;
  assert.is(readOuterHeader(octets, 0, 64, header), LEAVES_UDP);
  assert.is(header.dontFragment, true);
  for (const [first, second] of [
    [0x20, 0],
    [0, 4],
  ] as const) {
    octets.set([first, second], 6);
    for (const protocol of [17, 50, 51]) {
      octets[9] = protocol;
      assert.is(readOuterHeader(octets, 0, 64, header), LEAVES_RAW, "a fragment");
      assert.is(header.fragment, true);
    }
  }
  octets.set([0, 0], 6);
  octets[9] = 17;
  octets[0] = 0x44;
  assert.is(readOuterHeader(octets, 0, 64, header), REFUSED_MALFORMED, "IHL");
  octets[0] = 0x60;
  assert.is(readOuterHeader(octets, 0, 64, header), REFUSED_MALFORMED, "IPv6 by its version alone");
  assert.is(readOuterHeader(octets, 0, 19, header), REFUSED_MALFORMED);
});

test("packets in clear leave whatever their protocol, fragments too, if their lengths fit", () => {
  const header = emptyOuterHeader();
  const octets = arrived("10.1.0.5", "10.2.9.7", PROTOCOL_UDP, 36, 0);
  octets[9] = 6;
  assert.ok(readClearHeader(octets, 0, 64, header));
  assert.equal([header.family, header.destinationAt], [4, 16]);
  octets[9] = 17;
  octets[6] = 0x20;
  assert.ok(readClearHeader(octets, 0, 64, header), "a fragment of a datagram");
  assert.not.ok(readClearHeader(octets, 0, 63, header));
  const six = arrived("fd00:1::5", "fd00:2::7", PROTOCOL_UDP, 16, 0);
  six[6] = 44;
  assert.ok(readClearHeader(six, 0, 64, header));
  assert.equal([header.family, header.destinationAt], [6, 24]);
  assert.not.ok(readClearHeader(six, 0, 0, header));
});

test("the table for packets in clear has the routes of the main one, but those into the TUN device", () => {
  const text = `default via 192.0.2.254 dev eth0 proto dhcp metric 100
10.2.0.0/16 dev cardcage0 scope link
10.3.0.0/16 proto static metric 20
\tnexthop via 192.0.2.9 dev eth0 weight 1
\tnexthop via 192.0.2.10 dev eth0 weight 1
192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.1 linkdown
fd00:9::/64 via 2001:db8::1 dev eth0 proto ra metric 1024 expires 1799sec pref medium
`;
  assert.equal(
    routesBeside(text, "cardcage0").map((words) => words.join(" ")),
    [
      "default via 192.0.2.254 dev eth0 proto dhcp metric 100",
      "10.3.0.0/16 proto static metric 20 nexthop via 192.0.2.9 dev eth0 weight 1 nexthop via 192.0.2.10 dev eth0 weight 1",
      "192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.1",
      "fd00:9::/64 via 2001:db8::1 dev eth0 proto ra metric 1024 pref medium",
    ],
  );
});

test("no content makes readOuterHeader look outside the packet", () => {
  const header = emptyOuterHeader();
  let random = 1;
  for (let i = 0; i < 20000; i++) {
    const length = i % 80;
    const octets = Uint8Array.from({ length }, () => (random = (random * 1103515245 + 12345) & 0x7fffffff) >>> 16);
    if (length > 3 && i % 2 === 0) octets.set([0x45, 0, 0, length]);
    if (length > 9 && i % 4 === 0) octets.set([0, 0, 64, 17], 6);
    if (length >= 40 && i % 3 === 0) octets.set([0x60, 0, 0, 0, 0, length - 40, 17], 0);
    readClearHeader(octets, 0, length, header);
    const verdict = readOuterHeader(octets, 0, length, header);
    if (verdict > 0) assert.is(header.payloadAt + header.payloadLength, length);
  }
});

test("a default route becomes two halves", () => {
  assert.equal(routeDestinations("0.0.0.0/0"), ["0.0.0.0/1", "128.0.0.0/1"]);
  assert.equal(routeDestinations("10.2.0.0/16"), ["10.2.0.0/16"]);
});

test("local addresses: given ones stay, each once; loopback is found but never stands for %any", () => {
  assert.equal(localAddresses(["192.0.2.1", "192.0.2.1", "192.0.2.7"]), ["192.0.2.1", "192.0.2.7"]);
  const external = interfaceAddresses().filter(({ internal }) => !internal);
  if (external.length === 0) assert.throws(() => localAddresses(["%any"]), /no interface/);
  else assert.equal(localAddresses(["%any"]), [...new Set(external.map(({ address }) => address))]);
  assert.not.ok(
    interfaceAddresses().some(({ address }) => address.startsWith("fe80")),
    "link-local ones are none",
  );
});

test("a network stands for those of our addresses that it has, of its family", () => {
  const external = interfaceAddresses().filter(({ internal }) => !internal);
  for (const [network, family] of [
    ["0.0.0.0/0", "ipv4"],
    ["::/0", "ipv6"],
  ]) {
    const own = external.filter((each) => each.family === family).map(({ address }) => address);
    if (own.length === 0) assert.throws(() => localAddresses([network!]), /no interface has such an address/);
    else assert.equal(localAddresses([network!]), [...new Set(own)]);
  }
  assert.throws(() => localAddresses(["2001:db8:dead::/48"]), /2001:db8:dead::\/48: no interface/);
});

test("no socket for a link-local address", () => {
  assert.throws(() => openOuterSockets(["fe80::1"], 500, 4500), /link-local/);
  assert.throws(() => openOuterSockets(["vpn.example"], 500, 4500), RangeError);
});

test("boards' threads see each new table of sockets once, and never half of one", () => {
  const writer = new SharedSockets();
  const reader = new SharedSockets(writer.memory);
  assert.is(reader.changed(), undefined);
  const socket = (fd: number, text: string): OuterSocket => {
    const address = addressOctets(text);
    return { fd, kind: 0, family: address.length === 4 ? 4 : 6, address, port: 4500 };
  };
  for (const sockets of [[socket(7, "192.0.2.1"), socket(8, "2001:db8::1")], [], [socket(9, "192.0.2.9")]]) {
    writer.write(sockets);
    assert.equal(reader.changed(), sockets);
    assert.is(reader.changed(), undefined);
  }
  const many = Array.from({ length: 512 }, (_, i) => socket(1000 + i, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
  writer.write(many);
  assert.is(reader.changed()!.length, 512);
  assert.throws(() => writer.write([...many, ...many, ...many]), RangeError);
  assert.is(reader.changed(), undefined, "what is refused changes nothing");
});

test("counters have distinct names and are shared", () => {
  const memory = new SharedArrayBuffer(NIC_COUNTERS_OCTETS);
  new NicCounters(memory).add(counterIndex("tun_sent"), 3);
  assert.is(new NicCounters(memory).read().tun_sent, 3);
  assert.is(new Set(NIC_COUNTERS).size, NIC_COUNTERS.length);
});

/** A UDP socket on the loopback address of a family, at a port that is free. */
function openLoopback(family: 4 | 6): { fd: number; port: number } {
  const domain = family === 4 ? libc.AF_INET : libc.AF_INET6;
  const fd = libc.socket(domain, libc.SOCK_DGRAM | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, 0);
  assert.ok(fd >= 0);
  if (family === 4) libc.setsockopt(fd, libc.IPPROTO_IP, libc.IP_RECVTOS, Uint8Array.of(1, 0, 0, 0), 4);
  else libc.setsockopt(fd, libc.IPPROTO_IPV6, libc.IPV6_RECVTCLASS, Uint8Array.of(1, 0, 0, 0), 4);
  for (let port = 40000; port < 41000; port++) {
    const address = new Uint8Array(family === 4 ? 16 : 28);
    address.set([domain, 0, port >>> 8, port & 255]);
    address.set(loopback(family), family === 4 ? 4 : 8);
    if (libc.bind(fd, address, address.length) === 0) return { fd, port };
  }
  throw new Error("no free port");
}

const loopback = (family: 4 | 6): Uint8Array => addressOctets(family === 4 ? "127.0.0.1" : "::1");
const hasIpv6 = interfaceAddresses().some(({ address }) => address === "::1");

for (const family of hasIpv6 ? ([4, 6] as const) : ([4] as const)) {
  test(`recvmmsg and sendmmsg over loopback of IPv${family}: octets, sender, TOS, truncation`, () => {
    const a = openLoopback(family);
    const b = openLoopback(family);
    try {
      const payload = new SharedArrayBuffer(600);
      new Uint8Array(payload).set(packetOf(600, 5));
      const sending = new MessageBatch(8, 0, 0);
      const address = libc.addressOf(payload);
      sending.queue(address, 100, family, loopback(family), 0, b.port);
      sending.mark(family, 0xb8);
      sending.queue(address + 100, 200, family, loopback(family), 0, b.port);
      sending.mark(family, 0);
      sending.queue(address, 600, family, loopback(family), 0, b.port);
      assert.is(sending.send(a.fd, 0), 3);
      const receiving = new MessageBatch(8, 544, 32);
      assert.is(receiving.receive(b.fd), 3);
      const got = (i: number): Uint8Array => {
        const at = receiving.dataAt(i);
        return receiving.octets.slice(at, at + receiving.receivedLength(i));
      };
      assert.equal(got(0), packetOf(600, 5).slice(0, 100));
      assert.equal(got(1), packetOf(600, 5).slice(100, 300));
      assert.equal(
        [0, 1, 2].map((i) => receiving.tos(i)),
        [0xb8, 0, 0],
      );
      assert.equal(
        [0, 1, 2].map((i) => receiving.truncated(i)),
        [false, false, true],
      );
      const sender = receiving.senderAt(0);
      assert.equal(receiving.octets.slice(sender, sender + loopback(family).length), loopback(family));
      assert.is(receiving.senderPort(0), a.port);
      assert.is(receiving.receive(b.fd), -1);
      assert.is(libc.errno(), libc.EAGAIN);
    } finally {
      libc.close(a.fd);
      libc.close(b.fd);
    }
  });
}

test("an AH packet in fragments: put together they are the packet, header and all that the ICV covers", () => {
  const packet = packetOf(3001, 5);
  packet.set([0x45, 0x2a, 3001 >> 8, 3001 & 255, 0x12, 0x34, 0, 0, 64, 51, 0, 0]);
  const fragments = fragmentsOf(packet);
  assert.is(fragments.length, 3);
  const together = new Uint8Array(3001);
  fragments.forEach((fragment, i) => {
    assert.ok(fragment.length <= FRAGMENT_OCTETS);
    assert.is(headerChecksum(fragment, 0, 20), 0);
    const words = new DataView(fragment.buffer);
    assert.is(words.getUint16(2), fragment.length);
    assert.is(words.getUint16(6) & 0xe000, i < 2 ? 0x2000 : 0);
    assert.equal(fragment.subarray(4, 6), packet.subarray(4, 6), "the ID");
    assert.equal(fragment.subarray(12, 20), packet.subarray(12, 20));
    together.set(fragment.subarray(20), 20 + (words.getUint16(6) & 0x1fff) * 8);
  });
  assert.equal(together.subarray(20), packet.subarray(20));
  packet[0] = 0x46;
  assert.equal(fragmentsOf(packet), []);
});

test.run();
