/**
 * The management port of an IPsec board (abi/management.ts): MANAGEMENT_LIST_SAS, answered by one MANAGEMENT_SA per SA and
 * then by REPLY; MANAGEMENT_EXPLAIN by an EXPLANATION and REPLY; MANAGEMENT_LOCAL_ADDRESSES and
 * MANAGEMENT_CONTROL_KEY by REPLY alone. A listing goes on over several polls, so that a full table fits through a small ring; while it
 * does, further commands wait on theirs. Refuses every other command with RESULT_UNSUPPORTED. No key ever leaves here.
 */
import { DROP_MANAGEMENT_MALFORMED } from "../abi/drop";
import { MANAGEMENT_EXPLAIN, MANAGEMENT_EXPLANATION } from "../abi/explain";
import {
  MANAGEMENT_CONTROL_KEY,
  MANAGEMENT_HEADER,
  MANAGEMENT_LENGTH,
  MANAGEMENT_LIST_SAS,
  MANAGEMENT_LOCAL_ADDRESSES,
  MANAGEMENT_ORPHANED,
  MANAGEMENT_REPLY,
  MANAGEMENT_SA,
  MANAGEMENT_SETTLED,
  MANAGEMENT_TRANSACTION,
  MANAGEMENT_TYPE,
  RESULT_MALFORMED,
  RESULT_OK,
  RESULT_TABLE_FULL,
  RESULT_UNSUPPORTED,
} from "../abi/management";
import { PORT_MANAGEMENT } from "../abi/ring";
import { Frame } from "../bus/frame";
import { consume, drop, originate, transmit } from "../bus/port";
import { CONTROL_KEY_OCTETS, controlRekey } from "../channel/control";
import { linkIkeSlot } from "../channel/link";
import { zeroize } from "../rt/bytes";
import { itemsValid } from "../rt/items";
import { writeStatus } from "./control_out";
import { explain } from "./explain";
import { leaseAdopted, leaseFree, leaseIsSettled, leaseOrphan, leaseOrphanage, leaseSettle } from "./lease_orphaned";
import { localAddressTake } from "../policy/local_address";
import { localDatabaseRecords, saAt } from "./local_database";
import { goOn } from "./process";

/** Messages of a listing per poll: half of the port's ring. */
const PER_POLL: u32 = 32;
const IDLE: u32 = 0xffffffff;

let next: u32 = 0xffffffff; // IDLE
let transaction: u32 = 0;

export function listingReset(): void {
  next = IDLE;
}

/** True while a listing is under way. */
export function listingBusy(): bool {
  return next != IDLE;
}

/** Handles one command; not while a listing is under way. */
export function handleManagement(frame: Frame): void {
  const p = frame.start;
  if (frame.length < MANAGEMENT_HEADER || load<u32>(p, MANAGEMENT_LENGTH) != frame.length) {
    drop(frame, DROP_MANAGEMENT_MALFORMED);
    return;
  }
  const type = <u32>load<u16>(p, MANAGEMENT_TYPE);
  transaction = load<u32>(p, MANAGEMENT_TRANSACTION);
  if (type == MANAGEMENT_LIST_SAS) {
    next = 0;
    consume(frame);
    return;
  }
  if (type == MANAGEMENT_EXPLAIN && explain(frame)) {
    header(frame.start, MANAGEMENT_EXPLANATION, frame.length);
    transmit(PORT_MANAGEMENT, frame);
    const answer = originate();
    if (!answer) return;
    writeReply(answer, RESULT_OK);
    transmit(PORT_MANAGEMENT, answer);
    return;
  }
  if (type == MANAGEMENT_ORPHANED && frame.length == MANAGEMENT_HEADER + 4) {
    leaseOrphan(load<u32>(p, MANAGEMENT_HEADER));
    for (let sa = leaseFree(); sa; sa = leaseFree()) goOn(sa);
    writeReply(frame, RESULT_OK);
    transmit(PORT_MANAGEMENT, frame);
    return;
  }
  if (type == MANAGEMENT_CONTROL_KEY) {
    const whole = frame.length == MANAGEMENT_HEADER + CONTROL_KEY_OCTETS;
    if (whole) {
      controlRekey(linkIkeSlot(), p + MANAGEMENT_HEADER);
      leaseAdopted();
    }
    zeroize(p + MANAGEMENT_HEADER, frame.length - MANAGEMENT_HEADER);
    writeReply(frame, whole ? RESULT_OK : RESULT_MALFORMED);
    transmit(PORT_MANAGEMENT, frame);
    return;
  }
  writeReply(
    frame,
    type == MANAGEMENT_LOCAL_ADDRESSES
      ? takeAddresses(frame)
      : type == MANAGEMENT_EXPLAIN
        ? RESULT_MALFORMED
        : RESULT_UNSUPPORTED,
  );
  transmit(PORT_MANAGEMENT, frame);
}

function takeAddresses(frame: Frame): u32 {
  const start = frame.start + MANAGEMENT_HEADER;
  const end = frame.start + frame.length;
  if (!itemsValid(start, end)) return RESULT_MALFORMED;
  return localAddressTake(start, end) ? RESULT_OK : RESULT_TABLE_FULL;
}

/** Tells the chassis that the IKE board knows all leases again. */
function tellSettled(): void {
  const frame = originate();
  if (!frame) return;
  frame.length = MANAGEMENT_HEADER + 4;
  store<u32>(frame.start, leaseOrphanage(), MANAGEMENT_HEADER);
  transaction = 0;
  header(frame.start, MANAGEMENT_SETTLED, frame.length);
  if (transmit(PORT_MANAGEMENT, frame)) leaseSettle();
}

/** Goes on with a listing; without one, tells what there is to tell. */
export function listingContinue(): void {
  if (next == IDLE) {
    if (leaseIsSettled()) tellSettled();
    return;
  }
  const records = localDatabaseRecords();
  for (let sent: u32 = 0; sent < PER_POLL; sent++) {
    while (next < records && saAt(next).spi == 0) next += 1;
    const frame = originate();
    if (!frame) return;
    if (next == records) {
      writeReply(frame, RESULT_OK);
      if (transmit(PORT_MANAGEMENT, frame)) next = IDLE;
      return;
    }
    const p = frame.start;
    frame.length = MANAGEMENT_HEADER + writeStatus(p + MANAGEMENT_HEADER, transaction, saAt(next));
    header(p, MANAGEMENT_SA, frame.length);
    if (!transmit(PORT_MANAGEMENT, frame)) return;
    next += 1;
  }
}

function writeReply(frame: Frame, result: u32): void {
  frame.length = MANAGEMENT_HEADER + 4;
  header(frame.start, MANAGEMENT_REPLY, frame.length);
  store<u32>(frame.start, result, MANAGEMENT_HEADER);
}

function header(p: usize, type: u32, length: u32): void {
  store<u32>(p, type, MANAGEMENT_TYPE);
  store<u32>(p, transaction, MANAGEMENT_TRANSACTION);
  store<u32>(p, length, MANAGEMENT_LENGTH);
}
