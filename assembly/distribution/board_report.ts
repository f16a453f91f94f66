/** LIST_BOARDS: the IPsec boards as the IKE board knows them, with their load and what the audit found, in one message. */
import { FABRIC_SLOT_MAX } from "../abi/fabric";
import {
  BOARD_AUDIT_COMPARED,
  BOARD_AUDIT_MISPLACED,
  BOARD_AUDIT_MISSING,
  BOARD_AUDIT_ROUNDS,
  BOARD_AUDIT_UNKNOWN,
  BOARD_CAPACITY,
  BOARD_GENERATION,
  BOARD_NUMBER,
  BOARD_OCTETS,
  BOARD_PACKETS,
  BOARD_SAS,
  BOARD_SLOT,
  BOARD_WEIGHT,
  BOARD_WORK,
  MANAGEMENT_BOARDS,
  MANAGEMENT_HEADER,
  MANAGEMENT_LENGTH,
  MANAGEMENT_REPLY,
  MANAGEMENT_TRANSACTION,
  MANAGEMENT_TYPE,
  RESULT_OK,
} from "../abi/management";
import { PORT_MANAGEMENT } from "../abi/ring";
import { Frame } from "../bus/frame";
import { originate, transmit } from "../bus/port";
import { itemWriteU32, itemWriteU64 } from "../rt/items";
import { auditOf } from "./audit";
import { boardLoad, boardOctetRate, boardPacketRate } from "./board_load";
import { boardCapacity, boardGeneration, boardLinks, boardNumber, boardWeight, slotIsOnline } from "./board_table";

/** Answers LIST_BOARDS; the asker asks again when no frame is free. */
export function reportBoards(transaction: u32): void {
  const listing = originate();
  if (!listing) return;
  let p = listing.start + MANAGEMENT_HEADER;
  for (let slot: u32 = 0; slot < FABRIC_SLOT_MAX; slot++) {
    if (!slotIsOnline(slot)) continue;
    const audit = auditOf(slot);
    p = itemWriteU32(p, BOARD_SLOT, slot);
    p = itemWriteU32(p, BOARD_GENERATION, boardGeneration(slot));
    p = itemWriteU32(p, BOARD_CAPACITY, boardCapacity(slot));
    p = itemWriteU32(p, BOARD_SAS, boardLinks(slot));
    p = itemWriteU32(p, BOARD_NUMBER, boardNumber(slot));
    p = itemWriteU32(p, BOARD_WEIGHT, boardWeight(slot));
    p = itemWriteU64(p, BOARD_WORK, boardLoad(slot));
    p = itemWriteU64(p, BOARD_PACKETS, boardPacketRate(slot));
    p = itemWriteU64(p, BOARD_OCTETS, boardOctetRate(slot));
    p = itemWriteU64(p, BOARD_AUDIT_ROUNDS, audit.rounds);
    p = itemWriteU64(p, BOARD_AUDIT_COMPARED, audit.compared);
    p = itemWriteU32(p, BOARD_AUDIT_UNKNOWN, audit.unknown);
    p = itemWriteU32(p, BOARD_AUDIT_MISPLACED, audit.misplaced);
    p = itemWriteU32(p, BOARD_AUDIT_MISSING, audit.missing);
  }
  send(listing, MANAGEMENT_BOARDS, transaction, <u32>(p - listing.start));
  const reply = originate();
  if (!reply) return;
  store<u32>(reply.start + MANAGEMENT_HEADER, RESULT_OK);
  send(reply, MANAGEMENT_REPLY, transaction, MANAGEMENT_HEADER + 4);
}

function send(frame: Frame, type: u32, transaction: u32, octets: u32): void {
  const m = frame.start;
  frame.length = octets;
  store<u32>(m + MANAGEMENT_TYPE, type);
  store<u32>(m + MANAGEMENT_TRANSACTION, transaction);
  store<u32>(m + MANAGEMENT_LENGTH, octets);
  transmit(PORT_MANAGEMENT, frame);
}
