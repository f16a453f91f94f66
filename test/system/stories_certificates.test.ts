/**
 * Stories of gateways that authenticate with certificates and bare public keys (RFC 7296 2.15, RFC 7427, RFC 7670): every kind, what
 * travels with it, and every refusal with the word that the operator is told.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SiteName } from "../../host/demo/pair.ts";
import { type Directory, issue, type Issued, type Kind, makeKey, revoke, writeDirectory } from "../pki/authority.ts";
import { LINKS, type Story, tell } from "./story.ts";

interface Case {
  kind?: Kind;
  /** What is unlike a good pair, per site. */
  files?: Partial<Record<SiteName, (pki: Pki) => Directory>>;
  local?: Partial<Record<SiteName, string>>;
  remote?: Partial<Record<SiteName, string>>;
  connection?: Partial<Record<SiteName, string>>;
  /** Sun's local section opens further sections, and its last remote section ends where it would. */
  half?: boolean;
}

interface Pki {
  ca: Issued;
  moon: Issued;
  sun: Issued;
}

/** Two gateways below one authority; the tale is told when they have power. */
async function certified(what: Case, tale: (story: Story, pki: Pki) => Promise<void>): Promise<void> {
  const ca = issue({ name: "authority", kind: what.kind ?? "ecp256", ca: true });
  const pki: Pki = {
    ca,
    moon: issue({ name: "moon.example", san: "moon.example" }, ca),
    sun: issue({ name: "sun.example", san: "sun.example" }, ca),
  };
  const root = mkdtempSync(join(tmpdir(), "pki-"));
  const directory = { moon: join(root, "moon"), sun: join(root, "sun") };
  const authentication = { moon: "", sun: "" };
  for (const site of ["moon", "sun"] as const) {
    const peer = site === "moon" ? "sun" : "moon";
    writeDirectory(directory[site], {
      x509: { own: pki[site] },
      x509ca: { ca },
      private: { own: pki[site].key },
      ...what.files?.[site]?.(pki),
    });
    if (what.half === true && site === "sun") {
      authentication[site] = `local { ${what.local?.sun} }`;
      continue;
    }
    authentication[site] = `
      local { ${what.local?.[site] ?? `auth = pubkey\n certs = own.pem\n id = ${site}.example`} }
      remote { ${what.remote?.[site] ?? `auth = pubkey\n id = ${peer}.example`} }`;
  }
  try {
    await tell(
      { links: LINKS[0], authentication, directory, ...(what.connection ? { connection: what.connection } : {}) },
      (story) => tale(story, pki),
    );
  } finally {
    rmSync(root, { recursive: true });
  }
}

async function comesUp(story: Story): Promise<void> {
  await story.establish();
  await story.mirrored();
  await story.flows();
}

async function refused(story: Story, site: "moon" | "sun", told: RegExp): Promise<void> {
  const { moon, sun, pair } = story;
  await moon.gateway.initiate("moon-sun");
  await pair.drive.until(() => story.alerts(story[site]).some((text) => told.test(text)), 5000);
  assert.match(story.alerts(story[site]).join("\n"), told);
  await pair.drive.run(1000);
  for (const end of [moon, sun]) {
    assert.is(pair.installed(end), 0, `${end.name} has no CHILD_SA`);
    assert.equal(
      (await end.gateway.sas()).filter(({ state }) => state === "ESTABLISHED"),
      [],
    );
  }
}

const DAY = 86_400_000;
const now = Date.now();
const other = issue({ name: "another authority", ca: true });

for (const kind of ["ecp256", "ecp384", "ecp521", "ed25519", "ed448", "rsa2048"] as const) {
  test(`${kind}: both have a certificate of one authority, and traffic flows`, () => certified({ kind }, comesUp));
}

/** What the initiator's certificate may be wrong with, and what the responder tells; then the other way about. */
const REFUSALS: readonly [string, RegExp, (pki: Pki, name: string) => { own: Issued; lists?: Uint8Array[] }][] = [
  [
    "expired",
    /has expired/,
    ({ ca }, name) => ({ own: issue({ name, san: name, from: now - 9 * DAY, to: now - DAY }, ca) }),
  ],
  [
    "not yet valid",
    /is not yet valid/,
    ({ ca }, name) => ({ own: issue({ name, san: name, from: now + DAY, to: now + 9 * DAY }, ca) }),
  ],
  [
    "of an unknown authority",
    /leads to no trusted authority/,
    (_, name) => ({ own: issue({ name, san: name }, other) }),
  ],
];

for (const [what, told, make] of REFUSALS) {
  for (const [site, judge] of [
    ["moon", "sun"],
    ["sun", "moon"],
  ] as const) {
    test(`${site}'s certificate is ${what}: ${judge} refuses it and says so`, () =>
      certified(
        {
          files: {
            [site]: (pki: Pki) => {
              const { own } = make(pki, `${site}.example`);
              return { x509: { own }, x509ca: { ca: pki.ca }, private: { own: own.key } };
            },
          },
        },
        (story) => refused(story, judge, told),
      ));
  }
}

test("a certificate that is revoked by a list is refused", () =>
  certified(
    {
      files: {
        sun: (pki) => ({
          x509: { own: pki.sun },
          x509ca: { ca: pki.ca },
          private: { own: pki.sun.key },
          x509crl: { list: revoke(pki.ca, [pki.moon]) },
        }),
      },
    },
    (story) => refused(story, "sun", /is revoked/),
  ));

test("revocation = strict: without a list that is current nothing goes, with one it does", async () => {
  const remote = { sun: "auth = pubkey\n id = moon.example\n revocation = strict" };
  await certified({ remote }, (story) => refused(story, "sun", /nothing current tells/));
  await certified(
    {
      remote,
      files: {
        sun: (pki) => ({
          x509: { own: pki.sun },
          x509ca: { ca: pki.ca },
          private: { own: pki.sun.key },
          x509crl: { list: revoke(pki.ca, [pki.sun]) },
        }),
      },
    },
    comesUp,
  );
});

test("a bare public key that nobody has configured is refused, whatever its owner calls itself", () =>
  certified(
    {
      files: {
        moon: (pki) => ({
          pubkey: { own: pki.moon.key },
          private: { own: pki.moon.key },
          x509ca: { ca: pki.ca },
        }),
      },
      local: { moon: "auth = pubkey\n pubkeys = own.pem\n id = moon.example" },
      connection: { moon: "send_cert = always" },
    },
    (story) => refused(story, "sun", /sent no certificate/),
  ));

test("a certificate without the name that is asked for: its owner is known by its subject, and refused by name", () =>
  certified(
    {
      files: {
        moon: (pki) => {
          const own = issue({ name: "moon" }, pki.ca);
          return { x509: { own }, x509ca: { ca: pki.ca }, private: { own: own.key } };
        },
      },
    },
    (story) => refused(story, "sun", /no connection for these identities/),
  ));

test("hashes that 'auth' does not name are refused", async () => {
  const remote = { sun: "auth = ecdsa-256-sha384\n id = moon.example" };
  await certified({ remote }, (story) => refused(story, "sun", /not as 'auth' asks for/));
});

test("kinds of keys that 'auth' does not name are refused", async () => {
  const remote = { sun: "auth = rsa-2048\n id = moon.example" };
  await certified({ remote }, (story) => refused(story, "sun", /not as 'auth' asks for/));
});

test("a shared key is no certificate: the way of authentication has to fit, too", () =>
  certified({ local: { moon: "auth = psk\n id = moon.example" } }, (story) =>
    refused(story, "sun", /this way of authentication/),
  ));

test("wildcards in what is configured: names, addresses of mail, distinguished names", async () => {
  for (const id of ["*.example", "%any", "*"]) {
    await certified({ remote: { sun: `auth = pubkey\n id = ${id}` } }, comesUp);
  }
  await certified(
    {
      local: { moon: "auth = pubkey\n certs = own.pem" },
      remote: { sun: 'auth = pubkey\n id = "C=XX, O=Cardcage Test, CN=*"' },
    },
    comesUp,
  );
  await certified({ remote: { sun: "auth = pubkey\n id = *.example.org" } }, (story) =>
    refused(story, "sun", /no connection for these identities/),
  );
  await certified(
    {
      local: { moon: "auth = pubkey\n certs = own.pem" },
      remote: { sun: 'auth = pubkey\n id = "C=XY, O=cardcage test, CN=*"' },
    },
    (story) => refused(story, "sun", /no connection for these identities/),
  );
});

test("send_cert = never: a certificate that the other end has already will do, and one that it has not will not", async () => {
  const connection = { moon: "send_cert = never" };
  await certified({ connection }, (story) => refused(story, "sun", /sent no certificate/));
  await certified(
    {
      connection,
      files: {
        sun: (pki) => ({
          x509: { own: pki.sun, moon: pki.moon },
          x509ca: { ca: pki.ca },
          private: { own: pki.sun.key },
        }),
      },
      remote: { sun: "auth = pubkey\n certs = moon.pem\n id = moon.example" },
    },
    comesUp,
  );
});

test("send_certreq = no: who sends certificates when asked only, sends none", async () => {
  const connection = { sun: "send_certreq = no" };
  await certified({ connection }, (story) => refused(story, "sun", /sent no certificate/));
  await certified({ connection: { ...connection, moon: "send_cert = always" } }, comesUp);
});

test("an intermediate authority is sent along; through another one the path is refused", async () => {
  const chain = (pki: Pki, name: string): Directory & { between: Issued } => {
    const between = issue({ name: `${name} authority`, ca: true }, pki.ca);
    const own = issue({ name: `${name}.example`, san: `${name}.example` }, between);
    return { x509: { own }, x509ca: { ca: pki.ca, between }, private: { own: own.key }, between };
  };
  await certified({ files: { moon: (pki) => chain(pki, "moon") } }, comesUp);
  await certified(
    {
      files: {
        moon: (pki) => chain(pki, "moon"),
        sun: (pki) => chain(pki, "sun"),
      },
      remote: { sun: "auth = pubkey\n cacerts = between.pem\n id = moon.example" },
    },
    (story) => refused(story, "sun", /leads to no trusted authority/),
  );
});

test("bare public keys (RFC 7670)", async () => {
  const key = { moon: makeKey("ed25519"), sun: makeKey("ecp256") };
  const wrong = makeKey("ed25519");
  const bare = (moon: typeof wrong): Case => ({
    files: {
      moon: () => ({ pubkey: { own: key.moon, sun: key.sun }, private: { own: key.moon } }),
      sun: () => ({ pubkey: { own: key.sun, moon }, private: { own: key.sun } }),
    },
    local: {
      moon: "auth = pubkey\n pubkeys = own.pem\n id = moon.example",
      sun: "auth = pubkey\n pubkeys = own.pem\n id = sun.example",
    },
    remote: {
      moon: "auth = pubkey\n pubkeys = sun.pem\n id = sun.example",
      sun: "auth = pubkey\n pubkeys = moon.pem\n id = moon.example",
    },
  });
  await certified(bare(key.moon), comesUp);
  await certified(bare(wrong), (story) => refused(story, "sun", /signature is (wrong|of a scheme)/));
});

test("each end its own way: a shared key here, a certificate there; and any", async () => {
  const mixed = {
    local: { moon: "auth = psk\n id = moon.example" },
    remote: { sun: "auth = psk\n id = moon.example" },
  };
  await certified(mixed, comesUp);
  await certified({ ...mixed, remote: { sun: "auth = any\n id = moon.example" } }, comesUp);
  await certified({ remote: { sun: "auth = any\n id = moon.example" } }, comesUp);
});

test("connections that the same identities fit: the one whose authority has signed, and whose rounds are those of the peer", async () => {
  const first = (remote: string): string => `
      remote { auth = pubkey\n id = %any\n ${remote}
      children { other { local_ts = 10.3.0.0/16\n remote_ts = 10.4.0.0/16\n esp_proposals = aes256gcm16\n } }
    }
    second {
      local_addrs = 192.0.2.2
      remote_addrs = 192.0.2.1
      proposals = aes256gcm16-prfsha384-x25519
      local { auth = pubkey\n certs = own.pem\n id = sun.example\n }
      remote { auth = pubkey\n id = %any`;
  const files = {
    sun: (pki: Pki) => ({ x509: { own: pki.sun }, x509ca: { ca: pki.ca, other }, private: { own: pki.sun.key } }),
  };
  const own = "auth = pubkey\n certs = own.pem\n id = sun.example\n }";
  await certified({ files, local: { sun: `${own} ${first("cacerts = other.pem\n }")}` }, half: true }, comesUp);
  await certified({ files, local: { sun: `${own} ${first("}\n remote-2 { auth = psk\n }")}` }, half: true }, comesUp);
  await certified(
    { files, local: { sun: `${own} ${first("cacerts = other.pem\n }")}\n cacerts = other.pem` }, half: true },
    (story) => refused(story, "sun", /leads to no trusted authority/),
  );
});

test("two rounds (RFC 4739): a certificate and a shared key, on one side and on both", async () => {
  const psk = (side: string, name: string): string => `}\n ${side}-2 { auth = psk\n id = ${name}`;
  const local = { moon: `auth = pubkey\n certs = own.pem\n id = moon.example\n ${psk("local", "moon.example")}` };
  const remote = { sun: `auth = pubkey\n id = moon.example\n ${psk("remote", "moon.example")}` };
  await certified({ local, remote }, comesUp);
  await certified(
    {
      local: { ...local, sun: `auth = pubkey\n certs = own.pem\n id = sun.example\n ${psk("local", "sun.example")}` },
      remote: { ...remote, moon: `auth = pubkey\n id = sun.example\n ${psk("remote", "sun.example")}` },
    },
    comesUp,
  );
  await certified(
    {
      local: { sun: `auth = pubkey\n certs = own.pem\n id = sun.example\n ${psk("local", "sun.example")}` },
      remote: { moon: `auth = pubkey\n id = sun.example\n ${psk("remote", "sun.example")}` },
    },
    comesUp,
  );
  await certified({ remote }, (story) => refused(story, "sun", /another number of rounds/));
  await certified({ local }, (story) => refused(story, "sun", /another number of rounds/));
});

test.run();
