/**
 * The IKEv2 message: header and chain of payloads (RFC 7296 section 3.1, 3.2).
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +---------------------------------------------------------------+
 *   |                 IKE SA initiator's SPI, 8 octets              |
 *   +---------------------------------------------------------------+
 *   |                 IKE SA responder's SPI, 8 octets              |
 *   +---------------+-------+-------+---------------+---------------+
 *   | Next payload  | Major | Minor | Exchange type |  Flags X R V I |
 *   +---------------+-------+-------+---------------+---------------+
 *   |                          Message ID                           |
 *   +---------------------------------------------------------------+
 *   |                            Length                             |
 *   +---------------+-+-------------+-------------------------------+
 *   | Next payload  |C|  reserved   |  Payload length, this included | ...
 *   +---------------+-+-------------+-------------------------------+
 *
 * One bounds-checked walk validates a whole chain before anything in it is used. Refuses chains of more than
 * PAYLOADS_MAX payloads, and knows nothing of the payloads' insides: ike_payload/*.ts does.
 */
import { loadBE16, loadBE32, storeBE16, storeBE32 } from "../rt/bytes";

export const IKE_SPI_I: u32 = 0;
export const IKE_SPI_R: u32 = 8;
export const IKE_NEXT_PAYLOAD: u32 = 16;
export const IKE_VERSION: u32 = 17;
export const IKE_EXCHANGE_TYPE: u32 = 18;
export const IKE_FLAGS: u32 = 19;
export const IKE_MESSAGE_ID: u32 = 20;
export const IKE_LENGTH: u32 = 24;
export const IKE_HEADER: u32 = 28;
export const IKE_SPI_OCTETS: u32 = 8;

export const IKE_VERSION_2: u32 = 0x20;

export const EXCHANGE_IKE_SA_INIT: u32 = 34;
export const EXCHANGE_IKE_AUTH: u32 = 35;
export const EXCHANGE_CREATE_CHILD_SA: u32 = 36;
export const EXCHANGE_INFORMATIONAL: u32 = 37;
export const EXCHANGE_IKE_INTERMEDIATE: u32 = 43; // RFC 9242
export const EXCHANGE_IKE_FOLLOWUP_KE: u32 = 44; // RFC 9370

export const IKE_FLAG_INITIATOR: u32 = 0x08;
export const IKE_FLAG_VERSION: u32 = 0x10;
export const IKE_FLAG_RESPONSE: u32 = 0x20;

export const PAYLOAD_NONE: u32 = 0;
export const PAYLOAD_SA: u32 = 33;
export const PAYLOAD_KE: u32 = 34;
export const PAYLOAD_IDI: u32 = 35;
export const PAYLOAD_IDR: u32 = 36;
export const PAYLOAD_CERT: u32 = 37;
export const PAYLOAD_CERTREQ: u32 = 38;
export const PAYLOAD_AUTH: u32 = 39;
export const PAYLOAD_NONCE: u32 = 40;
export const PAYLOAD_NOTIFY: u32 = 41;
export const PAYLOAD_DELETE: u32 = 42;
export const PAYLOAD_VENDOR: u32 = 43;
export const PAYLOAD_TSI: u32 = 44;
export const PAYLOAD_TSR: u32 = 45;
export const PAYLOAD_SK: u32 = 46;
export const PAYLOAD_CP: u32 = 47;
export const PAYLOAD_EAP: u32 = 48;
export const PAYLOAD_SKF: u32 = 53;

export const PAYLOAD_CRITICAL: u32 = 1;
export const PAYLOAD_FLAGS: u32 = 1;
export const PAYLOAD_LENGTH: u32 = 2;
export const PAYLOAD_HEADER: u32 = 4;

/** Payloads in one message; more is malformed. */
export const PAYLOADS_MAX: u32 = 64;

/** What ikeCheck and payloadsWalk say. */
export const WALK_OK: u32 = 0;
export const WALK_MALFORMED: u32 = 1;
export const WALK_CRITICAL: u32 = 2; // an unknown payload with the critical bit: payloadsCritical() is its type

/** True when `length` octets are an IKE header whose Length is exactly the datagram. The version is the caller's to judge. */
export function ikeCheck(p: usize, length: u32): bool {
  return length >= IKE_HEADER && loadBE32(p + IKE_LENGTH) == length;
}

// @ts-ignore: decorator
@inline
export function ikeExchange(p: usize): u32 {
  return <u32>load<u8>(p, IKE_EXCHANGE_TYPE);
}

// @ts-ignore: decorator
@inline
export function ikeFlags(p: usize): u32 {
  return <u32>load<u8>(p, IKE_FLAGS);
}

// @ts-ignore: decorator
@inline
export function ikeMessageId(p: usize): u32 {
  return loadBE32(p + IKE_MESSAGE_ID);
}

/** The payloads of the message in hand: type u32, body address u32, body length u32. */
const ENTRY: usize = 12;
const entries: usize = memory.data(PAYLOADS_MAX * 12, 16);
let count: u32 = 0;
let critical: u32 = 0;

/** Forgets the payloads of the last message. */
export function payloadsClear(): void {
  count = 0;
  critical = 0;
}

function known(type: u32): bool {
  return (type >= PAYLOAD_SA && type <= PAYLOAD_EAP) || type == PAYLOAD_SKF;
}

/**
 * Walks the chain from a payload of type `first` at `p` up to exactly `end` and appends it to the list. The SK payload
 * ends the chain: its next payload field names its first inner payload (RFC 7296 3.14).
 */
export function payloadsWalk(first: u32, p: usize, end: usize): u32 {
  let type = first;
  while (type != PAYLOAD_NONE) {
    if (end - p < PAYLOAD_HEADER) return WALK_MALFORMED;
    const length = loadBE16(p + PAYLOAD_LENGTH);
    if (length < PAYLOAD_HEADER || <usize>length > end - p) return WALK_MALFORMED;
    if (!known(type)) {
      if ((load<u8>(p, PAYLOAD_FLAGS) & 0x80) != 0) {
        critical = type;
        return WALK_CRITICAL;
      }
    } else {
      if (count >= PAYLOADS_MAX) return WALK_MALFORMED;
      const entry = entries + <usize>count * ENTRY;
      store<u32>(entry, type);
      store<u32>(entry + 4, <u32>p + PAYLOAD_HEADER);
      store<u32>(entry + 8, length - PAYLOAD_HEADER);
      count += 1;
    }
    const next = <u32>load<u8>(p);
    p += length;
    if (type == PAYLOAD_SK || type == PAYLOAD_SKF) break;
    type = next;
  }
  return p == end ? WALK_OK : WALK_MALFORMED;
}

/** Type of the payload that ended payloadsWalk with WALK_CRITICAL. */
export function payloadsCritical(): u32 {
  return critical;
}

export function payloadsCount(): u32 {
  return count;
}

export function payloadType(i: u32): u32 {
  return load<u32>(entries + <usize>i * ENTRY);
}

export function payloadBody(i: u32): usize {
  return <usize>load<u32>(entries + <usize>i * ENTRY + 4);
}

export function payloadLength(i: u32): u32 {
  return load<u32>(entries + <usize>i * ENTRY + 8);
}

/** Index of the first payload of `type` at or behind index `from`, or -1. */
export function payloadFind(type: u32, from: u32 = 0): i32 {
  for (let i = from; i < count; i++) if (payloadType(i) == type) return <i32>i;
  return -1;
}

/** How many payloads of `type` there are. */
export function payloadsOf(type: u32): u32 {
  let n: u32 = 0;
  for (let i: u32 = 0; i < count; i++) if (payloadType(i) == type) n += 1;
  return n;
}

/** A message being written. Octets beyond `end` are not written; `overflow` tells. */
@unmanaged
export class Writer {
  start: usize;
  at: usize;
  end: usize;
  /** Where the next payload's type goes. */
  link: usize;
  /** The open payload's header. */
  open: usize;
  overflow: u32;
}

const writerStorage: usize = memory.data(24, 8);

/** Starts a message of `exchange` in `limit` octets at `p` (at least a header). */
export function messageBegin(
  p: usize,
  limit: u32,
  spiI: u64,
  spiR: u64,
  exchange: u32,
  flags: u32,
  messageId: u32,
): Writer {
  assert(limit >= IKE_HEADER, "no room for an IKE header");
  const w = changetype<Writer>(writerStorage);
  w.start = p;
  w.at = p + IKE_HEADER;
  w.end = p + limit;
  w.link = p + IKE_NEXT_PAYLOAD;
  w.open = 0;
  w.overflow = 0;
  // SPIs are kept as they stand on the wire.
  store<u64>(p, spiI, IKE_SPI_I);
  store<u64>(p, spiR, IKE_SPI_R);
  store<u8>(p, 0, IKE_NEXT_PAYLOAD);
  store<u8>(p, <u8>IKE_VERSION_2, IKE_VERSION);
  store<u8>(p, <u8>exchange, IKE_EXCHANGE_TYPE);
  store<u8>(p, <u8>flags, IKE_FLAGS);
  storeBE32(p + IKE_MESSAGE_ID, messageId);
  return w;
}

/** True when `octets` more fit. */
export function writerRoom(w: Writer, octets: u32): bool {
  if (<usize>octets <= w.end - w.at) return true;
  w.overflow = 1;
  return false;
}

export function write8(w: Writer, value: u32): void {
  if (!writerRoom(w, 1)) return;
  store<u8>(w.at, <u8>value);
  w.at += 1;
}

export function write16(w: Writer, value: u32): void {
  if (!writerRoom(w, 2)) return;
  storeBE16(w.at, value);
  w.at += 2;
}

export function write32(w: Writer, value: u32): void {
  if (!writerRoom(w, 4)) return;
  storeBE32(w.at, value);
  w.at += 4;
}

export function writeOctets(w: Writer, p: usize, length: u32): void {
  if (!writerRoom(w, length)) return;
  memory.copy(w.at, p, length);
  w.at += length;
}

/** Opens a payload; what is written next is its body, up to payloadEnd. */
export function payloadBegin(w: Writer, type: u32): void {
  if (!writerRoom(w, PAYLOAD_HEADER)) return;
  store<u8>(w.link, <u8>type);
  w.open = w.at;
  w.link = w.at;
  store<u32>(w.at, 0);
  w.at += PAYLOAD_HEADER;
}

export function payloadEnd(w: Writer): void {
  if (w.overflow != 0) return;
  storeBE16(w.open + PAYLOAD_LENGTH, <u32>(w.at - w.open));
}

/** Completes the header; returns the octets of the message, or 0 when it did not fit. */
export function messageEnd(w: Writer): u32 {
  if (w.overflow != 0) return 0;
  const length = <u32>(w.at - w.start);
  storeBE32(w.start + IKE_LENGTH, length);
  return length;
}
