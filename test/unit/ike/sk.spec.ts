/**
 * The SK payload (RFC 7296 3.14, RFC 5282) with every suite that IKE may agree on: what one end seals the other opens, in both
 * directions, and nothing that was altered.
 */
import { drbgSeed } from "../../../assembly/crypto/drbg";
import { Transform, transformFind } from "../../../assembly/crypto/transform";
import { connectionsReset } from "../../../assembly/ike/connection";
import { childSasReset } from "../../../assembly/ike/child_sa";
import { IkeSa, ikeKey, ikeSaTake, ikeSasReset, ikeSuite } from "../../../assembly/ike/ike_sa";
import { skContent, skContentLength, skOpen, skSeal } from "../../../assembly/ike/sk";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { PAYLOAD_HEADER, messageBegin, payloadBegin, payloadEnd, write8 } from "../../../assembly/wire/ike_message";
import { encryptedBegin } from "../../../assembly/wire/ike_payload/encrypted";

const arena: usize = memory.data(14 << 20, 64);
const seed: usize = memory.data(64, 8);
const message: usize = memory.data(1024, 16);
const copy: usize = memory.data(1024, 16);

const BODY: u32 = 37;
const NONCE_PAYLOAD: u32 = 40;

function take(initiator: bool, encryption: u32, bits: u32, integrity: u32): IkeSa {
  const sa = ikeSaTake(initiator)!;
  const suite = ikeSuite(sa);
  suite.encryption = encryption;
  suite.keyBits = bits;
  suite.integrity = integrity;
  suite.prf = 5;
  for (let key: u32 = 0; key < 7; key++) {
    for (let i: u32 = 0; i < 64; i++) store<u8>(ikeKey(sa, key) + i, <u8>(17 * key + 3 * i + 1));
  }
  return sa;
}

/** A message with one payload of BODY octets, sealed by `from`; its octets. */
function seal(from: IkeSa, row: Transform): u32 {
  const w = messageBegin(message, 1024, 1, 2, 37, 0, 5);
  const sk = encryptedBegin(w, row.ivOctets);
  payloadBegin(w, NONCE_PAYLOAD);
  for (let i: u32 = 0; i < BODY; i++) write8(w, i);
  payloadEnd(w);
  return skSeal(from, w, sk);
}

/** 0 when all is well, else the number of what is not. */
function story(encryption: u32, bits: u32, integrity: u32): u32 {
  drbgSeed(seed, 64);
  arenaResetAt(arena, arena + (14 << 20));
  assert(connectionsReset() && ikeSasReset() && childSasReset());
  const row = changetype<Transform>(transformFind(encryption, bits, integrity));
  if (changetype<usize>(row) == 0) return 1;
  const a = take(true, encryption, bits, integrity);
  const b = take(false, encryption, bits, integrity);
  for (let turn: u32 = 0; turn < 2; turn++) {
    const from = turn == 0 ? a : b;
    const to = turn == 0 ? b : a;
    const length = seal(from, row);
    if (length == 0) return 2;
    const sk = message + 28;
    // The first inner payload's type, then a critical bit and reserved bits that are zero (3.2).
    if (<u32>load<u8>(sk) != NONCE_PAYLOAD || load<u8>(sk, 1) != 0) return 3;
    if (<u32>bswap<u16>(load<u16>(sk, 2)) != length - 28) return 4;
    const body = sk + PAYLOAD_HEADER;
    const octets = length - 32;
    memory.copy(copy, message, length);
    for (let i: u32 = 0; i < length; i++) {
      store<u8>(message + i, load<u8>(message + i) ^ 0x10);
      if (skOpen(to, message, body, octets)) return 1000 + i;
      store<u8>(message + i, load<u8>(message + i) ^ 0x10);
      if (memory.compare(message, copy, length) != 0) return 2000 + i;
    }
    for (let cut: u32 = 0; cut < octets; cut++) {
      if (skOpen(to, message, body, cut)) return 3000 + cut;
      if (memory.compare(message, copy, length) != 0) return 4000 + cut;
    }
    if (!skOpen(to, message, body, octets)) return 5;
    if (skContentLength != BODY + PAYLOAD_HEADER) return 6;
    for (let i: u32 = 0; i < BODY; i++) {
      if (<u32>load<u8>(skContent + PAYLOAD_HEADER + i) != i) return 7;
    }
    // The same payload again is another message: the IV moved on.
    seal(from, row);
    if (memory.compare(body, copy + 32, row.ivOctets) == 0) return 8;
  }
  return 0;
}

function combined(encryption: u32): u32 {
  for (let bits: u32 = 128; bits <= 256; bits += 64) {
    const wrong = story(encryption, bits, 0);
    if (wrong != 0) return wrong;
  }
  return 0;
}

function separate(encryption: u32): u32 {
  for (let bits: u32 = 128; bits <= 256; bits += 64) {
    for (let integrity: u32 = 2; integrity <= 14; integrity++) {
      if (transformFind(encryption, bits, integrity) == 0) continue;
      const wrong = story(encryption, bits, integrity);
      if (wrong != 0) return wrong;
    }
  }
  return 0;
}

describe("SK payload", () => {
  test("AES-GCM with each ICV", () => {
    for (let encryption: u32 = 18; encryption <= 20; encryption++) expect(combined(encryption)).toBe(0);
  });
  test("AES-CCM with each ICV", () => {
    for (let encryption: u32 = 14; encryption <= 16; encryption++) expect(combined(encryption)).toBe(0);
  });
  test("ChaCha20-Poly1305", () => expect(story(28, 0, 0)).toBe(0));
  test("AES-CBC with each integrity", () => expect(separate(12)).toBe(0));
  test("AES-CTR with each integrity", () => expect(separate(13)).toBe(0));
});
