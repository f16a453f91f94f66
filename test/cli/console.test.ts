/** Consoles of boards: what they write, in words, to whoever follows it; none takes another's lines away. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { renderConsoleLine } from "../../host/cli/render.ts";
import { type ConsoleLine, Consoles } from "../../host/operator/consoles.ts";
import { Commands } from "../../host/operator/commands.ts";
import type { BoardStep } from "../../host/operator/steps.ts";
import type { TraceEntry } from "../../host/chassis/console.ts";
import { traceName } from "../../host/chassis/vocabulary.ts";
import { entryText } from "../../host/operator/step_text.ts";
import * as trace from "../../assembly/abi/trace.ts";
import { tell } from "../system/story.ts";

/** Waits for what comes by a timer of the host. */
async function until(condition: () => boolean, run: () => Promise<void>): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 300, "it never came");
    await new Promise((resolve) => setTimeout(resolve, 20));
    await run();
  }
}

test("every event of the contract has words", () => {
  const events = Object.entries(trace).filter(([name]) => /^(STEP_|TRACE_(BOARD|SELF|IKE|BYPASSED))/.test(name));
  assert.ok(events.length > 25);
  for (const [name, event] of events) {
    const entry = {
      slot: 1,
      now: 0n,
      order: 0,
      event: Number(event),
      name: traceName(Number(event)),
      a: 1,
      b: 1,
      c: 1,
      d: 1,
    };
    assert.ok((entryText(entry) ?? "").length > 8, name);
  }
});

test("a console, another with packets, and the steps of a negotiation at once: each has all that it asks for", () =>
  tell({ chassis: { faults: true } }, async (story) => {
    const { gateway, chassis } = story.moon;
    const commands = new Commands(gateway, {});
    const [ike, ipsec, packets]: ConsoleLine[][] = [[], [], []];
    const steps: BoardStep[] = [];
    const into =
      <T>(list: T[]) =>
      (told: object) =>
        void list.push(Object.values(told)[0] as T);
    const run = (): Promise<void> => story.pair.drive.run(50);
    const ends = [
      commands.follow("console", { slot: 0 }, into(ike!)),
      commands.follow("console", { slot: 1 }, into(ipsec!)),
      commands.follow("steps", {}, into(steps)),
    ];
    await story.establish();
    await until(() => ike!.some(({ event }) => event === "S404"), run);
    assert.ok(ike!.some(({ event, text }) => event === "ike_sent" && /^sends IKE_AUTH request/.test(text)));
    assert.ok(ike!.some(({ text }) => text.endsWith("CONNECTING > ESTABLISHED")));
    assert.ok(ike!.every(({ slot, missed, words }) => slot === 0 && missed === 0 && words?.length === 4));
    const negotiated = (event: string): boolean => /^(S[45]|ike_(sent|received))/.test(event);
    assert.equal(
      ike!.filter(({ event }) => negotiated(event)).map(({ event, text }) => `${event} ${text}`),
      steps.filter(({ slot }) => slot === 0).map(({ step, text }) => `${step} ${text}`),
    );
    assert.ok(steps.length > 10);

    // Packets' steps go to whom they are for alone, and are written while somebody wants them.
    const end = commands.follow("console", { slot: 1, packets: true }, into(packets!));
    const before = ipsec!.length;
    await story.flows();
    await until(() => packets!.some(({ event }) => event === "S706"), run);
    end();
    assert.not.ok([...ike!, ...ipsec!.slice(before)].some(({ event }) => /^S[67]/.test(event)));
    const seen = packets!.length;
    await story.flows();
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.is(packets!.length, seen);

    // A board that goes and comes back: the chassis's words, and the new generation's first ones.
    const { generation } = chassis.show().slots.find(({ slot }) => slot === 1)!;
    await chassis.reset(1);
    await until(() => ipsec!.some(({ event }) => event === "self_test"), run);
    const lines = ipsec!.slice(before).map(renderConsoleLine).join("");
    assert.match(lines, new RegExp(`\\] down  generation ${generation} down: `));
    assert.match(lines, new RegExp(`\\] board_reset  comes out of reset, generation ${generation + 1}\\n`));
    assert.match(lines, /\] self_test {2}self-test passed\n/);
    assert.match(lines, new RegExp(`\\] up  generation ${generation + 1} up\\n`));
    for (const stop of ends) stop();
  }));

test("more than a console takes: the newest, and how many are missing", async () => {
  const entries: TraceEntry[] = Array.from({ length: 1500 }, (_, order) => {
    const slot = order % 3 === 0 ? 2 : 1;
    return { slot, now: BigInt(order), order, event: 701, name: "S701", a: 0, b: 0, c: order, d: 0 };
  });
  const masks: number[] = [];
  let lost = 5;
  const waiting = [entries.slice(0, 30), [], entries];
  const chassis = {
    trace: (mask: number) => void masks.push(mask),
    readTrace: () => waiting.shift() ?? [],
    traceLost: (slot?: number) => (slot === 1 ? lost : 1000),
    onBoard: () => () => undefined,
  };
  const lines: ConsoleLine[] = [];
  const end = new Consoles(chassis as never).follow({ slot: 1, packets: true }, (line) => lines.push(line));
  lost += 7;
  await until(
    () => lines.length > 0,
    () => Promise.resolve(),
  );
  end();
  // 30 lay there before it began; 1000 are of this slot.
  assert.is(lines.length, 1000);
  assert.is(lines[0]!.missed, 7);
  assert.ok(lines.slice(1).every(({ missed, slot }) => missed === 0 && slot === 1));
  assert.is(lines.at(-1)!.words![2], 1499);
  assert.match(renderConsoleLine(lines[0]!), /^7 entries before the next one are not told\n\[/);
  assert.is(masks.at(-1), 0, "with nobody there, boards write nothing");

  waiting.push([], [...entries, ...entries]);
  const more: ConsoleLine[] = [];
  const stop = new Consoles(chassis as never).follow({ slot: 1, packets: true }, (line) => more.push(line));
  await until(
    () => more.length > 0,
    () => Promise.resolve(),
  );
  stop();
  assert.is(more.length, 1000);
  assert.is(more[0]!.missed, 1000);
});

test("numbers where there are no words", () => {
  const line = {
    at: 1.5,
    slot: 1,
    event: "event_99",
    text: "",
    words: [255, 1, 2, 3] as [number, number, number, number],
    missed: 0,
  };
  assert.is(renderConsoleLine(line), "[1.500000] event_99  ff 1 2 3\n");
});

test.run();
