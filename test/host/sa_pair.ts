/**
 * A CHILD_SA of any transform, mode and IP version on an IPsec board's bench, and clear packets for both of its directions, with right
 * checksums: a board that opens transport mode out of UDP reckons them anew (RFC 3948 3.1.2).
 */
import * as assert from "uvu/assert";
import * as CONFIG from "../../assembly/abi/config.ts";
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6, LINK_ATM } from "../../assembly/abi/fabric.ts";
import * as M from "../../assembly/abi/message.ts";
import { PORT_CHANNEL } from "../../assembly/abi/ring.ts";
import { addressOctets } from "../../host/chassis/config.ts";
import type { Build } from "../../host/chassis/image.ts";
import * as B from "./ipsec_bench.ts";

export type Family = 4 | 6;

export interface Setting {
  mode: number;
  outer: Family;
  /** Of transport mode: that of outside. */
  inner: Family;
  /** Encapsulated in UDP (RFC 3948). */
  udp: boolean;
}

const FAMILIES: Family[] = [4, 6];

/** IPv4 and IPv6 in either, in UDP or not. */
export const TUNNELS: Setting[] = FAMILIES.flatMap((outer) =>
  FAMILIES.flatMap((inner) => [false, true].map((udp) => ({ mode: M.MODE_TUNNEL, outer, inner, udp }))),
);
export const TRANSPORTS: Setting[] = FAMILIES.flatMap((family) =>
  [false, true].map((udp) => ({ mode: M.MODE_TRANSPORT, outer: family, inner: family, udp })),
);

export function settingName({ mode, outer, inner, udp }: Setting): string {
  const what = mode === M.MODE_TUNNEL ? `IPv${inner} in IPv${outer}` : `IPv${outer} transport`;
  return udp ? `${what} in UDP` : what;
}

interface Ends {
  local: Buffer;
  remote: Buffer;
}

const six = (address: string): Buffer => Buffer.from(addressOctets(address));

/** The gateway and its peer. */
export const GATEWAYS: Record<Family, Ends> = {
  4: { local: B.be(B.LOCAL, 4), remote: B.be(B.REMOTE, 4) },
  6: { local: six("2001:db8::1"), remote: six("2001:db8::2") },
};
/** A host on the protected side and one beyond the peer. */
export const HOSTS: Record<Family, Ends> = {
  4: { local: B.be(B.INSIDE, 4), remote: B.be(B.OUTSIDE, 4) },
  6: { local: six("fd00:a::5"), remote: six("fd00:b::9") },
};

/** Between whom clear packets go. */
export const endsOf = ({ mode, inner }: Setting): Ends => (mode === M.MODE_TUNNEL ? HOSTS : GATEWAYS)[inner];

export interface Header {
  protocol?: number;
  /** TOS, or traffic class. */
  class?: number;
  label?: number;
  ttl?: number;
  /** Behind the fixed header: IPv4 options, or extension headers, whose last names `protocol`. */
  extra?: Buffer;
  /** What IPv6's fixed header names, when there are extension headers. */
  first?: number;
}

/** An IP packet; its checksum is right. */
export function packet(source: Buffer, destination: Buffer, payload: Buffer, o: Header = {}): Buffer {
  const extra = o.extra ?? Buffer.alloc(0);
  const protocol = o.protocol ?? 17;
  if (source.length === 16) {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(0x60000000 + (o.class ?? 0) * 0x100000 + (o.label ?? 0));
    head.writeUInt16BE(extra.length + payload.length, 4);
    head[6] = o.first ?? protocol;
    head[7] = o.ttl ?? 61;
    return Buffer.concat([head, source, destination, extra, payload]);
  }
  const head = Buffer.concat([
    B.ip(Buffer.alloc(extra.length + payload.length), {
      protocol,
      tos: o.class ?? 0,
      ttl: o.ttl ?? 61,
      source: source.readUInt32BE(),
      destination: destination.readUInt32BE(),
    }).subarray(0, 20),
    extra,
  ]);
  head[0] = 0x40 | (head.length >> 2);
  return Buffer.concat([withChecksum(head), payload]);
}

/** An IPv4 packet or header with the checksum made right. */
export function withChecksum(ip: Buffer): Buffer {
  const octets = (ip[0]! & 15) * 4;
  ip.writeUInt16BE(0, 10);
  ip.writeUInt16BE(B.checksum(ip.subarray(0, octets)), 10);
  return ip;
}

/** A UDP datagram whose checksum covers its addresses. */
export function datagram(source: Buffer, destination: Buffer, body: Buffer): Buffer {
  const udp = B.udp(body, 40001, 40002);
  const pseudo = Buffer.concat([source, destination, B.be(17, 4), B.be(udp.length, 4)]);
  udp.writeUInt16BE(B.checksum(Buffer.concat([pseudo, udp])) || 0xffff, 6);
  return udp;
}

/** A clear packet with `body` in UDP, from the protected side or for it. */
export function clearPacket(setting: Setting, outbound: boolean, body: Buffer, o: Header = {}): Buffer {
  const { local, remote } = endsOf(setting);
  const [source, destination] = outbound ? [local, remote] : [remote, local];
  return packet(source, destination, datagram(source, destination, body), o);
}

/** Where the ESP or AH header of a packet without options or extension headers begins. */
export const sealedAt = ({ outer, udp }: Setting): number => (outer === 4 ? 20 : 40) + (udp ? 8 : 0);

/** A board that has addresses of both IP versions: the gateway's, and the peer's, so that it can stand at either end. */
export const board = (build: Build): B.Bench =>
  new B.Bench(
    build,
    LINK_ATM,
    [GATEWAYS[6].local, GATEWAYS[4].remote, GATEWAYS[6].remote].map((value) => ({
      type: CONFIG.CONFIG_LOCAL_ADDRESS,
      value,
    })),
  );

export interface Transform {
  name: string;
  /** 50 ESP, 51 AH. */
  protocol: number;
  encryption: number;
  keyBits: number;
  integrity: number;
  keymat: Buffer;
}

export interface Numbers {
  extended?: boolean;
  /** Of the last packet before. */
  sequence?: bigint;
  window?: number;
  /** Further SA_FLAG_*. */
  flags?: number;
  /** Added to the SPIs, so that a board may have several. */
  spi?: number;
  /** The peer's end of the same pair: what is outbound there is inbound here. */
  peer?: boolean;
}

function selectors({ mode, inner }: Setting, peer: boolean): Buffer[] {
  const transport = mode === M.MODE_TRANSPORT;
  const { local, remote } = (transport ? GATEWAYS : HOSTS)[inner];
  const ends = peer ? [remote, local] : [local, remote];
  if (inner === 4) {
    return ends.map((address) => {
      const low = address.readUInt32BE();
      return transport ? B.selector(low, low) : B.selector((low & 0xffff0000) >>> 0, (low | 0xffff) >>> 0);
    });
  }
  return ends.map((address) => {
    const network = address.subarray(0, 8);
    return transport
      ? B.selector6(address, address)
      : B.selector6(Buffer.concat([network, Buffer.alloc(8)]), Buffer.concat([network, Buffer.alloc(8, 0xff)]));
  });
}

const spiOf = (direction: number, added = 0): number =>
  (direction === M.DIRECTION_INBOUND ? B.IN_SPI : B.OUT_SPI) + added;

/** Installs an SA for each direction, of SPIs IN_SPI and OUT_SPI. */
export function installPair(b: B.Bench, setting: Setting, transform: Transform, o: Numbers = {}): void {
  const peer = o.peer === true;
  const { local, remote } = GATEWAYS[setting.outer];
  for (const direction of [M.DIRECTION_INBOUND, M.DIRECTION_OUTBOUND]) {
    const record = B.saRecord({
      direction: peer ? 1 - direction : direction,
      spi: spiOf(direction, o.spi),
      mode: setting.mode,
      protocol: transform.protocol,
      encryption: transform.encryption,
      keyBits: transform.keyBits,
      integrity: transform.integrity,
      key: transform.keymat,
      sequence: o.sequence ?? 0n,
      window: o.window ?? 64,
      flags: (o.flags ?? 0) | (o.extended ? M.SA_FLAG_ESN : 0) | (setting.udp ? M.SA_FLAG_UDP_ENCAPSULATION : 0),
    }).subarray(0, M.SA_SELECTORS);
    record[M.SA_FAMILY] = setting.outer;
    (peer ? remote : local).copy(record, M.SA_LOCAL_ADDRESS);
    (peer ? local : remote).copy(record, M.SA_REMOTE_ADDRESS);
    const answer = b.ask(M.MESSAGE_SA_INSTALL, Buffer.concat([record, ...selectors(setting, peer)]));
    const what = `${transform.name}, ${settingName(setting)}: ${answer.fields.join(" ")}`;
    assert.is(answer.type, M.MESSAGE_SA_INSTALLED, what);
  }
}

export function removePair(b: B.Bench, spi = 0, peer = false): void {
  for (const direction of [M.DIRECTION_INBOUND, M.DIRECTION_OUTBOUND]) {
    const named = Buffer.alloc(12);
    named.writeUInt32LE(spiOf(direction, spi), 0);
    named.writeUInt32LE(peer ? 1 - direction : direction, 4);
    named.writeUInt32LE(1, 8);
    b.ask(M.MESSAGE_SA_REMOVE, named);
  }
}

/** Gives the board packets of either IP version, in one batch; what it sends to `side`. */
export function giveAll(b: B.Bench, packets: readonly Buffer[], side: number): Buffer[] {
  for (const octets of packets) {
    const { frame, link } = b.capsule(octets[0]! >> 4 === 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4, octets);
    b.deliver(PORT_CHANNEL, frame, link);
  }
  b.run();
  return b.take(side);
}
