/**
 * Known answers for the hashes, MACs and modes of this build: part of a board's power-on self test, which refuses service
 * on a mismatch. One message of 200 octets, 0, 1, 2 ..., so that whole and incomplete blocks of every hash occur.
 *
 * Batches of HMAC pass through every lane of the abreast kernels and through the scalar one, which warms them up as well.
 * The expected octets come from OpenSSL, XCBC and CMAC from their definitions over its AES.
 */
import { equalConstantTime } from "../rt/bytes";
import { aesInit, AES_CONTEXT_OCTETS } from "./aes";
import { cbcDecrypt, cbcEncrypt } from "./cbc";
import { ccmInit, ccmOpen, ccmSeal } from "./ccm";
import { ctrCrypt } from "./ctr";
import { hash, HASH_SHA1, HASH_SHA256, HASH_SHA512, hashOctets } from "./hash";
import { hmac } from "./hmac";
import { hmacBatch, hmacKey } from "./hmac_batch";
import { CIPHER_BATCH, CIPHER_CONTEXT_OCTETS, CIPHER_JOB_OCTETS, CipherJob, jobOf } from "./job";
import { prf, PRF_AES128_CMAC, PRF_AES128_XCBC } from "./prf";

const MESSAGE_OCTETS: u32 = 200;
const CBC_OCTETS: u32 = 192;

/** HMAC with SHA-1, SHA-256, SHA-384, SHA-512 of the message, key its first 32 octets. */
// prettier-ignore
const macs: usize = memory.data<u8>([
  0x25, 0x26, 0x88, 0xe0, 0x7d, 0xe3, 0xc2, 0x23, 0xde, 0xfd, 0xe3, 0x89, 0xab, 0x1d, 0x9a, 0x5a,
  0xad, 0x64, 0x54, 0x26, 0xc4, 0xd7, 0x83, 0x16, 0xaa, 0x3d, 0xe9, 0xce, 0x6b, 0xd0, 0xb2, 0xe6,
  0x1c, 0x4f, 0x4d, 0xd6, 0xbd, 0xf0, 0xec, 0x95, 0xaa, 0xb8, 0x4a, 0xb8, 0x7f, 0xc2, 0xa1, 0x19,
  0x03, 0x99, 0x1a, 0xd3, 0x4d, 0x13, 0x10, 0x15, 0x3f, 0xc3, 0x58, 0x26, 0xe1, 0x33, 0x71, 0x15,
  0x8e, 0xaf, 0x98, 0x29, 0x4a, 0x6a, 0xe7, 0xa2, 0xd2, 0xf9, 0xb1, 0x9e, 0x47, 0x06, 0x65, 0xe0,
  0x36, 0xbf, 0x4a, 0x95, 0x33, 0x1e, 0xfc, 0xb6, 0x4a, 0x68, 0x66, 0x10, 0x58, 0xc0, 0xae, 0x51,
  0x73, 0x70, 0xb3, 0x69, 0xc0, 0x05, 0x1d, 0x02, 0x1d, 0x3d, 0x1b, 0x61, 0x04, 0x1a, 0x6d, 0x01,
  0xc7, 0x5c, 0x61, 0x18, 0xeb, 0xb9, 0x2b, 0xf6, 0xbf, 0xae, 0x9c, 0x2d, 0xc7, 0x02, 0x6a, 0x51,
  0xa1, 0x60, 0x78, 0xb6, 0x48, 0x7f, 0xde, 0xda, 0x16, 0x46, 0x7b, 0xd2, 0x1d, 0xe1, 0x11, 0x89,
  0x81, 0x07, 0x67, 0x18, 0x98, 0xf2, 0x11, 0x92, 0xe6, 0x33, 0x73, 0xc9, 0x10, 0x67, 0xe0, 0xc6,
  0x5d, 0x5f, 0xd2, 0xfe,
]);

/** XCBC and CMAC of the message, key its first 16 octets. */
// prettier-ignore
const blockMacs: usize = memory.data<u8>([
  0xf4, 0xab, 0xc3, 0xce, 0x95, 0xc7, 0x18, 0x8e, 0xae, 0x80, 0x6e, 0xbf, 0x19, 0xae, 0x78, 0x21,
  0xfd, 0x16, 0xdb, 0xc7, 0xe2, 0xb5, 0xa5, 0x19, 0xfa, 0x40, 0x64, 0x7f, 0x57, 0x86, 0x61, 0x66,
]);

/** SHA-256 of what AES-256-CBC, AES-256-CTR and AES-256-CCM (tag behind) make of the message. */
// prettier-ignore
const modes: usize = memory.data<u8>([
  0xa9, 0x62, 0x3c, 0x58, 0xd2, 0xff, 0x5a, 0x75, 0xb0, 0x91, 0xec, 0xf4, 0x04, 0xf3, 0x7e, 0x7d,
  0x71, 0xc4, 0xfe, 0x74, 0x81, 0x02, 0xfa, 0x8a, 0x8e, 0xa6, 0xa5, 0x95, 0x41, 0xe0, 0xf1, 0x57,
  0x1b, 0x33, 0x9e, 0x12, 0xf7, 0x0f, 0xc6, 0xba, 0x9f, 0x84, 0xff, 0x9e, 0x1d, 0xe8, 0xb2, 0x80,
  0xab, 0xc9, 0x77, 0x4c, 0x0c, 0x27, 0x33, 0x92, 0xec, 0x05, 0x7d, 0x2d, 0xc0, 0x4a, 0x95, 0x4f,
  0x52, 0x2d, 0xb6, 0x38, 0x0f, 0xb3, 0x04, 0xca, 0x95, 0xd1, 0x1a, 0xf8, 0xe8, 0xf6, 0xfb, 0x8c,
  0x08, 0xbf, 0xee, 0x6e, 0x57, 0xe9, 0xd6, 0x8b, 0xa4, 0x35, 0xb2, 0xb0, 0x33, 0x0d, 0x16, 0xa0,
]);

/** For each hash, SHA-256 of the sixteen MACs that hmacBatch makes of the texts of hmacBatchSelfTest. */
// prettier-ignore
const batches: usize = memory.data<u8>([
  0xde, 0x51, 0x69, 0xc9, 0x40, 0x69, 0xf3, 0xde, 0x26, 0x15, 0xeb, 0xa5, 0x57, 0x0c, 0x61, 0x4c,
  0x02, 0x52, 0xb6, 0xca, 0x88, 0x8c, 0x3b, 0x5e, 0x6b, 0x70, 0x9d, 0xcc, 0x5a, 0x9b, 0xbf, 0x61,
  0xad, 0xe9, 0xf3, 0xec, 0x9a, 0x79, 0xf5, 0xc8, 0xd2, 0x6c, 0x32, 0xba, 0x78, 0xeb, 0x43, 0xbe,
  0xa9, 0x53, 0xa7, 0x7c, 0x84, 0xe8, 0xf8, 0x8f, 0x97, 0x99, 0xaf, 0x04, 0xd7, 0xba, 0x6c, 0xf4,
  0xd0, 0xb3, 0xe4, 0x2d, 0x11, 0xc9, 0x8c, 0xc6, 0x66, 0xf5, 0x43, 0xbb, 0x90, 0x02, 0x67, 0x60,
  0xe9, 0xa0, 0x83, 0x7d, 0x8e, 0xdb, 0xbc, 0x2e, 0xdf, 0x16, 0x7c, 0xd5, 0xa6, 0xfd, 0xa1, 0x01,
  0xbe, 0x91, 0xb9, 0xf5, 0xdf, 0x55, 0xc6, 0xc6, 0x09, 0x2c, 0xc4, 0xf3, 0x98, 0x1a, 0x6b, 0x81,
  0x44, 0xb7, 0x75, 0xd3, 0xa6, 0x46, 0x38, 0xac, 0x0f, 0xbc, 0x4e, 0x4e, 0x99, 0x02, 0x16, 0xc9,
]);

const message: usize = memory.data(MESSAGE_OCTETS, 16);
const work: usize = memory.data(MESSAGE_OCTETS + 16, 16);
const digest: usize = memory.data(64, 16);
const context: usize = memory.data(AES_CONTEXT_OCTETS, 16);
const hmacContext: usize = memory.data(CIPHER_CONTEXT_OCTETS, 16);
const jobs: usize = memory.data(CIPHER_BATCH * CIPHER_JOB_OCTETS, 16);
const list: usize = memory.data(CIPHER_BATCH * 4, 16);
const places: usize = memory.data(CIPHER_BATCH * 64, 16);

function hashIs(p: usize, length: u32, expected: usize): bool {
  hash(HASH_SHA256, p, length, digest);
  return equalConstantTime(digest, expected, 32);
}

function reload(): void {
  memory.copy(work, message, MESSAGE_OCTETS);
}

function workIsMessage(): bool {
  return equalConstantTime(work, message, MESSAGE_OCTETS);
}

/** True when every hash, MAC and mode gives its known answer. */
export function hashSelfTest(): bool {
  for (let i: u32 = 0; i < MESSAGE_OCTETS; i++) store<u8>(message + i, <u8>i);
  let expected = macs;
  for (let id = HASH_SHA1; id <= HASH_SHA512; id++) {
    hmac(id, message, 32, message, MESSAGE_OCTETS, digest);
    if (!equalConstantTime(digest, expected, hashOctets(id))) return false;
    expected += hashOctets(id);
  }
  if (!hmacBatchSelfTest()) return false;
  prf(PRF_AES128_XCBC, message, 16, message, MESSAGE_OCTETS, digest);
  if (!equalConstantTime(digest, blockMacs, 16)) return false;
  prf(PRF_AES128_CMAC, message, 16, message, MESSAGE_OCTETS, digest);
  if (!equalConstantTime(digest, blockMacs + 16, 16)) return false;
  return cbcSelfTest() && ctrSelfTest() && ccmSelfTest();
}

/**
 * HMAC over batches: sixteen of the message in every place (so in every lane), then texts of sixteen lengths and alignments,
 * text i being 12 i + 4 octets from octet i on, in lists of 16, of 1 and of 3.
 */
function hmacBatchSelfTest(): bool {
  let expected = macs;
  for (let id = HASH_SHA1; id <= HASH_SHA512; id++) {
    const octets = hashOctets(id);
    hmacKey(hmacContext, id, message, 32);
    for (let i: u32 = 0; i < CIPHER_BATCH; i++) {
      const job = changetype<CipherJob>(jobs + <usize>(i * CIPHER_JOB_OCTETS));
      job.context = <u32>hmacContext;
      job.text = <u32>message;
      job.textLength = MESSAGE_OCTETS;
      store<u32>(list + ((<usize>i) << 2), <u32>changetype<usize>(job));
    }
    hmacBatch(id, list, CIPHER_BATCH, places);
    for (let i: usize = 0; i < CIPHER_BATCH; i++) {
      if (!equalConstantTime(places + (i << 6), expected, octets)) return false;
    }
    expected += octets;
    for (let i: u32 = 0; i < CIPHER_BATCH; i++) {
      jobOf(list, i).text = <u32>message + i;
      jobOf(list, i).textLength = 12 * i + 4;
    }
    const known = batches + ((<usize>(id - HASH_SHA1)) << 5);
    hmacBatch(id, list, CIPHER_BATCH, places);
    if (!placesAre(octets, known)) return false;
    for (let i: u32 = 0; i < CIPHER_BATCH; ) {
      const count: u32 = (i & 3) == 0 ? 1 : 3;
      hmacBatch(id, list + ((<usize>i) << 2), count, places + ((<usize>i) << 6));
      i += count;
    }
    if (!placesAre(octets, known)) return false;
  }
  memory.fill(places, 0, CIPHER_BATCH * 64);
  return true;
}

/** SHA-256 of the sixteen MACs in a row; the places are then empty for the next. */
function placesAre(octets: u32, expected: usize): bool {
  for (let i: usize = 1; i < CIPHER_BATCH; i++) memory.copy(places + i * octets, places + (i << 6), octets);
  const right = hashIs(places, CIPHER_BATCH * octets, expected);
  memory.fill(places, 0, CIPHER_BATCH * 64);
  return right;
}

function cbcSelfTest(): bool {
  reload();
  aesInit(context, message, 32);
  cbcEncrypt(context, message, work, CBC_OCTETS);
  if (!hashIs(work, CBC_OCTETS, modes)) return false;
  cbcDecrypt(context, message, work, CBC_OCTETS);
  return workIsMessage();
}

function ctrSelfTest(): bool {
  reload();
  aesInit(context, message, 32);
  ctrCrypt(context, message, message + 4, work, MESSAGE_OCTETS);
  if (!hashIs(work, MESSAGE_OCTETS, modes + 32)) return false;
  ctrCrypt(context, message, message + 4, work, MESSAGE_OCTETS);
  return workIsMessage();
}

function ccmSelfTest(): bool {
  const tag = work + MESSAGE_OCTETS;
  reload();
  ccmInit(context, message, 32);
  ccmSeal(context, message, 11, message, 12, work, MESSAGE_OCTETS, tag, 16);
  if (!hashIs(work, MESSAGE_OCTETS + 16, modes + 64)) return false;
  store<u8>(tag, load<u8>(tag) ^ 1);
  if (ccmOpen(context, message, 11, message, 12, work, MESSAGE_OCTETS, tag, 16)) return false;
  store<u8>(tag, load<u8>(tag) ^ 1);
  return ccmOpen(context, message, 11, message, 12, work, MESSAGE_OCTETS, tag, 16) && workIsMessage();
}
