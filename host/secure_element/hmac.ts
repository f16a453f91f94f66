/**
 * HMAC (RFC 2104) under keys that stay, by the functions of libcrypto that node is linked with: a key is hashed into the states behind its
 * inner and its outer pad once, and a MAC begins with those. node:crypto begins with the key each time, and makes an object and looks the
 * hash up for it.
 *
 * The key stays within libcrypto, which overwrites it when it is freed. By node:crypto where node does not show its libcrypto.
 */
import { createHmac } from "node:crypto";
import koffi from "koffi";

/** A key of a function that makes MACs. */
export interface MacKey {
  /** The MAC of `data`, the caller's to wipe. Throws when the key has been destroyed. */
  mac(data: Uint8Array): Uint8Array;
  /** Overwrites the key. */
  destroy(): void;
}

/** By OpenSSL's name of a hash. */
export type Hash = "sha1" | "sha256" | "sha384" | "sha512";
export type HmacKey = (hash: Hash, key: Uint8Array) => MacKey;

const MAC_OCTETS_MAX = 64;

const destroyed = (): Error => new Error("a key that has been destroyed");

/** By node:crypto. */
export const nodeHmacKey: HmacKey = (hash, key) => {
  let own: Uint8Array | undefined = new Uint8Array(key);
  return {
    mac(data) {
      if (!own) throw destroyed();
      return createHmac(hash, own).update(data).digest();
    },
    destroy() {
      own?.fill(0);
      own = undefined;
    },
  };
};

/** Throws where a function is not to be found. */
function open(): HmacKey {
  const library = koffi.load(null);
  const bound = <F>(declaration: string): F => library.func(declaration) as F;
  // Pointers are numbers: user space ends below 2^47.
  const newContext = bound<() => number>("uintptr_t HMAC_CTX_new()");
  const freeContext = bound<(context: number) => void>("void HMAC_CTX_free(uintptr_t)");
  const init = bound<(context: number, key: Uint8Array | null, octets: number, hash: number, engine: number) => number>(
    "int HMAC_Init_ex(uintptr_t, void *, int, uintptr_t, uintptr_t)",
  );
  const update = bound<(context: number, data: Uint8Array, octets: number) => number>(
    "int HMAC_Update(uintptr_t, void *, size_t)",
  );
  const final = bound<(context: number, mac: Uint8Array, octets: Uint32Array) => number>(
    "int HMAC_Final(uintptr_t, void *, void *)",
  );
  const hashes: Record<Hash, number> = {
    sha1: bound<() => number>("uintptr_t EVP_sha1()")(),
    sha256: bound<() => number>("uintptr_t EVP_sha256()")(),
    sha384: bound<() => number>("uintptr_t EVP_sha384()")(),
    sha512: bound<() => number>("uintptr_t EVP_sha512()")(),
  };
  // Memory of the engine's own moves: libcrypto is given what does not.
  const result = new Uint8Array(new ArrayBuffer(MAC_OCTETS_MAX));
  const length = new Uint32Array(new ArrayBuffer(4));

  return (hash, key) => {
    let context = newContext();
    // A null key would leave out the key's part, and an empty one is a key, too.
    const octets = key.length > 0 ? key : new Uint8Array(1);
    if (context === 0 || init(context, octets, key.length, hashes[hash], 0) !== 1) {
      freeContext(context);
      throw new Error(`libcrypto makes no HMAC by ${hash}`);
    }
    return {
      mac(data) {
        if (context === 0) throw destroyed();
        const done =
          init(context, null, 0, 0, 0) === 1 &&
          update(context, data, data.length) === 1 &&
          final(context, result, length) === 1;
        if (!done) throw new Error(`libcrypto makes no HMAC by ${hash}`);
        const mac = result.slice(0, length[0]);
        result.fill(0);
        return mac;
      },
      destroy() {
        freeContext(context);
        context = 0;
      },
    };
  };
}

function opened(): HmacKey | undefined {
  try {
    return open();
  } catch {
    return undefined;
  }
}

/** By libcrypto; undefined where node does not show it. */
export const libcryptoHmacKey = opened();

export const hmacKey: HmacKey = libcryptoHmacKey ?? nodeHmacKey;
