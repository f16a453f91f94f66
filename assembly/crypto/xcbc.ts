/**
 * AES-XCBC-MAC (RFC 3566), for AUTH_AES_XCBC_96 and PRF_AES128_XCBC (RFC 4434).
 *
 * Constant time. Refuses to truncate and to compare. The key has 128 bits, no other size is defined.
 */
import { aesEncryptBlock, aesInit } from "./aes";
import {
  CBC_MAC_CONTEXT_OCTETS,
  CBC_MAC_PADDED,
  CBC_MAC_WHOLE,
  cbcMacFinal,
  cbcMacReset,
  cbcMacUpdate,
} from "./cbc_mac";

export const XCBC_CONTEXT_OCTETS: u32 = CBC_MAC_CONTEXT_OCTETS;

const k1: usize = memory.data(16, 16);

/** Takes a key of 16 octets and begins a message. */
export function xcbcInit(context: usize, key: usize): void {
  aesInit(context, key, 16);
  memory.fill(k1, 1, 16); // section 4, step 1: K1, K2, K3 are the encryptions of 01.., 02.., 03..
  memory.fill(context + CBC_MAC_WHOLE, 2, 16);
  memory.fill(context + CBC_MAC_PADDED, 3, 16);
  aesEncryptBlock(context, k1, k1);
  aesEncryptBlock(context, context + CBC_MAC_WHOLE, context + CBC_MAC_WHOLE);
  aesEncryptBlock(context, context + CBC_MAC_PADDED, context + CBC_MAC_PADDED);
  aesInit(context, k1, 16);
  memory.fill(k1, 0, 16);
  cbcMacReset(context);
}

export function xcbcUpdate(context: usize, p: usize, length: u32): void {
  cbcMacUpdate(context, p, length);
}

/** Writes 16 octets and begins the next message under the same key. */
export function xcbcFinal(context: usize, out: usize): void {
  cbcMacFinal(context, out);
}
