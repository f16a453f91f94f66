/** The cases of EAP (RFC 7296 2.16, RFC 5998): side a is asked, side b asks. */

import { randomBytes } from "node:crypto";
import { issue } from "../pki/authority.ts";
import type { Case } from "./cases.ts";
import type { Connection } from "./connection.ts";
import { AUTHENTICATION_FAILED, STRONGSWAN_AUTHENTICATION_FAILED } from "./endpoint.ts";
import { expect, until } from "./process.ts";
import { IDENTITY } from "./topology.ts";
import type { Side } from "./topology.ts";
import { expectPing } from "./traffic.ts";
import { establish, staysEmpty } from "./world.ts";

const ROLE: Record<Side, string> = { a: "initiator, asked", b: "responder, asking" };

interface Way {
  name: string;
  /** Of side a. */
  local: string;
  /** What side b asks of it. */
  remote: string;
  /** What side b proves itself by, and side a asks of it; by its certificate, if absent. */
  asking?: { local: string; remote: string };
  /** Passwords, by side where they differ. */
  wrong?: boolean;
}

const CERTIFIED = (side: Side): string => `local {
  auth = pubkey
  certs = own.pem
  id = ${IDENTITY[side]}
}
`;

const section = (name: string, lines: string): string => `${name} {
  ${lines.replaceAll("; ", "\n  ")}
}
`;

function connectionOf(way: Way): Connection {
  const ca = issue({ name: "authority", ca: true });
  const own = (side: Side) => {
    const issued = issue({ name: IDENTITY[side], san: IDENTITY[side] }, ca);
    return { x509: { own: issued }, x509ca: { ca }, private: { own: issued.key } };
  };
  const password = { a: randomBytes(12).toString("base64url"), b: randomBytes(12).toString("base64url") };
  if (!way.wrong) password.b = password.a;
  const rounds = way.local.split(" | ");
  const asked = way.remote.split(" | ");
  const name = (side: string, i: number): string => (rounds.length > 1 ? `${side}-${i + 1}` : side);
  const { asking } = way;
  return {
    ike: "aes128gcm16-prfsha256-x25519",
    esp: "aes128gcm16",
    authentication: {
      a:
        rounds.map((round, i) => section(name("local", i), round)).join("") +
        section("remote", asking?.remote ?? `auth = pubkey; id = ${IDENTITY.b}`),
      b:
        (asking ? section("local", asking.local) : CERTIFIED("b")) +
        asked.map((round, i) => section(name("remote", i), round)).join(""),
    },
    users: { a: { carol: password.a }, b: { carol: password.b } },
    files: { a: own("a"), b: own("b") },
  };
}

const CAROL = "auth = eap; id = carol; eap_id = carol";

const WAYS: readonly Way[] = [
  { name: "eap-md5", local: CAROL, remote: "auth = eap-md5; eap_id = %any" },
  { name: "eap-mschapv2", local: CAROL, remote: "auth = eap-mschapv2; eap_id = %any" },
  {
    name: "eap-mschapv2, the identity is not asked for",
    local: "auth = eap-mschapv2; id = carol",
    remote: "auth = eap-mschapv2; id = carol",
  },
  {
    name: "eap-tls",
    local: `auth = eap-tls; certs = own.pem; id = ${IDENTITY.a}`,
    remote: `auth = eap-tls; id = ${IDENTITY.a}`,
  },
  {
    name: "eap-tls alone (RFC 5998)",
    local: `auth = eap-tls; certs = own.pem; id = ${IDENTITY.a}`,
    remote: `auth = eap-tls; id = ${IDENTITY.a}`,
    asking: {
      local: `auth = eap-tls; certs = own.pem; id = ${IDENTITY.b}`,
      remote: `auth = eap-tls; id = ${IDENTITY.b}`,
    },
  },
  {
    name: "a certificate, then eap-mschapv2 (RFC 4739)",
    local: `auth = pubkey; certs = own.pem; id = ${IDENTITY.a}; round = 1 | ${CAROL}; round = 2`,
    remote: `auth = pubkey; id = ${IDENTITY.a}; round = 1 | auth = eap-mschapv2; eap_id = %any; round = 2`,
  },
];

function comesUp(side: Side, way: Way): Case {
  return {
    name: `${ROLE[side]}: ${way.name}`,
    async story(world) {
      const pair = await world.pair(side, connectionOf(way));
      await establish(pair);
      await expectPing(world.topology);
      const method = /"eap-method":\s*"(\w+)"/.exec((await pair.ours.status()).text)?.[1];
      return `ping both ways; ours: ${method ?? "-"}`;
    },
  };
}

function wrongPassword(side: Side, method: string): Case {
  return {
    name: `${ROLE[side]}: a wrong password (${method}) is refused, no SA left`,
    async story(world) {
      const way = { name: "", local: CAROL, remote: `auth = ${method}; eap_id = %any`, wrong: true };
      const pair = await world.pair(side, connectionOf(way));
      await pair.a.initiate("net");
      await until("the failure is told on both sides", 20, async () => {
        const told = pair.ours.kind === "cardcage" ? AUTHENTICATION_FAILED : STRONGSWAN_AUTHENTICATION_FAILED;
        return (
          told.test(pair.ours.log()) &&
          /EAP_FAILURE|EAP_\w+ method failed|EAP method .* failed|EAP\/FAIL/.test(pair.peer.log())
        );
      });
      await Promise.all([pair.ours, pair.peer].map((endpoint) => staysEmpty(endpoint)));
      const text = pair.ours.log();
      expect(pair.ours.kind !== "cardcage" || /password/.test(text), "ours says that it is about a password");
      return "told on both sides";
    },
  };
}

export const EAP_CASES: Case[] = (["a", "b"] as const).flatMap((side) => [
  ...WAYS.map((way) => comesUp(side, way)),
  wrongPassword(side, "eap-mschapv2"),
  wrongPassword(side, "eap-md5"),
]);
