/**
 * Stories of redirects (RFC 5685): sun, which has two addresses, sends moon from one to the other; what moon takes in the clear, and what it
 * refuses.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Site } from "../../host/demo/pair.ts";
import { ikeMessage, payloadOf, plainAnswer } from "./plain_ike.ts";
import { LINKS, type Story, tell, type StoryOptions } from "./story.ts";

const OTHER = "192.0.2.3";
const PAYLOAD_NONCE = 40;
const REDIRECT = 16407;

const two: StoryOptions = {
  links: LINKS[0],
  nets: [1],
  connection: { sun: "local_addrs = 192.0.2.2, 192.0.2.3" },
};

const told = (tale: (story: Story) => Promise<void>, more: StoryOptions = {}): Promise<void> =>
  tell({ ...two, ...more }, tale);

/** The peers that a site has IKE_SAs with. */
const peers = async (site: Site): Promise<(string | undefined)[]> =>
  (await site.gateway.sas()).filter(({ state }) => state === "ESTABLISHED").map((ike) => ike["remote-host"]);

for (const [what, target] of [
  ["a connection", "sun-moon"],
  ["an address", "192.0.2.1"],
  ["an identity", "moon.example"],
] as const)
  test(`the peer of ${what} is sent to another gateway, and traffic goes on`, () =>
    told(async (story) => {
      const { moon, sun, pair } = story;
      await story.establish(30_000, 1);
      await story.flows([1]);
      await sun.gateway.redirect(target, OTHER);
      await pair.drive.run(3000);
      assert.equal(await peers(moon), [OTHER]);
      assert.equal(
        (await sun.gateway.sas()).map((ike) => ike["local-host"]),
        [OTHER],
      );
      await story.mirrored(1);
      await story.flows([1]);
      assert.ok(story.alerts(moon).includes("the peer redirects us to another gateway"));
    }));

test("a rekeyed IKE_SA can be redirected still; nobody else's is", () =>
  told(async (story) => {
    const { moon, sun, pair } = story;
    await story.establish(30_000, 1);
    await sun.gateway.rekey("sun-moon");
    await pair.drive.run(1000);
    for (const [site, target, message] of [
      [sun, "somebody.example", "'somebody.example': no IKE_SA"],
      [sun, "#77", "'#77': no IKE_SA"],
      [moon, "moon-sun", "'moon-sun': the peer cannot be redirected"],
    ] as const) {
      let said = "";
      await site.gateway.redirect(target, OTHER).catch((error: Error) => (said = error.message));
      assert.is(said, message);
    }
    await sun.gateway.redirect("moon.example", OTHER);
    await pair.drive.run(3000);
    assert.equal(await peers(moon), [OTHER]);
    await story.flows([1]);
  }));

test("a gateway that cannot be found is not followed, and the IKE_SA stays", () =>
  told(async (story) => {
    const { moon, sun, pair } = story;
    await story.establish(30_000, 1);
    for (const [gateway, alert] of [
      ["gateway.example", "the peer redirects to a gateway by name, and names are not looked up here"],
      ["2001:db8::3", "the peer redirects to an address of another family"],
    ] as const) {
      await sun.gateway.redirect("moon.example", gateway);
      await pair.drive.run(1000);
      assert.is(story.alerts(moon).at(-1), alert);
    }
    assert.equal(await peers(moon), ["192.0.2.2"]);
    await story.flows([1]);
  }));

test("a gateway that does not answer: the IKE_SA stays", () =>
  told(async (story) => {
    const { moon, sun, pair } = story;
    await story.establish(30_000, 1);
    await sun.gateway.redirect("moon.example", "192.0.2.99");
    await pair.drive.run(1000);
    await story.flows([1]);
    await pair.drive.run(120_000);
    assert.equal(await peers(moon), ["192.0.2.2"]);
    await story.flows([1]);
  }));

test("sent about five times in five minutes is enough; later it may be again", () =>
  told(async (story) => {
    const { moon, sun, pair } = story;
    await story.establish(30_000, 1);
    for (let times = 1; times <= 6; times++) {
      await sun.gateway.redirect("moon.example", times % 2 === 1 ? OTHER : "192.0.2.2");
      await pair.drive.run(2000);
    }
    assert.is(story.alerts(moon).at(-1), "the peer redirects too often");
    assert.equal(await peers(moon), [OTHER]);
    await pair.drive.run(300_000);
    await sun.gateway.redirect("moon.example", "192.0.2.2");
    await pair.drive.run(2000);
    assert.equal(await peers(moon), ["192.0.2.2"]);
    await story.flows([1]);
  }));

/** moon's first request is answered by somebody in the clear, before sun does. */
async function answered(story: Story, data: (nonce: Buffer) => Buffer): Promise<void> {
  const { moon, pair } = story;
  let done = false;
  story.pass = ({ packet, from }) => {
    const message = from === "a" && !done ? ikeMessage(packet) : undefined;
    if (message?.[18] !== 34) return true;
    done = true;
    const notify: [number, Buffer] = [REDIRECT, data(payloadOf(message, PAYLOAD_NONCE)!)];
    moon.chassis.receive("unprotected", plainAnswer(packet, Buffer.alloc(8), [notify]));
    return true;
  };
  await moon.gateway.initiate("net-1");
  await pair.drive.run(3000);
}

const TO_OTHER = Buffer.from([1, 4, 192, 0, 2, 3]);

test("in the answer of IKE_SA_INIT, with our nonce, it is followed", () =>
  told(async (story) => {
    await answered(story, (nonce) => Buffer.concat([TO_OTHER, nonce]));
    assert.equal(await peers(story.moon), [OTHER]);
    await story.flows([1]);
  }));

for (const [what, data] of [
  ["without a nonce", () => TO_OTHER],
  ["with another nonce", (nonce: Buffer) => Buffer.concat([TO_OTHER, nonce.map((octet) => octet ^ 1)])],
  ["with a nonce that is cut", (nonce: Buffer) => Buffer.concat([TO_OTHER, nonce.subarray(1)])],
  ["with more than a nonce", (nonce: Buffer) => Buffer.concat([TO_OTHER, nonce, Buffer.alloc(1)])],
  ["to an address that is cut", (nonce: Buffer) => Buffer.concat([Buffer.from([1, 3, 192, 0, 2]), nonce])],
  ["of an unknown type", (nonce: Buffer) => Buffer.concat([Buffer.from([9, 4, 192, 0, 2, 3]), nonce])],
  ["longer than the message", (nonce: Buffer) => Buffer.concat([Buffer.from([3, 255]), nonce])],
] as const)
  test(`in the answer of IKE_SA_INIT, ${what}: as good as none`, () =>
    told(async (story) => {
      await answered(story, data);
      assert.equal(await peers(story.moon), ["192.0.2.2"]);
      assert.is(story.drop(story.moon, "ike_malformed"), 1);
      await story.flows([1]);
    }));

test.run();
