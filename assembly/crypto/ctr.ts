/**
 * AES-CTR for ESP and IKEv2 (RFC 3686, 5930): counter block = nonce (4, from KEYMAT) | IV (8) | block counter from 1.
 *
 * Encryption is decryption. Authenticates nothing; a repeated IV under one key reveals the plaintexts' difference, so the
 * IV is the sequence number. Refuses nothing: a packet has less than 2^32 blocks.
 */
import { storeBE32 } from "../rt/bytes";
import { aesCtr } from "./aes";

const counter: usize = memory.data(16, 16);

/** Encrypts or decrypts `length` octets in place under an AES context; `nonce` 4 octets, `iv` 8 octets. */
export function ctrCrypt(context: usize, nonce: usize, iv: usize, data: usize, length: u32): void {
  store<u32>(counter, load<u32>(nonce));
  store<u64>(counter, load<u64>(iv), 4);
  storeBE32(counter + 12, 1);
  aesCtr(context, counter, data, length);
}
