/**
 * AES-CBC and CTR (SP 800-38A), CCM (RFC 3610), CMAC (SP 800-38B) and XCBC (RFC 3566) over the slow AES: the twins of
 * assembly/crypto/cbc.ts, ctr.ts, ccm.ts, cmac.ts and xcbc.ts.
 */
import { decryptBlock, encryptBlock, expandKey } from "./aes.ts";

type Octets = Uint8Array;

function xor(a: Octets, b: Octets): Buffer {
  return Buffer.from(a.map((octet, i) => octet ^ b[i]!));
}

function split(data: Octets): Octets[] {
  return Array.from({ length: Math.ceil(data.length / 16) }, (_, i) => data.subarray(16 * i, 16 * i + 16));
}

/** Whole blocks only. */
export function cbcEncrypt(key: Octets, iv: Octets, data: Octets): Buffer {
  const schedule = expandKey(key);
  let chain: Octets = iv;
  return Buffer.concat(split(data).map((block) => (chain = encryptBlock(schedule, xor(block, chain)))));
}

/** Whole blocks only. */
export function cbcDecrypt(key: Octets, iv: Octets, data: Octets): Buffer {
  const schedule = expandKey(key);
  const blocks = split(data);
  return Buffer.concat(blocks.map((block, i) => xor(decryptBlock(schedule, block), i === 0 ? iv : blocks[i - 1]!)));
}

/** `first` is the first counter block; its last four octets count. */
export function ctr(key: Octets, first: Octets, data: Octets): Buffer {
  const schedule = expandKey(key);
  const counter = Buffer.from(first);
  return Buffer.concat(
    split(data).map((block) => {
      const stream = encryptBlock(schedule, counter);
      counter.writeUInt32BE((counter.readUInt32BE(12) + 1) >>> 0, 12);
      return xor(block, stream);
    }),
  );
}

/** The MAC whose last block is masked by `whole` or `padded`. */
function maskedCbcMac(key: Octets, whole: Octets, padded: Octets, message: Octets): Buffer {
  const blocks = split(message);
  const last = blocks.pop() ?? new Uint8Array(0);
  const end = Buffer.alloc(16);
  end.set(last);
  if (last.length < 16) end[last.length] = 0x80;
  const masked = xor(end, last.length === 16 ? whole : padded);
  return cbcEncrypt(key, Buffer.alloc(16), Buffer.concat([...blocks, masked])).subarray(-16);
}

function double(block: Octets): Buffer {
  const value = BigInt(`0x${Buffer.from(block).toString("hex")}`) << 1n;
  const reduced = value >> 128n ? (value & ((1n << 128n) - 1n)) ^ 0x87n : value;
  return Buffer.from(reduced.toString(16).padStart(32, "0"), "hex");
}

export function cmac(key: Octets, message: Octets): Buffer {
  const k1 = double(encryptBlock(expandKey(key), Buffer.alloc(16)));
  return maskedCbcMac(key, k1, double(k1), message);
}

export function xcbc(key: Octets, message: Octets): Buffer {
  const [k1, k2, k3] = [1, 2, 3].map((octet) => encryptBlock(expandKey(key), Buffer.alloc(16, octet)));
  return maskedCbcMac(k1!, k2!, k3!, message);
}

/** RFC 3610, 2.2 and 2.3: ciphertext and tag. AAD below 65280 octets. */
export function ccmSeal(key: Octets, nonce: Octets, aad: Octets, data: Octets, tagOctets: number): Buffer {
  const field = 15 - nonce.length;
  const first = Buffer.alloc(16);
  first[0] = (aad.length > 0 ? 0x40 : 0) | ((tagOctets - 2) << 2) | (field - 1);
  first.set(nonce, 1);
  for (let i = 15, rest = data.length; rest > 0; rest = Math.floor(rest / 256), i--) first[i] = rest % 256;
  const length = Buffer.alloc(aad.length > 0 ? 2 : 0);
  if (aad.length > 0) length.writeUInt16BE(aad.length);
  const pad = (octets: Octets): Buffer => Buffer.concat([octets, Buffer.alloc(-octets.length & 15)]);
  const chain = cbcEncrypt(key, Buffer.alloc(16), Buffer.concat([first, pad(Buffer.concat([length, aad])), pad(data)]));
  const counter = Buffer.alloc(16);
  counter[0] = field - 1;
  counter.set(nonce, 1);
  const mask = encryptBlock(expandKey(key), counter);
  counter[15] = 1;
  return Buffer.concat([ctr(key, counter, data), xor(chain.subarray(-16), mask).subarray(0, tagOctets)]);
}
