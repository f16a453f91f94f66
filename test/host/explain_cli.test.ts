/** `cardcage explain` as a process, asking a gateway that runs: what it says, its JSON and its exit codes. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Pair } from "../../host/demo/pair.ts";
import { ControlServer } from "../../host/operator/control.ts";
import { DROP_REASONS } from "../../host/operator/drop_reason.ts";
import type { PacketExplanation } from "../../host/operator/explain.ts";
import { packetOfWords, PacketError } from "../../host/cli/packet.ts";

const COMMAND = fileURLToPath(new URL("../../host/cli/cardcage.mjs", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "cardcage-explain-"));
const socket = join(directory, "control.sock");
const pair = new Pair({ links: { moon: "atm", sun: "ethernet" }, inside: "both" });
let control: ControlServer;
/** Sealed packets from sun that never came. */
const sealed: Uint8Array[] = [];

test.before(async () => {
  await pair.start();
  assert.ok(await pair.establish());
  pair.wan.filter = (packet) => {
    if (packet[9] === 50) sealed.push(packet.slice());
    return packet[9] !== 50;
  };
  pair.sun.send(packetOfWords(undefined, { src: "10.2.1.9", dst: "10.1.1.5", sport: "53", dport: "4000" }));
  await pair.drive.run();
  control = await ControlServer.listen(socket, pair.moon.gateway);
});
test.after(async () => {
  await control.close();
  await pair.close();
  rmSync(directory, { recursive: true });
});

function explain(...words: string[]): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [COMMAND, "explain", "--socket", socket, ...words]);
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    child.on("close", (code) => resolve({ code, out, err }));
  });
}

const steps = (out: string): string[] => out.split("\n").flatMap((line) => /^S\d+/.exec(line)?.[0] ?? []);

test("a packet that would be delivered: every step, where and why, exit 0", async () => {
  const { code, out, err } = await explain("--src", "10.1.1.5", "--dst", "10.2.1.9", "--dport", "53", "--size", "1000");
  assert.is(err, "");
  assert.is(code, 0, out);
  assert.equal(steps(out), ["S601", "S602", "S603", "S604", "S605", "S702", "S703", "S704", "S705", "S706"]);
  assert.match(
    out,
    "slot 0, IKE board: a packet of 1000 octets arrives on the protected side: udp 10.1.1.5[40000] > 10.2.1.9[53]\n",
  );
  assert.match(out, /finds child net-1 of moon-sun, 10\.1\.1\.0\/24 .* === 10\.2\.1\.0\/24 .*; SPI [0-9a-f]{8}\n/);
  assert.match(out, /hands it over by atm 0\/3[34]\n/);
  assert.match(out, /finds the outbound SA, SPI [0-9a-f]{8}: highest number so far 0, inner MTU 1446\n/);
  assert.match(out, "seals it, sequence number 1\n");
  assert.match(out, /sends 10\d\d octets to the unprotected network itself\n\ndelivered\n$/);
});

test("a packet that would be dropped: the reason, what it means and what to do, exit 1", async () => {
  const { code, out } = await explain("--src", "10.1.1.5", "--dst", "10.99.0.1", "--icmp-type", "8");
  assert.is(code, 1);
  const { means, do: remedy } = DROP_REASONS.no_policy;
  assert.ok(
    out.endsWith(`S606  slot 0, IKE board: dropped: no_policy\n\ndropped: no_policy\n  ${means}\n  ${remedy}\n`),
    out,
  );
  const big = await explain("--src", "fd00:1:1::5", "--dst", "fd00:2:1::9", "--size", "1447", "--json");
  assert.is(big.code, 1);
  const explanation = JSON.parse(big.out) as PacketExplanation;
  assert.is(explanation.reason, "packet_too_big");
  assert.is(explanation.sa?.["inner-mtu"], 1446);
  assert.is(explanation.child?.name, "net-1");
});

test("a frame of a capture, as text and JSON: opened, and what is inside is told by its flow alone", async () => {
  const packet = Buffer.from(sealed[0]!);
  const w = (value: number): Buffer => {
    const b = Buffer.alloc(4);
    b.writeUInt32LE(value);
    return b;
  };
  const record = (octets: Buffer): Buffer[] => [w(0), w(0), w(octets.length), w(octets.length), octets];
  const head = [w(0xa1b2c3d4), Buffer.from([2, 0, 4, 0]), w(0), w(0), w(65535), w(101)];
  const file = join(directory, "wan.pcap");
  writeFileSync(file, Buffer.concat([...head, ...record(Buffer.alloc(20, 0x45)), ...record(packet)]));
  const { code, out, err } = await explain(file, "--frame", "2");
  assert.is(code, 0, out + err);
  assert.match(out, "arrives on the unprotected side: esp 192.0.2.2 > 192.0.2.1\n");
  assert.match(out, "verifies and opens it, sequence number 1\n");
  assert.match(out, "inside: udp 10.2.1.9[53] > 10.1.1.5[4000]\n");
  const json = JSON.parse((await explain(packet.toString("hex"), "--json")).out) as PacketExplanation;
  assert.is(json.verdict, "delivered");
  assert.equal(json.inside, {
    source: "10.2.1.9",
    destination: "10.1.1.5",
    protocol: 17,
    "source-port": 53,
    "destination-port": 4000,
  });
  assert.is(json.sa?.["replay-window"], 32);
  const missing = await explain(file, "--frame", "3");
  assert.is(missing.code, 2);
  assert.match(missing.err, "there is no frame 3: the file has 2");
});

test("wrong words are 2, and say what is wanted", async () => {
  for (const [word, words, message] of [
    [undefined, {}, "a packet, a file, or --src and --dst are wanted"],
    ["450", {}, "is no packet in hexadecimal, and no file that can be read (ENOENT)"],
    [undefined, { src: "10.1.1.5", dst: "fd00::1" }, "--dst: 'fd00::1' is not an IPv4 address"],
    [undefined, { src: "10.1.1.5", dst: "10.2.1.9", proto: "icmp", sport: "1" }, "icmp has no ports"],
    [undefined, { src: "10.1.1.5", dst: "10.2.1.9", size: "10" }, "--size wants a number from 28 to 9216"],
    ["45000014", { src: "10.1.1.5" }, "either a packet or a file"],
  ] as const) {
    assert.throws(
      () => packetOfWords(word, words),
      (error: Error) => error instanceof PacketError && error.message.includes(message),
    );
  }
  const words = await explain("--src", "10.1.1.5");
  assert.equal(words, { code: 2, out: "", err: "error: a packet, a file, or --src and --dst are wanted\n" });
  const side = await explain("4500", "--from", "inside");
  assert.is(side.code, 2);
  assert.match(side.err, "Allowed choices are protected, unprotected");
});

test("packets made of words are sound, whatever the protocol", () => {
  for (const [words, octets] of [
    [{ src: "10.1.0.5", dst: "10.2.0.9" }, 84],
    [{ src: "10.1.0.5", dst: "10.2.0.9", proto: "tcp", size: "40" }, 40],
    [{ src: "10.1.0.5", dst: "10.2.0.9", proto: "253", size: "20", df: true }, 20],
    [{ src: "fd00::1", dst: "fd00::2", sport: "1", dport: "2" }, 104],
    [{ src: "fd00::1", dst: "fd00::2", icmpType: "135" }, 104],
  ] as const) {
    const packet = Buffer.from(packetOfWords(undefined, words));
    assert.is(packet.length, octets);
    if (packet[0] === 0x45) {
      let sum = 0;
      for (let i = 0; i < 20; i += 2) sum += packet.readUInt16BE(i);
      assert.is((sum & 0xffff) + (sum >>> 16), 0xffff, "the header's checksum");
      assert.is(packet.readUInt16BE(2), octets);
    } else {
      assert.is(packet.readUInt16BE(4), octets - 40);
    }
  }
});

/** `cardcage trace` while a host behind moon sends one packet after the other. */
async function trace(...words: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [COMMAND, "trace", "--socket", socket, ...words]);
  let out = "";
  let err = "";
  let ended = false;
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const code = new Promise<number | null>((resolve) => child.on("close", resolve));
  void code.then(() => (ended = true));
  while (!ended) {
    for (const dst of ["10.2.1.9", "10.9.9.9"])
      pair.moon.send(packetOfWords(undefined, { src: "10.1.1.5", dst, sport: "53", dport: "4000" }));
    await pair.drive.run(10);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { code: await code, out, err };
}

test("trace: live packets that the filter chooses, a line each, or all steps, or JSON", async () => {
  const lines = await trace("--count", "2", "host", "10.2.1.9");
  assert.is(lines.err, "");
  assert.is(lines.code, 0);
  const line =
    /^\S+Z  protected  udp 10\.1\.1\.5\[53\] > 10\.2\.1\.9\[4000\], \d+ octets: delivered \(child net-1 of moon-sun, slot \d, SPI \w{8}\)$/;
  assert.is(
    lines.out
      .trim()
      .split("\n")
      .filter((text) => line.test(text)).length,
    2,
    lines.out,
  );

  const walk = await trace("--count", "1", "--walk", "dst 10.2.1.9 udp");
  assert.equal(steps(walk.out), ["S601", "S602", "S603", "S604", "S605", "S702", "S703", "S704", "S705", "S706"]);

  const json = await trace("--count", "1", "--json", "dropped");
  const { explanation } = JSON.parse(json.out) as { explanation: PacketExplanation };
  assert.is(explanation.verdict, "dropped");
  assert.is(explanation.reason, "no_policy");
  assert.is(explanation.do, DROP_REASONS["no_policy"]!.do);
});

test("trace: a filter that is none is refused, exit 2", async () => {
  const { code, out, err } = await trace("host", "10.2.1");
  assert.is(code, 2);
  assert.is(out, "");
  assert.match(err, "'10.2.1' is no address or network");
});

test.run();
