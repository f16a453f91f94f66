/**
 * X25519 (RFC 7748) by the functions of libcrypto that node is linked with: a fresh key pair and the secret that it shares with a peer's public
 * value in one go, which is all that a responder does. node:crypto makes three key objects, a job and two JWKs for it, and those cost an
 * element under load a sixth of its time.
 *
 * The private key stays within libcrypto, which overwrites it when it is freed. Undefined where node does not show its libcrypto.
 */
import koffi from "koffi";

/** Of libcrypto. */
const NID_X25519 = 1034;
const OCTETS = 32;

export interface Response {
  publicValue: Uint8Array;
  /** The caller's to wipe. */
  secret: Uint8Array;
}

/** A fresh share's public value and the secret; undefined when the peer's value is unacceptable, or libcrypto fails. */
export type Respond = (peer: Uint8Array) => Response | undefined;

/** Throws where a function is not to be found. */
function open(): Respond {
  const library = koffi.load(null);
  const bound = <F>(declaration: string): F => library.func(declaration) as F;
  // Pointers are numbers: user space ends below 2^47.
  const contextFor = bound<(id: number, engine: number) => number>("uintptr_t EVP_PKEY_CTX_new_id(int, uintptr_t)");
  const contextOf = bound<(key: number, engine: number) => number>("uintptr_t EVP_PKEY_CTX_new(uintptr_t, uintptr_t)");
  const freeContext = bound<(context: number) => void>("void EVP_PKEY_CTX_free(uintptr_t)");
  const generateInit = bound<(context: number) => number>("int EVP_PKEY_keygen_init(uintptr_t)");
  const generate = bound<(context: number, key: BigUint64Array) => number>("int EVP_PKEY_keygen(uintptr_t, void *)");
  const publicOf = bound<(key: number, octets: Uint8Array, length: BigUint64Array) => number>(
    "int EVP_PKEY_get_raw_public_key(uintptr_t, void *, void *)",
  );
  const publicKey = bound<(id: number, engine: number, octets: Uint8Array, length: number) => number>(
    "uintptr_t EVP_PKEY_new_raw_public_key(int, uintptr_t, void *, size_t)",
  );
  const freeKey = bound<(key: number) => void>("void EVP_PKEY_free(uintptr_t)");
  const deriveInit = bound<(context: number) => number>("int EVP_PKEY_derive_init(uintptr_t)");
  const setPeer = bound<(context: number, peer: number) => number>(
    "int EVP_PKEY_derive_set_peer(uintptr_t, uintptr_t)",
  );
  const derive = bound<(context: number, secret: Uint8Array, length: BigUint64Array) => number>(
    "int EVP_PKEY_derive(uintptr_t, void *, void *)",
  );
  const clearErrors = bound<() => void>("void ERR_clear_error()");

  const generator = contextFor(NID_X25519, 0);
  if (generator === 0 || generateInit(generator) !== 1) throw new Error("libcrypto does not make X25519 keys");
  const made = new BigUint64Array(1);
  const length = new BigUint64Array(1);

  /** Fills `secret` with what `own` and the peer's value make; false when they make none, or zeros (RFC 7748 section 6.1). */
  const agree = (own: number, peer: Uint8Array, secret: Uint8Array): boolean => {
    const theirs = publicKey(NID_X25519, 0, peer, OCTETS);
    const context = contextOf(own, 0);
    length[0] = BigInt(OCTETS);
    const done =
      theirs !== 0 &&
      context !== 0 &&
      deriveInit(context) === 1 &&
      setPeer(context, theirs) === 1 &&
      derive(context, secret, length) === 1 &&
      length[0] === BigInt(OCTETS);
    freeContext(context);
    freeKey(theirs);
    let any = 0;
    for (const octet of secret) any |= octet;
    return done && any !== 0;
  };

  return (peer) => {
    if (peer.length !== OCTETS) return undefined;
    const publicValue = new Uint8Array(OCTETS);
    const secret = new Uint8Array(OCTETS);
    made[0] = 0n;
    length[0] = BigInt(OCTETS);
    const there = generate(generator, made) === 1;
    const own = Number(made[0]);
    if (there && publicOf(own, publicValue, length) === 1 && agree(own, peer, secret)) {
      freeKey(own);
      return { publicValue, secret };
    }
    freeKey(own);
    secret.fill(0);
    // What failed here is not for the next who asks libcrypto for its errors.
    clearErrors();
    return undefined;
  };
}

function opened(): Respond | undefined {
  try {
    return open();
  } catch {
    return undefined;
  }
}

export const respondX25519 = opened();
