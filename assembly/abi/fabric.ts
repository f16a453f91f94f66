/**
 * Names of the slots on the internal path (13) and how each link spells them.
 *
 *                    Ethernet (first embodiment)            ATM PVC (second embodiment)
 *   slot n           MAC 02:43:43:00:hi:lo, IP 169.254.83.n VC to the IKE board: VPI 0, VCI 32 + n
 *   IP packet        Ethernet II 0800, IPv4 protocol 4/41   LLC AA-AA-03, OUI 00-00-00, PID 0800/86DD
 *   control message  Ethernet II 88B5                       LLC AA-AA-03, OUI 00-00-00, PID 88B5
 *
 * The IKE board sits in slot 0 by default. A VC is written in a descriptor's LINK as VPI << 16 | VCI.
 */
export const LINK_ETHERNET: u32 = 1;
export const LINK_ATM: u32 = 2;

export const ETHERTYPE_IPV4: u32 = 0x0800;
export const ETHERTYPE_IPV6: u32 = 0x86dd;
/** IEEE 802 local experimental EtherType 1. */
export const ETHERTYPE_CONTROL: u32 = 0x88b5;

/** First two octets of a slot's MAC and of its IPv4 address, big-endian. */
export const FABRIC_MAC_HIGH: u32 = 0x02434300;
export const FABRIC_IPV4_PREFIX: u32 = 0xa9fe5300; // 169.254.83.0
export const FABRIC_VCI_BASE: u32 = 32;
export const FABRIC_SLOT_MAX: u32 = 64;

/** Octets that a link's MTU allows behind its framing. */
export const FABRIC_MTU: u32 = 9216;
