/**
 * The peers by name. A package is loaded when it is asked for: whether it can be is part of the result.
 */
import type { Peer } from "./peer.ts";

const LOADERS: ReadonlyMap<string, () => Promise<Peer>> = new Map([
  ["node:crypto", async () => (await import("./peers/node_crypto.ts")).peer],
  ["@noble/ciphers", async () => (await import("./peers/noble.ts")).ciphers],
  ["@noble/hashes", async () => (await import("./peers/noble.ts")).hashes],
  ["libsodium-wrappers", async () => (await import("./peers/libsodium.ts")).wrappers],
  ["libsodium-wrappers-sumo", async () => (await import("./peers/libsodium.ts")).wrappersSumo],
  ["hacl-wasm", async () => (await import("./peers/hacl.ts")).peer],
  ["@chainsafe/as-chacha20poly1305", async () => (await import("./peers/as_chacha20poly1305.ts")).peer],
  ["hash-wasm", async () => (await import("./peers/hash_wasm.ts")).peer],
  ["@stablelib", async () => (await import("./peers/stablelib.ts")).peer],
]);

export const PEER_NAMES: readonly string[] = [...LOADERS.keys()];

/** The peer whose work is native code; all others are JavaScript or WebAssembly. */
export const NATIVE_PEER = "node:crypto";

/** Throws, naming the peer, when its package is not there or does not start. */
export async function loadPeers(names: readonly string[]): Promise<Peer[]> {
  return Promise.all(
    names.map(async (name) => {
      const load = LOADERS.get(name);
      if (load === undefined) throw new Error(`peer ${name}: one of ${PEER_NAMES.join(", ")}`);
      try {
        return await load();
      } catch (cause) {
        throw new Error(`peer ${name} cannot be loaded: ${(cause as Error).message}`, { cause });
      }
    }),
  );
}
