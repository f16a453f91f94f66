/**
 * An example of a board of one's own: an IPsec board that carries at most RATE packets a second, with bursts of BURST. What is beyond that is
 * dropped as backplane_congestion, before any work is done on it: a cheap board that is sold by the packet.
 *
 * Its main loop is that of boards/ipsec, with one step more: admit(), a token bucket. docs/guides/write-a-board.md goes through it.
 */
import {
  BOARD_CLASS_IPSEC,
  POLL_BATCH,
  POLL_MORE_WORK,
  POLL_TRANSMIT_READY,
  REFUSAL_CONFIG,
  REFUSAL_RAM,
  REFUSAL_SELF_TEST,
  STATE_ONLINE,
  STATE_SELF_TEST,
} from "../../../assembly/abi/board";
import { CLASSIFIER_CUT_THROUGH, CLASSIFIER_STANDBY } from "../../../assembly/abi/classifier";
import { CONFIG_CLASSIFIER, CONFIG_CONTROL_KEY, CONFIG_SA_CAPACITY } from "../../../assembly/abi/config";
import { DROP_BACKPLANE_CONGESTION, DROP_IP_NOT_FOR_US } from "../../../assembly/abi/drop";
import { DIRECTION_INBOUND, DIRECTION_OUTBOUND } from "../../../assembly/abi/message";
import {
  PORT_CHANNEL,
  PORT_COUNT_IPSEC,
  PORT_MANAGEMENT,
  PORT_PROTECTED,
  PORT_UNPROTECTED,
} from "../../../assembly/abi/ring";
import {
  STEP_S701,
  STEP_S702,
  TRACE_BOARD_RESET,
  TRACE_MASK_BOARD,
  TRACE_MASK_PACKET,
  TRACE_SELF_TEST,
} from "../../../assembly/abi/trace";
import { dropsReset } from "../../../assembly/bus/drop";
import { poolReset } from "../../../assembly/bus/pool";
import {
  drop,
  portPending,
  portsDrained,
  portsReclaim,
  portsRefill,
  portsReset,
  portsSettle,
  receive,
} from "../../../assembly/bus/port";
import {
  CHANNEL_CONTROL,
  CHANNEL_IPV4,
  CHANNEL_IPV6,
  channelPull,
  channelReset,
  channelSourceSlot,
} from "../../../assembly/channel/channel";
import { CONTROL_KEY_OCTETS, controlKey, controlOpen } from "../../../assembly/channel/control";
import { linkIkeSlot, linkIsIkeBoard } from "../../../assembly/channel/link";
import { givesUp, handleControl, leases } from "../../../assembly/ipsec/install";
import { handleManagement, listingBusy, listingContinue, listingReset } from "../../../assembly/ipsec/listing";
import { leaseReset, leaseTimeout } from "../../../assembly/ipsec/lease";
import { leaseIsSettled } from "../../../assembly/ipsec/lease_orphaned";
import { loadReset, loadTimeout } from "../../../assembly/ipsec/load";
import { SA_CAPACITY_MAX, localDatabaseReset } from "../../../assembly/ipsec/local_database";
import { mssReset } from "../../../assembly/ipsec/mss";
import { pathMtuReset } from "../../../assembly/ipsec/path_mtu";
import { process } from "../../../assembly/ipsec/process";
import { localAddressReset } from "../../../assembly/policy/local_address";
import { gcmSelfTest } from "../../../assembly/crypto/gcm_self_test";
import { chachaSelfTest } from "../../../assembly/crypto/chacha_self_test";
import { hashSelfTest } from "../../../assembly/crypto/hash_self_test";
import { suiteSelfTest } from "../../../assembly/crypto/suite_self_test";
import { arenaExhausted, arenaReset } from "../../../assembly/rt/arena";
import { zeroize } from "../../../assembly/rt/bytes";
import { itemFind, itemLength, itemU32, itemValue } from "../../../assembly/rt/items";
import {
  configAddress,
  configLength,
  countPoll,
  generation,
  mapReset,
  now,
  refuse,
  setDeadline,
  setState,
} from "../../../assembly/rt/registers";
import { trace } from "../../../assembly/rt/trace";

const SA_CAPACITY: u32 = 1024;

/** Packets a second, and at once. */
const RATE: u64 = 500;
const BURST: u64 = 100;
const SECOND: u64 = 1_000_000_000;
/** What a packet costs, in nanoseconds; the bucket holds time, so that nothing is divided on the packet path. */
const COST: u64 = SECOND / RATE;

/** When the bucket was last filled, and the nanoseconds that are in it. */
let filled: u64 = 0;
let bucket: u64 = 0;

const batch: usize = memory.data(POLL_BATCH * 4, 16);
/** False until reset has succeeded: a board that refused service takes nothing from its rings. */
let serving: bool = false;
/** CLASSIFIER_*: the chassis has a classifier, and NICs hand packets over; 0: they do not. */
let classifier: u32 = 0;

export function boardMap(): usize {
  return mapReset(BOARD_CLASS_IPSEC);
}

export function boardReset(): void {
  serving = false;
  mapReset(BOARD_CLASS_IPSEC);
  setState(STATE_SELF_TEST);
  setDeadline(u64.MAX_VALUE);
  trace(TRACE_MASK_BOARD, TRACE_BOARD_RESET, BOARD_CLASS_IPSEC, generation());
  arenaReset();
  dropsReset();
  const proved = gcmSelfTest() && hashSelfTest() && chachaSelfTest() && suiteSelfTest();
  trace(TRACE_MASK_BOARD, TRACE_SELF_TEST, proved ? 1 : 0);
  if (!proved) {
    refuse(REFUSAL_SELF_TEST);
    return;
  }
  if (!poolReset() || !portsReset(PORT_COUNT_IPSEC)) {
    refuse(REFUSAL_RAM);
    return;
  }
  if (!configure()) {
    refuse(arenaExhausted() ? REFUSAL_RAM : REFUSAL_CONFIG);
    return;
  }
  listingReset();
  loadReset();
  leaseReset(classifier != CLASSIFIER_CUT_THROUGH);
  filled = now();
  bucket = BURST * COST;
  serving = true;
  setState(STATE_ONLINE);
}

/** Reads CONFIG and builds what it sizes. */
function configure(): bool {
  if (!channelReset() || linkIsIkeBoard()) return false;
  const start = configAddress();
  const end = start + configLength();
  const keyItem = itemFind(start, end, CONFIG_CONTROL_KEY);
  if (keyItem == 0 || itemLength(keyItem) != CONTROL_KEY_OCTETS) return false;
  controlKey(linkIkeSlot(), generation(), itemValue(keyItem));
  zeroize(itemValue(keyItem), CONTROL_KEY_OCTETS);
  const capacityItem = itemFind(start, end, CONFIG_SA_CAPACITY);
  const capacity = capacityItem != 0 ? itemU32(capacityItem) : SA_CAPACITY;
  if (capacity == 0 || capacity > SA_CAPACITY_MAX) return false;
  const classifierItem = itemFind(start, end, CONFIG_CLASSIFIER);
  classifier = classifierItem != 0 ? itemU32(classifierItem) : 0;
  mssReset(start, end);
  return localAddressReset(start, end) && pathMtuReset(start, end) && localDatabaseReset(capacity);
}

export function boardPoll(): u32 {
  countPoll();
  if (!serving) return 0;
  portsReclaim();
  portsRefill();
  pollManagement();
  pollChannel();
  pollArrivals(PORT_UNPROTECTED, DIRECTION_INBOUND, POLL_BATCH);
  pollArrivals(PORT_PROTECTED, DIRECTION_OUTBOUND, POLL_BATCH);
  setDeadline(min<u64>(leaseTimeout(), loadTimeout()));
  portsRefill();
  portsSettle();
  const more =
    listingBusy() ||
    leaseIsSettled() ||
    portPending(PORT_CHANNEL) != 0 ||
    portPending(PORT_MANAGEMENT) != 0 ||
    portPending(PORT_UNPROTECTED) != 0 ||
    portPending(PORT_PROTECTED) != 0;
  return (portsDrained() ? 0 : POLL_TRANSMIT_READY) | (more ? POLL_MORE_WORK : 0);
}

/** Commands and listings share one small ring: a listing goes on, or a few commands are taken. */
function pollManagement(): void {
  for (let i: u32 = 0; i < POLL_BATCH / 4 && !listingBusy(); i++) {
    const frame = receive(PORT_MANAGEMENT);
    if (!frame) break;
    handleManagement(frame);
  }
  listingContinue();
}

/** Whether a packet may be carried now: takes its cost out of the bucket. NOW is the chassis's, and never runs back. */
function admit(): bool {
  bucket = min<u64>(bucket + (now() - filled), BURST * COST);
  filled = now();
  if (bucket < COST) return false;
  bucket -= COST;
  return true;
}

/**
 * S701, S702: capsules off; packets together, and control where it stands among them: an SA is there for the packet behind its
 * installation (C 5, C 16), and for the packet in front of its removal.
 */
function pollChannel(): void {
  let packets: u32 = 0;
  for (let i: u32 = 0; i < POLL_BATCH; i++) {
    const frame = receive(PORT_CHANNEL);
    if (!frame) break;
    const octets = frame.length;
    const verdict = channelPull(frame);
    if (verdict == CHANNEL_IPV4 || verdict == CHANNEL_IPV6) {
      if (!admit()) {
        drop(frame, DROP_BACKPLANE_CONGESTION);
        continue;
      }
      trace(TRACE_MASK_PACKET, STEP_S701, 0, 0, octets);
      trace(TRACE_MASK_PACKET, STEP_S702, 0, 0, frame.length);
      store<u32>(batch + ((<usize>packets) << 2), <u32>changetype<usize>(frame));
      packets += 1;
    } else if (verdict == CHANNEL_CONTROL) {
      if (packets != 0) process(batch, packets);
      packets = 0;
      if (!controlOpen(frame, channelSourceSlot())) continue;
      if (classifier != 0 && (givesUp(frame) || (classifier == CLASSIFIER_STANDBY && leases(frame)))) settleArrivals();
      handleControl(frame);
    }
  }
  process(batch, packets);
}

/** Up to `most` (at most POLL_BATCH) packets of a network, which may meet SAs of one direction. */
function pollArrivals(port: u32, direction: u32, most: u32): void {
  let packets: u32 = 0;
  for (let i: u32 = 0; i < most; i++) {
    const frame = receive(port);
    if (!frame) break;
    if (classifier == 0 || !admit()) {
      drop(frame, classifier != 0 ? DROP_BACKPLANE_CONGESTION : DROP_IP_NOT_FOR_US);
      continue;
    }
    store<u32>(batch + ((<usize>packets) << 2), <u32>changetype<usize>(frame));
    packets += 1;
  }
  if (packets != 0) process(batch, packets, direction);
}

/** All that has arrived by now: an SA that is given up has packets among it. */
function settleArrivals(): void {
  settleArrivalsOf(PORT_UNPROTECTED, DIRECTION_INBOUND);
  settleArrivalsOf(PORT_PROTECTED, DIRECTION_OUTBOUND);
}

function settleArrivalsOf(port: u32, direction: u32): void {
  for (let left = portPending(port); left != 0; ) {
    const some = min<u32>(left, POLL_BATCH);
    pollArrivals(port, direction, some);
    left -= some;
  }
}
