/**
 * An IPsec board on a bench: a host plays the IKE board at its channel port and the networks at its two sides. Control messages
 * and ESP packets are made and read with node:crypto, so that both ends of every format are told twice. After every poll all
 * frames are accounted for (Board's conservation).
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import * as assert from "uvu/assert";
import { BOARD_CLASS_IPSEC, POLL_MORE_WORK } from "../../assembly/abi/board.ts";
import * as CONFIG from "../../assembly/abi/config.ts";
import * as M from "../../assembly/abi/message.ts";
import {
  ETHERTYPE_CONTROL,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  LINK_ATM,
  LINK_ETHERNET,
} from "../../assembly/abi/fabric.ts";
import { PORT_CHANNEL } from "../../assembly/abi/ring.ts";
import { Board, DELIVERED } from "../../host/chassis/board.ts";
import { type ConfigItem, encodeItems } from "../../host/chassis/config.ts";
import { type Build, type Image, PAGE_OCTETS, loadImage, loadImageFile, ramPages } from "../../host/chassis/image.ts";

export const SLOT = 3;
export const GENERATION = 7;
export const CONTROL_KEY = Buffer.alloc(32, 0x4b);
export const LOCAL = 0xc0000201; // 192.0.2.1
export const REMOTE = 0xc0000202;
export const INSIDE = 0x0a010005; // 10.1.0.5
export const OUTSIDE = 0x0a020009; // 10.2.0.9
export const IN_SPI = 0x80020001;
export const OUT_SPI = 0x00abcdef;

export const be = (value: number, octets: number): Buffer => {
  const b = Buffer.alloc(octets);
  b.writeUIntBE(value, 0, octets);
  return b;
};

export function checksum(octets: Buffer): number {
  let sum = 0;
  for (let i = 0; i < octets.length; i += 2) sum += (octets[i]! << 8) | (octets[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export interface Ip {
  protocol?: number;
  source?: number;
  destination?: number;
  tos?: number;
  df?: boolean;
  fragment?: number;
  ttl?: number;
}

export function ip(payload: Buffer, o: Ip = {}): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header[1] = o.tos ?? 0;
  header.writeUInt16BE(20 + payload.length, 2);
  header.writeUInt16BE(0x1234, 4);
  header.writeUInt16BE((o.df ? 0x4000 : 0) | (o.fragment ?? 0), 6);
  header[8] = o.ttl ?? 61;
  header[9] = o.protocol ?? 17;
  header.writeUInt32BE((o.source ?? INSIDE) >>> 0, 12);
  header.writeUInt32BE((o.destination ?? OUTSIDE) >>> 0, 16);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, payload]);
}

export const udp = (payload: Buffer, from = 1000, to = 2000): Buffer =>
  Buffer.concat([be(from, 2), be(to, 2), be(8 + payload.length, 2), be(0, 2), payload]);

/** A clear packet from the protected network, or (swapped) one for it. */
export const clear = (octets: number, o: Ip = {}): Buffer => ip(udp(Buffer.alloc(octets, 0x61)), o);
export const arriving = (octets: number, o: Ip = {}): Buffer =>
  clear(octets, { source: OUTSIDE, destination: INSIDE, ...o });

export interface Sa {
  direction?: number;
  spi?: number;
  link?: number;
  key?: Buffer;
  flags?: number;
  window?: number;
  sequence?: bigint;
  lease?: bigint;
  softPackets?: bigint;
  hardPackets?: bigint;
  encryption?: number;
  /** Of the Key Length attribute; without it that of an AES key with a salt of 4 octets. */
  keyBits?: number;
  integrity?: number;
  mode?: number;
  protocol?: number;
  remote?: [number, number];
  ports?: [number, number];
  selectors?: number;
}

export const KEY = Buffer.from("000102030405060708090a0b0c0d0e0f" + "deadbeef", "hex");

export function selector(start: number, end: number, ports: [number, number] = [0, 65535]): Buffer {
  const s = Buffer.alloc(M.SELECTOR_OCTETS);
  s[M.SELECTOR_FAMILY] = 4;
  s.writeUInt16LE(ports[0], M.SELECTOR_START_PORT);
  s.writeUInt16LE(ports[1], M.SELECTOR_END_PORT);
  s.writeUInt32BE(start, M.SELECTOR_START);
  s.writeUInt32BE(end, M.SELECTOR_END);
  return s;
}

export function saRecord(o: Sa = {}): Buffer {
  const key = o.key ?? KEY;
  const r = Buffer.alloc(M.SA_SELECTORS);
  r.writeUInt32LE(o.link ?? 1, M.SA_LINK);
  const outbound = o.direction === M.DIRECTION_OUTBOUND;
  r.writeUInt32LE(o.spi ?? (outbound ? OUT_SPI : IN_SPI), M.SA_SPI);
  r[M.SA_DIRECTION] = o.direction ?? M.DIRECTION_INBOUND;
  r[M.SA_PROTOCOL] = o.protocol ?? 50;
  r[M.SA_MODE] = o.mode ?? M.MODE_TUNNEL;
  r[M.SA_FLAGS] = o.flags ?? 0;
  r.writeUInt16LE(o.encryption ?? 20, M.SA_ENCRYPTION);
  r.writeUInt16LE(o.keyBits ?? (key.length - 4) * 8, M.SA_KEY_BITS);
  r.writeUInt16LE(o.integrity ?? 0, M.SA_INTEGRITY);
  r.writeUInt16LE(o.window ?? 64, M.SA_REPLAY_WINDOW);
  r[M.SA_FAMILY] = 4;
  r[M.SA_LOCAL_TS_COUNT] = 1;
  r[M.SA_REMOTE_TS_COUNT] = 1;
  r.writeUInt16LE(key.length, M.SA_KEYMAT_LENGTH);
  r.writeUInt16LE(4500, M.SA_LOCAL_PORT);
  r.writeUInt16LE(4500, M.SA_REMOTE_PORT);
  r.writeUInt32BE(LOCAL, M.SA_LOCAL_ADDRESS);
  r.writeUInt32BE(REMOTE, M.SA_REMOTE_ADDRESS);
  r.writeBigUInt64LE(o.sequence ?? 0n, M.SA_SEQUENCE);
  r.writeBigUInt64LE(o.lease ?? 0n, M.SA_LEASE);
  r.writeBigUInt64LE(o.softPackets ?? 0n, M.SA_SOFT_PACKETS);
  r.writeBigUInt64LE(o.hardPackets ?? 0n, M.SA_HARD_PACKETS);
  key.copy(r, M.SA_KEYMAT);
  const remote = o.remote ?? [0x0a020000, 0x0a02ffff];
  return Buffer.concat([r, selector(0x0a010000, 0x0a01ffff), selector(remote[0], remote[1], o.ports)]);
}

/** ESP as a peer would seal it. */
export function esp(
  inner: Buffer,
  sequence: bigint,
  o: { spi?: number; key?: Buffer; next?: number; pad?: Buffer; esn?: boolean } = {},
) {
  const key = o.key ?? KEY;
  const padding = o.pad ?? Buffer.from(Array.from({ length: (4 - ((inner.length + 2) & 3)) & 3 }, (_, i) => i + 1));
  const text = Buffer.concat([inner, padding, Buffer.from([padding.length, o.next ?? 4])]);
  const spi = be(o.spi ?? IN_SPI, 4);
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(sequence);
  const low = number.subarray(4);
  const iv = Buffer.from("fedcba9876543210", "hex");
  const cipher = createCipheriv(
    key.length === 20 ? "aes-128-gcm" : "aes-256-gcm",
    key.subarray(0, -4),
    Buffer.concat([key.subarray(-4), iv]),
  );
  cipher.setAAD(Buffer.concat(o.esn ? [spi, number] : [spi, low]));
  const sealed = Buffer.concat([cipher.update(text), cipher.final()]);
  return Buffer.concat([spi, low, iv, sealed, cipher.getAuthTag()]);
}

export const sealedPacket = (payload: Buffer, o: Ip = {}): Buffer =>
  ip(payload, { protocol: 50, source: REMOTE, destination: LOCAL, ...o });

/** Opens what the board sealed; the ESP packet from its SPI on. */
export function open(
  packet: Buffer,
  key = KEY,
  sequenceHigh?: number,
): { inner: Buffer; sequence: number; next: number; iv: bigint } {
  const text = packet.subarray(16, -16);
  const aad =
    sequenceHigh === undefined
      ? packet.subarray(0, 8)
      : Buffer.concat([packet.subarray(0, 4), be(sequenceHigh, 4), packet.subarray(4, 8)]);
  const d = createDecipheriv(
    key.length === 20 ? "aes-128-gcm" : "aes-256-gcm",
    key.subarray(0, -4),
    Buffer.concat([key.subarray(-4), packet.subarray(8, 16)]),
  );
  d.setAAD(aad);
  d.setAuthTag(packet.subarray(-16));
  const plain = Buffer.concat([d.update(text), d.final()]);
  const padding = plain[plain.length - 2]!;
  for (let i = 0; i < padding; i++) assert.is(plain[plain.length - 2 - padding + i], i + 1);
  return {
    inner: plain.subarray(0, plain.length - 2 - padding),
    sequence: packet.readUInt32BE(4),
    next: plain[plain.length - 1]!,
    iv: packet.readBigUInt64BE(8),
  };
}

/** A board with room for another number of CHILD_SAs, of another image, or one that is not looked at after every poll. */
export interface Room {
  childSas?: number;
  image?: Image;
  conservation?: boolean;
}

function standardImage(build: Build): Image {
  const directory = process.env.CARDCAGE_IMAGES;
  return directory ? loadImageFile(`${directory}/ipsec.${build}.wasm`) : loadImage("ipsec", { force: build });
}

/** The host's end of everything that the board is plugged into. */
export class Bench {
  readonly board: Board;
  readonly link: number;
  /** Octets of RAM that the image is given at the least. */
  readonly least: number;
  sequence = 0n;
  heard = 0n;
  now = 1_000_000_000n;
  transaction = 0;
  sent: Buffer[][] = [[], [], [], []];

  constructor(
    build: Build,
    link = LINK_ETHERNET,
    extra: ConfigItem[] = [],
    key: Uint8Array = CONTROL_KEY,
    { childSas, image = standardImage(build), conservation = true }: Room = {},
  ) {
    this.link = link;
    this.least = image.pages.least * PAGE_OCTETS;
    const items: ConfigItem[] = [
      { type: CONFIG.CONFIG_LINK_KIND, value: link },
      { type: CONFIG.CONFIG_IKE_SLOT, value: 0 },
      { type: CONFIG.CONFIG_LOCAL_ADDRESS, value: be(LOCAL, 4) },
      { type: CONFIG.CONFIG_CONTROL_KEY, value: key },
      ...extra,
      ...(childSas === undefined ? [] : [{ type: CONFIG.CONFIG_SA_CAPACITY, value: childSas }]),
    ];
    const power = {
      ...(childSas === undefined ? {} : { pages: ramPages(image, 0, childSas) }),
      slot: SLOT,
      generation: GENERATION,
      boardClass: BOARD_CLASS_IPSEC,
      config: encodeItems(items),
      entropy: new Uint8Array(64),
      traceMask: 0,
      conservation,
    };
    this.board = new Board(image, power, this.now, 0n);
  }

  deliver(port: number, octets: Uint8Array, link = 0): void {
    assert.is(this.board.deliver(port, octets, 0, octets.length, link), DELIVERED);
  }

  /** Polls until nothing is left to do. */
  run(): void {
    let bits: number;
    do {
      bits = this.board.poll(this.now, 0n);
      this.board.drain((port, ram, start, length) => {
        this.sent[port]!.push(Buffer.from(ram.subarray(start, start + length)));
      });
    } while (bits & POLL_MORE_WORK);
    this.board.poll(this.now, 0n);
  }

  /** Delivers a batch and polls until the board has nothing more to do; ns of board time (boardPoll alone). */
  timed(type: number, packets: readonly Buffer[]): number {
    if (packets.length === 0) return 0;
    for (const packet of packets) {
      const { frame, link } = this.capsule(type, packet);
      this.deliver(PORT_CHANNEL, frame, link);
    }
    let nanoseconds = 0n;
    do {
      const began = process.hrtime.bigint();
      this.board.poll(this.now, 0n);
      nanoseconds += process.hrtime.bigint() - began;
      this.board.drain((port, ram, start, length) => {
        this.sent[port]!.push(Buffer.from(ram.subarray(start, start + length)));
      });
    } while (this.board.wantsPoll);
    this.board.poll(this.now, 0n); // takes back what was drained
    return Number(nanoseconds);
  }

  take(port: number): Buffer[] {
    return this.sent[port]!.splice(0);
  }

  drops(reason: number): number {
    return Number(Buffer.from(this.board.drops).readBigUInt64LE(reason * 8));
  }

  capsule(type: number, octets: Buffer): { frame: Buffer; link: number } {
    if (this.link === LINK_ATM) {
      return { frame: Buffer.concat([Buffer.from("aaaa03000000", "hex"), be(type, 2), octets]), link: 32 + SLOT };
    }
    const ethernet = Buffer.concat([
      Buffer.from("024343000003", "hex"),
      Buffer.from("024343000000", "hex"),
      be(type, 2),
    ]);
    const body =
      type === ETHERTYPE_IPV4 ? ip(octets, { protocol: 4, source: 0xa9fe5300, destination: 0xa9fe5303 }) : octets;
    const frame = Buffer.concat([ethernet, body]);
    return { frame: frame.length < 60 ? Buffer.concat([frame, Buffer.alloc(60 - frame.length)]) : frame, link: 0 };
  }

  packet(octets: Buffer): void {
    const { frame, link } = this.capsule(ETHERTYPE_IPV4, octets);
    this.deliver(PORT_CHANNEL, frame, link);
  }

  seal(message: Buffer, sequence: bigint, generation = GENERATION): Buffer {
    const header = Buffer.alloc(16);
    header.writeUInt32LE(SLOT, 0);
    header.writeUInt32LE(generation, 4);
    header.writeBigUInt64LE(sequence, 8);
    const nonce = Buffer.alloc(12);
    nonce.writeBigUInt64LE(sequence, 4);
    const cipher = createCipheriv("aes-256-gcm", CONTROL_KEY, nonce);
    cipher.setAAD(header);
    const sealed = Buffer.concat([cipher.update(message), cipher.final()]);
    return Buffer.concat([header, sealed, cipher.getAuthTag()]);
  }

  message(type: number, body: Buffer = Buffer.alloc(0), version = M.MESSAGE_CURRENT_VERSION): Buffer {
    const header = Buffer.alloc(12);
    header.writeUInt16LE(type, 0);
    header.writeUInt16LE(version, 2);
    header.writeUInt32LE(++this.transaction, 4);
    header.writeUInt32LE(12 + body.length, 8);
    const message = Buffer.concat([header, body]);
    return message.length < 16 ? Buffer.concat([message, Buffer.alloc(16 - message.length)]) : message;
  }

  control(type: number, body?: Buffer): void {
    const { frame, link } = this.capsule(ETHERTYPE_CONTROL, this.seal(this.message(type, body), ++this.sequence));
    this.deliver(PORT_CHANNEL, frame, link);
  }

  /** LOAD messages, as they came. */
  readonly loads: Buffer[] = [];

  /** The messages that the board sent to the IKE board since the last call, but for LOAD. */
  answers(): Buffer[] {
    const messages = this.#opened();
    const isLoad = (message: Buffer): boolean => message.readUInt16LE(0) === M.MESSAGE_LOAD;
    this.loads.push(...messages.filter(isLoad));
    return messages.filter((message) => !isLoad(message));
  }

  #opened(): Buffer[] {
    return this.take(PORT_CHANNEL).map((frame) => {
      const atm = this.link === LINK_ATM;
      const head = frame.subarray(0, atm ? 8 : 14);
      const expected = atm ? "aaaa0300000088b5" : "024343000000" + "024343000003" + "88b5";
      assert.is(head.toString("hex"), expected);
      const sealed = frame.subarray(head.length);
      assert.is(sealed.readUInt32LE(0), SLOT);
      assert.is(sealed.readUInt32LE(4), GENERATION);
      const sequence = sealed.readBigUInt64LE(8);
      assert.ok(sequence > this.heard, "sequence numbers rise");
      this.heard = sequence;
      const nonce = Buffer.alloc(12);
      nonce.writeUInt32LE(1, 0);
      nonce.writeBigUInt64LE(sequence, 4);
      const d = createDecipheriv("aes-256-gcm", CONTROL_KEY, nonce);
      d.setAAD(sealed.subarray(0, 16));
      d.setAuthTag(sealed.subarray(-16));
      const message = Buffer.concat([d.update(sealed.subarray(16, -16)), d.final()]);
      return message.subarray(0, message.readUInt32LE(8));
    });
  }

  /** Sends one request; its answer's type, and the u32 fields behind the header. */
  ask(type: number, body?: Buffer): { type: number; fields: number[]; message: Buffer } {
    this.control(type, body);
    this.run();
    const answers = this.answers();
    assert.is(answers.length, 1);
    const message = answers[0]!;
    assert.is(message.readUInt32LE(4), this.transaction);
    const fields = Array.from({ length: (message.length - 12) >> 2 }, (_, i) => message.readUInt32LE(12 + 4 * i));
    return { type: message.readUInt16LE(0), fields, message };
  }

  install(o: Sa = {}): { type: number; fields: number[] } {
    return this.ask(M.MESSAGE_SA_INSTALL, saRecord(o));
  }

  /** Installs a CHILD_SA: an inbound and an outbound SA. */
  pair(o: Sa = {}): void {
    assert.is(this.install({ ...o, direction: M.DIRECTION_INBOUND }).type, M.MESSAGE_SA_INSTALLED);
    assert.is(this.install({ ...o, direction: M.DIRECTION_OUTBOUND }).type, M.MESSAGE_SA_INSTALLED);
  }

  /** Gives one packet; what came out on a side. */
  pass(packet: Buffer, side: number): Buffer[] {
    this.packet(packet);
    this.run();
    return this.take(side);
  }
}

/** All of IPv6 from `start` to `end`. */
export function selector6(start: Buffer, end: Buffer): Buffer {
  const s = Buffer.alloc(M.SELECTOR_OCTETS);
  s[M.SELECTOR_FAMILY] = 6;
  s.writeUInt16LE(65535, M.SELECTOR_END_PORT);
  start.copy(s, M.SELECTOR_START);
  end.copy(s, M.SELECTOR_END);
  return s;
}

/** Gives the board a packet in a capsule; what it sends to `side`. */
export function give(b: Bench, packet: Buffer, side: number): Buffer[] {
  const { frame, link } = b.capsule(packet[0]! >> 4 === 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4, packet);
  b.deliver(PORT_CHANNEL, frame, link);
  b.run();
  return b.take(side);
}
