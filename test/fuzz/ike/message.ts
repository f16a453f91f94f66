/**
 * IKE messages as a peer makes them (RFC 7296 section 3.1, 3.2, 3.14; RFC 7383): a header, a chain of payloads, and the SK or SKF
 * payload around it. Everything can be wrong that a peer can make wrong: this writes what it is told.
 */
import { ENCR_AES_CBC, ivOctets, open, seal, type Keys } from "./suite.ts";

export const EXCHANGE_IKE_SA_INIT = 34;
export const PAYLOAD_SA = 33;
export const PAYLOAD_KE = 34;
export const PAYLOAD_AUTH = 39;
export const PAYLOAD_NONCE = 40;
export const PAYLOAD_NOTIFY = 41;
export const PAYLOAD_DELETE = 42;
export const PAYLOAD_TSI = 44;
export const PAYLOAD_TSR = 45;
const PAYLOAD_SK = 46;
export const PAYLOAD_SKF = 53;
export const IKE_HEADER = 28;
const PAYLOAD_HEADER = 4;
const FRAGMENT_FIELDS = 4;

export interface Payload {
  type: number;
  /** The octet behind the type of the next one: critical bit and reserved ones. */
  flags: number;
  body: Uint8Array;
  /** What its length field says, when that is not the truth. */
  length?: number;
}

export interface Header {
  spiI: bigint;
  spiR: bigint;
  version: number;
  exchange: number;
  flags: number;
  id: number;
}

/** The payloads of a chain, as far as it holds together. */
export function readChain(first: number, octets: Uint8Array): Payload[] {
  const chain: Payload[] = [];
  let type = first;
  for (let at = 0; type !== 0 && at + PAYLOAD_HEADER <= octets.length; ) {
    const length = (octets[at + 2]! << 8) | octets[at + 3]!;
    if (length < PAYLOAD_HEADER || at + length > octets.length) break;
    chain.push({ type, flags: octets[at + 1]!, body: octets.slice(at + PAYLOAD_HEADER, at + length) });
    type = octets[at]!;
    at += length;
  }
  return chain;
}

/** A chain's octets; the type of the first payload is the caller's to write in front. */
export function writeChain(chain: readonly Payload[], last = 0): Buffer {
  return Buffer.concat(
    chain.flatMap(({ flags, body, length }, i) => {
      const head = Buffer.from([chain[i + 1]?.type ?? last, flags, 0, 0]);
      head.writeUInt16BE((length ?? body.length + PAYLOAD_HEADER) & 0xffff, 2);
      return [head, body];
    }),
  );
}

export function readHeader(message: Buffer): Header {
  return {
    spiI: message.readBigUInt64BE(0),
    spiR: message.readBigUInt64BE(8),
    version: message[17]!,
    exchange: message[18]!,
    flags: message[19]!,
    id: message.readUInt32BE(20),
  };
}

function writeHeader(header: Header, next: number, length: number): Buffer {
  const out = Buffer.alloc(IKE_HEADER);
  out.writeBigUInt64BE(header.spiI, 0);
  out.writeBigUInt64BE(header.spiR, 8);
  out.set([next, header.version, header.exchange, header.flags], 16);
  out.writeUInt32BE(header.id >>> 0, 20);
  out.writeUInt32BE(length, 24);
  return out;
}

/** A message in clear. */
export function plainMessage(header: Header, chain: readonly Payload[]): Buffer {
  const body = writeChain(chain);
  return Buffer.concat([writeHeader(header, chain[0]?.type ?? 0, IKE_HEADER + body.length), body]);
}

/** `content` and padding, to whole blocks. */
function padded(keys: Keys, content: Uint8Array, padLength?: number): Buffer {
  const block = keys.encryption === ENCR_AES_CBC ? 16 : 1;
  const pad = (block - ((content.length + 1) % block)) % block;
  const out = Buffer.concat([content, Buffer.alloc(pad + 1, pad)]);
  if (padLength !== undefined) out[out.length - 1] = padLength;
  return out;
}

/** An IV that is none of the endpoints' own, which count from 0. That it comes twice is nothing that a receiver could tell. */
function ivOf(keys: Keys, { id }: Header): Buffer {
  const iv = Buffer.alloc(ivOctets(keys));
  iv.writeBigUInt64BE(0xf000000000000000n + BigInt(id >>> 0), iv.length - 8);
  return iv;
}

export interface Sealing {
  /** Type of the first inner payload, when that is not the truth. */
  first?: number;
  padLength?: number;
}

function sealed(keys: Keys, header: Header, payload: number, next: number, fields: Uint8Array, plain: Buffer): Buffer {
  const iv = ivOf(keys, header);
  const length = PAYLOAD_HEADER + fields.length + iv.length + plain.length + 16;
  const generic = Buffer.from([next, 0, 0, 0]);
  generic.writeUInt16BE(length & 0xffff, 2);
  return seal(keys, Buffer.concat([writeHeader(header, payload, IKE_HEADER + length), generic, fields]), iv, plain);
}

/** HDR, SK { chain } */
export function sealedMessage(keys: Keys, header: Header, chain: readonly Payload[], how: Sealing = {}): Buffer {
  const first = how.first ?? chain[0]?.type ?? 0;
  const plain = padded(keys, writeChain(chain), how.padLength);
  return sealed(keys, header, PAYLOAD_SK, first, new Uint8Array(0), plain);
}

/** HDR, SKF { a piece of the chain }, as often as `octets` of it in each need. */
export function sealedFragments(keys: Keys, header: Header, chain: readonly Payload[], octets: number): Buffer[] {
  const whole = writeChain(chain);
  const total = Math.max(1, Math.ceil(whole.length / octets));
  return Array.from({ length: total }, (_, i) =>
    sealedFragment(
      keys,
      header,
      i === 0 ? (chain[0]?.type ?? 0) : 0,
      i + 1,
      total,
      whole.subarray(i * octets, (i + 1) * octets),
    ),
  );
}

export function sealedFragment(
  keys: Keys,
  header: Header,
  next: number,
  number: number,
  total: number,
  piece: Uint8Array,
): Buffer {
  const fields = Buffer.alloc(FRAGMENT_FIELDS);
  fields.writeUInt16BE(number & 0xffff, 0);
  fields.writeUInt16BE(total & 0xffff, 2);
  return sealed(keys, header, PAYLOAD_SKF, next, fields, padded(keys, piece));
}

export interface Opened {
  first: number;
  content: Buffer;
  /** Of a fragment. */
  number: number;
  total: number;
}

/** The inside of a protected message, or of a fragment; undefined: it is none, or of other keys. */
export function openMessage(keys: Keys, message: Buffer): Opened | undefined {
  const type = message[16];
  if ((type !== PAYLOAD_SK && type !== PAYLOAD_SKF) || message.length < IKE_HEADER + PAYLOAD_HEADER + FRAGMENT_FIELDS) {
    return undefined;
  }
  const fragment = type === PAYLOAD_SKF;
  const plain = open(keys, message, IKE_HEADER + PAYLOAD_HEADER + (fragment ? FRAGMENT_FIELDS : 0));
  if (plain === undefined) return undefined;
  const content = plain.subarray(0, plain.length - 1 - plain[plain.length - 1]!);
  return {
    first: message[IKE_HEADER]!,
    content,
    number: fragment ? message.readUInt16BE(IKE_HEADER + PAYLOAD_HEADER) : 1,
    total: fragment ? message.readUInt16BE(IKE_HEADER + PAYLOAD_HEADER + 2) : 1,
  };
}

/** A UDP packet around a message, with the marker on port 4500. */
export function datagram(message: Uint8Array, from: number, fromPort: number, to: number, toPort: number): Buffer {
  const marker = fromPort === 4500 || toPort === 4500 ? 4 : 0;
  const out = Buffer.alloc(28 + marker + message.length);
  out[0] = 0x45;
  out.writeUInt16BE(out.length, 2);
  out[8] = 64;
  out[9] = 17;
  out.writeUInt32BE(from, 12);
  out.writeUInt32BE(to, 16);
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += out.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  out.writeUInt16BE(~sum & 0xffff, 10);
  out.writeUInt16BE(fromPort, 20);
  out.writeUInt16BE(toPort, 22);
  out.writeUInt16BE(out.length - 20, 24);
  out.set(message, 28 + marker);
  return out;
}

/** The IKE message in a UDP packet of ours; undefined when it is a keepalive or something else. */
export function messageIn(packet: Buffer): Buffer | undefined {
  const marker = packet.readUInt16BE(20) === 4500 || packet.readUInt16BE(22) === 4500 ? 4 : 0;
  return packet.length >= 28 + marker + IKE_HEADER ? packet.subarray(28 + marker) : undefined;
}
