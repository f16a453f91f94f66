/** An IKE board's links under leases: live in both directions on the board of slot 1, whose generation is 1. */
import { MAP_PORT_TABLE, REG_CONFIG_LENGTH, REG_DROPPED, REG_IN, REG_NOW, REG_SLOT } from "../../../assembly/abi/board";
import { CONFIG_CLASSIFIER, CONFIG_IKE_SLOT, CONFIG_LEASE, CONFIG_LINK_KIND } from "../../../assembly/abi/config";
import { LINK_ETHERNET } from "../../../assembly/abi/fabric";
import {
  DIRECTION_INBOUND,
  DIRECTION_OUTBOUND,
  LEASE_DIRECTION,
  LEASE_LINK,
  LEASE_SEQUENCE,
  LEASE_SPI,
  LEASE_WANTED_END,
  LEASE_WANTED_MESSAGE_OCTETS,
  LEASE_WANTED_OCTETS,
  LEASE_WANTED_PACKETS,
  LEASE_WANTED_REACHED,
  SA_LEASE,
  SA_RECORD_MAX,
  SA_REPLAY_WINDOW,
} from "../../../assembly/abi/message";
import {
  PORT_CHANNEL,
  PORT_COUNT_IKE,
  PORT_ENTRY_OCTETS,
  PORT_TX,
  RING_DONE,
  RING_POSTED,
} from "../../../assembly/abi/ring";
import { dropsReset } from "../../../assembly/bus/drop";
import { Frame } from "../../../assembly/bus/frame";
import { poolReset } from "../../../assembly/bus/pool";
import { originate, portsReclaim, portsReset } from "../../../assembly/bus/port";
import { channelReset } from "../../../assembly/channel/channel";
import { controlKey } from "../../../assembly/channel/control";
import { boardOnline, boardsReset } from "../../../assembly/distribution/board_table";
import { classifierConfigure } from "../../../assembly/distribution/classifier";
import { leaseStart, leaseWanted, leasesReset } from "../../../assembly/distribution/lease";
import { LINK_LIVE, Link, linkAt, localDatabaseReset, recordOf } from "../../../assembly/distribution/local_database";
import { recallReset } from "../../../assembly/distribution/recall";
import { arenaResetAt } from "../../../assembly/rt/arena";
import { itemWriteU32 } from "../../../assembly/rt/items";
import { map } from "../../../assembly/rt/map";
import { configAddress } from "../../../assembly/rt/registers";

/** 40 MiB behind whatever heap the runner has; grown once. */
const ARENA: usize = 40 << 20;
const arena: usize = (<usize>memory.grow(<i32>(ARENA >> 16))) << 16;
const key = memory.data(32, 16);

/** SPIs of link 0: those of link n are n higher. */
export const SPI_IN: u32 = 0x5000;
export const SPI_OUT: u32 = 0x6000;

/** `classifier`: CLASSIFIER_*; `limit`: of a lease, 0 for that of a chassis which says nothing. */
export function linksReset(links: u32, classifier: u32, limit: u32 = 0): void {
  arenaResetAt(arena, arena + ARENA);
  for (let r: u32 = REG_IN; r <= REG_DROPPED; r += 8) store<u64>(map + r, 0);
  store<u32>(map + REG_SLOT, 0);
  store<u64>(map + REG_NOW, 1_000_000_000);
  const config = configAddress();
  let p = itemWriteU32(config, CONFIG_LINK_KIND, LINK_ETHERNET);
  p = itemWriteU32(p, CONFIG_IKE_SLOT, 0);
  if (limit != 0) p = itemWriteU32(p, CONFIG_LEASE, limit);
  p = itemWriteU32(p, CONFIG_CLASSIFIER, classifier);
  store<u32>(map + REG_CONFIG_LENGTH, <u32>(p - config));
  dropsReset();
  assert(channelReset() && classifierConfigure(config, p), "CONFIG");
  boardsReset();
  recallReset();
  assert(poolReset() && portsReset(PORT_COUNT_IKE), "RAM");
  assert(localDatabaseReset(links) && leasesReset(links, config, p), "RAM");
  boardOnline(1, 1, links);
  controlKey(1, 1, key);
  for (let n: u32 = 0; n < links; n++) {
    const l = link(n);
    memory.fill(recordOf(l, DIRECTION_INBOUND), 0, SA_RECORD_MAX * 2);
    store<u16>(recordOf(l, DIRECTION_INBOUND), 64, SA_REPLAY_WINDOW);
    l.spiIn = SPI_IN + n;
    l.spiOut = SPI_OUT + n;
    l.stateIn = LINK_LIVE;
    l.stateOut = LINK_LIVE;
    l.slot = 1;
    l.generation = 1;
    leaseStart(l, DIRECTION_INBOUND);
    leaseStart(l, DIRECTION_OUTBOUND);
  }
}

/** ns go by. */
export function pass(time: u64): void {
  store<u64>(map + REG_NOW, load<u64>(map + REG_NOW) + time);
}

export function link(number: u32 = 0): Link {
  return changetype<Link>(linkAt(number));
}

/** The end of a lease. */
export function lease(number: u32 = 0, direction: u32 = DIRECTION_INBOUND): u64 {
  return load<u64>(recordOf(link(number), direction), SA_LEASE);
}

/**
 * The board of `slot` has come to `sequence` under a lease that ends at `held`, its last one unless told otherwise, and asks for the next
 * one: its end. Every number was a packet, or one in `lossy`.
 */
export function leaseAsked(
  number: u32,
  direction: u32,
  sequence: u64,
  held: u64 = u64.MAX_VALUE,
  slot: u32 = 1,
  lossy: u64 = 1,
): u64 {
  const frame = changetype<Frame>(originate());
  const m = frame.start;
  frame.length = LEASE_WANTED_MESSAGE_OCTETS;
  memory.fill(m, 0, LEASE_WANTED_MESSAGE_OCTETS);
  store<u32>(m, number, LEASE_LINK);
  store<u32>(m, (direction == DIRECTION_INBOUND ? SPI_IN : SPI_OUT) + number, LEASE_SPI);
  store<u32>(m, direction, LEASE_DIRECTION);
  store<u64>(m, sequence, LEASE_SEQUENCE);
  store<u64>(m, sequence / lossy, LEASE_WANTED_PACKETS);
  store<u64>(m, sequence * 100, LEASE_WANTED_OCTETS);
  store<u64>(m, sequence, LEASE_WANTED_REACHED);
  store<u64>(m, held == u64.MAX_VALUE ? lease(number, direction) : held, LEASE_WANTED_END);
  leaseWanted(frame, slot);
  return lease(number, direction);
}

/** The chassis takes what waits on the internal path. */
export function channelDrained(): void {
  const ring = <usize>load<u32>(<usize>load<u32>(map + MAP_PORT_TABLE) + PORT_CHANNEL * PORT_ENTRY_OCTETS + PORT_TX);
  store<u32>(ring + RING_DONE, load<u32>(ring + RING_POSTED));
  portsReclaim();
}
