/**
 * The place of a policy in the ordered SPD (RFC 4301 section 4.4.1): a number, the lower the sooner.
 *
 * A configured number stands as it is. Without one it comes from the selectors, by the rule that strongSwan gives to Linux, so that a
 * configuration means here what it means there: BYPASS before PROTECT before DISCARD, and of one action the more specific first.
 *
 *   bit 0      an SA, before the trap that asks for it     bits 2-7    ports, the bits of both that are fixed
 *   bit 1      not in use                                  bit 8       protocol named
 *                                                          bits 9-17   addresses, the bits of both that are fixed
 */

/** What a policy does, in the order in which policies without a number come. */
export const ORDER_BYPASS: u32 = 0;
export const ORDER_SA: u32 = 1;
/** PROTECT without an SA. */
export const ORDER_TRAP: u32 = 2;
export const ORDER_DISCARD: u32 = 3;

const BASE: u32 = 200_000;
const ADDRESS_BITS: u32 = 9;
const PROTOCOL: u32 = 1 << 8;
const PORT_BITS: u32 = 2;

// @ts-ignore: decorator
@inline
function baseOf(order: u32): u32 {
  if (order == ORDER_BYPASS) return BASE;
  return order == ORDER_DISCARD ? 3 * BASE : 2 * BASE;
}

/** The number of a policy without a configured one. `addressBits` and `portBits`: how many are fixed, both ends together. */
export function priorityOf(order: u32, addressBits: u32, protocolNamed: bool, portBits: u32): u32 {
  const trap: u32 = order == ORDER_TRAP ? 0 : 1;
  return (
    baseOf(order) - (addressBits << ADDRESS_BITS) - (protocolNamed ? PROTOCOL : 0) - (portBits << PORT_BITS) - trap
  );
}

/** No policy without a configured number of this order and these address bits has a lower one. */
export function priorityLeast(order: u32, addressBits: u32): u32 {
  return baseOf(order) - (addressBits << ADDRESS_BITS) - ((1 << ADDRESS_BITS) - 1);
}
