/**
 * `cardcage image` and `cardcage flash`: from a module to a chassis that boots it, offline and by the control socket; exit codes; and that
 * nothing of a private key is ever shown.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fitsOf, type SlotPlan } from "../../host/chassis/chassis.ts";
import { Lockstep } from "../../host/chassis/drive/lockstep.ts";
import { ChassisDirectory } from "../../host/chassis/flash/directory.ts";
import { Flash } from "../../host/chassis/flash/flash.ts";
import { main } from "../../host/cli/cardcage.ts";
import { loadConfigurationText } from "../../host/operator/configuration/configuration.ts";
import { ControlServer } from "../../host/operator/control.ts";
import { Gateway, type GatewayEvent } from "../../host/operator/gateway.ts";
import { readPublicKey } from "../../host/image/signature.ts";
import { boardModule } from "./signed_images.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const EXAMPLE = readFileSync(join(ROOT, "examples/net-net.conf"), "utf8");
const directory = mkdtempSync(join(tmpdir(), "cardcage-image-"));
const at = (name: string): string => join(directory, name);
/** Everything that was printed. */
let said = "";

process.chdir(directory);
test.after(() => {
  process.chdir(ROOT);
  rmSync(directory, { recursive: true });
});

interface Finished {
  code: number | null;
  out: string;
  err: string;
}

/** Runs a command in this process, and takes what it prints. */
async function cardcage(...words: string[]): Promise<Finished> {
  const finished: Finished = { code: null, out: "", err: "" };
  const [out, err] = [process.stdout.write, process.stderr.write];
  const take = (where: "out" | "err") => ((chunk: string) => ((finished[where] += chunk), true)) as typeof out;
  process.stdout.write = take("out");
  process.stderr.write = take("err");
  try {
    finished.code = await main(words);
  } finally {
    process.stdout.write = out;
    process.stderr.write = err;
  }
  said += finished.out + finished.err;
  return finished;
}

/** A command that has to succeed; what it printed. */
async function done(...words: string[]): Promise<string> {
  const { code, out, err } = await cardcage(...words);
  assert.is(code, 0, `${words.join(" ")}: ${err}${out}`);
  return out;
}

const json = async (...words: string[]): Promise<any> => JSON.parse(await done(...words, "--json"));

/** The name that an image is refused by, with exit code 1. */
async function refused(...words: string[]): Promise<string> {
  const { code, out } = await cardcage(...words, "--json");
  assert.is(code, 1, words.join(" "));
  const answer = JSON.parse(out) as { ok: boolean; reason: string; message: string };
  assert.is(answer.ok, false);
  assert.ok(answer.message.startsWith(`${answer.reason}: `));
  return answer.reason;
}

for (const [board, version] of [
  ["ike", "1.0.0"],
  ["ipsec", "1.0.0"],
  ["ipsec", "2.0.0"],
] as const) {
  writeFileSync(at(`${board}-${version}.wasm`), await boardModule({ board, version }));
}

test("keygen makes a pair once; the private key is its owner's alone", async () => {
  const { key } = await json("image", "keygen", "release");
  assert.match(key, /^[0-9a-f]{16}$/);
  assert.is(statSync(at("release")).mode & 0o777, 0o600);
  assert.match(readFileSync(at("release.pub"), "utf8"), /BEGIN PUBLIC KEY/);
  const again = await cardcage("image", "keygen", "release");
  assert.is(again.code, 2);
  assert.match(again.err, "is there already");
  await done("image", "keygen", "stranger");
});

test("build, sign, info, verify", async () => {
  const built = await done(
    "image",
    "build",
    "ipsec-1.cci",
    "ipsec-1.0.0.wasm",
    "--depends",
    "ike>=1.0.0",
    "--security-counter",
    "3",
  );
  assert.match(built, /ipsec 1\.0\.0, \d+ octets, unsigned/);
  assert.is(await refused("image", "verify", "ipsec-1.cci", "--key", "release.pub"), "unsigned");
  assert.is((await json("image", "info", "ipsec-1.cci")).key, null);
  const { key } = await json("image", "sign", "ipsec-1.cci", "--signing-key", "release");
  const info = await json("image", "info", "ipsec-1.cci");
  assert.equal(
    [
      info.kind,
      info.name,
      info.boardClass,
      info.build,
      info.version,
      info.securityCounter,
      info.dependencies,
      info.key,
    ],
    ["image", "ipsec", "ipsec", "base", "1.0.0", 3, [{ boardClass: "ike", version: "1.0.0" }], key],
  );
  assert.match(await done("image", "info", "ipsec-1.cci"), /security counter  3\n/);
  assert.match(
    await done("image", "verify", "ipsec-1.cci", "--key", "stranger.pub", "--key", "release.pub"),
    `signed with key ${key}`,
  );
  assert.is(await refused("image", "verify", "ipsec-1.cci", "--key", "stranger.pub"), "unknown_key");
  const octets = readFileSync(at("ipsec-1.cci"));
  octets[500]! ^= 1;
  writeFileSync(at("flipped.cci"), octets);
  assert.is(await refused("image", "verify", "flipped.cci", "--key", "release.pub"), "digest_mismatch");
  assert.is(await refused("image", "info", "flipped.cci"), "digest_mismatch");
  const text = await cardcage("image", "verify", "flipped.cci", "--key", "release.pub");
  assert.equal([text.code, text.out], [1, ""]);
  assert.match(text.err, /^flipped\.cci: digest_mismatch: /);
});

test("wrong words and files are 2, and nothing is written", async () => {
  const before = readdirSync(directory).sort();
  chmodSync(at("stranger"), 0o640);
  chmodSync(at("stranger.pub"), 0o600);
  const wrong: [RegExp, ...string[]][] = [
    [/ENOENT/, "image", "info", "nothing.cci"],
    [/--key names/, "image", "verify", "ipsec-1.cci"],
    [/is a private key/, "image", "verify", "ipsec-1.cci", "--key", "release"],
    [/no public key/, "image", "verify", "ipsec-1.cci", "--key", "ipsec-1.cci"],
    [/no private key/, "image", "sign", "ipsec-1.cci", "--signing-key", "stranger.pub"],
    [/others may read it/, "image", "sign", "ipsec-1.cci", "--signing-key", "stranger"],
    [/is no version/, "image", "build", "x.cci", "ipsec-1.0.0.wasm", "--image-version", "one"],
    [/a number from 0/, "image", "build", "x.cci", "ipsec-1.0.0.wasm", "--security-counter", "-1"],
    [/is not like/, "image", "build", "x.cci", "ipsec-1.0.0.wasm", "--depends", "ike"],
    [/of one .wasm/, "image", "build", "x.bin", "ipsec-1.0.0.wasm"],
    [/--image-version/, "image", "build", "x.ccm", "ipsec-1.cci"],
    [/flash N FILE/, "flash", "1"],
    [/--test or --confirm/, "flash", "1", "ipsec-1.cci", "--test", "--confirm"],
    [/Allowed choices are A, B/, "flash", "1", "ipsec-1.cci", "--slot", "C"],
    [/no such directory/, "image", "list", "--flash", "nowhere"],
    [/from 0 to 63/, "flash", "64", "ipsec-1.cci", "--flash", ".", "--key", "release.pub"],
  ];
  for (const [why, ...words] of wrong) {
    const { code, out, err } = await cardcage(...words);
    assert.is(code, 2, `${words.join(" ")}: ${err}`);
    assert.is(out, "");
    assert.match(err, why);
  }
  chmodSync(at("stranger"), 0o600);
  rmSync(at("lock"), { force: true });
  assert.equal(readdirSync(directory).sort(), before);
  const none = await cardcage("image", "list", "--socket", at("none.sock"));
  assert.is(none.code, 3);
});

/** The example, booting from flash. */
function configured(extra = "flash = chassis\n image_keys = release.pub"): string {
  const text = EXAMPLE.replace(/^chassis \{/m, `chassis {\n ${extra}`);
  assert.is.not(text, EXAMPLE);
  return text;
}

test("a release for a chassis: a set of images, flashed, booted, and one board tested", async () => {
  writeFileSync(at("gw.conf"), configured());
  await done("check", "gw.conf");
  for (const [name, module, counter] of [
    ["ike-1.cci", "ike-1.0.0.wasm", "3"],
    ["ipsec-2.cci", "ipsec-2.0.0.wasm", "4"],
  ] as const) {
    await done("image", "build", name, module, "--security-counter", counter);
    await done("image", "sign", name, "--signing-key", "release");
  }
  await done("image", "build", "release.ccm", "ike-1.cci", "ipsec-1.cci", "--image-version", "1.0.0");
  assert.is(await refused("flash", "--set", "release.ccm", "--config", "gw.conf", "--confirm"), "unsigned");
  await done("image", "sign", "release.ccm", "--signing-key", "release");
  assert.match(await done("image", "info", "release.ccm"), "every slot of its class");
  assert.match(await done("image", "verify", "release.ccm", "--key", "release.pub"), "ok, signed");
  assert.is(await refused("flash", "1", "ipsec-1.cci", "--config", "gw.conf", "--confirm"), "dependency_unmet");
  assert.match(
    await done("flash", "--set", "release.ccm", "--config", "gw.conf", "--confirm"),
    "boots with the next reset",
  );
  const { slots, trial } = await json("image", "list", "--config", "gw.conf");
  assert.is(trial, "none");
  assert.equal(
    slots.map(({ slot, boardClass, confirmed, A, B, securityCounter }: any) => [
      slot,
      boardClass,
      confirmed,
      A.version,
      B,
      securityCounter,
    ]),
    [
      [0, "ike", "A", "1.0.0", null, 3],
      [1, "ipsec", "A", "1.0.0", null, 3],
      [2, "ipsec", "A", "1.0.0", null, 3],
    ],
  );
  assert.is(await refused("flash", "0", "ipsec-2.cci", "--config", "gw.conf"), "wrong_class");
  assert.is(await refused("flash", "1", "ipsec-2.cci", "--config", "gw.conf", "--slot", "A"), "bank_in_use");
  assert.is(await refused("flash", "9", "ipsec-2.cci", "--config", "gw.conf"), "no_slot");
  assert.is(await refused("flash", "1", "ipsec-2.cci", "--flash", "chassis", "--key", "stranger.pub"), "unknown_key");
  assert.is(await refused("image", "confirm", "--flash", "chassis"), "no_test");
  assert.match(await done("flash", "1", "ipsec-2.cci", "--config", "gw.conf"), "does not boot");
  assert.match(await done("image", "test", "1", "--config", "gw.conf"), "to be tested with the next reset");
  assert.match(await done("image", "list", "--flash", "chassis"), /B +2\.0\.0 +4 +to be tested\n/);
  assert.match(await done("image", "revert", "--flash", "chassis"), "reverted: slot 1");
  writeFileSync(at("small.conf"), configured("flash = chassis\n image_keys = release.pub\n slot_ram = 1m"));
  assert.is(await refused("flash", "1", "ipsec-2.cci", "--config", "small.conf"), "ram_need");
});

test("a file that is not the one that the set names, and one that a set may not name", async () => {
  mkdirSync(at("other"));
  for (const name of ["release.ccm", "ike-1.cci"]) copyFileSync(at(name), at(`other/${name}`));
  copyFileSync(at("ipsec-2.cci"), at("other/ipsec-1.cci"));
  assert.is(await refused("image", "verify", "other/release.ccm", "--key", "release.pub"), "set_mismatch");
  assert.is(await refused("flash", "--set", "other/release.ccm", "--config", "gw.conf"), "set_mismatch");
  const away = await cardcage("image", "build", "other.ccm", "other/ike-1.cci", "--image-version", "1.0.0");
  assert.is(away.code, 2);
  assert.match(away.err, "lie beside it");
});

test("settings that cannot be are named with their line", () => {
  const messages = (extra: string): string => {
    const loaded = loadConfigurationText(configured(extra), "gw.conf", directory);
    return "errors" in loaded ? loaded.errors.map(({ line, message }) => `${line}: ${message}`).join("\n") : "ok";
  };
  assert.is(messages("flash = chassis\n image_keys = release.pub, stranger.pub\n slot_ram = 512m"), "ok");
  const line = EXAMPLE.slice(0, EXAMPLE.indexOf("\nchassis {")).split("\n").length + 2;
  assert.match(messages("flash = chassis"), `${line}: image_keys has to name`);
  assert.match(messages("image_keys = release.pub"), `${line}: image_keys is about images in flash`);
  assert.match(messages("flash = chassis\n image_keys = release"), /image_keys: .*release: is a private key/);
  assert.match(messages("flash = chassis\n image_keys = nothing.pub"), /nothing\.pub: ENOENT/);
  assert.match(messages("flash = chassis\n image_keys = release.pub\n slot_ram = 9g"), "slot_ram is 64k to 4g");
});

test("a gateway that runs: its directory is its own, and its socket takes images", async () => {
  const device = new ChassisDirectory(at("chassis"));
  const key = readPublicKey(at("release.pub"));
  const plans: SlotPlan[] = [
    { slot: 0, board: "ike" },
    { slot: 1, board: "ipsec" },
    { slot: 2, board: "ipsec" },
  ];
  const flash = await Flash.open(device, { trusted: [key], slots: fitsOf({ slots: plans }, 4096) });
  const drive = new Lockstep();
  const gateway = new Gateway({
    drive,
    link: "ethernet",
    slots: plans,
    connections: [],
    secrets: [],
    firmware: { flash, boot: await flash.boot() },
    imageKeys: [key],
  });
  const events: GatewayEvent[] = [];
  gateway.onEvent((event) => events.push(event));
  await gateway.chassis.powerOn();
  const control = await ControlServer.listen(at("control.sock"), gateway);
  const socket = ["--socket", at("control.sock")];
  try {
    const taken = await cardcage("image", "list", "--config", "gw.conf");
    assert.is(taken.code, 1);
    assert.match(taken.err, "another process has this chassis directory");

    assert.match(
      await done("flash", "1", "ipsec-2.cci", "--confirm", "--watch", "1", ...socket),
      /2\.0\.0 in bank B\nconfirmed\n/,
    );
    assert.match(await done("boards", ...socket), /1 +ipsec +Online +OK +A 1\.0\.0, B\* 2\.0\.0 /);
    assert.equal(
      events.flatMap((event) => ("bank" in event ? [`${event.slot} ${event.version} ${event.state}`] : [])),
      ["1 2.0.0 flashed", "1 2.0.0 testing", "1 2.0.0 confirmed"],
    );
    const late = await cardcage("flash", "1", "ipsec-1.cci", "--test", ...socket);
    assert.is(late.code, 1);
    assert.match(late.err, "security_counter: ");

    assert.match(await done("flash", "2", "ipsec-2.cci", "--test", ...socket), "under test");
    assert.match(await done("boards", ...socket), /2 +ipsec +Online +OK +A 1\.0\.0, B\* 2\.0\.0\? /);
    assert.match(await done("image", "list", ...socket), /B +2\.0\.0 +4 +under test\n/);
    assert.match(await done("image", "revert", ...socket), "reverted: slot 2");
    assert.match(await done("boards", ...socket), /2 +ipsec +Online +OK +A\* 1\.0\.0, B 2\.0\.0 /);
    assert.match(await done("image", "test", "2", ...socket), "under test");
    assert.match(await done("image", "confirm", ...socket), "confirmed: slot 2");
    assert.is((await cardcage("image", "confirm", ...socket)).code, 1);

    const set = await cardcage("flash", "--set", "release.ccm", "--test", ...socket);
    assert.is(set.code, 1);
    assert.match(set.err, "security_counter: ");
    assert.is((await cardcage("flash", "7", "ipsec-2.cci", ...socket)).code, 1);
  } finally {
    await control.close();
    await gateway.close();
    device.close();
  }
  assert.match(await done("image", "list", "--config", "gw.conf"), /2 +ipsec +A .*\n +B +2\.0\.0 +4 +boots\n/);
});

test("nothing of a private key was shown", () => {
  for (const name of ["release", "stranger"]) {
    const body = readFileSync(at(name), "utf8")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("-----"));
    assert.is(body.length, 1);
    assert.ok(said.length > 1000);
    assert.not(said.includes(body[0]!.slice(16)));
    assert.not(said.includes("PRIVATE"));
    for (const file of readdirSync(directory).filter((other) => other.startsWith("i") || other.endsWith(".ccm"))) {
      assert.not(readFileSync(at(file), "latin1").includes(body[0]!.slice(16)), file);
    }
  }
});

test.run();
