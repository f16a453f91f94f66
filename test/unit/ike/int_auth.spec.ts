/** IntAuth (RFC 9242 section 3.3.2): two messages of a chain, for which the HMACs were computed apart. */
import { PRF_HMAC_SHA2_256 } from "../../../assembly/crypto/prf";
import { drbgSeed } from "../../../assembly/crypto/drbg";
import { connectionsReset } from "../../../assembly/ike/connection";
import { IkeSa, KEY_PI, KEY_PR, ikeKey, ikeSaTake, ikeSasReset, ikeSuite } from "../../../assembly/ike/ike_sa";
import { intAuthAdd, intAuthOctets, intAuthWrite } from "../../../assembly/ike/int_auth";
import { arenaResetAt } from "../../../assembly/rt/arena";

const arena: usize = memory.data(14 << 20, 64);
const header: usize = memory.data(32, 8);
const inner: usize = memory.data(8, 8);
const written: usize = memory.data(128, 8);
const expected: usize = memory.data(32, 8);

function digit(c: i32): u32 {
  return c <= 57 ? c - 48 : c - 87;
}

function hex(digits: string): usize {
  for (let i = 0; i < digits.length >>> 1; i++) {
    store<u8>(expected + i, <u8>((digit(digits.charCodeAt(2 * i)) << 4) | digit(digits.charCodeAt(2 * i + 1))));
  }
  return expected;
}

const ONE = "5879873703c223f523069111626842bd472006dfec472f209e4184a77017bd94";
const TWO = "47f978fe86b3527a5b20f961b6e34b4ea8a43d097515831f840ff0151c9f645e";

/** An initiator; the header of its message `id`, whose length and next payload are those of what was on the wire. */
function fresh(initiator: bool): IkeSa {
  memory.fill(written, 0x5a, 64);
  drbgSeed(written, 64);
  arenaResetAt(arena, 14 << 20);
  assert(connectionsReset() && ikeSasReset(), "room");
  const sa = ikeSaTake(initiator)!;
  ikeSuite(sa).prf = PRF_HMAC_SHA2_256;
  memory.fill(ikeKey(sa, KEY_PI), initiator ? 2 : 9, 32);
  memory.fill(ikeKey(sa, KEY_PR), initiator ? 9 : 2, 32);
  memory.fill(header, 0, 28);
  memory.fill(header, 0x11, 8);
  memory.fill(header + 8, 0x22, 8);
  store<u8>(header, 53, 16);
  store<u8>(header, 0x20, 17);
  store<u8>(header, 43, 18);
  store<u8>(header, 8, 19);
  store<u8>(header, 1, 23);
  store<u32>(header, 0xffffffff, 24);
  store<u64>(inner, bswap<u64>(0x000000080024000a));
  return sa;
}

describe("IntAuth", () => {
  it("is nothing where no IKE_INTERMEDIATE was", () => {
    expect(intAuthOctets(fresh(true))).toBe(0);
  });

  it("chains our messages and the peer's apart, whatever length and fragments they had", () => {
    for (let initiator = 0; initiator < 2; initiator++) {
      const sa = fresh(initiator == 1);
      // With the roles exchanged the same key is the other side's.
      intAuthAdd(sa, true, header, 34, inner, 8);
      intAuthAdd(sa, false, header, 34, inner, 8);
      expect(intAuthOctets(sa)).toBe(68);
      intAuthWrite(sa, written);
      expect(memory.compare(written + (initiator == 1 ? 0 : 32), hex(ONE), 32)).toBe(0);
      expect(load<u32>(written, 64)).toBe(bswap<u32>(2));
      store<u8>(header, 2, 23);
      intAuthAdd(sa, true, header, 34, inner, 8);
      intAuthWrite(sa, written);
      expect(memory.compare(written + (initiator == 1 ? 0 : 32), hex(TWO), 32)).toBe(0);
      expect(load<u32>(written, 64)).toBe(bswap<u32>(3));
    }
  });
});
