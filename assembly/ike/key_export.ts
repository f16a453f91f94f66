/**
 * The keys of IKE_SAs for a capture that Wireshark is to open (its ikev2_decryption_table): SK_ei, SK_er with their salts, SK_ai and SK_ar.
 * Neither SK_d, of which the keys of CHILD_SAs and of the next IKE_SA come, nor SK_p.
 *
 * Only where CONFIG allows it (CONFIG_KEY_EXPORT), and only from MANAGEMENT_KEYS_FOLLOW to MANAGEMENT_KEYS_LEAVE: keys that stand are listed
 * (listing.ts), and those of each IKE_SA are told when they are made, for a negotiation that fails may be over with the next message.
 */
import {
  IKE_KEY_AI,
  IKE_KEY_AR,
  IKE_KEY_EI,
  IKE_KEY_ER,
  IKE_SA_PROPOSAL,
  IKE_SA_SPI_I,
  IKE_SA_SPI_R,
  MANAGEMENT_HEADER,
  MANAGEMENT_IKE_KEYS,
  MANAGEMENT_LENGTH,
  MANAGEMENT_TRANSACTION,
  MANAGEMENT_TYPE,
} from "../abi/management";
import { PORT_MANAGEMENT } from "../abi/ring";
import { originate, transmit } from "../bus/port";
import { Transform } from "../crypto/transform";
import { itemWrite } from "../rt/items";
import { IkeSa, KEY_AI, KEY_AR, KEY_EI, KEY_ER, ikeKey, ikeSuite } from "./ike_sa";
import { suiteRow, suiteTransforms } from "./proposal";
import { keyExport } from "./settings";

const scratch: usize = memory.data(256, 8);
let followed: bool = false;

export function keyExportReset(): void {
  followed = false;
}

/** False where the configuration does not allow it. */
export function keyExportFollow(): bool {
  followed = keyExport;
  return followed;
}

export function keyExportLeave(): void {
  followed = false;
}

/** The keys of an IKE_SA are made. */
export function keysMade(sa: IkeSa): void {
  if (followed) keysReport(0, sa);
}

/** MANAGEMENT_IKE_KEYS of an IKE_SA that has keys. */
export function keysReport(transaction: u32, sa: IkeSa): void {
  if (!followed) return;
  const frame = originate();
  if (!frame) return;
  const row = changetype<Transform>(suiteRow(ikeSuite(sa)));
  const e = row.keyOctets + row.saltOctets;
  const a = row.integrityKeyOctets;
  store<u32>(frame.start, MANAGEMENT_IKE_KEYS, MANAGEMENT_TYPE);
  store<u32>(frame.start, transaction, MANAGEMENT_TRANSACTION);
  store<u64>(scratch, sa.spiI);
  let at = itemWrite(frame.start + MANAGEMENT_HEADER, IKE_SA_SPI_I, scratch, 8);
  store<u64>(scratch, sa.spiR);
  at = itemWrite(at, IKE_SA_SPI_R, scratch, 8);
  at = itemWrite(at, IKE_SA_PROPOSAL, scratch, suiteTransforms(ikeSuite(sa), scratch));
  at = itemWrite(at, IKE_KEY_EI, ikeKey(sa, KEY_EI), e);
  at = itemWrite(at, IKE_KEY_ER, ikeKey(sa, KEY_ER), e);
  at = itemWrite(at, IKE_KEY_AI, ikeKey(sa, KEY_AI), a);
  at = itemWrite(at, IKE_KEY_AR, ikeKey(sa, KEY_AR), a);
  frame.length = <u32>(at - frame.start);
  store<u32>(frame.start, frame.length, MANAGEMENT_LENGTH);
  transmit(PORT_MANAGEMENT, frame);
}
