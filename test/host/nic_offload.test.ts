/**
 * Segmentation offload of the TUN device: a superframe is cut into packets that each are what TCP would have sent, and neighbours are joined
 * to the superframe that they were, whatever else stands between them.
 */
import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import { internetSum } from "../../host/nic/linux/checksum.ts";
import { PacketRing, packetRingOctets } from "../../host/nic/linux/packet_ring.ts";
import { ThreadSource } from "../../host/nic/linux/packet_path.ts";
import { TunArrival } from "../../host/nic/linux/tun_arrival.ts";
import { TunDeparture } from "../../host/nic/linux/tun_departure.ts";

const FIN = 1;
const SYN = 2;
const PSH = 8;
const ACK = 16;
const CWR = 128;

/** RFC 1071, the slow way. */
function slowSum(octets: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < octets.length; i += 2) sum += (octets[i]! << 8) | (octets[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

const pseudo = (family: 4 | 6, packet: Buffer, length: number): Buffer =>
  Buffer.concat([
    family === 4 ? packet.subarray(12, 20) : packet.subarray(8, 40),
    Buffer.from([0, 6, length >>> 8, length & 255]),
  ]);

interface Shape {
  family?: 4 | 6;
  sequence?: number;
  flags?: number;
  options?: number;
  identification?: number;
  port?: number;
}

/** A TCP packet with right checksums. */
function tcp(payload: Buffer, shape: Shape = {}): Buffer {
  const { family = 4, sequence = 1000, flags = ACK, options = 12, identification = 7, port = 5201 } = shape;
  const ip = family === 4 ? Buffer.alloc(20) : Buffer.alloc(40);
  const header = Buffer.alloc(20 + options, 1);
  const length = header.length + payload.length;
  if (family === 4) {
    ip[0] = 0x45;
    ip.writeUInt16BE(20 + length, 2);
    ip.writeUInt16BE(identification, 4);
    ip.writeUInt16BE(0x4000, 6);
    ip[8] = 63;
    ip[9] = 6;
    ip.set([10, 1, 0, 2, 10, 2, 0, 2], 12);
    ip.writeUInt16BE(~slowSum(ip) & 0xffff, 10);
  } else {
    ip[0] = 0x60;
    ip.writeUInt16BE(length, 4);
    ip[6] = 6;
    ip[7] = 63;
    ip.fill(0x20, 8, 24);
    ip.fill(0x21, 24, 40);
  }
  header.writeUInt16BE(40000, 0);
  header.writeUInt16BE(port, 2);
  header.writeUInt32BE(sequence, 4);
  header.writeUInt32BE(4711, 8);
  header[12] = ((20 + options) / 4) << 4;
  header[13] = flags;
  header.writeUInt16BE(512, 14);
  header.writeUInt16BE(0, 16);
  header.writeUInt16BE(0, 18);
  header.writeUInt16BE(~slowSum(Buffer.concat([pseudo(family, ip, length), header, payload])) & 0xffff, 16);
  return Buffer.concat([ip, header, payload]);
}

const bytes = (count: number): Buffer => Buffer.from(Array.from({ length: count }, (_, i) => (i * 7 + (i >> 8)) & 255));

/** What the device gives for a superframe: the checksum is that of the pseudo-header alone. */
function superframe(packet: Buffer, segment: number, family: 4 | 6 = 4): Buffer {
  const ip = family === 4 ? 20 : 40;
  const header = Buffer.alloc(10);
  header[0] = 1;
  header[1] = family === 4 ? 1 : 4;
  header.writeUInt16LE(segment, 4);
  header.writeUInt16LE(ip, 6);
  header.writeUInt16LE(16, 8);
  const frame = Buffer.from(packet);
  frame.writeUInt16BE(slowSum(pseudo(family, frame, frame.length - ip)), ip + 16);
  return Buffer.concat([header, frame]);
}

function cut(read: Buffer): Buffer[] {
  const arrival = new TunArrival();
  arrival.octets.set(read, TunArrival.OFFSET);
  const packets: Buffer[] = [];
  const taken = arrival.cut(
    read.length,
    (at, length) => packets.push(Buffer.from(arrival.octets.slice(at, at + length))) > 0,
  );
  assert.equal(taken, packets.length);
  return packets;
}

/** What is written to the device for these packets, call by call: a file takes them one behind the other, told apart by their lengths. */
function written(packets: readonly Buffer[]): { header: Buffer; packet: Buffer }[] {
  const directory = mkdtempSync(join(tmpdir(), "cardcage-tun-"));
  const file = join(directory, "device");
  const fd = openSync(file, "w+");
  try {
    const ring = new PacketRing(new SharedArrayBuffer(packetRingOctets(1 << 20)));
    for (const packet of packets) assert.ok(ring.push(packet));
    const told: number[] = [];
    new TunDeparture(fd, (count) => told.push(count)).send(new ThreadSource(ring));
    assert.equal(
      told.reduce((sum, count) => sum + count, 0),
      packets.length,
    );
    assert.ok(!ring.pending());
    const all = readFileSync(file);
    const frames: { header: Buffer; packet: Buffer }[] = [];
    for (let at = 0; at < all.length; ) {
      const version = all[at + 10]! >>> 4;
      const length = version === 4 ? all.readUInt16BE(at + 12) : all.readUInt16BE(at + 14) + 40;
      frames.push({ header: all.subarray(at, at + 10), packet: all.subarray(at + 10, at + 10 + length) });
      at += 10 + length;
    }
    return frames;
  } finally {
    closeSync(fd);
    rmSync(directory, { recursive: true, force: true });
  }
}

test("the sum of RFC 1071, wherever octets lie and however many they are", () => {
  const memory = new ArrayBuffer(4096);
  const octets = new Uint8Array(memory);
  const words = new Uint32Array(memory);
  octets.set(bytes(4096).map((octet) => octet ^ 0xa5));
  for (let at = 0; at < 9; at++)
    for (const length of [0, 1, 2, 3, 4, 5, 7, 8, 20, 1399, 1400, 4000])
      assert.equal(internetSum(octets, words, at, length) % 0xffff, slowSum(octets.subarray(at, at + length)) % 0xffff);
});

test("the sum of the largest packet with every bit set carries right", () => {
  const memory = new ArrayBuffer(65536);
  const octets = new Uint8Array(memory).fill(0xff);
  const words = new Uint32Array(memory);
  for (const length of [65535, 65534, 65532, 16])
    assert.equal(
      internetSum(octets, words, 0, length) % 0xffff,
      slowSum(octets.subarray(0, length)) % 0xffff,
      `${length}`,
    );
});

for (const family of [4, 6] as const) {
  test(`IPv${family}: a superframe becomes the packets that TCP would have sent`, () => {
    for (const segment of [1348, 1337, 536]) {
      const payload = bytes(10_001);
      const flags = ACK | PSH | FIN | CWR;
      const packets = cut(superframe(tcp(payload, { family, flags }), segment, family));
      const count = Math.ceil(payload.length / segment);
      const wanted = Array.from({ length: count }, (_, i) =>
        tcp(payload.subarray(i * segment, (i + 1) * segment), {
          family,
          sequence: 1000 + i * segment,
          flags: ACK | (i === 0 ? CWR : 0) | (i === count - 1 ? PSH | FIN : 0),
          identification: 7 + i,
        }),
      );
      assert.deepEqual(packets, wanted);
    }
  });

  test(`IPv${family}: packets that follow one another are joined, and cut again are what they were`, () => {
    const payload = bytes(5000);
    const parts = Array.from({ length: 4 }, (_, i) =>
      tcp(payload.subarray(i * 1348, (i + 1) * 1348), {
        family,
        sequence: 0xfffffff0 + i * 1348 > 0xffffffff ? (0xfffffff0 + i * 1348) % 2 ** 32 : 0xfffffff0 + i * 1348,
        flags: ACK | (i === 3 ? PSH : 0),
        identification: 7 + i,
      }),
    );
    const frames = written(parts);
    assert.equal(frames.length, 1);
    assert.equal(frames[0]!.header.readUInt16LE(4), 1348);
    assert.deepEqual(cut(Buffer.concat([frames[0]!.header, frames[0]!.packet])), parts);
  });
}

test("what is not to be joined leaves as it stands, in its order", () => {
  const at = (i: number, shape: Shape = {}): Buffer =>
    tcp(bytes(500), { sequence: 1000 + i * 500, identification: 7 + i, ...shape });
  const damaged = at(1);
  damaged[damaged.length - 1]! ^= 1;
  const cases: Buffer[][] = [
    [at(0), at(2)],
    [at(0), at(1, { port: 5202 })],
    [at(0), at(1, { flags: ACK | FIN })],
    [at(0, { flags: SYN }), at(1)],
    [at(0, { flags: ACK | PSH }), at(1)],
    [at(0), damaged],
    [at(0), tcp(bytes(501), { sequence: 1500, identification: 8 })],
    [at(0), at(1, { options: 0 })],
    [tcp(bytes(0)), tcp(bytes(0))],
    [
      at(0),
      Buffer.concat([Buffer.from([0x45, 0, 0, 24, 0, 0, 0, 0, 64, 17, 0, 0, 10, 1, 0, 2, 10, 2, 0, 2]), bytes(4)]),
    ],
  ];
  for (const packets of cases) {
    const frames = written(packets);
    assert.deepEqual(
      frames.map(({ packet }) => packet),
      packets,
    );
    for (const { header } of frames) assert.deepEqual(header, Buffer.alloc(10));
  }
});

test("a checksum that the device has left open is completed; what lies outside of the packet is refused", () => {
  const whole = tcp(bytes(100));
  const open = superframe(whole, 0);
  open[1] = 0;
  assert.deepEqual(cut(open), [whole]);
  open.writeUInt16LE(2000, 6);
  const arrival = new TunArrival();
  arrival.octets.set(open, TunArrival.OFFSET);
  assert.equal(
    arrival.cut(open.length, () => true),
    -1,
  );
  for (const [at, value] of [
    [1, 5],
    [1, 77],
    [4, 0],
  ] as const) {
    const bad = superframe(whole, 50);
    bad[at] = value;
    arrival.octets.set(bad, TunArrival.OFFSET);
    assert.equal(
      arrival.cut(bad.length, () => true),
      -1,
    );
  }
});

test.run();
