/**
 * Every cipher suite between two gateways: negotiated by its keywords, packets of all sizes both ways, what the WAN shows, and
 * a rekey in the middle. Half of them with extended sequence numbers; moon on Ethernet, sun on ATM.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { suiteText } from "../../host/operator/transform_name.ts";
import { LINKS, type Story, tell } from "./story.ts";

/** ESP proposal, and what the SA is called in a listing. */
const ESP: readonly [string, string][] = [
  ["aes128gcm8", "AES_GCM_8-128"],
  ["aes192gcm12-esn", "AES_GCM_12-192/ESN"],
  ["aes256gcm16-esn", "AES_GCM_16-256/ESN"],
  ["chacha20poly1305-esn", "CHACHA20_POLY1305/ESN"],
  ["aes128ccm16", "AES_CCM_16-128"],
  ["aes192ccm12-esn", "AES_CCM_12-192/ESN"],
  ["aes256ccm8", "AES_CCM_8-256"],
  ["aes128-sha1", "AES_CBC-128/HMAC_SHA1_96"],
  ["aes192-sha256-esn", "AES_CBC-192/HMAC_SHA2_256_128/ESN"],
  ["aes256-sha384", "AES_CBC-256/HMAC_SHA2_384_192"],
  ["aes256-sha512-esn", "AES_CBC-256/HMAC_SHA2_512_256/ESN"],
  ["aes128-aesxcbc", "AES_CBC-128/AES_XCBC_96"],
  ["aes128-aescmac-esn", "AES_CBC-128/AES_CMAC_96/ESN"],
  ["aes128ctr-sha256-esn", "AES_CTR-128/HMAC_SHA2_256_128/ESN"],
  ["aes256ctr-aesxcbc", "AES_CTR-256/AES_XCBC_96"],
  ["null-sha256", "NULL/HMAC_SHA2_256_128"],
  ["null-sha1-esn", "NULL/HMAC_SHA1_96/ESN"],
  ["aes128gmac", "NULL_AES_GMAC-128"],
  ["aes256gmac-esn", "NULL_AES_GMAC-256/ESN"],
];

/** IKE proposals, each with a PRF of its own. */
const IKE: readonly string[] = [
  "aes128gcm16-prfsha256-x25519",
  "aes192gcm12-prfsha384-x25519",
  "aes256gcm8-prfsha512-x25519",
  "chacha20poly1305-prfsha256-x25519",
  "aes128ccm16-prfsha1-x25519",
  "aes256ccm8-prfaesxcbc-x25519",
  "aes128-sha1-x25519",
  "aes192-sha256-x25519",
  "aes256-sha384-x25519",
  "aes256-sha512-x25519",
  "aes128-aesxcbc-x25519",
  "aes128-aescmac-x25519",
  "aes128ctr-sha256-x25519",
  "aes256ctr-sha384-prfaescmac-x25519",
];

async function talkAndRekey(story: Story, name?: string): Promise<void> {
  await story.establish();
  const before = await story.mirrored();
  if (name !== undefined) for (const child of before) assert.is(suiteText(child.suite), name);
  await story.exchange();
  story.account({ whole: true, ordered: true });
  await story.moon.gateway.rekey(before[0]!.name);
  await story.pair.drive.run(3000);
  const after = await story.mirrored();
  assert.is.not(after[0]!["spi-in"], before[0]!["spi-in"], "rekeyed");
  await story.flows();
}

for (const [proposal, name] of ESP) {
  const legible = proposal.startsWith("null") || proposal.includes("gmac");
  test(`ESP ${proposal}`, () =>
    tell({ links: LINKS[0], esp: proposal, legible }, (story) => talkAndRekey(story, name)));
}

for (const proposal of IKE) {
  test(`IKE ${proposal}`, () => tell({ links: LINKS[1], proposals: proposal }, (story) => talkAndRekey(story)));
}

test.run();
