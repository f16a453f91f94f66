/** Stories of two IKE cores that agree on transport mode, or decline it (RFC 7296 1.3.1, 2.23.1). */
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as M from "../../assembly/abi/management.ts";
import { MODE_TRANSPORT, MODE_TUNNEL } from "../../assembly/abi/message.ts";
import { Pair, connection, from, initiated, selector, to } from "./ike_endpoints.ts";
import type { Endpoint, Options } from "./ike_endpoints.ts";

const CHILD: [number, Uint8Array] = [M.CHILD_NAME, Buffer.from("net")];
const GW: [number, Uint8Array] = [M.CONNECTION_NAME, Buffer.from("gw")];
/** An event of the core's: SA_UPDATE is due. */
const UPDATED = 5;
const A = [192, 0, 2, 1];
const B = [192, 0, 2, 2];
const HOSTS: Options = { localTs: [], remoteTs: [], childMode: MODE_TRANSPORT };

interface Child {
  mode: number;
  local: number[];
  remote: number[];
  spi: number;
}

/** The CHILD_SAs of an end; of the selectors the first address. */
function children(e: Endpoint, p: Pair): Child[] {
  return e
    .list(p.time)
    .filter(({ type }) => type === M.MANAGEMENT_CHILD_SA)
    .map(({ items }) => ({
      mode: items.get(M.CHILD_SA_MODE)!.readUInt32LE(0),
      local: [...items.get(M.CHILD_SA_LOCAL_TS)!.subarray(8, 12)],
      remote: [...items.get(M.CHILD_SA_REMOTE_TS)!.subarray(8, 12)],
      spi: items.get(M.CHILD_SA_SPI_IN)!.readUInt32LE(0),
    }));
}

/** Both ends have one CHILD_SA, of this mode. */
function agreed(p: Pair, mode: number): [Child, Child] {
  const [[a, ...moreA], [b, ...moreB]] = [children(p.a, p), children(p.b, p)];
  assert.is(moreA.length + moreB.length, 0);
  assert.ok(a && b, `both have a CHILD_SA; ${[...p.a.alerts(), ...p.b.alerts()]}`);
  assert.equal([a!.mode, b!.mode], [mode, mode]);
  return [a!, b!];
}

const DECLINED = "the peer declined transport mode: it is tunnel mode";
const NOT_HOSTS = "no transport mode, but tunnel mode: the selectors are not the addresses of the two ends";

test("transport mode is asked for and granted: SAi2, N(USE_TRANSPORT_MODE) --> <-- SAr2, N(USE_TRANSPORT_MODE)", () => {
  const p = initiated(HOSTS, HOSTS);
  const [a, b] = agreed(p, MODE_TRANSPORT);
  assert.equal([a.local, a.remote], [A, B]);
  assert.equal([b.local, b.remote], [B, A]);
  assert.is(p.a.installed().length, 2);
  assert.equal([...p.a.alerts(), ...p.b.alerts()], []);
});

for (const [who, rekeyed] of [
  ["initiator", "a"],
  ["responder", "b"],
] as const) {
  test(`a rekey by the ${who} keeps the mode`, () => {
    const p = initiated(HOSTS, HOSTS);
    const [before] = agreed(p, MODE_TRANSPORT);
    p[rekeyed].command(M.MANAGEMENT_REKEY, [CHILD]);
    p.drive(10);
    const [after] = agreed(p, MODE_TRANSPORT);
    assert.is.not(after.spi, before.spi);
  });
}

test("a responder that is configured for tunnel mode declines; the initiator says so and has tunnel mode", () => {
  const p = initiated(HOSTS, { ...HOSTS, childMode: MODE_TUNNEL });
  agreed(p, MODE_TUNNEL);
  assert.equal(p.a.alerts(), [DECLINED]);
  p.a.command(M.MANAGEMENT_REKEY, [CHILD]);
  p.drive(10);
  agreed(p, MODE_TUNNEL);
});

test("who does not ask has tunnel mode, and the responder that would have granted more says nothing", () => {
  const p = initiated({ ...HOSTS, childMode: MODE_TUNNEL }, HOSTS);
  agreed(p, MODE_TUNNEL);
  assert.equal([...p.a.alerts(), ...p.b.alerts()], []);
});

test("selectors that are networks make it tunnel mode, at the initiator's and at the responder's", () => {
  const network = selector([192, 0, 2, 0], [192, 0, 2, 255]);
  const p = initiated({ ...HOSTS, localTs: [network] }, { ...HOSTS, remoteTs: [network] });
  agreed(p, MODE_TUNNEL);
  assert.equal(p.a.alerts(), [NOT_HOSTS]);

  // The responder's selectors do not hold the initiator's own address, but another that it asks for.
  const other = selector([192, 0, 2, 9], [192, 0, 2, 9]);
  const q = initiated({ ...HOSTS, localTs: [other], childMode: MODE_TUNNEL }, { ...HOSTS, remoteTs: [other] });
  agreed(q, MODE_TUNNEL);
});

test("several children: the one in transport mode is found beside one in tunnel mode", () => {
  const p = new Pair("secret", "secret");
  const two = (mine: number): ReturnType<typeof connection> => [
    ...connection(mine),
    ...connection(mine, HOSTS)
      .filter(([type]) => type >= M.CHILD_NAME && type < 64)
      .map(([type, value]): [number, Uint8Array | number] => [
        type,
        type === M.CHILD_NAME ? Buffer.from("host") : value,
      ]),
  ];
  p.a.command(M.MANAGEMENT_CONNECTION_LOAD, two(1));
  p.b.command(M.MANAGEMENT_CONNECTION_LOAD, two(2));
  p.drive();
  p.a.command(M.MANAGEMENT_INITIATE, [[M.CONNECTION_NAME, Buffer.from("gw")]]);
  p.drive(2);
  for (const end of [p.a, p.b]) {
    assert.equal(
      children(end, p)
        .map(({ mode }) => mode)
        .sort(),
      [MODE_TUNNEL, MODE_TRANSPORT],
    );
  }
});

/** The initiator's address as the responder sees it, and the one that stands for the responder at the initiator's. */
const OUTSIDE = [192, 0, 2, 77];

/** A NAT in front of the initiator. */
function natBeforeA(p: Pair): void {
  p.wire = (packet, fromA) => {
    if (fromA) return from(packet, OUTSIDE, packet.readUInt16BE(20) === 4500 ? 30000 : 1500);
    return to(packet, A, packet.readUInt16BE(22) === 30000 ? 4500 : 500);
  };
}

/** A NAT in front of the responder, which the initiator knows by OUTSIDE. */
function natBeforeB(p: Pair): void {
  p.wire = (packet, fromA) =>
    fromA ? to(packet, B, packet.readUInt16BE(22)) : from(packet, OUTSIDE, packet.readUInt16BE(20));
}

test("behind a NAT the responder knows the initiator by the NAT's address, the initiator itself by its own (2.23.1)", () => {
  const p = initiated(HOSTS, { ...HOSTS, remote: [] }, natBeforeA);
  const [a, b] = agreed(p, MODE_TRANSPORT);
  assert.equal([a.local, a.remote], [A, B]);
  assert.equal([b.local, b.remote], [B, OUTSIDE]);
  p.a.command(M.MANAGEMENT_REKEY, [CHILD]);
  p.drive(5);
  agreed(p, MODE_TRANSPORT);
});

test("a responder behind a NAT: the initiator knows it by the NAT's address (2.23.1)", () => {
  const p = initiated({ ...HOSTS, remote: [OUTSIDE] }, HOSTS, natBeforeB);
  const [a, b] = agreed(p, MODE_TRANSPORT);
  assert.equal([a.local, a.remote], [A, OUTSIDE]);
  assert.equal([b.local, b.remote], [B, A]);
});

/** The chassis tells of another address. */
function moves(e: Endpoint, address: number[]): void {
  e.command(M.MANAGEMENT_LOCAL_ADDRESSES, [[M.CONNECTION_LOCAL_ADDRESS, Uint8Array.from(address)]]);
}

for (const [who, mover] of [
  ["initiator", "a"],
  ["responder", "b"],
] as const) {
  test(`the ${who} moves (RFC 4555): another CHILD_SA is made between the new addresses, in transport mode`, () => {
    const p = initiated({ ...HOSTS, mobike: true }, { ...HOSTS, mobike: true });
    const [before] = agreed(p, MODE_TRANSPORT);
    moves(p[mover], OUTSIDE);
    p.drive(20);
    const [a, b] = agreed(p, MODE_TRANSPORT);
    const ends = mover === "a" ? [OUTSIDE, B] : [A, OUTSIDE];
    assert.equal([a.local, a.remote], ends);
    assert.equal([b.remote, b.local], ends);
    assert.is.not(a.spi, before.spi);
    assert.is(p.a.installed().length, 2);
    assert.is(p.b.installed().length, 2);
  });
}

test("the NAT in front of the initiator has another address: the responder makes another CHILD_SA to there", () => {
  const p = initiated(HOSTS, { ...HOSTS, remote: [] }, natBeforeA);
  agreed(p, MODE_TRANSPORT);
  const elsewhere = [192, 0, 2, 78];
  p.wire = (packet, fromA) =>
    fromA ? from(packet, elsewhere, 31000) : to(packet, A, packet.readUInt16BE(22) === 31000 ? 4500 : 9);
  p.a.command(M.MANAGEMENT_REKEY, [GW]);
  p.drive(20);
  const [a, b] = agreed(p, MODE_TRANSPORT);
  assert.equal([a.local, a.remote], [A, B]);
  assert.equal([b.local, b.remote], [B, elsewhere]);
});

test("the NAT in front of the initiator has another port: the CHILD_SA stays", () => {
  const p = initiated(HOSTS, { ...HOSTS, remote: [] }, natBeforeA);
  const [, before] = agreed(p, MODE_TRANSPORT);
  p.wire = (packet, fromA) =>
    fromA ? from(packet, OUTSIDE, 31000) : to(packet, A, packet.readUInt16BE(22) === 31000 ? 4500 : 9);
  p.a.command(M.MANAGEMENT_REKEY, [GW]);
  p.drive(20);
  const [, after] = agreed(p, MODE_TRANSPORT);
  assert.equal(after, before);
  const updated = p.b.events().filter(({ kind, remotePort }) => kind === UPDATED && remotePort === 31000);
  assert.is(updated.length, 2, "the boards are told");
});

test.run();
