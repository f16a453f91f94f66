/**
 * MOBIKE (RFC 4555) between two IKE cores: A initiates, from 192.0.2.1 (and .51), B answers at 192.0.2.2 (and .52). What the boards
 * are told is read from the cores' events. With hostile messages, which a core of the same keys is made to send.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CONFIG_LOCAL_ADDRESS } from "../../assembly/abi/config.ts";
import * as M from "../../assembly/abi/management.ts";
import { PORT_UNPROTECTED } from "../../assembly/abi/ring.ts";
import { Pair, connection, from, itemsOf, to } from "./ike_endpoints.ts";
import type { Endpoint, Options } from "./ike_endpoints.ts";

const CHILD: [number, Uint8Array] = [M.CHILD_NAME, Buffer.from("net")];
const GW: [number, Uint8Array] = [M.CONNECTION_NAME, Buffer.from("gw")];
const UNACCEPTABLE_ADDRESSES = 40;
const UNEXPECTED_NAT_DETECTED = 41;
const UPDATE_SA_ADDRESSES = 16400;
const COOKIE2 = 16401;
const NO_NATS_ALLOWED = 16402;
const CREATE_CHILD_SA = 36;
const INFORMATIONAL = 37;
const INSTALLED = 1;
const UPDATED = 5;

const octets = (address: string): number[] => address.split(".").map(Number);

/** Addresses that both ends have from the start, besides .1 and .2. */
function pair(a: Options = {}, b: Options = {}, more: string[] = []): Pair {
  const p = new Pair(
    "secret",
    "secret",
    undefined,
    more.map((address) => [CONFIG_LOCAL_ADDRESS, Uint8Array.from(octets(address))]),
  );
  const o = { mobike: true };
  p.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, { ...o, ...a }));
  p.b.command(M.MANAGEMENT_CONNECTION_LOAD, connection(2, { ...o, ...b }));
  p.drive();
  return p;
}

function up(p: Pair): Pair {
  p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
  p.drive(1);
  assert.is(p.a.installed().length, 2, "it is up");
  return p;
}

/** The chassis tells of other addresses. */
function addresses(e: Endpoint, ...list: string[]): void {
  e.command(
    M.MANAGEMENT_LOCAL_ADDRESSES,
    list.map((address) => [M.CONNECTION_LOCAL_ADDRESS, Uint8Array.from(octets(address))]),
  );
}

/** Where the boards send an endpoint's outbound SA now, and how often they were told since it was installed. */
function placed(e: Endpoint): { from: string; to: string; updates: number } {
  const events = e.events().filter(({ direction }) => direction === 1);
  const last = events.filter(({ kind }) => kind === INSTALLED || kind === UPDATED).at(-1)!;
  const since = events.slice(events.map(({ kind }) => kind).lastIndexOf(INSTALLED));
  return {
    from: last.local,
    to: `${last.remote}:${last.remotePort}`,
    updates: since.filter(({ kind }) => kind === UPDATED).length,
  };
}

function ikeSa(e: Endpoint, p: Pair): Map<number, Buffer> | undefined {
  return e.list(p.time).find((m) => m.type === M.MANAGEMENT_IKE_SA)?.items;
}
const remoteOf = (e: Endpoint, p: Pair): string => [...ikeSa(e, p)!.get(M.IKE_SA_REMOTE)!].join(".");
const source = (packet: Buffer): string => packet.subarray(12, 16).join(".");
const destination = (packet: Buffer): string => packet.subarray(16, 20).join(".");
/** Exchange type; IKE messages have the non-ESP marker with port 4500. */
const exchange = (packet: Buffer): number => packet[packet.readUInt16BE(20) === 500 ? 46 : 50]!;
const informational = (p: Pair): Buffer[] => p.packets.filter((x) => x.length > 40 && exchange(x) === INFORMATIONAL);

function notifies(e: Endpoint): number[] {
  return e.messages
    .filter((m) => m.readUInt16LE(0) === M.MANAGEMENT_EVENT)
    .flatMap((m) => itemsOf(m.subarray(12)).filter(([t]) => t === M.EVENT_NOTIFY))
    .map(([, v]) => v.readUInt32LE(0));
}

/** Has an endpoint send an INFORMATIONAL request with these notifies. */
function inform(e: Endpoint, ...notes: [number, Uint8Array][]): void {
  const body = Buffer.concat(
    notes.map(([type, data]) => {
      const head = Buffer.alloc(4);
      head.writeUInt16LE(type, 0);
      head.writeUInt16LE(data.length, 2);
      return Buffer.concat([head, data]);
    }),
  );
  new Uint8Array(e.memory.buffer).set(body, e.wasm.notesAt());
  e.wasm.inform(body.length);
}

const NOTHING = new Uint8Array(0);

const isResponse = (packet: Buffer): boolean => (packet[packet.readUInt16BE(20) === 500 ? 47 : 51]! & 0x20) !== 0;

/** What A sends and `picked` picks comes from `elsewhere`; what goes there finds A. */
function detour(p: Pair, elsewhere: string, home: string, picked: (packet: Buffer) => boolean = () => true): void {
  p.wire = (packet, fromA) => {
    if (fromA) return picked(packet) ? from(packet, octets(elsewhere), packet.readUInt16BE(20)) : packet;
    return destination(packet) === elsewhere ? to(packet, octets(home), packet.readUInt16BE(22)) : packet;
  };
}

test("agreed on when both want it; then IKE_AUTH goes by port 4500, and ESP is not in UDP without a NAT", () => {
  for (const [a, b] of [
    [true, true],
    [true, false],
    [false, true],
  ]) {
    const p = up(pair({ mobike: a }, { mobike: b }));
    for (const e of [p.a, p.b]) assert.is(ikeSa(e, p)!.get(M.IKE_SA_MOBIKE)!.readUInt32LE(0), a && b ? 1 : 0);
    const auth = p.packets.filter((x) => exchange(x) === 35);
    assert.ok(auth.every((x) => x.readUInt16BE(20) === (a ? 4500 : 500)));
    const child = p.a.list(p.time).find((m) => m.type === M.MANAGEMENT_CHILD_SA)!;
    assert.is(child.items.get(M.CHILD_SA_FLAGS)!.readUInt32LE(0) & 2, 0);
  }
});

test("A's address changes: the SAs stay, the boards of both send elsewhere, B after COOKIE2 has come back", () => {
  const p = up(pair());
  const sas = p.a.installed();
  const before = informational(p).length;
  addresses(p.a, "192.0.2.77");
  p.drive(1);
  assert.equal(placed(p.a), { from: "192.0.2.77", to: "192.0.2.2:4500", updates: 1 });
  assert.equal(placed(p.b), { from: "192.0.2.2", to: "192.0.2.77:4500", updates: 1 });
  assert.equal(p.a.installed(), sas);
  assert.is(informational(p).length - before, 4, "UPDATE_SA_ADDRESSES and COOKIE2, with their answers");
  const [moved] = p.b.messages.filter(
    (m) =>
      m.readUInt16LE(0) === M.MANAGEMENT_EVENT && itemsOf(m.subarray(12))[0]![1].readUInt32LE(0) === M.EVENT_IKE_UPDATE,
  );
  assert.ok(moved, "the operator is told");
  // Everything goes on from there.
  p.a.command(M.MANAGEMENT_REKEY, [CHILD]);
  p.drive(3);
  assert.equal(placed(p.b), { from: "192.0.2.2", to: "192.0.2.77:4500", updates: 0 });
  p.b.command(M.MANAGEMENT_REKEY, [GW]);
  p.drive(3);
  addresses(p.a, "192.0.2.78");
  p.drive(1);
  assert.is(placed(p.a).from, "192.0.2.78", "the first initiator moves, whoever rekeyed the IKE_SA");
  assert.is(placed(p.b).to, "192.0.2.78:4500");
});

test("B sends nothing to an address whose COOKIE2 has not come back", () => {
  const p = up(pair());
  addresses(p.a, "192.0.2.77");
  // B's request to there is lost, its answer is not.
  p.wire = (packet, fromA) => (!fromA && !isResponse(packet) ? null : packet);
  p.drive(20);
  assert.is(remoteOf(p.b, p), "192.0.2.77");
  assert.is(placed(p.b).to, "192.0.2.1:4500");
  p.wire = (packet) => packet;
  p.drive(30);
  assert.is(placed(p.b).to, "192.0.2.77:4500");
});

test("a COOKIE2 that comes back as another one ends the IKE_SA", () => {
  const p = up(pair());
  addresses(p.a, "192.0.2.77");
  let asked = false;
  p.wire = (packet, fromA) => {
    if (!fromA && !isResponse(packet) && !asked) {
      asked = true;
      p.b.wasm.spoilCookie2();
    }
    return packet;
  };
  p.drive(5);
  assert.ok(asked);
  assert.ok(notifies(p.b).includes(COOKIE2));
  assert.is(ikeSa(p.b, p), undefined);
  assert.is(ikeSa(p.a, p), undefined);
  assert.is(placed(p.b).to, "192.0.2.1:4500");
});

test("the way is dead from one of A's addresses: it is found out by a request without an answer, and the other one used", () => {
  const p = up(pair({ dpd: 5 }, {}, ["192.0.2.51"]));
  p.wire = (packet, fromA) => ((fromA ? source(packet) : destination(packet)) === "192.0.2.1" ? null : packet);
  p.drive(12);
  assert.is(placed(p.a).from, "192.0.2.51");
  assert.is(placed(p.b).to, "192.0.2.51:4500");
});

test("the way is dead to one of B's addresses: A goes on with another one that B told of, and comes back", () => {
  const p = up(pair({ dpd: 5 }, {}, ["192.0.2.52"]));
  // Both ends have .52 by CONFIG; B alone is there.
  addresses(p.a, "192.0.2.1");
  p.drive(1);
  const dead = (address: string) => (packet: Buffer, fromA: boolean) =>
    (fromA ? destination(packet) : source(packet)) === address ? null : packet;
  p.wire = dead("192.0.2.2");
  p.drive(12);
  assert.is(placed(p.a).to, "192.0.2.52:4500");
  assert.is(placed(p.b).from, "192.0.2.52");
  p.wire = dead("192.0.2.52");
  p.drive(12);
  assert.is(placed(p.a).to, "192.0.2.2:4500", "where the peer was is not forgotten");
});

test("B's address goes: it tells from another one, and A moves there", () => {
  const p = up(pair());
  addresses(p.b, "192.0.2.52");
  p.drive(3);
  assert.is(placed(p.a).to, "192.0.2.52:4500");
  assert.is(placed(p.b).from, "192.0.2.52");
});

test("without any address A waits, however long, and goes on when it has one", () => {
  const p = up(pair({ dpd: 5, dpdAction: M.START_NONE }));
  addresses(p.a);
  p.drive(600);
  assert.ok(ikeSa(p.a, p));
  addresses(p.a, "192.0.2.80");
  p.drive(10);
  assert.is(placed(p.b).to, "192.0.2.80:4500");
});

test("addresses inside the tunnel, of groups and of this host are refused", () => {
  for (const address of ["10.1.7.7", "224.0.0.5", "127.0.0.1"]) {
    const p = up(pair({ dpdAction: M.START_NONE }));
    inform(p.a, [UPDATE_SA_ADDRESSES, NOTHING]);
    p.wire = (packet, fromA) => (fromA ? from(packet, octets(address), 4500) : packet);
    p.drive(1);
    assert.ok(notifies(p.b).includes(UNACCEPTABLE_ADDRESSES), address);
    assert.is(remoteOf(p.b, p), "192.0.2.1");
    assert.is(placed(p.b).updates, 0);
  }
});

test("A, refused everywhere, stays and says so", () => {
  const p = up(pair());
  detour(p, "10.1.0.9", "192.0.2.77", (packet) => source(packet) === "192.0.2.77");
  addresses(p.a, "192.0.2.77");
  p.drive(3);
  assert.ok(p.a.alerts().includes("the peer takes none of our addresses"));
  assert.is(placed(p.a).updates, 0);
  assert.is(placed(p.b).updates, 0);
});

test("an address of ours inside the tunnel is neither told of nor used", () => {
  const p = pair({ dpd: 5 }, {}, ["10.1.0.1"]);
  addresses(p.b, "192.0.2.2");
  up(p);
  const told = ikeSa(p.b, p)!.get(M.IKE_SA_PEER_ADDRESS);
  assert.is(told, undefined);
  p.wire = () => null;
  p.drive(30);
  assert.ok(informational(p).every((packet) => source(packet) !== "10.1.0.1" && destination(packet) !== "10.1.0.1"));
});

test("NO_NATS_ALLOWED with other addresses than the packet's: UNEXPECTED_NAT_DETECTED, and nothing moves", () => {
  const p = up(pair());
  const ends = (sourceAddress: string): Buffer =>
    Buffer.from([...octets(sourceAddress), 192, 0, 2, 2, 4500 >> 8, 4500 & 255, 4500 >> 8, 4500 & 255]);
  detour(p, "192.0.2.99", "192.0.2.1");
  inform(p.a, [UPDATE_SA_ADDRESSES, NOTHING], [NO_NATS_ALLOWED, ends("192.0.2.1")]);
  p.drive(1);
  assert.is(remoteOf(p.b, p), "192.0.2.1");
  // With those that it has it is as good as any.
  inform(p.a, [UPDATE_SA_ADDRESSES, NOTHING], [NO_NATS_ALLOWED, ends("192.0.2.99")]);
  p.drive(1);
  assert.is(remoteOf(p.b, p), "192.0.2.99");
});

test("a peer without NAT traversal: A forbids NATs, in IKE_AUTH and when it moves", () => {
  for (const nat of [false, true]) {
    const p = pair();
    p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
    p.wire = (packet, fromA) => {
      if (exchange(packet) === 34 || !nat) return packet;
      return fromA ? from(packet, [192, 0, 2, 1], 40000) : to(packet, [192, 0, 2, 1], 500);
    };
    for (let i = 0; i < 40; i++) {
      p.a.wasm.forgetNatTraversal();
      p.step();
    }
    p.drive(1);
    assert.is(p.a.installed().length, nat ? 0 : 2);
    if (nat) {
      assert.ok(notifies(p.a).includes(UNEXPECTED_NAT_DETECTED));
      continue;
    }
    addresses(p.a, "192.0.2.77");
    let tries = 0;
    // One packet that was changed on the way does not make a path unusable.
    detour(p, "192.0.2.99", "192.0.2.77", (packet) => !isResponse(packet) && ++tries === 1);
    p.drive(5);
    assert.is(placed(p.b).to, "192.0.2.77:500");
    assert.is(tries, 2);
  }
});

test("B may not move A, nor a stranger either of them", () => {
  const p = up(pair({ dpd: 5 }));
  // UPDATE_SA_ADDRESSES from the responder.
  p.wire = (packet, fromA) => (fromA ? packet : from(packet, [192, 0, 2, 99], 4500));
  inform(p.b, [UPDATE_SA_ADDRESSES, NOTHING]);
  p.drive(1);
  assert.is(remoteOf(p.a, p), "192.0.2.2");
  p.wire = (packet) => packet;
  p.drive(1);
  // Every message of A's so far, once more from elsewhere: RFC 7296 2.3 and 2.2.
  const recorded = p.packets.filter((x) => source(x) === "192.0.2.1");
  assert.ok(recorded.length > 3);
  for (const packet of recorded) {
    p.b.push(PORT_UNPROTECTED, from(packet, [203, 0, 113, 5], 4500));
    p.drive();
  }
  // What is new from elsewhere is answered there (RFC 7296 2.11), but not followed (RFC 4555 3.8).
  const sas = p.b.installed();
  detour(p, "203.0.113.5", "192.0.2.1", (packet) => exchange(packet) === CREATE_CHILD_SA);
  p.a.command(M.MANAGEMENT_REKEY, [CHILD]);
  p.drive(2);
  assert.not.equal(p.b.installed(), sas);
  assert.ok(p.packets.some((packet) => destination(packet) === "203.0.113.5"));
  assert.is(placed(p.b).to, "192.0.2.1:4500");
  assert.is(remoteOf(p.b, p), "192.0.2.1");
  assert.is(placed(p.b).updates, 0);
  assert.is(placed(p.a).updates, 0);
});

test("A's answer from an address that nobody told of does not move it", () => {
  const p = up(pair({ dpd: 5 }));
  p.wire = (packet, fromA) => (fromA ? packet : from(packet, [203, 0, 113, 5], 4500));
  p.drive(12);
  assert.is(remoteOf(p.a, p), "192.0.2.2");
  assert.is(placed(p.a).to, "192.0.2.2:4500");
});

test("behind a NAT A asks with its signs of life, and moves when the NAT maps it elsewhere", () => {
  const p = pair({ dpd: 5 });
  let port = 30000;
  p.wire = (packet, fromA) => {
    if (fromA) return from(packet, [192, 0, 2, 1], packet.readUInt16BE(20) === 4500 ? port : 1500);
    const at = packet.readUInt16BE(22);
    if (at === 1500) return to(packet, [192, 0, 2, 1], 500);
    return at === port ? to(packet, [192, 0, 2, 1], 4500) : null;
  };
  up(p);
  p.drive(8);
  assert.is(placed(p.b).to, "192.0.2.1:30000");
  port = 31000;
  p.drive(8);
  assert.equal(placed(p.b), { from: "192.0.2.2", to: "192.0.2.1:31000", updates: 1 });
  p.drive(20);
  assert.is(placed(p.b).updates, 1, "one move");
});

test("a board's word that ESP comes from elsewhere counts for a peer behind a NAT, without MOBIKE", () => {
  for (const { mobike, nat, spi, moves } of [
    { mobike: false, nat: true, spi: 0, moves: true },
    { mobike: false, nat: true, spi: 1, moves: false },
    { mobike: false, nat: false, spi: 0, moves: false },
    { mobike: true, nat: true, spi: 0, moves: false },
  ]) {
    const p = pair({ mobike, encap: nat }, { mobike });
    up(p);
    const inbound = p.b.events().find(({ kind, direction }) => kind === INSTALLED && direction === 0)!;
    p.b.wasm.moved(inbound.link, inbound.spi + spi, 0xcb007105, 40000);
    p.drive(1);
    const there = moves ? "203.0.113.5:40000" : "192.0.2.1:4500";
    if (nat) assert.is(placed(p.b).to, there, JSON.stringify({ mobike, nat, spi }));
    else assert.is(placed(p.b).updates, 0);
  }
});

test("two moves at once, and one while the first is verified: the last one counts", () => {
  const p = up(pair());
  addresses(p.a, "192.0.2.77");
  p.drive();
  addresses(p.a, "192.0.2.78");
  p.drive();
  addresses(p.a, "192.0.2.1");
  p.drive(5);
  assert.is(placed(p.b).to, "192.0.2.1:4500");
  addresses(p.a, "192.0.2.77");
  let lost = 0;
  p.wire = (packet, fromA) => (!fromA && !isResponse(packet) && lost++ < 2 ? null : packet);
  p.drive(2);
  addresses(p.a, "192.0.2.78");
  p.drive(30);
  assert.is(remoteOf(p.b, p), "192.0.2.78");
  assert.is(placed(p.b).to, "192.0.2.78:4500");
  assert.is(placed(p.a).from, "192.0.2.78");
});

test.run();
