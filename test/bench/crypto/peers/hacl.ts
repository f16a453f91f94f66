/**
 * hacl-wasm (HACL*, verified code compiled to WebAssembly): ChaCha20-Poly1305, and HMAC with SHA-256 and SHA-512, each in one
 * call with the key. Its builds with vectors are native only, and its bindings give new buffers.
 */
import { createRequire } from "node:module";
import type { Peer } from "../peer.ts";
import { macWorker } from "../peer.ts";

interface Hacl {
  Chacha20Poly1305: {
    aead_encrypt(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): [Uint8Array, Uint8Array];
    aead_decrypt(
      key: Uint8Array,
      nonce: Uint8Array,
      aad: Uint8Array,
      data: Uint8Array,
      icv: Uint8Array,
    ): [number, Uint8Array];
  };
  HMAC: Record<"sha256" | "sha512", (key: Uint8Array, text: Uint8Array) => [Uint8Array]>;
}

// The package is CommonJS and brings no types.
const bindings = createRequire(import.meta.url)("hacl-wasm") as { getInitializedHaclModule(): Promise<Hacl> };

export const peer: Peer = {
  name: "hacl-wasm",
  async prepare(transform, { key, integrityKey }) {
    const hacl = await bindings.getInitializedHaclModule();
    if (transform.mode === "chacha20-poly1305") {
      const { aead_encrypt: encrypt, aead_decrypt: decrypt } = hacl.Chacha20Poly1305;
      return {
        seal: (packet) => encrypt(key, packet.nonce, packet.aad, packet.plain),
        open(packet) {
          const [refused, plain] = decrypt(key, packet.nonce, packet.aad, packet.data, packet.icv);
          if (refused !== 0) throw new Error("wrong ICV");
          return plain;
        },
      };
    }
    if (transform.mode !== "null") return null;
    if (transform.mac === "hmac-sha2-256") return macWorker((text) => hacl.HMAC.sha256(integrityKey, text)[0]);
    if (transform.mac === "hmac-sha2-512") return macWorker((text) => hacl.HMAC.sha512(integrityKey, text)[0]);
    return null;
  },
};
