/**
 * ML-KEM-512, -768 and -1024 (FIPS 203; RFC 9370 with draft-ietf-ipsecme-ikev2-mlkem), by @noble/post-quantum. The initiator's public
 * value is its encapsulation key, the responder's a ciphertext.
 *
 * Refuses values of another length, and encapsulation keys with coefficients that are not reduced (FIPS 203 section 7.2). A ciphertext
 * that was tampered with gives another secret and no error, as the standard has it.
 */
import { ml_kem512, ml_kem768, ml_kem1024 } from "@noble/post-quantum/ml-kem.js";
import { KE_MLKEM512, KE_MLKEM768, KE_MLKEM1024 } from "../../assembly/abi/psa.ts";

type Kem = typeof ml_kem768;

interface KemMethod {
  kem: Kem;
  encapsulationKey: number;
  ciphertext: number;
}

const KEMS = new Map<number, KemMethod>([
  [KE_MLKEM512, { kem: ml_kem512, encapsulationKey: 800, ciphertext: 768 }],
  [KE_MLKEM768, { kem: ml_kem768, encapsulationKey: 1184, ciphertext: 1088 }],
  [KE_MLKEM1024, { kem: ml_kem1024, encapsulationKey: 1568, ciphertext: 1568 }],
]);

export const isKem = (method: number): boolean => KEMS.has(method);

/** A pair of keys, of a seed (d | z) if one is given: for test vectors. `agree` takes a ciphertext. */
export function kemShare(method: number, seed?: Uint8Array) {
  const held = KEMS.get(method);
  if (!held) return undefined;
  const { publicKey, secretKey } = held.kem.keygen(seed);
  let key: Uint8Array | undefined = secretKey;
  return {
    publicValue: publicKey,
    agree(ciphertext: Uint8Array): Uint8Array | undefined {
      if (!key || ciphertext.length !== held.ciphertext) return undefined;
      return held.kem.decapsulate(ciphertext, key);
    },
    destroy(): void {
      key?.fill(0);
      key = undefined;
    },
  };
}

/** What answers an encapsulation key; undefined when that is unacceptable. `message`, 32 octets, is for test vectors. */
export function encapsulate(
  method: number,
  encapsulationKey: Uint8Array,
  message?: Uint8Array,
): { publicValue: Uint8Array; secret: Uint8Array } | undefined {
  const held = KEMS.get(method);
  if (!held || encapsulationKey.length !== held.encapsulationKey) return undefined;
  try {
    const { cipherText, sharedSecret } = held.kem.encapsulate(encapsulationKey, message);
    return { publicValue: cipherText, secret: sharedSecret };
  } catch {
    return undefined; // a coefficient is not below the modulus
  }
}
