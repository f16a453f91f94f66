/** AH (RFC 4302) told a second time: what its ICV sees of a packet, and packets as a peer would seal them. */
import { createCipheriv, createHmac } from "node:crypto";
import { cmac, xcbc } from "./aes_modes.ts";

export const PROTOCOL_AH = 51;
const HOP_BY_HOP = 0;
const DESTINATION_OPTIONS = 60;
const IPV6_EXTENSIONS = [HOP_BY_HOP, 43, DESTINATION_OPTIONS];

/** Appendix A1: type octets of options that do not change. */
const IMMUTABLE_OPTIONS = [130, 133, 134, 148, 149];

/** A packet with zeros where they stand for the ICV (3.3.3.1); where its next layer begins, and which it is. */
export function muted(packet: Buffer): { octets: Buffer; at: number; protocol: number } {
  const ip = Buffer.from(packet);
  if (ip[0]! >>> 4 === 6) {
    ip.writeUInt32BE(0x60000000, 0); // class and flow label
    ip[7] = 0; // hop limit
    let [at, protocol] = [40, ip[6]!];
    while (IPV6_EXTENSIONS.includes(protocol)) {
      const octets = (ip[at + 1]! + 1) * 8;
      if (protocol !== 43) muteOptions6(ip.subarray(at + 2, at + octets));
      protocol = ip[at]!;
      at += octets;
    }
    return { octets: ip, at, protocol };
  }
  const at = (ip[0]! & 15) * 4;
  ip[1] = 0; // TOS
  ip.writeUInt16BE(0, 6); // flags and fragment offset
  ip[8] = 0; // TTL
  ip.writeUInt16BE(0, 10); // checksum
  for (let i = 20; i < at && ip[i] !== 0; ) {
    const octets = ip[i] === 1 ? 1 : ip[i + 1]!;
    if (ip[i] !== 1 && !IMMUTABLE_OPTIONS.includes(ip[i]!)) ip.fill(0, i, i + octets);
    i += octets;
  }
  return { octets: ip, at, protocol: ip[9]! };
}

function muteOptions6(options: Buffer): void {
  for (let i = 0; i < options.length; ) {
    if (options[i] === 0) {
      i += 1;
      continue;
    }
    const octets = options[i + 1]!;
    if (options[i]! & 0x20) options.fill(0, i + 2, i + 2 + octets);
    i += 2 + octets;
  }
}

export interface AhTransform {
  name: string;
  /** IANA's number. */
  integrity: number;
  /** KEYMAT. */
  keymat: Buffer;
  ivOctets: number;
  icvOctets: number;
  /** The ICV of what is covered, of which the IV is part. */
  icv(covered: Buffer, iv: Buffer): Buffer;
}

const keymat = (octets: number): Buffer => Buffer.from(Array.from({ length: octets }, (_, i) => (i * 7 + 3) & 255));

function hmac(name: string, integrity: number, hash: string, keyOctets: number, icvOctets: number): AhTransform {
  const key = keymat(keyOctets);
  const icv = (covered: Buffer): Buffer => createHmac(hash, key).update(covered).digest().subarray(0, icvOctets);
  return { name, integrity, keymat: key, ivOctets: 0, icvOctets, icv };
}

function gmac(bits: 128 | 192 | 256, integrity: number): AhTransform {
  const whole = keymat(bits / 8 + 4);
  const icv = (covered: Buffer, iv: Buffer): Buffer => {
    const nonce = Buffer.concat([whole.subarray(-4), iv]);
    const cipher = createCipheriv(`aes-${bits}-gcm`, whole.subarray(0, -4), nonce).setAAD(covered);
    cipher.final();
    return cipher.getAuthTag();
  };
  return { name: `AES-${bits}-GMAC`, integrity, keymat: whole, ivOctets: 8, icvOctets: 16, icv };
}

export const AH_TRANSFORMS: AhTransform[] = [
  hmac("HMAC-SHA1-96", 2, "sha1", 20, 12),
  hmac("HMAC-SHA2-256-128", 12, "sha256", 32, 16),
  hmac("HMAC-SHA2-384-192", 13, "sha384", 48, 24),
  hmac("HMAC-SHA2-512-256", 14, "sha512", 64, 32),
  {
    ...hmac("AES-XCBC-96", 5, "sha1", 16, 12),
    icv: (covered) => xcbc(keymat(16), covered).subarray(0, 12),
  },
  {
    ...hmac("AES-CMAC-96", 8, "sha1", 16, 12),
    icv: (covered) => cmac(keymat(16), covered).subarray(0, 12),
  },
  gmac(128, 9),
  gmac(192, 10),
  gmac(256, 11),
];

export interface AhFields {
  spi: number;
  sequence: bigint;
  nextHeader: number;
  esn?: boolean;
  /** Octets of the whole header, when another number than the RFC's. */
  octets?: number;
}

/** Octets of a header (2.6). */
export const ahOctets = (t: AhTransform, six: boolean): number => {
  const word = six ? 8 : 4;
  return Math.ceil((12 + t.ivOctets + t.icvOctets) / word) * word;
};

/** A packet of `headers`, which name AH already and count its octets, and a payload, as a peer would seal it. */
export function sealAh(t: AhTransform, headers: Buffer, payload: Buffer, o: AhFields): Buffer {
  const ah = Buffer.alloc(o.octets ?? ahOctets(t, headers[0]! >>> 4 === 6));
  ah[0] = o.nextHeader;
  ah[1] = ah.length / 4 - 2;
  ah.writeUInt32BE(o.spi, 4);
  ah.writeUInt32BE(Number(o.sequence & 0xffffffffn), 8);
  ah.writeBigUInt64BE(0xfeed000000000000n + o.sequence, 12);
  ah.fill(0, 12 + t.ivOctets);
  const packet = Buffer.concat([headers, ah, payload]);
  icvOf(t, packet, headers.length, o.esn ? o.sequence >> 32n : undefined).copy(
    packet,
    headers.length + 12 + t.ivOctets,
  );
  return packet;
}

/** The ICV that a packet with AH at `at` should have. */
export function icvOf(t: AhTransform, packet: Buffer, at: number, sequenceHigh?: bigint): Buffer {
  const covered = muted(packet).octets;
  const iv = Buffer.from(covered.subarray(at + 12, at + 12 + t.ivOctets));
  covered.fill(0, at + 12 + t.ivOctets, at + 12 + t.ivOctets + t.icvOctets);
  const high = Buffer.alloc(sequenceHigh === undefined ? 0 : 4);
  if (sequenceHigh !== undefined) high.writeUInt32BE(Number(sequenceHigh));
  return t.icv(Buffer.concat([covered, high]), iv);
}
