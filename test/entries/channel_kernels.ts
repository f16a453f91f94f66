/** The firmware's part of a link as bare exports, for the bench: the capsule pushed at the IKE board, and pulled at the other end. */
import "../../assembly/rt/fault";
import { REG_CONFIG_LENGTH, REG_SLOT } from "../../assembly/abi/board";
import { CONFIG_IKE_SLOT, CONFIG_LINK_KIND } from "../../assembly/abi/config";
import { FRAME_COUNT, FRAME_STRIDE } from "../../assembly/abi/frame";
import { dropsReset } from "../../assembly/bus/drop";
import { Frame } from "../../assembly/bus/frame";
import { poolReset } from "../../assembly/bus/pool";
import { originate } from "../../assembly/bus/port";
import {
  CHANNEL_IPV4,
  channelLink,
  channelPull,
  channelPushPacket,
  channelReset,
} from "../../assembly/channel/channel";
import { arenaResetAt } from "../../assembly/rt/arena";
import { itemWriteU32 } from "../../assembly/rt/items";
import { map } from "../../assembly/rt/map";
import { configAddress, mapReset } from "../../assembly/rt/registers";
import { ipv4Emit } from "../../assembly/wire/ipv4";

const BOARD: u32 = 5;
const ROOM: usize = <usize>FRAME_COUNT * FRAME_STRIDE + 200000;
const block: usize = memory.data(22000000, 64);

let frame: Frame | null = null;
let packet: usize = 0;
let capsule: usize = 0;
let octets: u32 = 0;
let capsuleOctets: u32 = 0;

function become(slot: u32, kind: u32): void {
  store<u32>(map + REG_SLOT, slot);
  const end = itemWriteU32(itemWriteU32(configAddress(), CONFIG_LINK_KIND, kind), CONFIG_IKE_SLOT, 0);
  store<u32>(map + REG_CONFIG_LENGTH, <u32>(end - configAddress()));
  arenaResetAt(block + ROOM, block + 22000000);
  assert(channelReset());
}

/** Prepares packets of `length` octets on a link kind. Returns the octets that the firmware puts in front. */
export function channelPrepare(kind: u32, length: u32): u32 {
  mapReset(1);
  arenaResetAt(block, block + ROOM);
  dropsReset();
  assert(poolReset());
  become(0, kind);
  const made = originate()!;
  frame = made;
  packet = made.start;
  octets = length;
  ipv4Emit(packet, length, 17, 0x0a010005, 0x0a020005, 64, 0, false, 3);
  channelPush(1);
  return capsuleOctets - octets;
}

/** S605, `count` times. */
export function channelPush(count: u32): void {
  const one = frame!;
  for (let i: u32 = 0; i < count; i++) {
    one.start = packet;
    one.length = octets;
    assert(channelPushPacket(one, BOARD));
  }
  capsule = one.start;
  capsuleOctets = one.length;
  one.link = channelLink(BOARD);
}

/** The board at the other end, from now on. */
export function channelArrive(kind: u32): void {
  become(BOARD, kind);
}

/** S701 and S702, `count` times. */
export function channelTake(count: u32): void {
  const one = frame!;
  for (let i: u32 = 0; i < count; i++) {
    one.start = capsule;
    one.length = capsuleOctets;
    assert(channelPull(one) == CHANNEL_IPV4);
  }
  assert(one.start == packet && one.length == octets);
}

/** Where the capsule stands. */
export function channelCapsule(): usize {
  return capsule;
}
