/**
 * Names of transforms as the bench uses them, and what they are in identifiers and octets (RFC 7296 3.3.2, the IANA registry of
 * IKEv2 transforms; RFC 4106, 4309, 4543, 7634, 3602, 3686, 4868).
 *
 * A combined mode stands alone (aes-128-gcm, -gcm-8, -gcm-12; aes-128-ccm-8, -12, -16; aes-128-gmac; chacha20-poly1305), the
 * others are CIPHER-INTEGRITY (aes-256-cbc-hmac-sha2-256-128), and an integrity transform alone goes with NULL encryption.
 */
export type Mode = "gcm" | "ccm" | "gmac" | "chacha20-poly1305" | "cbc" | "ctr" | "null";
export type Mac = "hmac-sha1" | "hmac-sha2-256" | "hmac-sha2-384" | "hmac-sha2-512" | "aes-xcbc" | "aes-cmac";

export interface BenchTransform {
  name: string;
  mode: Mode;
  /** Integrity beside the cipher; absent for a combined mode. */
  mac?: Mac;
  /** Transform identifiers and the Key Length attribute in bits, 0 where there is none. */
  encryption: number;
  keyBits: number;
  integrity: number;
  /** All in octets. */
  keyOctets: number;
  saltOctets: number;
  integrityKeyOctets: number;
  ivOctets: number;
  icvOctets: number;
  blockOctets: number;
}

const KEY_BITS = [128, 192, 256];

/** Name, identifier, key and ICV in octets. */
const MACS: [string, Mac, number, number, number][] = [
  ["hmac-sha1-96", "hmac-sha1", 2, 20, 12],
  ["aes-xcbc-96", "aes-xcbc", 5, 16, 12],
  ["aes-cmac-96", "aes-cmac", 8, 16, 12],
  ["hmac-sha2-256-128", "hmac-sha2-256", 12, 32, 16],
  ["hmac-sha2-384-192", "hmac-sha2-384", 13, 48, 24],
  ["hmac-sha2-512-256", "hmac-sha2-512", 14, 64, 32],
];

/** Mode, suffix of the name, identifier, salt and ICV in octets. */
const COMBINED: [Mode, string, number, number, number][] = [
  ["gcm", "gcm", 20, 4, 16],
  ["gcm", "gcm-12", 19, 4, 12],
  ["gcm", "gcm-8", 18, 4, 8],
  ["ccm", "ccm-16", 16, 3, 16],
  ["ccm", "ccm-12", 15, 3, 12],
  ["ccm", "ccm-8", 14, 3, 8],
  ["gmac", "gmac", 21, 4, 16],
];

/** Mode, identifier, salt, IV and block in octets. */
const PLAIN: [Mode, number, number, number, number][] = [
  ["cbc", 12, 0, 16, 16],
  ["ctr", 13, 4, 8, 4],
];

function all(): BenchTransform[] {
  const list: BenchTransform[] = [];
  const combined = { integrity: 0, integrityKeyOctets: 0, ivOctets: 8, blockOctets: 4 };
  for (const keyBits of KEY_BITS) {
    const keyOctets = keyBits / 8;
    for (const [mode, suffix, encryption, saltOctets, icvOctets] of COMBINED) {
      const name = `aes-${keyBits}-${suffix}`;
      list.push({ ...combined, name, mode, encryption, keyBits, keyOctets, saltOctets, icvOctets });
    }
    for (const [mode, encryption, saltOctets, ivOctets, blockOctets] of PLAIN) {
      for (const [macName, mac, integrity, integrityKeyOctets, icvOctets] of MACS) {
        const name = `aes-${keyBits}-${mode}-${macName}`;
        const cipher = { name, mode, encryption, keyBits, keyOctets, saltOctets, ivOctets, blockOctets };
        list.push({ ...cipher, mac, integrity, integrityKeyOctets, icvOctets });
      }
    }
  }
  const chacha = { encryption: 28, keyBits: 0, keyOctets: 32, saltOctets: 4, icvOctets: 16 };
  list.push({ ...combined, ...chacha, name: "chacha20-poly1305", mode: "chacha20-poly1305" });
  const none = { encryption: 11, keyBits: 0, keyOctets: 0, saltOctets: 0, ivOctets: 0, blockOctets: 4 };
  for (const [name, mac, integrity, integrityKeyOctets, icvOctets] of MACS) {
    list.push({ ...none, name, mode: "null", mac, integrity, integrityKeyOctets, icvOctets });
  }
  return list;
}

export const TRANSFORMS: ReadonlyMap<string, BenchTransform> = new Map(all().map((one) => [one.name, one]));

/** Those that goals are set for, and a few that peers commonly offer. */
export const DEFAULT_TRANSFORMS: readonly string[] = [
  "aes-128-gcm",
  "aes-256-gcm",
  "chacha20-poly1305",
  "hmac-sha2-256-128",
  "aes-256-cbc-hmac-sha2-256-128",
  "aes-128-gmac",
  "aes-128-cbc-hmac-sha1-96",
  "aes-128-ctr-hmac-sha2-256-128",
  "aes-128-ccm-16",
  "hmac-sha2-512-256",
  "aes-cmac-96",
];
