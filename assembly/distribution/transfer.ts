/**
 * S404: one direction of a link goes to its board, as SA_INSTALL. What the SA did elsewhere goes with it: exactly, when the board that had
 * it gave it up (move.ts); as its last wish for a lease had it, when that board died.
 */
import {
  DIRECTION_INBOUND,
  HISTORY_LAST_USED,
  HISTORY_OCTETS,
  HISTORY_PACKETS,
  HISTORY_WINDOW,
  MESSAGE_HEADER,
  MESSAGE_SA_INSTALL,
  SA_HISTORY_WORDS,
} from "../abi/message";
import { STEP_S404, TRACE_MASK_ESTABLISH } from "../abi/trace";
import { originate } from "../bus/port";
import { trace } from "../rt/trace";
import { boardIsOnline } from "./board_table";
import { sendControl, writeHeader } from "./control_out";
import { leaseAskedAt, leaseOctets, leasePackets, leaseSent } from "./lease";
import { Link, linkNumber, recordOf } from "./local_database";
import { historyOf, passageOf } from "./passage";

/**
 * Sends one direction's SA to the board of its link, and to no later generation in the same slot: that one is given the SA as any
 * successor is (takeover.ts). False: it did not go, and is repeated.
 */
export function transfer(link: Link, direction: u32): bool {
  if (!boardIsOnline(link.slot, link.generation)) return false;
  const inbound = direction == DIRECTION_INBOUND;
  if (inbound) link.triesIn += 1;
  else link.triesOut += 1;
  const frame = originate();
  if (!frame) return false;
  leaseSent(link, direction);
  const octets = inbound ? link.recordIn : link.recordOut;
  const m = frame.start;
  const record = m + MESSAGE_HEADER;
  memory.copy(record, recordOf(link, direction), octets);
  const words = writeHistory(record + octets, link, direction);
  store<u16>(record, <u16>words, SA_HISTORY_WORDS);
  frame.length = MESSAGE_HEADER + octets + (words << 3);
  writeHeader(frame, MESSAGE_SA_INSTALL, (linkNumber(link) << 1) | direction);
  trace(TRACE_MASK_ESTABLISH, STEP_S404, inbound ? link.spiIn : link.spiOut, link.slot, direction);
  return sendControl(frame, link.slot);
}

/** Writes what is known of the SA's past; returns its words, 0 for a new SA. */
function writeHistory(p: usize, link: Link, direction: u32): u32 {
  const passage = passageOf(link);
  const exact = !passage ? 0 : direction == DIRECTION_INBOUND ? passage.wordsIn : passage.wordsOut;
  if (passage && exact != 0) {
    memory.copy(p, historyOf(passage, direction), (<usize>exact) << 3);
    return exact;
  }
  if (leaseAskedAt(link, direction) == 0) return 0;
  store<u64>(p, leasePackets(link, direction), HISTORY_PACKETS);
  store<u64>(p, leaseOctets(link, direction), HISTORY_OCTETS);
  store<u64>(p, leaseAskedAt(link, direction), HISTORY_LAST_USED);
  return HISTORY_WINDOW >> 3;
}
