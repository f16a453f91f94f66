/**
 * Postquantum preshared keys (RFC 8784): who of an IKE_SA's two ends uses one, and what it does to the keys.
 *
 *   SK_d, SK_pi, SK_pr = prf+(PPK, SK_d'), prf+(PPK, SK_pi'), prf+(PPK, SK_pr')
 *
 * The PPK stays in the secure element, which is given the keys that come of the key exchange and gives back those to use. An
 * initiator that may do without one keeps the former until the peer has told whether it knows the PPK.
 *
 * Refuses PPK_IDs of other types than PPK_ID_FIXED: to the secure element they are unknown.
 */
import { PPK_POLICY_NONE } from "../abi/management";
import { PSA_PPK_KEYS } from "../abi/psa";
import { Frame } from "../bus/frame";
import { prfOctets } from "../crypto/prf";
import { zeroize } from "../rt/bytes";
import { Writer } from "../wire/ike_message";
import { NOTIFY_PPK_IDENTITY, NOTIFY_USE_PPK, notifyWrite } from "../wire/ike_payload/notify";
import { Connection, PPK_ID_MAX, connectionPpkId } from "./connection";
import {
  IkeSa,
  KEY_D,
  KEY_D_WITHOUT,
  KEY_PI,
  KEY_PI_WITHOUT,
  KEY_PR,
  KEY_PR_WITHOUT,
  SK_KEY_MAX,
  ikeKey,
  ikeSuite,
} from "./ike_sa";
import { jobBegin, jobField, jobPost } from "./job";
import { notifyFind } from "./negotiation";

/** None is used, or it is open still. */
export const PPK_NONE: u32 = 0;
/** Both have said USE_PPK. */
export const PPK_AGREED: u32 = 1;
/** Initiator: the keys are those of the PPK, which the peer has yet to confirm. */
export const PPK_OFFERED: u32 = 2;
export const PPK_USED: u32 = 3;
/** Responder: the PPK is not known, and what the peer has sent in NO_PPK_AUTH counts. */
export const PPK_DECLINED: u32 = 4;

const PPK_ID_FIXED: u8 = 2;
const PPK_ID_TYPE_OCTETS: u32 = 1;
const identity: usize = memory.data(PPK_ID_MAX + PPK_ID_TYPE_OCTETS, 8);

/** Says USE_PPK in the first message, if the connection has a PPK to offer. */
export function ppkOffer(w: Writer, c: Connection): void {
  if (c.ppkIdLength != 0) notifyWrite(w, NOTIFY_USE_PPK, 0, 0);
}

/** Takes what the message of IKE_SA_INIT in hand says of PPKs. */
export function ppkAgree(sa: IkeSa, c: Connection): void {
  const ours = sa.initiator != 0 ? c.ppkIdLength != 0 : c.ppk != PPK_POLICY_NONE;
  sa.ppk = ours && notifyFind(NOTIFY_USE_PPK) != 0 ? PPK_AGREED : PPK_NONE;
}

/** Says USE_PPK in the answer to the first message. */
export function ppkAccept(w: Writer, sa: IkeSa): void {
  if (sa.ppk == PPK_AGREED) notifyWrite(w, NOTIFY_USE_PPK, 0, 0);
}

/** Names the PPK that we use, as initiator; the responder confirms it by an empty name. */
export function ppkIdentityWrite(w: Writer, sa: IkeSa, c: Connection): void {
  if (sa.initiator == 0) {
    if (sa.ppk == PPK_USED) notifyWrite(w, NOTIFY_PPK_IDENTITY, 0, 0);
    return;
  }
  if (sa.ppk != PPK_OFFERED && sa.ppk != PPK_USED) return;
  store<u8>(identity, PPK_ID_FIXED);
  memory.copy(identity + PPK_ID_TYPE_OCTETS, connectionPpkId(c), c.ppkIdLength);
  notifyWrite(w, NOTIFY_PPK_IDENTITY, identity, PPK_ID_TYPE_OCTETS + c.ppkIdLength);
}

/** Octets of the name in the data of a PPK_IDENTITY notify of `length` octets; 0: it is of no type that we know. */
export function ppkIdOctets(data: usize, length: u32): u32 {
  const fixed = length > PPK_ID_TYPE_OCTETS && length <= PPK_ID_TYPE_OCTETS + PPK_ID_MAX;
  return fixed && load<u8>(data) == PPK_ID_FIXED ? length - PPK_ID_TYPE_OCTETS : 0;
}

/** Asks for the keys of the PPK named by `octets` octets at `id`. False: no room. */
export function ppkAsk(sa: IkeSa, out: bool, step: u32, id: usize, octets: u32): bool {
  const prf = ikeSuite(sa).prf;
  const frame: Frame | null = jobBegin(sa, out, step, PSA_PPK_KEYS, 0, prf);
  if (!frame) return false;
  jobField(frame, id, octets);
  jobField(frame, ikeKey(sa, KEY_D), prfOctets(prf));
  jobField(frame, ikeKey(sa, KEY_PI), prfOctets(prf));
  jobField(frame, ikeKey(sa, KEY_PR), prfOctets(prf));
  jobPost(frame);
  return true;
}

/** Takes the keys of the answer to ppkAsk, and keeps those that they replace; false when they are none. */
export function ppkTake(sa: IkeSa, value: usize, length: u32): bool {
  const octets = prfOctets(ikeSuite(sa).prf);
  if (length != 3 * octets) return false;
  move(sa, KEY_D, KEY_D_WITHOUT);
  move(sa, KEY_PI, KEY_PI_WITHOUT);
  move(sa, KEY_PR, KEY_PR_WITHOUT);
  memory.copy(ikeKey(sa, KEY_D), value, octets);
  memory.copy(ikeKey(sa, KEY_PI), value + octets, octets);
  memory.copy(ikeKey(sa, KEY_PR), value + 2 * octets, octets);
  return true;
}

function move(sa: IkeSa, from: u32, to: u32): void {
  memory.copy(ikeKey(sa, to), ikeKey(sa, from), SK_KEY_MAX);
}

/** The PPK is used for good. */
export function ppkKeep(sa: IkeSa): void {
  sa.ppk = PPK_USED;
  zeroize(ikeKey(sa, KEY_D_WITHOUT), 3 * SK_KEY_MAX);
}

/** The peer does without: so do we. */
export function ppkTakeBack(sa: IkeSa): void {
  sa.ppk = PPK_NONE;
  move(sa, KEY_D_WITHOUT, KEY_D);
  move(sa, KEY_PI_WITHOUT, KEY_PI);
  move(sa, KEY_PR_WITHOUT, KEY_PR);
  zeroize(ikeKey(sa, KEY_D_WITHOUT), 3 * SK_KEY_MAX);
}
