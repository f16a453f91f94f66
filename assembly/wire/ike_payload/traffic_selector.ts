/**
 * Traffic Selector payloads TSi and TSr (RFC 7296 section 3.13).
 *
 *   payload    0 count   1 reserved, 3 octets   4 selectors
 *   selector   0 type 7|8   1 protocol   2 length u16   4 start port u16   6 end port u16   8 start address, end address
 *
 * Selectors are read into records of abi/message.ts. Refuses more than TS_COUNT_MAX; a selector of an unknown type, with
 * a range that is none, or with OPAQUE ports is passed over, as nothing of ours can match it.
 */
import {
  SELECTOR_END,
  SELECTOR_END_PORT,
  SELECTOR_FAMILY,
  SELECTOR_OCTETS,
  SELECTOR_PROTOCOL,
  SELECTOR_START,
  SELECTOR_START_PORT,
} from "../../abi/message";
import { loadBE16 } from "../../rt/bytes";
import { Writer, payloadBegin, payloadEnd, write16, write8, writeOctets } from "../ike_message";

export const TS_HEADER: u32 = 4;
export const TS_SELECTOR_HEADER: u32 = 8;
export const TS_IPV4_ADDR_RANGE: u32 = 7;
export const TS_IPV6_ADDR_RANGE: u32 = 8;
export const TS_COUNT_MAX: u32 = 64;

export function tsCheck(body: usize, length: u32): bool {
  if (length < TS_HEADER) return false;
  const count = <u32>load<u8>(body);
  if (count == 0 || count > TS_COUNT_MAX) return false;
  const end = body + length;
  let p = body + TS_HEADER;
  for (let i: u32 = 0; i < count; i++) {
    if (end - p < TS_SELECTOR_HEADER) return false;
    const octets = loadBE16(p + 2);
    if (octets < TS_SELECTOR_HEADER || <usize>octets > end - p) return false;
    const type = <u32>load<u8>(p);
    if (type == TS_IPV4_ADDR_RANGE && octets != 16) return false;
    if (type == TS_IPV6_ADDR_RANGE && octets != 40) return false;
    p += octets;
  }
  return p == end;
}

/** Reads a checked body into at most `capacity` selector records at `to`; returns how many. */
export function tsRead(body: usize, to: usize, capacity: u32): u32 {
  const count = <u32>load<u8>(body);
  let p = body + TS_HEADER;
  let n: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const type = <u32>load<u8>(p);
    const startPort = loadBE16(p + 4);
    const endPort = loadBE16(p + 6);
    const size: u32 = type == TS_IPV4_ADDR_RANGE ? 4 : 16;
    const usable =
      (type == TS_IPV4_ADDR_RANGE || type == TS_IPV6_ADDR_RANGE) &&
      startPort <= endPort &&
      memory.compare(p + 8, p + 8 + size, size) <= 0;
    if (usable && n < capacity) {
      const s = to + <usize>n * SELECTOR_OCTETS;
      memory.fill(s, 0, SELECTOR_OCTETS);
      store<u8>(s, type == TS_IPV4_ADDR_RANGE ? 4 : 6, SELECTOR_FAMILY);
      store<u8>(s, load<u8>(p, 1), SELECTOR_PROTOCOL);
      store<u16>(s, <u16>startPort, SELECTOR_START_PORT);
      store<u16>(s, <u16>endPort, SELECTOR_END_PORT);
      memory.copy(s + SELECTOR_START, p + 8, size);
      memory.copy(s + SELECTOR_END, p + 8 + size, size);
      n += 1;
    }
    p += loadBE16(p + 2);
  }
  return n;
}

/** Writes `count` selector records as a payload of `type` (PAYLOAD_TSI or PAYLOAD_TSR). */
export function tsWrite(w: Writer, type: u32, selectors: usize, count: u32): void {
  payloadBegin(w, type);
  write8(w, count);
  write8(w, 0);
  write16(w, 0);
  for (let i: u32 = 0; i < count; i++) {
    const s = selectors + <usize>i * SELECTOR_OCTETS;
    const v4 = load<u8>(s, SELECTOR_FAMILY) == 4;
    const size: u32 = v4 ? 4 : 16;
    write8(w, v4 ? TS_IPV4_ADDR_RANGE : TS_IPV6_ADDR_RANGE);
    write8(w, <u32>load<u8>(s, SELECTOR_PROTOCOL));
    write16(w, TS_SELECTOR_HEADER + 2 * size);
    write16(w, <u32>load<u16>(s, SELECTOR_START_PORT));
    write16(w, <u32>load<u16>(s, SELECTOR_END_PORT));
    writeOctets(w, s + SELECTOR_START, size);
    writeOctets(w, s + SELECTOR_END, size);
  }
  payloadEnd(w);
}
