/**
 * Certificates against strongSwan, beyond those of the harness: further kinds of keys, RSA-PSS, a chain, and what either end
 * has to refuse: revoked, expired, another's identity, an authority that is not trusted.
 */

import { issue, revoke } from "../pki/authority.ts";
import type { Directory, Issued, Kind } from "../pki/authority.ts";
import type { Case } from "./cases.ts";
import type { Certified } from "./connection.ts";
import { expect, until } from "./process.ts";
import { IDENTITY, other } from "./topology.ts";
import type { Side } from "./topology.ts";
import { expectPing } from "./traffic.ts";
import { establish, staysEmpty } from "./world.ts";

const SUITE = { ike: "aes128gcm16-prfsha256-x25519", esp: "aes128gcm16" };
const ROLE: Record<Side, string> = { a: "initiator", b: "responder" };
const SIDES = ["a", "b"] as const;
const HOUR = 3_600_000;

const directoryOf = (own: Issued, authority: Issued, more: Directory = {}): Directory => ({
  ...more,
  x509: { own },
  x509ca: { authority, ...more.x509ca },
  private: { own: own.key },
});

interface Good {
  what: string;
  kind: Kind;
  auth?: string;
  /** How strongSwan's log names the scheme of ours. */
  scheme: RegExp;
  /** Through an authority between, which goes with the certificate. */
  chain?: boolean;
}

const GOOD: Good[] = [
  { what: "ECDSA P-521", kind: "ecp521", scheme: /with ECDSA_WITH_SHA512_DER successful/ },
  { what: "Ed448", kind: "ed448", scheme: /with ED448 successful/ },
  {
    what: "RSA-PSS",
    kind: "rsa2048",
    auth: "rsa-ike:rsa/pss-sha256",
    scheme: /with RSA_EMSA_PSS_SHA2_256\S* successful/,
  },
  {
    what: "ECDSA P-256 through an intermediate authority",
    kind: "ecp256",
    chain: true,
    scheme: /with ECDSA_WITH_SHA256_DER successful/,
  },
];

function good(side: Side, { what, kind, auth, scheme, chain }: Good): Case {
  return {
    name: `${ROLE[side]}: certificates, ${what}`,
    async story(world) {
      const authority = issue({ name: "authority", kind, ca: true });
      const between = chain === true ? issue({ name: "between", kind, ca: true }, authority) : undefined;
      const end = (at: Side): Certified => {
        const own = issue({ name: IDENTITY[at], kind, san: IDENTITY[at] }, between ?? authority);
        const directory = directoryOf(own, authority, between ? { x509ca: { between } } : {});
        return { directory, ...(auth === undefined ? {} : { auth, remoteAuth: auth }) };
      };
      const pair = await world.pair(side, { ...SUITE, certified: { a: end("a"), b: end("b") } });
      await establish(pair);
      await expectPing(world.topology);
      const log = pair.peer.log();
      const seen = log.split("\n").filter((line) => scheme.test(line));
      expect(seen.length >= 2, `strongSwan does not tell ${scheme} of both ends:\n${log}`);
      return "ping both ways";
    },
  };
}

interface Bad {
  what: string;
  /** What our log says, and strongSwan's, when it is the other's certificate. */
  ours: RegExp;
  theirs: RegExp;
  make(identity: string, authority: Issued): Issued;
  /** What the end that refuses knows. */
  known?(authority: Issued, bad: Issued): Directory;
  /** Further lines of its remote section. */
  remote?: readonly string[];
}

const BAD: Bad[] = [
  {
    what: "revoked by a list",
    ours: /is revoked/,
    theirs: /certificate was revoked on/,
    make: (identity, authority) => issue({ name: identity, san: identity }, authority),
    known: (authority, bad) => ({ x509crl: { list: revoke(authority, [bad]) } }),
    remote: ["revocation = strict"],
  },
  {
    what: "expired",
    ours: /has expired/,
    theirs: /certificate invalid/,
    make: (identity, authority) =>
      issue({ name: identity, san: identity, from: Date.now() - 48 * HOUR, to: Date.now() - HOUR }, authority),
  },
  {
    what: "of an authority that is not trusted",
    ours: /leads to no trusted authority/,
    theirs: /no issuer certificate found|no trusted/,
    make: (identity) => issue({ name: identity, san: identity }, issue({ name: "stranger", ca: true })),
  },
  {
    what: "of another identity",
    ours: /not one of its identity|no connection for these identities|another identity than configured/,
    theirs: /no trusted|constraint check failed|no matching peer config|IDr '.*' does not match/,
    make: (_identity, authority) => issue({ name: "c.example.org", san: "c.example.org" }, authority),
  },
];

function bad(side: Side, whose: "ours" | "strongSwan's", { what, ours, theirs, make, known, remote }: Bad): Case {
  return {
    name: `${ROLE[side]}: ${whose} certificate is refused: ${what}`,
    oursOnly: true,
    async story(world) {
      const authority = issue({ name: "authority", ca: true });
      const culprit = whose === "ours" ? side : other(side);
      const wrong = make(IDENTITY[culprit], authority);
      const right = issue({ name: IDENTITY[other(culprit)], san: IDENTITY[other(culprit)] }, authority);
      const end = (at: Side): Certified =>
        at === culprit
          ? { directory: directoryOf(wrong, authority) }
          : { directory: directoryOf(right, authority, known?.(authority, wrong)), ...(remote ? { remote } : {}) };
      const pair = await world.pair(side, { ...SUITE, certified: { a: end("a"), b: end("b") } });
      await pair.a.initiate("net");
      const [judge, words] = whose === "ours" ? [pair.peer, theirs] : [pair.ours, ours];
      await until(`${judge.kind} tells ${words}`, 20, () => words.test(judge.log()));
      await until("ours tells AUTHENTICATION_FAILED", 20, () => /AUTHENTICATION_FAILED/.test(pair.ours.log()));
      await Promise.all([pair.ours, pair.peer].map((endpoint) => staysEmpty(endpoint, 0.3)));
      return `told by ${judge.kind}`;
    },
  };
}

export const CERTIFICATE_CASES: Case[] = [
  ...SIDES.flatMap((side) => GOOD.map((kind) => good(side, kind))),
  ...SIDES.flatMap((side) => BAD.map((kind) => bad(side, "strongSwan's", kind))),
  // What strongSwan refuses without a plugin for revocation, whoever asks for which identity.
  ...BAD.filter(({ what }) => what === "expired" || what.includes("authority")).map((kind) => bad("a", "ours", kind)),
];
