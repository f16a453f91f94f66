/** The words of `cardcage trace`: which packets they choose, and what they refuse. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { PacketExplanation } from "../../host/operator/explain.ts";
import type { FlowText } from "../../host/operator/explanation.ts";
import { parseTraceFilter } from "../../host/operator/trace_filter.ts";

const FLOW: FlowText = {
  source: "10.1.0.5",
  destination: "10.2.0.9",
  protocol: 17,
  "source-port": 53,
  "destination-port": 4000,
};
const SIX: FlowText = { source: "fd00:a:0:0:0:0:0:5", destination: "fd00:b:0:0:0:0:0:9", protocol: 58 };

const explanation = (more: Partial<PacketExplanation> = {}): PacketExplanation => ({
  verdict: "delivered",
  from: "protected",
  octets: 100,
  flow: FLOW,
  walk: [
    { slot: 0, board: "ike", step: "S601", text: "a packet arrives" },
    { slot: 2, board: "ipsec", step: "S703", text: "looks it up" },
  ],
  ...more,
});

const chooses = (words: string, more?: Partial<PacketExplanation>): boolean =>
  parseTraceFilter(words.split(" ")).packet(explanation(more));

test("addresses, networks and ports of either end, or of one", () => {
  for (const words of [
    "",
    "host 10.1.0.5",
    "host 10.2.0.9",
    "dst 10.2.0.9",
    "src 10.1.0.5",
    "src host 10.1.0.5 and dst host 10.2.0.9",
    "net 10.2.0.0/16",
    "src net 10.1.0.0/16",
    "dst 10.2.0.0/24",
    "port 53",
    "port 4000",
    "src port 53",
    "dst port 4000",
    "proto udp",
    "proto 17",
    "udp port 53",
    "net 0.0.0.0/0",
    "slot 2",
    "slot 0",
  ]) {
    assert.ok(chooses(words), words);
  }
  for (const words of [
    "host 10.1.0.6",
    "src 10.2.0.9",
    "dst 10.1.0.5",
    "net 10.3.0.0/16",
    "dst port 53",
    "src port 4000",
    "port 54",
    "tcp",
    "proto 6",
    "host 10.1.0.5 host 10.3.0.1",
    "net ::/0",
    "slot 1",
    "dropped",
    "spi c0000001",
  ]) {
    assert.not.ok(chooses(words), words);
  }
});

test("IPv6 in any spelling, and ICMP has no ports", () => {
  assert.ok(chooses("host fd00:a::5", { flow: SIX }));
  assert.ok(chooses("dst net fd00:b::/32 icmp6", { flow: SIX }));
  assert.not.ok(chooses("net fd00:c::/32", { flow: SIX }));
  assert.not.ok(chooses("port 0", { flow: SIX }));
  assert.not.ok(chooses("net 0.0.0.0/0", { flow: SIX }));
});

test("of a sealed packet the one inside counts too; what a packet met is chosen by spi, slot and dropped", () => {
  const outer: FlowText = { source: "192.0.2.2", destination: "192.0.2.1", protocol: 50 };
  const sa = { spi: "00c0ffee", direction: "in", "highest-sequence": "1" } as const;
  assert.ok(chooses("host 10.2.0.9 udp", { flow: outer, inside: FLOW, sa }));
  assert.ok(chooses("esp src 192.0.2.2", { flow: outer, inside: FLOW, sa }));
  assert.not.ok(
    chooses("src 192.0.2.2 udp", { flow: outer, inside: FLOW, sa }),
    "not half of one and half of the other",
  );
  assert.ok(chooses("spi 0xC0FFEE", { sa }));
  assert.not.ok(chooses("spi c0ffe", { sa }));
  assert.ok(chooses("dropped", { verdict: "dropped" }));
  const none = explanation({ verdict: "dropped" });
  delete none.flow;
  assert.ok(parseTraceFilter(["dropped"]).packet(none));
  assert.not.ok(parseTraceFilter(["dropped", "udp"]).packet(none));
});

test("what can be seen beforehand is seen beforehand", () => {
  assert.ok(parseTraceFilter(["udp"]).flow(FLOW));
  assert.not.ok(parseTraceFilter(["tcp", "slot", "1"]).flow(FLOW));
  assert.ok(parseTraceFilter(["slot", "1"]).flow(FLOW), "not to be known yet");
  assert.is(parseTraceFilter(["from", "unprotected"]).from, "unprotected");
  assert.is(parseTraceFilter([]).from, undefined);
});

test("anything else is refused by name", () => {
  for (const [words, message] of [
    ["prot udp", "'prot' is no word of a filter: host, net, src, dst, port, proto, spi, slot, from, dropped"],
    ["or", "'or' is no word of a filter: host, net, src, dst, port, proto, spi, slot, from, dropped"],
    ["host", "the filter ends where an address should follow"],
    ["src", "the filter ends where host, net, port or an address behind 'src' should follow"],
    ["host 10.1", "'10.1' is no address or network"],
    ["net 10.1.0.0/33", "'10.1.0.0/33' is no address or network"],
    ["port http", "'http' is no port"],
    ["port 65536", "'65536' is no port"],
    ["proto 256", "'256' is no protocol"],
    ["proto constructor", "'constructor' is no protocol"],
    ["spi 123456789", "'123456789' is no SPI: 8 hexadecimal digits are"],
    ["slot x", "'x' is no slot"],
    ["from inside", "'inside' is no side: protected and unprotected are"],
  ] as const) {
    assert.throws(
      () => parseTraceFilter(words.split(" ")),
      (error: Error) => error instanceof RangeError && error.message === message,
      words,
    );
  }
  assert.throws(() => parseTraceFilter(Array<string>(33).fill("udp")), /32 words/);
});

test.run();
