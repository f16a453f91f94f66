/**
 * @stablelib, plain JavaScript: key schedules and keyed states are made once, results go to buffers that are given. AES-GCM,
 * ChaCha20-Poly1305, HMAC-SHA-256, and AES-CTR beside it; it has no CBC.
 */
import { AES } from "@stablelib/aes";
import { ChaCha20Poly1305 } from "@stablelib/chacha20poly1305";
import { CTR } from "@stablelib/ctr";
import { GCM } from "@stablelib/gcm";
import { HMAC } from "@stablelib/hmac";
import { SHA256 } from "@stablelib/sha256";
import type { Keys } from "../packets.ts";
import type { CipherOf, MacOf, Peer } from "../peer.ts";
import { macWorker, pairWorker } from "../peer.ts";

function hmac({ integrityKey }: Keys): MacOf {
  const keyed = new HMAC(SHA256, integrityKey);
  const out = new Uint8Array(keyed.digestLength);
  return (first, second) => {
    keyed.reset().update(first);
    if (second !== undefined) keyed.update(second);
    keyed.finish(out);
    return out;
  };
}

function counterMode({ key }: Keys, dataOctets: number): CipherOf {
  const aes = new AES(key, true);
  const stream = new CTR(aes, new Uint8Array(16));
  const out = new Uint8Array(dataOctets);
  const run = (block: Uint8Array, data: Uint8Array): Uint8Array => {
    stream.setCipher(aes, block).streamXOR(data, out);
    return out;
  };
  return {
    encrypt: (packet) => run(packet.block, packet.plain),
    decrypt: (packet) => run(packet.block, packet.data),
  };
}

export const peer: Peer = {
  name: "@stablelib",
  async prepare({ mode, mac, icvOctets }, keys, dataOctets) {
    if (mac !== undefined) {
      if (mac !== "hmac-sha2-256" || mode === "cbc") return null;
      return mode === "null" ? macWorker(hmac(keys)) : pairWorker(counterMode(keys, dataOctets), hmac(keys));
    }
    if (icvOctets !== 16 || mode === "ccm") return null;
    const cipher = mode === "chacha20-poly1305" ? new ChaCha20Poly1305(keys.key) : new GCM(new AES(keys.key, true));
    if (mode === "gmac") {
      const empty = new Uint8Array(0);
      return {
        seal: (packet) => [packet.plain, cipher.seal(packet.nonce, empty, packet.aad)],
        open(packet) {
          if (cipher.open(packet.nonce, packet.icv, packet.aad) === null) throw new Error("wrong ICV");
          return packet.data;
        },
      };
    }
    const sealed = new Uint8Array(dataOctets + 16);
    const opened = new Uint8Array(dataOctets);
    return {
      seal(packet) {
        // Its GCM sums the tag up where the tag is to stand.
        sealed.fill(0, dataOctets);
        return cipher.seal(packet.nonce, packet.plain, packet.aad, sealed);
      },
      open(packet) {
        const plain = cipher.open(packet.nonce, packet.sealed, packet.aad, opened);
        if (plain === null) throw new Error("wrong ICV");
        return plain;
      },
    };
  },
};
