/**
 * An example of a board of one's own: an IPsec board that carries at most RATE packets a second, with bursts of BURST. What is beyond that is
 * dropped as backplane_congestion, before any work is done on it: a cheap board that is sold by the packet.
 *
 * Its main loop is that of boards/ipsec, with one step more: admit(), a token bucket. docs/guides/write-a-board.md goes through it.
 */
import { BOARD_CLASS_IPSEC, POLL_BATCH, STATE_ONLINE } from "../../../assembly/abi/board";
import { DROP_BACKPLANE_CONGESTION, DROP_IP_NOT_FOR_US } from "../../../assembly/abi/drop";
import { DIRECTION_INBOUND, DIRECTION_OUTBOUND } from "../../../assembly/abi/message";
import { PORT_CHANNEL, PORT_PROTECTED, PORT_UNPROTECTED } from "../../../assembly/abi/ring";
import { STEP_S701, STEP_S702, TRACE_MASK_PACKET } from "../../../assembly/abi/trace";
import { drop, portPending, receive } from "../../../assembly/bus/port";
import {
  CHANNEL_CONTROL,
  CHANNEL_IPV4,
  CHANNEL_IPV6,
  channelPull,
  channelSourceSlot,
} from "../../../assembly/channel/channel";
import { controlOpen } from "../../../assembly/channel/control";
import { comesBehindArrivals, ipsecReset, isClassified, pollBegin, pollEnd } from "../../../assembly/ipsec/board";
import { handleControl } from "../../../assembly/ipsec/install";
import { process } from "../../../assembly/ipsec/process";
import { mapReset, now, setState } from "../../../assembly/rt/registers";
import { trace } from "../../../assembly/rt/trace";

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

export function boardMap(): usize {
  return mapReset(BOARD_CLASS_IPSEC);
}

export function boardReset(): void {
  if (!ipsecReset()) return;
  filled = now();
  bucket = BURST * COST;
  setState(STATE_ONLINE);
}

export function boardPoll(): u32 {
  if (!pollBegin()) return 0;
  pollChannel();
  pollArrivals(PORT_UNPROTECTED, DIRECTION_INBOUND, POLL_BATCH);
  pollArrivals(PORT_PROTECTED, DIRECTION_OUTBOUND, POLL_BATCH);
  return pollEnd();
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
      if (comesBehindArrivals(frame)) settleArrivals();
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
    if (!isClassified() || !admit()) {
      drop(frame, isClassified() ? DROP_BACKPLANE_CONGESTION : DROP_IP_NOT_FOR_US);
      continue;
    }
    store<u32>(batch + ((<usize>packets) << 2), <u32>changetype<usize>(frame));
    packets += 1;
  }
  if (packets != 0) process(batch, packets, direction);
}

/** All packets of the networks that have arrived by now. */
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
