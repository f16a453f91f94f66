/**
 * The authentication data of the peer's in the message in hand: those of its AUTH payload, or, from an initiator whose PPK is not
 * known here, those of NO_PPK_AUTH (RFC 8784 section 3).
 */
import { PAYLOAD_AUTH } from "../wire/ike_message";
import { AUTH_HEADER } from "../wire/ike_payload/auth";
import { NOTIFY_NO_PPK_AUTH, notifyData, notifyDataOctets } from "../wire/ike_payload/notify";
import { IkeSa } from "./ike_sa";
import { notifyFind, sole, soleLength } from "./negotiation";
import { PPK_DECLINED } from "./ppk";

/** Octets of what authData has found. */
export let authDataLength: u32 = 0;

/** Where they stand; 0: there are none. */
export function authData(sa: IkeSa): usize {
  authDataLength = 0;
  if (sa.ppk == PPK_DECLINED && sa.peerRounds == 0) {
    const notify = notifyFind(NOTIFY_NO_PPK_AUTH);
    if (notify == 0) return 0;
    authDataLength = notifyDataOctets(notify, soleLength);
    return notifyData(notify);
  }
  const auth = sole(PAYLOAD_AUTH);
  if (auth == 0 || soleLength < AUTH_HEADER) return 0;
  authDataLength = soleLength - AUTH_HEADER;
  return auth + AUTH_HEADER;
}
