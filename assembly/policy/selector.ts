/**
 * Traffic selectors (RFC 7296 3.13, RFC 4301 4.4.1.1) in the shape of abi/message.ts: is it sound, does it match, do an
 * SA's selectors admit a packet (RFC 4301 5.2, step 4).
 *
 * Protocol 0 is any. Ports 0..65535 are any, and match a packet that shows none; 65535..0 is OPAQUE and matches only such
 * packets. Refuses ranges that end before they start.
 */
import {
  SELECTOR_END,
  SELECTOR_END_PORT,
  SELECTOR_FAMILY,
  SELECTOR_OCTETS,
  SELECTOR_PROTOCOL,
  SELECTOR_START,
  SELECTOR_START_PORT,
} from "../abi/message";
import { loadBE64 } from "../rt/bytes";
import { Flow, PORT_NONE, addressHigh4 } from "./flow";

// @ts-ignore: decorator
@inline
export function selectorFamily(selector: usize): u32 {
  return <u32>load<u8>(selector, SELECTOR_FAMILY);
}

// @ts-ignore: decorator
@inline
export function selectorProtocol(selector: usize): u32 {
  return <u32>load<u8>(selector, SELECTOR_PROTOCOL);
}

// @ts-ignore: decorator
@inline
export function selectorStartPort(selector: usize): u32 {
  return <u32>load<u16>(selector, SELECTOR_START_PORT);
}

// @ts-ignore: decorator
@inline
export function selectorEndPort(selector: usize): u32 {
  return <u32>load<u16>(selector, SELECTOR_END_PORT);
}

/** The start of the address range as the HIGH and LOW of a flow. */
export function selectorStartHigh(selector: usize): u64 {
  return selectorFamily(selector) == 4 ? addressHigh4(selector + SELECTOR_START) : loadBE64(selector + SELECTOR_START);
}

export function selectorStartLow(selector: usize): u64 {
  return selectorFamily(selector) == 4 ? 0 : loadBE64(selector + SELECTOR_START + 8);
}

/** The end of the address range, inclusive. */
export function selectorEndHigh(selector: usize): u64 {
  return selectorFamily(selector) == 4 ? addressHigh4(selector + SELECTOR_END) : loadBE64(selector + SELECTOR_END);
}

export function selectorEndLow(selector: usize): u64 {
  return selectorFamily(selector) == 4 ? 0 : loadBE64(selector + SELECTOR_END + 8);
}

/** True when the 128-bit number `high`,`low` lies in the inclusive range. */
// @ts-ignore: decorator
@inline
export function addressInRange(high: u64, low: u64, startHigh: u64, startLow: u64, endHigh: u64, endLow: u64): bool {
  return (
    (high > startHigh || (high == startHigh && low >= startLow)) &&
    (high < endHigh || (high == endHigh && low <= endLow))
  );
}

/** True when a port, or PORT_NONE, lies in the range `start`..`end` of a selector. */
// @ts-ignore: decorator
@inline
export function portInRange(port: u32, start: u32, end: u32): bool {
  if (start == 0 && end == 65535) return true;
  if (port == PORT_NONE) return start == 65535 && end == 0;
  return port >= start && port <= end;
}

/** True when the selector is of a known family and its ranges do not end before they start. */
export function selectorValid(selector: usize): bool {
  const family = selectorFamily(selector);
  if (family != 4 && family != 6) return false;
  const startPort = selectorStartPort(selector);
  const endPort = selectorEndPort(selector);
  if (startPort > endPort && !(startPort == 65535 && endPort == 0)) return false;
  return addressInRange(
    selectorEndHigh(selector),
    selectorEndLow(selector),
    selectorStartHigh(selector),
    selectorStartLow(selector),
    u64.MAX_VALUE,
    u64.MAX_VALUE,
  );
}

/** True when all `count` selectors from `selectors` on are valid. */
export function selectorsValid(selectors: usize, count: u32): bool {
  for (let i: u32 = 0; i < count; i++) {
    if (!selectorValid(selectors + <usize>(i * SELECTOR_OCTETS))) return false;
  }
  return true;
}

/** True when one end of a packet matches: `high`, `low` and `port` of that end, KIND of the flow. */
export function selectorMatches(selector: usize, kind: u32, high: u64, low: u64, port: u32): bool {
  if (selectorFamily(selector) != (kind & 0xff)) return false;
  const protocol = selectorProtocol(selector);
  if (protocol != 0 && protocol != kind >> 8) return false;
  if (!portInRange(port, selectorStartPort(selector), selectorEndPort(selector))) return false;
  return addressInRange(
    high,
    low,
    selectorStartHigh(selector),
    selectorStartLow(selector),
    selectorEndHigh(selector),
    selectorEndLow(selector),
  );
}

/**
 * True when an SA with these selectors admits an opened packet: its source matches a remote selector and its destination a
 * local one (RFC 4301 5.2).
 */
export function selectorsAdmit(local: usize, localCount: u32, remote: usize, remoteCount: u32, flow: Flow): bool {
  return (
    anyMatches(local, localCount, flow.kind, flow.destinationHigh, flow.destinationLow, flow.destinationPort) &&
    anyMatches(remote, remoteCount, flow.kind, flow.sourceHigh, flow.sourceLow, flow.sourcePort)
  );
}

function anyMatches(selectors: usize, count: u32, kind: u32, high: u64, low: u64, port: u32): bool {
  for (let i: u32 = 0; i < count; i++) {
    if (selectorMatches(selectors + <usize>(i * SELECTOR_OCTETS), kind, high, low, port)) return true;
  }
  return false;
}
