/**
 * @chainsafe/as-chacha20poly1305: ChaCha20-Poly1305 in AssemblyScript, without SIMD. One instance, results in buffers that are
 * given.
 */
import { ChaCha20Poly1305, newInstance } from "@chainsafe/as-chacha20poly1305";
import type { Peer } from "../peer.ts";

export const peer: Peer = {
  name: "@chainsafe/as-chacha20poly1305",
  async prepare(transform, { key }, dataOctets) {
    if (transform.mode !== "chacha20-poly1305") return null;
    const cipher = new ChaCha20Poly1305(newInstance());
    const sealed = new Uint8Array(dataOctets + transform.icvOctets);
    const opened = new Uint8Array(dataOctets);
    return {
      seal: (packet) => cipher.seal(key, packet.nonce, packet.plain, packet.aad, sealed),
      open(packet) {
        const plain = cipher.open(key, packet.nonce, packet.sealed, packet.aad, opened);
        if (plain === null) throw new Error("wrong ICV");
        return plain;
      },
    };
  },
};
