/**
 * hash-wasm (hand-tuned C in WebAssembly): HMAC with one keyed instance, which starts over for each packet.
 */
import { createHMAC, createSHA1, createSHA256, createSHA384, createSHA512 } from "hash-wasm";
import type { Peer } from "../peer.ts";
import { macWorker } from "../peer.ts";
import type { Mac } from "../transforms.ts";

const HASHES = new Map<Mac, typeof createSHA256>([
  ["hmac-sha1", createSHA1],
  ["hmac-sha2-256", createSHA256],
  ["hmac-sha2-384", createSHA384],
  ["hmac-sha2-512", createSHA512],
]);

export const peer: Peer = {
  name: "hash-wasm",
  async prepare(transform, { integrityKey }) {
    const hash = transform.mode === "null" ? HASHES.get(transform.mac!) : undefined;
    if (hash === undefined) return null;
    const hmac = await createHMAC(hash(), integrityKey);
    return macWorker((text) => hmac.init().update(text).digest("binary"));
  },
};
