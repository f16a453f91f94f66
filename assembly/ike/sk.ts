/**
 * Sealing and opening the SK payload (RFC 7296 section 3.14) with any cipher suite: the associated data of a combined mode are
 * the message from its header through the SK payload's generic header (RFC 5282 5.1), a separate integrity transform covers
 * the message up to its checksum. In both the ICV is verified before an octet is decrypted.
 *
 * Refuses suites that do not encrypt: proposal.ts agrees on none.
 */
import { CIPHER_CONTEXT_OCTETS, CIPHER_JOB_OCTETS, CipherJob } from "../crypto/job";
import { suiteInit, suiteJob, suiteOpen, suiteSeal, suiteWipe } from "../crypto/suite";
import { Transform, transformFind } from "../crypto/transform";
import { storeBE64, zeroize } from "../rt/bytes";
import { PAYLOAD_HEADER, Writer, messageEnd } from "../wire/ike_message";
import { encryptedContent, encryptedPad } from "../wire/ike_payload/encrypted";
import { IkeSa, KEY_AI, KEY_AR, KEY_EI, KEY_ER, SK_KEY_MAX, ikeKey, ikeSuite } from "./ike_sa";

const context: usize = memory.data(CIPHER_CONTEXT_OCTETS, 16);
const record: usize = memory.data(CIPHER_JOB_OCTETS, 16);
const keymat: usize = memory.data(2 * SK_KEY_MAX, 8);

/** The row of the IKE_SA's cipher suite, or 0 when none is agreed on yet. */
export function skTransform(sa: IkeSa): usize {
  const suite = ikeSuite(sa);
  return transformFind(suite.encryption, suite.keyBits, suite.integrity);
}

/** Takes our keys, or the peer's: SK_e with its salt, and SK_a. */
function keys(sa: IkeSa, row: Transform, ours: bool): void {
  const initiators = ours == (sa.initiator != 0);
  const encryption = row.keyOctets + row.saltOctets;
  memory.copy(keymat, ikeKey(sa, initiators ? KEY_EI : KEY_ER), encryption);
  memory.copy(keymat + encryption, ikeKey(sa, initiators ? KEY_AI : KEY_AR), row.integrityKeyOctets);
  suiteInit(context, changetype<usize>(row), keymat);
  zeroize(keymat, 2 * SK_KEY_MAX);
}

/** Forgets the keys, and what the job holds of the packet. */
function forget(): void {
  suiteWipe(context);
  zeroize(record, CIPHER_JOB_OCTETS);
}

/** Pads, encrypts and completes a message whose SK payload starts at `sk`; returns its octets, 0 when it did not fit. */
export function skSeal(sa: IkeSa, w: Writer, sk: usize): u32 {
  const row = changetype<Transform>(skTransform(sa));
  const content = sk + PAYLOAD_HEADER + row.ivOctets;
  encryptedPad(w, content, row.blockOctets, row.icvOctets);
  if (w.overflow != 0) return 0;
  const length = messageEnd(w);
  store<u16>(sk, bswap<u16>(<u16>(w.at - sk)), 2);
  // The IV is made of a counter: it never repeats under one key (RFC 5282 3.1, crypto/suite.ts).
  if (row.ivOctets == 16) store<u64>(sk + PAYLOAD_HEADER, 0);
  storeBE64(content - 8, sa.iv);
  sa.iv += 1;
  keys(sa, row, true);
  const job = changetype<CipherJob>(record);
  const plain = <u32>(w.at - content) - row.icvOctets;
  suiteJob(job, context, w.start, <u32>(sk + PAYLOAD_HEADER - w.start), plain);
  const sealed = suiteSeal(job);
  forget();
  return sealed ? length : 0;
}

/** Set by skOpen: the inner payloads. */
export let skContent: usize = 0;
export let skContentLength: u32 = 0;

/** Verifies and decrypts in place the SK payload with `body` (behind its generic header) of the message at `p`. */
export function skOpen(sa: IkeSa, p: usize, body: usize, length: u32): bool {
  const row = changetype<Transform>(skTransform(sa));
  if (changetype<usize>(row) == 0 || length < row.ivOctets + row.icvOctets + 1) return false;
  const content = body + row.ivOctets;
  const sealed = length - row.ivOctets - row.icvOctets;
  keys(sa, row, false);
  const job = changetype<CipherJob>(record);
  suiteJob(job, context, p, <u32>(body - p), sealed);
  const good = suiteOpen(job);
  forget();
  if (!good) return false;
  const inner = encryptedContent(content, sealed);
  if (inner < 0) return false;
  skContent = content;
  skContentLength = <u32>inner;
  return true;
}
