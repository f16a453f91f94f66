/**
 * Packets of ESP (RFC 4303) and SK payloads (RFC 7296, 3.14) for every transform, put together from whatever gives the ciphers: the
 * twin of assembly/crypto/suite.ts and transform.ts, with a table of its own from the RFCs.
 *
 * `slow` are the twins of this directory; openssl.ts has the same by node:crypto.
 */
import { encryptBlock, expandKey } from "./aes.ts";
import { cbcDecrypt, cbcEncrypt, ccmSeal, cmac, ctr, xcbc } from "./aes_modes.ts";
import { chacha20Poly1305Seal } from "./chacha20_poly1305.ts";
import { gcmSeal } from "./gcm.ts";
import { hmac } from "./sha.ts";

type Octets = Uint8Array;

/** Ciphers and MACs of one origin. AEADs give ciphertext and tag, whole; hashes are numbered as in sha.ts. */
export interface Primitives {
  block(key: Octets, block: Octets): Octets;
  cbcEncrypt(key: Octets, iv: Octets, data: Octets): Octets;
  cbcDecrypt(key: Octets, iv: Octets, data: Octets): Octets;
  ctr(key: Octets, first: Octets, data: Octets): Octets;
  gcm(key: Octets, nonce: Octets, aad: Octets, data: Octets): Octets;
  ccm(key: Octets, nonce: Octets, aad: Octets, data: Octets, tagOctets: number): Octets;
  chacha(key: Octets, nonce: Octets, aad: Octets, data: Octets): Octets;
  hmac(hash: number, key: Octets, message: Octets): Octets;
  cmac(key: Octets, message: Octets): Octets;
  xcbc(key: Octets, message: Octets): Octets;
}

export const slow: Primitives = {
  block: (key, block) => encryptBlock(expandKey(key), block),
  cbcEncrypt,
  cbcDecrypt,
  ctr,
  gcm(key, nonce, aad, data) {
    const sealed = gcmSeal(key, nonce, aad, data);
    return Buffer.concat([sealed.data, sealed.tag]);
  },
  ccm: ccmSeal,
  chacha: chacha20Poly1305Seal,
  hmac,
  cmac,
  xcbc,
};

type Mode = "gcm" | "gmac" | "ccm" | "chacha" | "cbc" | "ctr" | "null";

interface Cipher {
  encryption: number;
  mode: Mode;
  /** In bits; 0 where the transform has no Key Length attribute. */
  keyBits: number[];
  saltOctets: number;
  ivOctets: number;
  /** 0: wants an integrity transform. */
  icvOctets: number;
}

// RFC 7634, 4106, 4309, 4543, 3602, 3686, 2410.
const AES_BITS = [128, 192, 256];
const CIPHERS: Cipher[] = [
  { encryption: 28, mode: "chacha", keyBits: [0], saltOctets: 4, ivOctets: 8, icvOctets: 16 },
  { encryption: 18, mode: "gcm", keyBits: AES_BITS, saltOctets: 4, ivOctets: 8, icvOctets: 8 },
  { encryption: 19, mode: "gcm", keyBits: AES_BITS, saltOctets: 4, ivOctets: 8, icvOctets: 12 },
  { encryption: 20, mode: "gcm", keyBits: AES_BITS, saltOctets: 4, ivOctets: 8, icvOctets: 16 },
  { encryption: 14, mode: "ccm", keyBits: AES_BITS, saltOctets: 3, ivOctets: 8, icvOctets: 8 },
  { encryption: 15, mode: "ccm", keyBits: AES_BITS, saltOctets: 3, ivOctets: 8, icvOctets: 12 },
  { encryption: 16, mode: "ccm", keyBits: AES_BITS, saltOctets: 3, ivOctets: 8, icvOctets: 16 },
  { encryption: 21, mode: "gmac", keyBits: AES_BITS, saltOctets: 4, ivOctets: 8, icvOctets: 16 },
  { encryption: 12, mode: "cbc", keyBits: AES_BITS, saltOctets: 0, ivOctets: 16, icvOctets: 0 },
  { encryption: 13, mode: "ctr", keyBits: AES_BITS, saltOctets: 4, ivOctets: 8, icvOctets: 0 },
  { encryption: 11, mode: "null", keyBits: [0], saltOctets: 0, ivOctets: 0, icvOctets: 0 },
];

interface Integrity {
  integrity: number;
  name: string;
  /** Of sha.ts; 0: no HMAC. */
  hash: number;
  keyOctets: number;
  icvOctets: number;
}

// RFC 2404, 4868, 3566, 4494.
const INTEGRITIES: Integrity[] = [
  { integrity: 2, name: "hmac-sha1-96", hash: 1, keyOctets: 20, icvOctets: 12 },
  { integrity: 12, name: "hmac-sha2-256-128", hash: 2, keyOctets: 32, icvOctets: 16 },
  { integrity: 13, name: "hmac-sha2-384-192", hash: 3, keyOctets: 48, icvOctets: 24 },
  { integrity: 14, name: "hmac-sha2-512-256", hash: 4, keyOctets: 64, icvOctets: 32 },
  { integrity: 5, name: "xcbc-96", hash: 0, keyOctets: 16, icvOctets: 12 },
  { integrity: 8, name: "cmac-96", hash: 0, keyOctets: 16, icvOctets: 12 },
];

/** A cipher of one key size, with its integrity. */
export interface TwinSuite {
  name: string;
  mode: Mode;
  encryption: number;
  keyBits: number;
  integrity: number;
  hash: number;
  keyOctets: number;
  saltOctets: number;
  ivOctets: number;
  icvOctets: number;
  integrityKeyOctets: number;
}

/** Every transform that ESP and IKE may agree on. */
export const TWIN_SUITES: readonly TwinSuite[] = CIPHERS.flatMap((cipher) =>
  cipher.keyBits.flatMap((keyBits) => {
    const { mode, encryption, saltOctets, ivOctets } = cipher;
    const keyOctets = mode === "chacha" ? 32 : keyBits / 8;
    const name = keyBits === 0 ? mode : `${mode}-${keyBits}`;
    const base = { mode, encryption, keyBits, keyOctets, saltOctets, ivOctets };
    if (cipher.icvOctets !== 0) {
      const { icvOctets } = cipher;
      return [{ ...base, name: `${name}-${icvOctets}`, integrity: 0, hash: 0, icvOctets, integrityKeyOctets: 0 }];
    }
    return INTEGRITIES.map(({ integrity, hash, icvOctets, ...mac }) => ({
      ...base,
      name: `${name} ${mac.name}`,
      integrity,
      hash,
      icvOctets,
      integrityKeyOctets: mac.keyOctets,
    }));
  }),
);

export function keymatOctets(suite: TwinSuite): number {
  return suite.keyOctets + suite.saltOctets + suite.integrityKeyOctets;
}

function bigEndian(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}

/**
 * The packet header | IV | data | ICV. `number` is what stands for the IV: the IV itself, or, for CBC, the block whose encryption is
 * the IV. `high`: the half of an extended sequence number that is authenticated without being sent.
 */
export function sealPacket(
  use: Primitives,
  suite: TwinSuite,
  keymat: Octets,
  header: Octets,
  number: Octets,
  data: Octets,
  high?: number,
): Buffer {
  const key = keymat.subarray(0, suite.keyOctets);
  const salt = keymat.subarray(suite.keyOctets, suite.keyOctets + suite.saltOctets);
  const nonce = Buffer.concat([salt, number]);
  const aad = high === undefined ? header : Buffer.concat([header.subarray(0, 4), bigEndian(high), header.subarray(4)]);
  const combined = (sealed: Octets): Buffer => {
    return Buffer.concat([header, number, sealed.subarray(0, data.length + suite.icvOctets)]);
  };
  if (suite.mode === "gcm") return combined(use.gcm(key, nonce, aad, data));
  if (suite.mode === "ccm") return combined(use.ccm(key, nonce, aad, data, suite.icvOctets));
  if (suite.mode === "chacha") return combined(use.chacha(key, nonce, aad, data));
  if (suite.mode === "gmac") {
    const tag = use.gcm(key, nonce, Buffer.concat([aad, number, data]), Buffer.alloc(0));
    return Buffer.concat([header, number, data, tag]);
  }
  let [iv, sealed] = [number, data];
  if (suite.mode === "cbc") {
    iv = use.block(key, number);
    sealed = use.cbcEncrypt(key, iv, data);
  }
  if (suite.mode === "ctr") sealed = use.ctr(key, Buffer.concat([nonce, bigEndian(1)]), data);
  const covered = Buffer.concat([header, iv, sealed]);
  const text = high === undefined ? covered : Buffer.concat([covered, bigEndian(high)]);
  const macKey = keymat.subarray(suite.keyOctets + suite.saltOctets);
  const mac =
    suite.hash !== 0
      ? use.hmac(suite.hash, macKey, text)
      : suite.integrity === 5
        ? use.xcbc(macKey, text)
        : use.cmac(macKey, text);
  return Buffer.concat([covered, mac.subarray(0, suite.icvOctets)]);
}
