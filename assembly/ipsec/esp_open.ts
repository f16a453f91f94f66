/**
 * Inbound ESP (RFC 4303 3.4): the checks before the cipher, and what follows a right ICV. Both return PASS or a
 * drop reason and leave the frame to the caller.
 *
 * No decrypted octet is looked at before its ICV has proved right; all failures behind it are of authentic packets.
 */
import {
  DROP_ESP_MALFORMED,
  DROP_ESP_PADDING,
  DROP_ICV,
  DROP_IPV6_EXTENSION,
  DROP_REPLAY,
  DROP_SELECTOR_MISMATCH,
} from "../abi/drop";
import { SA_LOCAL_TS_COUNT, SA_REMOTE_TS_COUNT, SA_SELECTORS, SELECTOR_OCTETS } from "../abi/message";
import { Frame, framePull } from "../bus/frame";
import { CipherJob } from "../crypto/job";
import { FLOW_OCTETS, Flow, flowRead } from "../policy/flow";
import { selectorsAdmit } from "../policy/selector";
import { ESP_HEADER, espNextHeader, espSequence, espTrailerOctets } from "../wire/esp";
import { PROTOCOL_NONE } from "../wire/ipv4";
import { jobFill } from "./esp_job";
import { countUse, lifeOver, withinLife } from "./expiry";
import { LEASE_AWAITED, leaseInbound } from "./lease";
import { mssAdjusted, mssLower } from "./mss";
import { replayCheck, replayCommit, replaySequence } from "./replay";
import { Sa, isTransport, transformOf } from "./sa";
import { transportJoin } from "./transport";
import { NOTHING_INSIDE, PASS, tunnelStrip } from "./tunnel";
import { noteSource } from "./update";

const flow: usize = memory.data(FLOW_OCTETS, 16);

/**
 * The frame starts with the ESP header and ends with the ICV. Checks shape, life and replay; on PASS the job is
 * filled and frame.scratch4 is the sequence number.
 */
export function openPrepare(frame: Frame, sa: Sa, job: CipherJob): u32 {
  const t = transformOf(sa);
  const around = ESP_HEADER + t.ivOctets + t.icvOctets;
  if (frame.length < around + t.blockOctets) return DROP_ESP_MALFORMED;
  const length = frame.length - around;
  if ((length & (t.blockOctets - 1)) != 0) return DROP_ESP_MALFORMED;
  const p = frame.start;
  const verdict = openNumber(frame, sa, espSequence(p));
  if (verdict != PASS) return verdict;
  jobFill(job, sa, frame.scratch4, p, length, false);
  return PASS;
}

/** The number of a packet, of which `low` travels: replay, life. On PASS it is frame.scratch4. */
export function openNumber(frame: Frame, sa: Sa, low: u32): u32 {
  const sequence = replaySequence(sa, low);
  if (!replayCheck(sa, sequence)) return DROP_REPLAY;
  if (!withinLife(sa, 0)) return lifeOver(sa);
  frame.scratch4 = sequence;
  return PASS;
}

/**
 * The verdict on the ICV, lease, then replay and its commitment, where it came from when that was UDP, and life. The lease comes behind
 * the ICV: a number that anybody may write must not move it. LEASE_AWAITED: authentic, to be asked about once more.
 */
export function openProved(frame: Frame, sa: Sa, job: CipherJob): u32 {
  if (job.done == 0) return DROP_ICV;
  if (frame.scratch4 >= sa.askAt && !leaseInbound(sa, frame.scratch4))
    return replayCheck(sa, frame.scratch4) ? LEASE_AWAITED : DROP_REPLAY;
  const newest = frame.scratch4 > sa.sequence;
  // A twin, or the hard limit, may have been reached by a packet before this one in the same batch.
  if (!replayCommit(sa, frame.scratch4)) return DROP_REPLAY;
  const headers = frame.scratch3 & 0xffff;
  if (newest && sa.window != 0 && frame.scratch2 != headers) noteSource(sa, frame.start - frame.scratch2, headers);
  return withinLife(sa, 0) ? PASS : lifeOver(sa);
}

/**
 * What follows the cipher: ICV verdict, replay again and its commitment, padding, next header, the tunnel or the packet's own
 * IP header, selectors (RFC 4301 5.2). On PASS the frame is the clear packet. `outerTos` is the TOS octet or traffic class outside;
 * scratch2 and scratch3 are those of process.ts.
 */
export function openFinish(frame: Frame, sa: Sa, job: CipherJob, outerTos: u32): u32 {
  const proved = openProved(frame, sa, job);
  if (proved != PASS) return proved;
  const t = transformOf(sa);
  const length = frame.length - ESP_HEADER - t.ivOctets - t.icvOctets;
  const data = frame.start + ESP_HEADER + t.ivOctets;
  const end = data + length;
  const trailer = espTrailerOctets(end, length);
  if (trailer == 0) return DROP_ESP_PADDING;
  const nextHeader = espNextHeader(end);
  const origin = frame.start - frame.scratch2;
  framePull(frame, <u32>(data - frame.start));
  frame.length = length - trailer;
  if (nextHeader == PROTOCOL_NONE) {
    countUse(sa, 0);
    return NOTHING_INSIDE;
  }
  const verdict = isTransport(sa)
    ? transportJoin(frame, origin, nextHeader)
    : tunnelStrip(frame, sa, outerTos, nextHeader);
  if (verdict != PASS) return verdict;
  return openedCheck(frame, sa);
}

/** An opened packet is what the SA was agreed for (RFC 4301 5.2, step 4), and counts. PASS or a drop reason. */
export function openedCheck(frame: Frame, sa: Sa): u32 {
  const packet = changetype<Flow>(flow);
  if (!flowRead(frame.start, frame.length, packet)) return DROP_IPV6_EXTENSION;
  const localCount = <u32>load<u8>(sa.cold, SA_LOCAL_TS_COUNT);
  const remoteCount = <u32>load<u8>(sa.cold, SA_REMOTE_TS_COUNT);
  const local = sa.cold + SA_SELECTORS;
  const remote = local + <usize>(localCount * SELECTOR_OCTETS);
  if (!selectorsAdmit(local, localCount, remote, remoteCount, packet)) return DROP_SELECTOR_MISMATCH;
  if (mssAdjusted() && !isTransport(sa)) mssLower(frame.start, frame.length, sa.innerMtu);
  countUse(sa, frame.length);
  return PASS;
}
