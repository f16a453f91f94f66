/**
 * The IPsec board (12, 82): main loop. Joins the internal path to the ESP core; knows no IKE.
 *
 * Poll takes at most POLL_BATCH frames from each port, control and packets of the channel in their order, so that an SA that travels in front of
 * its packet (C 5, C 16) is there when the packet is looked at. What is not on a packet's way is in assembly/ipsec/board.ts.
 */
import { BOARD_CLASS_IPSEC, POLL_BATCH, STATE_ONLINE } from "../../assembly/abi/board";
import { DROP_IP_NOT_FOR_US } from "../../assembly/abi/drop";
import { DIRECTION_INBOUND, DIRECTION_OUTBOUND } from "../../assembly/abi/message";
import { PORT_CHANNEL, PORT_PROTECTED, PORT_UNPROTECTED } from "../../assembly/abi/ring";
import { STEP_S701, STEP_S702, TRACE_MASK_PACKET } from "../../assembly/abi/trace";
import { drop, portPending, receive } from "../../assembly/bus/port";
import {
  CHANNEL_CONTROL,
  CHANNEL_IPV4,
  CHANNEL_IPV6,
  channelPull,
  channelSourceSlot,
} from "../../assembly/channel/channel";
import { controlOpen } from "../../assembly/channel/control";
import { comesBehindArrivals, ipsecReset, isClassified, pollBegin, pollEnd } from "../../assembly/ipsec/board";
import { handleControl } from "../../assembly/ipsec/install";
import { process } from "../../assembly/ipsec/process";
import { mapReset, setState } from "../../assembly/rt/registers";
import { trace } from "../../assembly/rt/trace";

const batch: usize = memory.data(POLL_BATCH * 4, 16);

export function boardMap(): usize {
  return mapReset(BOARD_CLASS_IPSEC);
}

export function boardReset(): void {
  if (ipsecReset()) setState(STATE_ONLINE);
}

export function boardPoll(): u32 {
  if (!pollBegin()) return 0;
  pollChannel();
  pollArrivals(PORT_UNPROTECTED, DIRECTION_INBOUND, POLL_BATCH);
  pollArrivals(PORT_PROTECTED, DIRECTION_OUTBOUND, POLL_BATCH);
  return pollEnd();
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
    if (!isClassified()) {
      drop(frame, DROP_IP_NOT_FOR_US);
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
