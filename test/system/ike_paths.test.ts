/** Stories of two IKE cores off the main road: NAT, time-outs, floods, refusals, old peers and new places. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as M from "../../assembly/abi/management.ts";
import * as P from "../../assembly/abi/psa.ts";
import { Pair, connection, from, itemsOf, summed, to } from "./ike_endpoints.ts";
import type { Endpoint, Options } from "./ike_endpoints.ts";

const CHILD: [number, Uint8Array] = [M.CHILD_NAME, Buffer.from("net")];
const GW: [number, Uint8Array] = [M.CONNECTION_NAME, Buffer.from("gw")];
const A = [192, 0, 2, 1];
const NAT = [192, 0, 2, 1];
const NO_ADDITIONAL_SAS = 35;
const TEMPORARY_FAILURE = 43;
const CHILD_SA_NOT_FOUND = 44;
const BOARDS_REFUSE = 1;
const BOARDS_SILENT = 2;
const UPDATED = 5;

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

function mirrored(p: Pair, children = 1): void {
  const a = p.a.installed();
  const b = p.b
    .installed()
    .map((s) => s.replace(/:([01]):/, (_, d) => `:${1 - Number(d)}:`))
    .sort();
  assert.equal(a, b);
  assert.is(a.length, 2 * children);
}

function count(e: Endpoint, p: Pair, type: number): number {
  return e.list(p.time).filter((m) => m.type === type).length;
}

/** The notifies of alerts. */
function notifies(e: Endpoint): number[] {
  return e.messages
    .filter((m) => m.readUInt16LE(0) === M.MANAGEMENT_EVENT)
    .flatMap((m) => itemsOf(m.subarray(12)).filter(([t]) => t === M.EVENT_NOTIFY))
    .map(([, v]) => v.readUInt32LE(0));
}

/** A stands behind a NAT whose mapping is `port` for 4500, and 1000 + 500 for 500. */
function natted(p: Pair, mapping: { port: number }): void {
  p.wire = (packet, fromA) => {
    if (fromA) return from(packet, NAT, packet.readUInt16BE(20) === 4500 ? mapping.port : 1500);
    const port = packet.readUInt16BE(22);
    if (port === 1500) return to(packet, A, 500);
    return port === mapping.port ? to(packet, A, 4500) : null;
  };
}

/** An answer to the IKE_SA_INIT request `packet`, with one notify of `type`. */
function initAnswer(packet: Buffer, type: number, data: Buffer): Buffer {
  const notify = Buffer.concat([Buffer.from([0, 0, 0, 8 + data.length, 0, 0, type >> 8, type & 255]), data]);
  const out = Buffer.concat([packet.subarray(0, 56), notify]);
  packet.copy(out, 12, 16, 20);
  packet.copy(out, 16, 12, 16);
  packet.copy(out, 20, 22, 24);
  packet.copy(out, 22, 20, 22);
  out.writeUInt16BE(out.length, 2);
  out.writeUInt16BE(out.length - 20, 24);
  out.writeUInt16BE(0, 26);
  out[44] = 41;
  out[47] = 0x20;
  out.writeUInt32BE(out.length - 28, 52);
  return summed(out);
}

const keepalives = (p: Pair): Buffer[] => p.packets.filter((x) => x.length === 29 && x[28] === 0xff);

test("behind a NAT a keepalive goes every 20 s from port 4500, and only from the side behind it", () => {
  const p = pair();
  natted(p, { port: 30000 });
  up(p);
  mirrored(p);
  p.drive(65);
  assert.is(keepalives(p).length, 3);
  for (const k of keepalives(p)) {
    assert.equal([...k.subarray(12, 16)], A);
    assert.is(k.readUInt16BE(20), 4500);
    assert.is(k.readUInt16BE(22), 4500);
  }
  p.a.command(M.MANAGEMENT_REKEY, [GW]);
  p.drive(45);
  assert.is(keepalives(p).length, 5, "one IKE_SA's keepalives, not two's");
  p.a.command(M.MANAGEMENT_TERMINATE, []);
  p.drive(60);
  assert.is(keepalives(p).length, 5);
});

test("without a NAT there are no keepalives", () => {
  const p = up(pair({ encap: true }));
  p.drive(65);
  assert.is(keepalives(p).length, 0);
});

/** What the boards of an endpoint were told of outbound SAs: installed or updated, to which port. */
const told = (e: Endpoint): string[] =>
  e
    .events()
    .flatMap(({ kind, direction, remotePort }) =>
      direction !== 1 || (kind !== 1 && kind !== UPDATED)
        ? []
        : [`${kind === 1 ? "installed" : "updated"} ${remotePort}`],
    );

test("a NAT that forgets: the boards send the same CHILD_SA to the peer's new port", () => {
  const p = pair({ dpd: 5 });
  const mapping = { port: 30000 };
  natted(p, mapping);
  up(p);
  const first = p.b.installed();
  assert.equal(told(p.b), ["installed 30000"]);
  mapping.port = 31000;
  p.drive(20);
  mirrored(p);
  assert.equal(p.b.installed(), first);
  assert.equal(told(p.b), ["installed 30000", "updated 31000"]);
  p.drive(30);
  assert.is(told(p.b).length, 2, "one move");
  assert.equal(told(p.a), ["installed 4500"]);
});

test("who is behind a NAT itself does not follow", () => {
  const p = pair({ dpd: 5 });
  const mapping = { port: 30000 };
  natted(p, mapping);
  // B as well: its packets come from elsewhere than it thinks.
  const outward = p.wire;
  p.wire = (packet, fromA) => outward(fromA ? packet : from(packet, [192, 0, 2, 2], packet.readUInt16BE(20)), fromA);
  p.b.command(M.MANAGEMENT_CONNECTION_LOAD, connection(2, { encap: true }));
  up(p);
  const [sa] = p.a.list(p.time).filter((m) => m.type === M.MANAGEMENT_IKE_SA);
  assert.is(sa!.items.get(M.IKE_SA_NAT)!.readUInt32LE(0), 3, "both are behind NATs, to A");
  p.wire = (packet, fromA) =>
    fromA ? outward(packet, true) : from(outward(packet, false) ?? packet, [192, 0, 2, 9], 4500);
  p.drive(20);
  assert.equal(told(p.a), ["installed 4500"]);
});

test("without a NAT the peer does not move", () => {
  const p = up(pair({ dpd: 5 }));
  p.wire = (packet, fromA) => (fromA ? from(packet, [192, 0, 2, 9], 500) : packet);
  p.drive(8);
  const sa = p.b.list(p.time).find((m) => m.type === M.MANAGEMENT_IKE_SA)!;
  assert.equal([...sa.items.get(M.IKE_SA_REMOTE)!], A);
});

test("a COOKIE is given back first in the message, and the rest stays as it was", () => {
  const p = pair();
  const cookie = Buffer.from("a cookie that proves the address");
  let asked = 0;
  p.wire = (packet, fromA) => {
    if (!fromA || packet[46] !== 34 || asked++ > 0) return packet;
    p.a.push(0, initAnswer(packet, 16390, cookie));
    return null;
  };
  up(p);
  mirrored(p);
  const [first, second] = p.packets;
  assert.is(second[44], 41, "a notify comes first");
  assert.equal(second.subarray(56 + 8, 56 + 8 + cookie.length), cookie);
  assert.equal(second.subarray(56 + 8 + cookie.length), first.subarray(56));
});

test("an IKE_SA_INIT of major version 3 is told ours", () => {
  const p = pair();
  p.wire = (packet, fromA) => {
    if (!fromA) return packet;
    const out = Buffer.from(packet);
    out[45] = 0x30;
    return out;
  };
  up(p);
  const answer = p.packets.find((x) => x[15] === 2)!;
  assert.is(answer[45], 0x20);
  assert.is(answer.readUInt16BE(56 + 6), 5);
  assert.is(count(p.b, p, M.MANAGEMENT_IKE_SA), 0);
  assert.ok(p.a.alerts().includes("the peer refused IKE_SA_INIT"));
});

test("an unknown critical payload is refused by name, one that is not critical is skipped", () => {
  for (const critical of [true, false]) {
    const p = pair();
    let done = false;
    p.wire = (packet, fromA) => {
      if (!fromA || packet[46] !== 34 || done) return packet;
      done = true;
      const extra = Buffer.from([packet[44], critical ? 0x80 : 0, 0, 8, 1, 2, 3, 4]);
      const out = Buffer.concat([packet.subarray(0, 56), extra, packet.subarray(56)]);
      out[44] = 200;
      out.writeUInt16BE(out.length, 2);
      out.writeUInt16BE(out.length - 20, 24);
      out.writeUInt32BE(out.length - 28, 52);
      return summed(out);
    };
    up(p);
    const answer = p.packets.find((x) => x[15] === 2)!;
    if (critical) {
      assert.is(answer.readUInt16BE(56 + 6), 1);
      assert.is(answer[56 + 8], 200);
      assert.equal(p.b.installed(), []);
    } else {
      assert.is(answer[44], 33, "an SA payload: it goes on");
    }
  }
});

test("the responder's AUTH is wrong: the initiator tells it, and nothing stays on either side", () => {
  const p = pair();
  // B checks A's AUTH with the right key, and signs its own with another.
  p.b.pskOf = (n) => (n === 0 ? "secret" : "other");
  up(p);
  p.drive(10);
  assert.ok(p.a.alerts().includes("the peer's AUTH is wrong"));
  assert.ok(p.b.alerts().includes("the peer says that we are not authenticated"));
  assert.equal(p.a.installed(), []);
  assert.equal(p.b.installed(), []);
  assert.is(count(p.a, p, M.MANAGEMENT_IKE_SA), 0);
  assert.is(count(p.b, p, M.MANAGEMENT_IKE_SA), 0);
});

for (const rekeys of [0, 2]) {
  test(`INITIAL_CONTACT: a peer that starts afresh replaces what it had, after ${rekeys} rekeys of the IKE_SA`, () => {
    const p = up(pair());
    for (let i = 0; i < rekeys; i++) {
      p.a.command(M.MANAGEMENT_REKEY, [[M.CONNECTION_NAME, Buffer.from("gw")]]);
      p.drive(2);
    }
    assert.is(count(p.b, p, M.MANAGEMENT_IKE_SA), 1);
    const old = p.b.installed();
    // A forgets all: another core at the same address, with the same identity.
    p.a = new Pair().a;
    p.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1));
    p.drive();
    up(p);
    mirrored(p);
    assert.not.equal(p.b.installed(), old);
    assert.is(count(p.b, p, M.MANAGEMENT_IKE_SA), 1);
  });
}

test("CHILD_SA_NOT_FOUND: what the peer has lost is forgotten without a word, and asked for anew", () => {
  for (const start of [M.START_NONE, M.START_START]) {
    const p = up(pair({ start }));
    mirrored(p);
    const old = p.a.installed();
    p.b.wasm.forgetChild(p.b.events()[0].link);
    p.a.command(M.MANAGEMENT_REKEY, [CHILD]);
    p.drive(20);
    assert.ok(notifies(p.a).includes(CHILD_SA_NOT_FOUND));
    assert.not.equal(p.a.installed(), old);
    mirrored(p);
    assert.is(count(p.b, p, M.MANAGEMENT_IKE_SA), 1);
  }
});

test("a rekey that crosses the peer's Delete of the same CHILD_SA finds nothing, and nothing stays", () => {
  const p = up(pair());
  const late: Buffer[] = [];
  p.wire = (packet, fromA) => {
    if (!fromA || packet[46] !== 36) return packet;
    late.push(packet);
    return null;
  };
  p.a.command(M.MANAGEMENT_REKEY, [CHILD]);
  p.b.command(M.MANAGEMENT_TERMINATE, [CHILD]);
  p.drive();
  p.wire = (packet) => packet;
  p.b.push(0, late[0]);
  p.drive(5);
  assert.ok(notifies(p.a).includes(CHILD_SA_NOT_FOUND));
  mirrored(p, 0);
  assert.is(count(p.a, p, M.MANAGEMENT_CHILD_SA), 0);
});

test("a flood of first messages from one address is kept only until cookies are asked for, and leaves room again", () => {
  const p = pair();
  p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
  p.wire = () => null;
  p.drive();
  const first = p.packets[0];
  for (let i = 1; i <= 100; i++) {
    const packet = Buffer.from(first);
    packet.writeUInt32BE(i, 28);
    p.b.push(0, packet);
    p.b.poll(p.time);
  }
  assert.is(count(p.b, p, M.MANAGEMENT_IKE_SA), 2);
  p.wire = (packet) => packet;
  p.drive(120);
  mirrored(p);
  assert.is(count(p.b, p, M.MANAGEMENT_IKE_SA), 1);
});

test("no board takes the responder's CHILD_SA: NO_ADDITIONAL_SAS, the IKE_SA stays and a later try succeeds", () => {
  const p = pair();
  p.b.wasm.setBoards(BOARDS_REFUSE);
  up(p);
  assert.ok(notifies(p.a).includes(NO_ADDITIONAL_SAS));
  assert.equal(p.b.installed(), []);
  assert.is(count(p.a, p, M.MANAGEMENT_IKE_SA), 1);
  p.b.wasm.setBoards(0);
  up(p);
  mirrored(p);
});

test("no board takes the initiator's CHILD_SA: the peer's is deleted", () => {
  const p = pair();
  p.a.wasm.setBoards(BOARDS_REFUSE);
  up(p);
  assert.equal(p.a.installed(), []);
  assert.equal(p.b.installed(), []);
  assert.ok(p.a.alerts().includes("no IPsec board took the CHILD_SA: none is online"));
});

test("no board takes a rekeyed CHILD_SA: the old one goes on until one does", () => {
  const p = up(pair());
  const old = p.a.installed();
  p.a.wasm.setBoards(BOARDS_REFUSE);
  p.a.command(M.MANAGEMENT_REKEY, [CHILD]);
  p.drive(1);
  assert.equal(p.a.installed(), old);
  p.a.wasm.setBoards(0);
  p.drive(20);
  mirrored(p);
  assert.not.equal(p.a.installed(), old);
});

for (const side of ["a", "b"] as const) {
  test(`boards of ${side} that never answer: given up after 10 s, nothing stays`, () => {
    const p = pair();
    p[side].wasm.setBoards(BOARDS_SILENT);
    up(p);
    p.drive(12);
    assert.equal(p.a.installed(), []);
    assert.equal(p.b.installed(), []);
    assert.is(count(p.a, p, M.MANAGEMENT_CHILD_SA), 0);
    assert.is(count(p.b, p, M.MANAGEMENT_CHILD_SA), 0);
    p[side].wasm.setBoards(0);
    up(p);
    mirrored(p);
  });

  for (const op of [P.PSA_GENERATE_KEY, P.PSA_RAW_KEY_AGREEMENT]) {
    for (const what of [CHILD, GW]) {
      // There the peer has moved over already: a story of its own, below.
      if (side === "a" && op === P.PSA_RAW_KEY_AGREEMENT && what === GW) continue;
      test(`secure element of ${side} deaf to ${op} during a rekey of ${what[1]}: given up after 10 s, tried again`, () => {
        const p = up(pair({ childKe: 31 }, { childKe: 31 }));
        const old = p.a.installed();
        p[side].deaf.add(op);
        p.a.command(M.MANAGEMENT_REKEY, [what]);
        p.drive(12);
        assert.equal(p.a.installed(), old);
        if (side === "b") assert.ok(notifies(p.a).includes(TEMPORARY_FAILURE));
        assert.ok(p[side].alerts().includes("the secure element does not answer"));
        p[side].deaf.clear();
        p.drive(40);
        mirrored(p);
        if (what === CHILD) assert.not.equal(p.a.installed(), old);
        else
          assert.ok(
            p.a.messages.some((m) => m.readUInt16LE(0) === M.MANAGEMENT_EVENT && hasKind(m, M.EVENT_IKE_REKEY)),
          );
        assert.is(count(p.a, p, M.MANAGEMENT_IKE_SA), 1);
        assert.is(count(p.b, p, M.MANAGEMENT_IKE_SA), 1);
      });
    }
  }
}

function hasKind(m: Buffer, kind: number): boolean {
  return itemsOf(m.subarray(12)).some(([t, v]) => t === M.EVENT_KIND && v.readUInt32LE(0) === kind);
}

test("the peer moved over to a rekeyed IKE_SA whose keys we never get: it ends, and a new one replaces the peer's", () => {
  const p = up(pair({ dpdAction: M.START_START }));
  p.a.deaf.add(P.PSA_RAW_KEY_AGREEMENT);
  p.a.command(M.MANAGEMENT_REKEY, [GW]);
  p.drive(9);
  p.a.deaf.clear();
  p.drive(20);
  mirrored(p);
  assert.is(count(p.a, p, M.MANAGEMENT_IKE_SA), 1);
  assert.is(count(p.b, p, M.MANAGEMENT_IKE_SA), 1);
});

test("trap and acquire: traffic brings the CHILD_SA up, once", () => {
  const p = pair({ start: M.START_TRAP });
  assert.is(p.a.events().filter((e) => e.kind === 3).length, 1);
  assert.is(p.packets.length, 0);
  p.a.wasm.acquire(0);
  p.a.wasm.acquire(0);
  p.drive(1);
  mirrored(p);
  p.a.wasm.acquire(0);
  p.drive(1);
  mirrored(p);
});

test("close_action start: a CHILD_SA that the peer deletes comes back", () => {
  const p = up(pair({ closeAction: M.START_START }));
  const old = p.a.installed();
  p.b.command(M.MANAGEMENT_TERMINATE, [CHILD]);
  p.drive(2);
  mirrored(p);
  assert.not.equal(p.a.installed(), old);
});

test("start_action start is tried again with pauses that double, until the peer is there", () => {
  const p = new Pair();
  p.lose = () => true;
  p.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, { start: M.START_START }));
  p.b.command(M.MANAGEMENT_CONNECTION_LOAD, connection(2));
  p.drive(400);
  const spis = new Set(p.packets.map((x) => x.subarray(28, 36).toString("hex")));
  assert.ok(spis.size >= 3, `${spis.size} attempts`);
  assert.ok(spis.size <= 6, `${spis.size} attempts`);
  p.lose = () => false;
  p.drive(200);
  mirrored(p);
});

test("time rekeys the CHILD_SA and the IKE_SA, on both sides at the same time", () => {
  const o = { childRekey: 60, rekey: 150, over: 30 };
  const p = up(pair(o, o));
  const first = p.a.installed();
  p.drive(400);
  mirrored(p);
  assert.not.equal(p.a.installed(), first);
  assert.is(count(p.a, p, M.MANAGEMENT_IKE_SA), 1);
  assert.is(count(p.b, p, M.MANAGEMENT_IKE_SA), 1);
  assert.is(count(p.b, p, M.MANAGEMENT_CHILD_SA), 1);
});

test("life_time ends a CHILD_SA at both ends, and another one takes its place", () => {
  const p = up(pair({ childLife: 30 }));
  p.drive(20);
  mirrored(p);
  const first = p.a.installed();
  p.drive(20);
  mirrored(p);
  for (const end of [p.a, p.b])
    assert.not.ok(
      end.installed().some((sa) => first.includes(sa)),
      "the first one is gone",
    );
});

test("dpd_action start: a peer that was away is called again", () => {
  const p = up(pair({ dpd: 10, dpdAction: M.START_START }));
  p.lose = () => true;
  p.drive(300);
  assert.ok(p.a.alerts().includes("the peer does not answer"));
  p.lose = () => false;
  p.drive(400);
  mirrored(p);
});

for (const what of [CHILD, GW]) {
  test(`rekey of ${what[1]} by both at once, in every order of delivery`, () => {
    for (let order = 0; order < 64; order++) {
      const p = up(pair({ childKe: order & 1 ? 31 : 0 }, { childKe: order & 1 ? 31 : 0 }));
      // Each of the first six packets goes at once or waits for the clock to move on.
      let n = 0;
      const late: [Buffer, Endpoint][] = [];
      p.wire = (packet, fromA) => {
        if (n >= 6 || ((order >> n++) & 1) === 0) return packet;
        late.push([packet, fromA ? p.b : p.a]);
        return null;
      };
      p.a.command(M.MANAGEMENT_REKEY, [what]);
      p.b.command(M.MANAGEMENT_REKEY, [what]);
      p.drive();
      for (const [packet, at] of late.reverse()) {
        at.push(0, packet);
        p.drive();
      }
      p.drive(60);
      mirrored(p);
      assert.is(count(p.a, p, M.MANAGEMENT_IKE_SA), 1, `order ${order}`);
      assert.is(count(p.b, p, M.MANAGEMENT_IKE_SA), 1, `order ${order}`);
    }
  });
}

test.run();
