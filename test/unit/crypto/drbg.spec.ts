/** HMAC_DRBG: the sequence for a seed that counts up from 0 (64 octets), worked out from SP 800-90A, 10.1.2 over OpenSSL's HMAC. */
import { drbgDraw, drbgGenerate, drbgReseed, drbgSeed, drbgU32 } from "../../../assembly/crypto/drbg";

const seed: usize = memory.data(64, 16);
const out: usize = memory.data(128, 16);
const requested: usize = memory.data(512, 16);
const drawn: usize = memory.data(512, 16);

/** The last 16 octets of a request of 80, and of a second one; then octets 1 to 32 of one of 33 after a reseed. */
// prettier-ignore
const expected: usize = memory.data<u8>([
  0x61, 0xb4, 0x1b, 0x7d, 0x8c, 0x99, 0x16, 0x02, 0x19, 0x78, 0xe3, 0xf6, 0x41, 0x18, 0xca, 0x08,
  0xa0, 0x3e, 0xd8, 0xb5, 0x97, 0x27, 0xd0, 0x0d, 0x44, 0xde, 0x7a, 0x07, 0x33, 0xd2, 0x2c, 0xd4,
  0x06, 0x3d, 0xd4, 0xa5, 0xf6, 0x52, 0xca, 0x6c, 0x08, 0x41, 0x03, 0x0c, 0x6c, 0xa1, 0x94, 0x85,
  0x0c, 0x69, 0x63, 0xe4, 0x62, 0x8d, 0x0d, 0x53, 0x41, 0x63, 0xf0, 0x98, 0xd0, 0xa7, 0x00, 0xe3,
]);

function start(): void {
  for (let i: usize = 0; i < 64; i++) store<u8>(seed + i, <u8>i);
  drbgSeed(seed, 64);
}

describe("drbg", () => {
  test("two requests and one after a reseed", () => {
    start();
    let wrong = 0;
    drbgGenerate(out, 80);
    if (memory.compare(out + 64, expected, 16) != 0) wrong += 1;
    drbgGenerate(out, 80);
    if (memory.compare(out + 64, expected + 16, 16) != 0) wrong += 2;
    drbgReseed(seed, 32);
    drbgGenerate(out, 33);
    if (memory.compare(out + 1, expected + 32, 32) != 0) wrong += 4;
    expect(wrong).toBe(0);
  });

  test("the same seed begins again; numbers differ from one another", () => {
    start();
    const first = drbgU32();
    const second = drbgU32();
    start();
    expect(drbgU32()).toBe(first);
    expect(second == first).toBe(false);
  });

  test("what is drawn in pieces are requests' octets in their order, each once", () => {
    start();
    drbgGenerate(requested, 256);
    drbgGenerate(requested + 256, 256);
    start();
    let at: u32 = 0;
    for (let length: u32 = 1; at + length <= 512; length += 3) {
      drbgDraw(drawn + at, length);
      at += length;
    }
    drbgDraw(drawn + at, 512 - at);
    expect(memory.compare(requested, drawn, 512)).toBe(0);
  });

  test("a reseed leaves nothing to draw of what was requested before", () => {
    start();
    drbgGenerate(requested, 256);
    drbgReseed(seed, 32);
    drbgGenerate(requested, 256);
    start();
    drbgDraw(drawn, 16);
    drbgReseed(seed, 32);
    drbgDraw(drawn, 64);
    expect(memory.compare(requested, drawn, 64)).toBe(0);
  });
});
