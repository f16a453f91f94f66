/** Stories of two IKE cores: RFC 7296's exchanges between two of ours, step by step and under loss. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as M from "../../assembly/abi/management.ts";
import { decodeMessage } from "../../host/operator/management.ts";
import { type Endpoint, Pair, connection, selector } from "./ike_endpoints.ts";
import type { Options } from "./ike_endpoints.ts";

const CHILD: [number, Uint8Array] = [M.CHILD_NAME, Buffer.from("net")];
const GW: [number, Uint8Array] = [M.CONNECTION_NAME, Buffer.from("gw")];

function pair(a: Options = {}, b: Options = {}, pskB = "secret"): Pair {
  const p = new Pair("secret", pskB);
  p.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, a));
  p.b.command(M.MANAGEMENT_CONNECTION_LOAD, connection(2, b));
  p.drive();
  return p;
}

function up(p: Pair): Pair {
  p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
  p.drive(1);
  return p;
}

/** Both ends have the same SAs: the inbound one of each is the outbound one of the other, key included. */
function mirrored(p: Pair, children = 1): void {
  const a = p.a.installed();
  const b = p.b
    .installed()
    .map((s) => s.replace(/:([01]):/, (_, d) => `:${1 - Number(d)}:`))
    .sort();
  assert.equal(a, b);
  assert.is(a.length, 2 * children);
}

test("IKE_SA_INIT, IKE_AUTH and the first CHILD_SA", () => {
  const p = up(pair());
  mirrored(p);
  assert.is(p.packets.length, 4);
  assert.equal(p.a.alerts(), []);
});

test("INVALID_KE_PAYLOAD: the responder wants its own first group", () => {
  const p = up(pair({ ke: [31, 19] }, { ke: [19, 31] }));
  mirrored(p);
  assert.is(p.packets.length, 6);
});

/** What the operator of an end reads of the proposals that did not match. */
function mismatches(end: Endpoint): string[] {
  return end.messages
    .filter((message) => message.readUInt16LE(0) === M.MANAGEMENT_EVENT)
    .map((message) => decodeMessage(message))
    .flatMap((told) => (told.kind === "event" && told.event.notify === 14 ? [told.event.text ?? ""] : []));
}

test("NO_PROPOSAL_CHOSEN: the responder tells which element of which proposal did not match", () => {
  const ike = up(pair({ ke: [31] }, { ke: [19, 20] }));
  assert.equal(ike.a.installed(), []);
  assert.equal(mismatches(ike.b), [
    "no key exchange in common: our proposal 1 has ECP_256 ECP_384, the peer's proposal 1 has CURVE_25519",
  ]);
  const child = up(pair({ keyBits: 128 }, { keyBits: 256 }));
  assert.equal(child.b.installed(), []);
  assert.equal(
    mismatches(child.b)[0],
    "no encryption in common: our proposal 1 has AES_GCM_16-256, the peer's proposal 1 has AES_GCM_16-128",
  );
});

test("what strangers propose in vain is told once a second", () => {
  const p = pair({ ke: [31] }, { ke: [19] });
  for (let i = 0; i < 5; i++) {
    p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
    p.drive();
  }
  assert.is(mismatches(p.b).length, 1);
});

/** IKE_SAs that are established at an end, CHILD_SAs with them. */
const listed = (p: Pair, end: Endpoint): number[] => {
  const all = end.list(p.time);
  return [M.MANAGEMENT_IKE_SA, M.MANAGEMENT_CHILD_SA].map((type) => all.filter((one) => one.type === type).length);
};

test("RFC 6023: the IKE_SA alone is asked for, then a child of it", () => {
  const p = pair();
  p.a.command(M.MANAGEMENT_INITIATE, [GW, [M.INITIATE_IKE, 1]]);
  p.drive(1);
  for (const end of [p.a, p.b]) assert.equal(listed(p, end), [1, 0]);
  assert.is(p.packets.length, 4);
  // Asked for again, it is there.
  p.a.command(M.MANAGEMENT_INITIATE, [GW, [M.INITIATE_IKE, 1]]);
  p.drive(1);
  assert.is(p.packets.length, 4);
  up(p);
  mirrored(p);
  for (const end of [p.a, p.b]) assert.equal(listed(p, end), [1, 1]);
});

for (const [policy, peer, packets, children] of [
  [M.CHILDLESS_ALLOW, M.CHILDLESS_ALLOW, 4, 1],
  [M.CHILDLESS_PREFER, M.CHILDLESS_ALLOW, 6, 1],
  [M.CHILDLESS_FORCE, M.CHILDLESS_ALLOW, 6, 1],
  [M.CHILDLESS_PREFER, M.CHILDLESS_NEVER, 4, 1],
  [M.CHILDLESS_FORCE, M.CHILDLESS_NEVER, 2, 0],
] as const) {
  test(`RFC 6023: childless ${policy} with ${peer}: ${packets} messages, ${children} child`, () => {
    const p = up(pair({ childless: policy }, { childless: peer }));
    assert.is(p.packets.length, packets);
    mirrored(p, children);
    const refused = "the peer does not take an IKE_SA without a CHILD_SA";
    assert.is(p.a.alerts().includes(refused), children === 0);
  });
}

test("encap moves to port 4500 at IKE_AUTH", () => {
  const p = up(pair({ encap: true }));
  mirrored(p);
  assert.is(p.packets[0].readUInt16BE(22), 500);
  assert.is(p.packets[2].readUInt16BE(22), 4500);
  assert.is(p.packets[2].readUInt32BE(28), 0);
  assert.is(p.packets[3].readUInt16BE(20), 4500);
});

test("every packet is lost once", () => {
  const p = pair();
  const seen = new Set<string>();
  p.lose = (packet) => {
    const key = packet.subarray(20).toString("hex");
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  };
  p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
  p.drive(30);
  mirrored(p);
});

test("wrong PSK is refused by the responder, and no SA stays", () => {
  const p = up(pair({}, {}, "other"));
  p.drive(20);
  assert.equal(p.a.installed(), []);
  assert.equal(p.b.installed(), []);
  assert.ok(p.a.alerts().includes("the peer refused IKE_AUTH"));
  assert.ok(p.b.alerts().includes("the peer's AUTH is wrong"));
});

test("TS_UNACCEPTABLE leaves the IKE_SA up without a CHILD_SA", () => {
  const p = up(pair({ remoteTs: [selector([172, 16, 0, 0], [172, 16, 0, 255])] }));
  assert.equal(p.a.installed(), []);
  assert.ok(p.a.alerts().includes("the peer refused the CHILD_SA"));
  p.a.command(M.MANAGEMENT_LIST_SAS, []);
  p.drive();
  assert.ok(p.a.messages.some((m) => m.readUInt16LE(0) === M.MANAGEMENT_IKE_SA));
});

for (const childKe of [0, 31, 19]) {
  test(`rekey of the CHILD_SA by either side, key exchange ${childKe}`, () => {
    const p = up(pair({ childKe }, { childKe }));
    mirrored(p);
    const first = p.a.installed();
    p.a.command(M.MANAGEMENT_REKEY, [CHILD]);
    p.drive(1);
    mirrored(p);
    const second = p.a.installed();
    assert.not.equal(first, second);
    p.b.command(M.MANAGEMENT_REKEY, [CHILD]);
    p.drive(1);
    mirrored(p);
    assert.not.equal(second, p.a.installed());
  });
}

test("both rekey at once: one CHILD_SA stays", () => {
  const p = up(pair());
  p.a.command(M.MANAGEMENT_REKEY, [CHILD]);
  p.b.command(M.MANAGEMENT_REKEY, [CHILD]);
  p.drive(1);
  mirrored(p);
});

test("rekey of the IKE_SA by either side; the CHILD_SA lives on and can be rekeyed", () => {
  const p = up(pair());
  const first = p.a.installed();
  p.a.command(M.MANAGEMENT_REKEY, [GW]);
  p.drive(1);
  p.b.command(M.MANAGEMENT_REKEY, [GW]);
  p.drive(1);
  assert.equal(p.a.installed(), first);
  p.b.command(M.MANAGEMENT_REKEY, [CHILD]);
  p.drive(1);
  mirrored(p);
  assert.not.equal(p.a.installed(), first);
});

test("TERMINATE deletes at the peer and is answered", () => {
  const p = up(pair());
  p.b.command(M.MANAGEMENT_TERMINATE, [], 99);
  p.drive(1);
  assert.equal(p.a.installed(), []);
  assert.equal(p.b.installed(), []);
  assert.ok(p.b.messages.some((m) => m.readUInt16LE(0) === M.MANAGEMENT_REPLY && m.readUInt32LE(4) === 99));
});

test("TERMINATE of a child leaves the IKE_SA", () => {
  const p = up(pair());
  p.a.command(M.MANAGEMENT_TERMINATE, [CHILD], 98);
  p.drive(1);
  assert.equal(p.a.installed(), []);
  assert.equal(p.b.installed(), []);
  p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
  p.drive(1);
  mirrored(p);
});

test("a dead peer is noticed", () => {
  const p = up(pair({ dpd: 10 }));
  p.lose = () => true;
  p.drive(400);
  assert.equal(p.a.installed(), []);
  assert.ok(p.a.alerts().includes("the peer does not answer"));
});

test("mutated messages never trap and never disturb", () => {
  const p = up(pair());
  const good = p.packets.slice();
  let seed = 1;
  const random = (n: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % n;
  };
  for (let i = 0; i < 4000; i++) {
    const packet = Buffer.from(good[random(good.length)]);
    for (let n = 0; n <= random(4); n++) packet[28 + random(packet.length - 28)] = random(256);
    p.b.push(0, packet);
    if (i % 32 === 31) p.b.poll(p.time);
    p.b.sent.length = 0;
  }
  p.drive(40);
  p.a.command(M.MANAGEMENT_REKEY, [CHILD]);
  p.drive(1);
  mirrored(p);
});

test.run();
