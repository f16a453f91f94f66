/** Stories of peers by name: looked up anew for every attempt, and what a lookup that fails, or does not end, does. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { tell } from "./story.ts";

const SUN = "192.0.2.2";

test("a peer by name: looked up for each attempt, so that it is found where it is now", () => {
  const asked: string[] = [];
  // The address was wrong at first.
  const answers = [["192.0.2.77"], ["192.0.2.77"], [SUN]];
  const resolve = (name: string): Promise<string[]> => {
    asked.push(name);
    return Promise.resolve(answers[Math.min(asked.length, answers.length) - 1]!);
  };
  return tell(
    { peer: { moon: "sun.example" }, resolve, chassis: { retransmitMs: 200, retransmitTries: 2 } },
    async (story) => {
      await story.pair.drive.run(100);
      assert.equal(asked, ["sun.example"], "when it is loaded");
      await story.moon.gateway.initiate("net-1");
      await story.pair.drive.run(3000);
      assert.is(asked.length, 2);
      assert.equal(await story.children(story.moon), []);
      await story.moon.gateway.initiate("net-1");
      await story.pair.drive.run(3000);
      assert.is(asked.length, 3);
      await story.mirrored(1);
      await story.flows([1]);
    },
  );
});

test("a name that is not known is a failed attempt with its reason; with start_action it is made again until there is an address", () => {
  let known = false;
  const resolve = (): Promise<string[]> =>
    known
      ? Promise.resolve([SUN])
      : Promise.reject(Object.assign(new Error("queryA ENOTFOUND"), { code: "ENOTFOUND" }));
  return tell({ peer: { moon: "sun.example" }, resolve, child: { moon: "start_action = start" } }, async (story) => {
    await story.pair.drive.run(8000);
    assert.ok(story.alerts(story.moon).includes("sun.example: the name is not known"));
    const [status] = await story.moon.gateway.connections();
    assert.match(status!.failure, /no address is known/);
    known = true;
    // In steps: a virtual clock does not wait for an answer from outside of it.
    for (let second = 0; second < 40; second++) await story.pair.drive.run(1000);
    await story.mirrored(2);
    await story.flows();
  });
});

test("a lookup that does not end: the attempt fails after 10 s, and nothing waits for it; a late answer is for the next one", () => {
  let answer: (addresses: string[]) => void = () => undefined;
  const resolve = (): Promise<string[]> => new Promise((done) => (answer = done));
  return tell({ peer: { moon: "sun.example" }, resolve }, async (story) => {
    await story.moon.gateway.initiate("net-1");
    await story.pair.drive.run(9000);
    assert.is((await story.moon.gateway.sas())[0]!.state, "CONNECTING");
    await story.pair.drive.run(2000);
    assert.ok(story.alerts(story.moon).includes("the peer's name was not looked up in time"));
    answer([SUN]);
    await story.pair.drive.run(1000);
    assert.equal(await story.children(story.moon), []);
  });
});

test("as responder: the peer is the one by name, from where the last lookup has it", () => {
  let address = "192.0.2.77";
  return tell({ peer: { sun: "moon.example" }, resolve: () => Promise.resolve([address]) }, async (story) => {
    await story.pair.drive.run(100);
    await story.moon.gateway.initiate("net-1");
    await story.pair.drive.run(1000);
    assert.ok(story.drop(story.sun, "ike_no_connection") > 0, "from another address than its name's it is a stranger");
    assert.equal(await story.children(story.sun), []);
    await story.moon.gateway.terminate();
    address = "192.0.2.1";
    // An attempt of sun's own looks it up.
    await story.sun.gateway.initiate("net-1");
    await story.pair.drive.run(3000);
    await story.mirrored(1);
    await story.moon.gateway.terminate();
    await story.pair.drive.run(1000);
    await story.moon.gateway.initiate("net-2");
    await story.pair.drive.run(3000);
    await story.mirrored(1);
  });
});

test.run();
