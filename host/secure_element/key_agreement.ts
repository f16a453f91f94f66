/**
 * Key agreement of the secure element: X25519 (RFC 7748, RFC 8031) and ECDH on P-256 (RFC 5903), by node:crypto.
 *
 * Public values are octets as a KE payload carries them: 32 octets, little-endian u, for X25519; x | y of 32 octets each
 * for P-256. Refuses a point that is not on the curve and an all-zero X25519 secret (RFC 7748 section 6.1).
 */
import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { KE_ECP256, KE_X25519 } from "../../assembly/abi/psa.ts";

/** DER in front of a raw X25519 key: SubjectPublicKeyInfo and PKCS#8 (RFC 8410). */
const X25519_SPKI = Buffer.from("302a300506032b656e032100", "hex");
const X25519_PKCS8 = Buffer.from("302e020100300506032b656e04220420", "hex");

/** A private key that stays here. */
export interface PrivateShare {
  /** As a KE payload carries it. */
  readonly publicValue: Uint8Array;
  /** The shared secret; undefined when the peer's value is unacceptable. */
  agree(peer: Uint8Array): Uint8Array | undefined;
  /** Wipes what can be wiped. */
  destroy(): void;
}

export const isSupported = (method: number): boolean => method === KE_X25519 || method === KE_ECP256;

/** A fresh share for an IANA key exchange method. */
export function generateShare(method: number): PrivateShare | undefined {
  if (method === KE_X25519) return x25519(generateKeyPairSync("x25519").privateKey);
  if (method === KE_ECP256) {
    const ecdh = createECDH("prime256v1");
    ecdh.generateKeys();
    return ecp256(ecdh);
  }
  return undefined;
}

/** The share of a given private key (raw octets: little-endian scalar for X25519, big-endian for P-256): for test vectors. */
export function importShare(method: number, privateKey: Uint8Array): PrivateShare | undefined {
  if (method === KE_X25519) {
    const der = Buffer.concat([X25519_PKCS8, privateKey]);
    return x25519(createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
  }
  if (method === KE_ECP256) {
    const ecdh = createECDH("prime256v1");
    ecdh.setPrivateKey(privateKey);
    return ecp256(ecdh);
  }
  return undefined;
}

/** A copy, and the original wiped. */
function taken(secret: Buffer): Uint8Array {
  const copy = new Uint8Array(secret);
  secret.fill(0);
  return copy;
}

function x25519(privateKey: KeyObject): PrivateShare {
  let key: KeyObject | undefined = privateKey;
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return {
    publicValue: new Uint8Array(spki.subarray(X25519_SPKI.length)),
    agree(peer) {
      if (!key || peer.length !== 32) return undefined;
      try {
        const publicKey = createPublicKey({
          key: Buffer.concat([X25519_SPKI, peer]),
          format: "der",
          type: "spki",
        });
        const secret = diffieHellman({ privateKey: key, publicKey });
        let any = 0;
        for (const octet of secret) any |= octet;
        return any === 0 ? undefined : taken(secret);
      } catch {
        return undefined; // a low-order point: OpenSSL refuses it itself
      }
    },
    destroy() {
      key = undefined; // its octets are OpenSSL's, freed and cleansed with the object
    },
  };
}

function ecp256(ecdh: ReturnType<typeof createECDH>): PrivateShare {
  let own: typeof ecdh | undefined = ecdh;
  return {
    publicValue: new Uint8Array(ecdh.getPublicKey().subarray(1)), // without the 04 of the uncompressed form
    agree(peer) {
      if (!own || peer.length !== 64) return undefined;
      try {
        return taken(own.computeSecret(Buffer.concat([Buffer.from([4]), peer])));
      } catch {
        return undefined; // not on the curve, or the point at infinity
      }
    },
    destroy() {
      own = undefined;
    },
  };
}
