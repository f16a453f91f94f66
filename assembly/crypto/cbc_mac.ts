/**
 * The chain that CMAC (SP 800-38B) and XCBC (RFC 3566) share: CBC-MAC whose last block is masked with one of two subkeys,
 * by whether it is whole. cmac.ts and xcbc.ts differ in how they derive the subkeys.
 *
 * A context:
 *     0       (AES)          +16            +32           +48       +64
 *     +------------------+--------------+--------------+---------+------------+------+
 *     | AES context      | mask, whole  | mask, padded | chain   | last block | held |
 *     +------------------+--------------+--------------+---------+------------+------+
 *
 * Time depends on lengths alone. Refuses to truncate and to compare.
 */
import { AES_CONTEXT_OCTETS, aesEncryptBlock } from "./aes";

export const CBC_MAC_WHOLE: usize = AES_CONTEXT_OCTETS;
export const CBC_MAC_PADDED: usize = CBC_MAC_WHOLE + 16;
const CHAIN: usize = CBC_MAC_PADDED + 16;
const BLOCK: usize = CHAIN + 16;
const HELD: usize = BLOCK + 16;

/** Size of a context, alignment 8. */
export const CBC_MAC_CONTEXT_OCTETS: u32 = <u32>HELD + 8;

/** Begins a message under the keys in the context. */
export function cbcMacReset(context: usize): void {
  memory.fill(context + CHAIN, 0, 40);
}

function absorb(context: usize, block: usize): void {
  const chain = context + CHAIN;
  store<u64>(chain, load<u64>(chain) ^ load<u64>(block));
  store<u64>(chain, load<u64>(chain, 8) ^ load<u64>(block, 8), 8);
  aesEncryptBlock(context, chain, chain);
}

/** Absorbs `length` octets. A whole block is held back until more follows, for it may be the last. */
export function cbcMacUpdate(context: usize, p: usize, length: u32): void {
  let held = load<u32>(context, HELD);
  while (length != 0) {
    if (held == 16) {
      absorb(context, context + BLOCK);
      held = 0;
    }
    if (held == 0) {
      for (; length > 16; length -= 16) {
        absorb(context, p);
        p += 16;
      }
    }
    const taken = min<u32>(16 - held, length);
    memory.copy(context + BLOCK + held, p, taken);
    held += taken;
    p += taken;
    length -= taken;
  }
  store<u32>(context, held, HELD);
}

/** Writes the 16 octets of the MAC and begins the next message under the same key. */
export function cbcMacFinal(context: usize, out: usize): void {
  const held = load<u32>(context, HELD);
  const block = context + BLOCK;
  const mask = context + (held == 16 ? CBC_MAC_WHOLE : CBC_MAC_PADDED);
  if (held != 16) {
    store<u8>(block + held, 0x80);
    memory.fill(block + held + 1, 0, 15 - held);
  }
  store<u64>(block, load<u64>(block) ^ load<u64>(mask));
  store<u64>(block, load<u64>(block, 8) ^ load<u64>(mask, 8), 8);
  absorb(context, block);
  memory.copy(out, context + CHAIN, 16);
  cbcMacReset(context);
}
