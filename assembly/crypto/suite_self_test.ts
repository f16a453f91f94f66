/**
 * Power-on self test of the cipher suites: known answers through every kernel of the build, by batches of sixteen packets of
 * mixed lengths, so that each lane and each rest is used.
 *
 * The packets are patterns; each suite's answer is the start of SHA-256 over its sixteen sealed packets. Other implementations
 * computed them, which test/host/suite_self_test.test.ts does again. After that each packet must open to what it was, and none
 * may open with one bit of its ICV wrong.
 *
 * The test also warms the board up: engines compile what is called often, and the first packets should not be the ones that
 * wait for it.
 */
import { storeBE32, storeBE64, zeroize } from "../rt/bytes";
import { HASH_SHA256, hash } from "./hash";
import { CIPHER_BATCH, CIPHER_CONTEXT_OCTETS, CIPHER_JOB_OCTETS, CipherJob } from "./job";
import { suiteInit, suiteJob, suiteOpenBatch, suiteSealBatch, suiteWipe } from "./suite";
import { KERNEL_CBC, Transform, transformFind } from "./transform";

/** Octets of a packet's room: header 8, IV up to 16, at most 465 of data (480 for CBC), ICV up to 32. */
export const SELF_TEST_ROOM: u32 = 544;
const HEADER: u32 = 8;
/** How often the kernels are run: enough for engines to take notice. */
const ROUNDS: u32 = 4;

/** Encryption, key bits, integrity, first four octets of the answer. */
const CASE_OCTETS: usize = 16;
const CASES: u32 = 17;
// prettier-ignore
const cases: usize = memory.data<u32>([
  20, 128,  0, 0x50562e66,
  20, 192,  0, 0x95ea26b1,
  20, 256,  0, 0xc0fc3488,
  28,   0,  0, 0xb62ef62d,
  16, 128,  0, 0x66b7f3a2,
  15, 192,  0, 0xf7d84443,
  14, 256,  0, 0x47df4159,
  21, 128,  0, 0xf632da5a,
  21, 256,  0, 0x4adb5936,
  12, 128, 12, 0xaad7ec41,
  12, 192, 13, 0x89e06fa9,
  12, 256, 14, 0xcbbe80fa,
  13, 128,  2, 0x3dd7f575,
  13, 192,  5, 0x33f72b0d,
  13, 256,  8, 0x10aa21f1,
  11,   0, 12, 0x3205704b,
  11,   0,  2, 0xd70342b0,
]);

const context: usize = memory.data(CIPHER_CONTEXT_OCTETS, 16);
const jobs: usize = memory.data(CIPHER_BATCH * CIPHER_JOB_OCTETS, 64);
const list: usize = memory.data(CIPHER_BATCH * 4, 16);
const keymat: usize = memory.data(128, 16);
const packets: usize = memory.data(CIPHER_BATCH * 544, 64);
const digest: usize = memory.data(32, 16);

// @ts-ignore: decorator
@inline
function jobAt(i: u32): CipherJob {
  return changetype<CipherJob>(jobs + <usize>(i * CIPHER_JOB_OCTETS));
}

// @ts-ignore: decorator
@inline
function packetAt(i: u32): usize {
  return packets + <usize>(i * SELF_TEST_ROOM);
}

/** Octet `at` of packet `i`'s data. */
// @ts-ignore: decorator
@inline
function pattern(i: u32, at: u32): u8 {
  return <u8>(7 * at + 13 * i);
}

/** Octets of packet `i`'s data. */
function lengthOf(t: Transform, i: u32): u32 {
  const length = 31 * i;
  return t.kernel == KERNEL_CBC ? (length + 16) & ~15 : length;
}

/** Writes the sixteen clear packets and their jobs. */
function prepare(t: Transform): void {
  memory.fill(packets, 0, CIPHER_BATCH * SELF_TEST_ROOM);
  for (let i: u32 = 0; i < CIPHER_BATCH; i++) {
    const p = packetAt(i);
    const length = lengthOf(t, i);
    storeBE32(p, 0x01020304);
    storeBE32(p + 4, i + 1);
    if (t.ivOctets != 0) storeBE64(p + HEADER + t.ivOctets - 8, i + 1);
    const data = p + HEADER + t.ivOctets;
    for (let at: u32 = 0; at < length; at++) store<u8>(data + at, pattern(i, at));
    suiteJob(jobAt(i), context, p, HEADER, length);
    store<u32>(list + ((<usize>i) << 2), <u32>changetype<usize>(jobAt(i)));
  }
}

/** The jobs once more, for packets as they lie: their nonces are made of the IVs. */
function prepareOpen(t: Transform): void {
  for (let i: u32 = 0; i < CIPHER_BATCH; i++) suiteJob(jobAt(i), context, packetAt(i), HEADER, lengthOf(t, i));
}

/** True when the data of every packet are clear. */
function isClear(t: Transform): bool {
  let different: u32 = 0;
  for (let i: u32 = 0; i < CIPHER_BATCH; i++) {
    const data = packetAt(i) + HEADER + t.ivOctets;
    const length = lengthOf(t, i);
    for (let at: u32 = 0; at < length; at++) different |= (<u32>load<u8>(data + at)) ^ (<u32>pattern(i, at));
  }
  return different == 0;
}

function flipIcvs(t: Transform): void {
  for (let i: u32 = 0; i < CIPHER_BATCH; i++) {
    const icv = packetAt(i) + HEADER + t.ivOctets + lengthOf(t, i);
    store<u8>(icv + (i % t.icvOctets), load<u8>(icv + (i % t.icvOctets)) ^ 1);
  }
}

/** Seals the packets of a case; the first four octets of SHA-256 over them. */
export function selfTestAnswer(encryption: u32, keyBits: u32, integrity: u32): u32 {
  const row = transformFind(encryption, keyBits, integrity);
  const t = changetype<Transform>(row);
  for (let i: u32 = 0; i < 128; i++) store<u8>(keymat + i, <u8>(11 * i + encryption));
  suiteInit(context, row, keymat);
  prepare(t);
  suiteSealBatch(list, CIPHER_BATCH);
  hash(HASH_SHA256, packets, CIPHER_BATCH * SELF_TEST_ROOM, digest);
  return bswap<u32>(load<u32>(digest));
}

function passes(encryption: u32, keyBits: u32, integrity: u32, answer: u32): bool {
  if (selfTestAnswer(encryption, keyBits, integrity) != answer) return false;
  const t = changetype<Transform>(transformFind(encryption, keyBits, integrity));
  flipIcvs(t);
  prepareOpen(t);
  if (suiteOpenBatch(list, CIPHER_BATCH) != 0) return false;
  flipIcvs(t);
  prepareOpen(t);
  return suiteOpenBatch(list, CIPHER_BATCH) == CIPHER_BATCH && isClear(t);
}

/** True when every kernel gives the known answers. */
export function suiteSelfTest(): bool {
  let good = true;
  for (let round: u32 = 0; round < ROUNDS; round++) {
    for (let i: u32 = 0; i < CASES; i++) {
      const at = cases + <usize>i * CASE_OCTETS;
      good = passes(load<u32>(at), load<u32>(at, 4), load<u32>(at, 8), load<u32>(at, 12)) && good;
    }
  }
  suiteWipe(context);
  zeroize(jobs, CIPHER_BATCH * CIPHER_JOB_OCTETS);
  zeroize(keymat, 128);
  return good;
}
