/**
 * CERTREQ (RFC 7296 section 3.7): the authorities that a connection trusts, told to the peer when its configuration says so.
 *
 * The responder asks in IKE_SA_INIT, when it does not know yet which connection the peer is meant by: for those of all that may be.
 */
import { PAYLOAD_CERTREQ, Writer, payloadBody, payloadFind, payloadLength } from "../wire/ike_message";
import { AUTHORITY_OCTETS, certreqCheck, certreqWrite } from "../wire/ike_payload/certreq";
import { Connection, connectionAt, connectionAuthorities, connectionFits, connectionsEnd } from "./connection";
import { IkeSa } from "./ike_sa";

/** Authorities that a first answer names at most. */
const ASKED_MAX: u32 = 32;
const asked: usize = memory.data(32 * 20, 8);
let count: u32 = 0;

/** Initiator: asks for a certificate below one of the connection's authorities. */
export function certRequestWrite(w: Writer, c: Connection): void {
  if (c.authorityCount != 0) certreqWrite(w, connectionAuthorities(c), c.authorityCount);
}

/** Responder: asks for one below an authority of any connection between these addresses. */
export function certRequestsWrite(w: Writer, sa: IkeSa): void {
  count = 0;
  for (let i: u32 = 0; i < connectionsEnd; i++) {
    const c = connectionAt(i);
    if (c.authorityCount == 0 || !connectionFits(c, sa.local, sa.remote)) continue;
    for (let a: u32 = 0; a < c.authorityCount; a++) note(connectionAuthorities(c) + <usize>(a * AUTHORITY_OCTETS));
  }
  if (count != 0) certreqWrite(w, asked, count);
}

function note(authority: usize): void {
  if (count == ASKED_MAX) return;
  for (let i: u32 = 0; i < count; i++) {
    if (memory.compare(asked + <usize>(i * AUTHORITY_OCTETS), authority, AUTHORITY_OCTETS) == 0) return;
  }
  memory.copy(asked + <usize>(count * AUTHORITY_OCTETS), authority, AUTHORITY_OCTETS);
  count += 1;
}

/** True when the message in hand asks for our certificate. */
export function certRequested(): bool {
  for (let i = payloadFind(PAYLOAD_CERTREQ); i >= 0; i = payloadFind(PAYLOAD_CERTREQ, <u32>i + 1)) {
    if (certreqCheck(payloadBody(<u32>i), payloadLength(<u32>i))) return true;
  }
  return false;
}
