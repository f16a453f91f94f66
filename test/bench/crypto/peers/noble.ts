/**
 * @noble/ciphers and @noble/hashes, plain JavaScript. A cipher object is for one nonce, so the key schedule is made for each
 * packet; CBC, CTR and ChaCha20-Poly1305 write to a buffer that is given, GCM to a new one. HMAC starts from a copy of the keyed
 * state. No CCM and no XCBC.
 */
import { cbc, cmac, ctr, gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha1 } from "@noble/hashes/legacy.js";
import { sha256, sha384, sha512 } from "@noble/hashes/sha2.js";
import type { Keys } from "../packets.ts";
import type { CipherOf, MacOf, Peer, Worker } from "../peer.ts";
import { macWorker, pairWorker } from "../peer.ts";
import type { BenchTransform, Mac } from "../transforms.ts";

const HASHES = new Map<Mac, typeof sha256>([
  ["hmac-sha1", sha1 as unknown as typeof sha256],
  ["hmac-sha2-256", sha256],
  ["hmac-sha2-384", sha384 as unknown as typeof sha256],
  ["hmac-sha2-512", sha512 as unknown as typeof sha256],
]);

function macOf({ mac }: BenchTransform, { integrityKey: key }: Keys): MacOf | null {
  if (mac === "aes-cmac") {
    return (first, second) => {
      const state = cmac.create(key).update(first);
      return (second === undefined ? state : state.update(second)).digest();
    };
  }
  const hash = HASHES.get(mac!);
  if (hash === undefined) return null;
  const keyed = hmac.create(hash, key);
  let state = keyed.clone();
  return (first, second) => {
    state = keyed._cloneInto(state);
    state.update(first);
    if (second !== undefined) state.update(second);
    return state.digest();
  };
}

function plainCipher({ mode }: BenchTransform, { key }: Keys, dataOctets: number): CipherOf {
  const out = new Uint8Array(dataOctets);
  const unpadded = { disablePadding: true };
  if (mode === "cbc") {
    return {
      encrypt: (packet) => cbc(key, packet.block, unpadded).encrypt(packet.plain, out),
      decrypt: (packet) => cbc(key, packet.block, unpadded).decrypt(packet.data, out),
    };
  }
  return {
    encrypt: (packet) => ctr(key, packet.block).encrypt(packet.plain, out),
    decrypt: (packet) => ctr(key, packet.block).decrypt(packet.data, out),
  };
}

function combined({ mode, icvOctets }: BenchTransform, { key }: Keys, dataOctets: number): Worker | null {
  if (icvOctets !== 16 || mode === "ccm") return null;
  if (mode === "gcm") {
    return {
      seal: (packet) => gcm(key, packet.nonce, packet.aad).encrypt(packet.plain),
      open: (packet) => gcm(key, packet.nonce, packet.aad).decrypt(packet.sealed),
    };
  }
  if (mode === "gmac") {
    const empty = new Uint8Array(0);
    return {
      seal: (packet) => [packet.plain, gcm(key, packet.nonce, packet.aad).encrypt(empty)],
      open(packet) {
        gcm(key, packet.nonce, packet.aad).decrypt(packet.icv);
        return packet.data;
      },
    };
  }
  const sealed = new Uint8Array(dataOctets + 16);
  const opened = new Uint8Array(dataOctets);
  return {
    seal: (packet) => chacha20poly1305(key, packet.nonce, packet.aad).encrypt(packet.plain, sealed),
    open: (packet) => chacha20poly1305(key, packet.nonce, packet.aad).decrypt(packet.sealed, opened),
  };
}

/** HMAC alone is the work of @noble/hashes, all else of @noble/ciphers (with the other's HMAC beside CBC and CTR). */
async function prepare(transform: BenchTransform, keys: Keys, dataOctets: number): Promise<Worker | null> {
  if (transform.mac === undefined) return combined(transform, keys, dataOctets);
  const mac = macOf(transform, keys);
  if (mac === null) return null;
  return transform.mode === "null" ? macWorker(mac) : pairWorker(plainCipher(transform, keys, dataOctets), mac);
}

function onlyHmac(transform: BenchTransform): boolean {
  return transform.mode === "null" && transform.mac !== "aes-cmac";
}

export const ciphers: Peer = {
  name: "@noble/ciphers",
  prepare: async (transform, ...rest) => (onlyHmac(transform) ? null : prepare(transform, ...rest)),
};

export const hashes: Peer = {
  name: "@noble/hashes",
  prepare: async (transform, ...rest) => (onlyHmac(transform) ? prepare(transform, ...rest) : null),
};
