/**
 * Cookies of a responder (RFC 7296 section 2.6): what a first message must bring back before anything is kept of it.
 *
 *   version (1) | HMAC-SHA-256(secret of that version, version | source address | source port | SPIi | Ni)
 *
 * The secret is the DRBG's and changes every SECRET_TIME; the one before is still accepted. The keyed state of each is kept, so
 * that a cookie costs the hashing of one short message. A cookie that is wrong is as good as none: the answer is a new one.
 */
import { drbgGenerate } from "../crypto/drbg";
import { HASH_SHA256 } from "../crypto/hash";
import { HMAC_CONTEXT_OCTETS, hmacFinal, hmacInit, hmacUpdate } from "../crypto/hmac";
import { equalConstantTime, storeBE16, zeroize } from "../rt/bytes";
import { now } from "../rt/registers";
import { IpAddress, addressAt, addressCopy } from "../wire/ip_address";
import { SECOND } from "./settings";

export const COOKIE_OCTETS: u32 = 33;
const SECRET_OCTETS: u32 = 32;
/** Version, port, SPIi and address as they are hashed. */
const HEAD_OCTETS: u32 = 32;
const SECRET_TIME: u64 = 60 * SECOND;

const secret: usize = memory.data(32, 8);
/** Keyed contexts of the present and the previous secret. */
const keyed: usize = memory.data(2 * HMAC_CONTEXT_OCTETS, 16);
const head: usize = memory.data(HEAD_OCTETS, 8);
const expected: usize = memory.data(40, 8);

let version: u32 = 0;
let drawnAt: u64 = 0;
/** Secrets that were drawn since reset, as far as two. */
let drawn: u32 = 0;

export function cookiesReset(): void {
  version = 0;
  drawnAt = 0;
  drawn = 0;
}

function contextOf(v: u32): usize {
  return keyed + <usize>((v & 1) * HMAC_CONTEXT_OCTETS);
}

function refresh(): void {
  const time = now();
  if (drawn != 0 && time - drawnAt < SECRET_TIME) return;
  // After a long pause the one before is too old as well.
  drawn = drawn != 0 && time - drawnAt < 2 * SECRET_TIME ? 2 : 1;
  drawnAt = time;
  version = (version + 1) & 0xff;
  drbgGenerate(secret, SECRET_OCTETS);
  hmacInit(contextOf(version), HASH_SHA256, secret, SECRET_OCTETS);
  zeroize(secret, SECRET_OCTETS);
}

function make(v: u32, source: IpAddress, port: u32, spiI: u64, nonce: usize, nonceLength: u32, out: usize): void {
  const context = contextOf(v);
  store<u8>(out, <u8>v);
  store<u8>(head, <u8>v);
  store<u8>(head, 0, 1);
  storeBE16(head + 2, port);
  store<u32>(head, 0, 4);
  store<u64>(head, spiI, 8);
  addressCopy(addressAt(head + 16), source);
  hmacUpdate(context, head, HEAD_OCTETS);
  hmacUpdate(context, nonce, nonceLength);
  hmacFinal(context, out + 1);
}

/** Writes the cookie, COOKIE_OCTETS, that a first message from there has to bring back. */
export function cookieMake(source: IpAddress, port: u32, spiI: u64, nonce: usize, nonceLength: u32, out: usize): void {
  refresh();
  make(version, source, port, spiI, nonce, nonceLength, out);
}

/** True when `cookie` is one that we gave to this source for this message, not long ago. */
export function cookieCheck(
  cookie: usize,
  length: u32,
  source: IpAddress,
  port: u32,
  spiI: u64,
  nonce: usize,
  nonceLength: u32,
): bool {
  if (length != COOKIE_OCTETS) return false;
  refresh();
  const v = <u32>load<u8>(cookie);
  if (v != version && (drawn < 2 || v != ((version - 1) & 0xff))) return false;
  make(v, source, port, spiI, nonce, nonceLength, expected);
  return equalConstantTime(cookie, expected, COOKIE_OCTETS);
}
