/**
 * Inbound AH (RFC 4302 section 3.4): the checks before the ICV, and what follows a right one, as esp_open.ts has them for ESP. The
 * frame begins with the IP header all the time: the ICV covers it.
 */
import { DROP_AH_MALFORMED } from "../abi/drop";
import { Frame, framePull } from "../bus/frame";
import { CipherJob } from "../crypto/job";
import { AH_HEADER, ahLengthFits, ahOctets, ahSequence } from "../wire/ah";
import { ahKept, ahMute, ahUnmute } from "./ah_mute";
import { jobFillCovering } from "./esp_job";
import { openNumber, openProved, openedCheck } from "./esp_open";
import { Sa, isIpv6, isTransport, transformOf } from "./sa";
import { transportJoin } from "./transport";
import { PASS, tunnelStrip } from "./tunnel";

/** frame.scratch2: octets in front of AH, all of them IP headers. On PASS the job is filled and frame.scratch4 is the sequence number. */
export function ahOpenPrepare(frame: Frame, sa: Sa, job: CipherJob): u32 {
  const t = transformOf(sa);
  const headers = frame.scratch2;
  const ah = frame.start + headers;
  const octets = ahOctets(ah);
  const field = t.ivOctets + t.icvOctets;
  if (octets > frame.length - headers || !ahLengthFits(octets, field, isIpv6(sa))) return DROP_AH_MALFORMED;
  const verdict = openNumber(frame, sa, ahSequence(ah));
  if (verdict != PASS) return verdict;
  const icvAt = headers + AH_HEADER + t.ivOctets;
  const kept = icvAt + t.icvOctets;
  const muted = ahMute(frame, headers, kept);
  if (muted != PASS) return muted;
  memory.fill(frame.start + icvAt, 0, t.icvOctets);
  jobFillCovering(job, sa, frame.scratch4, frame, ah + AH_HEADER, ahKept(frame, kept, icvAt), false);
  return PASS;
}

/** What follows: ICV verdict, replay, the packet's own headers or the tunnel, selectors. On PASS the frame is the clear packet. */
export function ahOpenFinish(frame: Frame, sa: Sa, job: CipherJob, outerTos: u32): u32 {
  const proved = openProved(frame, sa, job);
  if (proved != PASS) return proved;
  const t = transformOf(sa);
  const headers = frame.scratch2;
  const packet = frame.start;
  ahUnmute(frame, headers, headers + AH_HEADER + t.ivOctets + t.icvOctets);
  const ah = packet + headers;
  const nextHeader = <u32>load<u8>(ah);
  framePull(frame, headers + ahOctets(ah));
  const verdict = isTransport(sa)
    ? transportJoin(frame, packet, nextHeader)
    : tunnelStrip(frame, sa, outerTos, nextHeader);
  return verdict != PASS ? verdict : openedCheck(frame, sa);
}
