/**
 * The board map: what a chassis finds at the address that `boardMap()` returns.
 *
 * The contract between firmware and whatever hosts it is data that both compilers read: every constant here is plain
 * arithmetic, folded by asc into immediates and imported as it stands by the TypeScript host. All fields are
 * little-endian. Offsets are octets from the start of the map unless said otherwise.
 *
 *       0            4            8            12           16           20           24           28
 *      +------------+------------+------------+------------+------------+------------+------------+------------+
 *   0  | magic      | ABI        | class      | map size   | port table | ports      | config     | config max |
 *  32  | fault      | trace      | drops      | drop count | build      | frames     | RAM used   | checkpoint |
 *      +------------+------------+------------+------------+------------+------------+------------+------------+
 *  64  | NOW (ns)                | WALL (ns)               | GENERATION | SLOT       | CONFIG_LEN | TRACE_MASK |  host
 *  96  | ENTROPY: 64 octets                                                                                    |  writes
 *      +------------+------------+------------+------------+------------+------------+------------+------------+
 * 160  | STATE      | REFUSAL    | DEADLINE (ns)           | HELD       | FREE       | POLLS                   |  firmware
 * 192  | IN                      | ORIGINATED              | SENT                    | CONSUMED                |  writes
 * 224  | DROPPED                 | CHECKPOINT | reserved                                                       |
 *      +------------+------------+------------+------------+------------+------------+------------+------------+
 */

export const ABI_MAGIC: u32 = 0x31424343; // "CCB1"
export const ABI_VERSION: u32 = 1;

export const BOARD_CLASS_IKE: u32 = 1;
export const BOARD_CLASS_IPSEC: u32 = 2;

export const BUILD_BASE: u32 = 0;
export const BUILD_SIMD: u32 = 1;
export const BUILD_RELAXED: u32 = 2;

/** Where things are; constant after `boardReset`. */
export const MAP_MAGIC: u32 = 0;
export const MAP_ABI_VERSION: u32 = 4;
export const MAP_BOARD_CLASS: u32 = 8;
export const MAP_SIZE_FIELD: u32 = 12;
export const MAP_PORT_TABLE: u32 = 16;
export const MAP_PORT_COUNT: u32 = 20;
export const MAP_CONFIG: u32 = 24;
export const MAP_CONFIG_CAPACITY: u32 = 28;
export const MAP_FAULT: u32 = 32;
export const MAP_TRACE: u32 = 36;
export const MAP_DROPS: u32 = 40;
export const MAP_DROP_COUNT: u32 = 44;
export const MAP_BUILD: u32 = 48;
export const MAP_FRAMES: u32 = 52;
export const MAP_RAM_USED: u32 = 56;
/** The area of abi/checkpoint.ts, 0 on a board that has none. */
export const MAP_CHECKPOINT: u32 = 60;

/** Registers that the chassis writes. NOW is monotonic, WALL is Unix time; both in nanoseconds, u64. */
export const REG_NOW: u32 = 64;
export const REG_WALL: u32 = 72;
export const REG_GENERATION: u32 = 80;
export const REG_SLOT: u32 = 84;
export const REG_CONFIG_LENGTH: u32 = 88;
export const REG_TRACE_MASK: u32 = 92;
export const REG_ENTROPY: u32 = 96;
export const REG_ENTROPY_OCTETS: u32 = 64;

/** Registers that the firmware writes. */
export const REG_STATE: u32 = 160;
export const REG_REFUSAL: u32 = 164;
/** When boardPoll wants to be called even if nothing arrives (ns on the NOW scale, u64; all ones: never). */
export const REG_DEADLINE: u32 = 168;
/** Frames that the firmware keeps between polls, neither free nor on a ring. */
export const REG_HELD: u32 = 176;
export const REG_FREE: u32 = 180;
export const REG_POLLS: u32 = 184;
/** Conservation, u64 each: IN + ORIGINATED = SENT + CONSUMED + DROPPED + HELD. */
export const REG_IN: u32 = 192;
export const REG_ORIGINATED: u32 = 200;
export const REG_SENT: u32 = 208;
export const REG_CONSUMED: u32 = 216;
export const REG_DROPPED: u32 = 224;
/** Octets of records that the last poll left in the area of the checkpoint. */
export const REG_CHECKPOINT: u32 = 232;

export const MAP_SIZE: u32 = 256;

/** Values of STATE. */
export const STATE_OFF: u32 = 0;
export const STATE_SELF_TEST: u32 = 1;
export const STATE_ONLINE: u32 = 2;
/** The board refuses service; REFUSAL says why. */
export const STATE_REFUSED: u32 = 3;

/** Values of REFUSAL. */
export const REFUSAL_NONE: u32 = 0;
export const REFUSAL_CONFIG: u32 = 1;
export const REFUSAL_RAM: u32 = 2;
export const REFUSAL_SELF_TEST: u32 = 3;

/** Bits that `boardPoll` returns. */
export const POLL_MORE_WORK: u32 = 1;
export const POLL_TRANSMIT_READY: u32 = 2;

/** Frames that one `boardPoll` takes from each port at most. */
export const POLL_BATCH: u32 = 64;
