/**
 * The pseudorandom functions of IKEv2 by their IANA Transform Type 2 identifiers, for AUTH with a shared key (RFC 7296
 * section 2.15): HMAC by node:crypto (RFC 4868), AES-XCBC (RFC 4434) and AES-CMAC (RFC 4615) on node:crypto's AES.
 *
 * Keys have any length: HMAC takes them as they are; XCBC pads a shorter one with zeros and takes the MAC of a longer one
 * under the zero key; CMAC takes the MAC under the zero key of any that has not 16 octets. Refuses PRF_HMAC_MD5 and
 * PRF_HMAC_TIGER.
 */
import { createCipheriv, createHmac } from "node:crypto";
import { type Hash, hmacKey, type MacKey } from "./hmac.ts";

const PRF_AES128_XCBC = 4;
const PRF_AES128_CMAC = 8;

const HASH: Record<number, Hash> = { 2: "sha1", 5: "sha256", 6: "sha384", 7: "sha512" };

const BLOCK = 16;
const ZERO_KEY = Buffer.alloc(BLOCK);

export const isPrf = (id: number): boolean => id in HASH || id === PRF_AES128_XCBC || id === PRF_AES128_CMAC;

/** prf(key, data). Throws RangeError for an identifier that isPrf does not know. */
export function prf(id: number, key: Uint8Array, data: Uint8Array): Buffer {
  const hash = HASH[id];
  if (hash !== undefined) return createHmac(hash, key).update(data).digest();
  if (!isPrf(id)) throw new RangeError(`PRF ${id} is not supported`);
  const mac = id === PRF_AES128_XCBC ? xcbc : cmac;
  const block = Buffer.alloc(BLOCK);
  block.set(key.length === BLOCK || (key.length < BLOCK && mac === xcbc) ? key : mac(ZERO_KEY, key));
  const result = mac(block, data);
  block.fill(0);
  return result;
}

/** A key for prf(key, data) again and again; it has a copy of the key. Throws RangeError for an identifier that isPrf does not know. */
export function prfKey(id: number, key: Uint8Array): MacKey {
  const hash = HASH[id];
  if (hash !== undefined) return hmacKey(hash, key);
  if (!isPrf(id)) throw new RangeError(`PRF ${id} is not supported`);
  let own: Uint8Array | undefined = new Uint8Array(key);
  return {
    mac(data) {
      if (!own) throw new Error("a key that has been destroyed");
      return prf(id, own, data);
    },
    destroy() {
      own?.fill(0);
      own = undefined;
    },
  };
}

/** Encrypts whole blocks with AES-128, each chained to the one before or not; no padding. */
function aes(mode: "ecb" | "cbc", key: Uint8Array, blocks: Uint8Array): Buffer {
  const cipher = createCipheriv(`aes-128-${mode}`, key, mode === "cbc" ? ZERO_KEY : null).setAutoPadding(false);
  return cipher.update(blocks);
}

/** RFC 3566 section 4. */
function xcbc(key: Uint8Array, data: Uint8Array): Buffer {
  const derived = aes("ecb", key, Buffer.concat([1, 2, 3].map((octet) => Buffer.alloc(BLOCK, octet))));
  const mac = chain(derived.subarray(0, BLOCK), derived.subarray(BLOCK, 2 * BLOCK), derived.subarray(2 * BLOCK), data);
  derived.fill(0);
  return mac;
}

/** RFC 4493 section 2.4. */
function cmac(key: Uint8Array, data: Uint8Array): Buffer {
  const whole = doubled(aes("ecb", key, ZERO_KEY));
  const part = doubled(whole);
  const mac = chain(key, whole, part, data);
  whole.fill(0);
  part.fill(0);
  return mac;
}

/** In GF(2^128) (RFC 4493 section 2.3). */
function doubled(block: Uint8Array): Buffer {
  const result = Buffer.alloc(BLOCK);
  let carry = 0;
  for (let i = BLOCK - 1; i >= 0; i--) {
    const octet = block[i] as number;
    result[i] = (octet << 1) | carry;
    carry = octet >> 7;
  }
  result[BLOCK - 1] = (result[BLOCK - 1] as number) ^ (0x87 & -carry);
  return result;
}

/** CBC-MAC whose last block is masked: by `whole` when it is full, padded with 10.. and masked by `part` otherwise. */
function chain(key: Uint8Array, whole: Uint8Array, part: Uint8Array, data: Uint8Array): Buffer {
  const blocks = Math.max(1, Math.ceil(data.length / BLOCK));
  const input = Buffer.alloc(blocks * BLOCK);
  input.set(data);
  const full = data.length === input.length;
  if (!full) input[data.length] = 0x80;
  const mask = full ? whole : part;
  const last = input.subarray(input.length - BLOCK);
  for (let i = 0; i < BLOCK; i++) last[i] = (last[i] as number) ^ (mask[i] as number);
  const output = aes("cbc", key, input);
  const mac = Buffer.from(output.subarray(output.length - BLOCK));
  output.fill(0);
  input.fill(0);
  return mac;
}
