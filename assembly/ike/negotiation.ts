/**
 * Agreeing on a CHILD_SA (RFC 7296 section 1.3.1, 2.9): the SA, TSi and TSr payloads, which IKE_AUTH and CREATE_CHILD_SA
 * share.
 */
import { CHILD_STATE_FREE } from "../abi/management";
import { MODE_TRANSPORT, MODE_TUNNEL, SA_SELECTORS_MAX, SELECTOR_OCTETS } from "../abi/message";
import { STEP_S401, TRACE_MASK_ESTABLISH } from "../abi/trace";
import { Frame } from "../bus/frame";
import { loadBE32, storeBE32 } from "../rt/bytes";
import { trace } from "../rt/trace";
import {
  PAYLOAD_NOTIFY,
  PAYLOAD_SA,
  PAYLOAD_TSI,
  PAYLOAD_TSR,
  Writer,
  payloadBody,
  payloadFind,
  payloadLength,
  payloadsClear,
  payloadsWalk,
} from "../wire/ike_message";
import {
  NOTIFY_INVALID_SYNTAX,
  NOTIFY_IPCOMP_SUPPORTED,
  NOTIFY_NO_ADDITIONAL_SAS,
  NOTIFY_NO_PROPOSAL_CHOSEN,
  NOTIFY_STATUS_FIRST,
  NOTIFY_TS_UNACCEPTABLE,
  NOTIFY_USE_TRANSPORT_MODE,
  notifyCheck,
  notifyType,
} from "../wire/ike_payload/notify";
import { PROTOCOL_ID_AH, saCheck } from "../wire/ike_payload/sa";
import { TS_COUNT_MAX, tsCheck, tsRead, tsWrite } from "../wire/ike_payload/traffic_selector";
import { ChildSa, childConfig, childSelectors, childSuite, childTake } from "./child_sa";
import { ChildConfig, TS_MAX, childConfigAt, childConfigsEnd, childTransforms, isShunt } from "./connection";
import { childTs } from "./dynamic_ts";
import { IkeSa } from "./ike_sa";
import {
  EXCHANGES_ALL,
  EXCHANGES_NONE,
  SUITE_OCTETS,
  Suite,
  proposalIsAnswer,
  proposalSelect,
  proposalsWrite,
  selectedSpi,
  suiteWrite,
} from "./proposal";
import { firstHeld, packetFirst, packetGranted, packetOf } from "./packet_ts";
import { mismatchTell } from "./proposal_mismatch";
import { reportAlert, text } from "./report";
import { transportAnswered, transportFits, transportTranslate, transportWrite } from "./transport_mode";
import { tsNarrow, tsWithin } from "./ts";

const spi: usize = memory.data(4, 4);
const offerLocal: usize = memory.data(TS_COUNT_MAX * SELECTOR_OCTETS, 8);
const offerRemote: usize = memory.data(TS_COUNT_MAX * SELECTOR_OCTETS, 8);
const own: usize = memory.data(TS_MAX * SELECTOR_OCTETS, 8);
const chosen: usize = memory.data(64, 8);

/** The body of the sole payload of a type in the message in hand, or 0; its length in soleLength. */
export let soleLength: u32 = 0;
export function sole(type: u32): usize {
  const i = payloadFind(type);
  if (i < 0 || payloadFind(type, <u32>i + 1) >= 0) return 0;
  soleLength = payloadLength(<u32>i);
  return payloadBody(<u32>i);
}

/** The first well-formed notify of `type`, or of any error if `type` is 0: its body or 0; its length in soleLength. */
export function notifyFind(type: u32): usize {
  for (let i = payloadFind(PAYLOAD_NOTIFY); i >= 0; i = payloadFind(PAYLOAD_NOTIFY, <u32>i + 1)) {
    const body = payloadBody(<u32>i);
    if (!notifyCheck(body, payloadLength(<u32>i))) continue;
    if (type == 0 ? notifyType(body) >= NOTIFY_STATUS_FIRST : notifyType(body) != type) continue;
    soleLength = payloadLength(<u32>i);
    return body;
  }
  return 0;
}

/** Walks the inner payloads of a request that was held; they were found good before. */
export function heldWalk(frame: Frame): void {
  payloadsClear();
  payloadsWalk(frame.scratch0, <usize>frame.scratch1, <usize>(frame.scratch1 + frame.scratch2));
}

/** Takes the selectors of its configuration into a CHILD_SA that we are about to ask for. */
export function childDefaults(child: ChildSa, sa: IkeSa): void {
  const to = childSelectors(child);
  const config = childConfig(child);
  const asks = packetOf(child);
  child.localCount = childTs(config, sa, true, to);
  const toRemote = to + child.localCount * SELECTOR_OCTETS;
  child.remoteCount = childTs(config, sa, false, toRemote);
  if (asks) packetFirst(child);
  child.mode = config.mode;
  const remote = to + child.localCount * SELECTOR_OCTETS;
  if (child.mode == MODE_TUNNEL || transportFits(sa, to, child.localCount, remote, child.remoteCount)) return;
  child.mode = MODE_TUNNEL;
  notHosts(sa, config);
}

function notHosts(sa: IkeSa, config: ChildConfig): void {
  const literal = text("no transport mode, but tunnel mode: the selectors are not the addresses of the two ends");
  reportAlert(sa.connection, config, 0, literal);
}

function tsBothWrite(w: Writer, child: ChildSa): void {
  const local = childSelectors(child);
  const remote = local + child.localCount * SELECTOR_OCTETS;
  const ours = child.initiator != 0;
  tsWrite(w, PAYLOAD_TSI, ours ? local : remote, ours ? child.localCount : child.remoteCount);
  tsWrite(w, PAYLOAD_TSR, ours ? remote : local, ours ? child.remoteCount : child.localCount);
}

/** Writes the mode and the SA payload of our offer. */
export function offerSaWrite(w: Writer, child: ChildSa, useKe: bool): void {
  const config = childConfig(child);
  transportWrite(w, child);
  storeBE32(spi, child.spiIn);
  proposalsWrite(
    w,
    childTransforms(config),
    config.transformCount,
    config.protocol,
    spi,
    4,
    useKe ? EXCHANGES_ALL : EXCHANGES_NONE,
  );
}

/** Writes TSi and TSr, offered or granted. */
export function selectorsWrite(w: Writer, child: ChildSa): void {
  tsBothWrite(w, child);
}

/** Writes the mode and the SA payload of what was agreed on. */
export function answerSaWrite(w: Writer, child: ChildSa): void {
  transportWrite(w, child);
  storeBE32(spi, child.spiIn);
  suiteWrite(w, childSuite(child), spi, 4);
}

/** Reads TSi and TSr into offerLocal and offerRemote; false when one is missing or malformed. */
let offerLocalCount: u32 = 0;
let offerRemoteCount: u32 = 0;
function offerRead(weInitiated: bool): bool {
  const i = sole(PAYLOAD_TSI);
  if (i == 0 || !tsCheck(i, soleLength)) return false;
  const r = sole(PAYLOAD_TSR);
  if (r == 0 || !tsCheck(r, soleLength)) return false;
  offerLocalCount = tsRead(weInitiated ? i : r, offerLocal, TS_COUNT_MAX);
  offerRemoteCount = tsRead(weInitiated ? r : i, offerRemote, TS_COUNT_MAX);
  return true;
}

/** Takes the responder's answer to our offer; 0, or the notify that names what is wrong with it. */
export function answerAccept(sa: IkeSa, child: ChildSa, useKe: bool): u32 {
  const config = childConfig(child);
  const body = sole(PAYLOAD_SA);
  if (body == 0 || !saCheck(body, soleLength)) return NOTIFY_INVALID_SYNTAX;
  if (
    !proposalIsAnswer(body, soleLength) ||
    !proposalSelect(
      childTransforms(config),
      config.transformCount,
      body,
      soleLength,
      config.protocol,
      4,
      useKe ? EXCHANGES_ALL : EXCHANGES_NONE,
      childSuite(child),
    )
  ) {
    return NOTIFY_NO_PROPOSAL_CHOSEN;
  }
  child.spiOut = loadBE32(selectedSpi);
  if (child.spiOut < 256) return NOTIFY_INVALID_SYNTAX;
  if (!protocolPasses(sa, config)) return NOTIFY_NO_PROPOSAL_CHOSEN;
  if (!offerRead(true)) return NOTIFY_INVALID_SYNTAX;
  // RFC 7296 2.22: compression is granted to who asks for it. We never do; a peer's own offer is left unanswered.
  if (notifyFind(NOTIFY_IPCOMP_SUPPORTED) != 0) return NOTIFY_INVALID_SYNTAX;
  if (!transportAnswered(sa, child, notifyFind(NOTIFY_USE_TRANSPORT_MODE) != 0)) return NOTIFY_INVALID_SYNTAX;
  if (child.mode == MODE_TRANSPORT) {
    transportTranslate(sa, offerLocal, offerLocalCount, offerRemote, offerRemoteCount);
  }
  const asked = childSelectors(child);
  const askedRemote = asked + child.localCount * SELECTOR_OCTETS;
  if (
    offerLocalCount > TS_MAX ||
    offerRemoteCount > TS_MAX ||
    !tsWithin(offerLocal, offerLocalCount, asked, child.localCount) ||
    !tsWithin(offerRemote, offerRemoteCount, askedRemote, child.remoteCount)
  ) {
    return NOTIFY_TS_UNACCEPTABLE;
  }
  // Virtual IPs that came with the answer are not all that was offered for them (2.19).
  narrowBoth(config, sa, offerLocal, offerRemote);
  if (narrowLocalCount == 0) return NOTIFY_TS_UNACCEPTABLE;
  const asks = packetOf(child);
  selectorsTake(child, narrowLocal, narrowLocalCount, offerRemote, offerRemoteCount);
  if (asks) packetGranted(child);
  return 0;
}

function selectorsTake(child: ChildSa, local: usize, localCount: u32, remote: usize, remoteCount: u32): void {
  assert(localCount + remoteCount <= SA_SELECTORS_MAX, "more selectors than a record holds");
  child.localCount = localCount;
  child.remoteCount = remoteCount;
  memory.copy(childSelectors(child), local, localCount * SELECTOR_OCTETS);
  memory.copy(childSelectors(child) + localCount * SELECTOR_OCTETS, remote, remoteCount * SELECTOR_OCTETS);
}

const narrowLocal: usize = memory.data(TS_MAX * SELECTOR_OCTETS, 8);
const narrowRemote: usize = memory.data(TS_MAX * SELECTOR_OCTETS, 8);

/** The notify that says why offerChoose found nothing. */
export let offerRefusal: u32 = 0;

/**
 * Finds what we grant of the peer's offer: the first configured child of the connection (or `config` alone, when it is
 * not -1) whose selectors have something in common with it and whose proposals match. Null: offerRefusal says why.
 */
export function offerChoose(sa: IkeSa, config: i32, useKe: bool): ChildSa | null {
  assert(SUITE_OCTETS <= 64);
  const body = sole(PAYLOAD_SA);
  const length = soleLength;
  const asked = notifyFind(NOTIFY_USE_TRANSPORT_MODE) != 0;
  offerRefusal = NOTIFY_INVALID_SYNTAX;
  if (body == 0 || !saCheck(body, length) || !offerRead(false)) return null;
  offerRefusal = NOTIFY_TS_UNACCEPTABLE;
  // Of several children one that has the first selectors comes first: with them the peer may name a packet (2.9).
  const children = childConfigsEnd;
  const choices: u32 = offerLocalCount > 1 || offerRemoteCount > 1 ? 2 * children : children;
  for (let choice: u32 = 0; choice < choices; choice++) {
    const i = choice % children;
    const k = childConfigAt(i);
    if (k.used == 0 || isShunt(k) || <i32>k.connection != sa.connection || (config >= 0 && <i32>i != config)) continue;
    const mode = asked && k.mode == MODE_TRANSPORT && narrowHosts(k, sa) ? MODE_TRANSPORT : MODE_TUNNEL;
    if (mode == MODE_TUNNEL) narrowBoth(k, sa, offerLocal, offerRemote);
    const localCount = narrowLocalCount;
    const remoteCount = narrowRemoteCount;
    if (localCount == 0 || remoteCount == 0) continue;
    if (choices > children) {
      const first = firstHeld(narrowLocal, localCount, offerLocal) && firstHeld(narrowRemote, remoteCount, offerRemote);
      if (first != choice < children) continue;
    }
    if (!protocolPasses(sa, k)) {
      offerRefusal = NOTIFY_NO_PROPOSAL_CHOSEN;
      continue;
    }
    if (mode != k.mode && asked) notHosts(sa, k);
    if (
      !proposalSelect(
        childTransforms(k),
        k.transformCount,
        body,
        length,
        k.protocol,
        4,
        useKe ? EXCHANGES_ALL : EXCHANGES_NONE,
        changetype<Suite>(chosen),
      )
    ) {
      offerRefusal = NOTIFY_NO_PROPOSAL_CHOSEN;
      mismatchTell(sa.connection, k, childTransforms(k), k.transformCount);
      continue;
    }
    const spiOut = loadBE32(selectedSpi);
    if (spiOut < 256) {
      offerRefusal = NOTIFY_INVALID_SYNTAX;
      return null;
    }
    const child = childTake(sa, <i32>i, false);
    if (!child) {
      offerRefusal = NOTIFY_NO_ADDITIONAL_SAS;
      return null;
    }
    assert(child.state != CHILD_STATE_FREE);
    memory.copy(changetype<usize>(childSuite(child)), chosen, SUITE_OCTETS);
    child.spiOut = spiOut;
    child.mode = mode;
    selectorsTake(child, narrowLocal, localCount, narrowRemote, remoteCount);
    return child;
  }
  return null;
}

/** False for AH where there is a NAT: its ICV covers the addresses that one changes (RFC 3715 section 2.1). */
export function protocolPasses(sa: IkeSa, k: ChildConfig): bool {
  if (k.protocol != PROTOCOL_ID_AH || sa.nat == 0) return true;
  reportAlert(sa.connection, k, 0, text("no AH: there is a NAT between the peer and us"));
  return false;
}

let narrowLocalCount: u32 = 0;
let narrowRemoteCount: u32 = 0;
const hostsLocal: usize = memory.data(TS_COUNT_MAX * SELECTOR_OCTETS, 8);
const hostsRemote: usize = memory.data(TS_COUNT_MAX * SELECTOR_OCTETS, 8);

/** Narrows the offer for transport mode; false when that cannot be. */
function narrowHosts(k: ChildConfig, sa: IkeSa): bool {
  memory.copy(hostsLocal, offerLocal, offerLocalCount * SELECTOR_OCTETS);
  memory.copy(hostsRemote, offerRemote, offerRemoteCount * SELECTOR_OCTETS);
  transportTranslate(sa, hostsLocal, offerLocalCount, hostsRemote, offerRemoteCount);
  narrowBoth(k, sa, hostsLocal, hostsRemote);
  return transportFits(sa, narrowLocal, narrowLocalCount, narrowRemote, narrowRemoteCount);
}

/** What a configured child and an offer of offerLocalCount and offerRemoteCount selectors have in common. */
function narrowBoth(k: ChildConfig, sa: IkeSa, local: usize, remote: usize): void {
  narrowLocalCount = tsNarrow(own, childTs(k, sa, true, own), local, offerLocalCount, narrowLocal, TS_MAX);
  narrowRemoteCount = tsNarrow(own, childTs(k, sa, false, own), remote, offerRemoteCount, narrowRemote, TS_MAX);
}

/** S401: the CHILD_SA is agreed on. */
export function agreed(child: ChildSa): void {
  trace(TRACE_MASK_ESTABLISH, STEP_S401, child.spiIn, child.spiOut, child.link);
}
