/** HMAC over batches against the stream of hmac.ts: every length and alignment, mixed keys, lengths and counts; typed cases. */
import { HASH_SHA1, HASH_SHA256, HASH_SHA512, hashBlockOctets, hashOctets } from "../../../assembly/crypto/hash";
import { hmac } from "../../../assembly/crypto/hmac";
import { hmacBatch, hmacKey } from "../../../assembly/crypto/hmac_batch";
import { CIPHER_BATCH, CIPHER_CONTEXT_OCTETS, CIPHER_JOB_OCTETS, CipherJob } from "../../../assembly/crypto/job";

/** A place per packet: room for 16 alignments and 2000 octets. */
const PLACE: u32 = 2048;

const contexts: usize = memory.data(16 * 192, 16);
const jobs: usize = memory.data(16 * 128, 16);
const list: usize = memory.data(16 * 4, 16);
const macs: usize = memory.data(17 * 64, 16);
const keys: usize = memory.data(512, 16);
const texts: usize = memory.data(16 * 2048, 16);
const expected: usize = memory.data(64, 16);

/** RFC 2202, 3: HMAC-SHA-1, cases 1 to 4, 6 and 7, the first 16 octets of each. */
// prettier-ignore
const rfc2202: usize = memory.data<u8>([
  0xb6, 0x17, 0x31, 0x86, 0x55, 0x05, 0x72, 0x64, 0xe2, 0x8b, 0xc0, 0xb6, 0xfb, 0x37, 0x8c, 0x8e,
  0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74, 0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c,
  0x12, 0x5d, 0x73, 0x42, 0xb9, 0xac, 0x11, 0xcd, 0x91, 0xa3, 0x9a, 0xf4, 0x8a, 0xa1, 0x7b, 0x4f,
  0x4c, 0x90, 0x07, 0xf4, 0x02, 0x62, 0x50, 0xc6, 0xbc, 0x84, 0x14, 0xf9, 0xbf, 0x50, 0xc8, 0x6c,
  0xaa, 0x4a, 0xe5, 0xe1, 0x52, 0x72, 0xd0, 0x0e, 0x95, 0x70, 0x56, 0x37, 0xce, 0x8a, 0x3b, 0x55,
  0xe8, 0xe9, 0x9d, 0x0f, 0x45, 0x23, 0x7d, 0x78, 0x6d, 0x6b, 0xba, 0xa7, 0x96, 0x5c, 0x78, 0x08,
]);

/** RFC 4231, 4.2 to 4.5, 4.7 and 4.8: SHA-256, SHA-384, SHA-512, the first 16 octets of each. */
// prettier-ignore
const rfc4231: usize = memory.data<u8>([
  0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53, 0x5c, 0xa8, 0xaf, 0xce, 0xaf, 0x0b, 0xf1, 0x2b,
  0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
  0x77, 0x3e, 0xa9, 0x1e, 0x36, 0x80, 0x0e, 0x46, 0x85, 0x4d, 0xb8, 0xeb, 0xd0, 0x91, 0x81, 0xa7,
  0x82, 0x55, 0x8a, 0x38, 0x9a, 0x44, 0x3c, 0x0e, 0xa4, 0xcc, 0x81, 0x98, 0x99, 0xf2, 0x08, 0x3a,
  0x60, 0xe4, 0x31, 0x59, 0x1e, 0xe0, 0xb6, 0x7f, 0x0d, 0x8a, 0x26, 0xaa, 0xcb, 0xf5, 0xb7, 0x7f,
  0x9b, 0x09, 0xff, 0xa7, 0x1b, 0x94, 0x2f, 0xcb, 0x27, 0x63, 0x5f, 0xbc, 0xd5, 0xb0, 0xe9, 0x44,
  0xaf, 0xd0, 0x39, 0x44, 0xd8, 0x48, 0x95, 0x62, 0x6b, 0x08, 0x25, 0xf4, 0xab, 0x46, 0x90, 0x7f,
  0xaf, 0x45, 0xd2, 0xe3, 0x76, 0x48, 0x40, 0x31, 0x61, 0x7f, 0x78, 0xd2, 0xb5, 0x8a, 0x6b, 0x1b,
  0x88, 0x06, 0x26, 0x08, 0xd3, 0xe6, 0xad, 0x8a, 0x0a, 0xa2, 0xac, 0xe0, 0x14, 0xc8, 0xa8, 0x6f,
  0x3e, 0x8a, 0x69, 0xb7, 0x78, 0x3c, 0x25, 0x85, 0x19, 0x33, 0xab, 0x62, 0x90, 0xaf, 0x6c, 0xa7,
  0x4e, 0xce, 0x08, 0x44, 0x85, 0x81, 0x3e, 0x90, 0x88, 0xd2, 0xc6, 0x3a, 0x04, 0x1b, 0xc5, 0xb4,
  0x66, 0x17, 0x17, 0x8e, 0x94, 0x1f, 0x02, 0x0d, 0x35, 0x1e, 0x2f, 0x25, 0x4e, 0x8f, 0xd3, 0x2c,
  0x87, 0xaa, 0x7c, 0xde, 0xa5, 0xef, 0x61, 0x9d, 0x4f, 0xf0, 0xb4, 0x24, 0x1a, 0x1d, 0x6c, 0xb0,
  0x16, 0x4b, 0x7a, 0x7b, 0xfc, 0xf8, 0x19, 0xe2, 0xe3, 0x95, 0xfb, 0xe7, 0x3b, 0x56, 0xe0, 0xa3,
  0xfa, 0x73, 0xb0, 0x08, 0x9d, 0x56, 0xa2, 0x84, 0xef, 0xb0, 0xf0, 0x75, 0x6c, 0x89, 0x0b, 0xe9,
  0xb0, 0xba, 0x46, 0x56, 0x37, 0x45, 0x8c, 0x69, 0x90, 0xe5, 0xa8, 0xc5, 0xf6, 0x1d, 0x4a, 0xf7,
  0x80, 0xb2, 0x42, 0x63, 0xc7, 0xc1, 0xa3, 0xeb, 0xb7, 0x14, 0x93, 0xc1, 0xdd, 0x7b, 0xe8, 0xb4,
  0xe3, 0x7b, 0x6a, 0x77, 0x5d, 0xc8, 0x7d, 0xba, 0xa4, 0xdf, 0xa9, 0xf9, 0x6e, 0x5e, 0x3f, 0xfd,
]);

/** Writes a string's octets behind `at` and returns how many. */
function text(value: string, at: usize): u32 {
  for (let i = 0; i < value.length; i++) store<u8>(at + i, <u8>value.charCodeAt(i));
  return value.length;
}

/** Key and data of case `n` of the six: the RFCs differ in the lengths of the long keys, and in the last data. */
function typedCase(hash: u32, n: u32): void {
  const at = texts + <usize>(n * PLACE);
  let keyLength: u32 = 20;
  let length: u32 = 50;
  if (n == 0) {
    memory.fill(keys, 0x0b, 20);
    length = text("Hi There", at);
  } else if (n == 1) {
    keyLength = text("Jefe", keys);
    length = text("what do ya want for nothing?", at);
  } else if (n == 2) {
    memory.fill(keys, 0xaa, 20);
    memory.fill(at, 0xdd, 50);
  } else if (n == 3) {
    keyLength = 25;
    for (let i: u32 = 0; i < 25; i++) store<u8>(keys + i, <u8>(i + 1));
    memory.fill(at, 0xcd, 50);
  } else {
    keyLength = hash == HASH_SHA1 ? 80 : 131;
    memory.fill(keys, 0xaa, keyLength);
    if (n == 4) length = text("Test Using Larger Than Block-Size Key - Hash Key First", at);
    else if (hash == HASH_SHA1) {
      length = text("Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data", at);
    } else {
      const first = "This is a test using a larger than block-size key and a larger than block-size data. ";
      const second = "The key needs to be hashed before being used by the HMAC algorithm.";
      length = text(first, at);
      length += text(second, at + length);
    }
  }
  hmacKey(contextOf(n), hash, keys, keyLength);
  job(n, n, 0, length);
}

function fill(): void {
  let x: u32 = 12345;
  for (let i: u32 = 0; i < 16 * PLACE; i++) {
    x = x * 1664525 + 1013904223;
    store<u8>(texts + i, <u8>(x >>> 24));
    if (i < 512) store<u8>(keys + i, <u8>(x >>> 16));
  }
}

function contextOf(i: u32): usize {
  return contexts + <usize>(i * CIPHER_CONTEXT_OCTETS);
}

/** Key of place i: its own octets, and its own length between 3 and 138. */
function keyOctets(i: u32): u32 {
  return 3 + i * 9;
}

function keyAll(hash: u32): void {
  for (let i: u32 = 0; i < CIPHER_BATCH; i++) hmacKey(contextOf(i), hash, keys + i, keyOctets(i));
}

function job(place: u32, key: u32, align: u32, length: u32): void {
  const record = changetype<CipherJob>(jobs + <usize>(place * CIPHER_JOB_OCTETS));
  record.context = <u32>contextOf(key);
  record.text = <u32>(texts + <usize>(place * PLACE + align));
  record.textLength = length;
  store<u32>(list + <usize>(place << 2), <u32>changetype<usize>(record));
}

/** Runs the first `count` jobs and counts MACs that the stream gives otherwise, and writes outside their places. */
function wrong(hash: u32, count: u32): u32 {
  const octets = hashOctets(hash);
  memory.fill(macs, 0xa5, 17 * 64);
  hmacBatch(hash, list, count, macs);
  let bad: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const record = changetype<CipherJob>(jobs + <usize>(i * CIPHER_JOB_OCTETS));
    const key = (record.context - <u32>contexts) / CIPHER_CONTEXT_OCTETS;
    hmac(hash, keys + key, keyOctets(key), record.text, record.textLength, expected);
    if (memory.compare(macs + 64 * i, expected, octets) != 0) bad += 1;
    for (let k = octets; k < 64; k++) if (load<u8>(macs + 64 * i + k) != 0xa5) bad += 1;
  }
  for (let k: u32 = 0; k < 64; k++) if (load<u8>(macs + 64 * count + k) != 0xa5) bad += 1;
  return bad;
}

describe("hmac batch", () => {
  test("every length from 0 to 300 at every alignment, sixteen lengths in a row abreast", () => {
    fill();
    let bad: u32 = 0;
    for (let hash = HASH_SHA1; hash <= HASH_SHA512; hash++) {
      keyAll(hash);
      for (let length: u32 = 0; length <= 300; length++) {
        for (let i: u32 = 0; i < CIPHER_BATCH; i++)
          job(i, (i + length) & 15, (i * 5 + length) & 15, length + (i & 3) * 16);
        bad += wrong(hash, CIPHER_BATCH);
      }
    }
    expect(bad).toBe(0);
  });

  test("one length at all sixteen alignments", () => {
    let bad: u32 = 0;
    for (let hash = HASH_SHA1; hash <= HASH_SHA512; hash++) {
      keyAll(hash);
      for (let length: u32 = 0; length <= 300; length += 7) {
        for (let i: u32 = 0; i < CIPHER_BATCH; i++) job(i, 0, i, length);
        bad += wrong(hash, CIPHER_BATCH);
      }
    }
    expect(bad).toBe(0);
  });

  test("lengths around multiples of a block", () => {
    let bad: u32 = 0;
    for (let hash = HASH_SHA1; hash <= HASH_SHA512; hash++) {
      keyAll(hash);
      const block = hashBlockOctets(hash);
      for (let blocks: u32 = 1; blocks <= 14; blocks++) {
        for (let i: u32 = 0; i < CIPHER_BATCH; i++) job(i, i, 16 - i, blocks * block + 4 - i * (block >> 4));
        bad += wrong(hash, CIPHER_BATCH);
        for (let i: u32 = 0; i < CIPHER_BATCH; i++) job(i, i, i, blocks * block + 8 - i);
        bad += wrong(hash, CIPHER_BATCH);
      }
    }
    expect(bad).toBe(0);
  });

  test("every count of packets, of one length and of very different ones", () => {
    let bad: u32 = 0;
    for (let hash = HASH_SHA1; hash <= HASH_SHA512; hash++) {
      keyAll(hash);
      for (let count: u32 = 0; count <= CIPHER_BATCH; count++) {
        for (let turn: u32 = 0; turn < 8; turn++) {
          for (let i: u32 = 0; i < CIPHER_BATCH; i++) {
            const drawn = load<u16>(texts + turn * 64 + i * 2);
            job(i, drawn & 15, (drawn >>> 4) & 15, turn < 2 ? turn * 700 : (<u32>drawn * 37) % (turn < 5 ? 2000 : 200));
          }
          bad += wrong(hash, count);
        }
      }
    }
    expect(bad).toBe(0);
  });

  test("one long packet among short ones, wherever it stands", () => {
    let bad: u32 = 0;
    for (let hash = HASH_SHA1; hash <= HASH_SHA512; hash++) {
      keyAll(hash);
      for (let long: u32 = 0; long < CIPHER_BATCH; long++) {
        for (let i: u32 = 0; i < CIPHER_BATCH; i++) job(i, i, 1, i == long ? 1999 : i);
        bad += wrong(hash, CIPHER_BATCH);
      }
    }
    expect(bad).toBe(0);
  });

  test("RFC 2202, 3 and RFC 4231, 4, all cases of a hash in one call and one by one", () => {
    let bad: u32 = 0;
    for (let hash = HASH_SHA1; hash <= HASH_SHA512; hash++) {
      const known = hash == HASH_SHA1 ? rfc2202 : rfc4231 + 96 * (hash - HASH_SHA256);
      for (let n: u32 = 0; n < 6; n++) typedCase(hash, n);
      hmacBatch(hash, list, 6, macs);
      for (let n: u32 = 0; n < 6; n++) {
        if (memory.compare(macs + 64 * n, known + 16 * n, 16) != 0) bad += 1;
        hmacBatch(hash, list + 4 * n, 1, expected);
        if (memory.compare(expected, known + 16 * n, 16) != 0) bad += 1;
      }
    }
    expect(bad).toBe(0);
  });
});
