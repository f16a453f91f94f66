/** `trace` of live packets in stories: each is told once, and what is told is what became of it; nothing is changed by looking. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { PacketTrace, type TracedPacket } from "../../host/operator/trace.ts";
import { parseTraceFilter } from "../../host/operator/trace_filter.ts";
import type { Site } from "../../host/demo/pair.ts";
import { type Story, tell } from "./story.ts";

function traced(site: Site, words = ""): { packets: TracedPacket[]; trace: PacketTrace } {
  const packets: TracedPacket[] = [];
  const trace = new PacketTrace(site.gateway, parseTraceFilter(words.split(" ")), (packet) => packets.push(packet));
  return { packets, trace };
}

/** Time passes, and what is told of it has been heard. */
async function pass(story: Story, milliseconds: number): Promise<void> {
  await story.pair.drive.run(milliseconds);
  await new Promise((resolve) => setImmediate(resolve));
}

const dropped = (story: Story, site: Site): number =>
  Object.values(site.chassis.show().drops).reduce((a, b) => a + b, 0);

test("outbound and inbound: delivered, by the SA and the slot that they went by", () =>
  tell({}, async (story) => {
    await story.establish();
    const out = traced(story.moon, "dst net 10.2.1.0/24");
    const into = traced(story.sun, "from unprotected dst net 10.2.0.0/16");
    const udp = traced(story.moon, "udp dst port 7");
    const other = traced(story.moon, "net 10.9.0.0/16");
    for (let i = 0; i < 6; i++) {
      story.send(story.moon, 1, 100);
      await pass(story, 10);
    }
    await pass(story, 100);
    story.account({ whole: true });
    const [child] = (await story.children(story.moon)).filter(({ name }) => name === "net-1");
    assert.is(out.packets.length, 6);
    assert.is(into.packets.length, 6, "though only what is inside goes there");
    assert.is(udp.packets.length, 2, "TCP, ICMP and UDP take turns");
    assert.equal(other.packets, []);
    out.packets.forEach(({ missed, explanation }, i) => {
      assert.is(missed, 0);
      assert.is(explanation.verdict, "delivered");
      assert.is(explanation.slot, child!.slot);
      assert.is(explanation.sa!.spi, child!["spi-out"]);
      assert.is(explanation.sa!.sequence, String(i + 1), "the number that it got");
    });
    into.packets.forEach(({ explanation }, i) => {
      assert.is(explanation.verdict, "delivered", "and no replay: it was asked about before it was opened");
      assert.is(explanation.sa!.spi, child!["spi-out"]);
      assert.is(explanation.sa!.sequence, String(i + 1));
    });
    // Once stopped it costs and tells nothing.
    out.trace.stop();
    into.trace.stop();
    story.send(story.moon, 1, 100);
    await pass(story, 100);
    assert.is(out.packets.length, 6);
    story.account({ whole: true });
  }));

test("dropped ones, for the reason that is then counted; a duplicate is a replay only the second time", () =>
  tell({}, async (story) => {
    await story.establish();
    const drops = traced(story.sun, "dropped");
    const before = dropped(story, story.sun);
    const seen: Uint8Array[] = [];
    story.pass = ({ kind, packet }) => {
      if (kind === "esp" && seen.length === 0) seen.push(packet.slice());
      return true;
    };
    story.send(story.moon, 1, 100);
    await pass(story, 100);
    assert.equal(drops.packets, []);
    assert.is(seen.length, 1);
    const again = seen[0]!;
    story.sun.chassis.receive("unprotected", again.slice());
    const bent = again.slice();
    bent[bent.length - 1]! ^= 1;
    bent[27]! += 1; // another sequence number
    story.sun.chassis.receive("unprotected", bent);
    story.sun.chassis.receive("unprotected", new Uint8Array(40));
    await pass(story, 100);
    assert.equal(
      drops.packets.map(({ explanation }) => explanation.reason),
      ["replay", "icv", "ip_malformed"],
    );
    assert.is(dropped(story, story.sun) - before, 3);
    for (const { explanation } of drops.packets) assert.ok(explanation.do);
  }));

test("more at once than are asked about: the others are counted, and all of them arrive", () =>
  tell({}, async (story) => {
    await story.establish();
    const all = traced(story.moon, "from protected");
    for (let i = 0; i < 40; i++) story.send(story.moon, 1, 100);
    await pass(story, 200);
    story.send(story.moon, 1, 100);
    await pass(story, 200);
    story.account({ whole: true });
    const missed = all.packets.reduce((sum, packet) => sum + packet.missed, 0);
    assert.ok(missed > 0);
    assert.is(all.packets.length + missed, 41);
  }));

test("the only board is gone: told as offline, and nothing hangs", () =>
  tell({ boards: 1 }, async (story) => {
    await story.establish();
    const [child] = (await story.children(story.moon)).filter(({ name }) => name === "net-1");
    const all = traced(story.moon, "from protected");
    await story.moon.chassis.offline(child!.slot!);
    story.send(story.moon, 1, 100);
    await pass(story, 6000);
    assert.equal(
      all.packets.map(({ explanation: { verdict, reason } }) => [verdict, reason]),
      [["dropped", "board_offline"]],
    );
  }));

test.run();
