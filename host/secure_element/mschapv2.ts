/**
 * The functions of MS-CHAP-V2 (RFC 2759 section 8) and the keys that come of it (RFC 3079 section 3.4).
 *
 * MD4 is hash-wasm's, which node:crypto's OpenSSL no longer has; DES is OpenSSL's triple DES with one key thrice, SHA-1 OpenSSL's. OpenSSL's
 * DES looks up tables, so its time may tell of the password's hash whoever shares the processor's cache with the secure element. The
 * method's own strength is one DES key (56 bits): it is for inside of what is protected already, as IKE_AUTH is.
 */
import { createCipheriv, createHash } from "node:crypto";
import { createMD4 } from "hash-wasm";

const CHALLENGE_OCTETS = 8;
const DES_KEY_OCTETS = 7;
const KEY_OCTETS = 16;
const MSK_OCTETS = 64;

const ascii = (text: string): Buffer => Buffer.from(text, "ascii");
const sha1 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash("sha1");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const hasher = createMD4();

async function md4(data: Uint8Array): Promise<Uint8Array> {
  return (await hasher).init().update(data).digest("binary");
}

/** NtPasswordHash of a password in UTF-8. */
export async function passwordHash(password: Uint8Array): Promise<Uint8Array> {
  const wide = Buffer.from(new TextDecoder().decode(password), "utf16le");
  const hash = await md4(wide);
  wide.fill(0);
  return hash;
}

/** HashNtPasswordHash. */
export const passwordHashHash = (hash: Uint8Array): Promise<Uint8Array> => md4(hash);

/** ChallengeHash; of the name what is behind a domain counts. */
export function challengeHash(peer: Uint8Array, authenticator: Uint8Array, name: Uint8Array): Uint8Array {
  return sha1(peer, authenticator, name.subarray(name.indexOf(0x5c) + 1)).subarray(0, CHALLENGE_OCTETS);
}

/** 56 bits of a key as DES takes them: seven to an octet, above a parity bit that does not count. */
function desKey(octets: Uint8Array): Buffer {
  const bits = [...octets].reduce((all, octet) => (all << 8n) | BigInt(octet), 0n);
  return Buffer.from(Array.from({ length: 8 }, (_, i) => Number((bits >> BigInt(49 - 7 * i)) & 0x7fn) << 1));
}

/** ChallengeResponse. */
export function challengeResponse(challenge: Uint8Array, hash: Uint8Array): Uint8Array {
  const padded = Buffer.alloc(3 * DES_KEY_OCTETS);
  padded.set(hash);
  const blocks = [0, 1, 2].map((i) => {
    const key = desKey(padded.subarray(i * DES_KEY_OCTETS, (i + 1) * DES_KEY_OCTETS));
    const thrice = Buffer.concat([key, key, key]);
    const block = createCipheriv("des-ede3", thrice, null).setAutoPadding(false).update(challenge);
    key.fill(0);
    thrice.fill(0);
    return block;
  });
  padded.fill(0);
  return Buffer.concat(blocks);
}

/** GenerateAuthenticatorResponse: `S=` and 40 hexadecimal digits. */
export function authenticatorResponse(hashHash: Uint8Array, response: Uint8Array, challenge: Uint8Array): string {
  const digest = sha1(hashHash, response, ascii("Magic server to client signing constant"));
  const last = sha1(digest, challenge, ascii("Pad to make it do more than one iteration"));
  return `S=${last.toString("hex").toUpperCase()}`;
}

/** GetMasterKey. */
const masterKey = (hashHash: Uint8Array, response: Uint8Array): Buffer =>
  sha1(hashHash, response, ascii("This is the MPPE Master Key")).subarray(0, KEY_OCTETS);

const PEER_SENDS = ascii("On the client side, this is the send key; on the server side, it is the receive key.");
const PEER_RECEIVES = ascii("On the client side, this is the receive key; on the server side, it is the send key.");

/** GetAsymmetricStartKey: of what the peer sends, or receives. */
export function startKey(hashHash: Uint8Array, response: Uint8Array, sends: boolean): Buffer {
  const master = masterKey(hashHash, response);
  const magic = sends ? PEER_SENDS : PEER_RECEIVES;
  const key = sha1(master, Buffer.alloc(40), magic, Buffer.alloc(40, 0xf2)).subarray(0, KEY_OCTETS);
  master.fill(0);
  return key;
}

/** The MSK (draft-kamath-pppext-eap-mschapv2): what the authenticator receives with, what it sends with, zeros. */
export function mskOf(hashHash: Uint8Array, response: Uint8Array): Uint8Array {
  const msk = new Uint8Array(MSK_OCTETS);
  const keys = [startKey(hashHash, response, true), startKey(hashHash, response, false)];
  keys.forEach((key, i) => {
    msk.set(key, i * KEY_OCTETS);
    key.fill(0);
  });
  return msk;
}
