/**
 * "What would become of this packet?": MANAGEMENT_EXPLAIN, to the IKE board first and then, where that says so, to the IPsec board
 * that it names. Both answer by MANAGEMENT_EXPLANATION and REPLY; the IKE board sends the CHILD_SA message of the packet's link in
 * between, or an EXPLANATION with the names of a child without an SA, whose POLICY_ACTION stands in the first one. Asking changes nothing: no counter, no SA, no acquire.
 */
export const MANAGEMENT_EXPLAIN: u32 = 20; // EXPLAIN_SIDE (IKE board alone), EXPLAIN_PACKET
export const MANAGEMENT_EXPLANATION: u32 = 145; // EXPLAIN_* items; CONNECTION_NAME and CHILD_NAME

export const EXPLAIN_SIDE: u32 = 480; // PORT_PROTECTED or PORT_UNPROTECTED: where it arrives
export const EXPLAIN_PACKET: u32 = 481; // from its IP header on
export const EXPLAIN_VERDICT: u32 = 482; // VERDICT_*
export const EXPLAIN_REASON: u32 = 483; // DROP_*, of VERDICT_DROP
export const EXPLAIN_STEP: u32 = 484; // STEP_*: the last one that it came to
export const EXPLAIN_OCTETS: u32 = 485; // without what the link layer padded behind it
export const EXPLAIN_SPI: u32 = 486; // absent: none was looked up
export const EXPLAIN_LINK: u32 = 487; // absent: none
export const EXPLAIN_SLOT: u32 = 488;
export const EXPLAIN_GENERATION: u32 = 489;
export const EXPLAIN_FLOW: u32 = 490; // of the clear packet, before or after the SA: EXPLAIN_FLOW_*
/** From an IPsec board. */
export const EXPLAIN_DIRECTION: u32 = 491; // DIRECTION_*
export const EXPLAIN_SEQUENCE: u32 = 492; // u64: the number that it has or would get; absent: it did not come that far
export const EXPLAIN_EDGE: u32 = 493; // u64: the highest number of the SA so far
export const EXPLAIN_WINDOW: u32 = 494; // of replay protection, packets
export const EXPLAIN_INNER_MTU: u32 = 495;
export const EXPLAIN_OCTETS_OUT: u32 = 496; // as it leaves
export const EXPLAIN_PORT: u32 = 497; // where it leaves

/** A flow: ports are EXPLAIN_NO_PORT where the packet shows none. */
export const EXPLAIN_FLOW_FAMILY: u32 = 0; // u8: 4 or 6
export const EXPLAIN_FLOW_PROTOCOL: u32 = 1; // u8
export const EXPLAIN_FLOW_SOURCE_PORT: u32 = 4; // u32
export const EXPLAIN_FLOW_DESTINATION_PORT: u32 = 8; // u32
export const EXPLAIN_FLOW_SOURCE: u32 = 12; // 16 octets, network order
export const EXPLAIN_FLOW_DESTINATION: u32 = 28;
export const EXPLAIN_FLOW_OCTETS: u32 = 44;
export const EXPLAIN_NO_PORT: u32 = 0x10000;

/** Dropped, for a reason of abi/drop.ts. */
export const VERDICT_DROP: u32 = 0;
/** S604: to the IPsec board in a slot. */
export const VERDICT_BOARD: u32 = 1;
/** A datagram for the IKE core. */
export const VERDICT_IKE: u32 = 2;
/** A NAT keepalive or a dummy packet: it has done its work by arriving. */
export const VERDICT_CONSUMED: u32 = 3;
/** The first packet of a trap: an SA is negotiated, the packet waits for it. */
export const VERDICT_HELD: u32 = 4;
/** S706: sent to the network. */
export const VERDICT_SENT: u32 = 5;
/** A piece of a packet to us: it waits for the others, and what is put together of them is looked at anew. */
export const VERDICT_FRAGMENT: u32 = 6;
/** Sent to the other side by policy, past the IPsec boards. */
export const VERDICT_BYPASS: u32 = 7;
/** An ICMP error about a packet that was too big: the board that has its SA decides whether to believe it. */
export const VERDICT_PATH_MTU: u32 = 8;
/** S706: sent to the network in fragments. */
export const VERDICT_IN_FRAGMENTS: u32 = 9;
/** Authentic, with a number beyond the lease of its SA: it waits for the IKE board's answer. */
export const VERDICT_LEASE: u32 = 10;
/** Its SA is on its way from one board to another: it waits at the IKE board, and goes after it. */
export const VERDICT_MOVING: u32 = 11;
/** Its SA's board is gone: another one is given the SA, ahead of the packet (C 5, C 16). */
export const VERDICT_TAUGHT: u32 = 12;
