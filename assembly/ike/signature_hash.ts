/**
 * SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 4): the notify of IKE_SA_INIT that tells which hashes a side verifies signatures with;
 * who receives none uses the older methods of authentication.
 *
 *   data: identifiers, u16 each
 *
 * SHA-1 is not among ours: nothing has to take it for a digital signature.
 */
import { loadBE16, storeBE16 } from "../rt/bytes";
import { Writer } from "../wire/ike_message";
import {
  NOTIFY_SIGNATURE_HASH_ALGORITHMS,
  notifyData,
  notifyDataOctets,
  notifyWrite,
} from "../wire/ike_payload/notify";
import { notifyFind, soleLength } from "./negotiation";

/** IANA: SHA2-256, SHA2-384, SHA2-512, Identity (RFC 8420). */
const FIRST: u32 = 2;
const LAST: u32 = 5;
/** Identifiers that a set of bits has room for. */
const IDENTIFIERS: u32 = 32;

const data: usize = memory.data(8, 8);

export function signatureHashesWrite(w: Writer): void {
  for (let id = FIRST; id <= LAST; id++) storeBE16(data + <usize>((id - FIRST) << 1), id);
  notifyWrite(w, NOTIFY_SIGNATURE_HASH_ALGORITHMS, data, (LAST - FIRST + 1) << 1);
}

/** What the message in hand tells: bit n for identifier n; 0 it tells nothing. */
export function signatureHashesRead(): u32 {
  const notify = notifyFind(NOTIFY_SIGNATURE_HASH_ALGORITHMS);
  if (notify == 0) return 0;
  const octets = notifyDataOctets(notify, soleLength) & ~1;
  let bits: u32 = 0;
  for (let at: u32 = 0; at < octets; at += 2) {
    const id = loadBE16(notifyData(notify) + at);
    if (id < IDENTIFIERS) bits |= 1 << id;
  }
  return bits;
}
