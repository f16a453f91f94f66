/**
 * The checkpoint: what the IKE board needs to take its SAs back after a restart, kept by the chassis (architecture: leases).
 *
 * In each poll the board writes records of what changed into an area of its RAM, one behind the other at multiples of 8, and
 * REG_CHECKPOINT says how many octets there are. The chassis takes them after every poll that returned, before it drains the transmit
 * rings: no frame leaves the board whose effect on its state is not kept. A record replaces the one of the same KIND and INDEX;
 * without contents it says that there is none any more. An area that is not whole records breaks the contract, as one beyond RAM does: the
 * board is reset, and nothing of that poll leaves.
 *
 *       0           4           8           12          16                      24
 *      +-----------+-----------+-----------+-----------+-----------------------+------------------+-----+
 *      | KIND      | INDEX     | OCTETS    | EPOCH     | SERIAL                | sealed contents  | ICV |
 *      +-----------+-----------+-----------+-----------+-----------------------+------------------+-----+
 *
 * OCTETS counts what is behind the header. Contents are sealed with ChaCha20-Poly1305: nonce EPOCH | SERIAL, the header as associated data,
 * the key one that the secure element derives from its chassis key for the salt of this EPOCH (PSA_CHECKPOINT_KEY). The salt is the one
 * record in clear. EPOCH is the board's GENERATION. Contents are the firmware's own: LAYOUT, at the head of a salt's record, tells whether
 * another image can read them.
 *
 * Back they come as MANAGEMENT_RESTORE, record by record, the salt of an EPOCH before its records; MANAGEMENT_RESTORED ends them.
 */
export const CHECKPOINT_KIND: u32 = 0;
export const CHECKPOINT_INDEX: u32 = 4;
export const CHECKPOINT_OCTETS: u32 = 8;
export const CHECKPOINT_EPOCH: u32 = 12;
export const CHECKPOINT_SERIAL: u32 = 16;
export const CHECKPOINT_HEADER: u32 = 24;
export const CHECKPOINT_ICV: u32 = 16;
export const CHECKPOINT_ALIGNMENT: u32 = 8;

/** KIND. LAYOUT u32 and 32 octets of salt, in clear; INDEX 0. */
export const CHECKPOINT_SALT: u32 = 1;
export const CHECKPOINT_SALT_OCTETS: u32 = 32;
/** An IKE_SA; its last response and its request under way, as they were sent; what a rekey of it has in hand. */
export const CHECKPOINT_IKE_SA: u32 = 2;
export const CHECKPOINT_RESPONSE: u32 = 3;
export const CHECKPOINT_REQUEST: u32 = 4;
export const CHECKPOINT_EXCHANGE: u32 = 5;
export const CHECKPOINT_CHILD_SA: u32 = 6;
/** A CHILD_SA in the local database: its board, its SA records, its leases. */
export const CHECKPOINT_LINK: u32 = 7;

/** Octets of the area. */
export const CHECKPOINT_AREA: u32 = 1048576;
/** Octets of a record at most, so that it comes back in one frame. */
export const CHECKPOINT_RECORD_MAX: u32 = 9472;
