/** HMAC over batches against the stream of hmac.ts: every length and alignment, mixed keys, lengths and counts; typed cases. */
import { HASH_SHA1, HASH_SHA512, hashBlockOctets, hashOctets } from "../../../assembly/crypto/hash";
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
});
