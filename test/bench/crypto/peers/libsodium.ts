/**
 * libsodium-wrappers (libsodium in WebAssembly): ChaCha20-Poly1305 as of RFC 8439. HMAC stands in its larger edition alone,
 * libsodium-wrappers-sumo: HMAC-SHA-256 in one call, HMAC-SHA-512 by parts since the single call takes keys of 32 octets only.
 */
import sodium from "libsodium-wrappers";
import sumo from "libsodium-wrappers-sumo";
import type { MacOf, Peer } from "../peer.ts";
import { macWorker } from "../peer.ts";

export const wrappers: Peer = {
  name: "libsodium-wrappers",
  async prepare(transform, { key }) {
    if (transform.mode !== "chacha20-poly1305") return null;
    await sodium.ready;
    const { crypto_aead_chacha20poly1305_ietf_encrypt: encrypt, crypto_aead_chacha20poly1305_ietf_decrypt: decrypt } =
      sodium;
    return {
      seal: (packet) => encrypt(packet.plain, packet.aad, null, packet.nonce, key),
      open: (packet) => decrypt(null, packet.sealed, packet.aad, packet.nonce, key),
    };
  },
};

export const wrappersSumo: Peer = {
  name: "libsodium-wrappers-sumo",
  async prepare(transform, { integrityKey: key }) {
    if (transform.mode !== "null") return null;
    await sumo.ready;
    if (transform.mac === "hmac-sha2-256")
      return macWorker(((text) => sumo.crypto_auth_hmacsha256(text, key)) as MacOf);
    if (transform.mac !== "hmac-sha2-512") return null;
    return macWorker((text) => {
      const state = sumo.crypto_auth_hmacsha512_init(key);
      sumo.crypto_auth_hmacsha512_update(state, text);
      return sumo.crypto_auth_hmacsha512_final(state);
    });
  },
};
