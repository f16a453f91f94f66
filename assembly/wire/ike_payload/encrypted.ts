/**
 * Encrypted and Authenticated payload SK (RFC 7296 section 3.14; RFC 5282 for AEADs).
 *
 *   generic header 4 | IV | inner payloads, padding, pad length (encrypted) | ICV
 *
 * This file is the layout alone; ike/sk.ts seals and opens. The payload is the last of its message.
 */
import { PAYLOAD_SK, Writer, payloadBegin, write8, writerRoom } from "../ike_message";

/** Opens an SK payload with room for an IV; the payloads that follow are its inner ones. Returns its header's address. */
export function encryptedBegin(w: Writer, ivOctets: u32): usize {
  const at = w.at;
  payloadBegin(w, PAYLOAD_SK);
  if (writerRoom(w, ivOctets)) {
    memory.fill(w.at, 0, ivOctets);
    w.at += ivOctets;
  }
  return at;
}

/** Pads what stands behind `content` to a multiple of `block`, pad length included, and leaves room for the ICV. */
export function encryptedPad(w: Writer, content: usize, block: u32, icvOctets: u32): void {
  let pad: u32 = 0;
  while ((<u32>(w.at - content) + pad + 1) % block != 0) pad += 1;
  for (let i: u32 = 0; i < pad; i++) write8(w, 0);
  write8(w, pad);
  if (writerRoom(w, icvOctets)) {
    memory.fill(w.at, 0, icvOctets);
    w.at += icvOctets;
  }
}

/** Octets of inner payloads in `length` decrypted octets, or -1 when the pad length points in front of them. */
export function encryptedContent(p: usize, length: u32): i32 {
  if (length == 0) return -1;
  const pad = <u32>load<u8>(p + length - 1);
  return pad + 1 > length ? -1 : <i32>(length - pad - 1);
}
