/** AES-GCM on the board's side: test cases 1 to 4 of the specification, refusals, the cache of keys, the self test. */
import { arenaResetAt } from "../../../assembly/rt/arena";
import { GCM_CONTEXT_OCTETS, gcmInit, gcmOpen, gcmSeal, gcmWipe } from "../../../assembly/crypto/gcm";
import { gcmOpenBatch, gcmSealBatch } from "../../../assembly/crypto/gcm_batch";
import { gcmSelfTest } from "../../../assembly/crypto/gcm_self_test";
import { CIPHER_JOB_OCTETS, CipherJob, nonceOf } from "../../../assembly/crypto/job";
import { KEY_SLOT_OCTETS, keyCacheMisses, keyCacheReset } from "../../../assembly/crypto/key_cache";

const contexts: usize = memory.data(8 * 48, 16);
const key: usize = memory.data(32, 16);
const nonce: usize = memory.data(16, 16);
const text: usize = memory.data(2048, 16);
const copy: usize = memory.data(2048, 16);
const jobs: usize = memory.data(16 * 128, 16);
const list: usize = memory.data(16 * 4, 16);
const room: usize = memory.data(200000, 64);

/** Test cases 1 and 2: key, nonce and text are zeros. */
// prettier-ignore
const emptyTag: usize = memory.data<u8>([
  0x58, 0xe2, 0xfc, 0xce, 0xfa, 0x7e, 0x30, 0x61, 0x36, 0x7f, 0x1d, 0x57, 0xa4, 0xe7, 0x45, 0x5a,
]);
// prettier-ignore
const zeroBlock: usize = memory.data<u8>([
  0x03, 0x88, 0xda, 0xce, 0x60, 0xb6, 0xa3, 0x92, 0xf3, 0x28, 0xc2, 0xb9, 0x71, 0xb2, 0xfe, 0x78,
  0xab, 0x6e, 0x47, 0xd4, 0x2c, 0xec, 0x13, 0xbd, 0xf5, 0x3a, 0x67, 0xb2, 0x12, 0x57, 0xbd, 0xdf,
]);

function zeros(): void {
  memory.fill(key, 0, 32);
  memory.fill(nonce, 0, 16);
  memory.fill(text, 0, 2048);
}

describe("gcm", () => {
  test("test cases 1 and 2 of the GCM specification", () => {
    zeros();
    gcmInit(contexts, key, 16);
    gcmSeal(contexts, nonce, text, 0, text, 0, text);
    expect(memory.compare(text, emptyTag, 16)).toBe(0);
    zeros();
    gcmSeal(contexts, nonce, text, 0, text, 16, text + 16);
    expect(memory.compare(text, zeroBlock, 32)).toBe(0);
    expect(gcmOpen(contexts, nonce, text, 0, text, 16, text + 16, 16)).toBe(true);
  });

  test("a message that fails is left as it came, whatever octet is wrong", () => {
    zeros();
    gcmInit(contexts, key, 32);
    const length: u32 = 300;
    gcmSeal(contexts, nonce, key, 13, text, length, text + length);
    let opened = 0;
    let touched = 0;
    for (let at: u32 = 0; at < length + 16; at += 7) {
      store<u8>(text + at, load<u8>(text + at) ^ 1);
      memory.copy(copy, text, length + 16);
      if (gcmOpen(contexts, nonce, key, 13, text, length, text + length, 16)) opened += 1;
      if (memory.compare(copy, text, length + 16) != 0) touched += 1;
      store<u8>(text + at, load<u8>(text + at) ^ 1);
    }
    if (gcmOpen(contexts, nonce, key, 12, text, length, text + length, 16)) opened += 1;
    if (gcmOpen(contexts, nonce, key, 13, text, length - 1, text + length, 16)) opened += 1;
    for (let tagLength: u32 = 0; tagLength < 40; tagLength++) {
      if (tagLength == 8 || tagLength == 12 || tagLength == 16) continue;
      if (gcmOpen(contexts, nonce, key, 13, text, length, text + length, tagLength)) opened += 1;
    }
    expect(opened).toBe(0);
    expect(touched).toBe(0);
    expect(gcmOpen(contexts, nonce, key, 13, text, length, text + length, 16)).toBe(true);
  });

  test("a batch with several keys gives the octets of single messages", () => {
    let wrong = 0;
    for (let k: u32 = 0; k < 3; k++) {
      memory.fill(key, <u8>k, 32);
      gcmInit(contexts + <usize>(k * GCM_CONTEXT_OCTETS), key, 16 + 8 * k);
    }
    zeros();
    for (let i: u32 = 0; i < 12; i++) {
      const job = changetype<CipherJob>(jobs + <usize>(i * CIPHER_JOB_OCTETS));
      store<u32>(list + ((<usize>i) << 2), <u32>changetype<usize>(job));
      job.context = <u32>contexts + (i % 3) * GCM_CONTEXT_OCTETS;
      memory.copy(nonceOf(job), nonce, 12);
      job.aad = <u32>key;
      job.aadLength = 8;
      job.data = <u32>text + i * 160;
      job.length = i * 11;
      job.tag = job.data + job.length;
      job.tagLength = 16;
    }
    if (gcmSealBatch(list, 12) != 12) wrong += 1;
    for (let i: u32 = 0; i < 12; i++) {
      memory.fill(copy, 0, 160);
      const length = i * 11;
      gcmSeal(contexts + <usize>((i % 3) * GCM_CONTEXT_OCTETS), nonce, key, 8, copy, length, copy + length);
      if (memory.compare(copy, text + <usize>(i * 160), length + 16) != 0) wrong += 1;
    }
    store<u8>(text + 320, load<u8>(text + 320) ^ 1);
    if (gcmOpenBatch(list, 12) != 11) wrong += 1;
    if (changetype<CipherJob>(jobs + <usize>(2 * CIPHER_JOB_OCTETS)).done != 0) wrong += 1;
    expect(wrong).toBe(0);
  });

  test("keys that fall out of the cache are expanded again", () => {
    arenaResetAt(room, room + 200000);
    expect(keyCacheReset(3, 0)).toBe(true);
    let wrong = 0;
    for (let k: u32 = 0; k < 6; k++) {
      memory.fill(key, <u8>k, 32);
      gcmInit(contexts + <usize>(k * GCM_CONTEXT_OCTETS), key, 16);
    }
    expect(keyCacheMisses()).toBe(0);
    for (let round: u32 = 0; round < 3; round++) {
      for (let k: u32 = 0; k < 6; k++) {
        const context = contexts + <usize>(k * GCM_CONTEXT_OCTETS);
        zeros();
        gcmSeal(context, nonce, text, 0, text, 500, text + 500);
        if (!gcmOpen(context, nonce, text, 0, text, 500, text + 500, 16)) wrong += 1;
      }
    }
    expect(wrong).toBe(0);
    expect(keyCacheMisses()).toBe(18);
    arenaResetAt(room, room + KEY_SLOT_OCTETS);
    expect(keyCacheReset(3, 0)).toBe(false);
    expect(keyCacheReset(0, 0)).toBe(true);
  });

  test("the first message of a key, for which little is expanded, and later ones have the same octets", () => {
    let wrong = 0;
    zeros();
    gcmInit(contexts, key, 16);
    // This context has every table from its first message on.
    gcmSeal(contexts, nonce, text, 0, text, 1900, text + 1900);
    for (let length: u32 = 0; length < 1200; length++) {
      const aad = length % 35;
      gcmInit(contexts + GCM_CONTEXT_OCTETS, key, 16);
      for (let time = 0; time < 3; time++) {
        const context = time == 2 ? contexts : contexts + GCM_CONTEXT_OCTETS;
        for (let i: u32 = 0; i < length; i++) store<u8>(copy + i, <u8>(i * 7));
        gcmSeal(context, nonce, key, aad, copy, length, copy + length);
        if (time == 0) memory.copy(text, copy, length + 16);
        else if (memory.compare(text, copy, length + 16) != 0) wrong += 1;
      }
      if (!gcmOpen(contexts, nonce, key, aad, copy, length, copy + length, 16)) wrong += 1;
      gcmWipe(contexts + GCM_CONTEXT_OCTETS);
    }
    expect(wrong).toBe(0);
  });

  test("of what was expanded nothing is left, however much it was", () => {
    let rest: u64 = 0;
    for (let length: u32 = 1; length < 2000; length = length * 3) {
      memory.fill(room, 0, 200000);
      arenaResetAt(room, room + 200000);
      keyCacheReset(3, 0);
      zeros();
      gcmInit(contexts, key, 16);
      for (let time = 0; time < 3; time++) gcmSeal(contexts, nonce, key, 8, text, length, text + length);
      let seen: u64 = 0;
      for (let i: usize = 0; i < 3 * KEY_SLOT_OCTETS; i += 8) seen |= load<u64>(room + i);
      expect(seen != 0).toBe(true);
      gcmWipe(contexts);
      for (let i: usize = 0; i < 3 * KEY_SLOT_OCTETS; i += 8) rest |= load<u64>(room + i);
    }
    expect(rest).toBe(0);
    expect(keyCacheReset(0, 0)).toBe(true);
  });

  test("a wiped context is empty", () => {
    gcmInit(contexts, key, 32);
    gcmSeal(contexts, nonce, text, 0, text, 16, text + 16);
    gcmWipe(contexts);
    let rest: u32 = 0;
    for (let i: usize = 0; i < GCM_CONTEXT_OCTETS; i++) rest |= load<u8>(contexts + i);
    expect(rest).toBe(0);
  });

  test("the self test passes", () => {
    expect(gcmSelfTest()).toBe(true);
  });
});
