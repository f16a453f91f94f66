/**
 * Outbound AH (RFC 4302 section 3.3): limits and a sequence number that is never given twice, as esp_seal.ts has them for ESP; the
 * headers as they will leave, AH behind them, then the ICV over it all.
 *
 * An ID of 0 in an IPv4 header becomes another: hosts' raw sockets fill it in, and the ICV covers it.
 */
import { DROP_PACKET_TOO_BIG } from "../abi/drop";
import { FABRIC_MTU } from "../abi/fabric";
import { Frame, frameHeadroom, framePush, frameTailroom } from "../bus/frame";
import { CipherJob } from "../crypto/job";
import { storeBE16, storeBE64 } from "../rt/bytes";
import { AH_HEADER, ahEmit } from "../wire/ah";
import { IPV4_ID, PROTOCOL_AH } from "../wire/ipv4";
import { ahMute, ahUnmute } from "./ah_mute";
import { jobFillCovering } from "./esp_job";
import { takeNumber } from "./esp_seal";
import { mssAdjusted, mssLower } from "./mss";
import { pathMtuOver } from "./path_mtu";
import { Sa, isIpv6, isTransport, transformOf } from "./sa";
import { oversize } from "./too_big";
import { transportHeaders, transportMend, transportOpenUp, transportProtocol, transportSplit } from "./transport";
import { PASS, ahSealedOctets, innerMark, innerProtocol, outerIpOctets, outerPush } from "./tunnel";

/** The high half of an extended sequence number, which stands behind the packet for the ICV alone. */
const BEHIND: u32 = 4;

/**
 * The frame is a clear packet that `sa` covers. On PASS it is an AH packet but for its ICV and what is muted in its headers
 * (frame.scratch2 octets), and the job is filled. What is larger than the SA carries whole: too_big.ts.
 */
export function ahSealPrepare(frame: Frame, sa: Sa, job: CipherJob): u32 {
  const transport = isTransport(sa);
  const mark = innerMark(frame.start);
  const octets = ahSealedOctets(sa);
  let headers = outerIpOctets(sa);
  let nextHeader = innerProtocol(mark);
  let largest = <u32>sa.innerMtu;
  let front = octets + headers;
  if (transport) {
    const verdict = transportSplit(frame, sa);
    if (verdict != PASS) return verdict;
    headers = transportHeaders(frame);
    nextHeader = transportProtocol(frame);
    largest = <u32>sa.outerMtu - octets;
    front = octets;
  }
  if (!transport && mssAdjusted()) mssLower(frame.start, frame.length, sa.innerMtu);
  if (frame.length > largest) {
    if (pathMtuOver(sa)) return ahSealPrepare(frame, sa, job);
    const verdict = oversize(frame, sa, mark, largest);
    if (verdict != PASS) return verdict;
  }
  if (frame.length > FABRIC_MTU || frameHeadroom(frame) < front + headers || frameTailroom(frame) < BEHIND) {
    return DROP_PACKET_TOO_BIG;
  }
  const clear = frame.length;
  if (transport) {
    // Options may be refused: before a number is taken.
    transportOpenUp(frame, octets);
    own(frame, sa);
    const muted = ahMute(frame, headers, headers);
    if (muted != PASS) return muted;
  }
  const refused = takeNumber(sa, clear);
  if (refused != PASS) return refused;
  const sequence = sa.sequence;
  if (!transport) {
    framePush(frame, octets);
    outerPush(frame, sa, PROTOCOL_AH, mark, idOf(sequence));
    const muted = ahMute(frame, headers, headers);
    if (muted != PASS) return muted;
  }
  frame.scratch2 = headers;
  frame.scratch4 = sequence;
  const ah = frame.start + headers;
  const t = transformOf(sa);
  ahEmit(ah, nextHeader, octets, sa.spi, <u32>sequence);
  const field = ah + AH_HEADER;
  if (t.ivOctets != 0) storeBE64(field, sequence);
  jobFillCovering(job, sa, sequence, frame, field, field + t.ivOctets, true);
  return PASS;
}

/** The ICV is in its place: puts the headers back as they leave. */
export function ahSealFinish(frame: Frame): void {
  ahUnmute(frame, frame.scratch2, frame.scratch2);
}

/** The packet's own headers as they will leave: they name AH, and the packet's length. */
function own(frame: Frame, sa: Sa): void {
  const p = frame.start;
  if (!isIpv6(sa) && load<u16>(p, IPV4_ID) == 0) storeBE16(p + IPV4_ID, idOf(sa.sequence + 1));
  transportMend(frame, PROTOCOL_AH);
}

/** An ID that is not 0. */
// @ts-ignore: decorator
@inline
function idOf(sequence: u64): u32 {
  return <u32>(sequence % 0xffff) + 1;
}
