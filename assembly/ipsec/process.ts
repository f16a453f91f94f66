/**
 * The walk of a packet over an IPsec board, S703 to S707, a batch at a time and phase by phase:
 *
 *   1 look up     S703/S704  which SA: by SPI when the packet is sealed and for us, by selectors otherwise; S707 no entry. First what
 *                            each is, then, for all, a look ahead at what that leads to, then each one's SA
 *   2 prepare                inbound: shape, replay; outbound: size, limits, sequence number, lease, trailer, header
 *   3 run                    the cipher over all jobs: verify, then decrypt; or encrypt
 *   4 finish      S705       inbound: lease, replay again and its commitment, padding, tunnel, selectors; outbound: outer headers
 *   5 emit        S706       opened packets to the protected side, sealed ones to the unprotected side, never back
 *
 * A clear packet that is larger than its SA carries whole goes in fragments, before the cipher or behind it (too_big.ts).
 *
 * The order of packets is kept. Every frame given in ends here: sent, consumed or dropped; but for one that waits for a lease
 * (lease.ts) and goes on in phase 4 when that has come.
 */
import { POLL_BATCH } from "../abi/board";
import {
  DROP_AH_MALFORMED,
  DROP_BACKPLANE_CONGESTION,
  DROP_ESP_MALFORMED,
  DROP_IPV6_EXTENSION,
  DROP_IP_FRAGMENT,
  DROP_IP_MALFORMED,
  DROP_IP_NOT_FOR_US,
  DROP_LEASE_WAIT,
  DROP_NO_SA_ENTRY_IPSEC_BOARD,
  DROP_UDP_MALFORMED,
  DROP_UDP_PORT,
} from "../abi/drop";
import { DIRECTION_INBOUND } from "../abi/message";
import { PORT_PROTECTED, PORT_UNPROTECTED } from "../abi/ring";
import { STEP_S703, STEP_S704, STEP_S705, STEP_S706, STEP_S707, TRACE_MASK_PACKET } from "../abi/trace";
import { Frame, framePull } from "../bus/frame";
import { consume, drop, transmit } from "../bus/port";
import { CIPHER_JOB_OCTETS, CipherJob } from "../crypto/job";
import { isLocalAddress, isLocalAddress6, portNatt } from "../policy/local_address";
import {
  selectorAheadAdd,
  selectorAheadClear,
  selectorAheadGo,
  selectorAheadValue,
  selectorAheadValues,
} from "../policy/selector_ahead";
import { trace, tracing } from "../rt/trace";
import { AH_HEADER, ahSpi } from "../wire/ah";
import { ESP_HEADER, ESP_KEEPALIVE, espSpi } from "../wire/esp";
import {
  IPV4_PROTOCOL,
  IPV4_TOS,
  PROTOCOL_AH,
  PROTOCOL_ESP,
  PROTOCOL_UDP,
  ipv4Check,
  ipv4Destination,
  ipv4HeaderOctets,
  ipv4IsFragment,
  ipv4Protocol,
  ipv4TotalLength,
} from "../wire/ipv4";
import {
  IPV6_DESTINATION,
  WALK_DONE,
  ipv6Check,
  ipv6SameAddress,
  ipv6TotalLength,
  ipv6TrafficClass,
  ipv6Walk,
  ipv6WalkFragmented,
  ipv6WalkNextHeaderAt,
  ipv6WalkOctets,
  ipv6WalkProtocol,
} from "../wire/ipv6";
import { UDP_HEADER, udpCheck, udpDestinationPort, udpLength } from "../wire/udp";
import { ahOpenFinish, ahOpenPrepare } from "./ah_open";
import { ahSealFinish, ahSealPrepare } from "./ah_seal";
import { jobAt, jobsBegin, jobsRun } from "./esp_job";
import { openFinish, openPrepare } from "./esp_open";
import { sealFinish, sealPrepare } from "./esp_seal";
import { FRAGMENTS_MAX, fragment, fragmentAt } from "./fragment";
import { LEASE_AWAITED } from "./lease";
import { leaseAsk, leaseHold, leaseNext } from "./lease_held";
import { loadPackets } from "./load";
import { findInbound, findOutbound } from "./local_database";
import { Sa, isAh, isIpv6, isTransport, localAddress6 } from "./sa";
import { saAheadClear, saAheadFind, saAheadGo, saAheadNumber, saAheadPays, saAheadSpi } from "./sa_ahead";
import { saDropsCount } from "./sa_drops";
import { IN_PIECES, NOTHING_INSIDE, PASS } from "./tunnel";

const pieces: usize = memory.data(FRAGMENTS_MAX * 4, 16);
/** By frame of a batch: what examine said. */
const examined: usize = memory.data(POLL_BATCH * 4, 4);
/** What a packet is (scratch0, before its SA stands there): clear, or sealed and for us. */
const CLEAR: u32 = 0;
const SEALED_ESP: u32 = 1;
const SEALED_AH: u32 = 2;
/** Whatever SA a packet meets, the IKE board has seen to it that it may. */
const ANY_DIRECTION: u32 = 2;
/** DIRECTION_* of the SAs that packets of this batch may meet, or ANY_DIRECTION. */
let direction: u32 = 0;

/** A job that has been done, for a packet whose own was another batch's. */
const proved: usize = memory.data(CIPHER_JOB_OCTETS, 16);

/**
 * Processes `count` (at most POLL_BATCH) frames whose addresses stand from `frames` on; each holds an IP packet as the IKE
 * board forwarded it, its capsule taken off, or as a NIC received it: then `only` is the direction of the SAs that it may meet. All frames
 * have ended on return.
 */
export function process(frames: usize, count: u32, only: u32 = ANY_DIRECTION): void {
  assert(count <= POLL_BATCH, "batch too large");
  direction = only;
  loadPackets(count);
  examineAll(frames, count);
  let from: u32 = 0;
  jobsBegin();
  for (let i: u32 = 0; i < count; i++) {
    const frame = changetype<Frame>(<usize>load<u32>(frames + ((<usize>i) << 2)));
    const verdict = begin(frame, i);
    if (verdict == PASS) continue;
    store<u32>(frames + ((<usize>i) << 2), 0);
    if (verdict != IN_PIECES) continue;
    // Those before it go first.
    settle(frames, from, i);
    sealPieces(frame);
    jobsBegin();
    from = i + 1;
  }
  selectorAheadClear();
  settle(frames, from, count);
  leaseAsk();
}

/** Phase 1 for a batch, but for the SAs. */
function examineAll(frames: usize, count: u32): void {
  selectorAheadClear();
  saAheadClear();
  for (let i: u32 = 0; i < count; i++) {
    const frame = changetype<Frame>(<usize>load<u32>(frames + ((<usize>i) << 2)));
    const what = examine(frame);
    store<u32>(examined + ((<usize>i) << 2), what);
    // One by itself has no neighbour to wait for.
    if (what != PASS || count < 2) continue;
    if (frame.scratch0 == CLEAR) selectorAheadAdd(frame.start, frame.length);
    else saAheadSpi(<u32>frame.scratch5);
  }
  if (count < 2) return;
  selectorAheadGo();
  if (!saAheadPays()) return;
  saAheadFind();
  for (let at: u32 = 0; at < selectorAheadValues(); at++) saAheadNumber(selectorAheadValue(at));
  saAheadGo();
}

/** The lease of an SA has come: phases 4 and 5 of its packets that waited for it. */
export function goOn(sa: Sa): void {
  const job = changetype<CipherJob>(proved);
  job.done = 1;
  for (let frame = leaseNext(sa); frame; frame = leaseNext(sa)) finishing(frame, sa, job);
}

/** Phases 3 to 5, for the frames from one index to before another that are still there. */
function settle(frames: usize, from: u32, to: u32): void {
  jobsRun();
  for (let i = from; i < to; i++) {
    const address = <usize>load<u32>(frames + ((<usize>i) << 2));
    if (address != 0) end(changetype<Frame>(address), i);
  }
}

/** Phases 2 to 5 of a clear packet that goes in fragments through its SA, which lookUp has found. */
function sealPieces(frame: Frame): void {
  const sa = saOf(frame);
  const count = fragment(frame, sa.innerMtu, 0);
  if (count == 0) {
    failOf(frame, sa, DROP_BACKPLANE_CONGESTION);
    return;
  }
  jobsBegin();
  for (let i: u32 = 0; i < count; i++) {
    const piece = fragmentAt(i);
    piece.scratch0 = <u32>changetype<usize>(sa);
    const verdict = prepare(piece, sa, jobAt(i));
    store<u32>(pieces + ((<usize>i) << 2), verdict == PASS ? <u32>changetype<usize>(piece) : 0);
    if (verdict != PASS) failOf(piece, sa, verdict);
  }
  settle(pieces, 0, count);
}

/** The rest of phase 1, and 2: PASS; IN_PIECES, the frame is the caller's still; anything else, it has ended. */
function begin(frame: Frame, index: u32): u32 {
  const what = load<u32>(examined + ((<usize>index) << 2));
  const found = what == PASS ? findSa(frame) : what;
  if (tracing(TRACE_MASK_PACKET)) tell(frame, found);
  if (found == NOTHING_INSIDE) {
    consume(frame);
    return found;
  }
  if (found != PASS) {
    drop(frame, found);
    return found;
  }
  const sa = saOf(frame);
  // In clear from the network (17), a packet that an outbound SA covers is nobody's to seal.
  if (direction != ANY_DIRECTION && <u32>sa.direction != direction) {
    drop(frame, DROP_IP_NOT_FOR_US);
    return DROP_IP_NOT_FOR_US;
  }
  const verdict = prepare(frame, sa, jobAt(index));
  if (verdict != PASS && verdict != IN_PIECES) failOf(frame, sa, verdict);
  return verdict;
}

/** Phases 4 and 5. */
function end(frame: Frame, index: u32): void {
  finishing(frame, saOf(frame), jobAt(index));
}

function finishing(frame: Frame, sa: Sa, job: CipherJob): void {
  const verdict = finish(frame, sa, job);
  if (verdict == LEASE_AWAITED) {
    if (!leaseHold(frame)) failOf(frame, sa, DROP_LEASE_WAIT);
  } else if (verdict == NOTHING_INSIDE) {
    consume(frame);
  } else if (verdict == PASS) {
    const port = outlet(sa);
    trace(TRACE_MASK_PACKET, STEP_S705, sa.spi, <u32>frame.scratch4, <u32>sa.direction);
    trace(TRACE_MASK_PACKET, STEP_S706, sa.spi, 0, frame.length, port);
    if (port == PORT_UNPROTECTED && frame.length > <u32>sa.outerMtu) sendPieces(frame, sa);
    else transmit(port, frame);
  } else {
    failOf(frame, sa, verdict);
  }
}

/** S706 for a sealed packet that is too large for its path: in fragments (RFC 4301 8.1, RFC 8200 4.5). */
function sendPieces(frame: Frame, sa: Sa): void {
  const count = fragment(frame, sa.outerMtu, sa.spi + <u32>frame.scratch4);
  if (count == 0) {
    failOf(frame, sa, DROP_BACKPLANE_CONGESTION);
    return;
  }
  for (let i: u32 = 0; i < count; i++) transmit(PORT_UNPROTECTED, fragmentAt(i));
}

/** Drops a packet for which an SA stood. */
function failOf(frame: Frame, sa: Sa, reason: u32): void {
  saDropsCount(sa, reason);
  drop(frame, reason);
}

/** S703, and S704 or S707. */
function tell(frame: Frame, found: u32): void {
  const spi = <u32>frame.scratch5;
  trace(TRACE_MASK_PACKET, STEP_S703, spi);
  if (found == PASS) trace(TRACE_MASK_PACKET, STEP_S704, saOf(frame).spi);
  else if (found != NOTHING_INSIDE) trace(TRACE_MASK_PACKET, STEP_S707, spi, found);
}

/** The SA of a frame, after lookUp. */
// @ts-ignore: decorator
@inline
export function saOf(frame: Frame): Sa {
  return changetype<Sa>(<usize>frame.scratch0);
}

/** Where what an SA has done goes: opened packets to the protected side, sealed ones to the unprotected side. */
// @ts-ignore: decorator
@inline
export function outlet(sa: Sa): u32 {
  return isInbound(sa) ? PORT_PROTECTED : PORT_UNPROTECTED;
}

/**
 * Phase 1: PASS, NOTHING_INSIDE, or a drop reason; nothing is counted and no state changes but the frame's. On PASS frame.scratch0 is
 * the SA; an inbound frame starts with its ESP header, or with AH with its IP header; frame.scratch1 is the outer TOS or
 * traffic class, frame.scratch2 the octets in front of the ESP header or AH, frame.scratch3 those of them that are IP headers, with the
 * offset of the octet that names the next layer above it (<< 16). frame.scratch5 is the SPI that was looked up, 0 none.
 * Nothing on the link tells the direction: inbound is what is addressed to us and is AH or ESP, by itself or in UDP.
 */
export function lookUp(frame: Frame): u32 {
  const what = examine(frame);
  return what == PASS ? findSa(frame) : what;
}

/** The same, but for the SA: on PASS frame.scratch0 is what the packet is. */
function examine(frame: Frame): u32 {
  const p = frame.start;
  frame.scratch0 = CLEAR;
  frame.scratch5 = 0;
  if (frame.length != 0 && (<u32>load<u8>(p)) >> 4 == 6) return examine6(frame);
  if (!ipv4Check(p, frame.length)) return DROP_IP_MALFORMED;
  frame.length = ipv4TotalLength(p);
  const protocol = ipv4Protocol(p);
  if (
    (protocol == PROTOCOL_ESP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_AH) &&
    isLocalAddress(ipv4Destination(p))
  ) {
    const header = ipv4HeaderOctets(p);
    frame.scratch1 = <u32>load<u8>(p, IPV4_TOS);
    frame.scratch3 = header | (IPV4_PROTOCOL << 16);
    if (ipv4IsFragment(p)) return DROP_IP_FRAGMENT;
    if (protocol == PROTOCOL_ESP) return examineEsp(frame, header);
    if (protocol == PROTOCOL_AH) return examineAh(frame, header);
    if (!udpCheck(p + header, frame.length - header)) return DROP_UDP_MALFORMED;
    if (udpDestinationPort(p + header) == portNatt()) {
      frame.length = header + udpLength(p + header);
      return examineEsp(frame, header + UDP_HEADER);
    }
  }
  return PASS;
}

/** The same for IPv6. */
function examine6(frame: Frame): u32 {
  const p = frame.start;
  if (!ipv6Check(p, frame.length)) return DROP_IP_MALFORMED;
  frame.length = ipv6TotalLength(p);
  if (ipv6Walk(p, frame.length) != WALK_DONE) return DROP_IPV6_EXTENSION;
  const protocol = ipv6WalkProtocol();
  if (
    (protocol == PROTOCOL_ESP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_AH) &&
    isLocalAddress6(p + IPV6_DESTINATION)
  ) {
    const header = ipv6WalkOctets();
    frame.scratch1 = ipv6TrafficClass(p);
    frame.scratch3 = header | (ipv6WalkNextHeaderAt() << 16);
    if (ipv6WalkFragmented()) return DROP_IP_FRAGMENT;
    if (protocol == PROTOCOL_ESP) return examineEsp(frame, header);
    if (protocol == PROTOCOL_AH) return examineAh(frame, header);
    if (!udpCheck(p + header, frame.length - header)) return DROP_UDP_MALFORMED;
    if (udpDestinationPort(p + header) == portNatt()) {
      frame.length = header + udpLength(p + header);
      return examineEsp(frame, header + UDP_HEADER);
    }
  }
  return PASS;
}

/** `outer`: octets in front of the ESP header. A peer may change between plain ESP and UDP at any time (RFC 7296 2.23). */
function examineEsp(frame: Frame, outer: u32): u32 {
  frame.scratch0 = SEALED_ESP;
  frame.scratch2 = outer;
  framePull(frame, outer);
  if (frame.length == 1 && load<u8>(frame.start) == ESP_KEEPALIVE) return NOTHING_INSIDE;
  if (frame.length < ESP_HEADER) return DROP_ESP_MALFORMED;
  const spi = espSpi(frame.start);
  frame.scratch5 = <u64>spi;
  return spi == 0 ? DROP_UDP_PORT : PASS;
}

/** `headers`: octets in front of AH. */
function examineAh(frame: Frame, headers: u32): u32 {
  frame.scratch0 = SEALED_AH;
  frame.scratch2 = headers;
  if (frame.length - headers < AH_HEADER) return DROP_AH_MALFORMED;
  frame.scratch5 = <u64>ahSpi(frame.start + headers);
  return PASS;
}

/** S703 for a frame that examine let pass: PASS, its SA in frame.scratch0, or DROP_NO_SA_ENTRY_IPSEC_BOARD. */
function findSa(frame: Frame): u32 {
  const what = frame.scratch0;
  const sa = what == CLEAR ? findOutbound(frame.start, frame.length) : inboundSa(frame, what);
  if (!sa) return DROP_NO_SA_ENTRY_IPSEC_BOARD;
  frame.scratch0 = <u32>changetype<usize>(sa);
  return PASS;
}

/**
 * The SA of the SPI and protocol of a sealed packet to one of our addresses. To which of them is no matter in tunnel mode (RFC 4301 4.1): a
 * peer that moves may send to, or from, its new place before we have been told (RFC 4555 3.5).
 */
function inboundSa(frame: Frame, what: u32): Sa | null {
  const sa = findInbound(<u32>frame.scratch5);
  if (!sa || isAh(sa) != (what == SEALED_AH)) return null;
  if (isTransport(sa) && !isToItsEnd(sa, what == SEALED_AH ? frame.start : frame.start - frame.scratch2)) return null;
  return sa;
}

/** True when a packet's destination is our end of an SA. */
function isToItsEnd(sa: Sa, packet: usize): bool {
  const six = (<u32>load<u8>(packet)) >> 4 == 6;
  if (six != isIpv6(sa)) return false;
  return six
    ? ipv6SameAddress(localAddress6(sa), packet + IPV6_DESTINATION)
    : sa.localAddress == ipv4Destination(packet);
}

/** Phase 2, for a frame that lookUp let pass: PASS, IN_PIECES or a drop reason. What it changes is the frame and `sa`. */
export function prepare(frame: Frame, sa: Sa, job: CipherJob): u32 {
  if (isAh(sa)) return isInbound(sa) ? ahOpenPrepare(frame, sa, job) : ahSealPrepare(frame, sa, job);
  return isInbound(sa) ? openPrepare(frame, sa, job) : sealPrepare(frame, sa, job);
}

// @ts-ignore: decorator
@inline
function isInbound(sa: Sa): bool {
  return <u32>sa.direction == DIRECTION_INBOUND;
}

/** Phase 4, its job done: PASS, NOTHING_INSIDE, or a drop reason. What it changes is the frame and `sa`. */
export function finish(frame: Frame, sa: Sa, job: CipherJob): u32 {
  if (!isInbound(sa)) {
    if (isAh(sa)) ahSealFinish(frame);
    else sealFinish(frame, sa);
    return PASS;
  }
  return isAh(sa) ? ahOpenFinish(frame, sa, job, frame.scratch1) : openFinish(frame, sa, job, frame.scratch1);
}
