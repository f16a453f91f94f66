/** A capture of a gateway, read by tshark: every interface, every packet in its order and octet for octet, with its verdict. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MANAGEMENT_KEYS_FOLLOW, RESULT_UNSUPPORTED } from "../../assembly/abi/management.ts";
import type { LinkKind } from "../../host/chassis/backplane.ts";
import { packetOfWords } from "../../host/cli/packet.ts";
import { capturedPacket } from "../../host/cli/pcap.ts";
import { Capture } from "../../host/operator/capture.ts";
import { ControlServer } from "../../host/operator/control.ts";
import { type RefusedError, request } from "../../host/operator/control_client.ts";
import { decodeMessage, encodeMessage, type ManagementMessage } from "../../host/operator/management.ts";
import { type Story, tell } from "../system/story.ts";

const directory = mkdtempSync(join(tmpdir(), "cardcage-capture-"));
let files = 0;
const newFile = (): string => join(directory, `${++files}.pcapng`);
test.after(() => rmSync(directory, { recursive: true }));

interface Frame {
  interface: string;
  encapsulation: string;
  time: number;
  comment: string;
  protocols: string;
  fcs: string;
  vc: string;
}

/** What tshark sees. */
function tshark(file: string): Frame[] {
  const fields = ["frame.interface_name", "frame.encap_type", "frame.time_epoch", "frame.comment", "frame.protocols"];
  const more = ["eth.fcs.status", "atm.vci"];
  const { stdout, stderr, status, error } = spawnSync(
    "tshark",
    [
      ...["-r", file, "-n", "-T", "fields", "-E", "separator=|", "-o", "eth.check_fcs:TRUE"],
      ...[...fields, ...more].flatMap((field) => ["-e", field]),
    ],
    { encoding: "utf8", maxBuffer: 64 << 20, timeout: 120_000 },
  );
  if (error) throw new Error(`tshark has to be installed: ${error.message}`);
  assert.is(status, 0, stderr);
  assert.not.match(stderr, /malformed|cut short|damaged/i);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [name, encapsulation, time, comment, protocols, fcs, vc] = line.split("|");
      return {
        interface: name!,
        encapsulation: encapsulation!,
        time: Number(time),
        comment: comment!,
        protocols: protocols!,
        fcs: fcs!,
        vc: vc!,
      };
    });
}

/** Time passes, and what the boards answered has been heard. */
async function pass(story: Story, milliseconds: number): Promise<void> {
  await story.pair.drive.run(milliseconds);
  await new Promise((resolve) => setImmediate(resolve));
}

const of = (frames: readonly Frame[], name: string, comment = /./): Frame[] =>
  frames.filter((frame) => frame.interface === name && comment.test(frame.comment));

/** Negotiates and sends while moon is captured. */
async function captured(
  link: LinkKind,
  more: (story: Story) => Promise<void>,
): Promise<{ file: string; frames: Frame[] }> {
  const file = newFile();
  await tell({ links: { moon: link, sun: "ethernet" } }, async (story) => {
    const capture = new Capture(story.moon.gateway, file);
    await story.establish();
    await more(story);
    await pass(story, 200);
    const { running, packets, octets, missed } = capture.stop();
    assert.equal([running, missed], [false, 0]);
    assert.is(octets, statSync(file).size);
    assert.is(statSync(file).mode & 0o777, 0o600);
    assert.is(tshark(file).length, packets);
    await story.flows();
    assert.is(statSync(file).size, octets, "behind its end nothing is written");
  });
  return { file, frames: tshark(file) };
}

/** One packet each way through net 1, and one that no policy covers. */
async function traffic(story: Story): Promise<void> {
  story.send(story.moon, 1, 200, "udp");
  await pass(story, 50);
  story.send(story.sun, 1, 300, "udp");
  await pass(story, 50);
  story.account({ whole: true });
  story.moon.chassis.receive("protected", strayPacket());
  await pass(story, 50);
}

const strayPacket = (): Uint8Array => packetOfWords(undefined, { src: "9.9.9.9", dst: "8.8.8.8", dport: "53" });

test("Ethernet: NICs and backplane, IKE and ESP, verdicts, times that do not go back", async () => {
  const { file, frames } = await captured("ethernet", traffic);
  assert.equal([...new Set(frames.map((frame) => frame.interface))].sort(), ["backplane", "protected", "unprotected"]);
  const outer = of(frames, "unprotected");
  assert.ok(
    outer.every(({ encapsulation }) => encapsulation === "7"),
    "raw IP",
  );
  assert.ok(outer.filter(({ protocols }) => /isakmp/.test(protocols)).length >= 4, "IKE_SA_INIT and IKE_AUTH");
  assert.is(outer.filter(({ protocols }) => /:esp/.test(protocols)).length, 2);
  assert.is(of(frames, "unprotected", /: delivered .*child net-1 of moon-sun, slot \d, SPI [0-9a-f]{8}/).length, 1);
  assert.is(of(frames, "unprotected", /^sent by slot [12]$/).length, 1, "sealed and sent by its board itself");
  assert.ok(of(frames, "unprotected", /^sent by slot 0$/).length >= 2, "IKE is the IKE board's");
  assert.is(of(frames, "protected", /: delivered .*child net-1/).length, 1);
  assert.is(of(frames, "protected", /: dropped: no_policy/).length, 1);
  assert.is(of(frames, "protected", /^sent by slot [12]$/).length, 1);
  const inner = of(frames, "backplane");
  assert.ok(inner.length >= 6);
  assert.ok(
    inner.every(({ fcs }) => fcs === "1"),
    "every frame check sequence is good",
  );
  assert.ok(inner.every(({ comment }) => /^slot (0 > slot [12]|[12] > slot 0)$/.test(comment)));
  const nics = frames.filter((frame) => frame.interface !== "backplane");
  assert.ok(nics.every(({ time }, i) => i === 0 || time >= nics[i - 1]!.time));
  // The gateway's own reader of captures, of cardcage explain, agrees.
  const at = frames.findIndex(({ interface: name, comment }) => name === "protected" && /dropped/.test(comment));
  assert.equal(Buffer.from(capturedPacket(readFileSync(file), at + 1)), Buffer.from(strayPacket()));
});

for (const link of ["atm", "atm-cell"] as const)
  test(`${link}: an interface for every VC, its payload as SunATM`, async () => {
    const { frames } = await captured(link, traffic);
    const names = [...new Set(frames.map((frame) => frame.interface))].sort();
    assert.equal(names, ["atm 0/33", "atm 0/34", "protected", "unprotected"]);
    for (const name of ["atm 0/33", "atm 0/34"]) {
      const own = of(frames, name);
      assert.ok(own.length > 0, name);
      assert.ok(
        own.every(({ encapsulation, vc }) => encapsulation === "13" && `atm 0/${vc}` === name),
        name,
      );
      assert.ok(
        own.every(({ protocols }) => /atm:.*llc/.test(protocols)),
        own[0]?.protocols,
      );
    }
    const slot = /slot (\d)/.exec(of(frames, "protected", /delivered/)[0]!.comment)![1];
    assert.ok(
      of(frames, `atm 0/${32 + Number(slot)}`, /^slot 0 > slot/).some(({ protocols }) => /:ip:/.test(protocols)),
    );
  });

/** What tshark opens of a capture with the keys of a directory: of each ESP packet whether its ICV is good, and the ports inside. */
function opened(file: string, keys: string): string[] {
  const preferences = ["esp.enable_encryption_decode:TRUE", "esp.enable_authentication_check:TRUE"];
  const { stdout, stderr, status } = spawnSync(
    "tshark",
    [
      ...["-r", file, "-n", "-Y", 'esp && frame.interface_name == "unprotected"', "-T", "fields", "-E", "separator=|"],
      ...preferences.flatMap((preference) => ["-o", preference]),
      ...["esp.icv_good", "udp.srcport", "udp.dstport"].flatMap((field) => ["-e", field]),
    ],
    { encoding: "utf8", timeout: 120_000, env: { ...process.env, WIRESHARK_CONFIG_DIR: keys } },
  );
  assert.is(status, 0, stderr);
  return stdout.trimEnd().split("\n");
}

for (const [link, esp] of [
  ["ethernet", "aes256gcm16"],
  ["atm", "aes128-sha256"],
  ["atm-cell", "aes256gcm16"],
] as const)
  test(`--keys, ${esp} over ${link}: tshark opens what was captured, and without them nothing`, async () => {
    const [file, keys, none] = [newFile(), newFile(), newFile()];
    mkdirSync(none);
    await tell({ links: { moon: link, sun: "ethernet" }, esp, chassis: { keyExport: true } }, async (story) => {
      const capture = new Capture(story.moon.gateway, file, { keys });
      await story.establish();
      const before = readFileSync(join(keys, "esp_sa"), "utf8").trimEnd().split("\n");
      assert.is(before.length, 4, "two CHILD_SAs, each in two directions");
      await story.moon.gateway.rekey("net-1");
      await pass(story, 2000);
      await traffic(story);
      capture.stop();
      assert.is(statSync(keys).mode & 0o777, 0o700);
      assert.is(statSync(join(keys, "esp_sa")).mode & 0o777, 0o600);
      assert.is(readFileSync(join(keys, "esp_sa"), "utf8").trimEnd().split("\n").length, 6, "and of the rekeyed one");
    });
    const seen = opened(file, keys);
    assert.is(seen.length, 2);
    for (const line of seen) assert.match(line, /^(?:1|True)\|5000\|7$/);
    for (const line of opened(file, none)) assert.not.match(line, /5000/);
    assert.not.ok(
      readFileSync(file).includes(
        Buffer.from(/0x([0-9a-f]{32})/.exec(readFileSync(join(keys, "esp_sa"), "utf8"))![1]!, "hex"),
      ),
      "the capture itself has no key",
    );
  });

/** Of each IKE message on the unprotected side: exchange type, whether its SK payload was opened, and the identities in it. */
function openedIke(file: string, keys: string): { exchange: number; opened: boolean; identities: string }[] {
  const fields = ["isakmp.exchangetype", "isakmp.enc.decrypted", "isakmp.id.data.fqdn", "_ws.expert.message"];
  const { stdout, stderr, status } = spawnSync(
    "tshark",
    [
      ...[
        "-r",
        file,
        "-n",
        "-Y",
        'isakmp && frame.interface_name == "unprotected"',
        "-T",
        "fields",
        "-E",
        "separator=|",
      ],
      ...fields.flatMap((field) => ["-e", field]),
    ],
    { encoding: "utf8", timeout: 120_000, env: { ...process.env, WIRESHARK_CONFIG_DIR: keys } },
  );
  assert.is(status, 0, stderr);
  const lines = stdout.trimEnd().split("\n");
  return lines.map((line) => {
    const [exchange, content, identities, expert] = line.split("|");
    assert.not.match(expert!, /checksum|integrity|incorrect|malformed/i, line);
    return { exchange: Number(exchange), opened: content !== "", identities: identities! };
  });
}

const [IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA] = [34, 35, 36];

for (const ike of ["aes256gcm16-prfsha384-ecp384", "aes128-sha256-x25519"])
  test(`--keys, IKE with ${ike}: tshark opens the messages of an IKE_SA, of the one that follows it, and of one that stood`, async () => {
    const [file, keys, later, laterKeys, none] = [newFile(), newFile(), newFile(), newFile(), newFile()];
    mkdirSync(none);
    await tell({ proposals: ike, chassis: { keyExport: true } }, async (story) => {
      const { gateway } = story.moon;
      let capture = new Capture(gateway, file, { keys });
      await story.establish();
      await gateway.rekey("net-1");
      await pass(story, 2000);
      await gateway.rekey("moon-sun");
      await pass(story, 2000);
      await gateway.rekey("net-2");
      await pass(story, 2000);
      capture.stop();
      assert.is(statSync(join(keys, "ikev2_decryption_table")).mode & 0o777, 0o600);
      const lines = readFileSync(join(keys, "ikev2_decryption_table"), "utf8").trimEnd().split("\n");
      assert.is(lines.length, 2, "two IKE_SAs");
      // Of an IKE_SA that stood before; and what comes when the IKE board has restarted.
      capture = new Capture(gateway, later, { keys: laterKeys });
      await story.moon.chassis.reset(0);
      await pass(story, 3000);
      await gateway.rekey("net-1");
      await pass(story, 2000);
      await gateway.rekey("moon-sun");
      await pass(story, 2000);
      capture.stop();
      const more = readFileSync(join(laterKeys, "ikev2_decryption_table"), "utf8").trimEnd().split("\n");
      assert.is(more.length, 2);
      assert.is(more[0], lines[1], "it is the same one");
      // Nobody follows any more.
      await gateway.rekey("moon-sun");
      await pass(story, 2000);
      assert.is(readFileSync(join(laterKeys, "ikev2_decryption_table"), "utf8").trimEnd().split("\n").length, 2);
    });
    const seen = openedIke(file, keys);
    for (const { exchange, opened: open } of seen) assert.is(open, exchange !== IKE_SA_INIT);
    assert.ok(seen.filter(({ exchange }) => exchange === IKE_SA_INIT).length >= 2);
    assert.ok(seen.filter(({ exchange }) => exchange === CREATE_CHILD_SA).length >= 6);
    assert.ok(seen.some(({ exchange, identities }) => exchange === IKE_AUTH && identities.includes("moon")));
    const others = openedIke(later, laterKeys);
    assert.ok(others.filter(({ exchange }) => exchange === CREATE_CHILD_SA).length >= 4);
    for (const { opened: open } of others) assert.ok(open);
    for (const { exchange, identities, opened: open } of openedIke(file, none)) {
      assert.not.ok(open, `${exchange}`);
      assert.is(identities, "");
    }
  });

test("in threads: the same, though boards and NICs have each other's rings otherwise", async () => {
  const file = newFile();
  const keys = newFile();
  await tell(
    { drive: "threaded", links: { moon: "atm", sun: "ethernet" }, chassis: { keyExport: true } },
    async (story) => {
      const capture = new Capture(story.moon.gateway, file, { keys });
      await story.establish();
      await pass(story, 200);
      await traffic(story);
      await pass(story, 200);
      assert.is(capture.stop().missed, 0);
      await story.flows();
    },
  );
  const frames = tshark(file);
  assert.is(of(frames, "protected", /: delivered .*child net-1/).length, 1);
  assert.is(of(frames, "protected", /: dropped: no_policy/).length, 1);
  assert.ok(of(frames, "atm 0/33").length > 0 && of(frames, "atm 0/34").length > 0);
  assert.equal(
    opened(file, keys).map((line) => line.replace("True", "1")),
    ["1|5000|7", "1|5000|7"],
  );
});

test("keys stay where they are unless the configuration allows it", () =>
  tell({}, async (story) => {
    const [file, keys] = [newFile(), newFile()];
    const control = await ControlServer.listen(join(directory, "control.sock"), story.moon.gateway);
    try {
      const refused = await request(control.path, "capture", { action: "start", file, keys }).catch(
        (error: RefusedError) => `${error.code}: ${error.message}`,
      );
      assert.is(refused, "failed: keys may not be written down here: chassis { key_export = yes } allows it");
      assert.not.ok(existsSync(file) || existsSync(keys));
      // Nor does the chassis open anything for somebody who does not ask first.
      const capture = new Capture(story.moon.gateway, file, { keys });
      await story.establish();
      capture.stop();
      assert.is(readFileSync(join(keys, "esp_sa"), "utf8"), "");
      assert.is(readFileSync(join(keys, "ikev2_decryption_table"), "utf8"), "");
      // Nor does the board, whoever asks it.
      const said: ManagementMessage[] = [];
      const port = story.moon.chassis.management(story.moon.chassis.ikeSlot);
      port.onMessage((message) => said.push(decodeMessage(message)));
      port.send(encodeMessage(MANAGEMENT_KEYS_FOLLOW, 77));
      await story.moon.gateway.rekey("moon-sun");
      await pass(story, 2000);
      assert.ok(
        said.some((one) => one.kind === "reply" && one.transaction === 77 && one.result === RESULT_UNSUPPORTED),
      );
      assert.not.ok(said.some(({ kind }) => kind === "ike-keys"));
    } finally {
      await control.close();
    }
  }));

test("that keys are written down is told to everybody who follows", () =>
  tell({ chassis: { keyExport: true } }, async (story) => {
    const control = await ControlServer.listen(join(directory, "loud.sock"), story.moon.gateway);
    try {
      await request(control.path, "capture", { action: "start", file: newFile(), keys: newFile() });
      assert.ok(
        story.alerts(story.moon).some((text) => /^THE KEYS OF ESP AND IKE ARE BEING WRITTEN DOWN, in \//.test(text)),
      );
    } finally {
      await control.close();
    }
  }));

test("a file that is there is not written over, a full one ends the capture, and the gateway goes on", () =>
  tell({}, async (story) => {
    await story.establish();
    const there = newFile();
    writeFileSync(there, "mine");
    assert.throws(
      () => new Capture(story.moon.gateway, there),
      (error: NodeJS.ErrnoException) => error.code === "EEXIST",
    );
    assert.is(readFileSync(there, "utf8"), "mine");
    const file = newFile();
    const capture = new Capture(story.moon.gateway, file, { limit: 8192 });
    await story.flows();
    const { running, ended, octets, missed } = capture.status;
    assert.equal([running, ended], [false, "the limit of 8192 octets"]);
    assert.ok(missed > 0);
    assert.ok(octets >= 7000 && octets <= 8192 + 3 * 32, `${octets}`);
    tshark(file);
    await story.flows();
  }));

test("more packets at a time than can be asked about are there without a verdict", () =>
  tell({}, async (story) => {
    await story.establish();
    const file = newFile();
    const capture = new Capture(story.moon.gateway, file);
    for (let i = 0; i < 30; i++) story.send(story.moon, 1, 100, "udp");
    await pass(story, 200);
    story.account({ whole: true });
    capture.stop();
    const frames = of(tshark(file), "protected");
    assert.is(frames.length, 30);
    const without = frames.filter(({ comment }) => /^no verdict: too many/.test(comment)).length;
    assert.ok(without >= 10 && without <= 22, `${without}`);
  }));

test.run();
