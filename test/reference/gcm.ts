/** AES-GCM after SP 800-38D with nonces of 12 octets: the slow twin of assembly/crypto/gcm*.ts. */
import { encryptBlock, expandKey } from "./aes.ts";
import { fromField, ghash, toField } from "./ghash.ts";

function counterBlock(nonce: Uint8Array, count: number): Uint8Array {
  const block = new Uint8Array(16);
  block.set(nonce);
  new DataView(block.buffer).setUint32(12, count);
  return block;
}

export interface Sealed {
  data: Uint8Array;
  tag: Uint8Array;
}

export function gcmSeal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, data: Uint8Array): Sealed {
  const schedule = expandKey(key);
  const sealed = new Uint8Array(data.length);
  for (let at = 0; at < data.length; at += 16) {
    const stream = encryptBlock(schedule, counterBlock(nonce, 2 + at / 16));
    for (let i = at; i < Math.min(at + 16, data.length); i++) sealed[i] = data[i]! ^ stream[i - at]!;
  }
  const h = toField(encryptBlock(schedule, new Uint8Array(16)));
  const lengths = (BigInt(aad.length * 8) << 64n) | BigInt(data.length * 8);
  const hash = ghash(h, fromField(lengths), ghash(h, sealed, ghash(h, aad)));
  const mask = encryptBlock(schedule, counterBlock(nonce, 1));
  return { data: sealed, tag: fromField(hash).map((octet, i) => octet ^ mask[i]!) };
}
