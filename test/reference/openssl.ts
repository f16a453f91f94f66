/**
 * The primitives of cipher_suite.ts by node:crypto, which has no CMAC and no XCBC: those are chained from its AES-CBC.
 */
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import type { Primitives } from "./cipher_suite.ts";

type Octets = Uint8Array;

const ZEROS = Buffer.alloc(16);
const HASHES = ["", "sha1", "sha256", "sha384", "sha512"];

function run(name: string, key: Octets, iv: Octets | null, data: Octets): Buffer {
  const cipher = createCipheriv(`aes-${key.length * 8}-${name}`, key, iv);
  cipher.setAutoPadding(false);
  return Buffer.concat([cipher.update(data), cipher.final()]);
}

/** SP 800-38B, 6.1: one bit to the left, and 0x87 where one falls out. */
function double(block: Octets): Buffer {
  const out = Buffer.alloc(16);
  for (let i = 0; i < 16; i++) out[i] = (block[i]! << 1) | ((block[i + 1] ?? 0) >> 7);
  if (block[0]! >> 7) out[15]! ^= 0x87;
  return out;
}

function mac(key: Octets, whole: Octets, padded: Octets, message: Octets): Buffer {
  const rest = message.length === 0 ? 0 : ((message.length - 1) & 15) + 1;
  const text = Buffer.concat([message, Buffer.alloc(16 - rest)]);
  if (rest < 16) text[message.length] = 0x80;
  const mask = rest < 16 ? padded : whole;
  for (let i = 0; i < 16; i++) text[text.length - 16 + i]! ^= mask[i]!;
  return run("cbc", key, ZEROS, text).subarray(-16);
}

/** RFC 3610, 2.2 and 2.3, for no data: OpenSSL gives no tag then. AAD below 65280 octets. */
function emptyCcm(key: Octets, nonce: Octets, aad: Octets, tagOctets: number): Buffer {
  const first = Buffer.alloc(16);
  first[0] = (aad.length > 0 ? 64 : 0) + 4 * (tagOctets - 2) + 14 - nonce.length;
  first.set(nonce, 1);
  const text = aad.length > 0 ? Buffer.concat([first, Buffer.from([aad.length >> 8, aad.length & 255]), aad]) : first;
  const mac = run("cbc", key, ZEROS, Buffer.concat([text, Buffer.alloc(-text.length & 15)])).subarray(-16);
  const counter = Buffer.alloc(16);
  counter[0] = 14 - nonce.length;
  counter.set(nonce, 1);
  return run("ctr", key, counter, mac).subarray(0, tagOctets);
}

export const openssl: Primitives = {
  block: (key, block) => run("ecb", key, null, block),
  cbcEncrypt: (key, iv, data) => run("cbc", key, iv, data),
  cbcDecrypt(key, iv, data) {
    const cipher = createDecipheriv(`aes-${key.length * 8}-cbc`, key, iv);
    cipher.setAutoPadding(false);
    return Buffer.concat([cipher.update(data), cipher.final()]);
  },
  ctr: (key, first, data) => run("ctr", key, first, data),
  gcm(key, nonce, aad, data) {
    const cipher = createCipheriv(`aes-${key.length * 8}-gcm` as "aes-128-gcm", key, nonce);
    cipher.setAAD(aad);
    return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
  },
  ccm(key, nonce, aad, data, authTagLength) {
    if (data.length === 0) return emptyCcm(key, nonce, aad, authTagLength);
    const cipher = createCipheriv(`aes-${key.length * 8}-ccm` as "aes-128-ccm", key, nonce, { authTagLength });
    cipher.setAAD(aad, { plaintextLength: data.length });
    return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
  },
  chacha(key, nonce, aad, data) {
    const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: 16 });
    cipher.setAAD(aad, { plaintextLength: data.length });
    return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
  },
  hmac: (hash, key, message) => createHmac(HASHES[hash]!, key).update(message).digest(),
  cmac(key, message) {
    const k1 = double(run("ecb", key, null, ZEROS));
    return mac(key, k1, double(k1), message);
  },
  xcbc(key, message) {
    const [k1, k2, k3] = [1, 2, 3].map((octet) => run("ecb", key, null, Buffer.alloc(16, octet)));
    return mac(k1!, k2!, k3!, message);
  },
};
