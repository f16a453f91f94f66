/** unique = no | never | replace | keep: what a further IKE_SA between the same identities does to the ones that are there. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as M from "../../assembly/abi/management.ts";
import { Endpoint, Pair, connection, from, to } from "./ike_endpoints.ts";
import type { Options } from "./ike_endpoints.ts";

const GW: [number, Uint8Array] = [M.CONNECTION_NAME, Buffer.from("gw")];
const KEEP_TEXT = "the peer has an IKE_SA from elsewhere, and unique = keep";

function ikeSas(e: Endpoint, p: Pair): Map<number, Buffer>[] {
  return e
    .list(p.time)
    .filter(({ type }) => type === M.MANAGEMENT_IKE_SA)
    .map(({ items }) => items);
}
const ids = (e: Endpoint, p: Pair): number[] =>
  ikeSas(e, p).map((items) => items.get(M.IKE_SA_UNIQUE_ID)!.readUInt32LE(0));

/** A peer at 192.0.2.1 has an IKE_SA with B; then it starts afresh, or comes from `elsewhere`, with or without INITIAL_CONTACT. */
function again(
  b: Options,
  { contact, elsewhere }: { contact: boolean; elsewhere: boolean },
  more?: (p: Pair) => void,
): Pair {
  const p = new Pair();
  const unique = contact ? M.UNIQUE_NO : M.UNIQUE_NEVER;
  p.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, { unique }));
  // B takes the peer from anywhere.
  p.b.command(
    M.MANAGEMENT_CONNECTION_LOAD,
    connection(2, b).filter(([type]) => type !== M.CONNECTION_REMOTE_ADDRESS),
  );
  p.drive();
  p.a.command(M.MANAGEMENT_INITIATE, [GW]);
  p.drive(1);
  assert.is(ids(p.b, p).length, 1);
  more?.(p);
  p.a = new Endpoint(elsewhere ? [192, 0, 2, 9] : [192, 0, 2, 1], "secret");
  p.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, { unique }));
  p.drive();
  p.a.command(M.MANAGEMENT_INITIATE, [GW]);
  p.drive(1);
  return p;
}

for (const elsewhere of [false, true]) {
  const where = elsewhere ? "another address" : "the same address";

  test(`no: INITIAL_CONTACT from ${where} ends the former one at once, without a word`, () => {
    const p = again({}, { contact: true, elsewhere });
    assert.equal(ids(p.b, p), [2]);
    assert.is(p.b.installed().length, 2);
    assert.is(p.a.installed().length, 2);
  });

  test(`no: without INITIAL_CONTACT both stay, from ${where}`, () => {
    const p = again({}, { contact: false, elsewhere });
    p.drive(60);
    assert.equal(ids(p.b, p).sort(), [1, 2]);
  });

  test(`never: INITIAL_CONTACT from ${where} is ignored`, () => {
    const p = again({ unique: M.UNIQUE_NEVER }, { contact: true, elsewhere });
    p.drive(60);
    assert.equal(ids(p.b, p).sort(), [1, 2]);
  });

  for (const unique of [M.UNIQUE_REPLACE, M.UNIQUE_KEEP])
    test(`${unique === M.UNIQUE_KEEP ? "keep" : "replace"}: INITIAL_CONTACT from ${where} is honoured`, () => {
      const p = again({ unique }, { contact: true, elsewhere });
      assert.equal(ids(p.b, p), [2]);
    });
}

// strongSwan: "suspected reauthentication" from the same address; at once from another one.
test("replace: the former one is deleted at once when the peer is elsewhere now, after 10 s when it is not", () => {
  const elsewhere = again({ unique: M.UNIQUE_REPLACE }, { contact: false, elsewhere: true });
  assert.equal(
    ikeSas(elsewhere.b, elsewhere)
      .filter((items) => items.get(M.IKE_SA_STATE)!.readUInt32LE(0) !== M.IKE_STATE_DELETING)
      .map((items) => items.get(M.IKE_SA_UNIQUE_ID)!.readUInt32LE(0)),
    [2],
  );
  elsewhere.drive(30);
  assert.equal(ids(elsewhere.b, elsewhere), [2]);
  const same = again({ unique: M.UNIQUE_REPLACE }, { contact: false, elsewhere: false });
  same.drive(7);
  assert.equal(ids(same.b, same).sort(), [1, 2]);
  same.drive(30);
  assert.equal(ids(same.b, same), [2]);
  assert.is(same.b.installed().length, 2);
});

test("replace: one that is rekeyed meanwhile goes all the same", () => {
  const p = new Pair();
  // A has two connections, with the same identities.
  for (const name of ["gw", "again"])
    p.a.command(
      M.MANAGEMENT_CONNECTION_LOAD,
      connection(1, { name, unique: M.UNIQUE_NEVER, children: [`${name}-net`] }),
    );
  p.b.command(M.MANAGEMENT_CONNECTION_LOAD, connection(2, { unique: M.UNIQUE_REPLACE, rekey: 5 }));
  p.drive();
  for (const name of ["gw", "again"]) {
    p.a.command(M.MANAGEMENT_INITIATE, [[M.CONNECTION_NAME, Buffer.from(name)]]);
    p.drive(1);
  }
  assert.is(ids(p.b, p).length, 2);
  p.drive(8);
  assert.is(ids(p.b, p).length, 1);
  assert.is(p.b.installed().length, 2);
  assert.is(p.a.installed().length, 2);
  assert.equal(ids(p.a, p).length, 1);
});

test("keep: a new one from elsewhere is refused with AUTHENTICATION_FAILED, the former one stays", () => {
  const p = again({ unique: M.UNIQUE_KEEP }, { contact: false, elsewhere: true });
  assert.equal(ids(p.b, p), [1]);
  assert.is(p.a.installed().length, 0);
  assert.ok(p.b.alerts().includes(KEEP_TEXT));
  assert.ok(p.a.alerts().includes("the peer refused IKE_AUTH"));
});

test("keep: one from the same address may be a reauthentication and is taken", () => {
  const p = again({ unique: M.UNIQUE_KEEP }, { contact: false, elsewhere: false });
  assert.equal(ids(p.b, p).sort(), [1, 2]);
  assert.equal(p.b.alerts(), []);
});

test("keep: an unauthenticated peer that claims the identity changes nothing", () => {
  for (const unique of [M.UNIQUE_KEEP, M.UNIQUE_REPLACE]) {
    const p = again({ unique }, { contact: false, elsewhere: false }, (pair) => {
      const thief = new Pair("wrong");
      thief.b = pair.b;
      thief.time = pair.time;
      thief.wire = (packet, fromA) =>
        fromA
          ? from(packet, [192, 0, 2, 66], packet.readUInt16BE(20))
          : to(packet, [192, 0, 2, 1], packet.readUInt16BE(22));
      thief.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, { unique: M.UNIQUE_NO }));
      thief.drive();
      thief.a.command(M.MANAGEMENT_INITIATE, [GW]);
      thief.drive(5);
      pair.time = thief.time;
      assert.ok(pair.b.alerts().includes("the peer's AUTH is wrong"), pair.b.alerts().join());
      assert.equal(ids(pair.b, pair), [1]);
    });
    assert.equal(ids(p.b, p).sort(), [1, 3]);
  }
});

test("with several connections: replace and keep look at their own, INITIAL_CONTACT at all of the identities", () => {
  for (const [unique, contact, left] of [
    [M.UNIQUE_REPLACE, false, 2],
    [M.UNIQUE_KEEP, false, 2],
    [M.UNIQUE_REPLACE, true, 1],
    [M.UNIQUE_NO, true, 1],
    [M.UNIQUE_NEVER, true, 2],
  ] as const) {
    const p = again({ unique }, { contact, elsewhere: true }, ({ b }) => {
      // Under another name, in the place of the first one, whose IKE_SA stays.
      b.command(M.MANAGEMENT_CONNECTION_UNLOAD, [GW]);
      b.command(
        M.MANAGEMENT_CONNECTION_LOAD,
        connection(2, { unique, name: "other" }).filter(([type]) => type !== M.CONNECTION_REMOTE_ADDRESS),
      );
    });
    p.drive(30);
    assert.is(ids(p.b, p).length, left, `unique ${unique}`);
  }
});

test("a connection that was loaded anew is the same one", () => {
  const p = again({ unique: M.UNIQUE_REPLACE }, { contact: false, elsewhere: true }, ({ b }) =>
    b.command(
      M.MANAGEMENT_CONNECTION_LOAD,
      connection(2, { unique: M.UNIQUE_REPLACE, dpd: 30 }).filter(([type]) => type !== M.CONNECTION_REMOTE_ADDRESS),
    ),
  );
  p.drive(30);
  assert.equal(ids(p.b, p), [2]);
});

test.run();
