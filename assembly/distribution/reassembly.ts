/**
 * Fragments of packets to our own addresses, put together before the look-up: the first one alone has an SPI (RFC 791 section 3.2,
 * RFC 8200 section 4.5).
 *
 *   a context    frame: the payload, each piece at its offset      record: whose, headers of the first piece, a bit for each 8 octets
 *
 * A context keeps the frame of the piece that came first; of the others the octets are copied and the frames are consumed, so that
 * it costs the same for two pieces and for a thousand. The piece that makes the packet whole goes on with all of it.
 *
 * What bounds it: CONTEXTS packets at a time, PER_SOURCE of one source, the oldest goes; TIME for each; a packet that fits a frame.
 * Pieces that overlap, or contradict each other about the end, discard the whole packet and what follows of it (RFC 5722), for IPv4
 * as well; one that repeats what is there is a duplicate. A piece that does not add up is dropped by itself, so that it can do no
 * harm to the others. A fragment of an IPv6 packet that is all of it (RFC 6946) stands in nobody's way and goes on at once.
 *
 * Congestion that one piece met, the packet met (RFC 3168 5.3). What is put together is looked at like any other packet, anew.
 * Refuses fragments of what we would not take as a whole packet: anything but ESP, AH and UDP.
 */
import {
  DROP_ECN,
  DROP_FRAGMENT_DUPLICATE,
  DROP_FRAGMENT_LIMIT,
  DROP_FRAGMENT_MALFORMED,
  DROP_FRAGMENT_OVERLAP,
  DROP_FRAGMENT_TIMEOUT,
  DROP_IPV6_EXTENSION,
  DROP_PACKET_TOO_BIG,
  DROP_PROTOCOL_UNKNOWN,
} from "../abi/drop";
import { FRAME_CAPACITY } from "../abi/frame";
import { STEP_S606, TRACE_MASK_PACKET } from "../abi/trace";
import { Frame, frameAddress, frameClear } from "../bus/frame";
import { consume, drop } from "../bus/port";
import { arenaTake } from "../rt/arena";
import { loadBE16, loadBE32, storeBE16 } from "../rt/bytes";
import { now } from "../rt/registers";
import { trace } from "../rt/trace";
import {
  IPV4_CHECKSUM,
  IPV4_DESTINATION,
  IPV4_FRAGMENT,
  IPV4_HEADER,
  IPV4_ID,
  IPV4_MF,
  IPV4_SOURCE,
  IPV4_TOS,
  IPV4_TOTAL_LENGTH,
  PROTOCOL_AH,
  PROTOCOL_ESP,
  PROTOCOL_UDP,
  ipv4Checksum,
  ipv4FragmentOffset,
  ipv4HeaderOctets,
  ipv4Protocol,
} from "../wire/ipv4";
import {
  EXTENSION_DESTINATION,
  IPV6_DESTINATION,
  IPV6_FRAGMENT_HEADER,
  IPV6_FRAGMENT_ID,
  IPV6_FRAGMENT_OFFSET,
  IPV6_HEADER,
  IPV6_PAYLOAD_LENGTH,
  IPV6_SOURCE,
  ipv6SetTrafficClass,
  ipv6TrafficClass,
  ipv6WalkFragmentAt,
  ipv6WalkFragmentNamedAt,
} from "../wire/ipv6";

/** Packets at a time; a bit for 8 octets of each. */
export const REASSEMBLY_CONTEXTS: u32 = 64;
export const REASSEMBLY_PER_SOURCE: u32 = 16;
/** What a packet has to become whole, in ns. */
export const REASSEMBLY_TIME: u64 = 30_000_000_000;
/** Headers in front of the fragments of a packet: IPv4 has 60 at most. */
const HEADERS_MAX: u32 = 128;
const BITMAP_OCTETS: u32 = 160;
const PACKET_MAX: u32 = 65535;
const ECN_MASK: u32 = 3;

if (BITMAP_OCTETS * 64 < FRAME_CAPACITY) ERROR("a frame has more octets than a context has bits for");

const FREE: u32 = 0;
const GATHERING: u32 = 1;
/** No frame; further pieces of it are dropped for its reason. */
const DISCARDED: u32 = 2;


@unmanaged
class Context {
  state: u32;
  reason: u32;
  frame: usize;
  /** As the packet has it: IPv4's 16 bits with family and protocol, IPv6's 32. */
  id: u32;
  /** Family, and for IPv4 the protocol above it. */
  kind: u32;
  /** Octets of payload: of the whole, 0 as long as the last piece is missing; here; up to the last one that is here. */
  total: u32;
  gathered: u32;
  end: u32;
  /** Octets of headers, 0 as long as the first piece is missing; for IPv6, which of them names the payload, and as what. */
  headers: u32;
  namedAt: u32;
  named: u32;
  /** A bit for each ECN codepoint that a piece had. */
  ecn: u32;
  deadline: u64;
  /** Addresses, IPv4 ones in the first 4 octets. */
  source0: u64;
  source1: u64;
  destination0: u64;
  destination1: u64;
}

const AT_HEADERS: usize = (offsetof<Context>() + 7) & ~7;
const AT_BITMAP: usize = AT_HEADERS + HEADERS_MAX;
const CONTEXT_OCTETS: usize = (AT_BITMAP + BITMAP_OCTETS + 63) & ~63;

let contexts: usize = 0;
let used: u32 = 0;

/** The piece in hand. */
let source0: u64 = 0;
let source1: u64 = 0;
let destination0: u64 = 0;
let destination1: u64 = 0;
let id: u32 = 0;
let kind: u32 = 0;
let headers: u32 = 0;
let at: usize = 0;
let octets: u32 = 0;
let offset: u32 = 0;
let more: bool = false;
let ecn: u32 = 0;

/** False when RAM is too small. */
export function reassemblyReset(): bool {
  contexts = arenaTake(<usize>REASSEMBLY_CONTEXTS * CONTEXT_OCTETS);
  used = 0;
  return contexts != 0;
}

// @ts-ignore: decorator
@inline
function contextAt(i: u32): Context {
  return changetype<Context>(contexts + <usize>i * CONTEXT_OCTETS);
}

/**
 * Takes a fragment to one of our addresses; for IPv6 ipv6Walk has just gone over it. True: the frame is a whole packet now, its header
 * to be checked like any other. False: it has ended, or its context keeps it.
 */
export function reassemble(frame: Frame): bool {
  const ipv6 = load<u8>(frame.start) >> 4 == 6;
  const refused = ipv6 ? read6(frame) : read4(frame);
  if (refused != 0) return end(frame, refused);
  if (ipv6 && offset == 0 && !more) {
    openAtomic(frame);
    return true;
  }
  // A length that is no multiple of 8 leaves a gap that nothing fills (RFC 8200 4.5).
  if (octets == 0 || (more && (octets & 7) != 0)) return end(frame, DROP_FRAGMENT_MALFORMED);
  if (headers + offset + octets > PACKET_MAX) return end(frame, DROP_FRAGMENT_MALFORMED);
  let context = find();
  if (!context) context = take();
  if (context.state == DISCARDED) return end(frame, context.reason);
  const last = offset + octets;
  if (last > FRAME_CAPACITY - IPV4_HEADER) return endAll(frame, context, DROP_PACKET_TOO_BIG);
  if (contradicts(context, last)) return endAll(frame, context, DROP_FRAGMENT_OVERLAP);
  const there = unitsThere(context);
  if (there != 0) {
    const repeated = there == unitsOf(octets) && memory.compare(payload(context) + offset, at, octets) == 0;
    return repeated ? end(frame, DROP_FRAGMENT_DUPLICATE) : endAll(frame, context, DROP_FRAGMENT_OVERLAP);
  }
  put(context, frame);
  if (context.total == 0 || context.gathered < context.total) {
    if (context.frame != frameAddress(frame)) consume(frame);
    return false;
  }
  return complete(context, frame);
}

/** Reads a fragment of IPv4; 0 or a drop reason. */
function read4(frame: Frame): u32 {
  const p = frame.start;
  const protocol = ipv4Protocol(p);
  if (!taken(protocol)) return DROP_PROTOCOL_UNKNOWN;
  source0 = <u64>load<u32>(p, IPV4_SOURCE);
  source1 = 0;
  destination0 = <u64>load<u32>(p, IPV4_DESTINATION);
  destination1 = 0;
  kind = (protocol << 8) | 4;
  id = loadBE16(p + IPV4_ID);
  headers = ipv4HeaderOctets(p);
  at = p + headers;
  octets = frame.length - headers;
  offset = ipv4FragmentOffset(p) << 3;
  more = (loadBE16(p + IPV4_FRAGMENT) & IPV4_MF) != 0;
  ecn = (<u32>load<u8>(p, IPV4_TOS)) & ECN_MASK;
  return 0;
}

/** The same of IPv6. */
function read6(frame: Frame): u32 {
  const p = frame.start;
  headers = ipv6WalkFragmentAt();
  const fragment = p + headers;
  const next = <u32>load<u8>(fragment);
  if (!taken(next) && next != EXTENSION_DESTINATION) return DROP_PROTOCOL_UNKNOWN;
  if (headers > HEADERS_MAX) return DROP_IPV6_EXTENSION;
  source0 = load<u64>(p, IPV6_SOURCE);
  source1 = load<u64>(p, IPV6_SOURCE + 8);
  destination0 = load<u64>(p, IPV6_DESTINATION);
  destination1 = load<u64>(p, IPV6_DESTINATION + 8);
  kind = 6;
  id = loadBE32(fragment + IPV6_FRAGMENT_ID);
  at = fragment + IPV6_FRAGMENT_HEADER;
  octets = frame.length - headers - IPV6_FRAGMENT_HEADER;
  const field = loadBE16(fragment + IPV6_FRAGMENT_OFFSET);
  offset = field & 0xfff8;
  more = (field & 1) != 0;
  ecn = ipv6TrafficClass(p) & ECN_MASK;
  return 0;
}

// @ts-ignore: decorator
@inline
function taken(protocol: u32): bool {
  return protocol == PROTOCOL_ESP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_AH;
}

/** Takes the fragment header out of a packet that is whole. */
function openAtomic(frame: Frame): void {
  const p = frame.start;
  store<u8>(p + ipv6WalkFragmentNamedAt(), load<u8>(p + headers));
  storeBE16(p + IPV6_PAYLOAD_LENGTH, frame.length - IPV6_HEADER - IPV6_FRAGMENT_HEADER);
  memory.copy(p + IPV6_FRAGMENT_HEADER, p, headers);
  frame.start += IPV6_FRAGMENT_HEADER;
  frame.length -= IPV6_FRAGMENT_HEADER;
}

function find(): Context | null {
  for (let i: u32 = 0; i < REASSEMBLY_CONTEXTS && used != 0; i++) {
    const context = contextAt(i);
    if (
      context.state != FREE &&
      context.id == id &&
      context.kind == kind &&
      isOfSource(context) &&
      context.destination0 == destination0 &&
      context.destination1 == destination1
    ) {
      return context;
    }
  }
  return null;
}

// @ts-ignore: decorator
@inline
function isOfSource(context: Context): bool {
  return context.source0 == source0 && context.source1 == source1;
}

/** A context for the piece in hand; when its source has its share, or all are in use, the oldest goes. */
function take(): Context {
  let free: Context | null = null;
  let oldest = contextAt(0);
  let oldestOfSource: Context | null = null;
  let ofSource: u32 = 0;
  for (let i: u32 = 0; i < REASSEMBLY_CONTEXTS; i++) {
    const context = contextAt(i);
    if (context.state == FREE) {
      free = context;
      continue;
    }
    if (oldest.state == FREE || context.deadline < oldest.deadline) oldest = context;
    if (!isOfSource(context)) continue;
    ofSource += 1;
    if (!oldestOfSource || context.deadline < oldestOfSource.deadline) oldestOfSource = context;
  }
  let context = oldest;
  if (ofSource >= REASSEMBLY_PER_SOURCE) context = changetype<Context>(oldestOfSource);
  else if (free) context = free;
  if (context.state != FREE) release(context, DROP_FRAGMENT_LIMIT);
  memory.fill(changetype<usize>(context), 0, CONTEXT_OCTETS);
  context.state = GATHERING;
  context.id = id;
  context.kind = kind;
  context.source0 = source0;
  context.source1 = source1;
  context.destination0 = destination0;
  context.destination1 = destination1;
  context.deadline = now() + REASSEMBLY_TIME;
  used += 1;
  return context;
}

/** Frees a context; what it has gathered is dropped for `reason`. */
function release(context: Context, reason: u32): void {
  if (context.frame != 0) end(changetype<Frame>(context.frame), reason);
  context.frame = 0;
  context.state = FREE;
  used -= 1;
}

/** Where the payload of a context stands. */
// @ts-ignore: decorator
@inline
function payload(context: Context): usize {
  return changetype<Frame>(context.frame).start;
}

/** True when a piece that reaches up to `last` cannot be of the same packet as the others. */
function contradicts(context: Context, last: u32): bool {
  if (context.total != 0) return more ? last >= context.total : last != context.total;
  return !more && last < context.end;
}

// @ts-ignore: decorator
@inline
function unitsOf(count: u32): u32 {
  return (count + 7) >> 3;
}

/** Of the units of the piece in hand, how many are there. */
function unitsThere(context: Context): u32 {
  const bitmap = changetype<usize>(context) + AT_BITMAP;
  const first = offset >> 3;
  const behind = first + unitsOf(octets);
  let count: u32 = 0;
  for (let i = first; i < behind; i++) count += ((<u32>load<u8>(bitmap + (i >> 3))) >> (i & 7)) & 1;
  return count;
}

/** Puts the piece in hand in its place. */
function put(context: Context, frame: Frame): void {
  const bitmap = changetype<usize>(context) + AT_BITMAP;
  const behind = (offset >> 3) + unitsOf(octets);
  for (let i = offset >> 3; i < behind; i++) {
    const byte = bitmap + (i >> 3);
    store<u8>(byte, <u8>((<u32>load<u8>(byte)) | (1 << (i & 7))));
  }
  if (offset == 0) {
    context.headers = headers;
    memory.copy(changetype<usize>(context) + AT_HEADERS, frame.start, headers);
    if (kind == 6) {
      context.namedAt = ipv6WalkFragmentNamedAt();
      context.named = <u32>load<u8>(frame.start + headers);
    }
  }
  const from = at;
  if (context.frame == 0) {
    context.frame = frameAddress(frame);
    frameClear(frame);
  }
  memory.copy(payload(context) + offset, from, octets);
  context.gathered += octets;
  context.end = max<u32>(context.end, offset + octets);
  if (!more) context.total = offset + octets;
  context.ecn |= 1 << ecn;
}

/** All is there: the frame of the last piece goes on with it. */
function complete(context: Context, frame: Frame): bool {
  // Without the first unit there would be a gap.
  const front = context.headers;
  const total = context.total;
  if (front + total > FRAME_CAPACITY) return endAll(frame, context, DROP_PACKET_TOO_BIG);
  const congested = context.ecn >> 3 != 0;
  if (congested && (context.ecn & 1) != 0) return endAll(frame, context, DROP_ECN);
  frameClear(frame);
  const p = frame.start;
  memory.copy(p, changetype<usize>(context) + AT_HEADERS, front);
  memory.copy(p + front, payload(context), total);
  frame.length = front + total;
  if ((context.kind & 0xff) == 6) {
    store<u8>(p + context.namedAt, <u8>context.named);
    storeBE16(p + IPV6_PAYLOAD_LENGTH, frame.length - IPV6_HEADER);
    if (congested) ipv6SetTrafficClass(p, ipv6TrafficClass(p) | ECN_MASK);
  } else {
    storeBE16(p + IPV4_TOTAL_LENGTH, frame.length);
    store<u16>(p, 0, IPV4_FRAGMENT);
    if (congested) store<u8>(p, load<u8>(p, IPV4_TOS) | (<u8>ECN_MASK), IPV4_TOS);
    store<u16>(p, 0, IPV4_CHECKSUM);
    storeBE16(p + IPV4_CHECKSUM, ipv4Checksum(p, front));
  }
  consume(changetype<Frame>(context.frame));
  context.frame = 0;
  context.state = FREE;
  used -= 1;
  return true;
}

/** The packet of a context is not to be had: the piece in hand is dropped, with what is there and whatever follows. */
function endAll(frame: Frame, context: Context, reason: u32): bool {
  if (context.frame != 0 && context.frame != frameAddress(frame)) end(changetype<Frame>(context.frame), reason);
  context.frame = 0;
  context.state = DISCARDED;
  context.reason = reason;
  return end(frame, reason);
}

function end(frame: Frame, reason: u32): bool {
  trace(TRACE_MASK_PACKET, STEP_S606, 0, reason);
  drop(frame, reason);
  return false;
}

/** Drops what did not become whole in time; returns when to come again. */
export function reassemblyTimeout(): u64 {
  let deadline: u64 = u64.MAX_VALUE;
  for (let i: u32 = 0; i < REASSEMBLY_CONTEXTS && used != 0; i++) {
    const context = contextAt(i);
    if (context.state == FREE) continue;
    if (context.deadline <= now()) release(context, DROP_FRAGMENT_TIMEOUT);
    else deadline = min<u64>(deadline, context.deadline);
  }
  return deadline;
}
