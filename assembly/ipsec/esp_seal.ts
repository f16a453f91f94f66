/**
 * Outbound ESP (RFC 4303 3.3): limits, a sequence number that is never given twice, trailer, header and IV before
 * the cipher; the outer headers behind it.
 *
 * The IV is made of the 64-bit sequence number, so a number that were given twice would be a nonce given twice: it is counted up
 * before anything else can fail, and never taken back.
 */
import { DROP_PACKET_TOO_BIG } from "../abi/drop";
import { FABRIC_MTU } from "../abi/fabric";
import { Frame, frameHeadroom, framePush, frameTailroom } from "../bus/frame";
import { CipherJob } from "../crypto/job";
import { storeBE64 } from "../rt/bytes";
import { ESP_HEADER, ESP_TRAILER, espEmit, espEmitTrailer, espPadding } from "../wire/esp";
import { jobFill } from "./esp_job";
import { countUse, lastSequence, lifeOver, sequenceOver, withinLife } from "./expiry";
import { leaseOutbound } from "./lease";
import { mssAdjusted, mssLower } from "./mss";
import { pathMtuOver } from "./path_mtu";
import { Sa, isTransport, transformOf } from "./sa";
import { oversize } from "./too_big";
import {
  transportEncapsulate,
  transportHeaders,
  transportOpenUp,
  transportProtocol,
  transportSplit,
} from "./transport";
import { PASS, encapsulationOctets, espRoom, innerMark, innerProtocol, outerOctets, tunnelPush } from "./tunnel";

/**
 * The frame is a clear packet that `sa` covers. On PASS it is an ESP packet whose payload is still clear, in transport mode behind
 * its IP header, and the job is filled. What is larger than the SA carries whole: too_big.ts.
 */
export function sealPrepare(frame: Frame, sa: Sa, job: CipherJob): u32 {
  const t = transformOf(sa);
  const p = frame.start;
  const mark = innerMark(p);
  const transport = isTransport(sa);
  let headers: u32 = 0;
  let nextHeader = innerProtocol(mark);
  let largest = <u32>sa.innerMtu;
  let front = ESP_HEADER + t.ivOctets;
  if (transport) {
    const verdict = transportSplit(frame, sa);
    if (verdict != PASS) return verdict;
    headers = transportHeaders(frame);
    nextHeader = transportProtocol(frame);
    const encapsulation = encapsulationOctets(sa);
    largest = headers + espRoom(sa, headers + encapsulation);
    front += encapsulation;
  }
  if (!transport && mssAdjusted()) mssLower(frame.start, frame.length, sa.innerMtu);
  if (frame.length > largest) {
    if (pathMtuOver(sa)) return sealPrepare(frame, sa, job);
    const verdict = oversize(frame, sa, mark, largest);
    if (verdict != PASS) return verdict;
  }
  const payload = frame.length - headers;
  const padding = espPadding(payload, t.blockOctets);
  const behind = padding + ESP_TRAILER + t.icvOctets;
  const room = transport ? front : front + outerOctets(sa);
  if (frame.length > FABRIC_MTU || frameHeadroom(frame) < room || frameTailroom(frame) < behind) {
    return DROP_PACKET_TOO_BIG;
  }
  const refused = takeNumber(sa, frame.length);
  if (refused != PASS) return refused;
  const sequence = sa.sequence;

  frame.scratch1 = mark;
  frame.scratch4 = sequence;
  espEmitTrailer(p + frame.length, padding, nextHeader);
  let header: usize;
  if (transport) header = transportOpenUp(frame, front) + encapsulationOctets(sa);
  else header = framePush(frame, front);
  espEmit(header, sa.spi, <u32>sequence);
  emitIv(header + ESP_HEADER, t.ivOctets, sequence);
  frame.length += behind;
  jobFill(job, sa, sequence, header, payload + padding + ESP_TRAILER, true);
  return PASS;
}

/** Takes the next number for a packet of `octets` clear octets, sa.sequence from then on: PASS, or why there is none. */
export function takeNumber(sa: Sa, octets: u32): u32 {
  if (!withinLife(sa, octets)) return lifeOver(sa);
  if (sa.sequence >= lastSequence(sa)) return sequenceOver(sa);
  if (sa.sequence >= sa.askAt) {
    const refused = leaseOutbound(sa);
    if (refused != PASS) return refused;
  }
  sa.sequence += 1;
  countUse(sa, octets);
  return PASS;
}

/** The number that the cipher makes the packet's IV of (crypto/suite.ts): 8 octets, or a block of 16 for CBC, or none. */
function emitIv(iv: usize, octets: u32, sequence: u64): void {
  if (octets == 0) return;
  if (octets == 16) store<u64>(iv, 0);
  storeBE64(iv + octets - 8, sequence);
}

/** The packet is sealed: pushes the outer headers, or mends its own. */
export function sealFinish(frame: Frame, sa: Sa): void {
  if (isTransport(sa)) transportEncapsulate(frame, sa);
  else tunnelPush(frame, sa, frame.scratch1, <u32>frame.scratch4);
}
