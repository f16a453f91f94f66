/** The parts of the Linux NICs that need no privilege: the packet ring, the outer headers, batches over loopback. */

import { test } from "uvu";
import * as assert from "uvu/assert";
import { PacketRing, packetRingOctets } from "../../host/nic/linux/packet_ring.ts";
import {
  LEAVES_RAW,
  LEAVES_UDP,
  REFUSED_MALFORMED,
  REFUSED_PROTOCOL,
  emptyOuterHeader,
  formatIpv4,
  headerChecksum,
  parseIpv4,
  readOuterHeader,
  writeDatagramHeader,
} from "../../host/nic/linux/outer_header.ts";
import { routeDestinations } from "../../host/nic/linux/tun.ts";
import { interfaceAddresses, localAddresses } from "../../host/nic/linux/interfaces.ts";
import { NIC_COUNTERS, NIC_COUNTERS_OCTETS, NicCounters, counterIndex } from "../../host/nic/linux/counters.ts";
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

test("header checksum: the numbers of RFC 1071, and a header that verifies to 0", () => {
  assert.is(headerChecksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7), 0, 8), ~0xddf2 & 0xffff);
  const octets = new Uint8Array(64);
  writeDatagramHeader(octets, 4, 10, parseIpv4("192.0.2.2"), 4500, parseIpv4("192.0.2.1"), 500, 0xb9);
  assert.is(headerChecksum(octets, 4, 20), 0);
  assert.equal([...octets.subarray(4, 14)], [0x45, 0xb9, 0, 38, 0, 0, 0, 0, 64, 17]);
  assert.equal([...octets.subarray(16, 32)], [192, 0, 2, 2, 192, 0, 2, 1, 0x11, 0x94, 0x01, 0xf4, 0, 18, 0, 0]);
});

test("a written header reads back", () => {
  const octets = new Uint8Array(28 + 5);
  writeDatagramHeader(octets, 0, 5, parseIpv4("203.0.113.255"), 4500, parseIpv4("198.51.100.7"), 61000, 3);
  const header = emptyOuterHeader();
  assert.is(readOuterHeader(octets, 0, octets.length, header), LEAVES_UDP);
  assert.equal(header, {
    tos: 3,
    dontFragment: false,
    source: parseIpv4("203.0.113.255"),
    destination: parseIpv4("198.51.100.7"),
    sourcePort: 4500,
    destinationPort: 61000,
    payloadAt: 28,
    payloadLength: 5,
  });
});

test("outgoing packets: ESP is raw, other protocols and bad lengths are refused", () => {
  const octets = new Uint8Array(64);
  const header = emptyOuterHeader();
  writeDatagramHeader(octets, 0, 36, 1, 500, 2, 500, 0);
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
  octets[6] = 0x20;
  assert.is(readOuterHeader(octets, 0, 64, header), REFUSED_MALFORMED, "a fragment");
  octets[6] = 0;
  octets[0] = 0x44;
  assert.is(readOuterHeader(octets, 0, 64, header), REFUSED_MALFORMED, "IHL");
  octets[0] = 0x60;
  assert.is(readOuterHeader(octets, 0, 64, header), REFUSED_MALFORMED, "IPv6");
  assert.is(readOuterHeader(octets, 0, 19, header), REFUSED_MALFORMED);
});

test("no content makes readOuterHeader look outside the packet", () => {
  const header = emptyOuterHeader();
  let random = 1;
  for (let i = 0; i < 20000; i++) {
    const length = i % 80;
    const octets = Uint8Array.from({ length }, () => (random = (random * 1103515245 + 12345) & 0x7fffffff) >>> 16);
    if (length > 3 && i % 2 === 0) octets.set([0x45, 0, 0, length]);
    if (length > 9 && i % 4 === 0) octets.set([0, 0, 64, 17], 6);
    const verdict = readOuterHeader(octets, 0, length, header);
    if (verdict > 0) assert.is(header.payloadAt + header.payloadLength, length);
  }
});

test("IPv4 addresses as text", () => {
  assert.is(parseIpv4("255.255.255.254"), 0xfffffffe);
  assert.is(formatIpv4(parseIpv4("10.2.0.255")), "10.2.0.255");
  for (const bad of ["", "1.2.3", "1.2.3.256", "1.2.3.4.5", "a.b.c.d", "1.2.3.-4", "::1"]) {
    assert.throws(() => parseIpv4(bad), RangeError, bad);
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
});

test("counters have distinct names and are shared", () => {
  const memory = new SharedArrayBuffer(NIC_COUNTERS_OCTETS);
  new NicCounters(memory).add(counterIndex("tun_sent"), 3);
  assert.is(new NicCounters(memory).read().tun_sent, 3);
  assert.is(new Set(NIC_COUNTERS).size, NIC_COUNTERS.length);
});

test("recvmmsg and sendmmsg over loopback: octets, sender, TOS, truncation", () => {
  const open = (): { fd: number; port: number } => {
    const fd = libc.socket(libc.AF_INET, libc.SOCK_DGRAM | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, 0);
    assert.ok(fd >= 0);
    libc.setsockopt(fd, libc.IPPROTO_IP, libc.IP_RECVTOS, Uint8Array.of(1, 0, 0, 0), 4);
    for (let port = 40000; port < 41000; port++) {
      const address = Uint8Array.of(libc.AF_INET, 0, port >>> 8, port & 255, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);
      if (libc.bind(fd, address, 16) === 0) return { fd, port };
    }
    throw new Error("no free port");
  };
  const a = open();
  const b = open();
  try {
    const payload = new SharedArrayBuffer(600);
    new Uint8Array(payload).set(packetOf(600, 5));
    const sending = new MessageBatch(8, 0, 0);
    const address = libc.addressOf(payload);
    sending.queue(address, 100, 0x7f000001, b.port, 0xb8);
    sending.queue(address + 100, 200, 0x7f000001, b.port, 0);
    sending.queue(address, 600, 0x7f000001, b.port, 0);
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
    assert.is(receiving.senderAddress(0), 0x7f000001);
    assert.is(receiving.senderPort(0), a.port);
    assert.is(receiving.receive(b.fd), -1);
    assert.is(libc.errno(), libc.EAGAIN);
  } finally {
    libc.close(a.fd);
    libc.close(b.fd);
  }
});

test.run();
