/**
 * Delete payload (RFC 7296 section 3.11).
 *
 *   0 protocol   1 SPI octets   2 SPIs u16   4 SPIs
 */
import { loadBE16 } from "../../rt/bytes";
import { PAYLOAD_DELETE, Writer, payloadBegin, payloadEnd, write16, write32, write8 } from "../ike_message";
import { PROTOCOL_ID_AH, PROTOCOL_ID_ESP, PROTOCOL_ID_IKE } from "./sa";

export const DELETE_HEADER: u32 = 4;

/** True when the SPIs fill the body; an IKE_SA is named by the message itself. */
export function deleteCheck(body: usize, length: u32): bool {
  if (length < DELETE_HEADER) return false;
  const protocol = deleteProtocol(body);
  const octets = <u32>load<u8>(body, 1);
  const count = deleteCount(body);
  if (protocol == PROTOCOL_ID_IKE) return octets == 0 && count == 0 && length == DELETE_HEADER;
  if (protocol != PROTOCOL_ID_ESP && protocol != PROTOCOL_ID_AH) return false;
  return octets == 4 && DELETE_HEADER + count * 4 == length;
}

export function deleteProtocol(body: usize): u32 {
  return <u32>load<u8>(body);
}

export function deleteCount(body: usize): u32 {
  return loadBE16(body + 2);
}

/** Address of SPI `i` of a CHILD_SA. */
export function deleteSpi(body: usize, i: u32): usize {
  return body + DELETE_HEADER + <usize>(i << 2);
}

export function deleteIkeWrite(w: Writer): void {
  payloadBegin(w, PAYLOAD_DELETE);
  write8(w, PROTOCOL_ID_IKE);
  write8(w, 0);
  write16(w, 0);
  payloadEnd(w);
}

/** Opens a Delete of SPIs of ESP or AH; write32 each of `count` of them, then payloadEnd. */
export function deleteChildBegin(w: Writer, protocol: u32, count: u32): void {
  payloadBegin(w, PAYLOAD_DELETE);
  write8(w, protocol);
  write8(w, 4);
  write16(w, count);
}

/** A Delete of one SPI of ESP or AH. */
export function deleteChildWrite(w: Writer, protocol: u32, spi: u32): void {
  deleteChildBegin(w, protocol, 1);
  write32(w, spi);
  payloadEnd(w);
}
