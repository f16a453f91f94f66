/**
 * HMAC_DRBG with SHA-256 (NIST SP 800-90A Rev. 1, 10.1.2): a board's random numbers, from the entropy that the chassis
 * writes into its map at reset.
 *
 * Without prediction resistance; whoever reads board RAM knows the numbers to come. A request costs twelve compressions of SHA-256 however
 * little it asks for, so nonces, SPIs and the like are drawn from one request's octets, of which none stays that was given out. Refuses to
 * run before drbgSeed.
 */
import { zeroize } from "../rt/bytes";
import { HASH_SHA256 } from "./hash";
import { hmac, hmacFinal, hmacInit, hmacUpdate, hmacWipe, HMAC_CONTEXT_OCTETS } from "./hmac";

/** Most octets of one request (SP 800-90A, table 2: 2^19 bits). */
export const DRBG_REQUEST_MAX: u32 = 65536;

const key: usize = memory.data(32, 16);
const value: usize = memory.data(32, 16);
const context: usize = memory.data(HMAC_CONTEXT_OCTETS, 16);
const octet: usize = memory.data(1);
const word: usize = memory.data(4, 4);
let seeded: bool = false;

/** Octets of a request to draw from, and how many of its end have not been given out. */
const POOL_OCTETS: u32 = 256;
const pool: usize = memory.data(POOL_OCTETS, 16);
let pooled: u32 = 0;

/** HMAC_DRBG_Update (10.1.2.2). */
function update(data: usize, length: u32): void {
  for (let i: u32 = 0; i < 2; i++) {
    if (i == 1 && length == 0) return;
    hmacInit(context, HASH_SHA256, key, 32);
    hmacUpdate(context, value, 32);
    store<u8>(octet, <u8>i);
    hmacUpdate(context, octet, 1);
    hmacUpdate(context, data, length);
    hmacFinal(context, key);
    hmac(HASH_SHA256, key, 32, value, 32, value);
  }
  hmacWipe(context);
}

/** Instantiates (10.1.2.3) from `length` octets: entropy, nonce and personalization together, at least 32 of entropy. */
export function drbgSeed(entropy: usize, length: u32): void {
  memory.fill(key, 0, 32);
  memory.fill(value, 1, 32);
  update(entropy, length);
  forgetPool();
  seeded = true;
}

/** Mixes in more entropy (10.1.2.4). */
export function drbgReseed(entropy: usize, length: u32): void {
  assert(seeded, "the DRBG has no seed");
  update(entropy, length);
  forgetPool();
}

function forgetPool(): void {
  zeroize(pool, POOL_OCTETS);
  pooled = 0;
}

/** Generates (10.1.2.5) `length` octets, at most DRBG_REQUEST_MAX. */
export function drbgGenerate(out: usize, length: u32): void {
  assert(seeded && length <= DRBG_REQUEST_MAX, "no seed, or too much asked of the DRBG at once");
  hmacInit(context, HASH_SHA256, key, 32);
  for (let done: u32 = 0; done < length; done += 32) {
    hmacUpdate(context, value, 32);
    hmacFinal(context, value);
    memory.copy(out + done, value, min<u32>(32, length - done));
  }
  update(0, 0);
}

/** `length` octets, few of them: those of a request that others have drawn from, and a new one's behind its last. */
export function drbgDraw(out: usize, length: u32): void {
  for (let done: u32 = 0; done < length; ) {
    if (pooled == 0) {
      drbgGenerate(pool, POOL_OCTETS);
      pooled = POOL_OCTETS;
    }
    const octets = min<u32>(length - done, pooled);
    const at = pool + POOL_OCTETS - pooled;
    memory.copy(out + done, at, octets);
    zeroize(at, octets);
    pooled -= octets;
    done += octets;
  }
}

/** Four octets as a number. */
export function drbgU32(): u32 {
  drbgDraw(word, 4);
  const number = load<u32>(word);
  zeroize(word, 4);
  return number;
}
