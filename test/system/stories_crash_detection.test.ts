/**
 * Stories of quick crash detection (RFC 6290): sun's IKE board begins anew, without a checkpoint, and knows nothing of moon; moon asks whether it is alive, and is
 * told at once. Whoever has not the token tells moon nothing.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ikeMessage, plainAnswer } from "./plain_ike.ts";
import { LINKS, type Story, tell, type StoryOptions } from "./story.ts";

const INVALID_IKE_SPI = 4;
const QCD_TOKEN = 16419;
const LOST = "the peer has lost its SAs, as its token proves";

const detecting = (more: StoryOptions = {}): StoryOptions => ({
  links: LINKS[0],
  nets: [1],
  chassis: { crashDetection: true, checkpoint: false },
  connection: { moon: "dpd_delay = 10s" },
  child: { moon: "dpd_action = restart" },
  ...more,
});

async function established(story: Story): Promise<void> {
  await story.establish(30_000, 1);
  await story.flows([1]);
}

test("a board that has lost its SAs says so, and moon comes back with the first answer", () =>
  tell(detecting(), async (story) => {
    await established(story);
    await story.sun.chassis.reset(0);
    await story.pair.drive.run(13_000);
    assert.ok(story.alerts(story.moon).includes(LOST));
    assert.is(story.drop(story.sun, "ike_unknown_spi"), 1, "one question was enough");
    await story.mirrored(1);
    await story.flows([1]);
  }));

test("without tokens it takes as long as the peer may stay silent", () =>
  tell(detecting({ chassis: { checkpoint: false } }), async (story) => {
    await established(story);
    await story.sun.chassis.reset(0);
    await story.pair.drive.run(60_000);
    assert.not(story.alerts(story.moon).includes(LOST));
    assert.equal(await story.children(story.sun), []);
  }));

for (const by of ["moon", "sun"] as const)
  test(`a rekey by ${by} brings a token of its own`, () =>
    tell(detecting(), async (story) => {
      await established(story);
      await story[by].gateway.rekey(by === "moon" ? "moon-sun" : "sun-moon");
      // It may come before moon has the keys, and is sent again then.
      await story.pair.drive.run(5000);
      await story.sun.chassis.reset(0);
      await story.pair.drive.run(13_000);
      assert.ok(story.alerts(story.moon).includes(LOST));
      await story.mirrored(1);
      await story.flows([1]);
    }));

test("packets are lost, doubled and late", () =>
  tell(detecting({ seed: 2, cable: { lose: 0.2, duplicate: 0.2, reorder: 0.2 } }), async (story) => {
    await story.establish(120_000, 1);
    await story.sun.chassis.reset(0);
    const back = await story.pair.drive.until(() => story.alerts(story.moon).includes(LOST), 60_000);
    assert.ok(back, "the token arrives");
    assert.ok(await story.recovers(120_000, [1]));
  }));

/** moon's questions do not arrive; somebody else answers them. */
async function forged(story: Story, notifies: [number, Buffer][]): Promise<void> {
  const { moon, pair } = story;
  let forgeries = 0;
  story.pass = ({ packet, from }) => {
    const message = from === "a" ? ikeMessage(packet) : undefined;
    if (message?.[18] !== 37) return true;
    forgeries += 1;
    moon.chassis.receive("unprotected", plainAnswer(packet, message.subarray(8, 16), notifies));
    return false;
  };
  await pair.drive.run(20_000);
  story.pass = () => true;
  await pair.drive.run(10_000);
  assert.ok(forgeries > 0);
  assert.is(story.drop(moon, "ike_authentication") + story.drop(moon, "ike_malformed"), forgeries);
  assert.not(story.alerts(moon).includes(LOST));
  await story.mirrored(1);
  await story.flows([1]);
}

for (const [what, notifies] of [
  ["without a token", [[INVALID_IKE_SPI, Buffer.alloc(0)]]],
  [
    "with another token",
    [
      [INVALID_IKE_SPI, Buffer.alloc(0)],
      [QCD_TOKEN, Buffer.alloc(32, 7)],
    ],
  ],
  [
    "with a token of no octets",
    [
      [INVALID_IKE_SPI, Buffer.alloc(0)],
      [QCD_TOKEN, Buffer.alloc(0)],
    ],
  ],
  ["with a token alone", [[QCD_TOKEN, Buffer.alloc(32, 7)]]],
] as [string, [number, Buffer][]][])
  test(`an answer in the clear ${what} is as good as none`, () =>
    tell(detecting(), async (story) => {
      await established(story);
      await forged(story, notifies);
    }));

test("questions with SPIs of nobody's are answered so many a second, and no answer to an answer", () =>
  tell(detecting(), async (story) => {
    const { moon, sun, pair } = story;
    await established(story);
    let question: Uint8Array | undefined;
    story.pass = ({ packet, from }) => {
      if (from === "a" && ikeMessage(packet)?.[18] === 37) question ??= packet;
      return true;
    };
    await pair.drive.until(() => question !== undefined, 30_000);
    const packet = Buffer.from(question!);
    const at = packet.length - ikeMessage(packet)!.length;
    const answers = (): number =>
      story.seen.filter(({ packet, from }) => from === "b" && ikeMessage(packet)?.[16] === 41).length;
    for (let i = 0; i < 200; i++) {
      // SPIs and the checksum's place: none, as UDP over IPv4 may have.
      packet.writeUInt32BE(i + 1, at);
      packet.writeUInt32BE(i + 1, at + 8);
      packet.writeUInt16BE(0, 26);
      sun.chassis.receive("unprotected", packet.slice());
      if (i % 20 === 0) await pair.drive.run(1);
    }
    await pair.drive.run(500);
    assert.is(answers(), 64);
    packet[at + 19]! |= 0x20;
    await pair.drive.run(2000);
    sun.chassis.receive("unprotected", packet.slice());
    await pair.drive.run(500);
    assert.is(answers(), 64, "what is an answer itself gets none");
    assert.not(story.alerts(moon).includes(LOST));
    await story.flows([1]);
  }));

test.run();
