/**
 * The window (RFC 7296 section 2.1-2.3): message ids, retransmission and duplicates, and nothing else knows of them.
 *
 * One exchange in each direction. Our last request and our last response are retained as they were sent; the request
 * goes again after retransmitTime, then 1.8 times later each time.
 */
import { now } from "../rt/registers";
import { deadlineClear, deadlineSet } from "../rt/deadlines";
import {
  EXCHANGE_IKE_INTERMEDIATE,
  EXCHANGE_IKE_SA_INIT,
  IKE_FLAG_INITIATOR,
  IKE_FLAG_RESPONSE,
  PAYLOAD_HEADER,
  Writer,
  ikeExchange,
  messageBegin,
  messageEnd,
} from "../wire/ike_message";
import { encryptedBegin } from "../wire/ike_payload/encrypted";
import { Transform } from "../crypto/transform";
import { IpAddress, addressCopy } from "../wire/ip_address";
import { ikeChanged } from "./changes";
import { pairLocal, pairRemote, pairsList } from "./mobike_pair";
import { FRAGMENTS_SENT, IN_NONE, IkeSa, OUT_NONE, RETAINED_MAX, ikeRequest, ikeResponse } from "./ike_sa";
import { intAuthAdd } from "./int_auth";
import { keepaliveStart } from "./keepalive";
import { pathOverhead, pathSendAll } from "./path";
import { fragmentSize, retransmitTime, retransmitTries } from "./settings";
import { skSeal, skSealFragments, skTransform } from "./sk";
import { TIMER_RETRANSMIT, timerSa } from "./timer";

/** Pairs of addresses that one repetition goes by at most, besides the present one. */
const PAIRS_AT_ONCE: u32 = 8;

/** Header of the SK payload of the message being built, 0 in IKE_SA_INIT. */
let sk: usize = 0;

function begin(sa: IkeSa, at: usize, exchange: u32, id: u32, response: u32): Writer {
  const flags = (sa.initiator != 0 ? IKE_FLAG_INITIATOR : 0) | response;
  const w = messageBegin(at, RETAINED_MAX, sa.spiI, sa.spiR, exchange, flags, id);
  sk = 0;
  if (exchange != EXCHANGE_IKE_SA_INIT) sk = encryptedBegin(w, changetype<Transform>(skTransform(sa)).ivOctets);
  return w;
}

function end(sa: IkeSa, w: Writer): u32 {
  if (sk == 0) return messageEnd(w);
  if (ikeExchange(w.start) == EXCHANGE_IKE_INTERMEDIATE && w.overflow == 0) {
    const content = sk + PAYLOAD_HEADER + changetype<Transform>(skTransform(sa)).ivOctets;
    intAuthAdd(sa, true, w.start, <u32>load<u8>(sk), content, <u32>(w.at - content));
  }
  if (sa.fragments != FRAGMENTS_SENT) return skSeal(sa, w, sk);
  return skSealFragments(sa, w, sk, fragmentSize - pathOverhead(sa.remote));
}

/** Starts our next request. */
export function requestBegin(sa: IkeSa, exchange: u32): Writer {
  return begin(sa, ikeRequest(sa), exchange, sa.outId, 0);
}

/** Completes and sends it; the exchange waits in `step`. */
export function requestSend(sa: IkeSa, w: Writer, step: u32): void {
  sa.outLength = end(sa, w);
  ikeChanged(sa.index);
  sa.outStep = step;
  sa.outTries = 1;
  sa.outLimit = retransmitTries;
  sa.outDelay = retransmitTime;
  deadlineSet(timerSa(sa.index, TIMER_RETRANSMIT), now() + sa.outDelay);
  emit(sa, ikeRequest(sa), sa.outLength);
}

/** Sends our request again; false when it was sent often enough. */
export function requestRepeat(sa: IkeSa): bool {
  if (sa.outTries >= sa.outLimit) return false;
  const moves = sa.mobike != 0 && sa.mover != 0;
  const pairs = moves ? pairsList(sa) : 0;
  // Without an address of ours it waits for one.
  if (!moves || pairs != 0) {
    sa.outTries += 1;
    sa.outDelay = (sa.outDelay * 9) / 5;
    emit(sa, ikeRequest(sa), sa.outLength);
    if (pairs != 0) emitElsewhere(sa, pairs);
  }
  deadlineSet(timerSa(sa.index, TIMER_RETRANSMIT), now() + sa.outDelay);
  return true;
}

/** Our request unanswered goes by other pairs of addresses, too: the answer tells which of them reaches the peer (RFC 4555 3.10). */
function emitElsewhere(sa: IkeSa, pairs: u32): void {
  const first = sa.outTries * PAIRS_AT_ONCE;
  for (let n: u32 = 0; n < min<u32>(pairs, PAIRS_AT_ONCE); n++) {
    const i = (first + n) % pairs;
    if (pairLocal(i) == sa.local && pairRemote(i) == sa.remote) continue;
    pathSendAll(ikeRequest(sa), sa.outLength, pairLocal(i), sa.localPort, pairRemote(i), sa.remotePort);
  }
}

/** Stops retransmission: the answer is here, what it brings may take a while. */
export function requestAnswered(sa: IkeSa): void {
  deadlineClear(timerSa(sa.index, TIMER_RETRANSMIT));
}

/** The exchange that we initiated is over. */
export function requestDone(sa: IkeSa): void {
  requestAnswered(sa);
  ikeChanged(sa.index);
  sa.outId += 1;
  sa.outStep = OUT_NONE;
  sa.outChild = -1;
  sa.outSa = -1;
}

/** Starts the response to the peer's request. */
export function responseBegin(sa: IkeSa, exchange: u32): Writer {
  return begin(sa, ikeResponse(sa), exchange, sa.inId, IKE_FLAG_RESPONSE);
}

/** Completes and sends it; the peer's exchange is over. */
export function responseSend(sa: IkeSa, w: Writer): void {
  sa.inLength = end(sa, w);
  ikeChanged(sa.index);
  sa.inId += 1;
  sa.inStep = IN_NONE;
  sa.inChild = -1;
  sa.inSa = -1;
  responseRepeat(sa);
}

/** Sends our response, again for a duplicate: to whence the request came (RFC 7296 2.11). */
export function responseRepeat(sa: IkeSa): void {
  if (sa.answerRemotePort == 0) return emit(sa, ikeResponse(sa), sa.inLength);
  const local = sa.answerLocal;
  const remote = sa.answerRemote;
  pathSendAll(ikeResponse(sa), sa.inLength, local, sa.answerLocalPort, remote, sa.answerRemotePort);
  keepaliveStart(sa);
}

/** The peer's request has come by this path. */
export function answerTo(sa: IkeSa, local: IpAddress, localPort: u32, remote: IpAddress, remotePort: u32): void {
  addressCopy(sa.answerLocal, local);
  addressCopy(sa.answerRemote, remote);
  sa.answerLocalPort = localPort;
  sa.answerRemotePort = remotePort;
}

/** Sends a message, or its fragments, which stand one behind the other. */
function emit(sa: IkeSa, messages: usize, length: u32): void {
  pathSendAll(messages, length, sa.local, sa.localPort, sa.remote, sa.remotePort);
  keepaliveStart(sa);
}
