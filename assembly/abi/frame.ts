/**
 * Sizes of a frame. A frame is a fixed buffer in board RAM with room in front for headers that are pushed; what is in
 * it depends on the port:
 *
 *   UNPROTECTED, PROTECTED   an IP packet, from its IP header on
 *   CHANNEL                  an Ethernet II frame without FCS, or the payload of an AAL5 CPCS-PDU (LLC/SNAP first) whose
 *                            VC is in the descriptor's LINK
 *   MANAGEMENT               a message of management.ts
 *   SECURE_ELEMENT           a message of psa.ts
 */

/** Octets of packet that a received frame holds at most. */
export const FRAME_CAPACITY: u32 = 9984;
/** Room in front of a received packet: capsule (34) plus outer IP, UDP and ESP headers, rounded up. */
export const FRAME_HEADROOM: u32 = 192;
/** Room behind: ESP trailer and ICV. */
export const FRAME_TAILROOM: u32 = 64;
/** The firmware's own record of a frame, in front of the headroom. */
export const FRAME_RECORD: u32 = 64;
/** From one frame to the next; an odd multiple of 64, so that heads spread over all cache sets. */
export const FRAME_STRIDE: u32 = FRAME_RECORD + FRAME_HEADROOM + FRAME_CAPACITY + FRAME_TAILROOM;
/** Frames in a board's pool: all receive rings full, and as many again in flight. */
export const FRAME_COUNT: u32 = 2048;
