/**
 * Messages on a board's MANAGEMENT port: the operator's side of the chassis speaks to the firmware.
 *
 *   0 TYPE u16   2 reserved u16   4 TRANSACTION u32   8 LENGTH u32 (all)   12 body
 *
 * A body is items as in config.ts (TYPE u16, LENGTH u16, value, padded to 4), unless said otherwise. A command is
 * answered by REPLY with the same TRANSACTION; LIST_* first yields one message per entry. Events have TRANSACTION 0.
 */
export const MANAGEMENT_TYPE: u32 = 0;
export const MANAGEMENT_TRANSACTION: u32 = 4;
export const MANAGEMENT_LENGTH: u32 = 8;
export const MANAGEMENT_HEADER: u32 = 12;

/** Chassis -> IKE board: fixed bodies. */
export const MANAGEMENT_BOARD_UP: u32 = 1; // slot u32, generation u32, SA capacity u32, control key 32 octets, weight u32, number of the logical board u32, 1: it has leases of its own making u32
export const MANAGEMENT_BOARD_SETTLED: u32 = 30; // slot u32, generation u32: it has none any more
export const MANAGEMENT_BOARD_DRAIN: u32 = 21; // slot u32, generation u32, 1: its SAs go to others; 0: it serves again
export const MANAGEMENT_REBALANCE: u32 = 22; // SAs are spread over the boards anew
export const MANAGEMENT_BOARD_DOWN: u32 = 2; // slot u32, generation u32
/** Chassis -> IPsec board: 32 octets, the key of its control messages from now on: there is another IKE board. */
export const MANAGEMENT_CONTROL_KEY: u32 = 27;
/** A record of the checkpoint (abi/checkpoint.ts), as the board wrote it; empty: those were all. */
export const MANAGEMENT_RESTORE: u32 = 25;
export const MANAGEMENT_RESTORED: u32 = 26;
/**
 * To an IPsec board: there is no IKE board, and it comes later, or never. Leases end nowhere until a control key comes: what the board uses and
 * accepts beyond them it tells then, and by MANAGEMENT_SETTLED when the IKE board knows. A board that dies in between leaves SAs that nobody
 * may take over.
 */
export const MANAGEMENT_ORPHANED: u32 = 29; // a number u32
export const MANAGEMENT_SETTLED: u32 = 152; // that number u32
/** Chassis -> IKE board: items. */
export const MANAGEMENT_CONNECTION_LOAD: u32 = 3; // CONNECTION_* items; replaces one of the same name
export const MANAGEMENT_CONNECTION_UNLOAD: u32 = 4; // CONNECTION_NAME
export const MANAGEMENT_INITIATE: u32 = 5; // CHILD_NAME, or CONNECTION_NAME alone
export const MANAGEMENT_TERMINATE: u32 = 6; // CONNECTION_NAME or CHILD_NAME; none: all
export const MANAGEMENT_REKEY: u32 = 7; // CONNECTION_NAME or CHILD_NAME
export const MANAGEMENT_ADDRESSES: u32 = 13; // CONNECTION_NAME, LOOKUP_ATTEMPT, CONNECTION_REMOTE_ADDRESS..: none: no name has any
/** Chassis -> IKE or IPsec board: empty. */
export const MANAGEMENT_LIST_SAS: u32 = 8;
export const MANAGEMENT_LIST_CONNECTIONS: u32 = 9;
/** Chassis -> IKE or IPsec board: the unprotected addresses that there are from now on, instead of CONFIG's. */
export const MANAGEMENT_LOCAL_ADDRESSES: u32 = 16; // CONNECTION_LOCAL_ADDRESS..

/** Chassis -> IKE board: empty; yields POLICY messages, in no order. */
export const MANAGEMENT_LIST_POLICIES: u32 = 17;

/** Chassis -> IKE board: empty; yields BOARDS. */
export const MANAGEMENT_LIST_BOARDS: u32 = 24;

/**
 * Chassis -> IKE board: empty; where CONFIG_KEY_EXPORT allows it, IKE_KEYS of every IKE_SA that stands, then of each that comes to have other
 * keys, until KEYS_LEAVE.
 */
export const MANAGEMENT_KEYS_FOLLOW: u32 = 31;
export const MANAGEMENT_KEYS_LEAVE: u32 = 32;
/** Board -> chassis: IKE_SA_SPI_I, IKE_SA_SPI_R, IKE_SA_PROPOSAL, IKE_KEY_*. */
export const MANAGEMENT_IKE_KEYS: u32 = 153;
/** SK_ei, SK_er with the salt behind them, SK_ai, SK_ar; the latter are empty with a combined mode. */
export const IKE_KEY_EI: u32 = 530;
export const IKE_KEY_ER: u32 = 531;
export const IKE_KEY_AI: u32 = 532;
export const IKE_KEY_AR: u32 = 533;

/** Board -> chassis. */
export const MANAGEMENT_REPLY: u32 = 128; // result u32
export const MANAGEMENT_IKE_SA: u32 = 129; // IKE_SA_* items
export const MANAGEMENT_CHILD_SA: u32 = 130; // CHILD_SA_* items
export const MANAGEMENT_SA: u32 = 131; // from an IPsec board: an SA status as in message.ts, from its message header on
export const MANAGEMENT_CONNECTION: u32 = 132; // CONNECTION_NAME, CHILD_NAME.., SHUNT_NAME.., CONNECTION_FAILURE
export const MANAGEMENT_EVENT: u32 = 133; // EVENT_KIND and the items that it concerns
export const MANAGEMENT_LOOKUP: u32 = 137; // CONNECTION_NAME, LOOKUP_ATTEMPT: what are the addresses of remote_addrs now?

/** A pair of selectors of the SPD: CONNECTION_NAME, CHILD_NAME, POLICY_*; of an SA's CHILD_SA_UNIQUE_ID, _LINK and _SLOT. */
export const MANAGEMENT_POLICY: u32 = 138;

/** The IPsec boards that are online, as the IKE board knows them: BOARD_SLOT and the other BOARD_* of each, one board after the other. */
export const MANAGEMENT_BOARDS: u32 = 150;

export const RESULT_OK: u32 = 0;
export const RESULT_NOT_FOUND: u32 = 1;
export const RESULT_MALFORMED: u32 = 2;
export const RESULT_TABLE_FULL: u32 = 3;
export const RESULT_UNSUPPORTED: u32 = 4;
export const RESULT_RESTORING: u32 = 5; // the IKE board is taking its SAs back

/** Items of a connection. Text is UTF-8. Times in seconds; 0 switches the thing off. */
export const CONNECTION_NAME: u32 = 1;
export const CONNECTION_LOCAL_ADDRESS: u32 = 2; // 4 or 16 octets; repeated; none: any
export const CONNECTION_REMOTE_ADDRESS: u32 = 3; // the same
export const CONNECTION_REMOTE_PORT: u32 = 4;
export const CONNECTION_PROPOSAL: u32 = 5; // repeated, in order of preference: transforms, TRANSFORM_OCTETS each
export const CONNECTION_LOCAL_ID: u32 = 6; // ID type u8, data (RFC 7296 3.5)
export const CONNECTION_REMOTE_ID: u32 = 7; // the same; absent: any
export const CONNECTION_REKEY_TIME: u32 = 8;
export const CONNECTION_OVER_TIME: u32 = 9;
export const CONNECTION_DPD_DELAY: u32 = 10;
export const CONNECTION_ENCAP: u32 = 11; // 1: force UDP encapsulation
export const CONNECTION_FAILURE: u32 = 12; // text of the last failure
export const CONNECTION_RAND_TIME: u32 = 13;
/**
 * A round of our authentication, and one of the peer's (RFC 4739 where there are several): AUTH_* u32, then u32: what the
 * secure element knows the credential, or whom to trust, by. The LOCAL_ID or REMOTE_ID behind it is that round's; without
 * any, there is one round by shared key.
 */
export const CONNECTION_LOCAL_AUTH: u32 = 256;
export const CONNECTION_REMOTE_AUTH: u32 = 257;
export const CONNECTION_SEND_CERT: u32 = 258; // SEND_CERT_*
/** Authorities to ask for, by what CERTREQ names them (RFC 7296 3.7): 20 octets each, one behind the other; none: no CERTREQ. */
export const CONNECTION_AUTHORITIES: u32 = 259;
/** From here on, items of a child again. */
export const CHILD_ITEMS_MORE: u32 = 352;
export const CHILD_PROTOCOL: u32 = 362; // of its proposals, as SA_PROTOCOL: 50 ESP, 51 AH; absent: ESP
export const CHILD_TUNNEL_FLAGS: u32 = 370; // of SA_FLAGS_TUNNEL; absent: none
export const CHILD_PLACEMENT: u32 = 371; // PLACEMENT_* of config.ts; absent: the chassis's
export const CHILD_PRIORITY: u32 = 363; // of its policies, the lower the sooner; absent: reckoned from the selectors
export const CONNECTION_FRAGMENTATION: u32 = 272; // FRAGMENTATION_*; absent: yes
export const CONNECTION_CHILDLESS: u32 = 273; // CHILDLESS_*; absent: allow
export const CONNECTION_PPK_ID: u32 = 275; // PPK_ID (RFC 8784) to offer as initiator; absent: none
export const CONNECTION_PPK: u32 = 276; // PPK_POLICY_*; absent: none
export const CONNECTION_LOCAL_NETWORK: u32 = 285; // like CONNECTION_LOCAL_ADDRESS, the length of the prefix u8 behind it
export const CONNECTION_REMOTE_NETWORK: u32 = 286; // peers of this network, who are not initiated to
export const CONNECTION_REAUTH_TIME: u32 = 310;
export const CONNECTION_UNIQUE: u32 = 311; // UNIQUE_*; absent: no
export const CONNECTION_KEYING_TRIES: u32 = 312; // sequences of retransmissions of an attempt; 0: no end; absent: 1
export const CONNECTION_NAMED: u32 = 313; // 1: the peer's addresses are to be looked up
export const CONNECTION_MOBIKE: u32 = 290; // 0: not offered, not taken (RFC 4555); absent: yes
/** Of MANAGEMENT_INITIATE with CONNECTION_NAME: 1 for the IKE_SA alone (RFC 6023). */
export const INITIATE_IKE: u32 = 274;
/** CHILD_NAME opens a child; the CHILD_* items up to the next CHILD_NAME belong to it. */
export const CHILD_NAME: u32 = 32;
export const CHILD_PROPOSAL: u32 = 33; // repeated
export const CHILD_LOCAL_TS: u32 = 34; // a selector of message.ts; repeated
export const CHILD_REMOTE_TS: u32 = 35;
export const CHILD_MODE: u32 = 36; // MODE_* of message.ts, CHILD_MODE_*
export const CHILD_START_ACTION: u32 = 37; // START_*
export const CHILD_REKEY_TIME: u32 = 38;
export const CHILD_LIFE_TIME: u32 = 39;
export const CHILD_RAND_TIME: u32 = 40;
export const CHILD_REPLAY_WINDOW: u32 = 41;
export const CHILD_DPD_ACTION: u32 = 42; // START_* too: none is clear, start is restart
export const CHILD_CLOSE_ACTION: u32 = 43;
export const CHILD_REKEY_PACKETS: u32 = 44; // u64
export const CHILD_REKEY_BYTES: u32 = 45; // u64

export const CHILD_LIFE_PACKETS: u32 = 352; // u64, as are the next three; 0: no limit
export const CHILD_LIFE_BYTES: u32 = 353;
export const CHILD_RAND_PACKETS: u32 = 354;
export const CHILD_RAND_BYTES: u32 = 355;
export const CHILD_INACTIVITY: u32 = 356; // seconds without a packet in either direction

/** Shunts: policies without an SA, in force while start_action is trap. They have no proposals. */
export const CHILD_MODE_PASS: u32 = 2; // BYPASS
export const CHILD_MODE_DROP: u32 = 3; // DISCARD

export const SEND_CERT_IF_ASKED: u32 = 0;
export const SEND_CERT_ALWAYS: u32 = 1;
export const SEND_CERT_NEVER: u32 = 2;

/** Ways of authentication. */
export const AUTH_ANY: u32 = 0; // the peer's alone: whatever it does
export const AUTH_SHARED_KEY: u32 = 1;
export const AUTH_PUBLIC_KEY: u32 = 2;
export const AUTH_EAP: u32 = 3; // RFC 7296 2.16; of both ends: EAP alone (RFC 5998)

/** RFC 7383: taken and sent, taken alone, not offered. */
export const FRAGMENTATION_YES: u32 = 0;
export const FRAGMENTATION_ACCEPT: u32 = 1;
export const FRAGMENTATION_NO: u32 = 2;

/** RFC 8784: the secure element has no PPK; it has some; without one no IKE_SA comes to be. */
export const PPK_POLICY_NONE: u32 = 0;
export const PPK_POLICY_OPTIONAL: u32 = 1;
export const PPK_POLICY_REQUIRED: u32 = 2;

/** RFC 6023: taken from peers; initiated where the peer takes it; initiated so or not at all; refused. */
export const CHILDLESS_ALLOW: u32 = 0;
export const CHILDLESS_PREFER: u32 = 1;
export const CHILDLESS_FORCE: u32 = 2;
export const CHILDLESS_NEVER: u32 = 3;

/**
 * Several IKE_SAs between the same identities: INITIAL_CONTACT ends the others; it is ignored; a new one ends the others of its
 * connection; a new one is refused while there is one from another address.
 */
export const UNIQUE_NO: u32 = 0;
export const UNIQUE_NEVER: u32 = 1;
export const UNIQUE_REPLACE: u32 = 2;
export const UNIQUE_KEEP: u32 = 3;

/** Bits. */
export const START_NONE: u32 = 0;
export const START_TRAP: u32 = 1;
export const START_START: u32 = 2;
export const START_TRAP_START: u32 = 3;

/** A transform of a proposal, TRANSFORM_OCTETS each. */
export const TRANSFORM_TYPE: u32 = 0; // u8: 1 ENCR, 2 PRF, 3 INTEG, 4 KE, 5 ESN, 6-12 ADDKE1-7 (RFC 9370)
export const TRANSFORM_ID: u32 = 2; // u16
export const TRANSFORM_KEY_BITS: u32 = 4; // u16, 0 none
export const TRANSFORM_OCTETS: u32 = 8;

/** Items of IKE_SA, CHILD_SA and EVENT messages. CONNECTION_NAME and CHILD_NAME are used too. */
export const IKE_SA_UNIQUE_ID: u32 = 64;
export const IKE_SA_STATE: u32 = 65; // IKE_STATE_*
export const IKE_SA_SPI_I: u32 = 66; // 8 octets
export const IKE_SA_SPI_R: u32 = 67;
export const IKE_SA_INITIATOR: u32 = 68; // 1: we initiated
export const IKE_SA_LOCAL: u32 = 69; // address octets
export const IKE_SA_LOCAL_PORT: u32 = 70;
export const IKE_SA_REMOTE: u32 = 71;
export const IKE_SA_REMOTE_PORT: u32 = 72;
export const IKE_SA_LOCAL_ID: u32 = 73;
export const IKE_SA_REMOTE_ID: u32 = 74;
export const IKE_SA_PROPOSAL: u32 = 75; // the transforms agreed on
export const IKE_SA_ESTABLISHED: u32 = 76; // u64 NOW
export const IKE_SA_NAT: u32 = 77; // bit 0: we are behind a NAT, bit 1: the peer is
export const CHILD_SA_UNIQUE_ID: u32 = 96;
export const CHILD_SA_STATE: u32 = 97; // CHILD_STATE_*
export const CHILD_SA_SPI_IN: u32 = 98;
export const CHILD_SA_SPI_OUT: u32 = 99;
export const CHILD_SA_LINK: u32 = 100; // index
export const CHILD_SA_SLOT: u32 = 101; // where it is placed
export const CHILD_SA_GENERATION: u32 = 102;
export const CHILD_SA_PROPOSAL: u32 = 103;
export const CHILD_SA_LOCAL_TS: u32 = 104;
export const CHILD_SA_REMOTE_TS: u32 = 105;
export const CHILD_SA_MODE: u32 = 106;
export const CHILD_SA_FLAGS: u32 = 107; // SA_FLAG_*
export const CHILD_SA_INSTALLED: u32 = 108; // u64 NOW

export const IKE_STATE_FREE: u32 = 0;
export const IKE_STATE_CONNECTING: u32 = 1;
export const IKE_STATE_ESTABLISHED: u32 = 2;
export const IKE_STATE_REKEYING: u32 = 3;
export const IKE_STATE_REKEYED: u32 = 4;
export const IKE_STATE_DELETING: u32 = 5;

export const CHILD_STATE_FREE: u32 = 0;
export const CHILD_STATE_CREATED: u32 = 1;
export const CHILD_STATE_INSTALLING: u32 = 2;
export const CHILD_STATE_INSTALLED: u32 = 3;
export const CHILD_STATE_REKEYING: u32 = 4;
export const CHILD_STATE_REKEYED: u32 = 5;
export const CHILD_STATE_DELETING: u32 = 6;

/** EVENT items. */
export const EVENT_KIND: u32 = 128;
export const EVENT_UP: u32 = 129; // 1 up, 0 down
export const EVENT_NOTIFY: u32 = 130; // the notify type that the peer gave, or that we gave
export const EVENT_TEXT: u32 = 131;
export const EVENT_LEFT: u32 = 132; // CHILD_SAs that no other board takes

export const IKE_SA_MOBIKE: u32 = 425; // 1: addresses may change (RFC 4555)
export const IKE_SA_PEER_ADDRESS: u32 = 426; // address octets that the peer told of, besides the present one; repeated
export const CHILD_SA_PROTOCOL: u32 = 450; // as SA_PROTOCOL

export const IKE_SA_PPK: u32 = 413; // 1: its keys come from a PPK, too (RFC 8784)

export const SHUNT_NAME: u32 = 467; // of a child that is a policy without an SA
/** POLICY items. */
export const POLICY_ACTION: u32 = 460; // POLICY_PROTECT..
export const POLICY_PRIORITY: u32 = 461; // the lower the sooner
export const POLICY_SERIAL: u32 = 462; // among equals the newer, with the larger one, comes first
export const POLICY_LOCAL_TS: u32 = 463; // a selector of message.ts
export const POLICY_REMOTE_TS: u32 = 464;
/** u64 each: packets that met it, to the unprotected side and from there; of an SA's policy its boards count them. */
export const POLICY_HITS_OUT: u32 = 465;
export const POLICY_HITS_IN: u32 = 466;
/** Values of POLICY_ACTION. A trap is PROTECT without an SA. */
export const POLICY_PROTECT: u32 = 1;
export const POLICY_TRAP: u32 = 2;
export const POLICY_BYPASS: u32 = 3;
export const POLICY_DISCARD: u32 = 4;

export const LOOKUP_ATTEMPT: u32 = 440; // u32: which attempt waits; to be given back as it is
/** EAP: what the end that was asked calls itself; the method (EAP type), EAP_WE_ASKED more when we did. */
export const IKE_SA_EAP_IDENTITY: u32 = 420;
export const IKE_SA_EAP_METHOD: u32 = 421;
export const EAP_WE_ASKED: u32 = 256;
export const EVENT_EAP_IDENTITY: u32 = 422;

/** Where two proposals came closest: transform type u8, number of ours u8, of the peer's u8; the transforms of that type of each. */
export const EVENT_MISMATCH: u32 = 410;
export const EVENT_TRANSFORMS_OURS: u32 = 411;
export const EVENT_TRANSFORMS_THEIRS: u32 = 412;
/** Values of EVENT_KIND, named after vici's events. */
export const EVENT_IKE_UPDOWN: u32 = 1;
export const EVENT_IKE_REKEY: u32 = 2;
export const EVENT_CHILD_UPDOWN: u32 = 3;
export const EVENT_CHILD_REKEY: u32 = 4;
export const EVENT_ALERT: u32 = 5; // an attempt failed: EVENT_TEXT says why
export const EVENT_SA_PLACED: u32 = 6;
export const EVENT_SA_REFUSED: u32 = 7;
export const EVENT_SA_MOVED: u32 = 9; // as SA_PLACED, on another board
export const EVENT_BOARD_DRAINED: u32 = 10; // CHILD_SA_SLOT, CHILD_SA_GENERATION, EVENT_LEFT
export const EVENT_RESTORED: u32 = 11; // RESTORED_IKE_SAS, RESTORED_CHILD_SAS: taken back from the checkpoint after a restart
export const EVENT_IKE_UPDATE: u32 = 8; // an IKE_SA and its CHILD_SAs go elsewhere: IKE_SA_LOCAL, _REMOTE and ports

/** Configuration payload (RFC 7296 3.15). Chassis -> IKE board: a pool; none of that name with other contents may be there. */
export const MANAGEMENT_POOL_LOAD: u32 = 10; // POOL_NAME, POOL_RANGE, POOL_ATTRIBUTE..
/** Sends peers to another gateway (RFC 5685): REDIRECT_GATEWAY, and CONNECTION_NAME or IKE_SA_UNIQUE_ID, _REMOTE or _REMOTE_ID. */
export const MANAGEMENT_REDIRECT: u32 = 12;
export const MANAGEMENT_LIST_POOLS: u32 = 11; // yields POOL and LEASE messages
/** Board -> chassis. */
export const MANAGEMENT_POOL: u32 = 134; // POOL_NAME, POOL_RANGE, POOL_SIZE, POOL_ONLINE, POOL_OFFLINE
export const MANAGEMENT_LEASE: u32 = 135; // POOL_NAME, LEASE_*

/** Items of a connection: an address to ask for, 4 or 16 octets, all 0 any; at most one a family. Name of a loaded pool, repeated. */
export const CONNECTION_VIP: u32 = 295;
export const CONNECTION_POOL: u32 = 296;
export const POOL_NAME: u32 = 300;
export const POOL_RANGE: u32 = 301; // first and last address, 4 or 16 octets each
export const POOL_ATTRIBUTE: u32 = 302; // type u16 (RFC 7296 3.15.1), value as it goes out; repeated
export const POOL_SIZE: u32 = 303;
export const POOL_ONLINE: u32 = 304;
export const POOL_OFFLINE: u32 = 305; // given once, free now; kept for the same identity while another one is free
export const LEASE_ADDRESS: u32 = 306;
export const LEASE_IDENTITY: u32 = 307; // ID type u8, data
export const LEASE_ONLINE: u32 = 308; // 1: an IKE_SA holds it

/** Gateway as the notify has it: identity type u8 (1 IPv4, 2 IPv6, 3 FQDN), length u8, octets. */
export const REDIRECT_GATEWAY: u32 = 309;

/** Family of a traffic selector of a child that stands for this end's address (`dynamic`): its virtual IPs, if it has some. */
export const TS_DYNAMIC: u32 = 0;

/** Items of IKE_SA and EVENT messages: virtual IPs, 4 or 16 octets, repeated; name servers that came with ours. */
export const IKE_SA_LOCAL_VIP: u32 = 430;
export const IKE_SA_REMOTE_VIP: u32 = 431;
export const EVENT_DNS: u32 = 432;
/** Value of EVENT_KIND: our virtual IPs are there, or gone. */
export const EVENT_VIRTUAL_IP: u32 = 430;

/** Items of BOARDS. */
export const BOARD_SLOT: u32 = 500;
export const BOARD_GENERATION: u32 = 501;
export const BOARD_CAPACITY: u32 = 502; // CHILD_SAs that it takes
export const BOARD_SAS: u32 = 503; // CHILD_SAs that are placed on it
export const BOARD_WEIGHT: u32 = 504;
export const BOARD_NUMBER: u32 = 514; // which logical board it is
/** u64, a second: its load (ipsec/load.ts), what that comes of, smoothed (distribution/board_load.ts). */
export const BOARD_WORK: u32 = 505;
export const BOARD_PACKETS: u32 = 506;
export const BOARD_OCTETS: u32 = 507;
/** u64, since the IKE board is up: rounds of the audit of this slot, SAs compared; disagreements that were found and repaired. */
export const BOARD_AUDIT_ROUNDS: u32 = 508;
export const BOARD_AUDIT_COMPARED: u32 = 509;
export const BOARD_AUDIT_UNKNOWN: u32 = 510;
export const BOARD_AUDIT_MISPLACED: u32 = 511;
export const BOARD_AUDIT_MISSING: u32 = 512;
/** Of EVENT_ALERT: the audit found a disagreement, AUDIT_*, and repaired it; CHILD_SA_LINK, _SPI_IN or _SPI_OUT and _SLOT say where. */
export const EVENT_AUDIT: u32 = 513;
export const AUDIT_UNKNOWN: u32 = 1; // the board has an SA that no CHILD_SA has: removed there
export const AUDIT_MISPLACED: u32 = 2; // it has an SA whose place is another board: removed there
export const AUDIT_MISSING: u32 = 3; // it does not have one whose place it is: given anew

/** Of EVENT_RESTORED. */
export const RESTORED_IKE_SAS: u32 = 520;
export const RESTORED_CHILD_SAS: u32 = 521;
