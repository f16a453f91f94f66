/**
 * `dynamic` in the traffic selectors of a configured child: the address of that end, which is its virtual IPs where it has some (RFC
 * 7296 section 2.19), with the protocol and the ports that stand with it.
 *
 * A shunt has no other end: for it `dynamic` is every address of either family, as with strongSwan.
 *
 * An initiator that has asked for virtual IPs and has no answer yet offers all addresses of those families; the responder narrows
 * them to what it gives.
 */
import { TS_DYNAMIC } from "../abi/management";
import { SELECTOR_END, SELECTOR_END_PORT, SELECTOR_FAMILY, SELECTOR_OCTETS, SELECTOR_START } from "../abi/message";
import { FAMILY_IPV4, IpAddress, addressFamily, addressOnWire } from "../wire/ip_address";
import { pairFind, pairLocal, pairRemote } from "./address_pair";
import {
  ChildConfig,
  TS_MAX,
  VIRTUAL_IP4,
  VIRTUAL_IP6,
  childLocalTs,
  childRemoteTs,
  connectionAt,
  isShunt,
} from "./connection";
import { IkeSa } from "./ike_sa";
import { selectorIntersect } from "./ts";
import { virtualAddress, virtualOctets } from "./virtual_ip";

/** The addresses of an end: one a family. */
const ends: usize = memory.data(2 * SELECTOR_OCTETS, 8);
let endCount: u32 = 0;
const any: usize = memory.data(SELECTOR_OCTETS, 8);
const one: usize = memory.data(SELECTOR_OCTETS, 8);

/** Adds a selector for the address at `p`, or for all of its family when that is 0. */
function endAdd(family: u32, p: usize): void {
  const to = ends + <usize>endCount * SELECTOR_OCTETS;
  const octets = virtualOctets(family);
  memory.fill(to, 0, SELECTOR_OCTETS);
  store<u8>(to, family == VIRTUAL_IP4 ? 4 : 6, SELECTOR_FAMILY);
  store<u16>(to, 65535, SELECTOR_END_PORT);
  if (p != 0) {
    memory.copy(to + SELECTOR_START, p, octets);
    memory.copy(to + SELECTOR_END, p, octets);
  } else memory.fill(to + SELECTOR_END, 0xff, octets);
  endCount += 1;
}

function endHost(address: IpAddress): void {
  endAdd(addressFamily(address) == FAMILY_IPV4 ? VIRTUAL_IP4 : VIRTUAL_IP6, addressOnWire(address));
}

/** The addresses of our end of an IKE_SA, or the peer's. */
function endsOf(sa: IkeSa, local: bool): void {
  endCount = 0;
  if (sa.virtualHeld != 0 && local == (sa.virtualOurs != 0)) {
    if ((sa.virtualHeld & VIRTUAL_IP4) != 0) endAdd(VIRTUAL_IP4, virtualAddress(sa, VIRTUAL_IP4));
    if ((sa.virtualHeld & VIRTUAL_IP6) != 0) endAdd(VIRTUAL_IP6, virtualAddress(sa, VIRTUAL_IP6));
  } else if (sa.virtualAsked != 0 && local) endsAny(sa.virtualAsked);
  else endHost(local ? sa.local : sa.remote);
}

function endsAny(families: u32): void {
  if ((families & VIRTUAL_IP4) != 0) endAdd(VIRTUAL_IP4, 0);
  if ((families & VIRTUAL_IP6) != 0) endAdd(VIRTUAL_IP6, 0);
}

/** Writes selectors to `out`, TS_MAX at most, with every `dynamic` one replaced by the addresses at hand; how many. */
function resolve(own: usize, count: u32, out: usize): u32 {
  let n: u32 = 0;
  for (let i: u32 = 0; i < max<u32>(1, count) && n < TS_MAX; i++) {
    const selector = count != 0 ? own + <usize>i * SELECTOR_OCTETS : any;
    if (load<u8>(selector, SELECTOR_FAMILY) != TS_DYNAMIC) {
      memory.copy(out + <usize>n * SELECTOR_OCTETS, selector, SELECTOR_OCTETS);
      n += 1;
      continue;
    }
    for (let e: u32 = 0; e < endCount && n < TS_MAX; e++) {
      const end = ends + <usize>e * SELECTOR_OCTETS;
      // Its protocol and ports, and all addresses of that family.
      memory.copy(one, selector, SELECTOR_OCTETS);
      store<u8>(one, load<u8>(end, SELECTOR_FAMILY), SELECTOR_FAMILY);
      memory.fill(one + SELECTOR_END, 0xff, 16);
      if (selectorIntersect(end, one, out + <usize>n * SELECTOR_OCTETS)) n += 1;
    }
  }
  return n;
}

/** Writes the selectors of one end of a child of an IKE_SA to `out`, TS_MAX at most; how many. */
export function childTs(config: ChildConfig, sa: IkeSa, local: bool, out: usize): u32 {
  prepare();
  endsOf(sa, local);
  return local
    ? resolve(childLocalTs(config), config.localCount, out)
    : resolve(childRemoteTs(config), config.remoteCount, out);
}

/** The same before there is an IKE_SA, for a trap or a shunt. */
export function trapTs(config: ChildConfig, local: bool, out: usize): u32 {
  const c = connectionAt(config.connection);
  prepare();
  endCount = 0;
  if (isShunt(config)) endsAny(VIRTUAL_IP4 | VIRTUAL_IP6);
  else if (local && c.vips != 0) endsAny(c.vips);
  else if (pairFind(c)) endHost(local ? pairLocal : pairRemote);
  return local
    ? resolve(childLocalTs(config), config.localCount, out)
    : resolve(childRemoteTs(config), config.remoteCount, out);
}

function prepare(): void {
  store<u16>(any, 65535, SELECTOR_END_PORT);
}
