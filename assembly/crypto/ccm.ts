/**
 * AES-CCM (RFC 3610, SP 800-38C), as ESP (RFC 4309) and IKEv2 (RFC 5282) use it: nonce of 11 octets, tags of 8, 12 or 16.
 *
 * Other nonce lengths (7 to 13) and even tag lengths (4 to 16) of RFC 3610 work as well. CCM authenticates the plaintext, so
 * ccmOpen decrypts first and encrypts again when the tag is wrong: the caller never sees unverified plaintext. Constant time.
 * Refuses other sizes, and data longer than the length field can tell.
 */
import { equalConstantTime } from "../rt/bytes";
import { AES_CONTEXT_OCTETS, aesCtr, aesEncryptBlock, aesInit } from "./aes";

/** Size of a context. */
export const CCM_CONTEXT_OCTETS: u32 = AES_CONTEXT_OCTETS;

const counter: usize = memory.data(16, 16);
const chain: usize = memory.data(16, 16);
const mask: usize = memory.data(16, 16);

export function ccmInit(context: usize, key: usize, keyOctets: u32): void {
  aesInit(context, key, keyOctets);
}

function valid(nonceOctets: u32, length: u32, tagOctets: u32): bool {
  if (nonceOctets < 7 || nonceOctets > 13) return false;
  if (tagOctets < 4 || tagOctets > 16 || (tagOctets & 1) != 0) return false;
  const field = 15 - nonceOctets; // L
  return field >= 4 || length < (<u32>1) << (field << 3);
}

/** Absorbs a string that starts at octet `at` of a block, zero padded to whole blocks. */
function absorb(context: usize, at: u32, p: usize, length: u32): void {
  for (const end = p + length; p < end; p++) {
    store<u8>(chain + at, load<u8>(chain + at) ^ load<u8>(p));
    if (++at == 16) {
      aesEncryptBlock(context, chain, chain);
      at = 0;
    }
  }
  if (at != 0) aesEncryptBlock(context, chain, chain);
}

/** Leaves the CBC-MAC of B0, AAD and plaintext (RFC 3610, 2.2) in `chain`. */
function authenticate(
  context: usize,
  nonce: usize,
  nonceOctets: u32,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
  tagOctets: u32,
): void {
  store<u8>(chain, <u8>((aadLength != 0 ? 0x40 : 0) | (((tagOctets - 2) >>> 1) << 3) | (14 - nonceOctets)));
  memory.copy(chain + 1, nonce, nonceOctets);
  memory.fill(chain + 1 + nonceOctets, 0, 15 - nonceOctets);
  for (let i: u32 = 15, rest = length; rest != 0; rest >>>= 8, i--) store<u8>(chain + i, <u8>rest);
  aesEncryptBlock(context, chain, chain);
  if (aadLength != 0) {
    let at: u32 = 2;
    if (aadLength < 0xff00) {
      store<u8>(chain, load<u8>(chain) ^ (<u8>(aadLength >>> 8)));
      store<u8>(chain, load<u8>(chain, 1) ^ (<u8>aadLength), 1);
    } else {
      store<u16>(chain, load<u16>(chain) ^ 0xfeff); // octets ff fe, then four octets of length
      store<u32>(chain, load<u32>(chain, 2) ^ bswap<u32>(aadLength), 2);
      at = 6;
    }
    absorb(context, at, aad, aadLength);
  }
  absorb(context, 0, data, length);
}

/** Runs counter mode over the data from block 1, and leaves block 0 in `mask` (RFC 3610, 2.3). */
function crypt(context: usize, nonce: usize, nonceOctets: u32, data: usize, length: u32): void {
  memory.fill(counter, 0, 16);
  store<u8>(counter, <u8>(14 - nonceOctets));
  memory.copy(counter + 1, nonce, nonceOctets);
  aesEncryptBlock(context, counter, mask);
  store<u8>(counter, 1, 15);
  aesCtr(context, counter, data, length);
}

/** Encrypts in place and writes `tagOctets` octets of tag. False, with nothing done: a size that CCM does not have. */
export function ccmSeal(
  context: usize,
  nonce: usize,
  nonceOctets: u32,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
  tag: usize,
  tagOctets: u32,
): bool {
  if (!valid(nonceOctets, length, tagOctets)) return false;
  authenticate(context, nonce, nonceOctets, aad, aadLength, data, length, tagOctets);
  crypt(context, nonce, nonceOctets, data, length);
  for (let i: u32 = 0; i < tagOctets; i++) store<u8>(tag + i, load<u8>(chain + i) ^ load<u8>(mask + i));
  return true;
}

/** Decrypts in place when the tag is right. False, with the data as they came, when not. */
export function ccmOpen(
  context: usize,
  nonce: usize,
  nonceOctets: u32,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
  tag: usize,
  tagOctets: u32,
): bool {
  if (!valid(nonceOctets, length, tagOctets)) return false;
  crypt(context, nonce, nonceOctets, data, length);
  authenticate(context, nonce, nonceOctets, aad, aadLength, data, length, tagOctets);
  store<u64>(chain, load<u64>(chain) ^ load<u64>(mask));
  store<u64>(chain, load<u64>(chain, 8) ^ load<u64>(mask, 8), 8);
  if (equalConstantTime(chain, tag, tagOctets)) return true;
  crypt(context, nonce, nonceOctets, data, length);
  return false;
}
