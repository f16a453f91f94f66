/**
 * Outbound ESP (RFC 4303 3.3): limits, a sequence number that is never given twice, trailer, header and IV before
 * the cipher; the outer headers behind it.
 *
 * The IV is made of the 64-bit sequence number, so a number that were given twice would be a nonce given twice: it is counted up
 * before anything else can fail, and never taken back.
 */
import { DROP_LEASE_WAIT, DROP_PACKET_TOO_BIG, DROP_SA_EXPIRED, DROP_SEQUENCE_CYCLED } from "../abi/drop";
import { FABRIC_MTU } from "../abi/fabric";
import { Frame, frameHeadroom, framePush, frameTailroom } from "../bus/frame";
import { CipherJob } from "../crypto/job";
import { storeBE64 } from "../rt/bytes";
import { ESP_HEADER, ESP_TRAILER, espEmit, espEmitTrailer, espPadding } from "../wire/esp";
import { IPV4_TOS, PROTOCOL_IPV4, ipv4DontFragment } from "../wire/ipv4";
import { jobFill } from "./esp_job";
import { countUse, lastSequence, withinLife } from "./expiry";
import { Sa, transformOf } from "./sa";
import { PASS, outerOctets, tellTooBig, tunnelPush } from "./tunnel";

/** frame.scratch1 between the two halves: TOS, and DF above it. */
const DF_BIT: u32 = 0x100;

/**
 * The frame is a clear IPv4 packet that `sa` covers. On PASS it is an ESP packet whose payload is still clear, and the job
 * is filled. A packet without DF that is larger than the tunnel goes on: the host fragments the outer packet (RFC 4301 8.1).
 */
export function sealPrepare(frame: Frame, sa: Sa, job: CipherJob): u32 {
  const t = transformOf(sa);
  const p = frame.start;
  const df = ipv4DontFragment(p);
  if (df && frame.length > sa.innerMtu) {
    tellTooBig(frame, sa);
    return DROP_PACKET_TOO_BIG;
  }
  const padding = espPadding(frame.length, t.blockOctets);
  const front = outerOctets(sa) + ESP_HEADER + t.ivOctets;
  const behind = padding + ESP_TRAILER + t.icvOctets;
  if (frame.length > FABRIC_MTU || frameHeadroom(frame) < front || frameTailroom(frame) < behind) {
    return DROP_PACKET_TOO_BIG;
  }
  if (!withinLife(sa, frame.length)) return DROP_SA_EXPIRED;
  if (sa.sequence >= lastSequence(sa)) return DROP_SEQUENCE_CYCLED;
  if (sa.lease != 0 && sa.sequence >= sa.lease) return DROP_LEASE_WAIT;
  sa.sequence += 1;
  const sequence = sa.sequence;
  countUse(sa, frame.length);

  frame.scratch1 = (<u32>load<u8>(p, IPV4_TOS)) | (df ? DF_BIT : 0);
  frame.scratch4 = sequence;
  espEmitTrailer(p + frame.length, padding, PROTOCOL_IPV4);
  const length = frame.length + padding + ESP_TRAILER;
  const header = framePush(frame, ESP_HEADER + t.ivOctets);
  espEmit(header, sa.spi, <u32>sequence);
  emitIv(header + ESP_HEADER, t.ivOctets, sequence);
  frame.length += behind;
  jobFill(job, sa, sequence, header, length, true);
  return PASS;
}

/** The number that the cipher makes the packet's IV of (crypto/suite.ts): 8 octets, or a block of 16 for CBC, or none. */
function emitIv(iv: usize, octets: u32, sequence: u64): void {
  if (octets == 0) return;
  if (octets == 16) store<u64>(iv, 0);
  storeBE64(iv + octets - 8, sequence);
}

/** The packet is sealed: pushes the outer headers. */
export function sealFinish(frame: Frame, sa: Sa): void {
  tunnelPush(frame, sa, frame.scratch1 & 0xff, (frame.scratch1 & DF_BIT) != 0, <u32>frame.scratch4);
}
