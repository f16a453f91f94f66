/**
 * Batches of ChaCha20-Poly1305: the examples of RFC 8439 2.8.2 and RFC 7634, and mixed batches of every length and alignment
 * against the algorithm written down a block at a time.
 */
import { chacha20XorBlock } from "../../../assembly/crypto/chacha20";
import { chachaOpenBatch, chachaSealBatch } from "../../../assembly/crypto/chacha_batch";
import { CIPHER_BATCH, CIPHER_CONTEXT_OCTETS, CIPHER_JOB_OCTETS, jobOf, nonceOf } from "../../../assembly/crypto/job";
import { poly1305Final, poly1305Init } from "../../../assembly/crypto/poly1305";

const CONTEXTS: u32 = 3;
const ROOM: usize = 2048;
const GUARD: u8 = 0xa7;

const contexts: usize = memory.data(192 * 3, 16);
const jobs: usize = memory.data(128 * 16, 16);
const list: usize = memory.data(64, 16);
/** Per job: packets with guard octets around them; what sealing must give (with the tag behind); what went in. */
const packets: usize = memory.data(2048 * 16, 16);
const expected: usize = memory.data(2048 * 16, 16);
const plain: usize = memory.data(2048 * 16, 16);
const aads: usize = memory.data(128 * 16, 16);
const message: usize = memory.data(24576, 16);
/** A packet longer than the keystream that opening puts aside. */
const long: usize = memory.data(24576, 16);
const longSealed: usize = memory.data(24576, 16);
const poly: usize = memory.data(64, 16);
const polyKey: usize = memory.data(64, 16);
const nonce: usize = memory.data(16, 16);
const block: usize = memory.data(64, 16);

/** RFC 8439 2.8.2: ciphertext | tag of 114 octets, key 80..9f. */
// prettier-ignore
const sunscreen: usize = memory.data<u8>([
  0xd3, 0x1a, 0x8d, 0x34, 0x64, 0x8e, 0x60, 0xdb, 0x7b, 0x86, 0xaf, 0xbc, 0x53, 0xef, 0x7e, 0xc2,
  0xa4, 0xad, 0xed, 0x51, 0x29, 0x6e, 0x08, 0xfe, 0xa9, 0xe2, 0xb5, 0xa7, 0x36, 0xee, 0x62, 0xd6,
  0x3d, 0xbe, 0xa4, 0x5e, 0x8c, 0xa9, 0x67, 0x12, 0x82, 0xfa, 0xfb, 0x69, 0xda, 0x92, 0x72, 0x8b,
  0x1a, 0x71, 0xde, 0x0a, 0x9e, 0x06, 0x0b, 0x29, 0x05, 0xd6, 0xa5, 0xb6, 0x7e, 0xcd, 0x3b, 0x36,
  0x92, 0xdd, 0xbd, 0x7f, 0x2d, 0x77, 0x8b, 0x8c, 0x98, 0x03, 0xae, 0xe3, 0x28, 0x09, 0x1b, 0x58,
  0xfa, 0xb3, 0x24, 0xe4, 0xfa, 0xd6, 0x75, 0x94, 0x55, 0x85, 0x80, 0x8b, 0x48, 0x31, 0xd7, 0xbc,
  0x3f, 0xf4, 0xde, 0xf0, 0x8e, 0x4b, 0x7a, 0x9d, 0xe5, 0x76, 0xd2, 0x65, 0x86, 0xce, 0xc6, 0x4b,
  0x61, 0x16, 0x1a, 0xe1, 0x0b, 0x59, 0x4f, 0x09, 0xe2, 0x6a, 0x7e, 0x90, 0x2e, 0xcb, 0xd0, 0x60,
  0x06, 0x91,
]);
/** RFC 7634 appendix A: inner packet, padding, pad length and next header; ciphertext | tag. Key 80..9f, nonce a0a1a2a3 | 10..17. */
// prettier-ignore
const espPlain: usize = memory.data<u8>([
  0x45, 0x00, 0x00, 0x54, 0xa6, 0xf2, 0x00, 0x00, 0x40, 0x01, 0xe7, 0x78, 0xc6, 0x33, 0x64, 0x05,
  0xc0, 0x00, 0x02, 0x05, 0x08, 0x00, 0x5b, 0x7a, 0x3a, 0x08, 0x00, 0x00, 0x55, 0x3b, 0xec, 0x10,
  0x00, 0x07, 0x36, 0x27, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13,
  0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23,
  0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33,
  0x34, 0x35, 0x36, 0x37, 0x01, 0x02, 0x02, 0x04,
]);
// prettier-ignore
const espSealed: usize = memory.data<u8>([
  0x24, 0x03, 0x94, 0x28, 0xb9, 0x7f, 0x41, 0x7e, 0x3c, 0x13, 0x75, 0x3a, 0x4f, 0x05, 0x08, 0x7b,
  0x67, 0xc3, 0x52, 0xe6, 0xa7, 0xfa, 0xb1, 0xb9, 0x82, 0xd4, 0x66, 0xef, 0x40, 0x7a, 0xe5, 0xc6,
  0x14, 0xee, 0x80, 0x99, 0xd5, 0x28, 0x44, 0xeb, 0x61, 0xaa, 0x95, 0xdf, 0xab, 0x4c, 0x02, 0xf7,
  0x2a, 0xa7, 0x1e, 0x7c, 0x4c, 0x4f, 0x64, 0xc9, 0xbe, 0xfe, 0x2f, 0xac, 0xc6, 0x38, 0xe8, 0xf3,
  0xcb, 0xec, 0x16, 0x3f, 0xac, 0x46, 0x9b, 0x50, 0x27, 0x73, 0xf6, 0xfb, 0x94, 0xe6, 0x64, 0xda,
  0x91, 0x65, 0xb8, 0x28, 0x29, 0xf6, 0x41, 0xe0, 0x76, 0xaa, 0xa8, 0x26, 0x6b, 0x7f, 0xb0, 0xf7,
  0xb1, 0x1b, 0x36, 0x99, 0x07, 0xe1, 0xad, 0x43,
]);
// prettier-ignore
const espAad: usize = memory.data<u8>([
  0x01, 0x02, 0x03, 0x04, 0x00, 0x00, 0x00, 0x05,
]);
/** RFC 7634 appendix B: header and generic payload header; payload; ciphertext | tag. */
// prettier-ignore
const ikeAad: usize = memory.data<u8>([
  0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7,
  0x2e, 0x20, 0x25, 0x00, 0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x00, 0x45, 0x29, 0x00, 0x00, 0x29,
]);
// prettier-ignore
const ikePlain: usize = memory.data<u8>([
  0x00, 0x00, 0x00, 0x0c, 0x00, 0x00, 0x40, 0x01, 0x00, 0x00, 0x00, 0x0a, 0x00,
]);
// prettier-ignore
const ikeSealed: usize = memory.data<u8>([
  0x61, 0x03, 0x94, 0x70, 0x1f, 0x8d, 0x01, 0x7f, 0x7c, 0x12, 0x92, 0x48, 0x89, 0x6b, 0x71, 0xbf,
  0xe2, 0x52, 0x36, 0xef, 0xd7, 0xcd, 0xc6, 0x70, 0x66, 0x90, 0x63, 0x15, 0xb2,
]);
// prettier-ignore
const espNonce: usize = memory.data<u8>([
  0xa0, 0xa1, 0xa2, 0xa3, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
]);

/** RFC 8439 2.8.2 */
const sunscreenNonce: usize = memory.data<u8>([7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47]);
const sunscreenAad: usize = memory.data<u8>([0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7]);

let drawn: u32 = 1;

/** xorshift32: the same in every run. */
function draw(): u32 {
  drawn ^= drawn << 13;
  drawn ^= drawn >>> 17;
  drawn ^= drawn << 5;
  return drawn;
}

function drawOctets(p: usize, length: usize): void {
  for (let i: usize = 0; i < length; i++) store<u8>(p + i, <u8>(draw() >>> 11));
}

function prepare(
  index: u32,
  context: usize,
  nonceFrom: usize,
  aad: usize,
  aadLength: u32,
  data: usize,
  length: u32,
): void {
  const record = jobs + <usize>(index * CIPHER_JOB_OCTETS);
  store<u32>(list + ((<usize>index) << 2), <u32>record);
  const job = jobOf(list, index);
  memory.copy(nonceOf(job), nonceFrom, 12);
  job.context = <u32>context;
  job.aad = <u32>aad;
  job.aadLength = aadLength;
  job.data = <u32>data;
  job.length = length;
  job.tag = <u32>(data + length);
  job.tagLength = 16;
  job.done = 7;
}

/** RFC 8439 2.8, a block at a time: ciphertext | tag to `out`. */
function twin(key: usize, nonceAt: usize, aad: usize, aadLength: u32, data: usize, length: u32, out: usize): void {
  memory.fill(polyKey, 0, 64);
  chacha20XorBlock(key, nonceAt, 0, polyKey);
  for (let at: u32 = 0; at < length; at += 64) {
    const octets = min<u32>(64, length - at);
    memory.copy(block, data + at, octets);
    chacha20XorBlock(key, nonceAt, 1 + at / 64, block);
    memory.copy(out + at, block, octets);
  }
  memory.fill(message, 0, 24576);
  memory.copy(message, aad, aadLength);
  let end = (aadLength + 15) & ~15;
  memory.copy(message + end, out, length);
  end += (length + 15) & ~15;
  store<u64>(message + end, aadLength);
  store<u64>(message + end, length, 8);
  poly1305Init(poly, polyKey);
  poly1305Final(poly, message, end + 16, out + length);
}

/** Draws job `index` with `length` octets at alignment `skew`, and makes what sealing it must give. */
function drawJob(index: u32, length: u32, skew: u32): void {
  const place = <usize>index * ROOM;
  const context = contexts + <usize>((draw() % CONTEXTS) * CIPHER_CONTEXT_OCTETS);
  const aad = aads + ((<usize>index) << 7) + (draw() & 15);
  const aadLength = (draw() & 3) == 0 ? draw() % 97 : 8 + ((draw() & 1) << 2);
  drawOctets(aad, aadLength);
  drawOctets(nonce, 12);
  drawOctets(plain + place, length);
  memory.fill(packets + place, GUARD, ROOM);
  const data = packets + place + 32 + skew;
  memory.copy(data, plain + place, length);
  prepare(index, context, nonce, aad, aadLength, data, length);
  twin(context, nonce, aad, aadLength, plain + place, length, expected + place);
}

/** Octets around a job's packet that were written. */
function guardsBroken(index: u32): i32 {
  const place = packets + <usize>index * ROOM;
  const job = jobOf(list, index);
  let broken = 0;
  for (let p = place; p < <usize>job.data; p++) if (load<u8>(p) != GUARD) broken += 1;
  for (let p = <usize>job.tag + 16; p < place + ROOM; p++) if (load<u8>(p) != GUARD) broken += 1;
  return broken;
}

/** Seals the `count` jobs that were drawn, forges some, opens all, repairs and opens the forged ones; what went wrong. */
function roundTrip(count: u32, forge: bool): i32 {
  let wrong = 0;
  if (chachaSealBatch(list, count) != count) wrong += 1;
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    if (job.done != 1) wrong += 1;
    if (memory.compare(job.data, expected + <usize>i * ROOM, job.length + 16) != 0) wrong += 1;
    wrong += guardsBroken(i);
  }
  let forged: u32 = 0;
  let right: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    if (!forge || (draw() & 1) == 0) {
      right += 1;
      continue;
    }
    forged |= 1 << i;
    const job = jobOf(list, i);
    if ((draw() & 1) == 0 || job.aadLength == 0) {
      const at = job.tag + (draw() & 15);
      store<u8>(at, load<u8>(at) ^ (<u8>((<u32>1) << (draw() & 7))));
    } else {
      store<u8>(job.aad, load<u8>(job.aad) ^ 1);
      store<u8>(aads + ((<usize>i) << 7), 1, 127);
    }
  }
  if (chachaOpenBatch(list, count) != right) wrong += 1;
  for (let i: u32 = 0; i < count; i++) {
    const job = jobOf(list, i);
    const refused = (forged & (1 << i)) != 0;
    if (job.done != (refused ? 0 : 1)) wrong += 1;
    const octets = (refused ? expected : plain) + <usize>i * ROOM;
    if (memory.compare(job.data, octets, job.length) != 0) wrong += 1;
    if (refused) {
      if (load<u8>(aads + ((<usize>i) << 7), 127) != 0) {
        store<u8>(job.aad, load<u8>(job.aad) ^ 1);
        store<u8>(aads + ((<usize>i) << 7), 0, 127);
      } else memory.copy(job.tag, expected + <usize>i * ROOM + job.length, 16);
      if (count < CIPHER_BATCH) {
        store<u32>(list + 60, <u32>changetype<usize>(job));
        if (chachaOpenBatch(list + 60, 1) != 1) wrong += 1;
        if (memory.compare(job.data, plain + <usize>i * ROOM, job.length) != 0) wrong += 1;
      }
    }
    wrong += guardsBroken(i);
  }
  return wrong;
}

function drawContexts(): void {
  drawOctets(contexts, CONTEXTS * CIPHER_CONTEXT_OCTETS);
}

function example(text: usize, length: u32, aad: usize, aadLength: u32, nonceFrom: usize, sealed: usize): i32 {
  let wrong = 0;
  for (let i: usize = 0; i < 32; i++) store<u8>(contexts + i, <u8>(0x80 + i));
  memory.copy(packets, text, length);
  prepare(0, contexts, nonceFrom, aad, aadLength, packets, length);
  if (chachaSealBatch(list, 1) != 1) wrong += 1;
  if (memory.compare(packets, sealed, length + 16) != 0) wrong += 1;
  if (chachaOpenBatch(list, 1) != 1) wrong += 1;
  if (memory.compare(packets, text, length) != 0) wrong += 1;
  return wrong;
}

describe("chacha_batch", () => {
  test("RFC 8439, 2.8.2", () => {
    const words =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
    for (let i = 0; i < words.length; i++) store<u8>(plain + i, <u8>words.charCodeAt(i));
    expect(example(plain, words.length, sunscreenAad, 12, sunscreenNonce, sunscreen)).toBe(0);
  });

  test("RFC 7634, appendix A: an ESP packet", () => {
    expect(example(espPlain, 88, espAad, 8, espNonce, espSealed)).toBe(0);
  });

  test("RFC 7634, appendix B: an IKE message", () => {
    expect(example(ikePlain, 13, ikeAad, 32, espNonce, ikeSealed)).toBe(0);
  });

  test("one packet of every length up to 600, at alignments in turn", () => {
    drawContexts();
    let wrong = 0;
    for (let length: u32 = 0; length <= 600; length++) {
      drawJob(0, length, length % 17);
      wrong += roundTrip(1, (length & 3) == 0);
    }
    expect(wrong).toBe(0);
  });

  test("batches of one to sixteen with mixed contexts, lengths and alignments", () => {
    let wrong = 0;
    for (let turn: u32 = 0; turn < 160; turn++) {
      if (turn % 16 == 0) drawContexts();
      const count: u32 = 1 + (turn % CIPHER_BATCH);
      const most: u32 = turn < 64 ? 80 : turn < 112 ? 300 : 1500;
      for (let i: u32 = 0; i < count; i++) drawJob(i, draw() % most, draw() & 15);
      wrong += roundTrip(count, (turn & 1) == 1);
    }
    expect(wrong).toBe(0);
  });

  test("batches of one length: every one up to 300 and around 1400", () => {
    drawContexts();
    let wrong = 0;
    for (let length: u32 = 0; length <= 300; length += 1) {
      const count: u32 = 2 + (length & 3);
      for (let i: u32 = 0; i < count; i++) drawJob(i, length, (length + i * 5) & 15);
      wrong += roundTrip(count, (length & 7) == 0);
    }
    for (let length: u32 = 1390; length <= 1410; length += 1) {
      for (let i: u32 = 0; i < 5; i++) drawJob(i, length, (length + i) & 15);
      wrong += roundTrip(5, (length & 7) == 0);
    }
    expect(wrong).toBe(0);
  });

  test("packets around and beyond 16 KiB, beside short ones", () => {
    drawContexts();
    let wrong = 0;
    for (let length: u32 = 16383; length <= 20002; length += length < 16386 ? 1 : 517) {
      drawOctets(longSealed, length);
      memory.copy(long, longSealed, length);
      drawJob(1, 100, 3);
      drawOctets(nonce, 12);
      prepare(0, contexts, nonce, aads, 8, long, length);
      twin(contexts, nonce, aads, 8, longSealed, length, longSealed);
      if (chachaSealBatch(list, 2) != 2) wrong += 1;
      if (memory.compare(long, longSealed, length + 16) != 0) wrong += 1;
      store<u8>(long + length, load<u8>(long + length) ^ 1);
      if (chachaOpenBatch(list, 2) != 1 || memory.compare(long, longSealed, length) != 0) wrong += 1;
      if (memory.compare(jobOf(list, 1).data, plain + ROOM, 100) != 0) wrong += 1;
      store<u8>(long + length, load<u8>(long + length) ^ 1);
      if (chachaOpenBatch(list, 1) != 1) wrong += 1;
      chachaSealBatch(list, 1);
      if (memory.compare(long, longSealed, length + 16) != 0) wrong += 1;
    }
    expect(wrong).toBe(0);
  });

  test("a tag of another length than 16 octets is refused and nothing is written", () => {
    let wrong = 0;
    for (let octets: u32 = 0; octets <= 17; octets++) {
      if (octets == 16) continue;
      drawJob(0, 100, 0);
      drawJob(1, 100, 0);
      jobOf(list, 0).tagLength = octets;
      if (chachaSealBatch(list, 2) != 1 || jobOf(list, 0).done != 0 || jobOf(list, 1).done != 1) wrong += 1;
      if (memory.compare(jobOf(list, 0).data, plain, 100) != 0) wrong += 1;
      memory.copy(jobOf(list, 0).data, expected, 116);
      if (chachaOpenBatch(list, 2) != 1 || jobOf(list, 0).done != 0 || jobOf(list, 1).done != 1) wrong += 1;
      if (memory.compare(jobOf(list, 0).data, expected, 116) != 0) wrong += 1;
      if (memory.compare(jobOf(list, 1).data, plain + ROOM, 100) != 0) wrong += 1;
    }
    expect(wrong).toBe(0);
  });

  test("no jobs", () => {
    expect(chachaSealBatch(list, 0) + chachaOpenBatch(list, 0)).toBe(0);
  });
});
