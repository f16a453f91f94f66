/**
 * Stories of gateways with additional key exchanges (RFC 9370) in IKE_INTERMEDIATE (RFC 9242), ML-KEM among them, and with packets
 * lost, doubled and late at every message.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SiteName } from "../../host/demo/pair.ts";
import { LINKS, type Story, type StoryOptions, tellAtPort500 as tell } from "./story.ts";

const SUITE = "aes256gcm16-prfsha384-x25519";
/** IANA exchange types. */
const IKE_INTERMEDIATE = 43;

const told = (
  proposals: string | Record<SiteName, string>,
  tale: (story: Story) => Promise<void>,
  more: StoryOptions = {},
): Promise<void> => tell({ links: LINKS[0], proposals, ...more }, tale);

/** Exchange types of the messages on the WAN, in order. */
const exchanges = (story: Story): number[] =>
  story.seen.filter(({ kind }) => kind === "ike").map(({ packet }) => packet[28 + 18] ?? 0);

async function comesUp(story: Story, names: Record<string, string>): Promise<void> {
  await story.establish();
  await story.mirrored();
  await story.flows();
  for (const { gateway } of [story.moon, story.sun]) {
    const [sa] = await gateway.sas();
    const additional = Object.entries(sa?.suite ?? {}).filter(([key]) => /^ke\d/.test(key));
    assert.equal(Object.fromEntries(additional), names);
  }
}

for (const [words, names] of [
  ["ke1_mlkem512", { "ke1-alg": "ML_KEM_512" }],
  ["ke1_mlkem768", { "ke1-alg": "ML_KEM_768" }],
  ["ke1_mlkem1024", { "ke1-alg": "ML_KEM_1024" }],
  ["ke1_ecp384", { "ke1-alg": "ECP_384" }],
  ["ke3_mlkem768", { "ke3-alg": "ML_KEM_768" }],
  ["ke1_mlkem768-ke2_ecp256-ke7_modp2048", { "ke1-alg": "ML_KEM_768", "ke2-alg": "ECP_256", "ke7-alg": "MODP_2048" }],
] as const) {
  test(`${words}: agreed on in both roles, and traffic flows`, () =>
    told(`${SUITE}-${words}`, async (story) => {
      await comesUp(story, names);
      assert.ok(exchanges(story).includes(IKE_INTERMEDIATE));
    }));
}

for (const [what, moon, sun, names] of [
  [
    "the responder's preference",
    "ke1_mlkem768-ke1_mlkem1024",
    "ke1_mlkem1024-ke1_mlkem768",
    { "ke1-alg": "ML_KEM_1024" },
  ],
  ["none, which both may do without", "ke1_none", "ke1_none", {}],
  ["none, which the responder has not", "ke1_mlkem768-ke1_none", "", {}],
  ["none, which the initiator has not", "", "ke1_mlkem768-ke1_none", {}],
  [
    "no method twice",
    "ke1_mlkem768-ke2_mlkem768-ke2_ecp256",
    "ke1_mlkem768-ke2_mlkem768-ke2_ecp256",
    { "ke1-alg": "ML_KEM_768", "ke2-alg": "ECP_256" },
  ],
] as const) {
  const all = (words: string): string => (words === "" ? SUITE : `${SUITE}-${words}`);
  test(`agreed on: ${what}`, () => told({ moon: all(moon), sun: all(sun) }, (story) => comesUp(story, names)));
}

for (const [moon, sun] of [
  ["-ke1_mlkem768", ""],
  ["", "-ke1_mlkem768"],
  ["-ke1_mlkem768", "-ke1_mlkem1024"],
] as const) {
  test(`'${moon}' and '${sun}' have nothing in common, and the responder says so`, () =>
    told({ moon: SUITE + moon, sun: SUITE + sun }, async (story) => {
      await story.moon.gateway.initiate("moon-sun");
      await story.pair.drive.until(() => story.alerts(story.moon).length > 0, 5000);
      assert.match(story.alerts(story.moon).join("\n"), /refused IKE_SA_INIT/);
      assert.match(story.alerts(story.sun).join("\n"), /no additional key exchange 1 in common/);
    }));
}

test("IKE_INTERMEDIATE goes in fragments where it has to", () =>
  told(`${SUITE}-ke1_mlkem1024-ke2_mlkem768`, async (story) => {
    await comesUp(story, { "ke1-alg": "ML_KEM_1024", "ke2-alg": "ML_KEM_768" });
    // Of the four messages only ML-KEM-768's ciphertext fits one packet.
    assert.is(exchanges(story).filter((type) => type === IKE_INTERMEDIATE).length, 7);
    assert.ok(story.seen.filter(({ kind }) => kind === "ike").every(({ packet }) => packet.length <= 1280));
  }));

test("with fragments agreed to be none, messages are whole", () =>
  told(`${SUITE}-ke1_mlkem1024`, (story) => comesUp(story, { "ke1-alg": "ML_KEM_1024" }), {
    connection: { moon: "fragmentation = no" },
  }));

/** Both gateways rekey the IKE_SA, and a CHILD_SA; traffic flows after each. */
async function rekeys(story: Story): Promise<void> {
  for (const site of [story.moon, story.sun]) {
    for (const name of [site === story.moon ? "moon-sun" : "sun-moon", "net-1"]) {
      const before = await rekeyed(story);
      await site.gateway.rekey(name);
      await story.pair.drive.run(3000);
      assert.is.not(await rekeyed(story), before, `${site.name} rekeys ${name}`);
      await story.mirrored();
      await story.flows();
    }
  }
}

/** What names the SAs that there are. */
async function rekeyed(story: Story): Promise<string> {
  const [sa] = await story.moon.gateway.sas();
  return [sa?.["initiator-spi"], ...(sa?.["child-sas"] ?? []).map((child) => child["spi-in"]).sort()].join(" ");
}

const IKE_FOLLOWUP_KE = 44;

// A child that IKE_AUTH did not bring comes in steps as well.
for (const [what, ike, esp, follow, names] of [
  ["of the IKE_SA alone", "-ke1_mlkem768", "", 2 * 2, "ML_KEM_768"],
  ["of the IKE_SA and its CHILD_SAs", "-ke1_mlkem768", "-x25519-ke1_mlkem1024", 2 * (2 + 3), "ML_KEM_768"],
  ["of CHILD_SAs alone, three each", "", "-ecp256-ke2_mlkem512-ke4_x25519-ke5_ecp384", 2 * 3 * 3, undefined],
] as const) {
  test(`rekeying with additional key exchanges ${what}`, () =>
    told(
      SUITE + ike,
      async (story) => {
        await comesUp(story, names === undefined ? {} : { "ke1-alg": names });
        await rekeys(story);
        const messages = story.seen.filter(({ kind, packet }) => kind === "ike" && packet[28 + 18] === IKE_FOLLOWUP_KE);
        const ids = new Set(messages.map(({ packet }) => packet.subarray(28, 28 + 24).toString()));
        assert.is(ids.size, follow);
      },
      { esp: `aes256gcm16${esp}` },
    ));
}

test("new keys of a hybrid IKE_SA are listed with their exchanges", () =>
  told(
    `${SUITE}-ke1_mlkem768`,
    async (story) => {
      await story.establish();
      await story.moon.gateway.rekey("net-1");
      await story.pair.drive.run(1000);
      const [child] = await story.children(story.moon);
      assert.is(child?.suite["dh-group"], "ECP_256");
      assert.is(child?.suite["ke3-alg"], "ML_KEM_512");
    },
    { esp: "aes256gcm16-ecp256-ke3_mlkem512" },
  ));

test("both gateways rekey at the same time, in steps", () =>
  told(
    `${SUITE}-ke1_mlkem768`,
    async (story) => {
      await story.establish();
      for (const names of [
        ["net-1", "net-1"],
        ["moon-sun", "sun-moon"],
        ["net-2", "net-1"],
        ["moon-sun", "net-1"],
      ] as const) {
        await Promise.all([story.moon.gateway.rekey(names[0]), story.sun.gateway.rekey(names[1])]);
        await story.pair.drive.run(40_000);
        await story.mirrored();
        await story.flows();
      }
    },
    { esp: "aes256gcm16-x25519-ke1_ecp256", cable: { latencyMs: 5 } },
  ));

for (const [which, name] of [
  ["the IKE_SA", "moon-sun"],
  ["a CHILD_SA", "net-1"],
] as const) {
  for (let n = 0; n < 8; n++) {
    test(`rekeying ${which} in steps: packet ${n + 1} is lost`, () =>
      told(
        `${SUITE}-ke1_ecp256-ke2_x448`,
        async (story) => {
          await story.establish();
          const before = await rekeyed(story);
          let left = n;
          story.pass = ({ kind }) => kind !== "ike" || left-- !== 0;
          await story.moon.gateway.rekey(name);
          await story.pair.drive.run(10_000);
          assert.is.not(await rekeyed(story), before);
          await story.mirrored();
          await story.flows();
        },
        { esp: "aes256gcm16-x25519-ke1_ecp256-ke2_x448" },
      ));
  }

  test(`rekeying ${which}: the steps never come, and what waits for them is forgotten`, () =>
    told(
      `${SUITE}-ke1_ecp256`,
      async (story) => {
        await story.establish();
        story.pass = ({ kind, packet, from }) => kind !== "ike" || from === "b" || packet[28 + 18] !== IKE_FOLLOWUP_KE;
        const rekeying = story.moon.gateway.rekey(name);
        await story.pair.drive.run(20_000);
        story.pass = ({ kind, packet }) => kind !== "ike" || packet[28 + 18] !== IKE_FOLLOWUP_KE;
        await rekeying;
        await story.pair.drive.run(200_000);
        story.pass = () => true;
        await story.establish(120_000);
        await story.mirrored();
        await story.flows();
      },
      {
        esp: "aes256gcm16-x25519-ke1_ecp256",
        child: { moon: "start_action = start\n dpd_action = restart\n close_action = start" },
      },
    ));
}

test("with a PPK as well", () =>
  told(`${SUITE}-ke1_mlkem768`, (story) => comesUp(story, { "ke1-alg": "ML_KEM_768" }), {
    connection: { moon: "ppk_id = p\n ppk_required = yes", sun: "ppk_required = yes" },
    secrets: { moon: "ppk-a {\n id = p\n secret = x\n }", sun: "ppk-a {\n id = p\n secret = x\n }" },
  }));

/** Packets that a gateway sends until it is up, when none is lost. */
const MESSAGES = 14;

for (let n = 0; n < MESSAGES; n++) {
  test(`packet ${n + 1} is lost`, () =>
    told(`${SUITE}-ke1_mlkem768-ke2_ecp256`, async (story) => {
      let left = n;
      story.pass = ({ kind }) => kind !== "ike" || left-- !== 0;
      await story.establish(60_000);
      await story.mirrored();
      await story.flows();
    }));
}

for (const seed of [1, 2, 3, 4]) {
  test(`packets are lost, doubled and late (${seed})`, () =>
    told(`${SUITE}-ke1_mlkem768-ke2_ecp256`, (story) => story.establish(120_000), {
      seed,
      cable: { lose: 0.15, duplicate: 0.3, reorder: 0.3 },
      child: { moon: "start_action = start" },
    }));

  test(`rekeying in steps: packets are doubled and late (${seed})`, () =>
    told(
      `${SUITE}-ke1_mlkem768-ke2_ecp256`,
      async (story) => {
        await story.establish();
        for (const name of ["moon-sun", "net-1", "net-2"]) {
          await story.moon.gateway.rekey(name);
          await story.pair.drive.run(60_000);
        }
        await story.mirrored();
      },
      { seed, cable: { lose: 0.1, duplicate: 0.4, reorder: 0.4 }, esp: "aes256gcm16-x25519-ke1_mlkem768-ke2_ecp256" },
    ));
}

test.run();
