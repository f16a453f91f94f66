/**
 * Sealing and opening the SK payload (RFC 7296 section 3.14) with any cipher suite: the associated data of a combined mode are
 * the message from its header through the SK payload's generic header (RFC 5282 5.1), a separate integrity transform covers
 * the message up to its checksum. In both the ICV is verified before an octet is decrypted.
 *
 * A message too long for one datagram goes as fragments (RFC 7383 2.5), each sealed alone, with its fragment number and the
 * total among the associated data.
 *
 * Refuses suites that do not encrypt: proposal.ts agrees on none.
 */
import { CIPHER_CONTEXT_OCTETS, CIPHER_JOB_OCTETS, CipherJob } from "../crypto/job";
import { suiteInit, suiteJob, suiteOpen, suiteSeal, suiteWipe } from "../crypto/suite";
import { Transform, transformFind } from "../crypto/transform";
import { storeBE64, zeroize } from "../rt/bytes";
import {
  IKE_HEADER,
  IKE_NEXT_PAYLOAD,
  PAYLOAD_HEADER,
  PAYLOAD_SKF,
  Writer,
  messageEnd,
  payloadBegin,
  writeOctets,
  writerRoom,
} from "../wire/ike_message";
import { encryptedContent, encryptedPad } from "../wire/ike_payload/encrypted";
import { FRAGMENTS_MAX, FRAGMENT_FIELDS, fragmentWrite } from "../wire/ike_payload/encrypted_fragment";
import { IkeSa, KEY_AI, KEY_AR, KEY_EI, KEY_ER, RETAINED_MAX, SK_KEY_MAX, ikeKey, ikeSuite } from "./ike_sa";

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

/** Seals `w` from `payload`, the header of its SK or SKF, on; `fields` octets stand between that header and the IV. */
function seal(sa: IkeSa, row: Transform, w: Writer, payload: usize, fields: u32): bool {
  const iv = payload + PAYLOAD_HEADER + fields;
  const content = iv + row.ivOctets;
  encryptedPad(w, content, row.blockOctets, row.icvOctets);
  if (w.overflow != 0) return false;
  messageEnd(w);
  store<u16>(payload, bswap<u16>(<u16>(w.at - payload)), 2);
  // The IV is made of a counter: it never repeats under one key (RFC 5282 3.1, crypto/suite.ts).
  if (row.ivOctets == 16) store<u64>(iv, 0);
  storeBE64(content - 8, sa.iv);
  sa.iv += 1;
  const job = changetype<CipherJob>(record);
  const plain = <u32>(w.at - content) - row.icvOctets;
  suiteJob(job, context, w.start, <u32>(iv - w.start), plain);
  return suiteSeal(job);
}

/** Pads, encrypts and completes a message whose SK payload starts at `sk`; returns its octets, 0 when it did not fit. */
export function skSeal(sa: IkeSa, w: Writer, sk: usize): u32 {
  const row = changetype<Transform>(skTransform(sa));
  keys(sa, row, true);
  const sealed = seal(sa, row, w, sk, 0);
  forget();
  return sealed ? <u32>(w.at - w.start) : 0;
}

const whole: usize = memory.data(RETAINED_MAX, 8);

/**
 * The same, but as fragments of at most `limit` octets, one behind the other from the message's start on when it would be longer
 * than that; returns the octets of all of them.
 */
export function skSealFragments(sa: IkeSa, w: Writer, sk: usize, limit: u32): u32 {
  const row = changetype<Transform>(skTransform(sa));
  const content = sk + PAYLOAD_HEADER + row.ivOctets;
  const octets = <u32>(w.at - content);
  const rest = row.icvOctets + 1;
  if (w.overflow != 0) return 0;
  if (<u32>(w.at - w.start) + rest + row.blockOctets <= limit) return skSeal(sa, w, sk);
  const room = limit - (IKE_HEADER + PAYLOAD_HEADER + FRAGMENT_FIELDS + row.ivOctets + row.icvOctets);
  const piece = room - (room % row.blockOctets) - 1; // the pad length completes the last block
  const total = (octets + piece - 1) / piece;
  if (total > FRAGMENTS_MAX) return 0;
  const start = w.start;
  const inner = load<u8>(sk);
  memory.copy(whole, start, IKE_HEADER);
  memory.copy(whole + IKE_HEADER, content, octets);
  keys(sa, row, true);
  w.at = start;
  let good = true;
  for (let number: u32 = 1; number <= total && good; number++) {
    w.start = w.at;
    w.link = w.at + IKE_NEXT_PAYLOAD;
    writeOctets(w, whole, IKE_HEADER);
    const payload = w.at;
    payloadBegin(w, PAYLOAD_SKF);
    if (w.overflow == 0 && number == 1) store<u8>(payload, inner);
    if (writerRoom(w, FRAGMENT_FIELDS)) {
      fragmentWrite(w.at, number, total);
      w.at += FRAGMENT_FIELDS;
    }
    if (writerRoom(w, row.ivOctets)) w.at += row.ivOctets;
    const from = (number - 1) * piece;
    writeOctets(w, whole + IKE_HEADER + from, min<u32>(piece, octets - from));
    good = seal(sa, row, w, payload, FRAGMENT_FIELDS);
  }
  forget();
  zeroize(whole, RETAINED_MAX);
  w.start = start;
  return good ? <u32>(w.at - start) : 0;
}

/** Set by skOpen: the inner payloads. */
export let skContent: usize = 0;
export let skContentLength: u32 = 0;

/** Verifies and decrypts in place the SK payload with `body` (behind its generic header) of the message at `p`. */
export function skOpen(sa: IkeSa, p: usize, body: usize, length: u32): bool {
  return open(sa, p, body, length);
}

/** The same for an SKF payload: a piece of the inner payloads. */
export function skOpenFragment(sa: IkeSa, p: usize, body: usize, length: u32): bool {
  return length > FRAGMENT_FIELDS && open(sa, p, body + FRAGMENT_FIELDS, length - FRAGMENT_FIELDS);
}

function open(sa: IkeSa, p: usize, iv: usize, length: u32): bool {
  const row = changetype<Transform>(skTransform(sa));
  if (changetype<usize>(row) == 0 || length < row.ivOctets + row.icvOctets + 1) return false;
  const content = iv + row.ivOctets;
  const sealed = length - row.ivOctets - row.icvOctets;
  keys(sa, row, false);
  const job = changetype<CipherJob>(record);
  suiteJob(job, context, p, <u32>(iv - p), sealed);
  const good = suiteOpen(job);
  forget();
  if (!good) return false;
  const inner = encryptedContent(content, sealed);
  if (inner < 0) return false;
  skContent = content;
  skContentLength = <u32>inner;
  return true;
}
