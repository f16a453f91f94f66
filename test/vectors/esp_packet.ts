/**
 * An ESP packet (RFC 4303, section 2) taken apart and put together over the kernels, octet for octet as the RFCs have it, and
 * by the cipher suites: both must come to the same.
 */
import { ENCR, INTEG_OF_HASH, suiteOpen, suiteSeal, type SuiteKeys } from "./cipher_suite.ts";
import type { Kernels } from "./kernels.ts";

export type EspCipher = "gcm" | "gmac" | "ccm" | "chacha" | "cbc" | "ctr" | "null";

export interface EspSuite {
  cipher: EspCipher;
  key: Buffer;
  /** Implicit part of the nonce: 4 octets, CCM 3. */
  salt: Buffer;
  /** Hash of the HMAC for a cipher that does not authenticate; undefined: no integrity (vectors only). */
  hash?: number;
  integrityKey?: Buffer;
  icvOctets: number;
}

/** Names of DPDK and OpenDataPlane: hash and octets of its ICV, cipher. */
export const HASHES: Record<string, [number, number]> = {
  SHA256_HMAC: [2, 16],
  SHA384_HMAC: [3, 24],
  SHA512_HMAC: [4, 32],
};
export const CIPHERS: Record<string, EspCipher | undefined> = {
  AES_GCM: "gcm",
  AES_CCM: "ccm",
  AES_CBC: "cbc",
  AES_CTR: "ctr",
  NULL: "null",
};

const IV_OCTETS: Record<EspCipher, number> = { gcm: 8, gmac: 8, ccm: 8, chacha: 8, cbc: 16, ctr: 8, null: 0 };
const NOTHING = Buffer.alloc(0);

/** SPI and sequence number as they are authenticated; with ESN the high half stands between. */
function combinedAad(esp: Buffer, sequenceHigh: number | undefined): Buffer {
  if (sequenceHigh === undefined) return esp.subarray(0, 8);
  const high = Buffer.alloc(4);
  high.writeUInt32BE(sequenceHigh);
  return Buffer.concat([esp.subarray(0, 4), high, esp.subarray(4, 8)]);
}

function mac(kernels: Kernels, suite: EspSuite, covered: Buffer, sequenceHigh: number | undefined): Buffer {
  if (suite.hash === undefined) return NOTHING;
  const high = Buffer.alloc(sequenceHigh === undefined ? 0 : 4);
  if (sequenceHigh !== undefined) high.writeUInt32BE(sequenceHigh);
  const whole = kernels.hmac(suite.hash, suite.integrityKey!, Buffer.concat([covered, high]));
  return whole.subarray(0, suite.icvOctets);
}

/** The suite that the firmware has for it; a cipher without integrity, which it has not, gets a key for HMAC-SHA-256-128. */
export function suiteKeys(suite: EspSuite): SuiteKeys {
  const keyBits = suite.key.length * 8;
  const combined = Buffer.concat([suite.key, suite.salt]);
  if (suite.cipher === "gcm" || suite.cipher === "ccm") {
    return { encryption: ENCR[suite.cipher][suite.icvOctets]!, keyBits, integrity: 0, keymat: combined };
  }
  if (suite.cipher === "gmac") return { encryption: ENCR.gmac, keyBits, integrity: 0, keymat: combined };
  if (suite.cipher === "chacha") return { encryption: ENCR.chacha, keyBits: 0, integrity: 0, keymat: combined };
  const key = suite.integrityKey ?? Buffer.alloc(32, 0xa9);
  const keymat = Buffer.concat([combined, key]);
  return { encryption: ENCR[suite.cipher], keyBits, integrity: INTEG_OF_HASH[suite.hash ?? 2]!, keymat };
}

const ADDED_ICV_OCTETS = 16;

/** What espOpen and espSeal gave, held against the suite: sealing makes the packet, opening takes it apart. */
export function espBySuite(
  kernels: Kernels,
  suite: EspSuite,
  esp: Buffer,
  plaintext: Buffer | null,
  sequenceHigh?: number,
): boolean | string {
  const keys = suiteKeys(suite);
  const ivOctets = IV_OCTETS[suite.cipher];
  let [packet, icvOctets] = [esp, suite.icvOctets];
  if (icvOctets === 0) {
    // The packet has no ICV: the suite's own comes behind it, and all before it must be as given.
    if (plaintext === null) return "a packet without ICV cannot be refused";
    const [header, iv] = [esp.subarray(0, 8), esp.subarray(8, 8 + ivOctets)];
    const sealed = suiteSeal(kernels, keys, header, iv, plaintext, ADDED_ICV_OCTETS, sequenceHigh);
    if (sealed === null) return "the suite does not seal it";
    if (!sealed.subarray(0, esp.length).equals(esp)) return "the suite seals it otherwise";
    [packet, icvOctets] = [sealed, ADDED_ICV_OCTETS];
  }
  const opened = suiteOpen(kernels, keys, packet, 8, ivOctets, icvOctets, sequenceHigh);
  if (plaintext === null) return opened === null || "the suite accepts a forgery";
  if (opened === null) return "the suite refuses it";
  if (!opened.equals(plaintext)) return "the suite opens it otherwise";
  const [header, iv] = [esp.subarray(0, 8), esp.subarray(8, 8 + ivOctets)];
  const again = suiteSeal(kernels, keys, header, iv, plaintext, icvOctets, sequenceHigh);
  return again !== null && again.equals(packet) ? true : "the suite seals another packet";
}

/** Payload, padding, pad length and next header in the clear, or null when the ICV is wrong or a length impossible. */
export function espOpen(kernels: Kernels, suite: EspSuite, esp: Buffer, sequenceHigh?: number): Buffer | null {
  const ivEnd = 8 + IV_OCTETS[suite.cipher];
  if (esp.length < ivEnd + suite.icvOctets) return null;
  const iv = esp.subarray(8, ivEnd);
  const data = esp.subarray(ivEnd, esp.length - suite.icvOctets);
  const icv = esp.subarray(esp.length - suite.icvOctets);
  const nonce = Buffer.concat([suite.salt, iv]);
  const aad = combinedAad(esp, sequenceHigh);
  if (suite.cipher === "gcm") return kernels.gcmOpen(suite.key, nonce, aad, data, icv);
  if (suite.cipher === "ccm") return kernels.ccmOpen(suite.key, nonce, aad, data, icv);
  if (suite.cipher === "chacha") return kernels.chachaOpen(suite.key, nonce, aad, data, icv);
  if (suite.cipher === "gmac") {
    const covered = Buffer.concat([aad, iv, data]);
    return kernels.gcmOpen(suite.key, nonce, covered, NOTHING, icv) === null ? null : Buffer.from(data);
  }
  if (!mac(kernels, suite, esp.subarray(0, esp.length - suite.icvOctets), sequenceHigh).equals(icv)) return null;
  if (suite.cipher === "cbc") return kernels.cbc(false, suite.key, iv, data);
  if (suite.cipher === "ctr") return kernels.ctr(suite.key, suite.salt, iv, data);
  return Buffer.from(data);
}

/** The ESP packet for SPI, sequence number and IV of `head` around a padded plaintext. */
export function espSeal(
  kernels: Kernels,
  suite: EspSuite,
  head: Buffer,
  plaintext: Buffer,
  sequenceHigh?: number,
): Buffer | null {
  const ivEnd = 8 + IV_OCTETS[suite.cipher];
  const start = head.subarray(0, ivEnd);
  const iv = start.subarray(8);
  const nonce = Buffer.concat([suite.salt, iv]);
  const aad = combinedAad(start, sequenceHigh);
  if (suite.cipher === "gcm") {
    const sealed = kernels.gcmSeal(suite.key, nonce, aad, plaintext);
    return Buffer.concat([start, sealed.subarray(0, plaintext.length + suite.icvOctets)]);
  }
  if (suite.cipher === "ccm") {
    const sealed = kernels.ccmSeal(suite.key, nonce, aad, plaintext, suite.icvOctets);
    return sealed && Buffer.concat([start, sealed]);
  }
  if (suite.cipher === "chacha") {
    return Buffer.concat([start, kernels.chachaSeal(suite.key, nonce, aad, plaintext)]);
  }
  if (suite.cipher === "gmac") {
    const tag = kernels.gcmSeal(suite.key, nonce, Buffer.concat([aad, iv, plaintext]), NOTHING);
    return Buffer.concat([start, plaintext, tag]);
  }
  let data: Buffer | null = plaintext;
  if (suite.cipher === "cbc") data = kernels.cbc(true, suite.key, iv, plaintext);
  if (suite.cipher === "ctr") data = kernels.ctr(suite.key, suite.salt, iv, plaintext);
  if (data === null) return null;
  const covered = Buffer.concat([start, data]);
  return Buffer.concat([covered, mac(kernels, suite, covered, sequenceHigh)]);
}

/** What the trailer encloses (RFC 4303, 2.4): null when the padding is longer than the packet. */
export function espTrailer(plaintext: Buffer): { data: Buffer; nextHeader: number } | null {
  if (plaintext.length < 2) return null;
  const pad = plaintext[plaintext.length - 2]!;
  if (pad > plaintext.length - 2) return null;
  return { data: plaintext.subarray(0, plaintext.length - 2 - pad), nextHeader: plaintext[plaintext.length - 1]! };
}

const IPV6_EXTENSIONS = [0, 43, 60]; // hop-by-hop, routing, destination options (RFC 8200, 4.1)

/** Where the payload of an IP packet begins, behind IPv6 extension headers, and its protocol. */
export function ipPayload(packet: Buffer): { at: number; protocol: number } {
  if (packet[0]! >>> 4 !== 6) return { at: (packet[0]! & 15) * 4, protocol: packet[9]! };
  let [at, protocol] = [40, packet[6]!];
  while (IPV6_EXTENSIONS.includes(protocol)) {
    protocol = packet[at]!;
    at += (packet[at + 1]! + 1) * 8;
  }
  return { at, protocol };
}
