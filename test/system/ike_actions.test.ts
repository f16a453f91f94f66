/** What start_action, close_action, dpd_action, keyingtries and the end of a life make of an SA: every combination, on two IKE cores. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as M from "../../assembly/abi/management.ts";
import { Pair, connection } from "./ike_endpoints.ts";
import type { Endpoint, Options } from "./ike_endpoints.ts";

const CHILD: [number, Uint8Array] = [M.CHILD_NAME, Buffer.from("net")];
const GW: [number, Uint8Array] = [M.CONNECTION_NAME, Buffer.from("gw")];
const EVENT_TRAP = 3;

function pair(a: Options, b: Options = {}): Pair {
  const p = new Pair();
  p.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, a));
  p.b.command(M.MANAGEMENT_CONNECTION_LOAD, connection(2, b));
  p.drive();
  return p;
}

function up(p: Pair): Pair {
  p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
  p.drive(1);
  assert.is(p.a.installed().length, 2);
  return p;
}

const traps = (e: Endpoint): number => e.events().filter(({ kind }) => kind === EVENT_TRAP).length;

/** SPIs of the initiators of the IKE_SA_INIT requests that A sent. */
const attempts = (p: Pair): number =>
  new Set(p.packets.filter((x) => x[46] === 34 && x[15] === 1).map((x) => x.toString("hex", 28, 36))).size;

const ACTIONS = [
  ["none", M.START_NONE],
  ["trap", M.START_TRAP],
  ["start", M.START_START],
  ["trap|start", M.START_TRAP_START],
] as const;

/** The end of a CHILD_SA at A, and which action is for it. */
const ENDS: Record<string, { action: "closeAction" | "dpdAction" | undefined; make: (p: Pair) => void }> = {
  "the peer deletes the CHILD_SA": {
    action: "closeAction",
    make: (p) => p.b.command(M.MANAGEMENT_TERMINATE, [CHILD]),
  },
  "the peer deletes the IKE_SA": {
    action: "closeAction",
    make: (p) => p.b.command(M.MANAGEMENT_TERMINATE, [GW]),
  },
  "the peer is dead": {
    action: "dpdAction",
    make: (p) => {
      p.wire = () => null;
      p.drive(200);
      assert.equal(p.a.installed().length, 0);
      p.wire = (packet) => packet;
    },
  },
  "we delete the CHILD_SA": { action: undefined, make: (p) => p.a.command(M.MANAGEMENT_TERMINATE, [CHILD]) },
  "we delete the IKE_SA": { action: undefined, make: (p) => p.a.command(M.MANAGEMENT_TERMINATE, [GW]) },
};

for (const [end, { action, make }] of Object.entries(ENDS))
  for (const [name, value] of ACTIONS) {
    const wanted = action !== undefined ? value : M.START_NONE;
    test(`${end}, close_action and dpd_action ${name}: ${action ?? "neither"} has its say`, () => {
      // The other action says the opposite.
      const opposite = M.START_TRAP_START - value;
      const p = up(
        pair({
          dpd: 10,
          closeAction: action === "dpdAction" ? opposite : value,
          dpdAction: action === "closeAction" ? opposite : value,
        }),
      );
      const before = p.a.installed();
      make(p);
      p.drive(320);
      assert.is(traps(p.a), (wanted & M.START_TRAP) !== 0 ? 1 : 0, "traps");
      assert.is(p.a.installed().length, (wanted & M.START_START) !== 0 ? 2 : 0, "CHILD_SAs");
      assert.not.equal(p.a.installed(), before);
    });
  }

for (const [name, value] of ACTIONS)
  test(`start_action ${name}, loaded`, () => {
    const p = pair({ start: value });
    p.drive(2);
    assert.is(traps(p.a), (value & M.START_TRAP) !== 0 ? 1 : 0);
    assert.is(p.a.installed().length, (value & M.START_START) !== 0 ? 2 : 0);
    if (value !== M.START_TRAP) return;
    // A packet meets the trap: index 0 is the child's.
    p.a.wasm.acquire(0);
    p.drive(2);
    assert.is(p.a.installed().length, 2);
  });

for (const tries of [1, 3, 0])
  test(`keyingtries = ${tries}: a peer that does not answer is tried so often, 0 for good`, () => {
    const p = pair({ more: [[M.CONNECTION_KEYING_TRIES, tries]] });
    p.wire = () => null;
    p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
    p.drive(600);
    if (tries !== 0) {
      assert.is(attempts(p), tries);
      assert.is(p.a.alerts().filter((text) => text === "the peer does not answer: another try").length, tries - 1);
      assert.ok(p.a.alerts().includes("the peer does not answer"));
      assert.is(p.a.wasm.freeIkeSas(), 16);
      return;
    }
    assert.ok(attempts(p) >= 5);
    p.wire = (packet) => packet;
    p.drive(120);
    assert.is(p.a.installed().length, 2);
  });

test("keyingtries is for peers that do not answer: one that refuses is not asked again", () => {
  const p = pair({ more: [[M.CONNECTION_KEYING_TRIES, 5]] });
  p.b.psk = "other";
  p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
  p.drive(600);
  assert.is(attempts(p), 1);
});

test("keyingtries: the second try gets an answer", () => {
  const p = pair({ more: [[M.CONNECTION_KEYING_TRIES, 2]] });
  p.wire = () => null;
  p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
  p.drive(90);
  p.wire = (packet) => packet;
  p.drive(60);
  assert.is(attempts(p), 2);
  assert.is(p.a.installed().length, 2);
  assert.is(p.b.installed().length, 2);
});

// strongSwan: "scheduling CHILD_SA recreate after hard expire".
test("life_time is over and no rekey was: the CHILD_SA goes and another one comes, by either side", () => {
  for (const mine of [true, false]) {
    const p = up(pair(mine ? { childLife: 20 } : {}, mine ? {} : { childLife: 20 }));
    const before = p.a.installed();
    p.drive(18);
    assert.equal(p.a.installed(), before);
    p.drive(12);
    assert.is(p.a.installed().length, 2);
    assert.is(p.b.installed().length, 2);
    for (const sa of before) assert.not.ok(p.a.installed().includes(sa));
  }
});

test("the operator ends a CHILD_SA whose life is over: none comes in its place", () => {
  const p = up(pair({ childLife: 20 }));
  p.drive(18);
  p.wire = () => null;
  p.drive(4);
  p.a.command(M.MANAGEMENT_TERMINATE, [CHILD]);
  p.wire = (packet) => packet;
  p.drive(60);
  assert.is(p.a.installed().length, 0);
  assert.is(p.b.installed().length, 0);
});

test("life_time of both ends is over at once: another one, not two", () => {
  const p = up(pair({ childLife: 20 }, { childLife: 20 }));
  p.drive(30);
  assert.is(p.a.installed().length, 2);
  assert.is(p.b.installed().length, 2);
});

test.run();
