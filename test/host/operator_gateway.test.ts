/** A gateway as an operator meets it: commands that wait for their outcome, and a shutdown that tells the peer. Lockstep. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Pair } from "../../host/demo/pair.ts";
import { CommandError } from "../../host/operator/command_error.ts";
import { initiateAndWait, rekeyAndWait } from "../../host/operator/outcome.ts";

async function fails(promise: Promise<unknown>, message: RegExp): Promise<void> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, CommandError);
    assert.match((error as Error).message, message);
    return;
  }
  assert.unreachable(`'${message.source}' was expected`);
}

test("initiate, rekey, sas, shutdown: each is over when its promise is", async () => {
  const pair = new Pair();
  try {
    await pair.start();
    const { gateway } = pair.moon;
    const down = await gateway.sas();
    assert.equal(
      down.map(({ name, state }) => `${name} ${state}`),
      ["moon-sun DOWN"],
    );
    assert.equal(await initiateAndWait(gateway, "net-1", 10_000), { installed: ["net-1"] });
    assert.equal(await initiateAndWait(gateway, "moon-sun", 10_000), { installed: ["net-1", "net-2"] });
    // What is installed already is a success at once, without a second SA.
    assert.equal(await initiateAndWait(gateway, "net-2", 10_000), { installed: ["net-2"] });
    const [before] = await gateway.sas();
    assert.equal(before!["child-sas"].map(({ name, state }) => `${name} ${state}`).sort(), [
      "net-1 INSTALLED",
      "net-2 INSTALLED",
    ]);
    const spiOf = (name: string, sas = before!): string => sas["child-sas"].find((c) => c.name === name)!["spi-in"];
    assert.equal(await rekeyAndWait(gateway, "net-1", 10_000), { rekeyed: "net-1" });
    await pair.drive.run(1000);
    const [after] = await gateway.sas();
    assert.is.not(spiOf("net-1", after), spiOf("net-1"));
    assert.is(spiOf("net-2", after), spiOf("net-2"));
    assert.is(after!["initiator-spi"], before!["initiator-spi"]);
    assert.equal(await rekeyAndWait(gateway, "moon-sun", 10_000), { rekeyed: "moon-sun" });
    await pair.drive.run(1000);
    const [rekeyed] = await gateway.sas();
    assert.is.not(rekeyed!["initiator-spi"], before!["initiator-spi"]);
    assert.is(spiOf("net-1", rekeyed), spiOf("net-1", after));

    await gateway.shutdown();
    await pair.drive.run(1000);
    const [peer] = await pair.sun.gateway.sas();
    assert.is(peer!.state, "DOWN", "the peer was told");
  } finally {
    await pair.close();
  }
});

test("outcomes that fail say why, and names that do not exist are named", async () => {
  const pair = new Pair({ secret: { sun: "another secret" } });
  try {
    await pair.start();
    const { gateway } = pair.moon;
    await fails(initiateAndWait(gateway, "nothing", 5000), /^'nothing': no such connection or child$/);
    await fails(rekeyAndWait(gateway, "nothing", 5000), /^'nothing': no such connection or child$/);
    await fails(gateway.terminate("nothing"), /^'nothing': no such connection or child$/);
    await fails(initiateAndWait(gateway, "net-1", 10_000), /^'net-1': .*\(AUTHENTICATION_FAILED\)$/);
    const { failure } = (await gateway.connections())[0]!;
    assert.ok(failure.length > 0, "the failure stays with the connection");
    assert.match((await gateway.sas())[0]!.failure ?? "", failure);
  } finally {
    await pair.close();
  }
});

test("a peer that is silent: no outcome within the time, and the gateway goes on", async () => {
  const pair = new Pair({ cable: { lose: 1 } });
  try {
    await pair.start();
    await fails(initiateAndWait(pair.moon.gateway, "net-1", 1500), /^'net-1': no outcome within 1.5 s$/);
    assert.is((await pair.moon.gateway.connections()).length, 1);
  } finally {
    await pair.close();
  }
});

test("a reset of the IKE board: its connections are loaded again", async () => {
  const pair = new Pair();
  try {
    await pair.start();
    const { gateway, chassis } = pair.moon;
    await chassis.reset(chassis.ikeSlot);
    await pair.drive.run(200);
    assert.equal(
      (await gateway.connections()).map(({ name, children }) => `${name} ${children.join(" ")}`),
      ["moon-sun net-1 net-2"],
    );
    assert.equal(await initiateAndWait(gateway, "net-1", 10_000), { installed: ["net-1"] });
  } finally {
    await pair.close();
  }
});

test.run();
