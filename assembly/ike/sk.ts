/**
 * Sealing and opening the SK payload (RFC 7296 section 3.14) with an AEAD (RFC 5282): nonce is salt | IV, associated data is
 * the message from its header through the SK payload's generic header.
 *
 * The transform's row decides sizes and kernel, so that another kernel is another branch here and nowhere else.
 */
import { GCM_CONTEXT_OCTETS, gcmInit, gcmOpen, gcmSeal, gcmWipe } from "../crypto/gcm";
import { KERNEL_GCM, Transform, transformFind } from "../crypto/transform";
import { storeBE64, zeroize } from "../rt/bytes";
import { PAYLOAD_HEADER, Writer, messageEnd } from "../wire/ike_message";
import { encryptedContent, encryptedPad } from "../wire/ike_payload/encrypted";
import { IkeSa, KEY_EI, KEY_ER, ikeKey, ikeSuite } from "./ike_sa";

const context: usize = memory.data(GCM_CONTEXT_OCTETS, 16);
const nonce: usize = memory.data(16, 8);

/** The row of the IKE_SA's cipher, or 0 when none is agreed on yet. */
export function skTransform(sa: IkeSa): usize {
  const suite = ikeSuite(sa);
  return transformFind(suite.encryption, suite.keyBits, suite.integrity);
}

/** Our key, or the peer's. */
function keyOf(sa: IkeSa, ours: bool): usize {
  return ikeKey(sa, ours == (sa.initiator != 0) ? KEY_EI : KEY_ER);
}

/** Pads, encrypts and completes a message whose SK payload starts at `sk`; returns its octets, 0 when it did not fit. */
export function skSeal(sa: IkeSa, w: Writer, sk: usize): u32 {
  const row = changetype<Transform>(skTransform(sa));
  const content = sk + PAYLOAD_HEADER + row.ivOctets;
  encryptedPad(w, content, row.blockOctets, row.icvOctets);
  if (w.overflow != 0) return 0;
  w.open = sk;
  store<u8>(sk, load<u8>(sk), 1);
  const length = messageEnd(w);
  store<u16>(sk, bswap<u16>(<u16>(w.at - sk)), 2);
  const key = keyOf(sa, true);
  const plain = <u32>(w.at - content) - row.icvOctets;
  assert(row.kernel == KERNEL_GCM, "the SK payload has no such kernel");
  // The IV is a counter: it never repeats under one key (RFC 5282 3.1).
  storeBE64(content - row.ivOctets, sa.iv);
  sa.iv += 1;
  memory.copy(nonce, key + row.keyOctets, row.saltOctets);
  memory.copy(nonce + row.saltOctets, content - row.ivOctets, row.ivOctets);
  gcmInit(context, key, row.keyOctets);
  gcmSeal(context, nonce, w.start, <u32>(sk + PAYLOAD_HEADER - w.start), content, plain, w.at - row.icvOctets);
  gcmWipe(context);
  zeroize(nonce, 16);
  return length;
}

/** Set by skOpen: the inner payloads. */
export let skContent: usize = 0;
export let skContentLength: u32 = 0;

/** Verifies and decrypts in place the SK payload with `body` (behind its generic header) of the message at `p`. */
export function skOpen(sa: IkeSa, p: usize, body: usize, length: u32): bool {
  const row = changetype<Transform>(skTransform(sa));
  if (changetype<usize>(row) == 0 || length < row.ivOctets + row.icvOctets + 1) return false;
  assert(row.kernel == KERNEL_GCM, "the SK payload has no such kernel");
  const key = keyOf(sa, false);
  const content = body + row.ivOctets;
  const sealed = length - row.ivOctets - row.icvOctets;
  memory.copy(nonce, key + row.keyOctets, row.saltOctets);
  memory.copy(nonce + row.saltOctets, body, row.ivOctets);
  gcmInit(context, key, row.keyOctets);
  const good = gcmOpen(context, nonce, p, <u32>(body - p), content, sealed, content + sealed, row.icvOctets);
  gcmWipe(context);
  zeroize(nonce, 16);
  if (!good) return false;
  const inner = encryptedContent(content, sealed);
  if (inner < 0) return false;
  skContent = content;
  skContentLength = <u32>inner;
  return true;
}
