/** The PRFs of IKEv2 (RFC 7296, 2.13; RFC 4868, 4434, 4615) and prf+ over any primitives: the twin of assembly/crypto/prf*.ts. */
import type { Primitives } from "./cipher_suite.ts";

type Octets = Uint8Array;

/** Hashes of the HMAC PRFs by IANA identifier; 0: AES. */
export const PRFS: Readonly<Record<number, { hash: number; octets: number }>> = {
  2: { hash: 1, octets: 20 },
  4: { hash: 0, octets: 16 },
  5: { hash: 2, octets: 32 },
  6: { hash: 3, octets: 48 },
  7: { hash: 4, octets: 64 },
  8: { hash: 0, octets: 16 },
};

const PRF_AES128_XCBC = 4;
const ZEROS = Buffer.alloc(16);

export function prf(use: Primitives, id: number, key: Octets, message: Octets): Octets {
  const { hash } = PRFS[id]!;
  if (hash !== 0) return use.hmac(hash, key, message);
  const mac = id === PRF_AES128_XCBC ? use.xcbc : use.cmac;
  if (key.length === 16) return mac(key, message);
  // RFC 4434, 2: shorter keys are padded; RFC 4615, 3: they are hashed, as longer ones are with both.
  const padded = id === PRF_AES128_XCBC && key.length < 16;
  return mac(padded ? Buffer.concat([key, ZEROS]).subarray(0, 16) : mac(ZEROS, key), message);
}

/** RFC 7296, 2.13 */
export function prfPlus(use: Primitives, id: number, key: Octets, seed: Octets, length: number): Buffer {
  const parts: Octets[] = [];
  let block: Octets = Buffer.alloc(0);
  for (let n = 1; PRFS[id]!.octets * parts.length < length; n++) {
    block = prf(use, id, key, Buffer.concat([block, seed, Buffer.from([n])]));
    parts.push(block);
  }
  return Buffer.concat(parts).subarray(0, length);
}
