/**
 * Gateways that IKE_SAs are to be sent to (RFC 5685), from the operator's command until each of them has been told: few records, counted
 * by how many IKE_SAs wait for them.
 */
import { GATEWAY_MAX } from "../wire/ike_payload/redirect";

const RECORDS: u32 = 8;
const WAITING: usize = 0;
const LENGTH: usize = 4;
const OCTETS: usize = 8;
const RECORD_OCTETS: usize = (OCTETS + GATEWAY_MAX + 3) & ~3;

const table: usize = memory.data(RECORDS * RECORD_OCTETS, 8);

export function gatewaysReset(): void {
  memory.fill(table, 0, RECORDS * RECORD_OCTETS);
}

function at(record: u32): usize {
  return table + <usize>(record - 1) * RECORD_OCTETS;
}

/** Keeps a gateway, as it goes out, for nobody yet; 0 when there are too many. */
export function gatewayTake(p: usize, length: u32): u32 {
  for (let record: u32 = 1; record <= RECORDS && length <= GATEWAY_MAX; record++) {
    if (load<u32>(at(record), WAITING) != 0) continue;
    store<u32>(at(record), length, LENGTH);
    memory.copy(at(record) + OCTETS, p, length);
    return record;
  }
  return 0;
}

/** One more IKE_SA waits for it. */
export function gatewayHold(record: u32): void {
  store<u32>(at(record), load<u32>(at(record), WAITING) + 1, WAITING);
}

/** One less; 0 is none. */
export function gatewayFree(record: u32): void {
  if (record == 0) return;
  assert(load<u32>(at(record), WAITING) != 0, "a gateway is freed more often than held");
  store<u32>(at(record), load<u32>(at(record), WAITING) - 1, WAITING);
}

export function gatewayKept(record: u32): usize {
  return at(record) + OCTETS;
}

export function gatewayKeptOctets(record: u32): u32 {
  return load<u32>(at(record), LENGTH);
}
