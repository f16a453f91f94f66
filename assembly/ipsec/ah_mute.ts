/**
 * The headers in front of AH while its ICV is reckoned: what may change on the way is zero in the packet itself (wire/ah.ts), and the
 * headers as they are wait in the frame's headroom, with AH behind them up to the end of its ICV.
 */
import { DROP_IPV6_EXTENSION, DROP_IP_OPTION } from "../abi/drop";
import { Frame, frameHeadroom } from "../bus/frame";
import { ahMute4, ahMute6 } from "../wire/ah";
import { PASS } from "./tunnel";

/**
 * Keeps the first `octets` of a frame, of which `headers` are IP headers, and mutes those. PASS, or why these headers are refused.
 */
export function ahMute(frame: Frame, headers: u32, octets: u32): u32 {
  const p = frame.start;
  const six = (<u32>load<u8>(p)) >> 4 == 6;
  if (frameHeadroom(frame) < octets) return six ? DROP_IPV6_EXTENSION : DROP_IP_OPTION;
  memory.copy(p - octets, p, octets);
  if (six) return ahMute6(p, headers) ? PASS : DROP_IPV6_EXTENSION;
  return ahMute4(p, headers) ? PASS : DROP_IP_OPTION;
}

/** Where ahMute has put the octet at `offset`, of `octets` that it kept. */
// @ts-ignore: decorator
@inline
export function ahKept(frame: Frame, octets: u32, offset: u32): usize {
  return frame.start - octets + offset;
}

/** Puts the headers back, `octets` having been kept. */
export function ahUnmute(frame: Frame, headers: u32, octets: u32): void {
  memory.copy(frame.start, frame.start - octets, headers);
}
