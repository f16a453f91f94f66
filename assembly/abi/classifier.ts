/**
 * The classifier: hardware of the chassis that knows which packet belongs to which IPsec board, as the IKE board has programmed it behind
 * S404. With cut-through an arriving packet of an established SA goes to its board directly; without, it does while there is no IKE board.
 * What the classifier does not know goes to the IKE board (S601).
 *
 * MANAGEMENT_CLASSIFY is from the IKE board; a bare header, its kind, and
 *
 *       0           4           8           12          16          20          24          28          32           36             40
 *      +-----------+-----------+-----------+-----------+-----------+-----------+-----------+-----------+------------+--------------+---
 *      | KIND      | VALUE     | SPI       | SLOT      | GENERATION| ORDER     | PRIORITY  | SERIAL    | local ends | remote ends  | SELECTOR_*
 *      +-----------+-----------+-----------+-----------+-----------+-----------+-----------+-----------+------------+--------------+---
 *
 * VALUE is the LINK of a CHILD_SA, or that of a policy without one: what such a policy covers goes to the IKE board, whatever SA it covers,
 * too. ORDER, PRIORITY and SERIAL are those of the IKE board's own table (policy/priority.ts), so that both come to the same decision.
 */
import { MANAGEMENT_HEADER } from "./management";
import { SELECTOR_OCTETS, SA_SELECTORS_MAX } from "./message";

export const MANAGEMENT_CLASSIFY: u32 = 151;
/** To the IKE board: no packet goes to the board of the LINK (u32 behind the header) directly any more, and none is on its way. */
export const MANAGEMENT_CLASSIFIED: u32 = 28;

export const CLASSIFY_KIND: u32 = MANAGEMENT_HEADER;
export const CLASSIFY_VALUE: u32 = MANAGEMENT_HEADER + 4;
export const CLASSIFY_SPI: u32 = MANAGEMENT_HEADER + 8; // inbound, as a number
export const CLASSIFY_SLOT: u32 = MANAGEMENT_HEADER + 12;
export const CLASSIFY_GENERATION: u32 = MANAGEMENT_HEADER + 16;
export const CLASSIFY_ORDER: u32 = MANAGEMENT_HEADER + 20;
export const CLASSIFY_PRIORITY: u32 = MANAGEMENT_HEADER + 24;
export const CLASSIFY_SERIAL: u32 = MANAGEMENT_HEADER + 28;
export const CLASSIFY_LOCALS: u32 = MANAGEMENT_HEADER + 32;
export const CLASSIFY_REMOTES: u32 = MANAGEMENT_HEADER + 36;
export const CLASSIFY_SELECTORS: u32 = MANAGEMENT_HEADER + 40;
export const CLASSIFY_MAX: u32 = CLASSIFY_SELECTORS + SA_SELECTORS_MAX * SELECTOR_OCTETS;

/** KIND. Nothing is known any more: KIND alone. */
export const CLASSIFY_CLEAR: u32 = 0;
/** The selectors of a CHILD_SA and its board, in place of what was said of the LINK before. Without an SPI (0), and */
export const CLASSIFY_SA: u32 = 1;
/** from here on (KIND and VALUE), what it covers is the IKE board's: it is on its way to another board. */
export const CLASSIFY_SA_AWAY: u32 = 5;
/** It covers nothing any more: KIND and VALUE. */
export const CLASSIFY_SA_GONE: u32 = 2;
/** A policy without an SA; it has no SPI, SLOT and GENERATION. */
export const CLASSIFY_POLICY: u32 = 3;
export const CLASSIFY_POLICY_GONE: u32 = 4;

/** CONFIG_CLASSIFIER: packets go past an IKE board that is off alone, or always. */
export const CLASSIFIER_STANDBY: u32 = 1;
export const CLASSIFIER_CUT_THROUGH: u32 = 2;
