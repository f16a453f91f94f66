/** Transport mode: whose selectors travel so, what a NAT makes of them, and answers that nobody asked for. */
import {
  MODE_TRANSPORT,
  MODE_TUNNEL,
  SELECTOR_END,
  SELECTOR_OCTETS,
  SELECTOR_START,
} from "../../../assembly/abi/message";
import { ChildSa } from "../../../assembly/ike/child_sa";
import { IkeSa, NAT_LOCAL, NAT_REMOTE, ikeSaTake, ikeSasReset } from "../../../assembly/ike/ike_sa";
import { connectionsReset } from "../../../assembly/ike/connection";
import { transportAnswered, transportFits, transportTranslate } from "../../../assembly/ike/transport_mode";
import { drbgSeed } from "../../../assembly/crypto/drbg";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { loadBE32, storeBE32 } from "../../../assembly/rt/bytes";
import { addressSetIpv4 } from "../../../assembly/wire/ip_address";

const LOCAL: u32 = 0xc0000201;
const REMOTE: u32 = 0xc0000202;
const PRIVATE: u32 = 0x0a000001;

const arena: usize = memory.data(14 << 20, 64);
const local: usize = memory.data(2 * SELECTOR_OCTETS, 8);
const remote: usize = memory.data(2 * SELECTOR_OCTETS, 8);
const child: usize = memory.data(512, 8);

function put(at: usize, i: u32, start: u32, end: u32, family: u8 = 4): void {
  const s = at + <usize>i * SELECTOR_OCTETS;
  memory.fill(s, 0, SELECTOR_OCTETS);
  store<u8>(s, family);
  storeBE32(s + SELECTOR_START, start);
  storeBE32(s + SELECTOR_END, end);
}

function fresh(nat: u32): IkeSa {
  drbgSeed(local, 64);
  arenaResetAt(arena, 14 << 20);
  assert(connectionsReset() && ikeSasReset(), "room");
  const sa = ikeSaTake(true)!;
  addressSetIpv4(sa.local, LOCAL);
  addressSetIpv4(sa.remote, REMOTE);
  sa.nat = nat;
  put(local, 0, LOCAL, LOCAL);
  put(remote, 0, REMOTE, REMOTE);
  return sa;
}

describe("transport mode", () => {
  it("is for the two ends' own addresses, all of them", () => {
    const sa = fresh(0);
    expect(transportFits(sa, local, 1, remote, 1)).toBe(true);
    expect(transportFits(sa, local, 0, remote, 1)).toBe(false, "nothing is no host");
    put(local, 1, LOCAL, LOCAL + 1);
    expect(transportFits(sa, local, 2, remote, 1)).toBe(false, "a second selector is a range");
    put(local, 1, LOCAL, LOCAL, 6);
    expect(transportFits(sa, local, 2, remote, 1)).toBe(false, "of another family");
    put(remote, 0, PRIVATE, PRIVATE);
    expect(transportFits(sa, local, 1, remote, 1)).toBe(false, "somebody else's address");
  });

  it("takes a NAT's address for the host behind it, on the side of the NAT, and of hosts alone", () => {
    let sa = fresh(NAT_REMOTE);
    put(remote, 0, PRIVATE, PRIVATE);
    put(remote, 1, PRIVATE, PRIVATE + 1);
    put(local, 0, PRIVATE, PRIVATE);
    transportTranslate(sa, local, 1, remote, 2);
    expect(loadBE32(remote + SELECTOR_START)).toBe(REMOTE);
    expect(loadBE32(remote + SELECTOR_END)).toBe(REMOTE);
    expect(loadBE32(remote + SELECTOR_OCTETS + SELECTOR_START)).toBe(PRIVATE, "a range stays");
    expect(loadBE32(local + SELECTOR_START)).toBe(PRIVATE, "no NAT on our side");
    sa = fresh(NAT_LOCAL);
    put(local, 0, PRIVATE, PRIVATE);
    transportTranslate(sa, local, 1, remote, 1);
    expect(transportFits(sa, local, 1, remote, 1)).toBe(true);
  });

  it("is never granted to who has not asked", () => {
    const sa = fresh(0);
    const c = changetype<ChildSa>(child);
    c.mode = MODE_TUNNEL;
    expect(transportAnswered(sa, c, true)).toBe(false);
    expect(transportAnswered(sa, c, false)).toBe(true);
    c.mode = MODE_TRANSPORT;
    expect(transportAnswered(sa, c, true)).toBe(true);
    expect(c.mode).toBe(MODE_TRANSPORT);
  });
});
