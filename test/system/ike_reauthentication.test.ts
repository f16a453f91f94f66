/**
 * Reauthentication by a new IKE_SA, made before the old one goes (RFC 7296 2.8.3): by either end, with loss, with failures, and
 * what others do meanwhile.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as M from "../../assembly/abi/management.ts";
import { Pair, connection, itemsOf } from "./ike_endpoints.ts";
import type { Endpoint, Options } from "./ike_endpoints.ts";

const CHILD: [number, Uint8Array] = [M.CHILD_NAME, Buffer.from("net")];
const GW: [number, Uint8Array] = [M.CONNECTION_NAME, Buffer.from("gw")];

function pair(a: Options, b: Options = {}): Pair {
  const p = new Pair();
  p.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, a));
  p.b.command(M.MANAGEMENT_CONNECTION_LOAD, connection(2, b));
  p.drive();
  p.a.command(M.MANAGEMENT_INITIATE, [GW]);
  p.drive(1);
  return p;
}

interface Sa {
  id: number;
  state: number;
  established: bigint;
}

function ikeSas(e: Endpoint, p: Pair): Sa[] {
  return e
    .list(p.time)
    .filter(({ type }) => type === M.MANAGEMENT_IKE_SA)
    .map(({ items }) => ({
      id: items.get(M.IKE_SA_UNIQUE_ID)!.readUInt32LE(0),
      state: items.get(M.IKE_SA_STATE)!.readUInt32LE(0),
      established: items.get(M.IKE_SA_ESTABLISHED)!.readBigUInt64LE(0),
    }));
}

function mirrored(p: Pair, children = 1): void {
  const turned = p.b.installed().map((s) => s.replace(/:([01]):/, (_, d) => `:${1 - Number(d)}:`));
  assert.equal(p.a.installed(), turned.sort());
  assert.is(p.a.installed().length, 2 * children);
}

/** There was always a CHILD_SA to send on, and one to receive on, from the first on. */
function unbroken(e: Endpoint): void {
  for (const direction of [0, 1]) {
    const live = new Set<number>();
    let first = true;
    for (const event of e.events().filter((x) => x.direction === direction && x.kind !== 3)) {
      if (event.kind === 1) live.add(event.spi);
      else live.delete(event.spi);
      if (!first) assert.ok(live.size > 0, `direction ${direction} is cut`);
      first = false;
    }
  }
}

/** CHILD_SAs or IKE_SAs that are up, by what the operator was told. */
function told(e: Endpoint, kind: number): number {
  return e.messages
    .filter((m) => m.readUInt16LE(0) === M.MANAGEMENT_EVENT)
    .map((m) => new Map(itemsOf(m.subarray(12))))
    .filter((items) => items.get(M.EVENT_KIND)?.readUInt32LE(0) === kind)
    .reduce((sum, items) => sum + (items.get(M.EVENT_UP)!.readUInt32LE(0) === 1 ? 1 : -1), 0);
}

function settled(p: Pair, children = 1): void {
  mirrored(p, children);
  for (const e of [p.a, p.b]) {
    unbroken(e);
    assert.is(ikeSas(e, p).length, 1);
    assert.is(told(e, M.EVENT_IKE_UPDOWN), 1);
    assert.is(told(e, M.EVENT_CHILD_UPDOWN), children);
    assert.equal(e.alerts(), []);
  }
}

// IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA on a new IKE_SA, then INFORMATIONAL (DELETE) on the old one.
for (const [who, a, b] of [
  ["the initiator", { reauth: 60 }, {}],
  ["the responder, by itself", {}, { reauth: 60 }],
] as const) {
  for (const children of [["net"], ["net", "two", "three"]]) {
    test(`${who} reauthenticates with ${children.length} CHILD_SAs: new before old, again and again`, () => {
      const p = pair({ ...a, children }, { ...b, children });
      if (children.length > 1)
        for (const c of children) p.a.command(M.MANAGEMENT_INITIATE, [[M.CHILD_NAME, Buffer.from(c)]]);
      p.drive(1);
      settled(p, children.length);
      const ids = new Set<number>();
      for (let i = 0; i < 4; i++) {
        ids.add(ikeSas(p.a, p)[0].id);
        const before = p.a.installed();
        p.drive(65);
        settled(p, children.length);
        for (const sa of before) assert.not.ok(p.a.installed().includes(sa), "every CHILD_SA is a new one");
      }
      assert.is(ids.size, 4);
    });
  }
}

test("an IKE_SA without CHILD_SAs is reauthenticated without any (RFC 6023)", () => {
  const p = new Pair();
  p.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, { reauth: 60 }));
  p.b.command(M.MANAGEMENT_CONNECTION_LOAD, connection(2));
  p.drive();
  p.a.command(M.MANAGEMENT_INITIATE, [GW, [M.INITIATE_IKE, 1]]);
  p.drive(1);
  const [first] = ikeSas(p.b, p);
  p.drive(65);
  const sas = ikeSas(p.b, p);
  assert.is(sas.length, 1);
  assert.is.not(sas[0].id, first.id);
  assert.is(p.b.installed().length, 0);
});

test("each message of it may be lost once: it goes on, and nothing is cut", () => {
  for (let lost = 1; lost <= 8; lost++) {
    const p = pair({ reauth: 60 });
    const from = p.packets.length;
    p.lose = (_, n) => n === from + lost;
    p.drive(80);
    settled(p);
    assert.is(p.lose(Buffer.alloc(0), from + lost), true);
  }
});

test("a rekey of the IKE_SA does not put it off", () => {
  const p = pair({ reauth: 60, rekey: 20 });
  const [first] = ikeSas(p.a, p);
  p.drive(50);
  assert.is.not(ikeSas(p.a, p)[0].id, first.id, "rekeyed");
  const before = p.a.installed();
  p.drive(15);
  settled(p);
  assert.not.equal(p.a.installed(), before);
});

test("rekeyed by the responder, it is the original initiator's still", () => {
  const p = pair({ reauth: 60 }, { rekey: 20 });
  p.drive(50);
  const before = p.a.installed();
  const inits = (): number => p.packets.filter((x) => x[46] === 34 && x.readUInt32BE(48) === 0).length;
  const count = inits();
  p.drive(15);
  settled(p);
  assert.not.equal(p.a.installed(), before);
  assert.is(inits() - count, 2, "one IKE_SA_INIT and its answer");
});

test("the peer cannot be reached for it: attempts go on until over_time, then the IKE_SA ends, and start_action has it back", () => {
  const p = pair({ reauth: 60, over: 120, start: M.START_START });
  const before = p.a.installed();
  p.wire = (packet) => (packet[46] === 34 ? null : packet);
  p.drive(150);
  assert.equal(p.a.installed(), before, "the old one carries on");
  assert.is(ikeSas(p.a, p).filter(({ state }) => state === M.IKE_STATE_ESTABLISHED).length, 1);
  assert.ok(p.a.alerts().includes("the peer does not answer"));
  p.drive(60);
  assert.ok(p.a.alerts().includes("the IKE_SA was not reauthenticated in time"));
  assert.is(p.a.installed().length, 0);
  p.wire = (packet) => packet;
  for (let second = 0; second < 400 && p.a.installed().length === 0; second++) p.drive(1);
  p.drive(1);
  mirrored(p);
});

test("the operator ends what is ending by itself: start_action does not have it back", () => {
  const p = pair({ reauth: 60, over: 30, start: M.START_START });
  // No new one, and then  HDR, SK {D} -->   <-- HDR, SK {}, which are lost.
  p.wire = () => null;
  const ending = (): boolean => ikeSas(p.a, p).some(({ state }) => state === M.IKE_STATE_DELETING);
  for (let second = 0; second < 200 && !ending(); second++) p.drive(1);
  assert.ok(ending());
  p.a.command(M.MANAGEMENT_TERMINATE, [GW]);
  p.wire = (packet) => packet;
  p.drive(600);
  assert.equal(ikeSas(p.a, p), []);
  assert.is(p.a.installed().length, 0);
});

test("the peer's key has changed: the old IKE_SA stays until over_time, with the reason told", () => {
  const p = pair({ reauth: 60, over: 30 });
  const before = p.a.installed();
  p.b.psk = "another";
  p.drive(75);
  assert.equal(p.a.installed(), before);
  assert.ok(p.a.alerts().includes("the peer refused IKE_AUTH"));
  p.drive(30);
  assert.is(p.a.installed().length, 0);
  assert.is(p.b.installed().length, 0);
  assert.is(ikeSas(p.b, p).length, 0);
});

test("the peer refuses a CHILD_SA on the new IKE_SA: the others have moved, and that one is gone at both ends", () => {
  const children = ["net", "two"];
  const p = pair({ reauth: 60, children }, { children });
  p.a.command(M.MANAGEMENT_INITIATE, [[M.CHILD_NAME, Buffer.from("two")]]);
  p.drive(1);
  settled(p, 2);
  // B is loaded anew without it; what is there stays.
  p.b.command(M.MANAGEMENT_CONNECTION_LOAD, connection(2));
  p.drive(1);
  p.drive(65);
  mirrored(p, 1);
  assert.is(told(p.a, M.EVENT_CHILD_UPDOWN), 1);
  assert.ok(p.a.alerts().includes("the peer refused the CHILD_SA"));
});

for (const closeAction of [M.START_START, M.START_TRAP]) {
  test(`close_action ${closeAction} is for what the peer closes, not for what is reauthenticated`, () => {
    const p = pair({ reauth: 60, closeAction }, { closeAction });
    p.drive(200);
    settled(p);
    assert.is(p.b.events().filter(({ kind }) => kind === 3).length, 0);
    assert.is(p.a.events().filter(({ kind }) => kind === 3).length, 0);
  });
}

test("what starts while it is under way starts on the new one", () => {
  const children = ["net", "two"];
  const p = pair({ reauth: 60, children }, { children });
  p.a.command(M.MANAGEMENT_TERMINATE, [[M.CHILD_NAME, Buffer.from("two")]]);
  p.drive(1);
  mirrored(p, 1);
  // IKE_SA_INIT of the new one is held up.
  p.wire = (packet, fromA) => (packet[46] === 34 && fromA ? null : packet);
  p.drive(61);
  p.a.command(M.MANAGEMENT_INITIATE, [[M.CHILD_NAME, Buffer.from("two")]]);
  p.drive(1);
  mirrored(p, 1);
  p.wire = (packet) => packet;
  p.drive(10);
  mirrored(p, 2);
  assert.is(ikeSas(p.a, p).length, 1);
});

test("terminated while it is under way: both IKE_SAs go", () => {
  const p = pair({ reauth: 60 });
  p.wire = (packet) => (packet[46] === 34 ? null : packet);
  p.drive(61);
  assert.is(ikeSas(p.a, p).length, 2);
  p.a.command(M.MANAGEMENT_TERMINATE, [GW]);
  p.drive(5);
  p.wire = (packet) => packet;
  p.drive(100);
  for (const e of [p.a, p.b]) {
    assert.is(ikeSas(e, p).length, 0);
    assert.is(e.installed().length, 0);
  }
});

test("the old one is deleted by the peer while it is under way: the new one takes over, close_action starts nothing twice", () => {
  const p = pair({ reauth: 60, closeAction: M.START_START });
  p.wire = (packet, fromA) => (packet[46] === 34 && fromA ? null : packet);
  p.drive(61);
  p.b.command(M.MANAGEMENT_TERMINATE, [GW]);
  p.drive(1);
  assert.is(p.a.installed().length, 0);
  p.wire = (packet) => packet;
  p.drive(30);
  mirrored(p);
  assert.is(ikeSas(p.a, p).length, 1);
});

test("both ends reauthenticate at the same moment: there is a CHILD_SA all along, and what is left over goes", () => {
  const p = pair({ reauth: 60 }, { reauth: 60 });
  p.drive(64);
  for (const e of [p.a, p.b]) unbroken(e);
  p.drive(11);
  settled(p);
  for (let i = 0; i < 4; i++) {
    p.drive(75);
    settled(p);
  }
});

test("a connection that was loaded anew is reauthenticated as it is now; one that was unloaded ends", () => {
  const p = pair({ reauth: 60, over: 20 });
  p.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, { reauth: 120, over: 20 }));
  p.drive(65);
  settled(p);
  p.drive(60);
  settled(p);
  p.a.command(M.MANAGEMENT_CONNECTION_UNLOAD, [GW]);
  p.drive(90);
  assert.is(ikeSas(p.a, p).length, 0);
  assert.is(ikeSas(p.b, p).length, 0);
});

for (const unique of [M.UNIQUE_NO, M.UNIQUE_NEVER, M.UNIQUE_REPLACE, M.UNIQUE_KEEP]) {
  test(`a responder with unique ${unique} lets it happen`, () => {
    const p = pair({ reauth: 60 }, { unique });
    for (let i = 0; i < 3; i++) {
      p.drive(65);
      settled(p);
    }
  });
}

test("the command: a CHILD_SA by its name is rekeyed, not reauthenticated", () => {
  const p = pair({ reauth: 60 });
  const [first] = ikeSas(p.a, p);
  p.a.command(M.MANAGEMENT_REKEY, [CHILD]);
  p.drive(5);
  settled(p);
  assert.is(ikeSas(p.a, p)[0].id, first.id);
});

test.run();
