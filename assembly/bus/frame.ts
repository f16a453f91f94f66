/**
 * A frame: one packet in board RAM, with room in front to push headers.
 *
 *   +--------------+-----------------------+---------------------------------+----------+
 *   | record 64    | headroom 192          | packet, up to 9984              | tail 64  |
 *   +--------------+-----------------------+---------------------------------+----------+
 *   ^ Frame          push moves start down ^ start        start + length ^
 *
 * A frame is never shared and never copied: the received frame becomes the transmitted one. It ends in exactly one of
 * sent, consumed, dropped for a declared reason (port.ts, drop.ts), or is held by whoever keeps its address.
 */
import { FRAME_HEADROOM, FRAME_RECORD, FRAME_STRIDE } from "../abi/frame";


@unmanaged
export class Frame {
  /** Address of the first octet of the packet. */
  start: usize;
  /** Octets of packet. */
  length: u32;
  /** VC on an ATM channel, else 0 (DESCRIPTOR_LINK). */
  link: u32;
  /** The port that it came from; PORT_COUNT_MAX when the firmware made it itself. */
  port: u32;
  /** For queues of held frames. */
  next: usize;
  /** Scratch of whoever holds the frame between two phases of its processing. */
  scratch0: u32;
  scratch1: u32;
  scratch2: u32;
  scratch3: u32;
  scratch4: u64;
  scratch5: u64;
}

// @ts-ignore: decorator
@inline
export function frameAddress(frame: Frame): usize {
  return changetype<usize>(frame);
}

/** Puts the frame's start back behind the headroom, with nothing in it, and in no queue. */
// @ts-ignore: decorator
@inline
export function frameClear(frame: Frame): void {
  frame.start = changetype<usize>(frame) + FRAME_RECORD + FRAME_HEADROOM;
  frame.length = 0;
  frame.link = 0;
  frame.next = 0;
}

/** Octets free in front of the packet. */
// @ts-ignore: decorator
@inline
export function frameHeadroom(frame: Frame): u32 {
  return <u32>(frame.start - changetype<usize>(frame)) - FRAME_RECORD;
}

/** Octets free behind the packet, the tailroom included. */
// @ts-ignore: decorator
@inline
export function frameTailroom(frame: Frame): u32 {
  return FRAME_STRIDE - <u32>(frame.start - changetype<usize>(frame)) - frame.length;
}

/** Makes room for `octets` of header in front; returns their address. The caller has checked frameHeadroom. */
// @ts-ignore: decorator
@inline
export function framePush(frame: Frame, octets: u32): usize {
  frame.start -= octets;
  frame.length += octets;
  return frame.start;
}

/** Takes `octets` of header off. The caller has checked the length. */
// @ts-ignore: decorator
@inline
export function framePull(frame: Frame, octets: u32): void {
  frame.start += octets;
  frame.length -= octets;
}
