/**
 * Shared secrets that wait for those of the key exchanges behind them (RFC 9370 section 2.2.4): SK(0), SK(1) and so on of a rekey in
 * steps, in one of few records, one behind the other. They are wiped when the record is given back.
 *
 * Refuses more than SECRETS_MAX octets together, and more rekeys at a time than there are records: those are to be tried again.
 */
import { arenaTake } from "../rt/arena";
import { zeroize } from "../rt/bytes";

export const SECRETS_MAX: u32 = 2304;
const RECORDS: u32 = 128;

const LENGTH: usize = 0;
const FIRST: usize = 4;
const OCTETS: usize = 8;
const RECORD_OCTETS: usize = OCTETS + SECRETS_MAX;

let table: usize = 0;
let stack: usize = 0;
let free: u32 = 0;

export function secretsReset(): bool {
  table = arenaTake(<usize>RECORDS * RECORD_OCTETS);
  stack = arenaTake(<usize>RECORDS * 4);
  if (table == 0 || stack == 0) return false;
  free = RECORDS;
  for (let i: u32 = 0; i < RECORDS; i++) store<u32>(stack + ((<usize>i) << 2), RECORDS - i);
  return true;
}

function at(record: u32): usize {
  return table + <usize>(record - 1) * RECORD_OCTETS;
}

/** Takes a record with its first secret; 0 when there is none, or the secret is too long. */
export function secretsTake(secret: usize, length: u32): u32 {
  if (free == 0 || length > SECRETS_MAX) return 0;
  free -= 1;
  const record = load<u32>(stack + ((<usize>free) << 2));
  const p = at(record);
  store<u32>(p, length, LENGTH);
  store<u32>(p, length, FIRST);
  memory.copy(p + OCTETS, secret, length);
  return record;
}

/** Adds a secret; false when it does not fit. */
export function secretsAdd(record: u32, secret: usize, length: u32): bool {
  const p = at(record);
  const held = load<u32>(p, LENGTH);
  if (length > SECRETS_MAX - held) return false;
  memory.copy(p + OCTETS + held, secret, length);
  store<u32>(p, held + length, LENGTH);
  return true;
}

/** The first secret, its octets, and those of all behind it. */
export function secretsAt(record: u32): usize {
  return at(record) + OCTETS;
}

export function secretsFirst(record: u32): u32 {
  return load<u32>(at(record), FIRST);
}

export function secretsMore(record: u32): u32 {
  return load<u32>(at(record), LENGTH) - load<u32>(at(record), FIRST);
}

/** Octets of a record, as secretsCopy gives it, at most. */
export const SECRETS_RECORD: u32 = <u32>RECORD_OCTETS;

/** Copies a record for the checkpoint; returns its octets, 0 of none. */
export function secretsCopy(record: u32, to: usize): u32 {
  if (record == 0) return 0;
  const octets = <u32>OCTETS + load<u32>(at(record), LENGTH);
  memory.copy(to, at(record), octets);
  return octets;
}

/** Takes a record that is as it was copied, `octets` of it; 0: there is none, or it is none. */
export function secretsRestore(from: usize, octets: u32): u32 {
  if (octets < <u32>OCTETS || octets > SECRETS_RECORD || load<u32>(from, LENGTH) != octets - <u32>OCTETS) return 0;
  if (load<u32>(from, FIRST) > load<u32>(from, LENGTH)) return 0;
  const record = secretsTake(from + OCTETS, octets - <u32>OCTETS);
  if (record != 0) store<u32>(at(record), load<u32>(from, FIRST), FIRST);
  return record;
}

/** Wipes a record and gives it back; 0 is none. */
export function secretsFree(record: u32): void {
  if (record == 0) return;
  zeroize(at(record), RECORD_OCTETS);
  store<u32>(stack + ((<usize>free) << 2), record);
  free += 1;
}

/** Records that are free. */
export function secretsFreeCount(): u32 {
  return free;
}
