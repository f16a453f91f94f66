/**
 * Keying material (RFC 7296 section 2.14, 2.17, 2.18).
 *
 *   SKEYSEED = prf(Ni | Nr, g^ir)                         of a first IKE_SA; see below
 *   SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr)      of a rekeyed one, by the old one's PRF
 *   {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+(SKEYSEED, Ni | Nr | SPIi | SPIr)
 *   KEYMAT = prf+(SK_d, [g^ir (new)] | Ni | Nr)           of a CHILD_SA: initiator's direction first
 *
 * Additional key exchanges (RFC 9370): of a first IKE_SA, SKEYSEED(n) = prf(SK_d(n - 1), SK(n) | Ni | Nr) and all keys anew, for each of
 * them; of a rekeyed one and of a CHILD_SA their secrets stand behind Ni | Nr.
 *
 * The AES PRFs take keys of any length by RFC 4434 and 4615, but section 2.14 fixes their first key to 16 octets: the first 8
 * of Ni and the first 8 of Nr. Only there: prf+ and the rekeying get whole nonces, and all their keys are 16 octets long.
 *
 * Everything in between is wiped before return.
 */
import { PRF_AES128_CMAC, PRF_AES128_XCBC, prf, prfOctets } from "../crypto/prf";
import { prfPlus } from "../crypto/prf_plus";
import { Transform } from "../crypto/transform";
import { zeroize } from "../rt/bytes";
import { ChildSa, childKeymat, childNonce, childPeerNonce, childSuite } from "./child_sa";
import { suiteRow } from "./proposal";
import { keysMade } from "./key_export";
import { SECRETS_MAX } from "./secrets";
import {
  IkeSa,
  KEY_AI,
  KEY_AR,
  KEY_D,
  KEY_EI,
  KEY_ER,
  KEY_PI,
  KEY_PR,
  NONCE_OCTETS,
  ikeKey,
  ikeNonce,
  ikePeerNonce,
  ikeSuite,
} from "./ike_sa";

const SEED_MAX: u32 = SECRETS_MAX + 2 * 256 + 16;
const seed: usize = memory.data(SEED_MAX, 8);
const skeyseed: usize = memory.data(64, 8);
const stream: usize = memory.data(7 * 64, 8);

const pair: usize = memory.data(2 * 256, 8);
const fixedKey: usize = memory.data(16, 8);

/** Puts Ni | Nr into `pair`; returns the octets. */
function nonces(oursFirst: bool, ours: usize, theirs: usize, theirsLength: u32): u32 {
  memory.copy(oursFirst ? pair : pair + theirsLength, ours, NONCE_OCTETS);
  memory.copy(oursFirst ? pair + NONCE_OCTETS : pair, theirs, theirsLength);
  return NONCE_OCTETS + theirsLength;
}

/** Keys of a first IKE_SA from the shared secret. */
export function ikeKeys(sa: IkeSa, secret: usize, secretLength: u32): void {
  const initiator = sa.initiator != 0;
  const length = nonces(initiator, ikeNonce(sa), ikePeerNonce(sa), sa.peerNonceLength);
  ikeKeysOf(sa, pair, initiator ? NONCE_OCTETS : sa.peerNonceLength, length, secret, secretLength);
}

/**
 * The same from Ni | Nr at `n`, at most 512 octets, of which Ni has `niLength`; neither nonce has less than 8. The caller has
 * checked secretLength <= KE_VALUE_MAX.
 */
export function ikeKeysOf(sa: IkeSa, n: usize, niLength: u32, nLength: u32, secret: usize, secretLength: u32): void {
  const id = ikeSuite(sa).prf;
  if (id == PRF_AES128_XCBC || id == PRF_AES128_CMAC) {
    store<u64>(fixedKey, load<u64>(n));
    store<u64>(fixedKey, load<u64>(n + niLength), 8);
    prf(id, fixedKey, 16, secret, secretLength, skeyseed);
  } else prf(id, n, nLength, secret, secretLength, skeyseed);
  spread(sa, n, nLength, prfOctets(id));
}

/** Keys of a first IKE_SA after one more key exchange (RFC 9370 section 2.2.2): SKEYSEED(n) = prf(SK_d(n - 1), SK(n) | Ni | Nr). */
export function ikeKeysAdded(sa: IkeSa, secret: usize, secretLength: u32): void {
  const length = nonces(sa.initiator != 0, ikeNonce(sa), ikePeerNonce(sa), sa.peerNonceLength);
  ikeKeysRekeyedOf(sa, sa, pair, length, secret, secretLength);
}

/** Keys of an IKE_SA that replaces `old`; `moreLength` octets of secrets of additional key exchanges stand behind the first. */
export function ikeKeysRekeyed(sa: IkeSa, old: IkeSa, secret: usize, secretLength: u32, moreLength: u32 = 0): void {
  const length = nonces(sa.initiator != 0, ikeNonce(sa), ikePeerNonce(sa), sa.peerNonceLength);
  ikeKeysRekeyedOf(sa, old, pair, length, secret, secretLength, moreLength);
}

/** The same from Ni | Nr at `n`. */
export function ikeKeysRekeyedOf(
  sa: IkeSa,
  old: IkeSa,
  n: usize,
  nLength: u32,
  secret: usize,
  secretLength: u32,
  moreLength: u32 = 0,
): void {
  const length = gather(secret, secretLength, moreLength, n, nLength);
  const id = ikeSuite(old).prf;
  prf(id, ikeKey(old, KEY_D), prfOctets(id), seed, length, skeyseed);
  spread(sa, n, nLength, prfOctets(id));
}

/** Puts SK(0) | Ni | Nr | SK(1) | .. into `seed`; returns the octets. */
function gather(secret: usize, secretLength: u32, moreLength: u32, n: usize, nLength: u32): u32 {
  memory.copy(seed, secret, secretLength);
  memory.copy(seed + secretLength, n, nLength);
  memory.copy(seed + secretLength + nLength, secret + secretLength, moreLength);
  return secretLength + nLength + moreLength;
}

function spread(sa: IkeSa, n: usize, length: u32, skeyseedLength: u32): void {
  const suite = ikeSuite(sa);
  const row = changetype<Transform>(suiteRow(suite));
  memory.copy(seed, n, length);
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
  keysMade(sa);
}

function take(sa: IkeSa, key: u32, at: usize, length: u32): usize {
  memory.copy(ikeKey(sa, key), at, length);
  return at + length;
}

/** Keys of a CHILD_SA; `secret` only with a key exchange of its own. The first one of an IKE_SA uses the IKE_SA's nonces. */
export function childKeys(child: ChildSa, sa: IkeSa, secret: usize, secretLength: u32, moreLength: u32 = 0): void {
  const length = nonces(child.initiator != 0, childNonce(child), childPeerNonce(child), child.peerNonceLength);
  childKeysOf(child, sa, pair, length, secret, secretLength, moreLength);
}

/** The same from Ni | Nr at `n`. */
export function childKeysOf(
  child: ChildSa,
  sa: IkeSa,
  n: usize,
  nLength: u32,
  secret: usize,
  secretLength: u32,
  moreLength: u32 = 0,
): void {
  const suite = childSuite(child);
  const row = changetype<Transform>(suiteRow(suite));
  const one = row.keyOctets + row.saltOctets + row.integrityKeyOctets;
  const ours = child.initiator != 0;
  const length = gather(secret, secretLength, moreLength, n, nLength);
  const id = ikeSuite(sa).prf;
  prfPlus(id, ikeKey(sa, KEY_D), prfOctets(id), seed, length, stream, 2 * one);
  memory.copy(childKeymat(child, ours), stream, one);
  memory.copy(childKeymat(child, !ours), stream + one, one);
  zeroize(seed, SEED_MAX);
  zeroize(stream, 7 * 64);
}
