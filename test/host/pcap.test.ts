/** Capture files: every container, octet order and link type that is read, and nothing but a CaptureError from files that are not whole. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SeededRandom } from "../../host/chassis/entropy.ts";
import { CaptureError, capturedPacket, isCapture } from "../../host/cli/pcap.ts";
import { packetOfWords } from "../../host/cli/packet.ts";

const PACKET = Buffer.from(packetOfWords(undefined, { src: "10.1.0.5", dst: "10.2.0.9", dport: "53" }));
const PACKET6 = Buffer.from(packetOfWords(undefined, { src: "fd00::1", dst: "fd00::2", proto: "tcp", dport: "80" }));

type Write = (value: number, octets: number) => Buffer;
const writer =
  (little: boolean): Write =>
  (value, octets) => {
    const b = Buffer.alloc(octets);
    if (little) b.writeUIntLE(value, 0, octets);
    else b.writeUIntBE(value, 0, octets);
    return b;
  };

function classic(linkType: number, frames: readonly Buffer[], little = true, magic = 0xa1b2c3d4, cut = 0): Buffer {
  const w = writer(little);
  const head = [w(magic, 4), w(2, 2), w(4, 2), w(0, 8 - 4), w(0, 4), w(65535, 4), w(linkType, 4)];
  return Buffer.concat([
    ...head,
    ...frames.flatMap((f) => [w(1, 4), w(2, 4), w(f.length, 4), w(f.length + cut, 4), f]),
  ]);
}

function block(w: Write, type: number, body: Buffer): Buffer {
  const padded = Buffer.concat([body, Buffer.alloc(-body.length & 3)]);
  return Buffer.concat([w(type, 4), w(padded.length + 12, 4), padded, w(padded.length + 12, 4)]);
}

function nextGeneration(linkTypes: readonly number[], little: boolean, packets: (w: Write) => Buffer[]): Buffer {
  const w = writer(little);
  const section = Buffer.concat([w(0x1a2b3c4d, 4), w(1, 2), w(0, 2), Buffer.alloc(8, 0xff)]);
  return Buffer.concat([
    block(w, 0x0a0d0d0a, section),
    ...linkTypes.map((type) => block(w, 1, Buffer.concat([w(type, 2), w(0, 2), w(0, 4)]))),
    block(w, 4, Buffer.alloc(8)), // a block of another kind
    ...packets(w),
  ]);
}

const enhanced = (w: Write, face: number, f: Buffer): Buffer =>
  block(w, 6, Buffer.concat([w(face, 4), w(0, 4), w(0, 4), w(f.length, 4), w(f.length, 4), f]));

const MACS = Buffer.alloc(12, 2);
const hex = (text: string): Buffer => Buffer.from(text, "hex");
const ETHERNET = Buffer.concat([MACS, hex("0800"), PACKET]);
const ETHERNET6 = Buffer.concat([MACS, hex("8100000a88a8000b86dd"), PACKET6]);
const SUNATM = Buffer.concat([hex("02000021aaaa030000000800"), PACKET]);

test("pcap in both octet orders and resolutions, and every link type", () => {
  for (const little of [true, false]) {
    for (const magic of [0xa1b2c3d4, 0xa1b23c4d]) {
      const file = classic(1, [ETHERNET, ETHERNET6], little, magic);
      assert.equal(capturedPacket(file, 1), PACKET);
      assert.equal(capturedPacket(file, 2), PACKET6);
    }
  }
  const types: [number, Buffer][] = [
    [101, PACKET],
    [228, PACKET],
    [229, PACKET6],
    [0, Buffer.concat([hex("02000000"), PACKET])],
    [113, Buffer.concat([Buffer.alloc(14), hex("86dd"), PACKET6])],
    [276, Buffer.concat([hex("0800"), Buffer.alloc(18), PACKET])],
    [123, SUNATM],
  ];
  for (const [type, frame] of types) {
    const packet = capturedPacket(classic(type, [frame]), 1);
    assert.equal(packet, packet[0] === 0x60 ? PACKET6 : PACKET, `link type ${type}`);
  }
});

test("pcapng: several interfaces and sections, all three packet blocks", () => {
  for (const little of [true, false]) {
    const file = nextGeneration([1, 123], little, (w) => [
      enhanced(w, 1, SUNATM),
      enhanced(w, 0, ETHERNET6),
      block(w, 3, Buffer.concat([w(ETHERNET.length, 4), ETHERNET])),
      block(
        w,
        2,
        Buffer.concat([w(1, 2), w(0, 2), w(0, 8 - 4), w(0, 4), w(SUNATM.length, 4), w(SUNATM.length, 4), SUNATM]),
      ),
    ]);
    const both = Buffer.concat([file, nextGeneration([101], !little, (w) => [enhanced(w, 0, PACKET6)])]);
    assert.equal(
      [1, 2, 3, 4, 5].map((n) => capturedPacket(both, n)),
      [PACKET, PACKET6, PACKET, PACKET, PACKET6],
    );
  }
});

test("what cannot be said of a frame is said", () => {
  const fails = (file: Buffer, number: number, message: RegExp): void =>
    assert.throws(
      () => capturedPacket(file, number),
      (error: Error) => error instanceof CaptureError && message.test(error.message),
    );
  fails(Buffer.from("hello, this is no capture file"), 1, /neither pcap nor pcapng/);
  fails(classic(1, [ETHERNET]), 2, /no frame 2: the file has 1/);
  fails(classic(1, [ETHERNET], true, 0xa1b2c3d4, 60), 1, /cut off: 98 of 158 octets/);
  fails(classic(1, [Buffer.concat([MACS, hex("0806"), Buffer.alloc(28)])]), 1, /holds no IP packet/);
  fails(classic(147, [PACKET]), 1, /link type 147/);
  fails(classic(1, [ETHERNET]).subarray(0, -3), 1, /ends within a frame/);
  fails(
    nextGeneration([], true, (w) => [enhanced(w, 0, PACKET)]),
    1,
    /interface that is not described/,
  );
});

test("files damaged at random give a packet or a CaptureError, and end", () => {
  const random = new SeededRandom(4);
  const files = [
    classic(1, [ETHERNET, ETHERNET6]),
    nextGeneration([1, 123], true, (w) => [enhanced(w, 1, SUNATM), enhanced(w, 0, ETHERNET)]),
  ];
  for (let i = 0; i < 20_000; i++) {
    const file = Buffer.from(files[i & 1]!);
    for (let n = random.below(4); n >= 0; n--) file[random.below(file.length)] = random.below(256);
    const cut = file.subarray(0, random.next() < 0.3 ? random.below(file.length) : file.length);
    if (!isCapture(cut)) continue;
    try {
      capturedPacket(cut, 1 + random.below(3));
    } catch (error) {
      assert.instance(error, CaptureError);
    }
  }
});

test.run();
