/**
 * node:crypto (OpenSSL, with AES and SHA instructions where the processor has them), a packet at a time: a cipher object per
 * packet, as its documentation has it. It offers no CMAC and no XCBC: those are made of AES-CBC with the last block prepared
 * (RFC 4493 2.4, RFC 3566 4), as one would have to.
 */
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import type { CipherGCMTypes } from "node:crypto";
import type { Keys } from "../packets.ts";
import type { CipherOf, MacOf, Peer, Worker } from "../peer.ts";
import { macWorker, pairWorker } from "../peer.ts";
import type { BenchTransform } from "../transforms.ts";

const HASHES = new Map([
  ["hmac-sha1", "sha1"],
  ["hmac-sha2-256", "sha256"],
  ["hmac-sha2-384", "sha384"],
  ["hmac-sha2-512", "sha512"],
]);

function combined(transform: BenchTransform, { key }: Keys): Worker {
  const { mode, keyBits, icvOctets } = transform;
  const name = (mode === "chacha20-poly1305" ? mode : `aes-${keyBits}-${mode}`) as CipherGCMTypes;
  // CCM has to know the length beforehand, and the tag's length is part of what it computes.
  const options = { authTagLength: icvOctets };
  return {
    seal(packet) {
      const cipher = createCipheriv(name, key, packet.nonce, options);
      if (mode === "ccm") (cipher as any).setAAD(packet.aad, { plaintextLength: packet.plain.length });
      else cipher.setAAD(packet.aad);
      const data = cipher.update(packet.plain);
      cipher.final();
      return [data, cipher.getAuthTag()];
    },
    open(packet) {
      const decipher = createDecipheriv(name, key, packet.nonce, options);
      decipher.setAuthTag(packet.icv);
      if (mode === "ccm") (decipher as any).setAAD(packet.aad, { plaintextLength: packet.data.length });
      else decipher.setAAD(packet.aad);
      const data = decipher.update(packet.data);
      decipher.final();
      return data;
    },
  };
}

function gmac({ keyBits }: BenchTransform, { key }: Keys): Worker {
  const name = `aes-${keyBits}-gcm` as CipherGCMTypes;
  return {
    seal(packet) {
      const cipher = createCipheriv(name, key, packet.nonce);
      cipher.setAAD(packet.aad);
      cipher.final();
      return [packet.plain, cipher.getAuthTag()];
    },
    open(packet) {
      const decipher = createDecipheriv(name, key, packet.nonce);
      decipher.setAAD(packet.aad);
      decipher.setAuthTag(packet.icv);
      decipher.final();
      return packet.data;
    },
  };
}

function plainCipher({ keyBits, mode }: BenchTransform, { key }: Keys): CipherOf {
  const name = `aes-${keyBits}-${mode}`;
  return {
    encrypt(packet) {
      const cipher = createCipheriv(name, key, packet.block).setAutoPadding(false);
      const data = cipher.update(packet.plain);
      cipher.final();
      return data;
    },
    decrypt(packet) {
      const decipher = createDecipheriv(name, key, packet.block).setAutoPadding(false);
      const data = decipher.update(packet.data);
      decipher.final();
      return data;
    },
  };
}

/** CBC-MAC with the last block treated as CMAC and XCBC want it: K, and what a whole and a padded last block are XORed with. */
function cbcMac(key: Uint8Array, whole: Uint8Array, padded: Uint8Array): MacOf {
  const zeros = new Uint8Array(16);
  const last = new Uint8Array(16);
  return (first, second) => {
    const text = second === undefined ? first : Buffer.concat([first, second]);
    const end = Math.max(0, Math.ceil(text.length / 16) - 1) * 16;
    const rest = text.length - end;
    last.fill(0);
    last.set(text.subarray(end));
    if (rest < 16) last[rest] = 0x80;
    const mask = rest === 16 ? whole : padded;
    for (let i = 0; i < 16; i++) last[i]! ^= mask[i]!;
    const cipher = createCipheriv("aes-128-cbc", key, zeros).setAutoPadding(false);
    cipher.update(text.subarray(0, end));
    return cipher.update(last);
  };
}

function encryptBlock(key: Uint8Array, fill: number): Uint8Array {
  return createCipheriv("aes-128-ecb", key, null).setAutoPadding(false).update(new Uint8Array(16).fill(fill));
}

function double(block: Uint8Array): Uint8Array {
  const out = new Uint8Array(16);
  for (let i = 0; i < 16; i++) out[i] = (block[i]! << 1) | ((block[i + 1] ?? 0) >> 7);
  if (block[0]! & 0x80) out[15]! ^= 0x87;
  return out;
}

function macOf({ mac }: BenchTransform, { integrityKey: key }: Keys): MacOf {
  if (mac === "aes-cmac") {
    const once = double(encryptBlock(key, 0));
    return cbcMac(key, once, double(once));
  }
  if (mac === "aes-xcbc") return cbcMac(encryptBlock(key, 1), encryptBlock(key, 2), encryptBlock(key, 3));
  const hash = HASHES.get(mac!)!;
  return (first, second) => {
    const hmac = createHmac(hash, key).update(first);
    return (second === undefined ? hmac : hmac.update(second)).digest();
  };
}

export const peer: Peer = {
  name: "node:crypto",
  async prepare(transform, keys) {
    if (transform.mode === "gmac") return gmac(transform, keys);
    if (transform.mac === undefined) return combined(transform, keys);
    const mac = macOf(transform, keys);
    return transform.mode === "null" ? macWorker(mac) : pairWorker(plainCipher(transform, keys), mac);
  },
};
