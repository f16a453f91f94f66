/**
 * Descriptor rings: the only way in and out of a board.
 *
 * A port is a pair of rings of one shape. Three free-running u32 cursors chase each other; a descriptor, and the frame
 * that it names, belongs to whoever's cursor has not passed it:
 *
 *                taken            done            posted
 *      . . . . . . | x x x x x x x | o o o o o o o o | . . . . .
 *                    firmware's      chassis's
 *
 *   receive ring    posted: empty frames (firmware)  done: filled (chassis)   taken: read (firmware)
 *   transmit ring   posted: full frames (firmware)   done: drained (chassis)  taken: reclaimed (firmware)
 *
 * posted - taken never exceeds the ring's size (a power of two). The chassis writes `done`, and on a receive ring the
 * LENGTH and LINK of the descriptors that it fills; the firmware writes all else.
 */

export const PORT_UNPROTECTED: u32 = 0;
export const PORT_PROTECTED: u32 = 1;
export const PORT_CHANNEL: u32 = 2;
export const PORT_MANAGEMENT: u32 = 3;
/** On the IKE board only. */
export const PORT_SECURE_ELEMENT: u32 = 4;
export const PORT_COUNT_IPSEC: u32 = 4;
export const PORT_COUNT_IKE: u32 = 5;
export const PORT_COUNT_MAX: u32 = 5;

/** One entry of the port table: the addresses of its two rings. */
export const PORT_RX: u32 = 0;
export const PORT_TX: u32 = 4;
export const PORT_ENTRY_OCTETS: u32 = 8;

/** Ring header, then the descriptors. */
export const RING_SIZE: u32 = 0;
export const RING_POSTED: u32 = 16;
export const RING_DONE: u32 = 32;
export const RING_TAKEN: u32 = 48;
export const RING_DESCRIPTORS: u32 = 64;

/** A descriptor: where the octets start, how many (capacity while empty), the VC on an ATM channel, the firmware's own. */
export const DESCRIPTOR_ADDRESS: u32 = 0;
export const DESCRIPTOR_LENGTH: u32 = 4;
export const DESCRIPTOR_LINK: u32 = 8;
export const DESCRIPTOR_COOKIE: u32 = 12;
export const DESCRIPTOR_OCTETS: u32 = 16;

/** Descriptors per ring, by port. */
export const RING_SIZE_DATA: u32 = 256;
export const RING_SIZE_CHANNEL: u32 = 512;
export const RING_SIZE_MANAGEMENT: u32 = 64;
export const RING_SIZE_SECURE_ELEMENT: u32 = 64;
