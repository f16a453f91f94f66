/**
 * What the entries of the IKE core keep of its events, the last EVENTS of them, for tests to read:
 *
 *   0 kind   4 link   8 SPI   12 direction   16 first 4 octets of KEYMAT   20 remote port   24 local address   40 remote address
 */

/** Events that are kept. */
export const EVENTS: u32 = 512;
/** From one to the next. */
export const EVENT_OCTETS: u32 = 56;
