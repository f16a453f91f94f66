/**
 * Key agreement of the secure element, by node:crypto: X25519 and X448 (RFC 7748, 8031), ECDH on P-256, P-384 and P-521
 * (RFC 5903), Diffie-Hellman in the MODP groups of 2048 to 8192 bits (RFC 3526); what most responders do goes past it (x25519.ts).
 *
 * Public values are octets as a KE payload carries them: little-endian u for X25519 and X448; x | y for ECDH; as many octets
 * as the modulus for MODP. Secrets are x alone, and as long as the modulus (RFC 7296 section 2.14).
 *
 * Refuses what RFC 6989 section 2 has tested: a value of another length, one outside 2 .. p - 2 (the groups' primes are
 * safe, so that is all there is to test), a point that is not on the curve; and an all-zero secret of X25519 and X448
 * (RFC 7748 section 6). Shares are never used twice.
 */
import {
  createDiffieHellman,
  createDiffieHellmanGroup,
  createECDH,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type DiffieHellman,
  type DiffieHellmanGroup,
  type ECDH,
  type JsonWebKey,
  type KeyObject,
} from "node:crypto";
import {
  KE_ECP256,
  KE_ECP384,
  KE_ECP521,
  KE_MODP2048,
  KE_MODP3072,
  KE_MODP4096,
  KE_MODP6144,
  KE_MODP8192,
  KE_X25519,
  KE_X448,
} from "../../assembly/abi/psa.ts";
import { encapsulate, isKem, kemShare } from "./ml_kem.ts";
import { respondX25519 } from "./x25519.ts";

/** A private key that stays here. */
export interface PrivateShare {
  /** As a KE payload carries it. */
  readonly publicValue: Uint8Array;
  /** The shared secret; undefined when the peer's value is unacceptable. */
  agree(peer: Uint8Array): Uint8Array | undefined;
  /** Wipes what can be wiped. */
  destroy(): void;
}

interface Method {
  generate(): PrivateShare;
  import(privateKey: Uint8Array): PrivateShare;
}

/** A pair whose public key is a JWK; the declaration of node's types knows PEM and DER alone. */
const generatePair = generateKeyPairSync as unknown as (
  type: "x25519" | "x448",
  options: { publicKeyEncoding: { format: "jwk" } },
) => { privateKey: KeyObject; publicKey: JsonWebKey };

/**
 * X25519 or X448; `octets` of a key. Keys go in and out as JWK (RFC 8037): OpenSSL takes ten times as long to decode DER. A
 * generated pair gives its public key at once and is never asked for it later: node's export as JWK holds the key's lock while
 * it allocates, and a collection of garbage then may end the job that generated the pair, which waits for the same lock.
 */
function montgomery(curve: "X25519" | "X448", octets: number): Method {
  const encoded = (key: Uint8Array): string =>
    Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("base64url");
  const share = (privateKey: KeyObject, { x }: JsonWebKey): PrivateShare => {
    let key: KeyObject | undefined = privateKey;
    return {
      publicValue: new Uint8Array(Buffer.from(x as string, "base64url")),
      agree(peer) {
        if (!key || peer.length !== octets) return undefined;
        try {
          const theirs = createPublicKey({ key: { kty: "OKP", crv: curve, x: encoded(peer) }, format: "jwk" });
          const secret = diffieHellman({ privateKey: key, publicKey: theirs });
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
  };
  return {
    generate() {
      const { privateKey, publicKey } = generatePair(curve === "X25519" ? "x25519" : "x448", {
        publicKeyEncoding: { format: "jwk" },
      });
      return share(privateKey, publicKey);
    },
    import(privateKey) {
      const x = encoded(new Uint8Array(octets)); // has to be there; OpenSSL reckons the public key from the private one
      const key = createPrivateKey({ key: { kty: "OKP", crv: curve, d: encoded(privateKey), x }, format: "jwk" });
      return share(key, createPublicKey(key).export({ format: "jwk" }));
    },
  };
}

/** ECDH on a prime curve; `octets` of a coordinate. */
function prime(curve: string, octets: number): Method {
  const share = (ecdh: ECDH): PrivateShare => {
    let own: ECDH | undefined = ecdh;
    return {
      publicValue: new Uint8Array(ecdh.getPublicKey().subarray(1)), // without the 04 of the uncompressed form
      agree(peer) {
        if (!own || peer.length !== 2 * octets) return undefined;
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
  };
  return {
    generate() {
      const ecdh = createECDH(curve);
      ecdh.generateKeys();
      return share(ecdh);
    },
    import(privateKey) {
      const ecdh = createECDH(curve);
      ecdh.setPrivateKey(privateKey);
      return share(ecdh);
    },
  };
}

/** Diffie-Hellman in a group of RFC 3526 by OpenSSL's name. */
function modp(group: string): Method {
  const share = (dh: DiffieHellman | DiffieHellmanGroup): PrivateShare => {
    let own: typeof dh | undefined = dh;
    const modulus = dh.getPrime();
    const largest = Buffer.from(modulus);
    largest[largest.length - 1] = (largest[largest.length - 1] as number) - 2; // p - 2: p is odd, and no borrow comes of it
    const smallest = Buffer.alloc(modulus.length);
    smallest[smallest.length - 1] = 2;
    return {
      publicValue: widened(dh.getPublicKey(), modulus.length),
      agree(peer) {
        if (!own || peer.length !== modulus.length) return undefined;
        if (Buffer.compare(peer, smallest) < 0 || Buffer.compare(peer, largest) > 0) return undefined;
        try {
          const secret = own.computeSecret(peer);
          const wide = widened(secret, modulus.length);
          secret.fill(0);
          return wide;
        } catch {
          return undefined;
        }
      },
      destroy() {
        own = undefined;
      },
    };
  };
  return {
    generate() {
      const dh = createDiffieHellmanGroup(group);
      dh.generateKeys();
      return share(dh);
    },
    import(privateKey) {
      const named = createDiffieHellmanGroup(group);
      const dh = createDiffieHellman(named.getPrime(), named.getGenerator());
      dh.setPrivateKey(privateKey);
      dh.generateKeys(); // the public key of the private key that is there
      return share(dh);
    },
  };
}

/** A number with zeros in front of it, `octets` long. */
function widened(number: Uint8Array, octets: number): Uint8Array {
  const wide = new Uint8Array(octets);
  wide.set(number, octets - number.length);
  return wide;
}

/** A copy, and the original wiped. */
function taken(secret: Buffer): Uint8Array {
  const copy = new Uint8Array(secret);
  secret.fill(0);
  return copy;
}

/** By IANA key exchange method. */
const METHODS = new Map<number, Method>([
  [KE_MODP2048, modp("modp14")],
  [KE_MODP3072, modp("modp15")],
  [KE_MODP4096, modp("modp16")],
  [KE_MODP6144, modp("modp17")],
  [KE_MODP8192, modp("modp18")],
  [KE_ECP256, prime("prime256v1", 32)],
  [KE_ECP384, prime("secp384r1", 48)],
  [KE_ECP521, prime("secp521r1", 66)],
  [KE_X25519, montgomery("X25519", 32)],
  [KE_X448, montgomery("X448", 56)],
]);

export const isSupported = (method: number): boolean => METHODS.has(method) || isKem(method);

/** A fresh share for an IANA key exchange method. */
export const generateShare = (method: number): PrivateShare | undefined =>
  METHODS.get(method)?.generate() ?? kemShare(method);

/** Answers a peer's public value; undefined when that is unacceptable. */
export function respond(method: number, peer: Uint8Array): { publicValue: Uint8Array; secret: Uint8Array } | undefined {
  if (isKem(method)) return encapsulate(method, peer);
  if (method === KE_X25519 && respondX25519) return respondX25519(peer);
  const share = METHODS.get(method)?.generate();
  const secret = share?.agree(peer);
  share?.destroy();
  return share && secret ? { publicValue: share.publicValue, secret } : undefined;
}

/** The share of a given private key (of a KEM its seed; little-endian for X25519 and X448, big-endian otherwise): for test vectors. */
export const importShare = (method: number, privateKey: Uint8Array): PrivateShare | undefined =>
  METHODS.get(method)?.import(privateKey) ?? kemShare(method, privateKey);
