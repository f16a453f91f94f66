/**
 * AES-CMAC (SP 800-38B, RFC 4493), for AUTH_AES_CMAC_96 (RFC 4494) and PRF_AES128_CMAC (RFC 4615).
 *
 * Constant time. Refuses to truncate and to compare. Key sizes are those of AES.
 */
import { loadBE64, storeBE64 } from "../rt/bytes";
import { aesEncryptBlock, aesInit } from "./aes";
import { CBC_MAC_CONTEXT_OCTETS, CBC_MAC_WHOLE, cbcMacFinal, cbcMacReset, cbcMacUpdate } from "./cbc_mac";

export const CMAC_CONTEXT_OCTETS: u32 = CBC_MAC_CONTEXT_OCTETS;

/** Doubling in GF(2^128) (RFC 4493, 2.3): shift left, and 0x87 by a mask where a bit falls out. */
function double(to: usize, from: usize): void {
  const high = loadBE64(from);
  const low = loadBE64(from + 8);
  storeBE64(to, (high << 1) | (low >>> 63));
  storeBE64(to + 8, (low << 1) ^ (0x87 & (0 - (high >>> 63))));
}

/** Turns the encryption of the zero block at `masks` into the masks of a whole last block and, 16 octets on, of a padded one. */
export function cmacMasks(masks: usize): void {
  double(masks, masks);
  double(masks + 16, masks);
}

/** Takes a key of 16, 24 or 32 octets and begins a message. */
export function cmacInit(context: usize, key: usize, keyOctets: u32): void {
  aesInit(context, key, keyOctets);
  const masks = context + CBC_MAC_WHOLE;
  memory.fill(masks, 0, 16);
  aesEncryptBlock(context, masks, masks);
  cmacMasks(masks);
  cbcMacReset(context);
}

export function cmacUpdate(context: usize, p: usize, length: u32): void {
  cbcMacUpdate(context, p, length);
}

/** Writes 16 octets and begins the next message under the same key. */
export function cmacFinal(context: usize, out: usize): void {
  cbcMacFinal(context, out);
}
