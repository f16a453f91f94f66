/**
 * AUDIT: what this board has, told to the IKE board, which compares it with its own local database (distribution/audit.ts).
 *
 * An answer is bounded: AUDIT_ENTRIES look-ups, AUDIT_ENTRIES SAs listed, SCAN records looked at. The answer is of one moment, between
 * two other control messages. Nothing is changed by asking.
 */
import { DROP_CONTROL_MALFORMED } from "../abi/drop";
import {
  AUDITED_COUNT,
  AUDITED_END,
  AUDITED_HELD,
  AUDITED_NAMES,
  AUDITED_NEXT,
  AUDIT_COUNT,
  AUDIT_CURSOR,
  AUDIT_DIRECTION_SHIFT,
  AUDIT_ENTRIES,
  AUDIT_ENTRY_OCTETS,
  AUDIT_NAMES,
  MESSAGE_AUDITED,
} from "../abi/message";
import { Frame } from "../bus/frame";
import { drop } from "../bus/port";
import { answerBegin, answerEnd } from "./control_out";
import { findNamed, localDatabaseRecords, saAt } from "./local_database";

/** Records that one answer looks at. */
const SCAN: u32 = 4096;
const LINK_MASK: u32 = (1 << AUDIT_DIRECTION_SHIFT) - 1;
const held: usize = memory.data(AUDIT_ENTRIES / 8, 8);

export function handleAudit(frame: Frame, transaction: u32): void {
  const p = frame.start;
  const count = frame.length < AUDIT_NAMES ? u32.MAX_VALUE : load<u32>(p, AUDIT_COUNT);
  if (count > AUDIT_ENTRIES || frame.length < AUDIT_NAMES + count * AUDIT_ENTRY_OCTETS) {
    drop(frame, DROP_CONTROL_MALFORMED);
    return;
  }
  memory.fill(held, 0, AUDIT_ENTRIES / 8);
  for (let i: u32 = 0; i < count; i++) {
    const name = load<u32>(p + AUDIT_NAMES + i * AUDIT_ENTRY_OCTETS, 4);
    const spi = load<u32>(p + AUDIT_NAMES + i * AUDIT_ENTRY_OCTETS);
    if (!findNamed(spi, name >> AUDIT_DIRECTION_SHIFT, name & LINK_MASK)) continue;
    const word = held + ((i >> 5) << 2);
    store<u32>(word, load<u32>(word) | (1 << (i & 31)));
  }
  const from = load<u32>(p, AUDIT_CURSOR);
  const answer = answerBegin(frame, MESSAGE_AUDITED, transaction);
  memory.copy(answer + AUDITED_HELD, held, AUDIT_ENTRIES / 8);
  answerEnd(frame, list(answer, from));
}

/** Lists from record `from` on; octets of the whole answer. */
function list(answer: usize, from: u32): u32 {
  const records = localDatabaseRecords();
  let at = min<u32>(from, records);
  const end = min<u32>(records - at, SCAN) + at;
  let listed: u32 = 0;
  while (at < end && listed < AUDIT_ENTRIES) {
    const sa = saAt(at);
    at += 1;
    if (sa.spi == 0) continue;
    const entry = answer + AUDITED_NAMES + listed * AUDIT_ENTRY_OCTETS;
    store<u32>(entry, sa.spi);
    store<u32>(entry, sa.link | ((<u32>sa.direction) << AUDIT_DIRECTION_SHIFT), 4);
    listed += 1;
  }
  store<u32>(answer, at == records ? AUDITED_END : at, AUDITED_NEXT);
  store<u32>(answer, listed, AUDITED_COUNT);
  return AUDITED_NAMES + listed * AUDIT_ENTRY_OCTETS;
}
