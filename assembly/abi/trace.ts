/**
 * The trace ring: a board's console. Fixed entries, the newest overwrite the oldest, TOTAL counts all that were ever
 * written, so that what fell off still shows. REG_TRACE_MASK chooses what is written.
 *
 *   entry   0 NOW u64   8 EVENT u32   12 A u32   16 B u32   20 C u32   24 D u32   28 reserved
 *
 * Events 401..707 are the step numbers of the patent's flowcharts (figures 4 to 7).
 */
export const TRACE_TOTAL: u32 = 0;
export const TRACE_ENTRIES: u32 = 64;
export const TRACE_CAPACITY: u32 = 1024;
export const TRACE_ENTRY_OCTETS: u32 = 32;
export const TRACE_OCTETS: u32 = TRACE_ENTRIES + TRACE_CAPACITY * TRACE_ENTRY_OCTETS;

export const TRACE_ENTRY_NOW: u32 = 0;
export const TRACE_ENTRY_EVENT: u32 = 8;
export const TRACE_ENTRY_A: u32 = 12;
export const TRACE_ENTRY_B: u32 = 16;
export const TRACE_ENTRY_C: u32 = 20;
export const TRACE_ENTRY_D: u32 = 24;

/** Bits of REG_TRACE_MASK. */
export const TRACE_MASK_ESTABLISH: u32 = 1; // S4xx, S5xx
export const TRACE_MASK_PACKET: u32 = 2; // S6xx, S7xx: per packet
export const TRACE_MASK_IKE: u32 = 4; // IKE messages and state moves
export const TRACE_MASK_BOARD: u32 = 8; // reset, self test, boards up and down

/** Steps. A is the SPI (0 before one is known), B the slot or the drop reason, C and D as said. */
export const STEP_S401: u32 = 401; // CHILD_SA negotiated; A inbound SPI, B outbound SPI, C CHILD_SA index
export const STEP_S402: u32 = 402; // board selected; A SPI, B slot
export const STEP_S403: u32 = 403; // linked and stored; A SPI, B slot, C generation
export const STEP_S404: u32 = 404; // SA transferred; A SPI, B slot, C direction
export const STEP_S501: u32 = 501; // SA received; A SPI, C direction
export const STEP_S502: u32 = 502; // SA stored; A SPI, C direction
export const STEP_S601: u32 = 601; // packet received; A SPI or 0, C octets, D port
export const STEP_S602: u32 = 602; // SA looked up; A SPI
export const STEP_S603: u32 = 603; // entry found; A SPI
export const STEP_S604: u32 = 604; // board determined; A SPI, B slot
export const STEP_S605: u32 = 605; // encapsulated and transferred; A SPI, B slot, C octets with the capsule
export const STEP_S606: u32 = 606; // no entry: discarded; A SPI, B drop reason
export const STEP_S701: u32 = 701; // capsule received; C octets
export const STEP_S702: u32 = 702; // capsule taken off; C octets
export const STEP_S703: u32 = 703; // SA looked up; A SPI
export const STEP_S704: u32 = 704; // entry found; A SPI
export const STEP_S705: u32 = 705; // IPsec processing done; A SPI, B sequence number (low 32 bits), C direction
export const STEP_S706: u32 = 706; // sent; A SPI, C octets, D port
export const STEP_S707: u32 = 707; // no entry: discarded; A SPI, B drop reason

/** Other events. */
export const TRACE_BOARD_RESET: u32 = 1; // A class, B generation
export const TRACE_SELF_TEST: u32 = 2; // A result (1 passed)
export const TRACE_BOARD_UP: u32 = 3; // A slot, B generation
export const TRACE_BOARD_DOWN: u32 = 4; // A slot, B generation
export const TRACE_IKE_SENT: u32 = 16; // A exchange type, B message id, C flags, D octets
export const TRACE_IKE_RECEIVED: u32 = 17; // the same
export const TRACE_BYPASSED: u32 = 5; // by policy, past the IPsec boards; A policy, C octets, D port that it leaves by
export const TRACE_IKE_STATE: u32 = 18; // A IKE_SA index, B old state, C new state
