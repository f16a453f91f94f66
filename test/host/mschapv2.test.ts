/** MS-CHAP-V2 against the example of RFC 2759 section 9.2 and the keys of RFC 3079 section 3.5.3; MD4 against RFC 1320 A.5. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  authenticatorResponse,
  challengeHash,
  challengeResponse,
  mskOf,
  passwordHash,
  passwordHashHash,
  startKey,
} from "../../host/secure_element/mschapv2.ts";

const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

const AUTHENTICATOR = octets("5B 5D 7C 7D 7B 3F 2F 3E 3C 2C 60 21 32 26 26 28");
const PEER = octets("21 40 23 24 25 5E 26 2A 28 29 5F 2B 3A 33 7C 7E");
const RESPONSE = octets("82 30 9E CD 8D 70 8B 5E A0 8F AA 39 81 CD 83 54 42 33 11 4A 3D 85 D6 DF");
const HASH = octets("44 EB BA 8D 53 12 B8 D6 11 47 44 11 F5 69 89 AE");
const HASH_HASH = octets("41 C0 0C 58 4B D2 D9 1C 40 17 A2 A1 2F A5 9F 3F");
const CHALLENGE = octets("D0 2E 43 86 BC E9 12 26");

test("NtPasswordHash and its hash", async () => {
  assert.is(hex(await passwordHash(ascii("clientPass"))), hex(HASH));
  assert.is(hex(await passwordHashHash(HASH)), hex(HASH_HASH));
  assert.is(hex(await passwordHash(ascii(""))), "31d6cfe0d16ae931b73c59d7e0c089c0");
});

test("a password is taken as UTF-16, whatever it has", async () => {
  const utf16 = await passwordHashHash(new Uint8Array(Buffer.from("Pässwörd€", "utf16le")));
  assert.is(hex(await passwordHash(ascii("Pässwörd€"))), hex(utf16));
});

test("ChallengeHash, of a name behind a domain the name", () => {
  assert.is(hex(challengeHash(PEER, AUTHENTICATOR, ascii("User"))), hex(CHALLENGE));
  assert.is(hex(challengeHash(PEER, AUTHENTICATOR, ascii("DOMAIN\\User"))), hex(CHALLENGE));
  assert.is.not(hex(challengeHash(PEER, AUTHENTICATOR, ascii("user"))), hex(CHALLENGE));
});

test("ChallengeResponse", () => assert.is(hex(challengeResponse(CHALLENGE, HASH)), hex(RESPONSE)));

test("GenerateAuthenticatorResponse", () =>
  assert.is(authenticatorResponse(HASH_HASH, RESPONSE, CHALLENGE), "S=407A5589115FD0D6209F510FE9C04566932CDA56"));

test("the authenticator's send key, and where it stands in the MSK", () => {
  const sends = octets("8B 7C DC 14 9B 99 3A 1B A1 18 CB 15 3F 56 DC CB");
  assert.is(hex(startKey(HASH_HASH, RESPONSE, false)), hex(sends));
  const msk = mskOf(HASH_HASH, RESPONSE);
  assert.is(msk.length, 64);
  assert.is(hex(msk.subarray(0, 16)), hex(startKey(HASH_HASH, RESPONSE, true)));
  assert.is(hex(msk.subarray(16, 32)), hex(sends));
  assert.is(hex(msk.subarray(32)), "00".repeat(32));
});

test.run();
