/**
 * AES-CBC without padding (SP 800-38A, 6.2), as ESP (RFC 3602) and the SK payload (RFC 7296, 3.14) use it: the packet format
 * pads, not the mode.
 *
 * CBC alone authenticates nothing: open verifies the ICV of the whole packet first (encrypt-then-MAC), so that no padding
 * oracle can arise. Constant time by aes.ts. Refuses lengths that are not whole blocks.
 */
import { AES_BLOCK, aesDecryptBlocks, aesEncryptBlock } from "./aes";

/** Blocks decrypted at once. */
const CBC_RUN: u32 = 16;

const chain: usize = memory.data(16, 16);
const clear: usize = memory.data(CBC_RUN * AES_BLOCK, 16);

// @ts-ignore: decorator
@inline
function xorBlock(to: usize, a: usize, b: usize): void {
  store<u64>(to, load<u64>(a) ^ load<u64>(b));
  store<u64>(to, load<u64>(a, 8) ^ load<u64>(b, 8), 8);
}

/** Encrypts in place under an AES context; `iv` (16 octets) stays as it is. False: `length` is not whole blocks. */
export function cbcEncrypt(context: usize, iv: usize, data: usize, length: u32): bool {
  if ((length & 15) != 0) return false;
  memory.copy(chain, iv, 16);
  for (const end = data + length; data < end; data += 16) {
    xorBlock(chain, chain, data);
    aesEncryptBlock(context, chain, chain);
    memory.copy(data, chain, 16);
  }
  return true;
}

/** Decrypts in place under an AES context. False, with the data as they came: `length` is not whole blocks. */
export function cbcDecrypt(context: usize, iv: usize, data: usize, length: u32): bool {
  if ((length & 15) != 0) return false;
  memory.copy(chain, iv, 16);
  while (length != 0) {
    const octets = min<u32>(length, CBC_RUN * AES_BLOCK);
    aesDecryptBlocks(context, data, clear, octets >>> 4);
    xorBlock(clear, clear, chain);
    memory.copy(chain, data + octets - 16, 16);
    for (let i: u32 = 16; i < octets; i += 16) xorBlock(clear + i, clear + i, data + i - 16);
    memory.copy(data, clear, octets);
    data += octets;
    length -= octets;
  }
  memory.fill(clear, 0, CBC_RUN * AES_BLOCK);
  return true;
}
