/**
 * Quick crash detection (RFC 6290): by a token that each end gave the other in good times, who has lost its IKE_SAs can prove it.
 *
 *   token = HMAC-SHA-256(a secret of the secure element's, SPIi | SPIr)
 *
 * The secret stays in the element and outlives the board, so that a board that begins anew makes the same tokens. Maker: a request
 * with SPIs that nobody here has is answered in the clear; each such answer is work, so there are TOKENS_PER_SECOND of them at most.
 * Taker: such an answer with the peer's token ends the IKE_SA at once; with any other it is as good as none (section 5).
 */
import { PSA_FIELDS, PSA_QCD_TOKEN, PSA_TRANSACTION } from "../abi/psa";
import { Frame } from "../bus/frame";
import { originate } from "../bus/port";
import { equalConstantTime } from "../rt/bytes";
import { now } from "../rt/registers";
import {
  EXCHANGE_IKE_SA_INIT,
  IKE_FLAG_INITIATOR,
  IKE_FLAG_RESPONSE,
  IKE_SPI_I,
  IKE_SPI_R,
  Writer,
  ikeExchange,
  ikeFlags,
  ikeMessageId,
  messageBegin,
  messageEnd,
} from "../wire/ike_message";
import {
  NOTIFY_INVALID_IKE_SPI,
  NOTIFY_QCD_TOKEN,
  notifyData,
  notifyDataOctets,
  notifyWrite,
} from "../wire/ike_payload/notify";
import { IpAddress, addressAt, addressCopy } from "../wire/ip_address";
import { IkeSa, QCD_OWN_OCTETS, QCD_PEER_MAX, ikeQcdOwn, ikeQcdPeer } from "./ike_sa";
import { jobBegin, jobField, jobHeader, jobPost } from "./job";
import { notifyFind, soleLength } from "./negotiation";
import { pathLocal, pathLocalPort, pathRemote, pathRemotePort, pathSend } from "./path";
import { JOB_TIME, SECOND, crashDetection } from "./settings";

/** Octets of a token (section 4.1). */
const TOKEN_MIN: u32 = 16;
const TOKENS_PER_SECOND: u32 = 64;
/** Answers that wait for their token. */
const WAITING_MAX: u32 = 64;
/** Marks the transactions of those, which no exchange waits for. */
const TRANSACTION_MARK: u32 = 0x8000;


@unmanaged
class Unknown {
  /** Until when it may wait, 0 it is free. */
  due: u64;
  spiI: u64;
  spiR: u64;
  localHigh: u64;
  localLow: u64;
  remoteHigh: u64;
  remoteLow: u64;
  localPort: u32;
  remotePort: u32;
  messageId: u32;
  exchange: u32;
  flags: u32;
  generation: u32;

  get local(): IpAddress {
    return addressAt(changetype<usize>(this) + offsetof<Unknown>("localHigh"));
  }

  get remote(): IpAddress {
    return addressAt(changetype<usize>(this) + offsetof<Unknown>("remoteHigh"));
  }
}

const waiting: usize = memory.data(WAITING_MAX * 96, 8);
const spis: usize = memory.data(16, 8);
const answer: usize = memory.data(160, 8);
let second: u64 = 0;
let count: u32 = 0;

export function qcdReset(): void {
  assert(offsetof<Unknown>() <= 96);
  memory.fill(waiting, 0, WAITING_MAX * 96);
  second = 0;
  count = 0;
}

function unknownAt(i: u32): Unknown {
  return changetype<Unknown>(waiting + <usize>i * 96);
}

/** Asks for our token of an IKE_SA; the exchange waits in `step`. False: there will be none. */
export function qcdAsk(sa: IkeSa, out: bool, step: u32): bool {
  const frame = crashDetection ? jobBegin(sa, out, step, PSA_QCD_TOKEN, 0, 0) : null;
  if (!frame) return false;
  spisField(frame, sa.spiI, sa.spiR);
  jobPost(frame);
  return true;
}

/** The field of a request that has our token of an IKE_SA come with its answer: empty when there is none. */
export function qcdField(frame: Frame, sa: IkeSa): void {
  if (crashDetection) spisField(frame, sa.spiI, sa.spiR);
  else jobField(frame, spis, 0);
}

function spisField(frame: Frame, spiI: u64, spiR: u64): void {
  store<u64>(spis, spiI);
  store<u64>(spis, spiR, 8);
  jobField(frame, spis, 16);
}

/** Our token is here; length 0: there is none. */
export function qcdKeep(sa: IkeSa, value: usize, length: u32): void {
  sa.qcdOwn = length == QCD_OWN_OCTETS ? 1 : 0;
  if (sa.qcdOwn != 0) memory.copy(ikeQcdOwn(sa), value, length);
}

/** Writes our token, if there is one. */
export function qcdWrite(w: Writer, sa: IkeSa): void {
  if (sa.qcdOwn != 0) notifyWrite(w, NOTIFY_QCD_TOKEN, ikeQcdOwn(sa), QCD_OWN_OCTETS);
}

/** Takes the peer's token from the message in hand, which is the peer's for certain. */
export function qcdTake(sa: IkeSa): void {
  const notify = crashDetection ? notifyFind(NOTIFY_QCD_TOKEN) : 0;
  if (notify == 0) return;
  const octets = notifyDataOctets(notify, soleLength);
  if (octets < TOKEN_MIN || octets > QCD_PEER_MAX) return;
  memory.copy(ikeQcdPeer(sa), notifyData(notify), octets);
  sa.qcdPeerLength = octets;
}

/** True when the answer in hand, in the clear, proves that the peer has lost this IKE_SA. */
export function qcdProves(sa: IkeSa): bool {
  if (sa.qcdPeerLength == 0 || notifyFind(NOTIFY_INVALID_IKE_SPI) == 0) return false;
  const notify = notifyFind(NOTIFY_QCD_TOKEN);
  if (notify == 0 || notifyDataOctets(notify, soleLength) != sa.qcdPeerLength) return false;
  return equalConstantTime(notifyData(notify), ikeQcdPeer(sa), sa.qcdPeerLength);
}

/** A protected request at `p` whose SPIs nobody here has: asks for the token that tells the peer so. */
export function qcdUnknown(p: usize): void {
  const spiI = load<u64>(p, IKE_SPI_I);
  const spiR = load<u64>(p, IKE_SPI_R);
  const request = (ikeFlags(p) & IKE_FLAG_RESPONSE) == 0 && ikeExchange(p) != EXCHANGE_IKE_SA_INIT;
  if (!crashDetection || !request || spiI == 0 || spiR == 0 || !mayAnswer()) return;
  for (let i: u32 = 0; i < WAITING_MAX; i++) {
    const unknown = unknownAt(i);
    if (unknown.due > now()) continue;
    const frame = originate();
    if (!frame) return;
    unknown.due = now() + JOB_TIME;
    unknown.spiI = spiI;
    unknown.spiR = spiR;
    addressCopy(unknown.local, pathLocal);
    addressCopy(unknown.remote, pathRemote);
    unknown.localPort = pathLocalPort;
    unknown.remotePort = pathRemotePort;
    unknown.messageId = ikeMessageId(p);
    unknown.exchange = ikeExchange(p);
    unknown.flags = ikeFlags(p);
    unknown.generation = (unknown.generation + 1) & 0xffff;
    jobHeader(frame, PSA_QCD_TOKEN, (unknown.generation << 16) | TRANSACTION_MARK | i, 0, 0);
    spisField(frame, spiI, spiR);
    return jobPost(frame);
  }
}

function mayAnswer(): bool {
  if (now() - second >= SECOND) {
    second = now();
    count = 0;
  }
  count += 1;
  return count <= TOKENS_PER_SECOND;
}

/** True for an answer of the secure element's that is a token for SPIs that nobody here has; it is sent then. */
export function qcdAnswered(frame: Frame, good: bool): bool {
  const transaction = load<u32>(frame.start, PSA_TRANSACTION);
  const i = transaction & (TRANSACTION_MARK - 1);
  if ((transaction & TRANSACTION_MARK) == 0 || i >= WAITING_MAX) return false;
  const unknown = unknownAt(i);
  if (unknown.due == 0 || unknown.generation != transaction >>> 16) return true;
  unknown.due = 0;
  const octets = PSA_FIELDS + 2 + QCD_OWN_OCTETS;
  if (good && frame.length == octets) send(unknown, frame.start + PSA_FIELDS + 2);
  return true;
}

/** RFC 7296 1.5: SPIs, exchange and message id are those of the request. */
function send(unknown: Unknown, token: usize): void {
  const flags = IKE_FLAG_RESPONSE | ((unknown.flags & IKE_FLAG_INITIATOR) ^ IKE_FLAG_INITIATOR);
  const w = messageBegin(answer, 160, unknown.spiI, unknown.spiR, unknown.exchange, flags, unknown.messageId);
  notifyWrite(w, NOTIFY_INVALID_IKE_SPI, 0, 0);
  notifyWrite(w, NOTIFY_QCD_TOKEN, token, QCD_OWN_OCTETS);
  pathSend(answer, messageEnd(w), unknown.local, unknown.localPort, unknown.remote, unknown.remotePort);
}
