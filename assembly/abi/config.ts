/**
 * CONFIG: what the chassis tells a board before reset. A sequence of items, each TYPE u16, LENGTH u16, then LENGTH octets,
 * the next item at the next multiple of 4. Numbers are little-endian u32 unless said; addresses are in network order,
 * 4 or 16 octets.
 */
export const CONFIG_ITEM_TYPE: u32 = 0;
export const CONFIG_ITEM_LENGTH: u32 = 2;
export const CONFIG_ITEM_VALUE: u32 = 4;
export const CONFIG_MAX: u32 = 65536;

export const CONFIG_LINK_KIND: u32 = 1; // LINK_ETHERNET or LINK_ATM
export const CONFIG_IKE_SLOT: u32 = 2; // the slot of the IKE board
export const CONFIG_LOCAL_ADDRESS: u32 = 3; // an unprotected local address; repeated
/** IPsec board: the key shared with the IKE board for this generation, 32 octets. */
export const CONFIG_CONTROL_KEY: u32 = 4;
export const CONFIG_SA_CAPACITY: u32 = 5; // CHILD_SAs: of one IPsec board, or of the whole on the IKE board
export const CONFIG_IKE_SA_CAPACITY: u32 = 6;
export const CONFIG_RETRANSMIT_MS: u32 = 7; // first retransmission time-out of IKE
export const CONFIG_RETRANSMIT_TRIES: u32 = 8;
export const CONFIG_PORT_IKE: u32 = 9; // default 500
export const CONFIG_PORT_NATT: u32 = 10; // default 4500
export const CONFIG_CRASH_DETECTION: u32 = 20; // 1: tokens after RFC 6290 are given and taken
/** IPsec board: the largest MSS of a TCP connection through a tunnel; 0, as by default, leaves it alone. */
export const CONFIG_ADJUST_MSS: u32 = 25;
export const ADJUST_MSS_TO_MTU: u32 = 0xffff; // what the SA carries whole
export const CONFIG_UNPROTECTED_MTU: u32 = 24; // octets of an IP packet on the unprotected link; default 1500
/** IKE board: sequence numbers that a board may accept before it asks for more, LEASE_MIN or more; of those that it may use, thousands. */
export const CONFIG_LEASE: u32 = 26;
export const CONFIG_REBALANCE: u32 = 27; // IKE board: 1: when a board comes, SAs are moved to it; default 0
/** IKE board: CHECKPOINT_KEEP: it writes a checkpoint; CHECKPOINT_RESTORE: one comes back first. Default: neither. */
export const CONFIG_CHECKPOINT: u32 = 31;
export const CHECKPOINT_KEEP: u32 = 1;
export const CHECKPOINT_RESTORE: u32 = 2;
/** The chassis has a classifier (abi/classifier.ts), CLASSIFIER_*: an IPsec board takes packets from NICs. Default: none. */
export const CONFIG_CLASSIFIER: u32 = 32;
/** IKE board: 1: MANAGEMENT_KEYS_FOLLOW is obeyed; by default keys do not leave the board. */
export const CONFIG_KEY_EXPORT: u32 = 33;
export const LEASE_DEFAULT: u32 = 16384;
export const LEASE_MIN: u32 = 4;
export const CONFIG_FRAGMENT_SIZE: u32 = 11; // octets of an IP packet with a fragment of an IKE message; default 1280
/** IKE board: how a CHILD_SA finds its IPsec board (S402): one of PLACEMENT_* for all children that name none; default round robin. */
export const CONFIG_PLACEMENT: u32 = 30;
export const PLACEMENT_DEFAULT: u32 = 0; // of a child: the chassis's
export const PLACEMENT_ROUND_ROBIN: u32 = 1; // in turn, by weight
export const PLACEMENT_LEAST_LOADED: u32 = 2; // where the least work is done for its weight, as the boards measure it
export const PLACEMENT_HASH: u32 = 3; // by the peer's identity
/** Of a child: the slot in the bits above, PLACEMENT_FIXED | slot << PLACEMENT_SLOT_SHIFT. */
export const PLACEMENT_FIXED: u32 = 4;
export const PLACEMENT_POLICY_MASK: u32 = 0xff;
export const PLACEMENT_SLOT_SHIFT: u32 = 8;
/** Weight of a board among unlike ones, by which all placements but fixed ones share. */
export const BOARD_WEIGHT_DEFAULT: u32 = 1;
export const BOARD_WEIGHT_MAX: u32 = 100;
export const CONFIG_KEEPALIVE: u32 = 12; // seconds without a packet until a NAT keepalive; 0 none, default 20
