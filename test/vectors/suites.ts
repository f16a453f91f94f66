/** All suites, and why a file that none of them takes lies outside. */
import { acvpGcm, cavpGcm, wycheproofAead, wycheproofGmac } from "./aead.ts";
import { aal5 } from "./atm.ts";
import { opensslPaths, pkits, strongswanCorpus } from "./certification_path.ts";
import { rfc7634, rfc8439, wycheproofChacha } from "./chacha.ts";
import { androidStrings, capturedFrames, fuzzMessages, openikedPayloads } from "./board_input.ts";
import { acvpCtr, cavpCbc, rfc3686, wycheproofCbc } from "./cipher.ts";
import { capturedEsp, dpdkEsp, linuxEsp, mcgrewEsp, rfc3602 } from "./esp.ts";
import { dpdkOnBoard, linuxOnBoard, mcgrewOnBoard, odpOnBoard, rfc7634OnBoard } from "./esp_on_board.ts";
import { capturedIke } from "./ike_capture.ts";
import {
  acvpSafePrimes,
  acvpXecdh,
  cavpEcdh,
  modpSecrets,
  rfc3526,
  rfc5903,
  rfc7748,
  wycheproofMontgomery,
  wycheproofPrime,
} from "./key_exchange.ts";
import { acvpKdf, androidExchange, cavpKdf, rfc5869, wycheproofHkdf } from "./keying.ts";
import { acvpHmac, cavpSha, hmacLists, rfcBlockCipherMac, wycheproofMac } from "./mac.ts";
import { acvpMlKem, wycheproofMlKem } from "./ml_kem.ts";
import { odpEsp } from "./odp.ts";
import { protocolNumbers } from "./protocol_numbers.ts";
import { acvpEcdsa, acvpEddsa, acvpRsa, rfc7427, rfc8032, wycheproofSignature } from "./signature.ts";
import type { Suite } from "./suite.ts";

export const SUITES: readonly Suite[] = [
  wycheproofAead,
  wycheproofGmac,
  acvpGcm,
  cavpGcm,
  cavpCbc,
  wycheproofCbc,
  acvpCtr,
  rfc3686,
  cavpSha,
  hmacLists,
  acvpHmac,
  wycheproofMac,
  rfcBlockCipherMac,
  cavpKdf,
  acvpKdf,
  androidExchange,
  mcgrewEsp,
  rfc3602,
  linuxEsp,
  dpdkEsp,
  odpEsp,
  mcgrewOnBoard,
  dpdkOnBoard,
  linuxOnBoard,
  rfc7634OnBoard,
  odpOnBoard,
  capturedEsp,
  capturedIke,
  aal5,
  rfc5869,
  wycheproofHkdf,
  wycheproofMontgomery,
  wycheproofPrime,
  wycheproofMlKem,
  acvpMlKem,
  rfc3526,
  modpSecrets,
  acvpSafePrimes,
  protocolNumbers,
  acvpXecdh,
  cavpEcdh,
  rfc5903,
  rfc7748,
  fuzzMessages,
  capturedFrames,
  openikedPayloads,
  androidStrings,
  wycheproofChacha,
  rfc8439,
  rfc7634,
  wycheproofSignature,
  acvpEcdsa,
  acvpEddsa,
  acvpRsa,
  rfc8032,
  rfc7427,
  pkits,
  opensslPaths,
  strongswanCorpus,
];

const REASONS: readonly [RegExp, string][] = [];

/** Why the product is not about a file that no suite takes; undefined: nobody knows. */
export function outsideReason(path: string): string | undefined {
  return REASONS.find(([pattern]) => pattern.test(path))?.[1];
}
