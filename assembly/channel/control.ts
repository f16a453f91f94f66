/**
 * Sealed control messages between the IKE board and an IPsec board (abi/message.ts): AES-256-GCM under the key that the
 * chassis gave to both for one generation of the IPsec board. S404 goes out through controlSeal, S501 comes in through
 * controlOpen.
 *
 * A context belongs to a peer: the IKE board has one per slot, an IPsec board one, for the IKE board. `slot` is always the
 * peer's, as channel.ts has it; the SLOT and GENERATION on the wire are always the IPsec board's, on both ways.
 *
 * A sequence number never repeats under one key: it counts up by one, and starts at NOW. An IKE board that was restarted shares new keys
 * with the IPsec boards that ran on (controlRekey): it knows neither what it had sent nor what it had heard. Refuses to open an equal or
 * older number, another generation, another slot.
 */
import { DROP_CONTROL_AUTHENTICATION, DROP_CONTROL_MALFORMED, DROP_CONTROL_REPLAY } from "../abi/drop";
import { FABRIC_MTU, FABRIC_SLOT_MAX } from "../abi/fabric";
import {
  CONTROL_FROM_IKE_BOARD,
  CONTROL_FROM_IPSEC_BOARD,
  CONTROL_GENERATION,
  CONTROL_HEADER,
  CONTROL_ICV,
  CONTROL_SEQUENCE,
  CONTROL_SLOT,
  MESSAGE_HEADER,
  MESSAGE_LENGTH,
} from "../abi/message";
import { Frame, frameHeadroom, framePull, framePush, frameTailroom } from "../bus/frame";
import { drop } from "../bus/port";
import { GCM_CONTEXT_OCTETS, gcmInit, gcmOpen, gcmSeal, gcmWipe } from "../crypto/gcm";
import { arenaTake } from "../rt/arena";
import { zeroize } from "../rt/bytes";
import { now } from "../rt/registers";
import { linkIsIkeBoard, linkOwnSlot } from "./link";

/** Octets of the key of one slot and generation. */
export const CONTROL_KEY_OCTETS: u32 = 32;

/**
 * The shortest message that is sealed: a shorter one is filled with zeros, so that no sealed message is shorter than the
 * shortest Ethernet frame and no padding is ever put behind the ICV.
 */
const MESSAGE_MINIMUM: u32 = 16;


@unmanaged
class Peer {
  /** Last sequence number sent, and highest one accepted. */
  sent: u64;
  heard: u64;
  generation: u32;
  keyed: u32;
}

const PEER_OCTETS: u32 = 24;

let peers: usize = 0;
let contexts: usize = 0;
let count: u32 = 0;
const nonce: usize = memory.data(12, 4);

/** Takes room for the contexts from the arena: FABRIC_SLOT_MAX on the IKE board, one elsewhere. False when RAM is short. */
export function controlReset(): bool {
  count = linkIsIkeBoard() ? FABRIC_SLOT_MAX : 1;
  peers = arenaTake(count * PEER_OCTETS);
  contexts = arenaTake(count * GCM_CONTEXT_OCTETS);
  return peers != 0 && contexts != 0;
}

// @ts-ignore: decorator
@inline
function indexOf(slot: u32): u32 {
  return count == 1 ? 0 : slot;
}

// @ts-ignore: decorator
@inline
function peerOf(slot: u32): Peer {
  return changetype<Peer>(peers + <usize>(indexOf(slot) * PEER_OCTETS));
}

// @ts-ignore: decorator
@inline
function contextOf(slot: u32): usize {
  return contexts + <usize>(indexOf(slot) * GCM_CONTEXT_OCTETS);
}

// @ts-ignore: decorator
@inline
function boardSlot(slot: u32): u32 {
  return linkIsIkeBoard() ? slot : linkOwnSlot();
}

/**
 * Keys the context for the peer in `slot`: `generation` is the IPsec board's, `key` the address of CONTROL_KEY_OCTETS
 * octets, which the caller wipes. The same generation once more keeps the sequence numbers.
 */
export function controlKey(slot: u32, generation: u32, key: usize): void {
  if (slot >= FABRIC_SLOT_MAX) return;
  const peer = peerOf(slot);
  if (peer.keyed == 0 || peer.generation != generation) {
    peer.sent = now();
    peer.heard = 0;
  }
  peer.generation = generation;
  peer.keyed = 1;
  gcmInit(contextOf(slot), key, CONTROL_KEY_OCTETS);
}

/** The peer in `slot` is another one, which shares another key: nothing has been heard from it. The caller wipes `key`. */
export function controlRekey(slot: u32, key: usize): void {
  if (!controlKeyed(slot)) return;
  peerOf(slot).heard = 0;
  gcmInit(contextOf(slot), key, CONTROL_KEY_OCTETS);
}

/** Wipes the key of the peer in `slot`: nothing is sealed for it or opened from it until it is keyed again. */
export function controlForget(slot: u32): void {
  if (slot >= FABRIC_SLOT_MAX) return;
  gcmWipe(contextOf(slot));
  peerOf(slot).keyed = 0;
}

/** True when the peer in `slot` is keyed. */
export function controlKeyed(slot: u32): bool {
  return slot < FABRIC_SLOT_MAX && peerOf(slot).keyed != 0;
}

/**
 * Seals the message that the frame holds, in place; header and ICV are there on return, channelPushControl is next. False,
 * with the frame untouched and still the caller's, when the peer has no key or the frame no room.
 */
export function controlSeal(frame: Frame, slot: u32): bool {
  if (!controlKeyed(slot)) return false;
  const length = max<u32>(frame.length, MESSAGE_MINIMUM);
  if (
    length + CONTROL_HEADER + CONTROL_ICV > FABRIC_MTU ||
    frameHeadroom(frame) < CONTROL_HEADER ||
    frameTailroom(frame) < length - frame.length + CONTROL_ICV
  ) {
    return false;
  }
  const peer = peerOf(slot);
  memory.fill(frame.start + frame.length, 0, length - frame.length);
  frame.length = length;
  const message = frame.start;
  const header = framePush(frame, CONTROL_HEADER);
  peer.sent += 1;
  store<u32>(header, boardSlot(slot), CONTROL_SLOT);
  store<u32>(header, peer.generation, CONTROL_GENERATION);
  store<u64>(header, peer.sent, CONTROL_SEQUENCE);
  nonceFor(linkIsIkeBoard() ? CONTROL_FROM_IKE_BOARD : CONTROL_FROM_IPSEC_BOARD, peer.sent);
  gcmSeal(contextOf(slot), nonce, header, CONTROL_HEADER, message, length, message + length);
  frame.length += CONTROL_ICV;
  return true;
}

/**
 * Opens what channelPull called CHANNEL_CONTROL from `slot` (channelSourceSlot). True: the frame holds one whole message,
 * frame.length is its MESSAGE_LENGTH. False: the frame has been dropped for its reason, and anything decrypted is wiped.
 */
export function controlOpen(frame: Frame, slot: u32): bool {
  if (frame.length < CONTROL_HEADER + MESSAGE_HEADER + CONTROL_ICV) {
    drop(frame, DROP_CONTROL_MALFORMED);
    return false;
  }
  if (!controlKeyed(slot)) {
    drop(frame, DROP_CONTROL_AUTHENTICATION);
    return false;
  }
  const header = frame.start;
  const peer = peerOf(slot);
  const sequence = load<u64>(header, CONTROL_SEQUENCE);
  if (load<u32>(header, CONTROL_SLOT) != boardSlot(slot)) {
    drop(frame, DROP_CONTROL_MALFORMED);
    return false;
  }
  if (load<u32>(header, CONTROL_GENERATION) != peer.generation || sequence <= peer.heard) {
    drop(frame, DROP_CONTROL_REPLAY);
    return false;
  }
  const message = header + CONTROL_HEADER;
  const length = frame.length - CONTROL_HEADER - CONTROL_ICV;
  nonceFor(linkIsIkeBoard() ? CONTROL_FROM_IPSEC_BOARD : CONTROL_FROM_IKE_BOARD, sequence);
  if (!gcmOpen(contextOf(slot), nonce, header, CONTROL_HEADER, message, length, message + length, CONTROL_ICV)) {
    drop(frame, DROP_CONTROL_AUTHENTICATION);
    return false;
  }
  peer.heard = sequence;
  const octets = load<u32>(message, MESSAGE_LENGTH);
  if (octets < MESSAGE_HEADER || octets > length) {
    zeroize(message, length);
    drop(frame, DROP_CONTROL_MALFORMED);
    return false;
  }
  // What stands behind the message is padding; whoever wipes the message shall have wiped all plaintext.
  zeroize(message + octets, length - octets);
  framePull(frame, CONTROL_HEADER);
  frame.length = octets;
  return true;
}

function nonceFor(direction: u32, sequence: u64): void {
  store<u32>(nonce, direction);
  store<u64>(nonce, sequence, 4);
}
