/**
 * The gateway that a REDIRECT or REDIRECTED_FROM notify names (RFC 5685 section 8), at the beginning of its data:
 *
 *   0 identity type   1 identity octets   2 identity   in an answer of IKE_SA_INIT: the initiator's nonce
 */
import { IpAddress, addressFamily, addressOctets, addressOnWire, addressRead, FAMILY_IPV4 } from "../ip_address";

export const GATEWAY_HEADER: u32 = 2;
export const GATEWAY_IPV4: u32 = 1;
export const GATEWAY_IPV6: u32 = 2;
export const GATEWAY_FQDN: u32 = 3;
export const GATEWAY_MAX: u32 = GATEWAY_HEADER + 255;

/** True when `length` octets begin with a gateway of a known type. */
export function gatewayCheck(p: usize, length: u32): bool {
  if (length < GATEWAY_HEADER || gatewayOctets(p) > length) return false;
  const octets = <u32>load<u8>(p, 1);
  if (gatewayType(p) == GATEWAY_IPV4) return octets == 4;
  if (gatewayType(p) == GATEWAY_IPV6) return octets == 16;
  return gatewayType(p) == GATEWAY_FQDN && octets != 0;
}

export function gatewayType(p: usize): u32 {
  return <u32>load<u8>(p);
}

/** Octets of it, header and identity. */
export function gatewayOctets(p: usize): u32 {
  return GATEWAY_HEADER + <u32>load<u8>(p, 1);
}

/** Takes its address; false when it is named by FQDN. */
export function gatewayAddress(p: usize, to: IpAddress): bool {
  return gatewayType(p) != GATEWAY_FQDN && addressRead(to, p + GATEWAY_HEADER, <u32>load<u8>(p, 1));
}

/** Writes a gateway that is an address; its octets. */
export function gatewayWrite(p: usize, address: IpAddress): u32 {
  store<u8>(p, <u8>(addressFamily(address) == FAMILY_IPV4 ? GATEWAY_IPV4 : GATEWAY_IPV6));
  store<u8>(p, <u8>addressOctets(address), 1);
  memory.copy(p + GATEWAY_HEADER, addressOnWire(address), addressOctets(address));
  return gatewayOctets(p);
}
