/**
 * X25519 (RFC 7748) by the functions of libcrypto that node is linked with: a fresh key pair and the secret that it shares with a peer's public
 * value in one go, which is all that a responder does. node:crypto makes three key objects, a job and two JWKs for it, and those cost an
 * element under load a sixth of its time.
 *
 * Two ways, of which the first is taken that is there and that agrees with RFC 7748:
 *
 *   curve   libcrypto's function of the curve itself, which all its interfaces end in: nothing is allocated. Not for others to call, and where
 *           node comes with a libcrypto of the system's, not to be seen. The private key stands in one place, which is overwritten
 *   keys    EVP_PKEY, for everybody. The private key stays within libcrypto, which overwrites it when it is freed
 *
 * Undefined where node does not show its libcrypto.
 */
import koffi from "koffi";

/** Of libcrypto. */
const NID_X25519 = 1034;
const OCTETS = 32;

/** Of one answer; the next answer may stand in the same places. */
export interface Response {
  publicValue: Uint8Array;
  /** The caller's to wipe. */
  secret: Uint8Array;
}

/** A fresh share's public value and the secret; undefined when the peer's value is unacceptable, or libcrypto fails. */
export type Respond = (peer: Uint8Array) => Response | undefined;

/** A function of libcrypto. Throws where it is not to be found. */
type Bind = <F>(declaration: string) => F;

/** RFC 7748 section 6.1: a private key, a peer's public value, and the public value and the secret that come of the two. */
const ALICE = octetsOf("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
const BOB = octetsOf("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
const PUBLIC = octetsOf("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
const SECRET = octetsOf("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");

function octetsOf(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, "hex"));
}

/** 32 octets in a place of their own: libcrypto cannot be given memory that the engine moves. */
const place = (): Uint8Array => new Uint8Array(new ArrayBuffer(OCTETS));

function isZero(octets: Uint8Array): boolean {
  let any = 0;
  for (let i = 0; i < OCTETS; i++) any |= octets[i]!;
  return any === 0;
}

const isSame = (one: Uint8Array, other: Uint8Array): boolean => one.every((octet, i) => octet === other[i]);

/** By the function of the curve. Throws where it is not to be found, or is another than expected. */
function openCurve(bind: Bind): Respond {
  const publicFrom = bind<(publicValue: Uint8Array, own: Uint8Array) => void>(
    "void ossl_x25519_public_from_private(void *, void *)",
  );
  const multiply = bind<(secret: Uint8Array, own: Uint8Array, peer: Uint8Array) => number>(
    "int ossl_x25519(void *, void *, void *)",
  );
  const random = bind<(octets: Uint8Array, length: number) => number>("int RAND_priv_bytes(void *, int)");
  const [own, publicValue, secret] = [place(), place(), place()];

  own.set(ALICE);
  publicFrom(publicValue, own);
  if (multiply(secret, own, BOB) !== 1 || !isSame(publicValue, PUBLIC) || !isSame(secret, SECRET))
    throw new Error("libcrypto's X25519 is another than RFC 7748's");

  return (peer) => {
    if (peer.length !== OCTETS || random(own, OCTETS) !== 1) return undefined;
    publicFrom(publicValue, own);
    const done = multiply(secret, own, peer) === 1;
    own.fill(0);
    if (done && !isZero(secret)) return { publicValue, secret };
    secret.fill(0);
    return undefined;
  };
}

/** By EVP_PKEY. Throws where a function is not to be found. */
function openKeys(bind: Bind): Respond {
  // Pointers are numbers: user space ends below 2^47.
  const contextFor = bind<(id: number, engine: number) => number>("uintptr_t EVP_PKEY_CTX_new_id(int, uintptr_t)");
  const contextOf = bind<(key: number, engine: number) => number>("uintptr_t EVP_PKEY_CTX_new(uintptr_t, uintptr_t)");
  const freeContext = bind<(context: number) => void>("void EVP_PKEY_CTX_free(uintptr_t)");
  const generateInit = bind<(context: number) => number>("int EVP_PKEY_keygen_init(uintptr_t)");
  const generate = bind<(context: number, key: BigUint64Array) => number>("int EVP_PKEY_keygen(uintptr_t, void *)");
  const publicOf = bind<(key: number, octets: Uint8Array, length: BigUint64Array) => number>(
    "int EVP_PKEY_get_raw_public_key(uintptr_t, void *, void *)",
  );
  const publicKey = bind<(id: number, engine: number, octets: Uint8Array, length: number) => number>(
    "uintptr_t EVP_PKEY_new_raw_public_key(int, uintptr_t, void *, size_t)",
  );
  const freeKey = bind<(key: number) => void>("void EVP_PKEY_free(uintptr_t)");
  const deriveInit = bind<(context: number) => number>("int EVP_PKEY_derive_init(uintptr_t)");
  const setPeer = bind<(context: number, peer: number) => number>("int EVP_PKEY_derive_set_peer(uintptr_t, uintptr_t)");
  const derive = bind<(context: number, secret: Uint8Array, length: BigUint64Array) => number>(
    "int EVP_PKEY_derive(uintptr_t, void *, void *)",
  );
  const clearErrors = bind<() => void>("void ERR_clear_error()");

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
    return done && !isZero(secret);
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

/** The ways that there are, the better one first. */
export function waysOfX25519(): Respond[] {
  const ways: Respond[] = [];
  for (const open of [openCurve, openKeys]) {
    try {
      const library = koffi.load(null);
      ways.push(open(<F>(declaration: string): F => library.func(declaration) as F));
    } catch {
      // Not shown by this node: the next way, or node:crypto.
    }
  }
  return ways;
}

export const [respondX25519] = waysOfX25519();
