/**
 * Why a frame was dropped: one closed vocabulary, declared once. The identifiers are the names: DROP_REPLAY is shown as
 * `replay`. Counters are u64, one per reason, at the board's MAP_DROPS. What each means to an operator, and what to do about it,
 * stands in host/operator/drop_reason.ts, which does not compile without.
 */

// Patent: the two "no entry" drops stay apart.
export const DROP_NO_SA_ENTRY_IKE_BOARD: u32 = 0; // S606
export const DROP_NO_SA_ENTRY_IPSEC_BOARD: u32 = 1; // S707

// Distribution and internal path.
export const DROP_BOARD_OFFLINE: u32 = 2;
export const DROP_BACKPLANE_CONGESTION: u32 = 3; // transmit ring or frame pool exhausted
export const DROP_CHANNEL_MALFORMED: u32 = 4; // capsule too short, wrong version, wrong addresses
export const DROP_LLC_UNKNOWN_PID: u32 = 5;
export const DROP_ETHERTYPE_UNKNOWN: u32 = 6;
export const DROP_CHANNEL_SOURCE: u32 = 7; // not from the peer that may speak on this link
export const DROP_CONTROL_MALFORMED: u32 = 8;
export const DROP_CONTROL_AUTHENTICATION: u32 = 9; // seal of a control message does not verify
export const DROP_CONTROL_REPLAY: u32 = 10; // control message of an old sequence or generation
export const DROP_LEASE_WAIT: u32 = 11;

// IP.
export const DROP_IP_MALFORMED: u32 = 12;
export const DROP_IP_NOT_FOR_US: u32 = 13;
export const DROP_IP_FRAGMENT: u32 = 14;
export const DROP_IP_VERSION: u32 = 15;
export const DROP_PACKET_TOO_BIG: u32 = 16;
export const DROP_PROTOCOL_UNKNOWN: u32 = 17;
export const DROP_UDP_MALFORMED: u32 = 18;
export const DROP_UDP_PORT: u32 = 19;

// Security policy.
export const DROP_NO_POLICY: u32 = 20;
export const DROP_POLICY_DISCARD: u32 = 21;
export const DROP_NO_SA_ACQUIRING: u32 = 22; // policy says PROTECT, the SA is being negotiated
export const DROP_SELECTOR_MISMATCH: u32 = 23; // after opening: not what the SA was agreed for (RFC 4301 5.2)

// ESP.
export const DROP_ESP_MALFORMED: u32 = 24;
export const DROP_REPLAY: u32 = 25;
export const DROP_ICV: u32 = 26;
export const DROP_ESP_PADDING: u32 = 27;
export const DROP_ESP_NEXT_HEADER: u32 = 28;
export const DROP_SEQUENCE_CYCLED: u32 = 29;
export const DROP_SA_EXPIRED: u32 = 30;

// IKE.
export const DROP_IKE_MALFORMED: u32 = 31;
export const DROP_IKE_VERSION: u32 = 32;
export const DROP_IKE_UNKNOWN_SPI: u32 = 33;
export const DROP_IKE_AUTHENTICATION: u32 = 34; // SK payload does not verify
export const DROP_IKE_MESSAGE_ID: u32 = 35; // outside the window
export const DROP_IKE_STATE: u32 = 36; // valid, but nothing that this state expects
export const DROP_IKE_TABLE_FULL: u32 = 37;
export const DROP_IKE_NO_CONNECTION: u32 = 38; // no configured connection for these addresses

// Management and secure element.
export const DROP_MANAGEMENT_MALFORMED: u32 = 39;
export const DROP_SECURE_ELEMENT_MALFORMED: u32 = 40;
export const DROP_SECURE_ELEMENT_STALE: u32 = 41; // the answer's job is gone

// Tunnel.
export const DROP_ECN: u32 = 42; // RFC 6040: congestion marked outside, the packet inside cannot carry it

// IPv6 and AH.
export const DROP_IPV6_EXTENSION: u32 = 43; // extension headers cut off, too many, out of order, or a route not yet at its end
export const DROP_IP_OPTION: u32 = 44; // AH over an IPv4 option that RFC 4302 appendix A does not class, or a source route under way
export const DROP_AH_MALFORMED: u32 = 45; // length of the header or its ICV is not what the SA says

// Fragments of IKE messages (RFC 7383).
export const DROP_IKE_FRAGMENT: u32 = 46; // malformed, of a message that is too long, or never became whole

// Fragments of packets to us (assembly/distribution/reassembly.ts).
export const DROP_FRAGMENT_MALFORMED: u32 = 47; // empty, of a length that is no multiple of 8, or beyond what a packet can have
export const DROP_FRAGMENT_OVERLAP: u32 = 48; // RFC 5722: two overlap, or contradict each other; the whole packet
export const DROP_FRAGMENT_DUPLICATE: u32 = 49; // all of it is there already
export const DROP_FRAGMENT_TIMEOUT: u32 = 50; // the packet did not become whole in time
export const DROP_FRAGMENT_LIMIT: u32 = 51; // the oldest of too many packets that are not whole

// Security policy, inbound.
export const DROP_PROTECTION_MISSING: u32 = 52; // in clear from the unprotected side, where the policy is PROTECT (RFC 4301 5.2)

// Path MTU discovery (RFC 1191, RFC 8201).
export const DROP_ICMP_QUOTE: u32 = 53; // an ICMP error that quotes no packet that one of our SAs has sent lately

// The checkpoint (abi/checkpoint.ts).
export const DROP_CHECKPOINT: u32 = 54; // a record that does not open, or that this board cannot read or place

export const DROP_COUNT: u32 = 55;
