/**
 * Segmentation offload of UDP: whatever leaves in one piece, and arrives so, is the datagrams that were sent, each whole, marked as it was and in
 * order; and where the kernel refuses, each goes alone.
 */
import { createHash } from "node:crypto";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { addressOctets } from "../../host/chassis/config.ts";
import { NIC_COUNTERS_OCTETS, NicCounters } from "../../host/nic/linux/counters.ts";
import { interfaceAddresses } from "../../host/nic/linux/interfaces.ts";
import * as libc from "../../host/nic/linux/libc.ts";
import { emptyOuterHeader, readOuterHeader, writeOuterHeader } from "../../host/nic/linux/outer_header.ts";
import type { Family } from "../../host/nic/linux/outer_header.ts";
import { MessageBatch } from "../../host/nic/linux/message_batch.ts";
import { OuterReceiver } from "../../host/nic/linux/outer_receiver.ts";
import { OuterSender } from "../../host/nic/linux/outer_sender.ts";
import { PacketRing, packetRingOctets } from "../../host/nic/linux/packet_ring.ts";
import { ArrivalSink, ThreadSource } from "../../host/nic/linux/packet_path.ts";
import { SOCKET_UDP, openDfSocket } from "../../host/nic/linux/sockets.ts";
import type { OuterSocket } from "../../host/nic/linux/sockets.ts";
import { UdpSegmentation } from "../../host/nic/linux/udp_segmentation.ts";

const SO_NO_CHECK = 11;
const families: Family[] = interfaceAddresses().some(({ address }) => address === "::1") ? [4, 6] : [4];
const loopback = (family: Family): Uint8Array => addressOctets(family === 4 ? "127.0.0.1" : "::1");

interface Datagram {
  to: number;
  /** Don't fragment; over IPv4. Default: it may be. */
  df?: boolean;
  tos: number;
  payload: Buffer;
}

/** One sending socket and `count` receiving ones on loopback, with or without UDP_GRO. */
class Ends {
  readonly counters = new NicCounters(new SharedArrayBuffer(NIC_COUNTERS_OCTETS));
  readonly from: OuterSocket;
  /** Of what may not be fragmented; over IPv4. */
  readonly fromDf: OuterSocket | undefined;
  readonly to: OuterSocket[];
  readonly #family: Family;
  readonly #out = new PacketRing(new SharedArrayBuffer(packetRingOctets(1 << 20)));
  readonly #in = new PacketRing(new SharedArrayBuffer(packetRingOctets(1 << 20)));
  readonly #sender = new OuterSender(new ThreadSource(new PacketRing(this.#out.memory)), this.counters);
  readonly #receiver = new OuterReceiver(new ArrivalSink(new PacketRing(this.#in.memory)), this.counters);

  constructor(family: Family, count: number, joined: boolean) {
    this.#family = family;
    this.from = this.#open(false);
    this.to = Array.from({ length: count }, () => this.#open(joined));
    this.fromDf = family === 4 ? openDfSocket(this.from, "127.0.0.1") : undefined;
    this.#sender.use(this.sending);
  }

  get sending(): OuterSocket[] {
    return this.fromDf === undefined ? [this.from] : [this.from, this.fromDf];
  }

  #open(joined: boolean): OuterSocket {
    const family = this.#family;
    const domain = family === 4 ? libc.AF_INET : libc.AF_INET6;
    const fd = libc.socket(domain, libc.SOCK_DGRAM | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, 0);
    assert.ok(fd >= 0);
    const one = Uint8Array.of(1, 0, 0, 0);
    if (family === 4) libc.setsockopt(fd, libc.IPPROTO_IP, libc.IP_RECVTOS, one, 4);
    else libc.setsockopt(fd, libc.IPPROTO_IPV6, libc.IPV6_RECVTCLASS, one, 4);
    if (joined) assert.is(libc.setsockopt(fd, libc.SOL_UDP, libc.UDP_GRO, one, 4), 0, "this kernel has UDP_GRO");
    const address = loopback(family);
    for (let port = 41000; port < 42000; port++) {
      const bound = new Uint8Array(family === 4 ? 16 : 28);
      bound.set([domain, 0, port >>> 8, port & 255]);
      bound.set(address, family === 4 ? 4 : 8);
      if (libc.bind(fd, bound, bound.length) === 0) return { fd, kind: SOCKET_UDP, family, address, port };
    }
    throw new Error("no free port");
  }

  /** Sends datagrams and gives what arrived, by receiver. */
  carry(datagrams: readonly Datagram[]): string[][] {
    for (const { to, tos, payload, df } of datagrams) {
      const header = this.#family === 4 ? 28 : 48;
      const octets = Buffer.alloc(64 + header + payload.length);
      octets.set(loopback(this.#family), 0);
      payload.copy(octets, 64 + header);
      const [sourcePort, destinationPort] = [this.from.port, this.to[to].port];
      const arrival = { octets, sourceAt: 0, sourcePort, destination: loopback(this.#family), destinationPort, tos };
      writeOuterHeader(this.#family, 17, arrival, 64, payload.length);
      if (this.#family === 4) octets[64 + 6] = df ? 0x40 : 0;
      assert.ok(this.#out.push(octets.subarray(64)));
    }
    this.#sender.send();
    return this.to.map((socket) => {
      const arrived: string[] = [];
      while (this.#receiver.receive(socket) > 0) {
        for (let at = this.#in.peek(); at >= 0; at = this.#in.peek()) {
          const packet = Buffer.from(this.#in.view(at, this.#in.length));
          const header = emptyOuterHeader();
          assert.ok(readOuterHeader(packet, 0, packet.length, header) > 0);
          assert.is(header.sourcePort, this.from.port);
          assert.is(header.destinationPort, socket.port);
          const payload = packet.subarray(header.payloadAt, header.payloadAt + header.payloadLength);
          arrived.push(told(header.tos, payload));
        }
        this.#in.release();
      }
      return arrived;
    });
  }

  close(): void {
    for (const { fd } of [...this.sending, ...this.to]) libc.close(fd);
  }
}

/** mulberry32: the same numbers each time. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const filled = (length: number, seed: number): Buffer => {
  const octets = Buffer.alloc(length, seed);
  if (length > 1) octets.writeUInt16BE(length, 0);
  return octets;
};

/** A datagram in few words. */
const told = (tos: number, payload: Buffer): string =>
  `${tos} ${payload.length} ${createHash("md5").update(payload).digest("hex")}`;
const of = (to: number, datagrams: readonly Datagram[]): string[] =>
  datagrams.filter((datagram) => datagram.to === to).map(({ tos, payload }) => told(tos, payload));

for (const family of families) {
  for (const joined of [false, true]) {
    const how = joined ? "takes pieces of several" : "takes one at a time";
    test(`IPv${family}, a receiver that ${how}: a train of full datagrams and a shorter one leaves in one piece`, () => {
      const ends = new Ends(family, 1, joined);
      try {
        const train = Array.from({ length: 41 }, (_, i) => ({
          to: 0,
          tos: 2,
          payload: filled(i < 40 ? 1400 : 700, i),
        }));
        assert.equal(ends.carry(train), [of(0, train)]);
        const { udp_sent, udp_sent_joined, udp_received, udp_received_joined } = ends.counters.read();
        assert.equal([udp_sent, udp_sent_joined], [41, 41]);
        assert.equal([udp_received, udp_received_joined], [41, joined ? 41 : 0]);
      } finally {
        ends.close();
      }
    });

    test(`IPv${family}, a receiver that ${how}: whatever the lengths, marks and peers, each gets its own in order`, () => {
      const next = random(family * 2 + (joined ? 1 : 0));
      const ends = new Ends(family, 2, joined);
      try {
        for (let round = 0; round < 60; round++) {
          const lengths = [0, 1, 64, 64, 64, 1400, 1400, 1400, 1400, 1401, 9000];
          const pick = (): number => lengths[Math.floor(next() * lengths.length)];
          let [to, tos, length, df] = [0, 0, pick(), false];
          const datagrams: Datagram[] = [];
          // As much as a socket buffer of usual size takes.
          for (let i = 0, octets = 0; i < 120 && octets < 50_000; i++, octets += length) {
            if (next() < 0.1) to = 1 - to;
            if (next() < 0.05) tos = tos === 0 ? 0xb8 : 0;
            if (next() < 0.3) length = pick();
            if (next() < 0.05) df = !df;
            datagrams.push({ to, tos, df, payload: filled(length, i) });
          }
          assert.equal(ends.carry(datagrams), [of(0, datagrams), of(1, datagrams)], `round ${round}`);
        }
        assert.ok(ends.counters.read().udp_sent_joined > 0);
      } finally {
        ends.close();
      }
    });
  }
}

test("two sockets have one address and port: one says don't fragment, and all that arrives comes to the other", () => {
  const ends = new Ends(4, 1, false);
  const says = ({ fd }: OuterSocket): number => {
    const value = new Uint8Array(4);
    assert.is(libc.getsockopt(fd, libc.IPPROTO_IP, libc.IP_MTU_DISCOVER, value, Uint8Array.of(4, 0, 0, 0)), 0);
    return value[0];
  };
  try {
    assert.is(says(ends.fromDf!), libc.IP_PMTUDISC_PROBE);
    const both = [true, false, true, true].map((df, i) => ({ to: 0, tos: 0, df, payload: filled(100, i) }));
    assert.equal(ends.carry(both), [of(0, both)]);
    assert.is(ends.counters.read().udp_sent_joined, 2, "what differs in it does not leave together");
    const sending = new MessageBatch(1, 0, 0);
    const answer = libc.addressOf(new Uint8Array(32).fill(7).buffer);
    for (let i = 0; i < 20; i++) {
      sending.queued = 0;
      sending.queue(answer, 32, 4, loopback(4), 0, ends.from.port);
      assert.is(sending.send(ends.to[0].fd, 0), 1);
    }
    const receiving = new MessageBatch(32, 64, 0);
    assert.is(receiving.receive(ends.fromDf!.fd), -1);
    assert.is(receiving.receive(ends.from.fd), 20);
    const address = Uint8Array.of(
      libc.AF_INET,
      0,
      ends.from.port >>> 8,
      ends.from.port & 255,
      127,
      0,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
    );
    const stranger = libc.socket(libc.AF_INET, libc.SOCK_DGRAM | libc.SOCK_CLOEXEC, 0);
    libc.setsockopt(stranger, libc.SOL_SOCKET, libc.SO_REUSEADDR, Uint8Array.of(1, 0, 0, 0), 4);
    assert.is(libc.bind(stranger, address, 16), -1, "nobody else gets the port");
    assert.is(libc.errno(), libc.EADDRINUSE);
    libc.close(stranger);
  } finally {
    ends.close();
  }
});

test("a kernel that refuses to cut gets each datagram alone, and is not asked again for a while", () => {
  const ends = new Ends(4, 1, true);
  try {
    // Without a checksum to be written there is nothing that it would write it anew into.
    libc.setsockopt(ends.from.fd, libc.SOL_SOCKET, SO_NO_CHECK, Uint8Array.of(1, 0, 0, 0), 4);
    const train = Array.from({ length: 60 }, (_, i) => ({ to: 0, tos: 0, payload: filled(1000, i) }));
    for (let round = 0; round < 2; round++) assert.equal(ends.carry(train), [of(0, train)]);
    const { udp_sent, udp_sent_joined } = ends.counters.read();
    assert.equal([udp_sent, udp_sent_joined], [120, 0]);
  } finally {
    ends.close();
  }
});

test("what is joined: as long as the first or the last and shorter, up to 64, up to 65000 octets, and not what has been refused", () => {
  const joined = (lengths: number[], refused?: number): number => {
    const segmentation = new UdpSegmentation();
    if (refused !== undefined) assert.ok(segmentation.refused(libc.EMSGSIZE, refused));
    segmentation.begin(lengths[0]);
    const at = lengths.slice(1).findIndex((length) => !segmentation.joins(length));
    return at < 0 ? lengths.length : at + 1;
  };
  assert.is(joined([100, 100, 100]), 3);
  assert.is(joined([100, 100, 50, 50]), 3);
  assert.is(joined([100, 101]), 1);
  assert.is(joined([0, 0]), 1);
  assert.is(joined(new Array<number>(100).fill(10)), 64);
  assert.is(joined(new Array<number>(100).fill(1400)), 46);
  assert.is(joined([100, 100], 100), 1);
  assert.is(joined([99, 99], 100), 2);
  const other = new UdpSegmentation();
  assert.not.ok(other.refused(libc.ENETUNREACH, 100), "that is no word about segments");
  assert.ok(other.refused(libc.EIO, 100));
  other.begin(1);
  assert.not.ok(other.joins(1), "a device without checksums cuts nothing");
});

test.run();
