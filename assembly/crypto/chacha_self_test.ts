/**
 * Known answer of ChaCha20-Poly1305 for the power-on self test: one message of 600 octets, so that the first run, a whole
 * run and an incomplete one occur. The expected octets come from OpenSSL.
 */
import { equalConstantTime } from "../rt/bytes";
import {
  CHACHA20_POLY1305_CONTEXT_OCTETS,
  chacha20Poly1305Init,
  chacha20Poly1305Open,
  chacha20Poly1305Seal,
} from "./chacha20_poly1305";
import { hash, HASH_SHA256 } from "./hash";

const MESSAGE_OCTETS: u32 = 600;
const AAD_OCTETS: u32 = 13;

/** SHA-256 of ciphertext and tag. */
// prettier-ignore
const sealed: usize = memory.data<u8>([
  0xaa, 0xf2, 0xd9, 0x70, 0x24, 0x19, 0x68, 0x27, 0x18, 0x9e, 0x5e, 0xa6, 0x65, 0xd5, 0x0d, 0x8e,
  0x49, 0xa9, 0x61, 0x38, 0x05, 0xbe, 0x81, 0x63, 0xca, 0x1d, 0x98, 0x07, 0x9c, 0x7d, 0x36, 0x5b,
]);

const message: usize = memory.data(MESSAGE_OCTETS, 16);
const work: usize = memory.data(MESSAGE_OCTETS + 16, 16);
const digest: usize = memory.data(32, 16);
const context: usize = memory.data(CHACHA20_POLY1305_CONTEXT_OCTETS, 16);

/** True when sealing gives the known answer, a forgery is refused untouched, and opening gives the message again. */
export function chachaSelfTest(): bool {
  for (let i: u32 = 0; i < MESSAGE_OCTETS; i++) store<u8>(message + i, <u8>i);
  memory.copy(work, message, MESSAGE_OCTETS);
  const tag = work + MESSAGE_OCTETS;
  chacha20Poly1305Init(context, message);
  chacha20Poly1305Seal(context, message, message, AAD_OCTETS, work, MESSAGE_OCTETS, tag);
  for (let i: u32 = 0; i < 2; i++) {
    hash(HASH_SHA256, work, MESSAGE_OCTETS + 16, digest);
    if (!equalConstantTime(digest, sealed, 32)) return false;
    if (i == 1) break;
    store<u8>(tag, load<u8>(tag) ^ 1);
    if (chacha20Poly1305Open(context, message, message, AAD_OCTETS, work, MESSAGE_OCTETS, tag)) return false;
    store<u8>(tag, load<u8>(tag) ^ 1);
  }
  return (
    chacha20Poly1305Open(context, message, message, AAD_OCTETS, work, MESSAGE_OCTETS, tag) &&
    equalConstantTime(work, message, MESSAGE_OCTETS)
  );
}
