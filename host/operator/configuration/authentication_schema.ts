/** What may stand in the sections about authentication: local and remote of a connection, authorities, and secrets of private keys. */
import { authWord } from "./auth_word.ts";
import type { SectionSchema } from "./schema.ts";
import { fixed, integer, list, text, word } from "./value.ts";

const TOKEN = "handle slot module".split(" ");

const FILE: SectionSchema = { settings: { file: text }, unsupported: TOKEN };
const CERT = { pattern: /^cert/, example: "cert", schema: FILE };
const CACERT = { pattern: /^cacert/, example: "cacert", schema: FILE };

export const LOCAL: SectionSchema = {
  settings: {
    auth: (value) => {
      const { way, ...rest } = authWord(value);
      if (way === "any") throw new RangeError("'any' is for the remote side: ours has to be one way");
      return { way, ...rest };
    },
    id: text,
    round: integer(0, 9),
    certs: list(text),
    pubkeys: list(text),
    eap_id: text,
    aaa_id: text,
  },
  sectionPatterns: [CERT],
  unsupported: ["xauth_id"],
};

export const REMOTE: SectionSchema = {
  settings: {
    auth: authWord,
    id: text,
    round: integer(0, 9),
    certs: list(text),
    cacerts: list(text),
    pubkeys: list(text),
    eap_id: text,
    revocation: word({ strict: "strict", ifuri: "ifuri", relaxed: "relaxed" }),
    cert_policy: list((value) => {
      if (!/^[0-2](\.\d+)+$/.test(value)) throw new RangeError(`'${value}' is no object identifier`);
      return value;
    }),
  },
  sectionPatterns: [CACERT, CERT],
  unsupported: "groups xauth_id ca_id".split(" "),
};

const AUTHORITY: SectionSchema = {
  settings: { cacert: text, file: text, crl_uris: list(text), cert_uri_base: fixed([], "hash and URL is not done") },
  unsupported: ["ocsp_uris", ...TOKEN],
};
export const AUTHORITIES: SectionSchema = { settings: {}, each: AUTHORITY };

const KEY_SECRET: SectionSchema = { settings: { file: text, secret: text } };
/** secrets.private*, rsa*, ecdsa*, pkcs8*: what opens an encrypted private key. */
export const KEY_SECRETS = /^(private|rsa|ecdsa|pkcs8)/;
export const KEY_SECRET_SECTION = { pattern: KEY_SECRETS, example: "private-key", schema: KEY_SECRET };
