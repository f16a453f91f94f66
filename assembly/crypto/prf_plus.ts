/**
 * prf+ (RFC 7296, 2.13):
 *
 *     prf+ (K,S) = T1 | T2 | T3 | T4 | ...
 *     T1 = prf (K, S | 0x01)
 *     Tn = prf (K, Tn-1 | S | n)
 *
 * Refuses to give more than 255 blocks, where the counter octet ends.
 */
import { zeroize } from "../rt/bytes";
import { prfFinal, prfInit, prfOctets, prfUpdate, prfWipe, PRF_CONTEXT_OCTETS, PRF_OCTETS_MAX } from "./prf";

const context: usize = memory.data(PRF_CONTEXT_OCTETS, 16);
const block: usize = memory.data(PRF_OCTETS_MAX, 16);
const counter: usize = memory.data(1);

/** Fills `out` with `outLength` octets. `out` must not overlap key or seed. Asking for too much is a bug of the caller. */
export function prfPlus(
  id: u32,
  key: usize,
  keyLength: u32,
  seed: usize,
  seedLength: u32,
  out: usize,
  outLength: u32,
): void {
  const octets = prfOctets(id);
  assert(octets != 0 && outLength <= 255 * octets, "prf+ has no such output");
  prfInit(context, id, key, keyLength);
  let done: u32 = 0;
  for (let n: u32 = 1; done < outLength; n++) {
    if (n > 1) prfUpdate(context, block, octets);
    prfUpdate(context, seed, seedLength);
    store<u8>(counter, <u8>n);
    prfUpdate(context, counter, 1);
    prfFinal(context, block);
    const taken = min<u32>(octets, outLength - done);
    memory.copy(out + done, block, taken);
    done += taken;
  }
  prfWipe(context);
  zeroize(block, PRF_OCTETS_MAX);
}
