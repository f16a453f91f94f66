/**
 * Control messages between the IKE board and an IPsec board: S404/S501 and their answers. The only place where the two
 * planes meet.
 *
 * On the channel a control message travels sealed (AES-256-GCM under the key that the chassis gave to both for this
 * generation of the IPsec board):
 *
 *    0            4            8                         16
 *   +------------+------------+-------------------------+----------------------------+-----------+
 *   | slot       | generation | sequence u64            | message (encrypted)        | ICV 16    |
 *   +------------+------------+-------------------------+----------------------------+-----------+
 *     associated data: the first 16 octets; nonce: direction u32 (0 from the IKE board) | sequence u64, both as they stand
 *
 * Sequence numbers rise by at least one per message and direction; an older one is dropped. The sender of a request
 * repeats it until it is answered; requests are idempotent, an answer carries the request's TRANSACTION.
 */
export const CONTROL_SLOT: u32 = 0;
export const CONTROL_GENERATION: u32 = 4;
export const CONTROL_SEQUENCE: u32 = 8;
export const CONTROL_HEADER: u32 = 16;
export const CONTROL_ICV: u32 = 16;
export const CONTROL_FROM_IKE_BOARD: u32 = 0;
export const CONTROL_FROM_IPSEC_BOARD: u32 = 1;

/** Every message starts with these 12 octets. */
export const MESSAGE_TYPE: u32 = 0; // u16
export const MESSAGE_VERSION: u32 = 2; // u16
export const MESSAGE_TRANSACTION: u32 = 4; // u32
export const MESSAGE_LENGTH: u32 = 8; // u32, this header included
export const MESSAGE_HEADER: u32 = 12;
export const MESSAGE_CURRENT_VERSION: u32 = 1;

/** IKE board -> IPsec board. */
export const MESSAGE_SA_INSTALL: u32 = 1; // an SA record
export const MESSAGE_SA_REMOVE: u32 = 2; // SPI u32, direction u32, link u32
export const MESSAGE_SA_QUERY: u32 = 3; // SPI u32, direction u32, link u32
export const MESSAGE_SA_REMOVE_ALL: u32 = 4;
export const MESSAGE_PING: u32 = 5;
export const MESSAGE_SA_UPDATE: u32 = 6; // SA ends: where the SA's packets go from now on
export const MESSAGE_PATH_MTU: u32 = 7; // a path MTU; not answered
export const MESSAGE_SA_RELEASE: u32 = 8; // SPI u32, direction u32, link u32: give the SA up, and say how far it came
export const MESSAGE_LEASE: u32 = 9; // a lease; not answered, but where it asks to be
export const MESSAGE_AUDIT: u32 = 10; // which of these SAs are there, and which others?
/** IPsec board -> IKE board. */
export const MESSAGE_SA_INSTALLED: u32 = 129; // link u32, SPI u32, direction u32
export const MESSAGE_SA_REFUSED: u32 = 130; // link u32, SPI u32, direction u32, reason u32
export const MESSAGE_SA_REMOVED: u32 = 131; // link u32, SPI u32, direction u32
export const MESSAGE_SA_STATUS: u32 = 132; // an SA status
export const MESSAGE_SA_EXPIRING: u32 = 133; // link u32, SPI u32, direction u32, cause u32, EXPIRING_* or EXPIRED_*
export const MESSAGE_PONG: u32 = 134;
export const MESSAGE_SA_UPDATED: u32 = 135; // link u32, SPI u32, direction u32
export const MESSAGE_SA_MOVED: u32 = 136; // SA ends of an inbound SA, as its newest authentic packet had them
export const MESSAGE_LOAD: u32 = 137; // what the board has done in a window of time; not answered
export const MESSAGE_SA_RELEASED: u32 = 138; // link u32, SPI u32, direction u32, words u32; sequence u64, history
export const MESSAGE_LEASE_WANTED: u32 = 139; // a wish for a lease; the answer is MESSAGE_LEASE
export const MESSAGE_AUDITED: u32 = 140; // the answer to AUDIT
export const MESSAGE_LEASE_RETURNED: u32 = 141; // what is left of a lease, given back; not answered

export const REFUSED_TABLE_FULL: u32 = 1;
export const REFUSED_TRANSFORM: u32 = 2;
export const REFUSED_MALFORMED: u32 = 3;
export const REFUSED_SPI_IN_USE: u32 = 4;
export const REFUSED_MODE: u32 = 5;
/** Not from a board: none is online, or it went away before it answered. */
export const REFUSED_NO_BOARD: u32 = 6;
/** SA_UPDATE: the board has no such SA. */
export const REFUSED_NO_SA: u32 = 7;
/** Not from a board: all that are online are full. */
export const REFUSED_BOARDS_FULL: u32 = 8;
/** Of a child with a fixed place: no IPsec board is online in its slot, or that one is full. */
export const REFUSED_SLOT_OFFLINE: u32 = 9;
export const REFUSED_SLOT_FULL: u32 = 10;

export const EXPIRING_SEQUENCE: u32 = 1;
export const EXPIRING_PACKETS: u32 = 2;
export const EXPIRING_OCTETS: u32 = 3;
/** From here on: its life is over, packets are dropped. */
export const EXPIRED_SEQUENCE: u32 = 4;
export const EXPIRED_PACKETS: u32 = 5;
export const EXPIRED_OCTETS: u32 = 6;

/** Short answers: offsets behind the message header. */
export const ANSWER_LINK: u32 = MESSAGE_HEADER;
export const ANSWER_SPI: u32 = MESSAGE_HEADER + 4;
export const ANSWER_DIRECTION: u32 = MESSAGE_HEADER + 8;
export const ANSWER_REASON: u32 = MESSAGE_HEADER + 12;
export const ANSWER_OCTETS: u32 = MESSAGE_HEADER + 16;

/** SA_REMOVE and SA_QUERY: offsets behind the message header. */
export const REQUEST_SPI: u32 = MESSAGE_HEADER;
export const REQUEST_DIRECTION: u32 = MESSAGE_HEADER + 4;
export const REQUEST_LINK: u32 = MESSAGE_HEADER + 8;
export const REQUEST_OCTETS: u32 = MESSAGE_HEADER + 12;

/**
 * The SA record: one SA, one direction; the whole interface between the planes. SPIs and ports are host-order numbers,
 * addresses are in network order (IPv4 in the first 4 of 16 octets). Offsets from the start of the record.
 *
 * LINK is the index of the CHILD_SA in the IKE board's tables. An SPI that we choose carries it in its low LINK_BITS bits
 * with random bits above, so the inbound look-up is an index and a compare.
 */
export const LINK_BITS: u32 = 17;
export const LINK_MAX: u32 = 131072;
export const LINK_MASK: u32 = LINK_MAX - 1;

export const DIRECTION_INBOUND: u32 = 0;
export const DIRECTION_OUTBOUND: u32 = 1;
export const MODE_TUNNEL: u32 = 0;
export const MODE_TRANSPORT: u32 = 1;
export const SA_FLAG_ESN: u32 = 1;
export const SA_FLAG_UDP_ENCAPSULATION: u32 = 2; // RFC 3948
/** What a tunnel's headers do not copy, or copy besides; none of them: DF and DSCP outward, ECN both ways (RFC 6040). */
export const SA_FLAG_DF_CLEAR: u32 = 4; // the outer DF is clear (RFC 4301 8.1)
export const SA_FLAG_ECN_APART: u32 = 8; // outside not ECN capable, and of no effect inside
export const SA_FLAG_DSCP_APART: u32 = 16; // the outer DSCP is 0
export const SA_FLAG_DSCP_INWARD: u32 = 32; // the inner DSCP becomes the outer one (RFC 2983, uniform model)
export const SA_FLAGS_TUNNEL: u32 = SA_FLAG_DF_CLEAR | SA_FLAG_ECN_APART | SA_FLAG_DSCP_APART | SA_FLAG_DSCP_INWARD;

export const SA_LINK: u32 = 0; // u32
export const SA_SPI: u32 = 4; // u32
export const SA_DIRECTION: u32 = 8; // u8
export const SA_PROTOCOL: u32 = 9; // u8: 50 ESP, 51 AH
export const SA_MODE: u32 = 10; // u8
export const SA_FLAGS: u32 = 11; // u8
export const SA_ENCRYPTION: u32 = 12; // u16: IANA IKEv2 transform type 1; 0 with AH
export const SA_KEY_BITS: u32 = 14; // u16: key length attribute
export const SA_INTEGRITY: u32 = 16; // u16: IANA IKEv2 transform type 3; 0 with an AEAD
export const SA_REPLAY_WINDOW: u32 = 18; // u16: packets; 0 switches replay protection off
export const SA_FAMILY: u32 = 20; // u8: 4 or 6, of the tunnel's outer header
export const SA_LOCAL_TS_COUNT: u32 = 21; // u8
export const SA_REMOTE_TS_COUNT: u32 = 22; // u8
export const SA_KEYMAT_LENGTH: u32 = 24; // u16
export const SA_HISTORY_WORDS: u32 = 26; // u16: words of history behind the selectors; 0 none
export const SA_LOCAL_PORT: u32 = 28; // u16: of UDP encapsulation
export const SA_REMOTE_PORT: u32 = 30; // u16
export const SA_LOCAL_ADDRESS: u32 = 32; // 16 octets
export const SA_REMOTE_ADDRESS: u32 = 48; // 16 octets
/**
 * SA ends: a record up to here. LINK, SPI and DIRECTION name the SA; UDP_ENCAPSULATION of FLAGS, FAMILY, ports and addresses
 * are its ends; the rest counts for nothing.
 */
export const SA_ENDS: u32 = 64;
export const SA_SEQUENCE: u32 = 64; // u64: outbound, last number used; inbound, right edge of the replay window
export const SA_LEASE: u32 = 72; // u64: numbers up to this one may be used or accepted; 0: all
export const SA_SOFT_PACKETS: u32 = 80; // u64: 0 none; crossing it raises SA_EXPIRING
export const SA_SOFT_OCTETS: u32 = 88; // u64
export const SA_HARD_PACKETS: u32 = 96; // u64: 0 none; beyond it DROP_SA_EXPIRED
export const SA_HARD_OCTETS: u32 = 104; // u64
export const SA_KEYMAT: u32 = 112; // 144 octets: encryption key, salt, integrity key, as RFC 7296 2.17 orders them
export const SA_KEYMAT_MAX: u32 = 144;
export const SA_PRIORITY: u32 = 256; // u32: of its policy, as configured; 0: by its selectors (policy/priority.ts)
export const SA_SELECTORS: u32 = 264; // local selectors, then remote ones
export const SA_SELECTORS_MAX: u32 = 32; // both together

/** A traffic selector: inclusive ranges. Protocol 0 is any; ports are host-order. */
export const SELECTOR_FAMILY: u32 = 0; // u8: 4 or 6
export const SELECTOR_PROTOCOL: u32 = 1; // u8
export const SELECTOR_START_PORT: u32 = 2; // u16
export const SELECTOR_END_PORT: u32 = 4; // u16
export const SELECTOR_START: u32 = 8; // 16 octets, network order
export const SELECTOR_END: u32 = 24; // 16 octets
export const SELECTOR_OCTETS: u32 = 40;

export const SA_RECORD_MAX: u32 = SA_SELECTORS + SA_SELECTORS_MAX * SELECTOR_OCTETS;
/**
 * History: what an SA did on the board that it comes from, in words of 8 octets. An SA that has one goes on where it was; it counts for
 * the first installation on a board alone. HISTORY_WINDOW, inbound: bit n of the first word is set when the packet has been seen whose
 * number is SEQUENCE with n for its low 6 bits; each further word is of the 64 numbers before.
 */
export const HISTORY_PACKETS: u32 = 0;
export const HISTORY_OCTETS: u32 = 8;
export const HISTORY_LAST_USED: u32 = 16;
export const HISTORY_WINDOW: u32 = 24;
export const HISTORY_WORDS_MAX: u32 = 68;
export const MESSAGE_MAX: u32 = MESSAGE_HEADER + SA_RECORD_MAX + HISTORY_WORDS_MAX * 8;

/** SA_RELEASED: offsets behind the message header. Without history, words 0, the board has no such SA. */
export const RELEASED_LINK: u32 = MESSAGE_HEADER;
export const RELEASED_SPI: u32 = MESSAGE_HEADER + 4;
export const RELEASED_DIRECTION: u32 = MESSAGE_HEADER + 8;
export const RELEASED_WORDS: u32 = MESSAGE_HEADER + 12;
export const RELEASED_SEQUENCE: u32 = MESSAGE_HEADER + 16; // u64, as SA_SEQUENCE
export const RELEASED_HISTORY: u32 = MESSAGE_HEADER + 24;

/**
 * LEASE, LEASE_WANTED and LEASE_RETURNED: offsets behind the message header. A board may use and accept the numbers of an SA up to its
 * lease and asks for more in time; the IKE board never gives the numbers of one lease to two boards. A lease that has turned out too large is
 * returned: the board accepts nothing beyond the end that it names, until a lease comes with another SERIAL than the one that it names.
 *
 * A wish says, of an inbound SA, what another board has to know if this one dies (distribution/forwarded.ts): no packet that came to the board
 * before the lease which ends at END can be accepted any more, or be waiting, with a number beyond REACHED.
 */
export const LEASE_LINK: u32 = MESSAGE_HEADER;
export const LEASE_SPI: u32 = MESSAGE_HEADER + 4;
export const LEASE_DIRECTION: u32 = MESSAGE_HEADER + 8;
export const LEASE_SEQUENCE: u32 = MESSAGE_HEADER + 12; // u64: LEASE: the lease; LEASE_WANTED: the highest number used, or waiting
export const LEASE_SERIAL: u32 = MESSAGE_HEADER + 20; // u32: of LEASE and LEASE_RETURNED
export const LEASE_ASKS: u32 = MESSAGE_HEADER + 24; // u32, LEASE: 1, a wish is to answer it
export const LEASE_OCTETS: u32 = MESSAGE_HEADER + 28;
export const LEASE_WANTED_PACKETS: u32 = MESSAGE_HEADER + 20; // u64
export const LEASE_WANTED_OCTETS: u32 = MESSAGE_HEADER + 28; // u64: of clear packets
export const LEASE_WANTED_REACHED: u32 = MESSAGE_HEADER + 36; // u64: inbound, the highest number accepted, or waiting
export const LEASE_WANTED_END: u32 = MESSAGE_HEADER + 44; // u64: of the lease that the SA has; 0: it is of the board's own making
export const LEASE_WANTED_MESSAGE_OCTETS: u32 = MESSAGE_HEADER + 52;

/** SA_STATUS: offsets behind the message header. u64 but for the first three. */
export const STATUS_LINK: u32 = MESSAGE_HEADER;
export const STATUS_SPI: u32 = MESSAGE_HEADER + 4;
export const STATUS_DIRECTION: u32 = MESSAGE_HEADER + 8;
export const STATUS_PACKETS: u32 = MESSAGE_HEADER + 12;
export const STATUS_OCTETS: u32 = MESSAGE_HEADER + 20; // of clear packets
export const STATUS_LAST_USED: u32 = MESSAGE_HEADER + 28; // NOW of the last packet, 0 never
export const STATUS_SEQUENCE: u32 = MESSAGE_HEADER + 36;
export const STATUS_DROPS: u32 = MESSAGE_HEADER + 44; // packets of this SA that were dropped
/** Of these, by reason: words of count << 8 | DROP_*, 0 none; DROPS may be more than their sum. */
export const STATUS_DROP_KINDS: u32 = MESSAGE_HEADER + 52;
export const STATUS_DROP_KINDS_COUNT: u32 = 6;
export const STATUS_INNER_MTU: u32 = STATUS_DROP_KINDS + STATUS_DROP_KINDS_COUNT * 4; // u32: the largest clear packet
export const STATUS_MESSAGE_OCTETS: u32 = STATUS_INNER_MTU + 4;

/**
 * LOAD: offsets behind the message header, u64 each. A board sends one at the end of each LOAD_PERIOD_NS in which it was given packets;
 * one without any begins with the next packet, and silence means that there was nothing to do. What work is: ipsec/load.ts.
 */
export const LOAD_PERIOD_NS: u32 = 1_000_000_000;
export const LOAD_WINDOW: u32 = MESSAGE_HEADER; // ns that it took
export const LOAD_PACKETS: u32 = MESSAGE_HEADER + 8; // that came over the internal path, whatever became of them
export const LOAD_OCTETS: u32 = MESSAGE_HEADER + 16; // that went through a cipher or a MAC
export const LOAD_WORK: u32 = MESSAGE_HEADER + 24;
export const LOAD_MESSAGE_OCTETS: u32 = MESSAGE_HEADER + 32;

/**
 * AUDIT: offsets behind the message header. The IKE board names AUDIT_COUNT SAs, AUDIT_ENTRY_OCTETS each: SPI u32, and LINK u32 with the
 * direction as its highest bit.
 */
export const AUDIT_CURSOR: u32 = MESSAGE_HEADER; // u32: number of the record from which on the board is to list what it has
export const AUDIT_COUNT: u32 = MESSAGE_HEADER + 4; // u32: AUDIT_ENTRIES at most
export const AUDIT_NAMES: u32 = MESSAGE_HEADER + 8;
export const AUDIT_ENTRIES: u32 = 128;
export const AUDIT_ENTRY_OCTETS: u32 = 8;
export const AUDIT_DIRECTION_SHIFT: u32 = 31;
/**
 * AUDITED: offsets behind the message header. HELD: bit n of octet n / 8 is set when the board has the n-th SA that was named. Behind it
 * AUDITED_COUNT SAs that the board has, named in the same way, as far as it has looked.
 */
export const AUDITED_NEXT: u32 = MESSAGE_HEADER; // u32: AUDIT_CURSOR of the next request; AUDITED_END when it has looked at all
export const AUDITED_HELD: u32 = MESSAGE_HEADER + 4; // AUDIT_ENTRIES / 8 octets
export const AUDITED_COUNT: u32 = AUDITED_HELD + AUDIT_ENTRIES / 8; // u32: AUDIT_ENTRIES at most
export const AUDITED_NAMES: u32 = AUDITED_COUNT + 4;
export const AUDITED_END: u32 = 0xffffffff;

/**
 * PATH_MTU: SA ends as a packet has them that is quoted by an ICMP error, PROTOCOL as well; LINK as the IKE board finds it by the SPI.
 * Behind them, what that packet was too large for, and its sequence number.
 */
export const PATH_MTU_OCTETS: u32 = MESSAGE_HEADER + SA_ENDS; // u32: of a packet outside
export const PATH_MTU_SEQUENCE: u32 = PATH_MTU_OCTETS + 4; // u32: its low half
export const PATH_MTU_MESSAGE_OCTETS: u32 = PATH_MTU_OCTETS + 8;
