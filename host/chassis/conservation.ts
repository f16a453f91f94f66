/**
 * Conservation of frames: the books of a board must balance after every poll.
 *
 *   free + on receive rings + on transmit rings + held = pool
 *   IN + ORIGINATED = SENT + CONSUMED + DROPPED + HELD
 *   the sum of the drop counters = DROPPED
 */
import {
  MAP_DROPS,
  MAP_DROP_COUNT,
  MAP_FRAMES,
  MAP_PORT_COUNT,
  MAP_PORT_TABLE,
  REG_CONSUMED,
  REG_DROPPED,
  REG_FREE,
  REG_HELD,
  REG_IN,
  REG_ORIGINATED,
  REG_SENT,
} from "../../assembly/abi/board.ts";
import { PORT_ENTRY_OCTETS, RING_POSTED, RING_TAKEN } from "../../assembly/abi/ring.ts";

/** What does not add up in the books of the board whose map lies at `map` in `ram`; undefined when all does. */
export function violation(ram: DataView, map: number): string | undefined {
  const u32 = (at: number): number => ram.getUint32(at, true);
  const u64 = (register: number): number => u32(map + register) + u32(map + register + 4) * 2 ** 32;
  let onRings = 0;
  const table = u32(map + MAP_PORT_TABLE);
  for (let entry = 0; entry < u32(map + MAP_PORT_COUNT) * 2; entry++) {
    const ring = u32(table + entry * (PORT_ENTRY_OCTETS / 2));
    onRings += (u32(ring + RING_POSTED) - u32(ring + RING_TAKEN)) >>> 0;
  }
  const pool = u32(map + MAP_FRAMES);
  const free = u32(map + REG_FREE);
  const held = u32(map + REG_HELD);
  if (free + onRings + held !== pool) {
    return `frames: ${free} free + ${onRings} on rings + ${held} held, but the pool has ${pool}`;
  }
  const came = u64(REG_IN) + u64(REG_ORIGINATED);
  const went = u64(REG_SENT) + u64(REG_CONSUMED) + u64(REG_DROPPED);
  if (came !== went + held) return `packets: ${came} came, ${went} ended and ${held} are held`;
  let dropped = 0;
  const drops = u32(map + MAP_DROPS);
  for (let reason = 0; reason < u32(map + MAP_DROP_COUNT); reason++) {
    dropped += u32(drops + reason * 8) + u32(drops + reason * 8 + 4) * 2 ** 32;
  }
  return dropped === u64(REG_DROPPED)
    ? undefined
    : `drops: ${u64(REG_DROPPED)}, but their reasons add up to ${dropped}`;
}
