/** Postquantum preshared keys (RFC 8784): names, and the keys that are replaced, kept and taken back. */
import { PRF_HMAC_SHA2_256 } from "../../../assembly/crypto/prf";
import { drbgSeed } from "../../../assembly/crypto/drbg";
import { connectionsReset } from "../../../assembly/ike/connection";
import {
  IkeSa,
  KEY_D,
  KEY_D_WITHOUT,
  KEY_PI,
  KEY_PR,
  KEY_PR_WITHOUT,
  ikeKey,
  ikeSaTake,
  ikeSasReset,
  ikeSuite,
} from "../../../assembly/ike/ike_sa";
import { PPK_NONE, PPK_USED, ppkIdOctets, ppkKeep, ppkTake, ppkTakeBack } from "../../../assembly/ike/ppk";
import { arenaResetAt } from "../../../assembly/rt/arena";

const arena: usize = memory.data(14 << 20, 64);
const given: usize = memory.data(96, 8);
const name: usize = memory.data(300, 8);

function fresh(): IkeSa {
  memory.fill(given, 0x5a, 96);
  drbgSeed(given, 64);
  arenaResetAt(arena, 14 << 20);
  assert(connectionsReset() && ikeSasReset(), "room");
  const sa = ikeSaTake(true)!;
  ikeSuite(sa).prf = PRF_HMAC_SHA2_256;
  memory.fill(ikeKey(sa, KEY_D), 1, 32);
  memory.fill(ikeKey(sa, KEY_PI), 2, 32);
  memory.fill(ikeKey(sa, KEY_PR), 3, 32);
  for (let i: u32 = 0; i < 3; i++) memory.fill(given + i * 32, <u8>(0xd0 + i), 32);
  return sa;
}

function filled(p: usize, value: u8): bool {
  for (let i = 0; i < 32; i++) if (load<u8>(p + i) != value) return false;
  return true;
}

describe("PPK", () => {
  it("replaces SK_d, SK_pi and SK_pr", () => {
    const sa = fresh();
    expect(ppkTake(sa, given, 96)).toBe(true);
    expect(
      filled(ikeKey(sa, KEY_D), 0xd0) && filled(ikeKey(sa, KEY_PI), 0xd1) && filled(ikeKey(sa, KEY_PR), 0xd2),
    ).toBe(true);
  });

  it("wipes what it has replaced when it is used for good", () => {
    const sa = fresh();
    ppkTake(sa, given, 96);
    ppkKeep(sa);
    expect(sa.ppk).toBe(PPK_USED);
    expect(filled(ikeKey(sa, KEY_D_WITHOUT), 0) && filled(ikeKey(sa, KEY_PR_WITHOUT), 0)).toBe(true);
    expect(filled(ikeKey(sa, KEY_D), 0xd0)).toBe(true);
  });

  it("is taken back without a trace", () => {
    const sa = fresh();
    ppkTake(sa, given, 96);
    ppkTakeBack(sa);
    expect(sa.ppk).toBe(PPK_NONE);
    expect(filled(ikeKey(sa, KEY_D), 1) && filled(ikeKey(sa, KEY_PI), 2) && filled(ikeKey(sa, KEY_PR), 3)).toBe(true);
    expect(filled(ikeKey(sa, KEY_D_WITHOUT), 0)).toBe(true);
  });

  it("takes no keys of another length, and leaves what is there", () => {
    const sa = fresh();
    expect(ppkTake(sa, given, 0) || ppkTake(sa, given, 95) || ppkTake(sa, given, 97)).toBe(false);
    expect(filled(ikeKey(sa, KEY_D), 1)).toBe(true);
  });

  it("knows names of PPK_ID_FIXED alone", () => {
    store<u8>(name, 2);
    expect(ppkIdOctets(name, 6)).toBe(5);
    expect(ppkIdOctets(name, 256)).toBe(255);
    expect(ppkIdOctets(name, 1) + ppkIdOctets(name, 0) + ppkIdOctets(name, 257)).toBe(0);
    store<u8>(name, 1);
    expect(ppkIdOctets(name, 6)).toBe(0);
  });
});
