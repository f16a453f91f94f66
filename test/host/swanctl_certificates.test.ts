/** swanctl's words and directories for keys and certificates: what they come to, and every mistake with file, line and word. */
import { createPublicKey, X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as abi from "../../assembly/abi/management.ts";
import { decodeItems } from "../../host/chassis/config.ts";
import { main } from "../../host/cli/cardcage.ts";
import type { Configuration } from "../../host/operator/configuration/compile.ts";
import { loadConfiguration, renderError } from "../../host/operator/configuration/configuration.ts";
import { identityText } from "../../host/operator/identity.ts";
import { type Directory, issue, makeKey, pem, revoke, writeDirectory } from "../pki/authority.ts";

const DAY = 86_400_000;
const root = mkdtempSync(join(tmpdir(), "swanctl-"));
let count = 0;

const ca = issue({ name: "authority", kind: "ecp256", ca: true });
const between = issue({ name: "between", ca: true }, ca);
const moon = issue({ name: "moon", san: "moon.example" }, between);
const files: Directory = {
  x509: { moon },
  x509ca: { ca, between },
  private: { moon: moon.key },
  pubkey: { moon: moon.key },
};

interface Parts {
  local?: string;
  remote?: string;
  connection?: string;
  rest?: string;
}

/** A directory with a configuration; line 2 is `connection`, 4 `local`, 6 `remote`, 10 `rest`, each with a line a setting. */
function directory({ local, remote, connection, rest }: Parts, holds: Directory = files): string {
  const path = join(root, String(++count));
  mkdirSync(path);
  writeDirectory(path, holds);
  writeFileSync(
    join(path, "t.conf"),
    `connections { gw { local_addrs = 192.0.2.1 ; ${connection ?? ""}
local { auth = pubkey ; ${local ?? "certs = moon.pem"} }
remote { auth = pubkey ; ${remote ?? "id = sun.example"} }
children { net { remote_ts = 10.2.0.0/16 ; } } } }
${rest ?? ""}
`.replaceAll(" ; ", "\n"),
  );
  return path;
}

function problems(parts: Parts, holds?: Directory): string[] {
  const path = directory(parts, holds);
  const result = loadConfiguration(join(path, "t.conf"));
  return ("errors" in result ? result.errors : result.warnings).map((error) =>
    renderError(error).replaceAll(`${path}/`, ""),
  );
}

function loaded(parts: Parts, holds?: Directory): Configuration {
  const result = loadConfiguration(join(directory(parts, holds), "t.conf"));
  if ("errors" in result) throw new Error(result.errors.map(renderError).join("\n"));
  return result.configuration;
}

const itemsOf = ({ connections }: Configuration, type: number): Uint8Array[] =>
  decodeItems((connections[0] as { load: Uint8Array }).load.subarray(abi.MANAGEMENT_HEADER))
    .filter((item) => item.type === type)
    .map(({ value }) => value);

const rounds = (configuration: Configuration, type: number): number[][] =>
  itemsOf(configuration, type).map((value) => {
    const view = new DataView(value.buffer, value.byteOffset);
    return [view.getUint32(0, true), view.getUint32(4, true)];
  });

test("a certificate with its key, the authorities between, and the subject for an identity", () => {
  const configuration = loaded({});
  assert.equal(rounds(configuration, abi.CONNECTION_LOCAL_AUTH), [[abi.AUTH_PUBLIC_KEY, 1]]);
  assert.equal(rounds(configuration, abi.CONNECTION_REMOTE_AUTH), [[abi.AUTH_PUBLIC_KEY, 1]]);
  const [id] = itemsOf(configuration, abi.CONNECTION_LOCAL_ID) as [Uint8Array];
  assert.is(identityText(id), "C=XX, O=cardcage test, CN=moon");
  const { credentials, trusts } = configuration.credentials;
  assert.equal(
    credentials.map(({ certificates }) => certificates.map((der) => new X509Certificate(der).subject.slice(-8))),
    [["\nCN=moon", "=between"]],
  );
  assert.is(trusts[0]?.authorities.length, 2);
  assert.is(itemsOf(configuration, abi.CONNECTION_AUTHORITIES)[0]?.length, 40);
  const key = credentials[0]?.key as Uint8Array;
  assert.ok(key.length > 100 && Buffer.from(key).includes(Buffer.from("0201000201", "hex")) === false);
});

test("an identity that the certificate bears stays; one that it does not gives way to the subject, and is told", () => {
  const [id] = itemsOf(loaded({ local: "certs = moon.pem ; id = Moon.example" }), abi.CONNECTION_LOCAL_ID);
  assert.is(identityText(id as Uint8Array), "Moon.example");
  const [name] = itemsOf(
    loaded({ local: 'certs = moon.pem ; id = "C=xx, O=Cardcage Test, CN=MOON"' }),
    abi.CONNECTION_LOCAL_ID,
  );
  assert.is(identityText(name as Uint8Array), "C=XX, O=cardcage test, CN=moon", "as the certificate writes it");
  assert.equal(problems({ local: "certs = moon.pem ; id = sun.example" }), [
    "t.conf:5: 'sun.example' is not in the certificate: its subject is used instead, as strongSwan does",
  ]);
});

test("without certs the directory is searched, by the identity", () => {
  const sun = issue({ name: "sun", san: "sun.example" }, ca);
  const two = { ...files, x509: { moon, sun }, private: { moon: moon.key, sun: sun.key } };
  const subjectOf = (parts: Parts): string =>
    new X509Certificate(loaded(parts, two).credentials.credentials[0]?.certificates[0] as Uint8Array).subject.slice(-3);
  assert.is(subjectOf({ local: "id = moon.example" }), "oon");
  assert.is(subjectOf({ local: "id = sun.example" }), "sun");
  assert.equal(problems({ local: "id = mars.example" }, two), [
    "t.conf:3: no certificate of 'mars.example' with a private key: name it by 'certs', or say auth = psk",
  ]);
});

test("bare keys, peers' own certificates, authorities that have to be in the path, policies, revocation", () => {
  const configuration = loaded({
    local: "pubkeys = moon.pem ; id = moon.example",
    remote:
      "certs = moon.pem ; cacerts = between.pem ; pubkeys = moon.pem ; cert_policy = 1.2.3, 2.5.29.32.0 ; revocation = strict",
    connection: "send_cert = always",
  });
  const { credentials, trusts } = configuration.credentials;
  assert.equal(credentials[0]?.certificates, []);
  const [trust] = trusts;
  const spki = createPublicKey(moon.key).export({ type: "spki", format: "der" });
  assert.equal(
    trust?.keys?.map((key) => Buffer.from(key).equals(spki)),
    [true],
  );
  assert.equal(trust?.certificates, [moon.der]);
  assert.equal(trust?.through, [between.der]);
  assert.equal(trust?.policies, ["1.2.3", "2.5.29.32.0"]);
  assert.is(trust?.revocation, "strict");
  assert.equal([...(itemsOf(configuration, abi.CONNECTION_SEND_CERT)[0] as Uint8Array)], [1, 0, 0, 0]);
  assert.equal(
    itemsOf(configuration, abi.CONNECTION_AUTHORITIES),
    [],
    "whose certificate is known is not asked for one",
  );
  assert.equal(itemsOf(loaded({ connection: "send_certreq = no" }), abi.CONNECTION_AUTHORITIES), []);
});

test("authorities of a section, with lists from files", () => {
  const path = join(root, "elsewhere");
  mkdirSync(path);
  writeFileSync(join(path, "ca.der"), ca.der);
  writeFileSync(join(path, "list.pem"), pem("X509 CRL", revoke(ca, [moon])));
  const section = (more: string): Parts => ({
    rest: `authorities { a { cacert = ${path}/ca.der ; ${more} ; } }`,
    local: "auth = psk ; id = moon.example",
  });
  const own = { ...files, x509ca: {} };
  const { trusts } = loaded(section(`crl_uris = file://${path}/list.pem`), own).credentials;
  assert.equal(trusts[0]?.authorities, [ca.der]);
  assert.is(trusts[0]?.lists.length, 1);
  assert.equal(problems(section("crl_uris = http://crl.example/ca.crl"), own), [
    "t.conf:11: crl_uris: 'http://crl.example/ca.crl': lists are read from files, not fetched by this gateway",
  ]);
  assert.equal(problems(section("ocsp_uris = http://ocsp.example"), own), [
    "t.conf:11: setting 'ocsp_uris' in section 'authorities.a' is known to swanctl, but not supported by this gateway",
  ]);
});

test("encrypted keys are opened by the secret that names their file", () => {
  const path = (): Directory => ({ ...files, private: {} });
  const made = (rest: string): string[] => {
    const at = directory({ rest }, path());
    mkdirSync(join(at, "pkcs8"));
    const text = moon.key.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "a secret" });
    writeFileSync(join(at, "pkcs8", "moon.key"), text);
    const result = loadConfiguration(join(at, "t.conf"));
    return ("errors" in result ? result.errors : result.warnings).map((one) =>
      renderError(one).replaceAll(`${at}/`, ""),
    );
  };
  assert.equal(made('secrets { pkcs8-moon { file = moon.key ; secret = "a secret" ; } }'), []);
  assert.equal(made("secrets { private-moon { file = moon.key ; secret = 0x6120736563726574 ; } }"), []);
  const missing = "t.conf:4: no private key for the certificate in x509/moon.pem";
  assert.equal(made(""), ["pkcs8/moon.key:1: the key is encrypted, and no secret names its file", missing]);
  assert.equal(made('secrets { pkcs8-moon { file = moon.key ; secret = "another" ; } }'), [
    "pkcs8/moon.key:1: the secret does not open the key",
    missing,
  ]);
});

test("mistakes name file, line and word", () => {
  const cases: [Parts, string, Directory?][] = [
    [{ local: "certs = mon.pem" }, "t.conf:4: certs: certificate 'mon.pem' cannot be read: ENOENT"],
    [
      { local: "certs = moon.pem" },
      "t.conf:4: no private key for the certificate in x509/moon.pem",
      { ...files, private: { other: makeKey("ecp256") } },
    ],
    [{ remote: "cacerts = none.pem" }, "t.conf:6: cacerts: certificate 'none.pem' cannot be read: ENOENT"],
    [{ remote: "pubkeys = none.pem" }, "t.conf:6: pubkeys: 'none.pem' cannot be read: ENOENT"],
    [
      { remote: "id = sun.example" },
      "t.conf:5: no authority to trust: x509ca is empty, and neither 'certs' nor 'pubkeys' names the peer's",
      { ...files, x509ca: {} },
    ],
    [{ remote: "revocation = hard" }, "t.conf:6: revocation: 'hard' is none of strict, ifuri, relaxed"],
    [{ remote: "cert_policy = gold" }, "t.conf:6: cert_policy: 'gold' is no object identifier"],
    [
      { remote: "auth = rsa-sha265" },
      "t.conf:6: auth: 'sha265' is none of psk, any, pubkey, eap, rsa, rsa/pss, ecdsa, ed25519, ed448, sha256, sha384, sha512, nor the least strength of a key (did you mean 'sha256'?)",
    ],
    [
      { local: "auth = rsa-2048 ; certs = moon.pem" },
      "t.conf:4: auth: 'rsa-2048' asks for another key than ours (ecdsa, 256 bits)",
    ],
    [
      { local: "auth = ecdsa-384-sha384 ; certs = moon.pem" },
      "t.conf:4: auth: 'ecdsa-384-sha384' asks for another key than ours (ecdsa, 256 bits)",
    ],
    [{ local: "auth = any" }, "t.conf:4: auth: 'any' is for the remote side: ours has to be one way"],
    [
      { local: "certz = moon.pem" },
      "t.conf:4: unknown setting 'certz' in section 'connections.gw.local' (did you mean 'certs'?)",
    ],
    [
      { connection: "send_cert = allways" },
      "t.conf:2: send_cert: 'allways' is none of always, never, ifasked (did you mean 'always'?)",
    ],
    [
      { local: "cert { handle = 7 ; }" },
      "t.conf:4: setting 'handle' in section 'connections.gw.local.cert' is known to swanctl, but not supported by this gateway",
    ],
  ];
  for (const [parts, message, holds] of cases) {
    const told = problems(parts, holds);
    assert.ok(told.includes(message), `${message}\n${told.join("\n")}`);
  }
});

test("cardcage check tells what is wrong with certificates: expired ones by a warning, one without its key as an error", async () => {
  const old = issue({ name: "moon", san: "moon.example", from: Date.now() - 9 * DAY, to: Date.now() - DAY }, ca);
  const said = async (parts: Parts, holds: Directory): Promise<{ code: number; text: string }> => {
    const write = process.stderr.write.bind(process.stderr);
    const out = process.stdout.write.bind(process.stdout);
    let text = "";
    process.stderr.write = process.stdout.write = (chunk: unknown): boolean => ((text += String(chunk)), true);
    try {
      const code = await main(["check", join(directory(parts, holds), "t.conf")]);
      return { code, text };
    } finally {
      process.stderr.write = write;
      process.stdout.write = out;
    }
  };
  const expired = await said({}, { ...files, x509: { moon: old }, private: { moon: old.key } });
  assert.is(expired.code, 0);
  assert.match(
    expired.text,
    /warning: .*t\.conf:4: the certificate of 'C=XX, O=cardcage test, CN=moon' has expired: it was valid until 20/,
  );
  const keyless = await said({}, { ...files, private: {} });
  assert.is(keyless.code, 2);
  assert.match(keyless.text, /t\.conf:4: no private key for the certificate in .*moon\.pem/);
});

test.after(() => rmSync(root, { recursive: true }));
test.run();
