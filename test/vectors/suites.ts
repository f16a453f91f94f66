/** All suites, and why a file that none of them takes is not run. */
import { acvpGcm, cavpGcm, wycheproofAead, wycheproofGmac } from "./aead.ts";
import { aal5 } from "./atm.ts";
import { rfc7634, rfc8439, wycheproofChacha } from "./chacha.ts";
import { androidStrings, capturedFrames, fuzzMessages, openikedPayloads } from "./board_input.ts";
import { acvpCtr, cavpCbc, rfc3686, wycheproofCbc } from "./cipher.ts";
import { capturedEsp, dpdkEsp, linuxEsp, mcgrewEsp, odpEsp, rfc3602 } from "./esp.ts";
import { capturedIke } from "./ike_capture.ts";
import { acvpXecdh, cavpEcdh, rfc5903, rfc7748, wycheproofP256, wycheproofX25519 } from "./key_exchange.ts";
import { acvpKdf, androidExchange, cavpKdf } from "./keying.ts";
import { acvpHmac, cavpSha, hmacLists, rfcBlockCipherMac, wycheproofMac } from "./mac.ts";
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
  capturedEsp,
  capturedIke,
  aal5,
  wycheproofX25519,
  wycheproofP256,
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
];

const REASONS: readonly [RegExp, string][] = [
  [/hkdf/, "HKDF is not used by IKEv2"],
  [/mlkem/, "ML-KEM is not offered"],
  [/x448/, "X448 is not offered"],
  [/ecdsa|eddsa|ed25519|ed448|rsa_|rsa_sigver|rfc7427/, "signatures are not verified: authentication is by PSK"],
  [/^x509\/|\/x509\/|pkits/, "certificates are not read: authentication is by PSK"],
  [/modp|safeprimes/, "no MODP group is offered"],
  [/secp384r1|secp521r1/, "the group is not offered"],
];

export function unsupportedReason(path: string, _content: any): string {
  return REASONS.find(([pattern]) => pattern.test(path))?.[1] ?? "no suite knows this file";
}
