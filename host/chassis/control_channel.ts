/**
 * A control message of the IKE board as an IPsec board opens it (abi/message.ts): AES-256-GCM under the key of the board's generation, which
 * the chassis has drawn and gave to both. For a capture that writes keys down, where the configuration allows that, and for nothing else.
 */
import { createDecipheriv } from "node:crypto";
import {
  CONTROL_FROM_IKE_BOARD,
  CONTROL_HEADER,
  CONTROL_ICV,
  CONTROL_SEQUENCE,
  MESSAGE_HEADER,
} from "../../assembly/abi/message.ts";

/** The message in clear, which the caller wipes; undefined when it is none of this key's. */
export function openControl(key: Uint8Array, sealed: Uint8Array): Buffer | undefined {
  const end = sealed.length - CONTROL_ICV;
  if (end < CONTROL_HEADER + MESSAGE_HEADER || key.length !== 32) return undefined;
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32LE(CONTROL_FROM_IKE_BOARD, 0);
  nonce.set(sealed.subarray(CONTROL_SEQUENCE, CONTROL_SEQUENCE + 8), 4);
  const cipher = createDecipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(sealed.subarray(0, CONTROL_HEADER));
  cipher.setAuthTag(sealed.subarray(end));
  const message = cipher.update(sealed.subarray(CONTROL_HEADER, end));
  try {
    cipher.final();
    return message;
  } catch {
    message.fill(0);
    return undefined;
  }
}
