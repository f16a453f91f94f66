/** The peer's side of SK and SKF payloads (RFC 7296 section 3.14, RFC 5282): sealing and opening with node:crypto. */
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from "node:crypto";

export const ENCR_AES_CBC = 12;
export const ENCR_AES_GCM_16 = 20;

/** The hash of a PRF by its IANA number. */
export const prfHash = (id: number): string => ({ 5: "sha256", 6: "sha384", 7: "sha512" })[id] ?? "sha1";

export interface Keys {
  encryption: number;
  /** SK_e with its salt, and SK_a. */
  cipher: Uint8Array;
  integrity: Uint8Array;
}

export const ivOctets = ({ encryption }: Keys): number => (encryption === ENCR_AES_CBC ? 16 : 8);
const ICV = 16;

/**
 * Seals `plain`, padding included, behind `head`: the message from its header through what stands in front of the IV.
 * Returns the whole message; its lengths are the caller's.
 */
export function seal(keys: Keys, head: Uint8Array, iv: Uint8Array, plain: Uint8Array): Buffer {
  if (keys.encryption === ENCR_AES_CBC) {
    const cipher = createCipheriv("aes-256-cbc", keys.cipher, iv).setAutoPadding(false);
    const message = Buffer.concat([head, iv, cipher.update(plain), cipher.final()]);
    const icv = createHmac("sha256", keys.integrity).update(message).digest().subarray(0, ICV);
    return Buffer.concat([message, icv]);
  }
  const nonce = Buffer.concat([keys.cipher.subarray(32), iv]);
  const cipher = createCipheriv("aes-256-gcm", keys.cipher.subarray(0, 32), nonce).setAAD(head);
  return Buffer.concat([head, iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** The octets behind the `head` octets of a message, decrypted, padding included; undefined: it is not sealed with these keys. */
export function open(keys: Keys, message: Uint8Array, head: number): Buffer | undefined {
  const iv = message.subarray(head, head + ivOctets(keys));
  const sealed = message.subarray(head + iv.length, message.length - ICV);
  const icv = message.subarray(message.length - ICV);
  if (message.length < head + iv.length + ICV + 1) return undefined;
  if (keys.encryption === ENCR_AES_CBC) {
    const whole = createHmac("sha256", keys.integrity)
      .update(message.subarray(0, message.length - ICV))
      .digest();
    if (!timingSafeEqual(whole.subarray(0, ICV), icv)) return undefined;
    const cipher = createDecipheriv("aes-256-cbc", keys.cipher, iv).setAutoPadding(false);
    return Buffer.concat([cipher.update(sealed), cipher.final()]);
  }
  const nonce = Buffer.concat([keys.cipher.subarray(32), iv]);
  const cipher = createDecipheriv("aes-256-gcm", keys.cipher.subarray(0, 32), nonce);
  cipher.setAAD(message.subarray(0, head)).setAuthTag(icv);
  try {
    return Buffer.concat([cipher.update(sealed), cipher.final()]);
  } catch {
    return undefined;
  }
}
