/**
 * The batched AES modes: examples of the standards, and the octets of the single-packet code for all counts, mixed lengths, keys
 * and key sizes, with a cache of two slots and with one that holds them all.
 */
import { AES_CONTEXT_OCTETS, aesInit } from "../../../assembly/crypto/aes";
import { cbcDecryptBatch, cbcEncryptBatch } from "../../../assembly/crypto/cbc_batch";
import { cbcEncrypt } from "../../../assembly/crypto/cbc";
import { CBC_MAC_CONTEXT_OCTETS, cbcMacFinal, cbcMacUpdate } from "../../../assembly/crypto/cbc_mac";
import { cbcMacBatch } from "../../../assembly/crypto/cbc_mac_batch";
import { ccmSeal } from "../../../assembly/crypto/ccm";
import { ccmOpenBatch, ccmSealBatch } from "../../../assembly/crypto/ccm_batch";
import { cmacInit } from "../../../assembly/crypto/cmac";
import { ctrCrypt } from "../../../assembly/crypto/ctr";
import { ctrBatch } from "../../../assembly/crypto/ctr_batch";
import {
  CIPHER_CONTEXT_OCTETS,
  CIPHER_JOB_OCTETS,
  CONTEXT_MAC,
  CipherJob,
  jobOf,
  nonceOf,
} from "../../../assembly/crypto/job";
import {
  AES_SLOT_OCTETS,
  keyCacheMisses,
  keyCacheReset,
  keyRecord,
  keyRecordOctets,
  keyWipe,
} from "../../../assembly/crypto/key_cache";
import { MAC_AES_CMAC, MAC_AES_XCBC } from "../../../assembly/crypto/transform";
import { xcbcInit } from "../../../assembly/crypto/xcbc";
import { arenaResetAt } from "../../../assembly/rt/arena";

const STRIDE: u32 = 2560;
const GUARD: u8 = 0xa5;

const contexts: usize = memory.data(16 * 192, 16);
const jobs: usize = memory.data(16 * 128, 16);
const list: usize = memory.data(16 * 4, 16);
const macs: usize = memory.data(16 * 64, 16);
const ivs: usize = memory.data(16 * 16, 16);
const keys: usize = memory.data(16 * 32, 16);
const texts: usize = memory.data(16 * 2560, 16);
const before: usize = memory.data(16 * 2560, 16);
const single: usize = memory.data(2560, 16);
const expanded: usize = memory.data(512, 16);
const block: usize = memory.data(64, 16);
const associated: usize = memory.data(512, 16);
const room: usize = memory.data(131072, 64);

let seed: u32 = 1;

function draw(): u32 {
  seed = seed * 1664525 + 1013904223;
  return seed >>> 8;
}

function fill(p: usize, octets: u32): void {
  for (let i: usize = 0; i < octets; i++) store<u8>(p + i, <u8>draw());
}

function digit(code: i32): u32 {
  return <u32>(code <= 0x39 ? code - 0x30 : (code | 0x20) - 0x57);
}

/** Writes the octets of a hexadecimal string; returns how many. */
function hex(text: string, to: usize): u32 {
  const octets = (<u32>text.length) >>> 1;
  for (let i: u32 = 0; i < octets; i++) {
    store<u8>(to + i, <u8>((digit(text.charCodeAt(2 * i)) << 4) | digit(text.charCodeAt(2 * i + 1))));
  }
  return octets;
}

function contextOf(index: u32): usize {
  return contexts + <usize>(index * CIPHER_CONTEXT_OCTETS);
}

function textOf(index: u32): usize {
  return texts + <usize>(index * STRIDE);
}

/** Sets up job `index` over its text, `offset` octets in, under context `context`. */
function place(index: u32, context: u32, offset: u32, length: u32): CipherJob {
  const job = changetype<CipherJob>(jobs + <usize>(index * CIPHER_JOB_OCTETS));
  store<u32>(list + ((<usize>index) << 2), <u32>changetype<usize>(job));
  job.context = <u32>contextOf(context);
  job.iv = <u32>ivs + (index << 4);
  job.data = <u32>textOf(index) + offset;
  job.length = length;
  job.text = job.data;
  job.textLength = length;
  job.aad = <u32>associated;
  job.aadLength = 0;
  job.tag = job.data + length;
  job.tagLength = 16;
  job.done = 7;
  return job;
}

/** Sixteen contexts; all key sizes, or all of `keyOctets`. */
function drawKeys(keyOctets: u32): void {
  fill(keys, 16 * 32);
  fill(ivs, 16 * 16);
  for (let i: u32 = 0; i < 16; i++) {
    const octets = keyOctets != 0 ? keyOctets : 16 + 8 * (i % 3);
    keyRecord(contextOf(i), keys + <usize>(32 * i), octets);
    keyRecord(contextOf(i) + CONTEXT_MAC, keys + <usize>(32 * i) + 16, 16);
  }
}

/** Draws texts of mixed lengths and a context for each of `count` jobs, of `distinct` ones. */
function drawJobs(count: u32, distinct: u32, whole: bool): void {
  fill(texts, 16 * STRIDE);
  for (let i: u32 = 0; i < count; i++) {
    let length = draw() % 5 == 0 ? draw() % 2400 : draw() % 200;
    if (draw() % 7 == 0) length = 0;
    if (whole) length &= ~15;
    const job = place(i, draw() % distinct, draw() % 16, length);
    fill(nonceOf(job), 16);
    job.aadLength = draw() % 4 == 0 ? draw() % 100 : 8;
    job.tagLength = 8 + 4 * (draw() % 3);
  }
  memory.copy(before, texts, 16 * STRIDE);
}

function clearOf(job: CipherJob): usize {
  return before + (<usize>job.data - texts);
}

function keyOf(job: CipherJob): void {
  const index = (job.context - <u32>contexts) / CIPHER_CONTEXT_OCTETS;
  aesInit(expanded, keys + <usize>(32 * index), keyRecordOctets(job.context));
}

/** Octets outside the jobs' data (and tags) that changed. */
function strays(count: u32, tagged: bool): u32 {
  let wrong: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    const end = job.data + job.length + (tagged ? job.tagLength : 0);
    for (let p = textOf(i); p < textOf(i) + STRIDE; p++) {
      if (p >= job.data && p < end) continue;
      if (load<u8>(p) != load<u8>(before + (p - texts))) wrong += 1;
    }
  }
  return wrong;
}

function cbcRound(count: u32, distinct: u32): u32 {
  drawJobs(count, distinct, true);
  let wrong: u32 = 0;
  cbcEncryptBatch(list, count);
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    keyOf(job);
    memory.copy(single, clearOf(job), job.length);
    cbcEncrypt(expanded, job.iv, single, job.length);
    if (memory.compare(single, job.data, job.length) != 0 || job.done != 1) wrong += 1;
  }
  wrong += strays(count, false);
  cbcDecryptBatch(list, count);
  return wrong + (memory.compare(texts, before, 16 * STRIDE) != 0 ? 1 : 0);
}

function ctrRound(count: u32, distinct: u32): u32 {
  drawJobs(count, distinct, false);
  let wrong: u32 = 0;
  ctrBatch(list, count);
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    keyOf(job);
    memory.copy(single, clearOf(job), job.length);
    ctrCrypt(expanded, nonceOf(job), nonceOf(job) + 4, single, job.length);
    if (memory.compare(single, job.data, job.length) != 0 || job.done != 1) wrong += 1;
  }
  wrong += strays(count, false);
  ctrBatch(list, count);
  return wrong + (memory.compare(texts, before, 16 * STRIDE) != 0 ? 1 : 0);
}

function ccmRound(count: u32, distinct: u32): u32 {
  drawJobs(count, distinct, false);
  let wrong: u32 = 0;
  if (ccmSealBatch(list, count) != count) wrong += 1;
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    keyOf(job);
    memory.copy(single, clearOf(job), job.length);
    ccmSeal(expanded, nonceOf(job), 11, job.aad, job.aadLength, single, job.length, single + job.length, job.tagLength);
    if (memory.compare(single, job.data, job.length + job.tagLength) != 0 || job.done != 1) wrong += 1;
  }
  wrong += strays(count, true);
  // Every third packet is altered in one octet of data or tag, and stays as it came.
  for (let i: u32 = 0; i < count; i += 3) {
    const job = jobOf(list, i);
    const at = job.data + (draw() % (job.length + job.tagLength));
    store<u8>(at, load<u8>(at) ^ 0x10);
  }
  for (let i: u32 = 0; i < count; i += 3) {
    const job = jobOf(list, i);
    memory.copy(clearOf(job), job.data, job.length);
  }
  if (ccmOpenBatch(list, count) != count - (count + 2) / 3) wrong += 1;
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    if (job.done != (i % 3 == 0 ? 0 : 1)) wrong += 1;
    if (memory.compare(clearOf(job), job.data, job.length) != 0) wrong += 1;
  }
  return wrong;
}

function macRound(mac: u32, count: u32, distinct: u32): u32 {
  drawJobs(count, distinct, false);
  let wrong: u32 = 0;
  memory.fill(macs, GUARD, 16 * 64);
  cbcMacBatch(mac, list, count, macs);
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    const index = (job.context - <u32>contexts) / CIPHER_CONTEXT_OCTETS;
    const key = keys + <usize>(32 * index) + 16;
    if (mac == MAC_AES_CMAC) cmacInit(expanded, key, 16);
    else xcbcInit(expanded, key);
    cbcMacUpdate(expanded, job.text, job.textLength);
    cbcMacFinal(expanded, block);
    if (memory.compare(block, macs + <usize>(64 * i), 16) != 0) wrong += 1;
    if (load<u8>(macs + <usize>(64 * i) + 16) != GUARD) wrong += 1;
  }
  return wrong + strays(count, false);
}

/** Every mode, every count, one context and several. */
function everything(): u32 {
  let wrong: u32 = 0;
  for (let count: u32 = 0; count <= 16; count++) {
    drawKeys(count % 4 == 3 ? 0 : 16 + 8 * (count % 4));
    for (let distinct: u32 = 1; distinct <= 16; distinct = distinct * 4) {
      wrong += cbcRound(count, distinct);
      wrong += ctrRound(count, distinct);
      wrong += ccmRound(count, distinct);
      wrong += macRound(MAC_AES_CMAC, count, distinct);
      wrong += macRound(MAC_AES_XCBC, count, distinct);
    }
  }
  return wrong;
}

/** One CBC job with typed octets, there and back. */
function cbcCase(key: string, iv: string, clear: string, sealed: string): bool {
  keyRecord(contextOf(0), block, hex(key, block));
  hex(iv, ivs);
  const length = hex(clear, textOf(0));
  hex(sealed, single);
  place(0, 0, 0, length);
  cbcEncryptBatch(list, 1);
  const right = memory.compare(textOf(0), single, length) == 0;
  cbcDecryptBatch(list, 1);
  hex(clear, single);
  return right && memory.compare(textOf(0), single, length) == 0;
}

function ctrCase(key: string, nonceAndIv: string, clear: string, sealed: string): bool {
  keyRecord(contextOf(0), block, hex(key, block));
  const length = hex(clear, textOf(0));
  const job = place(0, 0, 0, length);
  hex(nonceAndIv, nonceOf(job));
  hex(sealed, single);
  ctrBatch(list, 1);
  return memory.compare(textOf(0), single, length) == 0;
}

/** The MAC of the first `length` octets at textOf(0). */
function macCase(mac: u32, length: u32, expected: string): bool {
  place(0, 0, 0, length);
  cbcMacBatch(mac, list, 1, macs);
  hex(expected, block);
  return memory.compare(macs, block, 16) == 0;
}

const SP_800_38A: string =
  "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51" +
  "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
const COUNTING: string = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

describe("batched AES modes", () => {
  test("CBC: SP 800-38A, F.2, for the three key sizes, and RFC 3602, 4, cases 1 and 2", () => {
    const iv = "000102030405060708090a0b0c0d0e0f";
    expect(
      cbcCase(
        "2b7e151628aed2a6abf7158809cf4f3c",
        iv,
        SP_800_38A,
        "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2" +
          "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
      ),
    ).toBe(true);
    expect(
      cbcCase(
        "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        iv,
        SP_800_38A,
        "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a" +
          "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
      ),
    ).toBe(true);
    expect(
      cbcCase(
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        iv,
        SP_800_38A,
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d" +
          "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
      ),
    ).toBe(true);
    expect(
      cbcCase(
        "06a9214036b8a15b512e03d534120006",
        "3dafba429d9eb430b422da802c9fac41",
        "53696e676c6520626c6f636b206d7367",
        "e353779c1079aeb82708942dbe77181a",
      ),
    ).toBe(true);
    expect(
      cbcCase(
        "c286696d887c9aa0611bbb3e2025a45a",
        "562e17996d093d28ddb3ba695a2e6f58",
        COUNTING,
        "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
      ),
    ).toBe(true);
  });

  test("CTR: RFC 3686, 6, vectors 1 and 2", () => {
    expect(
      ctrCase(
        "ae6852f8121067cc4bf7a5765577f39e",
        "000000300000000000000000",
        "53696e676c6520626c6f636b206d7367",
        "e4095d4fb7a7b3792d6175a3261311b8",
      ),
    ).toBe(true);
    expect(
      ctrCase(
        "7e24067817fae0d743d6ce1f32539163",
        "006cb6dbc0543b59da48d90b",
        COUNTING,
        "5104a106168a72d9790d41ee8edad388eb2e1efc46da57c8fce630df9141be28",
      ),
    ).toBe(true);
  });

  test("CMAC: RFC 4493, 4; XCBC: RFC 3566, 4.6", () => {
    keyRecord(contextOf(0) + CONTEXT_MAC, block, hex("2b7e151628aed2a6abf7158809cf4f3c", block));
    hex(SP_800_38A, textOf(0));
    expect(macCase(MAC_AES_CMAC, 0, "bb1d6929e95937287fa37d129b756746")).toBe(true);
    expect(macCase(MAC_AES_CMAC, 16, "070a16b46b4d4144f79bdd9dd04a287c")).toBe(true);
    expect(macCase(MAC_AES_CMAC, 40, "dfa66747de9ae63030ca32611497c827")).toBe(true);
    expect(macCase(MAC_AES_CMAC, 64, "51f0bebf7e3b9d92fc49741779363cfe")).toBe(true);
    hex(COUNTING, block);
    keyRecord(contextOf(0) + CONTEXT_MAC, block, 16);
    for (let i: u32 = 0; i < 64; i++) store<u8>(textOf(0) + i, <u8>i);
    expect(macCase(MAC_AES_XCBC, 0, "75f0251d528ac01c4573dfd584d79f29")).toBe(true);
    expect(macCase(MAC_AES_XCBC, 3, "5b376580ae2f19afe7219ceef172756f")).toBe(true);
    expect(macCase(MAC_AES_XCBC, 16, "d2a246fa349b68a79998a4394ff7a263")).toBe(true);
    expect(macCase(MAC_AES_XCBC, 20, "47f51b4564966215b8985c63055ed308")).toBe(true);
    expect(macCase(MAC_AES_XCBC, 32, "f54f0ec8d2b9f3d36807734bd5283fd4")).toBe(true);
    expect(macCase(MAC_AES_XCBC, 34, "becbb3bccdb518a30677d5481fb6b4d8")).toBe(true);
  });

  test("every count, length and key gives the octets of single packets, with two slots and with enough", () => {
    expect(AES_CONTEXT_OCTETS <= 512 && CBC_MAC_CONTEXT_OCTETS <= 512).toBe(true);
    fill(associated, 512);
    arenaResetAt(room, room + 131072);
    expect(keyCacheReset(0, 0)).toBe(true);
    expect(everything()).toBe(0);
    expect(keyCacheReset(0, 40)).toBe(true);
    expect(everything()).toBe(0);
    drawKeys(32);
    const misses = keyCacheMisses();
    let wrong = cbcRound(16, 16);
    for (let i = 0; i < 3; i++) wrong += cbcRound(16, 16);
    expect(wrong).toBe(0);
    expect(keyCacheMisses() - misses <= 16).toBe(true);
    arenaResetAt(room, room + AES_SLOT_OCTETS);
    expect(keyCacheReset(0, 3)).toBe(false);
    expect(keyCacheReset(0, 0)).toBe(true);
  });

  test("CBC takes every length of whole blocks and leaves others alone; CCM leaves other tag lengths alone", () => {
    let wrong: u32 = 0;
    drawKeys(32);
    for (let length: u32 = 0; length <= 2400; length += 16) {
      fill(textOf(0), STRIDE);
      memory.copy(before, textOf(0), STRIDE);
      place(0, 0, 3, length);
      cbcEncryptBatch(list, 1);
      memory.copy(single, before + 3, length);
      keyOf(jobOf(list, 0));
      cbcEncrypt(expanded, ivs, single, length);
      if (memory.compare(single, textOf(0) + 3, length) != 0) wrong += 1;
      cbcDecryptBatch(list, 1);
      if (memory.compare(before, textOf(0), STRIDE) != 0) wrong += 1;
    }
    expect(wrong).toBe(0);
    for (let length: u32 = 1; length < 16; length++) {
      const job = place(0, 0, 0, 32 + length);
      cbcEncryptBatch(list, 1);
      wrong += job.done;
      cbcDecryptBatch(list, 1);
      wrong += job.done;
    }
    for (let tagLength: u32 = 0; tagLength < 24; tagLength++) {
      if (tagLength == 8 || tagLength == 12 || tagLength == 16) continue;
      const job = place(0, 0, 0, 32);
      job.tagLength = tagLength;
      wrong += ccmSealBatch(list, 1) + job.done;
      wrong += ccmOpenBatch(list, 1) + job.done;
    }
    expect(wrong).toBe(0);
    expect(memory.compare(before, textOf(0), STRIDE)).toBe(0);
  });

  test("a wiped key leaves nothing of itself in the cache, and its record no way to the slot", () => {
    arenaResetAt(room, room + 131072);
    memory.fill(room, 0, 131072);
    expect(keyCacheReset(0, 4)).toBe(true);
    drawKeys(32);
    fill(textOf(0), 64);
    place(0, 0, 0, 64);
    cbcEncryptBatch(list, 1);
    cbcMacBatch(MAC_AES_CMAC, list, 1, macs);
    let rest: u32 = 0;
    for (let p = room; p < room + 131072; p++) rest |= load<u8>(p);
    expect(rest).not.toBe(0);
    keyWipe(contextOf(0));
    keyWipe(contextOf(0) + CONTEXT_MAC);
    rest = 0;
    for (let p = room; p < room + 131072; p++) rest |= load<u8>(p);
    for (let i: usize = 0; i < 112; i++) rest |= load<u8>(contextOf(0) + i);
    expect(rest).toBe(0);
    expect(keyCacheReset(0, 0)).toBe(true);
  });
});
