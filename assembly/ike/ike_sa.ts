/**
 * The table of IKE_SAs (RFC 7296 section 2): records of fixed size, taken from a stack, found by our own SPI, which carries
 * the index in its last two octets, or, while only the peer's first message is known, by a hash of its SPI and address.
 *
 * A record's GENERATION changes each time it is freed, so that an answer meant for its former holder finds nobody.
 * Keys are wiped on free. How many may be half-open is half_open.ts.
 */
import { IKE_STATE_CONNECTING, IKE_STATE_ESTABLISHED, IKE_STATE_FREE } from "../abi/management";
import { QCD_TOKEN_OCTETS } from "../abi/psa";
import { TRACE_IKE_STATE, TRACE_MASK_IKE } from "../abi/trace";
import { drbgDraw, drbgU32 } from "../crypto/drbg";
import { arenaTake } from "../rt/arena";
import { zeroize } from "../rt/bytes";
import { trace } from "../rt/trace";
import { IpAddress, addressAt, addressSource } from "../wire/ip_address";
import { IPV6_ADDRESS } from "../wire/ipv6";
import { ikeChanged } from "./changes";
import { connectionAt, connectionRelease } from "./connection";
import { halfOpenCount, halfOpenReset } from "./half_open";
import { identityIndexAdd, identityIndexRemove, identityIndexReset } from "./identity_index";
import { SUITE_OCTETS, Suite } from "./proposal";
import { ikeSaCapacity } from "./settings";
import { ikeMayMove } from "./state";

/** What the exchange that we initiated waits for. */
export const OUT_NONE: u32 = 0;
export const OUT_INIT_KEY: u32 = 1;
export const OUT_INIT: u32 = 2;
export const OUT_INIT_AGREE: u32 = 3;
export const OUT_AUTH_SIGN: u32 = 4;
export const OUT_AUTH: u32 = 5;
export const OUT_AUTH_VERIFY: u32 = 6;
export const OUT_CHILD_KEY: u32 = 7;
export const OUT_CHILD: u32 = 8;
export const OUT_CHILD_AGREE: u32 = 9;
export const OUT_REKEY_KEY: u32 = 10;
export const OUT_REKEY: u32 = 11;
export const OUT_REKEY_AGREE: u32 = 12;
export const OUT_LIVENESS: u32 = 13;
export const OUT_DELETE_CHILD: u32 = 14;
export const OUT_DELETE_IKE: u32 = 15;
export const OUT_PPK_AUTH: u32 = 16;
export const OUT_PPK: u32 = 17;
export const OUT_INTERMEDIATE_KEY: u32 = 18;
export const OUT_INTERMEDIATE: u32 = 19;
export const OUT_INTERMEDIATE_AGREE: u32 = 20;
export const OUT_FOLLOWUP_KEY: u32 = 21;
export const OUT_FOLLOWUP: u32 = 22;
export const OUT_FOLLOWUP_AGREE: u32 = 23;
export const OUT_MOBIKE: u32 = 35;
export const OUT_ROUTABILITY: u32 = 36;
export const OUT_LOOKUP: u32 = 40;
export const OUT_EAP: u32 = 30;
export const OUT_EAP_AUTH: u32 = 31;
export const OUT_EAP_VERIFY: u32 = 32;

export const OUT_QCD: u32 = 38;
export const OUT_QCD_RENEW: u32 = 39;

/** What the exchange that the peer initiated waits for. */
export const IN_NONE: u32 = 0;
export const IN_INIT_KEY: u32 = 1;
export const IN_AUTH_BOTH: u32 = 2;
export const IN_AUTH_VERIFY: u32 = 3;
export const IN_AUTH_SIGN: u32 = 4;
export const IN_AUTH_INSTALL: u32 = 5;
export const IN_CHILD_KEY: u32 = 6;
export const IN_CHILD_AGREE: u32 = 7;
export const IN_CHILD_INSTALL: u32 = 8;
export const IN_REKEY_KEY: u32 = 9;
export const IN_REKEY_AGREE: u32 = 10;
export const IN_PPK: u32 = 11;
export const IN_INTERMEDIATE: u32 = 12;
export const IN_FOLLOWUP: u32 = 13;
export const IN_EAP: u32 = 20;
export const IN_EAP_AUTH: u32 = 21;
export const IN_EAP_VERIFY: u32 = 22;

export const IN_QCD: u32 = 26;

/** What is to be done when the window allows it. */
export const WANT_LIVENESS: u32 = 1;
export const WANT_DELETE: u32 = 2;
export const WANT_REKEY: u32 = 4;
export const WANT_MOBIKE: u32 = 8;

/** RFC 7383: not agreed on; agreed, but none of ours is sent so; long messages go to the peer in fragments. */
export const FRAGMENTS_NONE: u32 = 0;
export const FRAGMENTS_TAKEN: u32 = 1;
export const FRAGMENTS_SENT: u32 = 2;

/** The peer is told a new token of ours. */
export const WANT_QCD: u32 = 1 << 4;

/** RFC 5685: we, or the peer, can be redirected. */
export const REDIRECT_US: u32 = 1;
export const REDIRECT_PEER: u32 = 2;

/** Octets of our tokens (RFC 6290), and of the peer's at most. */
export const QCD_OWN_OCTETS: u32 = QCD_TOKEN_OCTETS;
export const QCD_PEER_MAX: u32 = 128;

export const NAT_LOCAL: u32 = 1;
export const NAT_REMOTE: u32 = 2;

/** What is to be said about addresses (RFC 4555), bits: where the SAs go now; our other addresses; is the peer where it says? */
export const MOVE_UPDATE: u32 = 1;
export const MOVE_ANNOUNCE: u32 = 2;
export const MOVE_VERIFY: u32 = 4;

/** Octets of a message that is kept for retransmission, its fragments together; a longer one is refused. */
export const RETAINED_MAX: u32 = 8192;
/** Octets of a message of IKE_SA_INIT. */
export const INIT_MAX: u32 = 4096;
export const NONCE_OCTETS: u32 = 32;
/** Octets of a public value or a shared secret: those of MODP-8192, and room for ML-KEM-1024. */
export const KE_VALUE_MAX: u32 = 1600;
export const COOKIE_MAX: u32 = 64;
/** Octets for one SK_* key: the longest PRF output, or a cipher key with its salt. */
export const SK_KEY_MAX: u32 = 64;
/** Octets of an EAP identity that are kept: it is but shown. */
export const EAP_IDENTITY_MAX: u32 = 128;
/** Further addresses of a peer that are remembered (RFC 4555). */
export const PEER_ADDRESSES_MAX: u32 = 8;
/** Octets of our COOKIE2. */
export const COOKIE2_OCTETS: u32 = 16;
/** Octets of a hash of NAT_DETECTION_*. */
const NAT_HASH_OCTETS: u32 = 24;


@unmanaged
export class IkeSa {
  index: u32;
  generation: u32;
  state: u32;
  uniqueId: u32;
  connection: i32;
  /** 1: we are the original initiator. */
  initiator: u32;
  /** As they stand on the wire. */
  spiI: u64;
  spiR: u64;

  private localHigh: u64;
  private localLow: u64;
  private remoteHigh: u64;
  private remoteLow: u64;
  localPort: u32;
  remotePort: u32;
  nat: u32;

  /** Next IV of ours. */
  iv: u64;
  outId: u32;
  inId: u32;
  outStep: u32;
  inStep: u32;
  outTries: u32;
  outLimit: u32;
  outDelay: u64;
  outLength: u32;
  inLength: u32;
  /** The CHILD_SA, and the IKE_SA, that the exchange in hand is about; -1 none. */
  outChild: i32;
  inChild: i32;
  outSa: i32;
  inSa: i32;
  /** Key id in the secure element of the share that we sent as initiator. */
  outKey: u32;
  method: u32;
  inMethod: u32;
  /** The peer's request, decrypted, that waits; frame address. */
  held: usize;
  want: u32;
  /** 1: the operator ended it; nothing restarts. */
  terminated: u32;
  halfOpen: u32;
  /** The source (addressSource) that it is counted under while it is half-open. */
  source: u64;
  retries: u32;

  firstChild: i32;
  /** FRAGMENTS_*. */
  fragments: u32;
  /**
   * Rekeys in steps (followup.ts): the secrets of ours and of the peer's (secrets.ts); of the peer's the CHILD_SA or the IKE_SA that is
   * to be, -1 none, the place of the key exchange that is next, and what names it.
   */
  secretsOut: u32;
  secretsIn: u32;
  followChild: i32;
  followSa: i32;
  followNext: u32;
  followLink: u64;
  /** Of one that a rekey has begun and that is not there yet: the one to be replaced, and 1; 0 none. */
  parent: u32;
  /** Place of the additional key exchange that is next (RFC 9370), and IKE_INTERMEDIATE exchanges that are sent and received. */
  additionalNext: u32;
  intermediateSent: u32;
  intermediateReceived: u32;
  /** PPK_* of ppk.ts. */
  ppk: u32;
  /** 1: the peer takes IKE_AUTH without a CHILD_SA (RFC 6023). */
  peerChildless: u32;
  /** 1: the IKE_SA alone was asked for. */
  bare: u32;
  /** Messages that are being reassembled (reassembly.ts): responses, and requests. */
  fragmentsOut: u32;
  fragmentsIn: u32;

  /** Its chain in identity_index.ts: address of the bucket, 0 when it is in none. */
  indexed: u32;
  identityNext: i32;
  identityPrevious: i32;

  connectionNext: i32;
  connectionPrevious: i32;
  hashNext: i32;
  hashed: u32;

  established: u64;
  lastHeard: u64;
  peerNonceLength: u32;
  localIdLength: u32;
  peerIdLength: u32;
  /** Rounds of our authentication that are sent, and of the peer's that are verified. */
  localRounds: u32;
  peerRounds: u32;
  /** 1: the peer knows of several rounds (RFC 4739). */
  peerMultiple: u32;
  /** 1: it has announced another one. */
  peerAnother: u32;
  /** How well the connection at hand fits the peer's first round, how many were tried before, and why the first of them was not it. */
  choiceScore: u32;
  choices: u32;
  fault: usize;
  /** Hashes of signatures that the peer takes: bit n for IANA's identifier n, 0 it told of none (RFC 7427). */
  peerHashes: u32;
  /** 1: it has asked for our certificate. */
  certAsked: u32;
  /** The first request of IKE_AUTH, whose CHILD_SA is granted after the last one; our AUTH that waits; frame addresses. */
  offer: usize;
  signed: usize;
  cookieLength: u32;
  keOwnLength: u32;
  kePeerLength: u32;
  initSentLength: u32;
  initReceivedLength: u32;
  /** 0 until the first rekey is due; see life.ts. */
  lifeStage: u32;
  lifeEnd: u64;
  /** Since when the peer has answered nothing but TEMPORARY_FAILURE, 0 not. */
  temporarySince: u64;
  /** An SPI that we do not know and the peer deleted while our request for a CHILD_SA was under way, 0 none. */
  deletedSpi: u32;
  /** CAUSE_* of life.ts that its Delete ends with. */
  endCause: u32;
  /**
   * While a rekey of the IKE_SA is undecided (succession.ts): of the new one, the one to be replaced; of the old one, the new
   * one that we asked for, and that the peer did; -1 none.
   */
  older: i32;
  newOut: i32;
  newIn: i32;
  /**
   * Virtual IPs (virtual_ip.ts): VIRTUAL_IP4 and VIRTUAL_IP6 of those asked for and not answered, and of those there are; 1: they are
   * ours, 0: the peer's; of the peer's the leases; the addresses as they stand on the wire.
   */
  virtualAsked: u32;
  virtualHeld: u32;
  virtualOurs: u32;
  virtualLease4: u32;
  virtualLease6: u32;
  virtual4: u32;
  virtual6High: u64;
  virtual6Low: u64;
  /**
   * Redirect (RFC 5685): REDIRECT_*; where the peer is to be sent, a record of gateway.ts, 0 nowhere; of one that a redirect began whence,
   * and the IKE_SA that was redirected: index + 1, 0 none.
   */
  redirect: u32;
  redirectTo: u32;
  redirectedFromHigh: u64;
  redirectedFromLow: u64;
  redirectOld: u32;
  redirectOldGeneration: u32;
  /** Quick crash detection (qcd.ts): 1: our token is here; octets of the peer's, 0 none. */
  qcdOwn: u32;
  qcdPeerLength: u32;

  /** 1: we made the first IKE_SA of this line of rekeys: to reauthenticate is our business. */
  originator: u32;
  /** 1: another one of the peer's has its place, and this one is to go in a while (uniqueness.ts). */
  duplicate: u32;
  /** When it is to be reauthenticated, 0 never; a rekey does not move it. */
  reauthAt: u64;
  /** Reauthentication (reauthentication.ts): of the new one, the old one; of the old one, the new one; -1 none. */
  reauthOld: i32;
  reauthNew: i32;
  /** Attempts in a row that failed. */
  reauthFailures: u32;
  /** 1: made to follow one whose original initiator is the peer; it goes if the peer had the same in mind. */
  reauthYields: u32;
  /** Sequences of retransmissions before this one (keyingtries). */
  sequences: u32;

  /**
   * EAP: EAP_* of eap.ts, the session in the secure element, its answer whose packet waits to be sent (frame address), 1: the peer takes
   * EAP alone (RFC 5998); EAP_REASON_* of the failure that the peer was told of; what it came to: method, and octets of the identity.
   */
  eap: u32;
  eapSession: u32;
  eapAnswer: usize;
  eapOnly: u32;
  eapForeseen: u32;
  eapMethod: u32;
  eapIdentityLength: u32;
  /** Where the peer's request came to and from: there its answer goes (RFC 7296 2.11). Ports 0: to the SA's own ends. */
  private answerLocalHigh: u64;
  private answerLocalLow: u64;
  private answerRemoteHigh: u64;
  private answerRemoteLow: u64;
  answerLocalPort: u32;
  answerRemotePort: u32;
  /** 1: the peer knows of NAT traversal. */
  natTraversal: u32;
  /** 1: so do both of MOBIKE (RFC 4555); `peerMobike`: the peer has said so; `mover`: we initiated the first of its IKE_SAs. */
  mobike: u32;
  peerMobike: u32;
  mover: u32;
  /** MOVE_* that are to be said, and those of the request under way. */
  move: u32;
  moving: u32;
  /** UNEXPECTED_NAT_DETECTED in a row; pairs of addresses that were refused in a row (mobike_pair.ts lists them). */
  natsMet: u32;
  pairsRefused: u32;
  /** Addresses of the peer's that it has told of, besides the present one. */
  peerAddressCount: u32;
  /** 1: the hash of our address, as the peer sees it, is known. */
  natSeen: u32;
  /** Where the peer has to be when its COOKIE2 comes back, and where the CHILD_SAs go, if that is not where the IKE_SA does. */
  private verifyHigh: u64;
  private verifyLow: u64;
  private placedHigh: u64;
  private placedLow: u64;

  /** Our address and the peer's, in place: addressCopy changes them. */
  // @ts-ignore: decorator
  @inline
  get local(): IpAddress {
    return addressAt(changetype<usize>(this) + offsetof<IkeSa>("localHigh"));
  }

  // @ts-ignore: decorator
  @inline
  get remote(): IpAddress {
    return addressAt(changetype<usize>(this) + offsetof<IkeSa>("remoteHigh"));
  }

  // @ts-ignore: decorator
  @inline
  get answerLocal(): IpAddress {
    return addressAt(changetype<usize>(this) + offsetof<IkeSa>("answerLocalHigh"));
  }

  // @ts-ignore: decorator
  @inline
  get answerRemote(): IpAddress {
    return addressAt(changetype<usize>(this) + offsetof<IkeSa>("answerRemoteHigh"));
  }

  // @ts-ignore: decorator
  @inline
  get verify(): IpAddress {
    return addressAt(changetype<usize>(this) + offsetof<IkeSa>("verifyHigh"));
  }

  // @ts-ignore: decorator
  @inline
  get placed(): IpAddress {
    return addressAt(changetype<usize>(this) + offsetof<IkeSa>("placedHigh"));
  }
}

/** SK_* keys, and those that a PPK has replaced for the time being. */
const KEYS: u32 = 10;

const AT_SUITE: usize = (offsetof<IkeSa>() + 7) & ~7;
const AT_KEYS: usize = AT_SUITE + SUITE_OCTETS;
/** IntAuth of what we sent, and of what the peer did (int_auth.ts). */
const AT_INT_AUTH: usize = AT_KEYS + KEYS * SK_KEY_MAX;
const AT_PEER_ADDRESSES: usize = AT_INT_AUTH + 2 * SK_KEY_MAX;
const AT_COOKIE2: usize = AT_PEER_ADDRESSES + PEER_ADDRESSES_MAX * IPV6_ADDRESS;
const AT_NAT_SEEN: usize = AT_COOKIE2 + COOKIE2_OCTETS;
const AT_NONCE: usize = AT_NAT_SEEN + NAT_HASH_OCTETS;
const AT_PEER_NONCE: usize = AT_NONCE + NONCE_OCTETS;
const AT_LOCAL_ID: usize = AT_PEER_NONCE + 256;
const AT_PEER_ID: usize = AT_LOCAL_ID + 256;
const AT_COOKIE: usize = AT_PEER_ID + 256;
const AT_EAP_IDENTITY: usize = AT_COOKIE + COOKIE_MAX;
const AT_KE_OWN: usize = AT_EAP_IDENTITY + EAP_IDENTITY_MAX;
const AT_KE_PEER: usize = AT_KE_OWN + KE_VALUE_MAX;
const AT_REQUEST: usize = AT_KE_PEER + KE_VALUE_MAX;
const AT_RESPONSE: usize = AT_REQUEST + RETAINED_MAX;
const AT_INIT_SENT: usize = AT_RESPONSE + RETAINED_MAX;
const AT_INIT_RECEIVED: usize = AT_INIT_SENT + INIT_MAX;
const AT_QCD_OWN: usize = AT_INIT_RECEIVED + INIT_MAX;
const AT_QCD_PEER: usize = AT_QCD_OWN + QCD_OWN_OCTETS;
const SA_OCTETS: usize = (AT_QCD_PEER + QCD_PEER_MAX + 63) & ~63;

/** Octets of a record, from its start, that matter for as long as there is the IKE_SA: all but messages, public values and tokens. */
export const IKE_SA_LASTING: usize = AT_KE_OWN;

export const KEY_D: u32 = 0;
export const KEY_AI: u32 = 1;
export const KEY_AR: u32 = 2;
export const KEY_EI: u32 = 3;
export const KEY_ER: u32 = 4;
export const KEY_PI: u32 = 5;
export const KEY_PR: u32 = 6;
/** SK_d', SK_pi' and SK_pr' (RFC 8784), while it is open whether a PPK is used. */
export const KEY_D_WITHOUT: u32 = 7;
export const KEY_PI_WITHOUT: u32 = 8;
export const KEY_PR_WITHOUT: u32 = 9;

const SPI_INDEX_OCTETS: u32 = 2;

let table: usize = 0;
let stack: usize = 0;
let free: u32 = 0;
let buckets: usize = 0;
let bucketMask: u32 = 0;
let uniqueIds: u32 = 0;

export function ikeSasReset(): bool {
  table = arenaTake(<usize>ikeSaCapacity * SA_OCTETS);
  stack = arenaTake(<usize>ikeSaCapacity * 4);
  let size: u32 = 64;
  while (size < ikeSaCapacity) size <<= 1;
  bucketMask = size - 1;
  buckets = arenaTake(<usize>size * 4);
  if (table == 0 || stack == 0 || buckets == 0) return false;
  memory.fill(buckets, 0xff, <usize>size * 4);
  free = ikeSaCapacity;
  if (!halfOpenReset() || !identityIndexReset(ikeSaCapacity)) return false;
  uniqueIds = 0;
  for (let i: u32 = 0; i < ikeSaCapacity; i++) {
    ikeSaAt(i).index = i;
    store<u32>(stack + ((<usize>i) << 2), ikeSaCapacity - 1 - i);
  }
  return true;
}

// @ts-ignore: decorator
@inline
export function ikeSaAt(i: u32): IkeSa {
  return changetype<IkeSa>(table + <usize>i * SA_OCTETS);
}

export function ikeSuite(sa: IkeSa): Suite {
  return changetype<Suite>(changetype<usize>(sa) + AT_SUITE);
}
export function ikeKey(sa: IkeSa, key: u32): usize {
  return changetype<usize>(sa) + AT_KEYS + <usize>(key * SK_KEY_MAX);
}
export function ikeIntAuth(sa: IkeSa, ours: bool): usize {
  return changetype<usize>(sa) + AT_INT_AUTH + (ours ? 0 : SK_KEY_MAX);
}
export function ikeNonce(sa: IkeSa): usize {
  return changetype<usize>(sa) + AT_NONCE;
}
export function ikePeerNonce(sa: IkeSa): usize {
  return changetype<usize>(sa) + AT_PEER_NONCE;
}
export function ikeLocalId(sa: IkeSa): usize {
  return changetype<usize>(sa) + AT_LOCAL_ID;
}
export function ikePeerId(sa: IkeSa): usize {
  return changetype<usize>(sa) + AT_PEER_ID;
}
export function ikeCookie(sa: IkeSa): usize {
  return changetype<usize>(sa) + AT_COOKIE;
}
export function ikeEapIdentity(sa: IkeSa): usize {
  return changetype<usize>(sa) + AT_EAP_IDENTITY;
}
export function ikeKeOwn(sa: IkeSa): usize {
  return changetype<usize>(sa) + AT_KE_OWN;
}
export function ikeKePeer(sa: IkeSa): usize {
  return changetype<usize>(sa) + AT_KE_PEER;
}
export function ikeRequest(sa: IkeSa): usize {
  return changetype<usize>(sa) + AT_REQUEST;
}
export function ikeResponse(sa: IkeSa): usize {
  return changetype<usize>(sa) + AT_RESPONSE;
}
export function ikeInitSent(sa: IkeSa): usize {
  return changetype<usize>(sa) + AT_INIT_SENT;
}
export function ikeQcdOwn(sa: IkeSa): usize {
  return changetype<usize>(sa) + AT_QCD_OWN;
}
export function ikeQcdPeer(sa: IkeSa): usize {
  return changetype<usize>(sa) + AT_QCD_PEER;
}
export function ikeInitReceived(sa: IkeSa): usize {
  return changetype<usize>(sa) + AT_INIT_RECEIVED;
}

export function ikePeerAddress(sa: IkeSa, i: u32): IpAddress {
  return addressAt(changetype<usize>(sa) + AT_PEER_ADDRESSES + <usize>(i * IPV6_ADDRESS));
}
export function ikeCookie2(sa: IkeSa): usize {
  return changetype<usize>(sa) + AT_COOKIE2;
}
/** The hash of our address and port as the peer saw them last (NAT_DETECTION_DESTINATION_IP). */
export function ikeNatSeen(sa: IkeSa): usize {
  return changetype<usize>(sa) + AT_NAT_SEEN;
}

export function ikeOwnSpi(sa: IkeSa): u64 {
  return sa.initiator != 0 ? sa.spiI : sa.spiR;
}
export function ikePeerSpi(sa: IkeSa): u64 {
  return sa.initiator != 0 ? sa.spiR : sa.spiI;
}

const drawn: usize = memory.data(8, 8);

/** A fresh SPI of ours: 48 random bits, then the index in the last two octets. */
function spiDraw(index: u32): u64 {
  do {
    drbgDraw(drawn, 8 - SPI_INDEX_OCTETS);
  } while ((load<u64>(drawn) & 0xffffffffffff) == 0);
  store<u8>(drawn, <u8>(index >> 8), 6);
  store<u8>(drawn, <u8>index, 7);
  return load<u64>(drawn);
}

/** Takes a record: CONNECTING, with an SPI of ours; null when the table is full. */
export function ikeSaTake(initiator: bool): IkeSa | null {
  if (free == 0) return null;
  free -= 1;
  const index = load<u32>(stack + ((<usize>free) << 2));
  const sa = ikeSaAt(index);
  const generation = sa.generation;
  memory.fill(changetype<usize>(sa), 0, AT_REQUEST);
  sa.index = index;
  sa.generation = generation;
  sa.connection = -1;
  sa.outChild = -1;
  sa.inChild = -1;
  sa.outSa = -1;
  sa.inSa = -1;
  sa.older = -1;
  sa.followChild = -1;
  sa.followSa = -1;
  sa.newOut = -1;
  sa.newIn = -1;
  sa.reauthOld = -1;
  sa.reauthNew = -1;
  sa.firstChild = -1;
  sa.connectionNext = -1;
  sa.connectionPrevious = -1;
  sa.hashNext = -1;
  sa.initiator = initiator ? 1 : 0;
  sa.originator = sa.initiator;
  const spi = spiDraw(index);
  if (initiator) sa.spiI = spi;
  else sa.spiR = spi;
  uniqueIds += 1;
  sa.uniqueId = uniqueIds;
  ikeMove(sa, IKE_STATE_CONNECTING);
  return sa;
}

/** Counts a responder as half-open until it is established or freed. */
export function ikeHalfOpen(sa: IkeSa, on: bool): void {
  const value: u32 = on ? 1 : 0;
  if (sa.halfOpen == value) return;
  sa.halfOpen = value;
  if (on) sa.source = addressSource(sa.remote);
  halfOpenCount(sa.source, on);
}

export function ikeMove(sa: IkeSa, state: u32): void {
  assert(ikeMayMove(sa.state, state), "illegal move of an IKE_SA");
  trace(TRACE_MASK_IKE, TRACE_IKE_STATE, sa.index, sa.state, state);
  ikeChanged(sa.index);
  sa.state = state;
  if (state != IKE_STATE_ESTABLISHED) return;
  ikeHalfOpen(sa, false);
  identityIndexAdd(sa);
}

/** Gives a record back: keys wiped, unlinked, its generation over. Children, jobs and deadlines are the caller's. */
export function ikeSaFree(sa: IkeSa): void {
  ikeHalfOpen(sa, false);
  identityIndexRemove(sa);
  ikeUnhash(sa);
  ikeUnlink(sa);
  zeroize(changetype<usize>(sa) + AT_KEYS, KEYS * SK_KEY_MAX);
  ikeMove(sa, IKE_STATE_FREE);
  sa.generation = (sa.generation + 1) & 0xffff;
  store<u32>(stack + ((<usize>free) << 2), sa.index);
  free += 1;
}

/** Records have come back from the checkpoint by their index: those that are not in use are free. */
export function ikeSasRestored(): void {
  free = 0;
  for (let i = ikeSaCapacity; i > 0; i--) {
    const sa = ikeSaAt(i - 1);
    if (sa.state != IKE_STATE_FREE) {
      uniqueIds = max<u32>(uniqueIds, sa.uniqueId);
      continue;
    }
    store<u32>(stack + ((<usize>free) << 2), i - 1);
    free += 1;
  }
}

/** Records that are free. */
export function ikeSasFree(): u32 {
  return free;
}

/** The IKE_SA that our SPI names, or null. */
export function ikeFind(spi: u64): IkeSa | null {
  const index = (((<u32>(spi >> 48)) & 0xff) << 8) | (<u32>(spi >> 56));
  if (index >= ikeSaCapacity) return null;
  const sa = ikeSaAt(index);
  return sa.state != IKE_STATE_FREE && ikeOwnSpi(sa) == spi ? sa : null;
}

function bucketOf(spi: u64, remote: IpAddress): usize {
  let h = spi ^ ((remote.high ^ (remote.low >> 29) ^ remote.low) * 0x9e3779b97f4a7c15);
  h = (h ^ (h >> 29)) * 0xbf58476d1ce4e5b9;
  return buckets + (((<usize>(h >> 32)) & (<usize>bucketMask)) << 2);
}

/** Makes a responder findable by its peer's first message. */
export function ikeHash(sa: IkeSa): void {
  const bucket = bucketOf(sa.spiI, sa.remote);
  sa.hashNext = load<i32>(bucket);
  sa.hashed = <u32>bucket;
  store<i32>(bucket, <i32>sa.index);
}

function ikeUnhash(sa: IkeSa): void {
  if (sa.hashed == 0) return;
  let at: usize = sa.hashed;
  while (load<i32>(at) != <i32>sa.index) {
    assert(load<i32>(at) >= 0, "an IKE_SA is missing in its bucket");
    at = changetype<usize>(ikeSaAt(<u32>load<i32>(at))) + offsetof<IkeSa>("hashNext");
  }
  store<i32>(at, sa.hashNext);
  sa.hashed = 0;
}

/** The responder that the peer's first message belongs to, or null. */
export function ikeFindInit(spiI: u64, remote: IpAddress): IkeSa | null {
  let i = load<i32>(bucketOf(spiI, remote));
  // The chain is short while the table is: addresses that collide on purpose are bounded by the half-open share.
  while (i >= 0) {
    const sa = ikeSaAt(<u32>i);
    if (sa.spiI == spiI && sa.remote == remote) return sa;
    i = sa.hashNext;
  }
  return null;
}

/** Puts an IKE_SA on its connection's list. */
export function ikeLink(sa: IkeSa, connection: i32): void {
  ikeUnlink(sa);
  const c = connectionAt(<u32>connection);
  sa.connection = connection;
  sa.connectionNext = c.firstSa;
  sa.connectionPrevious = -1;
  if (c.firstSa >= 0) ikeSaAt(<u32>c.firstSa).connectionPrevious = <i32>sa.index;
  c.firstSa = <i32>sa.index;
  c.saCount += 1;
}

function ikeUnlink(sa: IkeSa): void {
  if (sa.connection < 0) return;
  const c = connectionAt(<u32>sa.connection);
  if (sa.connectionNext >= 0) ikeSaAt(<u32>sa.connectionNext).connectionPrevious = sa.connectionPrevious;
  if (sa.connectionPrevious >= 0) ikeSaAt(<u32>sa.connectionPrevious).connectionNext = sa.connectionNext;
  else c.firstSa = sa.connectionNext;
  c.saCount -= 1;
  sa.connection = -1;
  connectionRelease(c);
}

/** A random part of up to `seconds`, in nanoseconds: spreads timers (rand_time). */
export function jitter(seconds: u32): u64 {
  if (seconds == 0) return 0;
  return ((<u64>drbgU32() * <u64>seconds) >> 32) * 1000000000 + <u64>(drbgU32() % 1000000000);
}

/** A limit less a random part of up to `random`, 0 none. */
export function lessRandom(limit: u64, random: u64): u64 {
  if (limit == 0 || random == 0) return limit;
  const drawn = ((<u64>drbgU32()) << 32) | (<u64>drbgU32());
  const less = random == u64.MAX_VALUE ? drawn : drawn % (random + 1);
  return limit > less ? limit - less : limit;
}
