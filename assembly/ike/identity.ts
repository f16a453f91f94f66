/**
 * Does an identity fit one that is configured (RFC 7296 section 3.5, 4301 section 4.4.3.1)? With strongSwan's rules: without regard
 * to case in names; an asterisk alone, or at the head of an FQDN or an RFC 822 name, stands for anything; in a distinguished name
 * it stands for the whole value of an attribute; what is not configured fits all.
 *
 * A wildcard counts in what is configured only; one that the peer sends is a letter like any other.
 */
import {
  DER_OID,
  DER_SEQUENCE,
  DER_SET,
  derAfter,
  derContent,
  derIsText,
  derLength,
  derNext,
  derTag,
} from "../wire/der";
import { ID_DER_ASN1_DN, ID_FQDN, ID_RFC822_ADDR } from "../wire/ike_payload/identification";

export const FITS_NOT: u32 = 0;
/** Nothing was asked for. */
export const FITS_ANY: u32 = 1;
export const FITS_EXACTLY: u32 = 20;

const ASTERISK: u32 = 0x2a;
/** Attributes of a distinguished name at most. */
const ATTRIBUTES_MAX: u32 = 32;

function fold(octet: u32): u32 {
  return octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet;
}

function sameFolded(a: usize, b: usize, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) if (fold(<u32>load<u8>(a + i)) != fold(<u32>load<u8>(b + i))) return false;
  return true;
}

/** Two identities are the same octets. */
export function identitySame(a: usize, aLength: u32, b: usize, bLength: u32): bool {
  return aLength == bLength && memory.compare(a, b, aLength) == 0;
}

/** True for what is looked for, and nobody's own: a name with an asterisk at its head, or for an attribute. */
export function identityWildcard(identity: usize, length: u32): bool {
  if (length == 0) return false;
  const type = <u32>load<u8>(identity);
  if (type == ID_FQDN || type == ID_RFC822_ADDR) return length > 1 && <u32>load<u8>(identity, 1) == ASTERISK;
  const walk = changetype<NameWalk>(ofName);
  if (type != ID_DER_ASN1_DN || !attributesBegin(walk, identity + 1, length - 1)) return false;
  for (let i: u32 = 0; i < ATTRIBUTES_MAX && !attributesOver(walk); i++) {
    if (!attributeNext(walk)) return false;
    if (isAsterisk()) return true;
  }
  return false;
}

/** How well the identity at `id` fits the pattern (both: ID type u8, data): FITS_NOT, or the more the better. */
export function identityFits(pattern: usize, patternLength: u32, id: usize, idLength: u32): u32 {
  if (patternLength == 0) return FITS_ANY;
  if (idLength == 0 || load<u8>(pattern) != load<u8>(id)) return FITS_NOT;
  if (identitySame(pattern, patternLength, id, idLength)) return FITS_EXACTLY;
  const type = <u32>load<u8>(id);
  if (type == ID_FQDN || type == ID_RFC822_ADDR) return nameFits(pattern + 1, patternLength - 1, id + 1, idLength - 1);
  if (type == ID_DER_ASN1_DN) return distinguishedFits(pattern + 1, patternLength - 1, id + 1, idLength - 1);
  return FITS_NOT;
}

function nameFits(pattern: usize, patternLength: u32, name: usize, length: u32): u32 {
  if (patternLength == length && sameFolded(pattern, name, length)) return FITS_EXACTLY;
  if (patternLength == 0 || length < patternLength || <u32>load<u8>(pattern) != ASTERISK) return FITS_NOT;
  const tail = patternLength - 1;
  if (tail == 0) return FITS_ANY;
  return sameFolded(pattern + 1, name + length - tail, tail) ? FITS_EXACTLY - 1 : FITS_NOT;
}

/** A walk over the attributes of a distinguished name: where it is in the name, and in the set at hand. */
@unmanaged
class NameWalk {
  set: usize;
  end: usize;
  pair: usize;
  setEnd: usize;
}

const ofPattern: usize = memory.data(16, 8);
const ofName: usize = memory.data(16, 8);
let oid: usize = 0;
let oidLength: u32 = 0;

/** Begins the walk; false: no distinguished name. */
function attributesBegin(walk: NameWalk, name: usize, length: u32): bool {
  if (!derNext(name, name + length) || derTag != DER_SEQUENCE || derAfter != name + length) return false;
  walk.set = derContent;
  walk.end = derAfter;
  walk.pair = 0;
  walk.setEnd = 0;
  return true;
}

function attributesOver(walk: NameWalk): bool {
  return walk.pair == walk.setEnd && walk.set == walk.end;
}

/** Takes the next attribute: its OID in `oid`, its value in derTag, derContent and derLength. */
function attributeNext(walk: NameWalk): bool {
  if (walk.pair == walk.setEnd) {
    if (!derNext(walk.set, walk.end) || derTag != DER_SET) return false;
    walk.set = derAfter;
    walk.pair = derContent;
    walk.setEnd = derAfter;
  }
  if (!derNext(walk.pair, walk.setEnd) || derTag != DER_SEQUENCE) return false;
  walk.pair = derAfter;
  const end = derAfter;
  if (!derNext(derContent, end) || derTag != DER_OID) return false;
  oid = derContent;
  oidLength = derLength;
  return derNext(derAfter, end) && derAfter == end;
}

/** The attribute in hand stands for any. */
function isAsterisk(): bool {
  return derIsText(derTag) && derLength == 1 && <u32>load<u8>(derContent) == ASTERISK;
}

function distinguishedFits(pattern: usize, patternLength: u32, name: usize, length: u32): u32 {
  const p = changetype<NameWalk>(ofPattern);
  const n = changetype<NameWalk>(ofName);
  if (!attributesBegin(p, pattern, patternLength) || !attributesBegin(n, name, length)) return FITS_NOT;
  let fits = FITS_EXACTLY;
  for (let i: u32 = 0; i < ATTRIBUTES_MAX; i++) {
    if (attributesOver(p) || attributesOver(n)) return attributesOver(p) && attributesOver(n) ? fits : FITS_NOT;
    if (!attributeNext(p)) return FITS_NOT;
    const wantedOid = oid;
    const wantedOidLength = oidLength;
    const wanted = derContent;
    const wantedLength = derLength;
    const text = derIsText(derTag);
    const any = isAsterisk();
    if (!attributeNext(n) || !identitySame(oid, oidLength, wantedOid, wantedOidLength)) return FITS_NOT;
    if (any) {
      if (fits > FITS_ANY + 1) fits -= 1;
    } else if (derLength != wantedLength) {
      return FITS_NOT;
    } else if (text && derIsText(derTag)) {
      if (!sameFolded(derContent, wanted, wantedLength)) return FITS_NOT;
    } else if (memory.compare(derContent, wanted, wantedLength) != 0) {
      return FITS_NOT;
    }
  }
  return FITS_NOT;
}
