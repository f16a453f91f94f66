/**
 * Packets in fragments, each in a frame of its own; the first one keeps the packet's frame. Either before they are sealed (IPv4
 * without DF in tunnel mode: the peer opens whole packets, and its hosts put theirs together), or behind it (RFC 4301 8.1), where the
 * outer header is IPv4 without DF, or IPv6, whose source we are (RFC 8200 4.5).
 *
 * All fragments of a packet or none: when the pool has no frame left, none is sent.
 */
import { Frame, framePush } from "../bus/frame";
import { consume, originate } from "../bus/port";
import { loadBE16, storeBE16, storeBE32 } from "../rt/bytes";
import { IPV4_FRAGMENT, IPV4_MF, ipv4FragmentOffset, ipv4HeaderOctets } from "../wire/ipv4";
import { ipv4FragmentMend, ipv4LaterHeader } from "../wire/ipv4_fragment";
import {
  EXTENSION_FRAGMENT,
  IPV6_FRAGMENT_HEADER,
  IPV6_FRAGMENT_ID,
  IPV6_FRAGMENT_OFFSET,
  IPV6_HEADER,
  IPV6_PAYLOAD_LENGTH,
  WALK_DONE,
  ipv6Walk,
  ipv6WalkHopNextHeaderAt,
  ipv6WalkHopOctets,
} from "../wire/ipv6";

/** Fragments of one packet: a full frame through the smallest MTU (576) makes 20. */
export const FRAGMENTS_MAX: u32 = 32;

const list: usize = memory.data(FRAGMENTS_MAX * 4, 4);

/** The fragment at `index` of the packet that was fragmented last. */
// @ts-ignore: decorator
@inline
export function fragmentAt(index: u32): Frame {
  return changetype<Frame>(<usize>load<u32>(list + ((<usize>index) << 2)));
}

/**
 * The packet of a frame in fragments of at most `mtu` octets; how many, for fragmentAt. 0: there are not enough frames, or they would be
 * too many; the frame is as it was. `id`: the identification, of IPv6.
 */
export function fragment(frame: Frame, mtu: u32, id: u32): u32 {
  return (<u32>load<u8>(frame.start)) >> 4 == 6 ? fragment6(frame, mtu, id) : fragment4(frame, mtu);
}

/** Takes frames for `octets` of payload, `step` each, the first one's own among them; how many, 0 for too many. */
function take(frame: Frame, octets: u32, step: u32): u32 {
  const count = (octets + step - 1) / step;
  if (count > FRAGMENTS_MAX) return 0;
  store<u32>(list, <u32>changetype<usize>(frame));
  for (let i: u32 = 1; i < count; i++) {
    const other = originate();
    if (!other) {
      for (let j: u32 = 1; j < i; j++) consume(fragmentAt(j));
      return 0;
    }
    store<u32>(list + ((<usize>i) << 2), <u32>changetype<usize>(other));
  }
  return count;
}

function fragment4(frame: Frame, mtu: u32): u32 {
  const p = frame.start;
  const header = ipv4HeaderOctets(p);
  const octets = frame.length - header;
  const step = (mtu - header) & ~7;
  const count = take(frame, octets, step);
  // What is a fragment already keeps its place in the packet that it is of.
  const base = ipv4FragmentOffset(p) << 3;
  const last = (loadBE16(p + IPV4_FRAGMENT) & IPV4_MF) == 0;
  for (let i: u32 = 1; i < count; i++) {
    const other = fragmentAt(i);
    const from = i * step;
    const piece = min<u32>(step, octets - from);
    const q = other.start;
    const later = ipv4LaterHeader(q, p);
    memory.copy(q + later, p + header + from, piece);
    other.length = later + piece;
    ipv4FragmentMend(q, other.length, base + from, !last || from + piece < octets);
  }
  if (count == 0) return 0;
  frame.length = header + min<u32>(step, octets);
  ipv4FragmentMend(p, frame.length, base, !last || count > 1);
  return count;
}

function fragment6(frame: Frame, mtu: u32, id: u32): u32 {
  const p = frame.start;
  if (ipv6Walk(p, frame.length) != WALK_DONE) return 0;
  const header = ipv6WalkHopOctets();
  const namedAt = ipv6WalkHopNextHeaderAt();
  const octets = frame.length - header;
  const step = (mtu - header - IPV6_FRAGMENT_HEADER) & ~7;
  const count = take(frame, octets, step);
  if (count == 0) return 0;
  const next = load<u8>(p + namedAt);
  store<u8>(p + namedAt, <u8>EXTENSION_FRAGMENT);
  for (let i: u32 = 1; i < count; i++) {
    const other = fragmentAt(i);
    const from = i * step;
    const piece = min<u32>(step, octets - from);
    memory.copy(other.start, p, header);
    memory.copy(other.start + header + IPV6_FRAGMENT_HEADER, p + header + from, piece);
    other.length = header + IPV6_FRAGMENT_HEADER + piece;
    mend6(other.start, header, other.length, next, from, from + piece < octets, id);
  }
  const first = framePush(frame, IPV6_FRAGMENT_HEADER);
  memory.copy(first, p, header);
  frame.length = header + IPV6_FRAGMENT_HEADER + min<u32>(step, octets);
  mend6(first, header, frame.length, next, 0, count > 1, id);
  return count;
}

/** The fragment header behind `header` octets, and the length. */
function mend6(p: usize, header: u32, length: u32, next: u8, offset: u32, more: bool, id: u32): void {
  storeBE16(p + IPV6_PAYLOAD_LENGTH, length - IPV6_HEADER);
  const q = p + header;
  store<u8>(q, next);
  store<u8>(q, 0, 1);
  storeBE16(q + IPV6_FRAGMENT_OFFSET, offset | (more ? 1 : 0));
  storeBE32(q + IPV6_FRAGMENT_ID, id);
}
