/**
 * Stories of gateways of which one authenticates by EAP (RFC 7296 2.16, RFC 3748, RFC 5998): every method, the choice among them, behind a
 * certificate (RFC 4739), alone, and every refusal with what either end is told; with packets lost, doubled and late.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SiteName } from "../../host/demo/pair.ts";
import { type Directory, issue, type Issued, writeDirectory } from "../pki/authority.ts";
import { LINKS, type Story, tellAtPort500 as tell, type StoryOptions } from "./story.ts";

const ca = issue({ name: "authority", ca: true });
const stranger = issue({ name: "another authority", ca: true });
const OWN: Record<SiteName, Issued> = {
  moon: issue({ name: "moon.example", san: "moon.example" }, ca),
  sun: issue({ name: "sun.example", san: "sun.example" }, ca),
};

const USER = (id: string, secret = "a password of carol"): string =>
  `eap-${id} {\n id = ${id}\n secret = "${secret}"\n }`;
const CAROL = USER("carol");

/** moon is asked, sun asks. */
interface Case {
  moon?: string;
  sun?: string;
  secrets?: Partial<Record<SiteName, string>>;
  files?: Partial<Record<SiteName, Directory>>;
  connection?: Partial<Record<SiteName, string>>;
}

const SUN_BY_KEY = "local { auth = pubkey\n certs = own.pem\n id = sun.example }";
const OF_SUN = "remote { auth = pubkey\n id = sun.example }";
const asked = (auth: string, more = ""): string => `local { auth = ${auth}\n id = carol\n ${more} }\n ${OF_SUN}`;
const asks = (auth: string, more = ""): string => `${SUN_BY_KEY}\n remote { auth = ${auth}\n ${more} }`;
const TLS = "certs = own.pem\n id = moon.example";
const BOTH = { moon: CAROL, sun: CAROL };

async function told(what: Case, tale: (story: Story) => Promise<void>, more: StoryOptions = {}): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "eap-"));
  const directory = { moon: join(root, "moon"), sun: join(root, "sun") };
  for (const site of ["moon", "sun"] as const) {
    writeDirectory(directory[site], {
      x509: { own: OWN[site] },
      x509ca: { ca },
      private: { own: OWN[site].key },
      ...what.files?.[site],
    });
  }
  const authentication = { moon: what.moon ?? asked("eap"), sun: what.sun ?? asks("eap", "id = carol") };
  const { connection, secrets = BOTH } = what;
  try {
    await tell(
      { links: LINKS[0], authentication, directory, secrets, ...(connection ? { connection } : {}), ...more },
      tale,
    );
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** Only moon may initiate. */
async function initiates(story: Story, milliseconds = 30_000): Promise<void> {
  const { moon, sun, pair } = story;
  for (const child of ["net-1", "net-2"]) await moon.gateway.initiate(child);
  await pair.drive.until(() => pair.installed(moon) === 2 && pair.installed(sun) === 2, milliseconds);
}

async function comesUp(story: Story, method: string, identity = "carol"): Promise<void> {
  await initiates(story);
  await story.mirrored();
  await story.flows();
  const [moon] = await story.moon.gateway.sas();
  const [sun] = await story.sun.gateway.sas();
  assert.is(`${moon?.["eap-method"]} ${moon?.["local-eap-id"]}`, `${method} ${identity}`);
  assert.is(`${sun?.["eap-method"]} ${sun?.["remote-eap-id"]}`, `${method} ${identity}`);
}

async function refused(story: Story, alerts: Partial<Record<SiteName, RegExp>>): Promise<void> {
  const { moon, sun, pair } = story;
  await moon.gateway.initiate("net-1");
  const all = (): boolean =>
    Object.entries(alerts).every(([site, wanted]) =>
      story.alerts(story[site as SiteName]).some((text) => wanted.test(text)),
    );
  await pair.drive.until(all, 8000);
  for (const [site, wanted] of Object.entries(alerts)) {
    assert.match(story.alerts(story[site as SiteName]).join("\n"), wanted);
  }
  await pair.drive.run(40_000);
  for (const end of [moon, sun]) {
    assert.is(pair.installed(end), 0, `${end.name} has no CHILD_SA`);
    const left = (await end.gateway.sas()).filter(({ state }) => state !== "DOWN");
    assert.equal(left, [], `${end.name} has no IKE_SA left`);
  }
}

for (const [what, method, setup, identity] of [
  ["eap-md5", "MD5", { moon: asked("eap-md5"), sun: asks("eap-md5", "id = carol") }],
  ["eap-mschapv2", "MSCHAPV2", { moon: asked("eap-mschapv2"), sun: asks("eap-mschapv2", "id = carol") }],
  ["the identity is asked for", "MSCHAPV2", { sun: asks("eap-mschapv2", "eap_id = %any") }],
  [
    "the identity that is asked for is not IKE's",
    "MSCHAPV2",
    { moon: asked("eap", "eap_id = carol").replace("id = carol", "id = laptop"), sun: asks("eap", "eap_id = %any") },
  ],
  [
    "a name behind a domain",
    "MSCHAPV2",
    {
      moon: asked("eap", 'eap_id = "MOON\\\\carol"'),
      sun: asks("eap", "eap_id = %any"),
      secrets: {
        moon: 'eap-1 {\n id = "MOON\\\\carol"\n secret = x\n }',
        sun: 'eap-1 {\n id = "MOON\\\\carol"\n secret = x\n }',
      },
    },
    "MOON\\x5ccarol",
  ],
  ["what is asked first is turned down for what the peer has", "MD5", { moon: asked("eap-md5") }],
  ["both are for anything that can be: the best of passwords", "MSCHAPV2", {}],
  [
    "a secret that serves everybody",
    "MSCHAPV2",
    { secrets: { moon: CAROL, sun: 'eap {\n secret = "a password of carol"\n }' } },
  ],
  [
    "eap-tls",
    "TLS",
    { moon: `local { auth = eap-tls\n ${TLS} }\n ${OF_SUN}`, sun: asks("eap-tls", "id = moon.example"), secrets: {} },
    "moon.example",
  ],
  [
    "eap-tls of an identity that is asked for",
    "TLS",
    {
      moon: `local { auth = eap-tls\n certs = own.pem\n id = carol\n eap_id = moon.example }\n ${OF_SUN}`,
      sun: asks("eap-tls", "eap_id = %any"),
      secrets: {},
    },
    "moon.example",
  ],
  ["TLS is turned down for a password", "MSCHAPV2", { moon: asked("eap"), sun: asks("eap", "eap_id = %any") }],
  [
    "a certificate, then a password (RFC 4739)",
    "MSCHAPV2",
    {
      moon: `local-1 { auth = pubkey\n ${TLS}\n round = 1 }\n local-2 { auth = eap\n id = carol\n round = 2 }\n ${OF_SUN}`,
      sun: `${SUN_BY_KEY}\n remote-1 { auth = pubkey\n id = moon.example\n round = 1 }\n remote-2 { auth = eap\n id = carol\n round = 2 }`,
    },
  ],
  [
    "a password, then a certificate",
    "MD5",
    {
      moon: `local-1 { auth = eap-md5\n id = carol\n round = 1 }\n local-2 { auth = pubkey\n ${TLS}\n round = 2 }\n ${OF_SUN}`,
      sun: `${SUN_BY_KEY}\n remote-1 { auth = eap\n id = carol\n round = 1 }\n remote-2 { auth = pubkey\n id = moon.example\n round = 2 }`,
    },
  ],
  [
    "EAP alone, by passwords (RFC 5998)",
    "MSCHAPV2",
    {
      moon: "local { auth = eap-mschapv2\n id = carol }\n remote { auth = eap-mschapv2\n id = sun.example }",
      sun: "local { auth = eap\n id = sun.example }\n remote { auth = eap\n id = carol }",
      secrets: { moon: CAROL, sun: `${CAROL}\n ${USER("sun.example")}` },
    },
  ],
  [
    "EAP alone, by certificates",
    "TLS",
    {
      moon: `local { auth = eap-tls\n ${TLS} }\n remote { auth = eap\n id = sun.example }`,
      sun: "local { auth = eap\n certs = own.pem\n id = sun.example }\n remote { auth = eap-tls\n id = moon.example }",
      secrets: { moon: USER("sun.example"), sun: USER("moon.example") },
    },
    "moon.example",
  ],
] as readonly (readonly [string, string, Case, string?])[]) {
  test(`${what}: ${method}, and traffic flows`, () => told(setup, (story) => comesUp(story, method, identity)));
}

test("a lease of a virtual IP is that of the EAP identity, whatever IDi is", () =>
  told(
    {
      moon: asked("eap", "eap_id = carol").replace("id = carol", "id = laptop"),
      sun: asks("eap", "eap_id = %any"),
      connection: { moon: "vips = 0.0.0.0", sun: "pools = v4" },
    },
    async (story) => {
      await story.moon.gateway.initiate("net-1");
      await story.pair.drive.until(() => story.pair.installed(story.sun) === 1, 30_000);
      const [pool] = await story.sun.gateway.pools();
      assert.equal(
        pool!.leases.map(({ identity, address, online }) => [identity, address, online]),
        [["carol", "10.3.0.1", true]],
      );
    },
    {
      nets: [1],
      selectors: {
        moon: "local_ts = dynamic\n remote_ts = 10.2.0.0/16",
        sun: "local_ts = 10.2.0.0/16\n remote_ts = dynamic",
      },
      sections: { sun: "pools {\n v4 {\n addrs = 10.3.0.0/29\n }\n }" },
    },
  ));

const WRONG = { moon: USER("carol", "another password"), sun: CAROL };
const UNKNOWN = { moon: CAROL, sun: USER("dave") };
const TLS_BOTH: Case = {
  moon: `local { auth = eap-tls\n ${TLS} }\n ${OF_SUN}`,
  sun: asks("eap-tls", "id = moon.example"),
  secrets: {},
};

for (const [what, setup, alerts] of [
  [
    "md5, a wrong password",
    { moon: asked("eap-md5"), secrets: WRONG },
    { moon: /refuses our EAP identity or password/, sun: /the peer's password is wrong/ },
  ],
  [
    "mschapv2, a wrong password",
    { secrets: WRONG },
    { moon: /refuses our EAP identity or password/, sun: /the peer's password is wrong/ },
  ],
  [
    "md5, an unknown name",
    { moon: asked("eap-md5"), secrets: UNKNOWN },
    { moon: /refuses our EAP identity or password/, sun: /no secret for the peer's EAP identity/ },
  ],
  [
    "mschapv2, an unknown name",
    { secrets: UNKNOWN },
    { moon: /refuses our EAP identity or password/, sun: /no secret for the peer's EAP identity/ },
  ],
  [
    "no method in common",
    { moon: asked("eap-md5"), sun: asks("eap-mschapv2", "id = carol") },
    { moon: /refuses our EAP identity or password/, sun: /no EAP method in common/ },
  ],
  [
    "tls, a certificate of another identity",
    {
      ...TLS_BOTH,
      moon: `local { auth = eap-tls\n certs = own.pem\n id = carol }\n ${OF_SUN}`,
      sun: asks("eap-tls", "id = carol"),
    },
    { moon: /refuses our EAP identity/, sun: /the peer's certificate is not one of its identity/ },
  ],
  [
    "tls, a certificate of an authority that is not trusted",
    {
      ...TLS_BOTH,
      files: {
        moon: (() => {
          const own = issue({ name: "moon.example", san: "moon.example" }, stranger);
          return { x509: { own }, x509ca: { ca, stranger }, private: { own: own.key } };
        })(),
      },
    },
    { moon: /refuses our EAP identity/, sun: /leads to no trusted authority/ },
  ],
  [
    "tls, an authenticator that is not whom aaa_id names",
    { ...TLS_BOTH, moon: `local { auth = eap-tls\n ${TLS}\n aaa_id = radius.example }\n ${OF_SUN}` },
    { moon: /the peer's certificate is not one of its identity/ },
  ],
  [
    "EAP alone, which the responder does not want",
    {
      moon: "local { auth = eap-mschapv2\n id = carol }\n remote { auth = eap-mschapv2\n id = sun.example }",
    },
    { moon: /the peer does not authenticate in the way that is configured/ },
  ],
  [
    "EAP alone, which the initiator does not take",
    {
      sun: "local { auth = eap\n id = sun.example }\n remote { auth = eap\n id = carol }",
      secrets: { moon: CAROL, sun: `${CAROL}\n ${USER("sun.example")}` },
    },
    { moon: /refused IKE_AUTH/, sun: /no connection for these identities and this way of authentication/ },
  ],
  [
    "EAP where a certificate is wanted",
    { sun: `${SUN_BY_KEY}\n remote { auth = pubkey\n id = carol }` },
    { moon: /refused IKE_AUTH/, sun: /no connection for these identities and this way of authentication/ },
  ],
  [
    "EAP where the responder takes any other way",
    { sun: `${SUN_BY_KEY}\n remote { auth = any\n id = carol }` },
    { moon: /refused IKE_AUTH/, sun: /no connection for these identities and this way of authentication/ },
  ],
  [
    "a certificate where EAP is wanted",
    { moon: `local { auth = pubkey\n ${TLS} }\n ${OF_SUN}`, sun: asks("eap-md5", "id = moon.example") },
    { moon: /refused IKE_AUTH/, sun: /no connection for these identities and this way of authentication/ },
  ],
  [
    "a certificate alone where a password has to follow",
    {
      moon: `local { auth = pubkey\n ${TLS} }\n ${OF_SUN}`,
      sun: `${SUN_BY_KEY}\n remote-1 { auth = pubkey\n id = moon.example\n round = 1 }\n remote-2 { auth = eap\n id = carol\n round = 2 }`,
    },
    { moon: /refused IKE_AUTH/, sun: /in another number of rounds/ },
  ],
] as readonly (readonly [string, Case, Partial<Record<SiteName, RegExp>>])[]) {
  test(`${what}: refused, and nothing is left`, () => told(setup, (story) => refused(story, alerts)));
}

test("a wrong password is told with the name, and the secure element keeps no session", () =>
  told({ secrets: WRONG }, async (story) => {
    await refused(story, { sun: /the peer's password is wrong/ });
    const named = story.sun.events.filter((event) => event.kind === "alert" && "eap-id" in event);
    assert.equal(
      named.map((event) => ("eap-id" in event ? event["eap-id"] : "")),
      ["carol"],
    );
  }));

test("who is to be asked for has to initiate", () =>
  told({}, async (story) => {
    await story.sun.gateway.initiate("net-1").catch(() => undefined);
    await story.pair.drive.run(1000);
    assert.match(story.alerts(story.sun).join("\n"), /the peer authenticates by EAP: it has to initiate/);
    assert.is(story.count("ike"), 0);
    await comesUp(story, "MSCHAPV2");
  }));

test("a rekeyed IKE_SA is of the same user", () =>
  told({}, async (story) => {
    await comesUp(story, "MSCHAPV2");
    await story.sun.gateway.rekey("sun-moon");
    await story.pair.drive.run(1000);
    const [sun] = (await story.sun.gateway.sas()).filter(({ state }) => state === "ESTABLISHED");
    const [moon] = (await story.moon.gateway.sas()).filter(({ state }) => state === "ESTABLISHED");
    assert.is(sun?.["remote-eap-id"], "carol");
    assert.is(moon?.["local-eap-id"], "carol");
    await story.flows();
  }));

test("with a PPK that both require", () =>
  told(
    {
      connection: { moon: "ppk_id = ppk-1\n ppk_required = yes", sun: "ppk_required = yes" },
      secrets: {
        moon: `${CAROL}\n ppk-1 {\n id = ppk-1\n secret = 0x00112233\n }`,
        sun: `${CAROL}\n ppk-1 {\n id = ppk-1\n secret = 0x00112233\n }`,
      },
    },
    async (story) => {
      await comesUp(story, "MSCHAPV2");
      const [sun] = await story.sun.gateway.sas();
      assert.is(sun?.ppk, "yes");
    },
  ));

/** Every message of IKE_AUTH once, by the order in which it is sent, is lost, or comes twice. */
for (const [what, setup, messages] of [
  ["mschapv2", { sun: asks("eap", "eap_id = %any") }, 12],
  ["tls", TLS_BOTH, 14],
] as const) {
  for (const fate of ["lost", "doubled"] as const) {
    test(`${what}: each message of IKE_AUTH is ${fate}, and the IKE_SA comes up`, () =>
      told(setup, async (story) => {
        const { moon, sun, pair } = story;
        for (let victim = 0; victim < messages; victim++) {
          let sent = 0;
          story.pass = ({ kind }) => {
            // Ports 4500 and 500 alike; IKE_SA_INIT and what comes once it is up are left alone.
            if (kind !== "ike" || pair.installed(moon) > 0) return true;
            const hit = sent++ === victim + 2;
            pair.wan.options.duplicate = hit && fate === "doubled" ? 1 : 0;
            return !hit || fate === "doubled";
          };
          await moon.gateway.initiate("net-1");
          await pair.drive.until(() => pair.installed(moon) === 1 && pair.installed(sun) === 1, 20_000);
          assert.is(pair.installed(moon), 1, `message ${victim}`);
          assert.is(pair.installed(sun), 1, `message ${victim}`);
          story.pass = () => true;
          await moon.gateway.terminate("moon-sun");
          await pair.drive.until(() => pair.installed(moon) === 0 && pair.installed(sun) === 0, 5000);
        }
      }));
  }
}

for (const seed of [1, 2, 3]) {
  test(`packets are lost, doubled and late (${seed})`, () =>
    told(TLS_BOTH, (story) => initiates(story, 120_000), {
      seed,
      cable: { lose: 0.15, duplicate: 0.2, reorder: 0.2 },
    }));
}

test.run();
