/**
 * The fault record: asc's abort hook writes message, file, line and column into RAM, then traps. The chassis reads the
 * record after the trap (abi/fault.ts).
 */
import {
  FAULT_ABORT,
  FAULT_COLUMN,
  FAULT_FILE,
  FAULT_FILE_LENGTH,
  FAULT_FILE_MAX,
  FAULT_KIND,
  FAULT_LINE,
  FAULT_MESSAGE,
  FAULT_MESSAGE_LENGTH,
  FAULT_MESSAGE_MAX,
  FAULT_OCTETS,
} from "../abi/fault";

const record: usize = memory.data(FAULT_OCTETS, 16);

/** Address of the fault record. */
export function faultRecord(): usize {
  return record;
}

/** Copies a UTF-16 literal as ASCII; returns the octets written. `text` may be null. */
function copyText(text: usize, to: usize, limit: u32): u32 {
  if (text == 0) return 0;
  const octets = load<u32>(text - 4); // rtSize of the string object
  let length = min<u32>(octets >>> 1, limit);
  for (let i: u32 = 0; i < length; i++) store<u8>(to + i, <u8>load<u16>(text + (i << 1)));
  return length;
}

/** The abort hook (`asc --use abort=assembly/rt/fault/fault`). */
export function fault(message: usize, fileName: usize, line: u32, column: u32): void {
  store<u32>(record + FAULT_KIND, FAULT_ABORT);
  store<u32>(record + FAULT_LINE, line);
  store<u32>(record + FAULT_COLUMN, column);
  store<u32>(record + FAULT_FILE_LENGTH, copyText(fileName, record + FAULT_FILE, FAULT_FILE_MAX));
  store<u32>(record + FAULT_MESSAGE_LENGTH, copyText(message, record + FAULT_MESSAGE, FAULT_MESSAGE_MAX));
  unreachable();
}
