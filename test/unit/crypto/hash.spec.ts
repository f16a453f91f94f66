/** Hashes, HMAC, the PRFs and prf+: typed examples of FIPS 180-4, RFC 4231, 3566, 4434, 4615, and every division of a message. */
import {
  hash,
  HASH_CONTEXT_OCTETS,
  HASH_SHA1,
  HASH_SHA256,
  HASH_SHA384,
  HASH_SHA512,
  hashFinal,
  hashInit,
  hashOctets,
  hashUpdate,
} from "../../../assembly/crypto/hash";
import { hmac } from "../../../assembly/crypto/hmac";
import { hashSelfTest } from "../../../assembly/crypto/hash_self_test";
import {
  prf,
  PRF_AES128_CMAC,
  PRF_AES128_XCBC,
  PRF_HMAC_SHA2_256,
  PRF_HMAC_SHA2_512,
  prfOctets,
} from "../../../assembly/crypto/prf";
import { prfPlus } from "../../../assembly/crypto/prf_plus";

const context: usize = memory.data(256, 16);
const message: usize = memory.data(512, 16);
const out: usize = memory.data(512, 16);
const other: usize = memory.data(512, 16);

/** First 8 octets of the digests of "abc" (FIPS 180-4 examples), SHA-1 to SHA-512. */
// prettier-ignore
const abc: usize = memory.data<u8>([
  0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a,
  0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
  0xcb, 0x00, 0x75, 0x3f, 0x45, 0xa3, 0x5e, 0x8b,
  0xdd, 0xaf, 0x35, 0xa1, 0x93, 0x61, 0x7a, 0xba,
]);

/** RFC 4231, 4.3: key "Jefe", "what do ya want for nothing?", HMAC-SHA-256. */
// prettier-ignore
const jefe: usize = memory.data<u8>([
  0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
  0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43,
]);

/** RFC 4434, 2.1 (keys of 10 and 18 octets) and RFC 4615, 4 (18 and 10): key and message count up from 0, 20 octets. */
// prettier-ignore
const blockPrfs: usize = memory.data<u8>([
  0x0f, 0xa0, 0x87, 0xaf, 0x7d, 0x86, 0x6e, 0x76, 0x53, 0x43, 0x4e, 0x60, 0x2f, 0xdd, 0xe8, 0x35,
  0x8c, 0xd3, 0xc9, 0x3a, 0xe5, 0x98, 0xa9, 0x80, 0x30, 0x06, 0xff, 0xb6, 0x7c, 0x40, 0xe9, 0xe4,
  0x84, 0xa3, 0x48, 0xa4, 0xa4, 0x5d, 0x23, 0x5b, 0xab, 0xff, 0xfc, 0x0d, 0x2b, 0x4d, 0xa0, 0x9a,
  0x29, 0x0d, 0x9e, 0x11, 0x2e, 0xdb, 0x09, 0xee, 0x14, 0x1f, 0xcf, 0x64, 0xc0, 0xb7, 0x2f, 0x3d,
]);

function count(): void {
  for (let i: usize = 0; i < 512; i++) store<u8>(message + i, <u8>i);
}

function text(value: string, to: usize): u32 {
  for (let i = 0; i < value.length; i++) store<u8>(to + i, <u8>value.charCodeAt(i));
  return value.length;
}

describe("hash", () => {
  test("the digest of abc, FIPS 180-4", () => {
    const length = text("abc", message);
    let wrong = 0;
    for (let id = HASH_SHA1; id <= HASH_SHA512; id++) {
      hash(id, message, length, out);
      if (memory.compare(out, abc + 8 * (id - 1), 8) != 0) wrong += 1;
    }
    expect(wrong).toBe(0);
  });

  test("a message divided in three at any two octets", () => {
    count();
    let wrong = 0;
    for (let id = HASH_SHA1; id <= HASH_SHA512; id++) {
      hash(id, message, 270, other);
      for (let a: u32 = 0; a <= 270; a += 3) {
        for (let b = a; b <= 270; b += 17) {
          hashInit(context, id);
          hashUpdate(context, message, a);
          hashUpdate(context, message + a, b - a);
          hashUpdate(context, message + b, 270 - b);
          hashFinal(context, out);
          if (memory.compare(out, other, hashOctets(id)) != 0) wrong += 1;
        }
      }
    }
    expect(wrong).toBe(0);
  });

  test("a finished context holds nothing", () => {
    let left: u32 = 0;
    hashInit(context, HASH_SHA384);
    hashUpdate(context, message, 200);
    hashFinal(context, out);
    for (let i: u32 = 0; i < HASH_CONTEXT_OCTETS; i++) left |= load<u8>(context + i);
    expect(left).toBe(0);
  });

  test("lengths of digests; what is unknown has none", () => {
    expect(hashOctets(HASH_SHA1)).toBe(20);
    expect(hashOctets(HASH_SHA256)).toBe(32);
    expect(hashOctets(0)).toBe(0);
    expect(hashOctets(5)).toBe(0);
  });

  test("the power-on self test passes", () => {
    expect(hashSelfTest()).toBe(true);
  });
});

describe("hmac and prf", () => {
  test("RFC 4231, 4.3", () => {
    const key = text("Jefe", message);
    const length = text("what do ya want for nothing?", message + 16);
    hmac(HASH_SHA256, message, key, message + 16, length, out);
    expect(memory.compare(out, jefe, 32)).toBe(0);
    prf(PRF_HMAC_SHA2_256, message, key, message + 16, length, out);
    expect(memory.compare(out, jefe, 32)).toBe(0);
  });

  test("RFC 4434, 2.1 and RFC 4615, 4: keys that are not 16 octets", () => {
    count();
    memory.copy(other, message, 16);
    store<u8>(other, 0xed, 16);
    store<u8>(other, 0xcb, 17);
    let wrong = 0;
    prf(PRF_AES128_XCBC, message, 10, message, 20, out);
    if (memory.compare(out, blockPrfs, 16) != 0) wrong += 1;
    prf(PRF_AES128_XCBC, other, 18, message, 20, out);
    if (memory.compare(out, blockPrfs + 16, 16) != 0) wrong += 2;
    prf(PRF_AES128_CMAC, other, 18, message, 20, out);
    if (memory.compare(out, blockPrfs + 32, 16) != 0) wrong += 4;
    prf(PRF_AES128_CMAC, message, 10, message, 20, out);
    if (memory.compare(out, blockPrfs + 48, 16) != 0) wrong += 8;
    expect(wrong).toBe(0);
  });

  test("MD5 and the unknown are not supported", () => {
    expect(prfOctets(1)).toBe(0);
    expect(prfOctets(3)).toBe(0);
    expect(prfOctets(9)).toBe(0);
    expect(prfOctets(PRF_HMAC_SHA2_512)).toBe(64);
  });

  test("prf+ begins with prf(K, S | 01), and what is shorter is a prefix", () => {
    count();
    store<u8>(message, 1, 40);
    prf(PRF_HMAC_SHA2_256, message, 32, message, 41, other);
    prfPlus(PRF_HMAC_SHA2_256, message, 32, message, 40, out, 100);
    let wrong = memory.compare(out, other, 32);
    for (let length: u32 = 0; length <= 100; length++) {
      memory.fill(other, 0xa5, 128);
      prfPlus(PRF_HMAC_SHA2_256, message, 32, message, 40, other, length);
      if (memory.compare(out, other, length) != 0 || load<u8>(other + length) != 0xa5) wrong += 1;
    }
    expect(wrong).toBe(0);
  });
});
