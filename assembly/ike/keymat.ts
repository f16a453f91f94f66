/**
 * Keying material (RFC 7296 section 2.14, 2.17, 2.18).
 *
 *   SKEYSEED = prf(Ni | Nr, g^ir)                         of a first IKE_SA
 *   SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr)      of a rekeyed one, by the old one's PRF
 *   {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+(SKEYSEED, Ni | Nr | SPIi | SPIr)
 *   KEYMAT = prf+(SK_d, [g^ir (new)] | Ni | Nr)           of a CHILD_SA: initiator's direction first
 *
 * Everything in between is wiped before return.
 */
import { prf, prfOctets } from "../crypto/prf";
import { prfPlus } from "../crypto/prf_plus";
import { Transform, transformFind } from "../crypto/transform";
import { zeroize } from "../rt/bytes";
import { ChildSa, childKeymat, childNonce, childPeerNonce, childSuite } from "./child_sa";
import {
  IkeSa,
  KEY_AI,
  KEY_AR,
  KEY_D,
  KEY_EI,
  KEY_ER,
  KEY_PI,
  KEY_PR,
  KE_VALUE_MAX,
  NONCE_OCTETS,
  ikeKey,
  ikeNonce,
  ikePeerNonce,
  ikeSuite,
} from "./ike_sa";

const SEED_MAX: u32 = KE_VALUE_MAX + 2 * 256 + 16;
const seed: usize = memory.data(SEED_MAX, 8);
const skeyseed: usize = memory.data(64, 8);
const stream: usize = memory.data(7 * 64, 8);

/** Writes Ni | Nr of an IKE_SA's own exchange; returns the octets. */
function nonces(sa: IkeSa, to: usize): u32 {
  return noncesPut(sa.initiator != 0, ikeNonce(sa), ikePeerNonce(sa), sa.peerNonceLength, to);
}

function noncesPut(oursFirst: bool, ours: usize, theirs: usize, theirsLength: u32, to: usize): u32 {
  memory.copy(oursFirst ? to : to + theirsLength, ours, NONCE_OCTETS);
  memory.copy(oursFirst ? to + NONCE_OCTETS : to, theirs, theirsLength);
  return NONCE_OCTETS + theirsLength;
}

/** Keys of a first IKE_SA from the shared secret. */
export function ikeKeys(sa: IkeSa, secret: usize, secretLength: u32): void {
  const length = nonces(sa, seed);
  prf(ikeSuite(sa).prf, seed, length, secret, secretLength, skeyseed);
  spread(sa, prfOctets(ikeSuite(sa).prf));
}

/** Keys of an IKE_SA that replaces `old`. The caller has checked secretLength <= KE_VALUE_MAX. */
export function ikeKeysRekeyed(sa: IkeSa, old: IkeSa, secret: usize, secretLength: u32): void {
  memory.copy(seed, secret, secretLength);
  const length = secretLength + nonces(sa, seed + secretLength);
  const id = ikeSuite(old).prf;
  prf(id, ikeKey(old, KEY_D), prfOctets(id), seed, length, skeyseed);
  spread(sa, prfOctets(id));
}

function spread(sa: IkeSa, skeyseedLength: u32): void {
  const suite = ikeSuite(sa);
  const row = changetype<Transform>(transformFind(suite.encryption, suite.keyBits, suite.integrity));
  const length = nonces(sa, seed);
  store<u64>(seed + length, sa.spiI);
  store<u64>(seed + length, sa.spiR, 8);
  const d = prfOctets(suite.prf);
  const a = row.integrityKeyOctets;
  const e = row.keyOctets + row.saltOctets;
  prfPlus(suite.prf, skeyseed, skeyseedLength, seed, length + 16, stream, 3 * d + 2 * a + 2 * e);
  let at = stream;
  at = take(sa, KEY_D, at, d);
  at = take(sa, KEY_AI, at, a);
  at = take(sa, KEY_AR, at, a);
  at = take(sa, KEY_EI, at, e);
  at = take(sa, KEY_ER, at, e);
  at = take(sa, KEY_PI, at, d);
  take(sa, KEY_PR, at, d);
  zeroize(seed, SEED_MAX);
  zeroize(skeyseed, 64);
  zeroize(stream, 7 * 64);
}

function take(sa: IkeSa, key: u32, at: usize, length: u32): usize {
  memory.copy(ikeKey(sa, key), at, length);
  return at + length;
}

/** Keys of a CHILD_SA; `secret` only with a key exchange of its own. The first one of an IKE_SA uses the IKE_SA's nonces. */
export function childKeys(child: ChildSa, sa: IkeSa, secret: usize, secretLength: u32): void {
  const suite = childSuite(child);
  const row = changetype<Transform>(transformFind(suite.encryption, suite.keyBits, suite.integrity));
  const one = row.keyOctets + row.saltOctets + row.integrityKeyOctets;
  const ours = child.initiator != 0;
  memory.copy(seed, secret, secretLength);
  const length =
    secretLength +
    noncesPut(ours, childNonce(child), childPeerNonce(child), child.peerNonceLength, seed + secretLength);
  const id = ikeSuite(sa).prf;
  prfPlus(id, ikeKey(sa, KEY_D), prfOctets(id), seed, length, stream, 2 * one);
  memory.copy(childKeymat(child, ours), stream, one);
  memory.copy(childKeymat(child, !ours), stream + one, one);
  zeroize(seed, SEED_MAX);
  zeroize(stream, 7 * 64);
}
