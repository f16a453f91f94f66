/**
 * Proposals (RFC 7296 section 2.7, 3.3): which suite two sides agree on.
 *
 * Ours are lists of transforms as in abi/management.ts, with the number of the proposal in octet 1. As responder our own
 * order of preference decides, for proposals and for the transforms in one, as strongSwan's does by default. A suite is
 * agreed only if a kernel exists for it (crypto/transform.ts, crypto/prf.ts): where one pair of cipher and integrity has none,
 * the next that both have is tried, so that what we cannot do hides nothing that we can.
 *
 * Key lengths count (section 3.3.5): AES with another Key Length, or without one, is another transform, and so is a transform
 * of fixed key length that comes with one. A combined mode goes with integrity left out or NONE, and with nothing else
 * (section 3.3); one that is offered beside integrity transforms is passed over.
 *
 * Refuses for IKE what does not encrypt, whatever the configuration says: NULL and AES-GMAC.
 */
import { TRANSFORM_ID, TRANSFORM_KEY_BITS, TRANSFORM_OCTETS, TRANSFORM_TYPE } from "../abi/management";
import { prfOctets } from "../crypto/prf";
import { ENCR_NULL, ENCR_NULL_AUTH_AES_GMAC, INTEG_NONE, transformFind, transformFindAh } from "../crypto/transform";
import { Writer } from "../wire/ike_message";
import {
  ADDKE_MAX,
  PROPOSAL_NUMBER,
  PROPOSAL_PROTOCOL,
  PROTOCOL_ID_AH,
  PROTOCOL_ID_IKE,
  TRANSFORM_ADDKE,
  TRANSFORM_ENCR,
  TRANSFORM_ESN,
  TRANSFORM_INTEG,
  TRANSFORM_KE,
  TRANSFORM_PRF,
  proposalBegin,
  proposalEnd,
  proposalNext,
  proposalSpi,
  proposalSpiOctets,
  saBegin,
  saEnd,
  transformFirst,
  transformId,
  transformKeyBits,
  transformNext,
  transformType,
  transformWrite,
} from "../wire/ike_payload/sa";

/** Octet of a transform of ours that numbers its proposal, from 1. */
export const TRANSFORM_PROPOSAL: u32 = 1;

/** What was agreed on. */
@unmanaged
export class Suite {
  number: u32;
  protocol: u32;
  encryption: u32;
  keyBits: u32;
  prf: u32;
  integrity: u32;
  ke: u32;
  esn: u32;
  /** Bit n: ADDKE n + 1 (RFC 9370) was agreed to be none. */
  noAdditional: u32;
  /** Methods of ADDKE1 to ADDKE7, u16 each; 0 none. */
  additional: u64;
  additionalMore: u64;
}

export const SUITE_OCTETS: usize = offsetof<Suite>();

/** Key exchanges of a proposal: left out, one, one with additional ones (RFC 9370). */
export const EXCHANGES_NONE: u32 = 0;
export const EXCHANGES_ONE: u32 = 1;
export const EXCHANGES_ALL: u32 = 2;

/** The method of ADDKE `n` + 1, 0 none. */
export function suiteAdditional(suite: Suite, n: u32): u32 {
  return <u32>load<u16>(changetype<usize>(suite) + offsetof<Suite>("additional") + ((<usize>n) << 1));
}

function suiteAdd(suite: Suite, n: u32, method: u32): void {
  store<u16>(changetype<usize>(suite) + offsetof<Suite>("additional") + ((<usize>n) << 1), <u16>method);
}

/** The first additional key exchange at or behind place `from`, ADDKE_MAX when there is none left. */
export function suiteNextAdditional(suite: Suite, from: u32): u32 {
  let n = from;
  while (n < ADDKE_MAX && suiteAdditional(suite, n) == 0) n += 1;
  return n;
}

/** Address of the peer's SPI in the proposal that proposalSelect chose. */
export let selectedSpi: usize = 0;

/**
 * After proposalSelect found nothing: the type of transform without one in common where a proposal of ours (its number) and one
 * of the peer's (its address) came closest; 0 when no two were of the same kind.
 */
export let mismatchType: u32 = 0;
export let mismatchOurs: u32 = 0;
export let mismatchTheirs: usize = 0;
let mismatchRank: u32 = 0;

/** Types in the order in which they are compared: the later the first difference, the closer two proposals are. */
const RANK_UNKNOWN: u32 = 1;
const RANK_ENCR: u32 = 2;
const RANK_INTEG: u32 = 3;
const RANK_PRF: u32 = 4;
const RANK_ESN: u32 = 5;
const RANK_KE: u32 = 6;
const RANK_ADDKE: u32 = 7; // and those behind it

function differ(rank: u32, type: u32, number: u32, wire: usize): bool {
  if (rank > mismatchRank) {
    mismatchRank = rank;
    mismatchType = type;
    mismatchOurs = number;
    mismatchTheirs = wire;
  }
  return false;
}

const NEVER: u32 = u32.MAX_VALUE;

/** The first of our transforms of `type` in proposal `number`, from place `from` on, that the wire proposal has too; -1. */
function common(own: usize, count: u32, number: u32, wire: usize, type: u32, from: u32): i32 {
  for (let i = from; i < count; i++) {
    const t = own + <usize>i * TRANSFORM_OCTETS;
    if (load<u8>(t, TRANSFORM_PROPOSAL) != <u8>number || load<u8>(t, TRANSFORM_TYPE) != <u8>type) continue;
    if (wireHas(wire, type, ownId(own, i), ownBits(own, i))) return <i32>i;
  }
  return -1;
}

function ownId(own: usize, i: u32): u32 {
  return <u32>load<u16>(own + <usize>i * TRANSFORM_OCTETS, TRANSFORM_ID);
}

function ownBits(own: usize, i: u32): u32 {
  return <u32>load<u16>(own + <usize>i * TRANSFORM_OCTETS, TRANSFORM_KEY_BITS);
}

/** True when proposal `number` of ours has a transform of `type`. */
function ownHasType(own: usize, count: u32, number: u32, type: u32): bool {
  for (let i: u32 = 0; i < count; i++) {
    const t = own + <usize>i * TRANSFORM_OCTETS;
    if (load<u8>(t, TRANSFORM_PROPOSAL) == <u8>number && load<u8>(t, TRANSFORM_TYPE) == <u8>type) return true;
  }
  return false;
}

function wireHasType(wire: usize, type: u32): bool {
  for (let t = transformFirst(wire); t != 0; t = transformNext(t)) if (transformType(t) == type) return true;
  return false;
}

function wireHas(wire: usize, type: u32, id: u32, bits: u32): bool {
  for (let t = transformFirst(wire); t != 0; t = transformNext(t)) {
    if (transformType(t) == type && transformId(t) == id && transformKeyBits(t) == bits) return true;
  }
  return false;
}

/** True when transform 0 (no integrity, no key exchange, no ESN) is what a side means: it says so, or leaves the type out. */
function wireMayLack(wire: usize, type: u32): bool {
  return !wireHasType(wire, type) || wireHas(wire, type, 0, 0);
}

function ownMayLack(own: usize, count: u32, number: u32, type: u32): bool {
  if (!ownHasType(own, count, number, type)) return true;
  for (let i: u32 = 0; i < count; i++) {
    const t = own + <usize>i * TRANSFORM_OCTETS;
    if (load<u8>(t, TRANSFORM_PROPOSAL) != <u8>number || load<u8>(t, TRANSFORM_TYPE) != <u8>type) continue;
    if (load<u16>(t, TRANSFORM_ID) == 0) return true;
  }
  return false;
}

/** The transform of `type` that both sides have, 0 where both may lack it, NEVER otherwise. */
function pick(own: usize, count: u32, number: u32, wire: usize, type: u32): u32 {
  const i = common(own, count, number, wire, type, 0);
  if (i >= 0) return ownId(own, <u32>i);
  return ownMayLack(own, count, number, type) && wireMayLack(wire, type) ? 0 : NEVER;
}

/** The transform of a suite (crypto/transform.ts), 0 without one. */
export function suiteRow(suite: Suite): usize {
  return suite.protocol == PROTOCOL_ID_AH
    ? transformFindAh(suite.integrity)
    : transformFind(suite.encryption, suite.keyBits, suite.integrity);
}

/** AH: the first integrity transform that both sides have, and a kernel. A proposal with a cipher is none of AH's (section 3.3.3). */
function pickIntegrity(own: usize, count: u32, number: u32, wire: usize, suite: Suite): bool {
  suite.encryption = 0;
  suite.keyBits = 0;
  if (wireHasType(wire, TRANSFORM_ENCR)) return false;
  let i = common(own, count, number, wire, TRANSFORM_INTEG, 0);
  for (; i >= 0; i = common(own, count, number, wire, TRANSFORM_INTEG, <u32>i + 1)) {
    suite.integrity = ownId(own, <u32>i);
    if (transformFindAh(suite.integrity) != 0) return true;
  }
  return false;
}

/** Cipher and integrity: the first of our ciphers that both sides have with an integrity that both have, and a kernel. */
function pickCipher(own: usize, count: u32, number: u32, wire: usize, protocol: u32, suite: Suite): bool {
  const none = ownMayLack(own, count, number, TRANSFORM_INTEG) && wireMayLack(wire, TRANSFORM_INTEG);
  let c = common(own, count, number, wire, TRANSFORM_ENCR, 0);
  for (; c >= 0; c = common(own, count, number, wire, TRANSFORM_ENCR, <u32>c + 1)) {
    const encryption = ownId(own, <u32>c);
    const bits = ownBits(own, <u32>c);
    if (protocol == PROTOCOL_ID_IKE && !encrypts(encryption)) continue;
    suite.encryption = encryption;
    suite.keyBits = bits;
    suite.integrity = INTEG_NONE;
    if (none && transformFind(encryption, bits, INTEG_NONE) != 0) return true;
    let i = common(own, count, number, wire, TRANSFORM_INTEG, 0);
    for (; i >= 0; i = common(own, count, number, wire, TRANSFORM_INTEG, <u32>i + 1)) {
      suite.integrity = ownId(own, <u32>i);
      if (transformFind(encryption, bits, suite.integrity) != 0) return true;
    }
  }
  return false;
}

function encrypts(encryption: u32): bool {
  return encryption != ENCR_NULL && encryption != ENCR_NULL_AUTH_AES_GMAC;
}

/** The first PRF that both sides have and that we can do, or 0; none but `only` if that is not 0. */
function pickPrf(own: usize, count: u32, number: u32, wire: usize, only: u32): u32 {
  let i = common(own, count, number, wire, TRANSFORM_PRF, 0);
  for (; i >= 0; i = common(own, count, number, wire, TRANSFORM_PRF, <u32>i + 1)) {
    const id = ownId(own, <u32>i);
    if (prfOctets(id) != 0 && (only == 0 || id == only)) return id;
  }
  return 0;
}

/** ADDKE `n` + 1: a method that is not used in this suite yet (RFC 9370 section 2.2.1), or none where both may do without. */
function pickAdditional(own: usize, count: u32, number: u32, wire: usize, n: u32, exchanges: u32, suite: Suite): bool {
  const type = TRANSFORM_ADDKE + n;
  const offered = wireHasType(wire, type);
  if (exchanges == EXCHANGES_ALL && suite.ke != 0) {
    let i = common(own, count, number, wire, type, 0);
    for (; i >= 0; i = common(own, count, number, wire, type, <u32>i + 1)) {
      const method = ownId(own, <u32>i);
      if (method != 0 && (method == suite.ke || holdsAdditional(suite, method))) continue;
      suiteAdd(suite, n, method);
      if (method == 0) suite.noAdditional |= 1 << n;
      return true;
    }
    if (!ownMayLack(own, count, number, type)) return false;
  }
  if (!wireMayLack(wire, type)) return false;
  if (offered) suite.noAdditional |= 1 << n;
  return true;
}

function holdsAdditional(suite: Suite, method: u32): bool {
  for (let n: u32 = 0; n < ADDKE_MAX; n++) if (suiteAdditional(suite, n) == method) return true;
  return false;
}

function matches(
  own: usize,
  count: u32,
  number: u32,
  wire: usize,
  protocol: u32,
  exchanges: u32,
  suite: Suite,
  prf: u32,
): bool {
  for (let t = transformFirst(wire); t != 0; t = transformNext(t)) {
    const type = transformType(t);
    // RFC 7296 3.3.6: a proposal with a transform type that we do not understand is refused as a whole.
    if (type == 0 || type >= TRANSFORM_ADDKE + ADDKE_MAX) return differ(RANK_UNKNOWN, type, number, wire);
    if (type == TRANSFORM_PRF && protocol != PROTOCOL_ID_IKE) return differ(RANK_UNKNOWN, type, number, wire);
  }
  if (protocol == PROTOCOL_ID_AH) {
    if (!pickIntegrity(own, count, number, wire, suite)) return differ(RANK_INTEG, TRANSFORM_INTEG, number, wire);
  } else if (!pickCipher(own, count, number, wire, protocol, suite)) {
    const cipher = common(own, count, number, wire, TRANSFORM_ENCR, 0) >= 0;
    return cipher ? differ(RANK_INTEG, TRANSFORM_INTEG, number, wire) : differ(RANK_ENCR, TRANSFORM_ENCR, number, wire);
  }
  suite.prf = 0;
  suite.ke = 0;
  suite.esn = 0;
  suite.noAdditional = 0;
  suite.additional = 0;
  suite.additionalMore = 0;
  if (protocol == PROTOCOL_ID_IKE) {
    suite.prf = pickPrf(own, count, number, wire, prf);
    if (suite.prf == 0) return differ(RANK_PRF, TRANSFORM_PRF, number, wire);
  } else {
    suite.esn = pick(own, count, number, wire, TRANSFORM_ESN);
    if (suite.esn == NEVER) return differ(RANK_ESN, TRANSFORM_ESN, number, wire);
  }
  if (exchanges != EXCHANGES_NONE) {
    suite.ke = pick(own, count, number, wire, TRANSFORM_KE);
    if (suite.ke == NEVER || (suite.ke == 0 && protocol == PROTOCOL_ID_IKE)) {
      return differ(RANK_KE, TRANSFORM_KE, number, wire);
    }
    for (let n: u32 = 0; n < ADDKE_MAX; n++) {
      if (!pickAdditional(own, count, number, wire, n, exchanges, suite)) {
        return differ(RANK_ADDKE + n, TRANSFORM_ADDKE + n, number, wire);
      }
    }
  }
  suite.number = <u32>load<u8>(wire, PROPOSAL_NUMBER);
  suite.protocol = protocol;
  return true;
}

/**
 * Chooses from the proposals of a checked SA payload. `exchanges` EXCHANGES_NONE leaves key exchange out, as in IKE_AUTH. True when
 * there is a match; then `suite` and selectedSpi tell it.
 *
 * `prf` is the one of the IKE_SA that is rekeyed, 0 otherwise: it is kept where the peer offers it at all. By RFC 7296 2.18 the
 * old PRF makes SKEYSEED and the new one the keys; strongSwan makes both with the old one. With the same PRF that is the same.
 */
export function proposalSelect(
  own: usize,
  count: u32,
  body: usize,
  length: u32,
  protocol: u32,
  spiOctets: u32,
  exchanges: u32,
  suite: Suite,
  prf: u32 = 0,
): bool {
  mismatchRank = 0;
  mismatchType = 0;
  mismatchTheirs = 0;
  if (prf != 0 && select(own, count, body, length, protocol, spiOctets, exchanges, suite, prf)) return true;
  return select(own, count, body, length, protocol, spiOctets, exchanges, suite, 0);
}

function select(
  own: usize,
  count: u32,
  body: usize,
  length: u32,
  protocol: u32,
  spiOctets: u32,
  exchanges: u32,
  suite: Suite,
  prf: u32,
): bool {
  let number: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const mine = <u32>load<u8>(own + <usize>i * TRANSFORM_OCTETS, TRANSFORM_PROPOSAL);
    if (mine == number) continue;
    number = mine;
    for (let wire = body; wire != 0; wire = proposalNext(wire, body + length)) {
      if (<u32>load<u8>(wire, PROPOSAL_PROTOCOL) != protocol || proposalSpiOctets(wire) != spiOctets) continue;
      if (matches(own, count, number, wire, protocol, exchanges, suite, prf)) {
        selectedSpi = proposalSpi(wire);
        return true;
      }
    }
  }
  return false;
}

/** True when a responder's SA payload holds exactly one proposal with at most one transform per type. */
export function proposalIsAnswer(body: usize, length: u32): bool {
  if (proposalNext(body, body + length) != 0) return false;
  let seen: u32 = 0;
  for (let t = transformFirst(body); t != 0; t = transformNext(t)) {
    const type = transformType(t);
    if (type >= TRANSFORM_ADDKE + ADDKE_MAX || ((seen >> type) & 1) != 0) return false;
    seen |= 1 << type;
  }
  return true;
}

/** The key exchange method that we like best in a list of ours, 0 when it has none. */
export function proposalFirstKe(own: usize, count: u32): u32 {
  for (let i: u32 = 0; i < count; i++) {
    const t = own + <usize>i * TRANSFORM_OCTETS;
    if (load<u8>(t, TRANSFORM_TYPE) == <u8>TRANSFORM_KE && load<u16>(t, TRANSFORM_ID) != 0) {
      return <u32>load<u16>(t, TRANSFORM_ID);
    }
  }
  return 0;
}

export function proposalHasKe(own: usize, count: u32, method: u32): bool {
  for (let i: u32 = 0; i < count; i++) {
    const t = own + <usize>i * TRANSFORM_OCTETS;
    if (load<u8>(t, TRANSFORM_TYPE) == <u8>TRANSFORM_KE && <u32>load<u16>(t, TRANSFORM_ID) == method) return true;
  }
  return false;
}

/** True when one of our transforms from `from` up to `stop` is this PRF. */
function hasPrf(own: usize, from: u32, stop: u32, prf: u32): bool {
  for (let i = from; i < stop; i++) {
    const t = own + <usize>i * TRANSFORM_OCTETS;
    if (load<u8>(t, TRANSFORM_TYPE) == <u8>TRANSFORM_PRF && ownId(own, i) == prf) return true;
  }
  return false;
}

/**
 * Writes an SA payload with all our proposals. `prf`, if not 0, is the one of the IKE_SA that is rekeyed: then, if we have it
 * at all, no other is offered (see proposalSelect). What is left is numbered from 1, without gaps (RFC 7296 3.3.1).
 */
export function proposalsWrite(
  w: Writer,
  own: usize,
  count: u32,
  protocol: u32,
  spi: usize,
  spiOctets: u32,
  exchanges: u32,
  prf: u32 = 0,
): void {
  const only = hasPrf(own, 0, count, prf) ? prf : 0;
  saBegin(w);
  let open: usize = 0;
  let written: u32 = 0;
  let offered: u32 = 0;
  let stop: u32 = 0;
  for (let i: u32 = 0; i < count; i = stop) {
    const number = <u32>load<u8>(own + <usize>i * TRANSFORM_OCTETS, TRANSFORM_PROPOSAL);
    stop = i;
    while (stop < count && <u32>load<u8>(own + <usize>stop * TRANSFORM_OCTETS, TRANSFORM_PROPOSAL) == number) stop += 1;
    if (only != 0 && !hasPrf(own, i, stop, only)) continue;
    if (open != 0) proposalEnd(w, open, written, false);
    offered += 1;
    open = proposalBegin(w, offered, protocol, spi, spiOctets);
    written = transformsWrite(w, own, i, stop, protocol, exchanges, only);
  }
  if (open != 0) proposalEnd(w, open, written, true);
  saEnd(w);
}

/** Writes the transforms of one proposal of ours; returns how many. */
function transformsWrite(w: Writer, own: usize, from: u32, stop: u32, protocol: u32, exchanges: u32, prf: u32): u32 {
  let last: u32 = from;
  let esn = protocol == PROTOCOL_ID_IKE;
  for (let i = from; i < stop; i++) {
    const t = own + <usize>i * TRANSFORM_OCTETS;
    if (isOffered(t, exchanges, prf)) last = i;
    if (load<u8>(t, TRANSFORM_TYPE) == <u8>TRANSFORM_ESN) esn = true;
  }
  let written: u32 = 0;
  for (let i = from; i <= last; i++) {
    const t = own + <usize>i * TRANSFORM_OCTETS;
    if (!isOffered(t, exchanges, prf)) continue;
    transformWrite(w, <u32>load<u8>(t, TRANSFORM_TYPE), ownId(own, i), ownBits(own, i), esn && i == last);
    written += 1;
  }
  if (esn) return written;
  // A proposal of ESP or AH must say what it wants with ESN (RFC 7296 3.3.3).
  transformWrite(w, TRANSFORM_ESN, 0, 0, true);
  return written + 1;
}

function isOffered(t: usize, exchanges: u32, prf: u32): bool {
  const type = <u32>load<u8>(t, TRANSFORM_TYPE);
  if (type == TRANSFORM_KE) return exchanges != EXCHANGES_NONE;
  if (type >= TRANSFORM_ADDKE) return exchanges == EXCHANGES_ALL;
  return type != TRANSFORM_PRF || prf == 0 || <u32>load<u16>(t, TRANSFORM_ID) == prf;
}

/** True when one of our proposals holds all of a suite of IKE's that was agreed on by others. */
export function proposalsHold(own: usize, count: u32, suite: Suite): bool {
  for (let i: u32 = 0; i < count; i++) {
    const number = <u32>load<u8>(own + <usize>i * TRANSFORM_OCTETS, TRANSFORM_PROPOSAL);
    if (i > 0 && <u32>load<u8>(own + <usize>(i - 1) * TRANSFORM_OCTETS, TRANSFORM_PROPOSAL) == number) continue;
    if (
      ownHas(own, count, number, TRANSFORM_ENCR, suite.encryption, suite.keyBits) &&
      ownHas(own, count, number, TRANSFORM_PRF, suite.prf, 0) &&
      ownHas(own, count, number, TRANSFORM_KE, suite.ke, 0) &&
      holdsAdditionals(own, count, number, suite) &&
      (suite.integrity != 0
        ? ownHas(own, count, number, TRANSFORM_INTEG, suite.integrity, 0)
        : ownMayLack(own, count, number, TRANSFORM_INTEG))
    ) {
      return true;
    }
  }
  return false;
}

function holdsAdditionals(own: usize, count: u32, number: u32, suite: Suite): bool {
  for (let n: u32 = 0; n < ADDKE_MAX; n++) {
    const method = suiteAdditional(suite, n);
    if (
      method == 0
        ? !ownMayLack(own, count, number, TRANSFORM_ADDKE + n)
        : !ownHas(own, count, number, TRANSFORM_ADDKE + n, method, 0)
    ) {
      return false;
    }
  }
  return true;
}

/** True when one of a list of ours asks for additional key exchanges. */
export function proposalsAdd(own: usize, count: u32): bool {
  for (let i: u32 = 0; i < count; i++) {
    if (<u32>load<u8>(own + <usize>i * TRANSFORM_OCTETS, TRANSFORM_TYPE) >= TRANSFORM_ADDKE) return true;
  }
  return false;
}

function ownHas(own: usize, count: u32, number: u32, type: u32, id: u32, bits: u32): bool {
  for (let i: u32 = 0; i < count; i++) {
    const t = own + <usize>i * TRANSFORM_OCTETS;
    if (load<u8>(t, TRANSFORM_PROPOSAL) != <u8>number || load<u8>(t, TRANSFORM_TYPE) != <u8>type) continue;
    if (ownId(own, i) == id && ownBits(own, i) == bits) return true;
  }
  return false;
}

/** Writes an SA payload with the one proposal that was agreed on. */
export function suiteWrite(w: Writer, suite: Suite, spi: usize, spiOctets: u32): void {
  const ike = suite.protocol == PROTOCOL_ID_IKE;
  const ah = suite.protocol == PROTOCOL_ID_AH;
  let transforms: u32 = ah ? 1 : 2;
  if (suite.integrity != 0) transforms += 1;
  if (suite.ke != 0) transforms += 1;
  for (let n: u32 = 0; n < ADDKE_MAX; n++) if (additionalAnswered(suite, n)) transforms += 1;
  saBegin(w);
  const proposal = proposalBegin(w, suite.number, suite.protocol, spi, spiOctets);
  if (!ah) transformWrite(w, TRANSFORM_ENCR, suite.encryption, suite.keyBits, false);
  if (suite.integrity != 0) transformWrite(w, TRANSFORM_INTEG, suite.integrity, 0, false);
  if (suite.ke != 0) transformWrite(w, TRANSFORM_KE, suite.ke, 0, false);
  for (let n: u32 = 0; n < ADDKE_MAX; n++) {
    if (additionalAnswered(suite, n)) transformWrite(w, TRANSFORM_ADDKE + n, suiteAdditional(suite, n), 0, false);
  }
  if (ike) transformWrite(w, TRANSFORM_PRF, suite.prf, 0, true);
  else transformWrite(w, TRANSFORM_ESN, suite.esn, 0, true);
  proposalEnd(w, proposal, transforms, true);
  saEnd(w);
}

/** Of each type of transform that was offered there is one in the answer (RFC 7296 3.3.6). */
function additionalAnswered(suite: Suite, n: u32): bool {
  return suiteAdditional(suite, n) != 0 || ((suite.noAdditional >> n) & 1) != 0;
}

/** Writes the suite as transforms of abi/management.ts; returns the octets. Room for 12 transforms. */
export function suiteTransforms(suite: Suite, to: usize): u32 {
  let at = to;
  if (suite.protocol != PROTOCOL_ID_AH) at = transformPut(at, TRANSFORM_ENCR, suite.encryption, suite.keyBits);
  if (suite.integrity != 0) at = transformPut(at, TRANSFORM_INTEG, suite.integrity, 0);
  if (suite.protocol == PROTOCOL_ID_IKE) at = transformPut(at, TRANSFORM_PRF, suite.prf, 0);
  else at = transformPut(at, TRANSFORM_ESN, suite.esn, 0);
  if (suite.ke != 0) at = transformPut(at, TRANSFORM_KE, suite.ke, 0);
  for (let n: u32 = 0; n < ADDKE_MAX; n++) {
    if (suiteAdditional(suite, n) != 0) at = transformPut(at, TRANSFORM_ADDKE + n, suiteAdditional(suite, n), 0);
  }
  return <u32>(at - to);
}

function transformPut(at: usize, type: u32, id: u32, bits: u32): usize {
  store<u64>(at, 0);
  store<u8>(at, <u8>type, TRANSFORM_TYPE);
  store<u16>(at, <u16>id, TRANSFORM_ID);
  store<u16>(at, <u16>bits, TRANSFORM_KEY_BITS);
  return at + TRANSFORM_OCTETS;
}
