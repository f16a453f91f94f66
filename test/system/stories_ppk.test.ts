/**
 * Stories of gateways with postquantum preshared keys (RFC 8784): required and optional at either end, known and unknown, and with
 * packets lost, doubled and late.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SiteName } from "../../host/demo/pair.ts";
import { LINKS, type Story, tell, type StoryOptions } from "./story.ts";

const PPK = (id: string, secret = "0x00112233445566778899aabbccddeeff"): string =>
  `ppk-a {\n id = ${id}\n secret = ${secret}\n }`;

interface Case {
  connection?: Partial<Record<SiteName, string>>;
  secrets?: Partial<Record<SiteName, string>>;
}

const KNOWN = { moon: PPK("ppk-1"), sun: PPK("ppk-1") };
const OFFERED = { moon: "ppk_id = ppk-1" };
const REQUIRED = "ppk_id = ppk-1\n ppk_required = yes";

const told = (what: Case, tale: (story: Story) => Promise<void>, more: StoryOptions = {}): Promise<void> =>
  tell({ links: LINKS[0], ...what, ...more }, tale);

/** Whether an end's keys come from a PPK. */
async function used(story: Story, site: SiteName): Promise<boolean> {
  const [sa] = await story[site].gateway.sas();
  return sa?.ppk === "yes";
}

async function comesUp(story: Story, ppk: boolean): Promise<void> {
  await story.establish();
  await story.mirrored();
  await story.flows();
  for (const site of ["moon", "sun"] as const) assert.is(await used(story, site), ppk, `${site} uses it`);
}

async function refused(story: Story, site: SiteName, alert: RegExp): Promise<void> {
  const { moon, sun, pair } = story;
  await moon.gateway.initiate("moon-sun");
  await pair.drive.until(() => story.alerts(story[site]).some((text) => alert.test(text)), 5000);
  assert.match(story.alerts(story[site]).join("\n"), alert);
  await pair.drive.run(1000);
  for (const end of [moon, sun]) {
    const up = (await end.gateway.sas()).filter(({ state }) => state === "ESTABLISHED");
    assert.equal(up, [], `${end.name} has no IKE_SA`);
  }
}

for (const [what, connection, secrets, ppk] of [
  ["optional at both ends", OFFERED, KNOWN, true],
  ["required at both ends", { moon: REQUIRED, sun: REQUIRED }, KNOWN, true],
  ["required by the initiator", { moon: REQUIRED }, KNOWN, true],
  ["required by the responder", { ...OFFERED, sun: "ppk_required = yes" }, KNOWN, true],
  ["one that serves for every id", OFFERED, { moon: PPK("ppk-1"), sun: PPK("%any") }, true],
  ["optional, and the responder knows another one", OFFERED, { moon: PPK("ppk-1"), sun: PPK("ppk-2") }, false],
  ["optional, and the responder has none at all", OFFERED, { moon: PPK("ppk-1") }, false],
  ["optional, and the initiator offers none", {}, KNOWN, false],
  ["optional, and the initiator lacks what it would offer", OFFERED, { sun: PPK("ppk-1") }, false],
] as const) {
  test(`${what}: ${ppk ? "used" : "done without"}, and traffic flows`, () =>
    told({ connection, secrets }, (story) => comesUp(story, ppk)));
}

for (const [what, connection, secrets, site, alert] of [
  [
    "the initiator requires one, the responder has none",
    { moon: REQUIRED },
    { moon: PPK("ppk-1") },
    "moon",
    /the peer uses no PPK, and ppk_required asks for one/,
  ],
  [
    "the initiator requires one that the responder does not know",
    { moon: REQUIRED },
    { moon: PPK("ppk-1"), sun: PPK("ppk-2") },
    "sun",
    /the peer's PPK is not known here, and it does not do without/,
  ],
  [
    "the responder requires one, the initiator offers none",
    { sun: "ppk_required = yes" },
    KNOWN,
    "sun",
    /the peer uses no PPK that is known here, and ppk_required asks for one/,
  ],
  [
    "the responder requires one, and does not know what the initiator offers",
    { ...OFFERED, sun: "ppk_required = yes" },
    { moon: PPK("ppk-1"), sun: PPK("ppk-2") },
    "sun",
    /the peer uses no PPK that is known here, and ppk_required asks for one/,
  ],
  [
    "both have one of that name, but not the same",
    OFFERED,
    { moon: PPK("ppk-1"), sun: PPK("ppk-1", "another") },
    "sun",
    /the peer's AUTH is wrong/,
  ],
] as const) {
  test(`${what}: refused, and ${site} says why`, () =>
    told({ connection, secrets }, (story) => refused(story, site, alert)));
}

test("a rekeyed IKE_SA has its keys from it still", () =>
  told({ connection: OFFERED, secrets: KNOWN }, async (story) => {
    await comesUp(story, true);
    const [before] = await story.moon.gateway.sas();
    await story.moon.gateway.rekey("moon-sun");
    await story.pair.drive.run(1000);
    const [after] = await story.moon.gateway.sas();
    assert.is.not(after?.["initiator-spi"], before?.["initiator-spi"]);
    for (const site of ["moon", "sun"] as const) assert.ok(await used(story, site));
    await story.flows();
  }));

for (const seed of [1, 2, 3]) {
  test(`packets are lost, doubled and late (${seed})`, () =>
    told(
      { connection: { moon: `${REQUIRED}`, sun: "ppk_required = yes" }, secrets: KNOWN },
      (story) => story.establish(120_000),
      {
        seed,
        cable: { lose: 0.2, duplicate: 0.2, reorder: 0.2 },
        child: { moon: "start_action = start" },
      },
    ));
}

test.run();
