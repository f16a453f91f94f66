/** swanctl's words for EAP: what they come to for the secure element, and every mistake with file, line and word. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadConfigurationText, renderError } from "../../host/operator/configuration/configuration.ts";
import { issue, writeDirectory } from "../pki/authority.ts";

const MSCHAPV2 = 26;
const MD5 = 4;
const TLS = 13;

const root = mkdtempSync(join(tmpdir(), "eap-"));
const ca = issue({ name: "authority", ca: true });
const own = issue({ name: "moon.example", san: "moon.example" }, ca);
writeDirectory(root, { x509: { own }, x509ca: { ca }, private: { own: own.key } });

const SECRETS = "eap-carol { id = carol ; secret = x ; }";

/** Line 2 is `connection`, then one line each: local, remote, child, secrets. */
function load(local: string, remote: string, more: { child?: string; connection?: string; secrets?: string } = {}) {
  const text = `connections { gw { local_addrs = 192.0.2.1 ; ${more.connection ?? ""}
local { ${local} ; }
remote { ${remote} ; }
children { net { remote_ts = 10.2.0.0/16 ; ${more.child ?? ""} ; } } } }
secrets { ${more.secrets ?? SECRETS} }
`.replaceAll(" ; ", "\n");
  return loadConfigurationText(text, "t.conf", root);
}

function plans(...parts: Parameters<typeof load>) {
  const loaded = load(...parts);
  if (!("configuration" in loaded)) throw new Error(loaded.errors.map(renderError).join("; "));
  return (loaded.configuration.credentials.eap ?? []).map(({ methods, identity, asks, server, credential, trust }) => ({
    methods,
    ...(identity ? { identity: Buffer.from(identity).toString() } : {}),
    ...(asks ? { asks } : {}),
    ...(server ? { server: Buffer.from(server.subarray(1)).toString() } : {}),
    certified: credential !== undefined && trust !== undefined,
  }));
}

function faults(...parts: Parameters<typeof load>): string {
  const loaded = load(...parts);
  return ("errors" in loaded ? loaded.errors : []).map((error) => error.message).join("; ");
}

const KEY = "auth = pubkey ; certs = own.pem ; id = moon.example";
const SUN = "auth = pubkey ; id = sun.example";

test.after(() => rmSync(root, { recursive: true }));

test("who is asked: methods, name and server", () => {
  assert.equal(plans("auth = eap ; id = carol", SUN), [{ methods: [MSCHAPV2, MD5], certified: false }]);
  assert.equal(plans("auth = eap-md5 ; id = laptop ; eap_id = carol", SUN), [
    { methods: [MD5], identity: "carol", certified: false },
  ]);
  assert.equal(plans("auth = eap-tls ; certs = own.pem ; aaa_id = radius.example", SUN), [
    { methods: [TLS], server: "radius.example", certified: true },
  ]);
  assert.equal(plans("auth = eap ; certs = own.pem ; id = moon.example ; eap_id = carol", SUN), [
    { methods: [TLS, MSCHAPV2, MD5], identity: "carol", certified: true },
  ]);
});

test("who asks: methods, and whether for the name", () => {
  assert.equal(plans(KEY, "auth = eap-mschapv2 ; id = carol"), [{ methods: [MSCHAPV2], certified: false }]);
  assert.equal(plans(KEY, "auth = eap ; eap_id = %any"), [
    { methods: [TLS, MSCHAPV2, MD5], asks: true, certified: true },
  ]);
  assert.equal(plans(KEY, "auth = eap-tls ; eap_id = carol", { secrets: "" }), [
    { methods: [TLS], identity: "carol", certified: true },
  ]);
});

test("EAP alone leaves MD5 out", () => {
  assert.equal(plans("auth = eap ; id = carol", "auth = eap ; id = sun.example"), [
    { methods: [MSCHAPV2], certified: false },
    { methods: [MSCHAPV2], certified: false },
  ]);
});

test("what cannot be is told", () => {
  for (const [fault, ...parts] of [
    [/no secrets section eap\* has the id 'dave'/, "auth = eap ; id = dave", SUN],
    [/no secrets section eap\* has the id 'dave'/, "auth = eap-mschapv2 ; id = carol ; eap_id = dave", SUN],
    [/no secrets section eap\* has a name and password/, KEY, "auth = eap-md5", { secrets: "" }],
    [/our own identity is no pattern/, "auth = eap ; id = carol ; eap_id = %any", SUN],
    [/eap-md5 authenticates one end alone/, "auth = eap-md5 ; id = carol", "auth = eap ; id = sun.example"],
    [/by a key pair: auth = pubkey/, "auth = eap ; id = carol", "auth = psk ; id = sun.example"],
    [/by a key pair: auth = pubkey/, "auth = eap ; id = carol", "auth = any"],
    [/by a key pair: auth = pubkey/, "auth = psk ; id = moon.example", "auth = eap"],
    [/start_action: the peer authenticates by EAP/, KEY, "auth = eap", { child: "start_action = start" }],
    [/a PPK goes with ppk_required = yes/, "auth = eap ; id = carol", SUN, { connection: "ppk_id = a" }],
    [/no certificate to prove ourselves with|key pair/, "auth = psk ; id = moon.example", "auth = eap-tls"],
    [/'eap-peap' is not supported by this gateway: of EAP it does/, "auth = eap-peap ; id = carol", SUN],
    [/'eap-radius' is not supported/, KEY, "auth = eap-radius"],
    [/'xauth' is not supported/, KEY, "auth = xauth"],
  ] as readonly [RegExp, ...Parameters<typeof load>][]) {
    assert.match(faults(...parts), fault, JSON.stringify(parts));
  }
});

test("a wrong word of EAP is answered with the nearest", () => {
  const loaded = load("auth = eap ; id = carol ; eapid = carol", SUN);
  const [error] = "errors" in loaded ? loaded.errors : [];
  assert.is(error?.nearest, "eap_id");
});

test.run();
