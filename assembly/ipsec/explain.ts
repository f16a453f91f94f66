/**
 * MANAGEMENT_EXPLAIN on an IPsec board: the very phases of process.ts, run for a packet that was only asked about, on a twin of its SA:
 * its record and its replay window, which are thrown away afterwards. A sealed packet is opened for its verdict; a clear one
 * gets everything but the cipher, because a number that the next packet will use must not seal two (RFC 4106 2).
 *
 * What the packet says inside stays here, but for its flow.
 */
import { DROP_SELECTOR_MISMATCH } from "../abi/drop";
import {
  EXPLAIN_DIRECTION,
  EXPLAIN_EDGE,
  EXPLAIN_INNER_MTU,
  EXPLAIN_LINK,
  EXPLAIN_OCTETS,
  EXPLAIN_OCTETS_OUT,
  EXPLAIN_PACKET,
  EXPLAIN_PORT,
  EXPLAIN_REASON,
  EXPLAIN_SEQUENCE,
  EXPLAIN_SPI,
  EXPLAIN_STEP,
  EXPLAIN_VERDICT,
  EXPLAIN_WINDOW,
  VERDICT_CONSUMED,
  VERDICT_DROP,
  VERDICT_IN_FRAGMENTS,
  VERDICT_LEASE,
  VERDICT_SENT,
} from "../abi/explain";
import { FRAME_HEADROOM, FRAME_RECORD } from "../abi/frame";
import { FABRIC_MTU } from "../abi/fabric";
import { MANAGEMENT_HEADER } from "../abi/management";
import { DIRECTION_INBOUND } from "../abi/message";
import { STEP_S703, STEP_S704, STEP_S705, STEP_S706, STEP_S707 } from "../abi/trace";
import { Frame, frameAddress, frameClear } from "../bus/frame";
import { channelCapsuleOctets } from "../channel/channel";
import { flowTell } from "../policy/flow_told";
import { itemFind, itemLength, itemValue, itemWriteU32, itemWriteU64, itemsValid } from "../rt/items";
import { jobAt, jobsBegin, jobsRun } from "./esp_job";
import { LEASE_AWAITED } from "./lease";
import { finish, lookUp, outlet, prepare, saOf } from "./process";
import { rehearsalBegin, rehearsalEnd } from "./rehearsal";
import { REPLAY_BITMAP_OCTETS } from "./replay";
import { SA_OCTETS, Sa, isTransport } from "./sa";
import { IN_PIECES, NOTHING_INSIDE, PASS } from "./tunnel";

const twin: usize = memory.data(SA_OCTETS, 64);
const twinBitmap: usize = memory.data(REPLAY_BITMAP_OCTETS, 64);
/** Items are gathered here: the packet stands where they will go. */
const answer: usize = memory.data(512, 8);

/** Puts the answer's items in place of the command that the frame holds; false when that did not add up. */
export function explain(frame: Frame): bool {
  const start = frame.start + MANAGEMENT_HEADER;
  const end = frame.start + frame.length;
  if (!itemsValid(start, end)) return false;
  const item = itemFind(start, end, EXPLAIN_PACKET);
  if (item == 0 || itemLength(item) > FABRIC_MTU) return false;
  place(frame, itemValue(item), itemLength(item));
  const items = rehearse(frame);
  frameClear(frame);
  frame.length = MANAGEMENT_HEADER + items;
  memory.copy(frame.start + MANAGEMENT_HEADER, answer, items);
  return true;
}

/** The packet stands in the frame as it would behind the capsule that brings it (S702): with the same room around it. */
function place(frame: Frame, packet: usize, length: u32): void {
  frame.start = frameAddress(frame) + FRAME_RECORD + FRAME_HEADROOM + channelCapsuleOctets();
  frame.length = length;
  memory.copy(frame.start, packet, length);
}

/** Octets of items about the packet that the frame holds. */
function rehearse(frame: Frame): u32 {
  jobsBegin();
  let to = flowTell(answer, frame.start, frame.length);
  const found = lookUp(frame);
  const spi = <u32>frame.scratch5;
  if (spi != 0) to = itemWriteU32(to, EXPLAIN_SPI, spi);
  if (found != PASS) {
    to = itemWriteU32(to, EXPLAIN_STEP, found == NOTHING_INSIDE ? STEP_S703 : STEP_S707);
    to = verdict(to, found);
    return <u32>(to - answer);
  }
  const sa = twinOf(saOf(frame));
  to = itemWriteU32(to, EXPLAIN_LINK, sa.link);
  if (spi == 0) to = itemWriteU32(to, EXPLAIN_SPI, sa.spi);
  to = itemWriteU32(to, EXPLAIN_DIRECTION, <u32>sa.direction);
  to = itemWriteU64(to, EXPLAIN_EDGE, sa.sequence);
  if (<u32>sa.direction == DIRECTION_INBOUND) to = itemWriteU32(to, EXPLAIN_WINDOW, sa.window);
  else if (!isTransport(sa)) to = itemWriteU32(to, EXPLAIN_INNER_MTU, sa.innerMtu);
  to = itemWriteU32(to, EXPLAIN_OCTETS, frame.length);
  frame.scratch4 = 0;
  rehearsalBegin();
  to = run(to, frame, sa);
  rehearsalEnd();
  return <u32>(to - answer);
}

/** Phases 2 to 5, on the twin. */
function run(to: usize, frame: Frame, sa: Sa): usize {
  const inbound = <u32>sa.direction == DIRECTION_INBOUND;
  const job = jobAt(0);
  let reached = STEP_S704;
  let result = prepare(frame, sa, job);
  if (result == PASS) {
    reached = STEP_S705;
    if (inbound) jobsRun();
    else jobsBegin();
    result = finish(frame, sa, job);
  }
  const whole = result == PASS && (inbound || frame.length <= <u32>sa.outerMtu);
  if (frame.scratch4 != 0) to = itemWriteU64(to, EXPLAIN_SEQUENCE, frame.scratch4);
  if (result == PASS) {
    reached = STEP_S706;
    to = itemWriteU32(to, EXPLAIN_OCTETS_OUT, frame.length);
    to = itemWriteU32(to, EXPLAIN_PORT, outlet(sa));
  }
  if (inbound && (result == PASS || result == DROP_SELECTOR_MISMATCH)) to = flowTell(to, frame.start, frame.length);
  if (result == IN_PIECES) {
    reached = STEP_S706;
    to = itemWriteU32(to, EXPLAIN_PORT, outlet(sa));
  }
  to = itemWriteU32(to, EXPLAIN_STEP, reached);
  if (result == IN_PIECES || (result == PASS && !whole)) return itemWriteU32(to, EXPLAIN_VERDICT, VERDICT_IN_FRAGMENTS);
  return verdict(to, result);
}

function verdict(to: usize, result: u32): usize {
  if (result == PASS) return itemWriteU32(to, EXPLAIN_VERDICT, VERDICT_SENT);
  if (result == NOTHING_INSIDE) return itemWriteU32(to, EXPLAIN_VERDICT, VERDICT_CONSUMED);
  if (result == LEASE_AWAITED) return itemWriteU32(to, EXPLAIN_VERDICT, VERDICT_LEASE);
  return itemWriteU32(itemWriteU32(to, EXPLAIN_VERDICT, VERDICT_DROP), EXPLAIN_REASON, result);
}

/** A copy of an SA that may be changed: record and replay window; keys and selectors are read alone. */
function twinOf(sa: Sa): Sa {
  memory.copy(twin, changetype<usize>(sa), SA_OCTETS);
  const copy = changetype<Sa>(twin);
  if (sa.bitmap != 0) {
    memory.copy(twinBitmap, sa.bitmap, REPLAY_BITMAP_OCTETS);
    copy.bitmap = twinBitmap;
  }
  return copy;
}
