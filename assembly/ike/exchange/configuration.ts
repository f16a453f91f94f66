/**
 * Configuration payloads (RFC 7296 section 2.19, 3.15) in the first request and the last answer of IKE_AUTH, and in INFORMATIONAL:
 *
 *   HDR, SK { IDi, .., AUTH, CP(CFG_REQUEST), SAi2, TSi, TSr }  -->
 *                              <--  HDR, SK { IDr, .., AUTH, CP(CFG_REPLY), SAr2, TSi, TSr | N(error) }
 *
 * A peer that asks for addresses and can have none is told INTERNAL_ADDRESS_FAILURE, and one that should ask and does not
 * FAILED_CP_REQUIRED, in place of the CHILD_SA. As in strongSwan the pools' attributes go out whatever was asked for. A CFG_SET is
 * acknowledged without having taken anything; attributes that mean nothing here, APPLICATION_VERSION among them, are passed over.
 */
import { PAYLOAD_CP, Writer, payloadEnd, writeOctets } from "../../wire/ike_message";
import {
  CFG_ACK,
  CFG_REPLY,
  CFG_REQUEST,
  CFG_SET,
  INTERNAL_IP4_ADDRESS,
  INTERNAL_IP4_DNS,
  INTERNAL_IP6_ADDRESS,
  INTERNAL_IP6_DNS,
  attributeFirst,
  attributeLength,
  attributeNext,
  attributeType,
  attributeValue,
  attributeWrite,
  cpBegin,
  cpCheck,
  cpType,
} from "../../wire/ike_payload/configuration";
import { NOTIFY_FAILED_CP_REQUIRED, NOTIFY_INTERNAL_ADDRESS_FAILURE } from "../../wire/ike_payload/notify";
import { Connection, VIRTUAL_IP4, VIRTUAL_IP6, connectionAt, connectionPool, connectionVip } from "../connection";
import { IkeSa, ikeSaAt } from "../ike_sa";
import { poolAttributes } from "../pool";
import { notifyFind, sole, soleLength } from "../negotiation";
import { reportAlert, reportVirtualIp, text } from "../report";
import { virtualAddress, virtualGrant, virtualOctets, virtualTake, virtualUsable } from "../virtual_ip";

/** Octets of INTERNAL_IP6_ADDRESS: an address and a prefix length. */
const IP6_ADDRESS_OCTETS: u32 = 17;
const address: usize = memory.data(24, 8);

/** The body of the message's configuration payload of a CFG type, or 0; its end in cpEnd. */
let cpEnd: usize = 0;
function cpFind(type: u32): usize {
  const body = sole(PAYLOAD_CP);
  if (body == 0 || !cpCheck(body, soleLength) || cpType(body) != type) return 0;
  cpEnd = body + soleLength;
  return body;
}

function addressType(family: u32): u32 {
  return family == VIRTUAL_IP4 ? INTERNAL_IP4_ADDRESS : INTERNAL_IP6_ADDRESS;
}

function addressWrite(w: Writer, family: u32, p: usize): void {
  if (family == VIRTUAL_IP4) return attributeWrite(w, INTERNAL_IP4_ADDRESS, p, 4);
  memory.copy(address, p, 16);
  store<u8>(address, 128, 16);
  attributeWrite(w, INTERNAL_IP6_ADDRESS, address, IP6_ADDRESS_OCTETS);
}

/** Initiator: asks for the virtual IPs of the connection, if it has some. */
export function configurationAsk(w: Writer, sa: IkeSa): void {
  const c = connectionAt(<u32>sa.connection);
  if (c.vips == 0) return;
  sa.virtualAsked = c.vips;
  cpBegin(w, CFG_REQUEST);
  for (let family = VIRTUAL_IP4; family <= VIRTUAL_IP6; family <<= 1) {
    if ((c.vips & family) == 0) continue;
    const wanted = wish(sa, c, family);
    if (wanted != 0) addressWrite(w, family, wanted);
    else attributeWrite(w, addressType(family), 0, 0);
    attributeWrite(w, family == VIRTUAL_IP4 ? INTERNAL_IP4_DNS : INTERNAL_IP6_DNS, 0, 0);
  }
  payloadEnd(w);
}

/** The address that we would like: that of another IKE_SA of the connection, or the configured one; 0 any. */
function wish(sa: IkeSa, c: Connection, family: u32): usize {
  for (let i = c.firstSa; i >= 0; i = ikeSaAt(<u32>i).connectionNext) {
    const other = ikeSaAt(<u32>i);
    if (i != <i32>sa.index && other.virtualOurs != 0 && (other.virtualHeld & family) != 0)
      return virtualAddress(other, family);
  }
  const fixed = connectionVip(c, family);
  for (let i: u32 = 0; i < virtualOctets(family); i++) if (load<u8>(fixed + i) != 0) return fixed;
  return 0;
}

/** Initiator: takes the addresses that the last answer of IKE_AUTH, in hand, gives us. */
export function configurationAnswered(sa: IkeSa): void {
  const asked = sa.virtualAsked;
  if (asked == 0) return;
  sa.virtualAsked = 0;
  const body = cpFind(CFG_REPLY);
  const end = cpEnd;
  for (let a = body != 0 ? attributeFirst(body, end) : 0; a != 0; a = attributeNext(a, end)) {
    const family = attributeType(a) == INTERNAL_IP4_ADDRESS ? VIRTUAL_IP4 : VIRTUAL_IP6;
    if (attributeType(a) != addressType(family) || (asked & ~sa.virtualHeld & family) == 0) continue;
    if (attributeLength(a) < virtualOctets(family) || !virtualUsable(attributeValue(a), family)) continue;
    virtualTake(sa, family, attributeValue(a));
  }
  if (sa.virtualHeld != 0) reportVirtualIp(sa, true, body, end);
  else if (notifyFind(0) == 0) reportAlert(sa.connection, null, 0, text("the peer gave no virtual IP"));
}

/** Responder: gives what the first request of IKE_AUTH, in hand, asks for; 0, or the notify that takes the CHILD_SA's place. */
export function configurationGrant(sa: IkeSa): u32 {
  const c = connectionAt(<u32>sa.connection);
  const body = cpFind(CFG_REQUEST);
  const end = cpEnd;
  let asked: u32 = 0;
  sa.virtualOurs = 0;
  for (let a = body != 0 ? attributeFirst(body, end) : 0; a != 0; a = attributeNext(a, end)) {
    const family = attributeType(a) == INTERNAL_IP4_ADDRESS ? VIRTUAL_IP4 : VIRTUAL_IP6;
    if (attributeType(a) != addressType(family) || (asked & family) != 0) continue;
    asked |= family;
    virtualGrant(sa, family, attributeLength(a) < virtualOctets(family) ? 0 : attributeValue(a));
  }
  if (asked != 0 && sa.virtualHeld == 0) return NOTIFY_INTERNAL_ADDRESS_FAILURE;
  return asked == 0 && c.poolCount != 0 ? NOTIFY_FAILED_CP_REQUIRED : 0;
}

/** Responder: writes the peer's addresses and the attributes of its pools, if there are any. */
export function configurationReplyWrite(w: Writer, sa: IkeSa): void {
  if (sa.virtualHeld == 0 || sa.virtualOurs != 0) return;
  cpBegin(w, CFG_REPLY);
  replyWrite(w, sa);
  payloadEnd(w);
}

function replyWrite(w: Writer, sa: IkeSa): void {
  if (sa.virtualOurs != 0) return;
  for (let family = VIRTUAL_IP4; family <= VIRTUAL_IP6; family <<= 1)
    if ((sa.virtualHeld & family) != 0) addressWrite(w, family, virtualAddress(sa, family));
  const c = connectionAt(<u32>sa.connection);
  for (let i: u32 = 0; i < c.poolCount; i++) {
    const pool = connectionPool(c, i);
    writeOctets(w, poolAttributes(pool), pool.attributesLength);
  }
}

/** Answers the configuration payload of a request of INFORMATIONAL, in hand, if it has one. */
export function configurationInform(w: Writer, sa: IkeSa): void {
  const asked = cpFind(CFG_REQUEST) != 0;
  if (!asked && cpFind(CFG_SET) == 0) return;
  cpBegin(w, asked ? CFG_REPLY : CFG_ACK);
  if (asked) replyWrite(w, sa);
  payloadEnd(w);
}
