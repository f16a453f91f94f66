/** Stories of two IKE cores that agree on AH (RFC 4302): proposals of protocol 2, rekeys, deletes, and where AH cannot be. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as M from "../../assembly/abi/management.ts";
import { MODE_TRANSPORT, SA_FLAG_ESN } from "../../assembly/abi/message.ts";
import { type Pair, from, initiated, to } from "./ike_endpoints.ts";
import type { Endpoint, Options } from "./ike_endpoints.ts";

const CHILD: [number, Uint8Array] = [M.CHILD_NAME, Buffer.from("net")];
const A = [192, 0, 2, 1];
const MOVED = [192, 0, 2, 78];
/** An event of the core's: SA_UPDATE is due. */
const UPDATED = 5;
const SHA256 = 12;
const GMAC_128 = 9;
const NO_PROPOSAL_CHOSEN = "NO_PROPOSAL_CHOSEN";

interface Child {
  protocol: number;
  mode: number;
  flags: number;
  transforms: string;
  spi: number;
}

function children(e: Endpoint, p: Pair): Child[] {
  return e
    .list(p.time)
    .filter(({ type }) => type === M.MANAGEMENT_CHILD_SA)
    .map(({ items }) => {
      const transforms = items.get(M.CHILD_SA_PROPOSAL)!;
      return {
        protocol: items.get(M.CHILD_SA_PROTOCOL)!.readUInt32LE(0),
        mode: items.get(M.CHILD_SA_MODE)!.readUInt32LE(0),
        flags: items.get(M.CHILD_SA_FLAGS)!.readUInt32LE(0),
        transforms: Array.from(
          { length: transforms.length / 8 },
          (_, i) => `${transforms[i * 8]}:${transforms.readUInt16LE(i * 8 + 2)}`,
        ).join(" "),
        spi: items.get(M.CHILD_SA_SPI_IN)!.readUInt32LE(0),
      };
    });
}

/** Both ends have one CHILD_SA of AH with the same keys. */
function agreed(p: Pair): Child {
  const [a, b] = [children(p.a, p), children(p.b, p)];
  assert.equal([a.length, b.length], [1, 1], `${[...p.a.alerts(), ...p.b.alerts()]}`);
  assert.equal([a[0]!.protocol, b[0]!.protocol], [51, 51]);
  assert.is(a[0]!.transforms, b[0]!.transforms);
  const turned = p.b.installed().map((s) => s.replace(/:([01]):/, (_, d) => `:${1 - Number(d)}:`));
  assert.equal(p.a.installed(), turned.sort());
  return a[0]!;
}

for (const [name, options, transforms] of [
  ["HMAC-SHA2-256-128", { ah: [SHA256] }, "3:12 5:0"],
  ["with ESN", { ah: [SHA256], esn: true }, "3:12 5:1"],
  ["AES-128-GMAC", { ah: [GMAC_128, SHA256] }, "3:9 5:0"],
  ["in transport mode", { ah: [SHA256], localTs: [], remoteTs: [], childMode: MODE_TRANSPORT }, "3:12 5:0"],
] as [string, Options, string][]) {
  test(`AH, ${name}: SAi2 (protocol 2) --> <-- SAr2 (protocol 2); both ends rekey it and one deletes it`, () => {
    const p = initiated(options, options);
    const first = agreed(p);
    assert.is(first.transforms, transforms);
    assert.is(first.flags, options.esn ? SA_FLAG_ESN : 0);
    assert.is(first.mode, options.childMode ?? 0);
    let before = first.spi;
    for (const end of [p.a, p.b]) {
      end.command(M.MANAGEMENT_REKEY, [CHILD]);
      p.drive(10);
      const after = agreed(p);
      assert.is.not(after.spi, before);
      assert.is(after.transforms, transforms);
      before = after.spi;
    }
    p.b.command(M.MANAGEMENT_TERMINATE, [CHILD]);
    p.drive(10);
    assert.equal([children(p.a, p).length, children(p.b, p).length], [0, 0], "the Delete names AH");
    assert.equal([p.a.installed(), p.b.installed()], [[], []]);
  });
}

test("AH with PFS in a rekey", () => {
  const options = { ah: [SHA256], childKe: 31 };
  const p = initiated(options, options);
  agreed(p);
  p.a.command(M.MANAGEMENT_REKEY, [CHILD]);
  p.drive(10);
  assert.is(agreed(p).transforms, "3:12 5:0 4:31");
});

test("both ends rekey AH at once", () => {
  const p = initiated({ ah: [SHA256] }, { ah: [SHA256] });
  agreed(p);
  p.a.command(M.MANAGEMENT_REKEY, [CHILD]);
  p.b.command(M.MANAGEMENT_REKEY, [CHILD]);
  p.drive(30);
  agreed(p);
});

test("AH is not ESP, nor AH with another transform", () => {
  for (const [a, b] of [
    [{ ah: [SHA256] }, {}],
    [{}, { ah: [SHA256] }],
    [{ ah: [SHA256] }, { ah: [GMAC_128] }],
    [{ ah: [SHA256], esn: true }, { ah: [SHA256] }],
  ] as [Options, Options][]) {
    const p = initiated(a, b);
    assert.equal([children(p.a, p).length, children(p.b, p).length], [0, 0]);
    assert.equal([p.a.installed(), p.b.installed()], [[], []]);
    const notifies = p.a.messages.filter((m) => m.readUInt16LE(0) === M.MANAGEMENT_EVENT);
    assert.ok(
      notifies.some((m) => m.includes(Buffer.from([14, 0, 0, 0]))),
      NO_PROPOSAL_CHOSEN,
    );
  }
});

const NAT = "no AH: there is a NAT between the peer and us";

test("no AH where there is a NAT: the responder refuses it and says why", () => {
  const p = initiated({ ah: [SHA256] }, { ah: [SHA256], remote: [] }, (pair) => {
    pair.wire = (packet, fromA) =>
      fromA
        ? from(packet, [192, 0, 2, 77], packet.readUInt16BE(20) === 4500 ? 30000 : 1500)
        : to(packet, A, packet.readUInt16BE(22) === 30000 ? 4500 : 500);
  });
  assert.ok(p.b.alerts().includes(NAT), `${p.b.alerts()}`);
  assert.equal([children(p.a, p).length, children(p.b, p).length], [0, 0]);
});

/** The initiator moves to another address, on whose way is a NAT or not. */
function moved(nat: boolean): Pair {
  const p = initiated({ ah: [SHA256], mobike: true }, { ah: [SHA256], mobike: true });
  agreed(p);
  if (nat) {
    p.wire = (packet, fromA) =>
      fromA ? from(packet, [192, 0, 2, 77], 30000) : to(packet, MOVED, packet.readUInt16BE(22) === 30000 ? 4500 : 9);
  }
  p.a.command(M.MANAGEMENT_LOCAL_ADDRESSES, [[M.CONNECTION_LOCAL_ADDRESS, Uint8Array.from(MOVED)]]);
  p.drive(20);
  return p;
}

test("an end that moves (RFC 4555) takes its AH along", () => {
  const p = moved(false);
  agreed(p);
  for (const [end, local, remote] of [
    [p.a, "192.0.2.78", "192.0.2.2"],
    [p.b, "192.0.2.2", "192.0.2.78"],
  ] as const) {
    const updates = end.events().filter(({ kind }) => kind === UPDATED);
    assert.equal(
      updates.map((e) => [e.direction, e.local, e.remote]),
      [0, 1].map((direction) => [direction, local, remote]),
    );
  }
});

test("an end that moves behind a NAT finds that out, says so, and deletes its AH; the IKE_SA stays", () => {
  const p = moved(true);
  assert.ok(p.a.alerts().includes(NAT), `${p.a.alerts()}`);
  for (const end of [p.a, p.b]) {
    assert.is(children(end, p).length, 0);
    assert.equal(end.installed(), []);
    assert.is(end.list(p.time).filter(({ type }) => type === M.MANAGEMENT_IKE_SA).length, 1);
  }
});

test.run();
