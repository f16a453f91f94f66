/**
 * An ESP packet (RFC 4303, section 2) taken apart and put together over the kernels, as a transform would do it: the
 * reference that packet vectors are held against at kernel level.
 */
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
