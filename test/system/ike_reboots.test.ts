/**
 * Two IKE cores of which one begins anew, behind each message of each exchange, and a clock that goes far ahead.
 *
 * Who begins anew knows nothing of what was, and says so by INITIAL_CONTACT (RFC 7296 section 2.4) when it establishes; until then
 * liveness checks tell the other. Whatever is due by the clock is done once, not as often as it would have been.
 */
import { createHash } from "node:crypto";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as M from "../../assembly/abi/management.ts";
import { connection, Endpoint, Pair, type Item, type Options } from "./ike_endpoints.ts";

const CHILD: Item = [M.CHILD_NAME, Buffer.from("net")];
const GW: Item = [M.CONNECTION_NAME, Buffer.from("gw")];
const IKE_SAS = 16;
const CHILD_SAS = 64;
const X25519 = 31;
const DAY = 86_400;
const YEAR = 365 * DAY;
const SECOND = 1_000_000_000n;

const OPTIONS: Options = { dpd: 10, childKe: X25519 };

function pair(options: Options): Pair {
  const p = new Pair("secret", "secret", 1);
  p.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, options));
  p.b.command(M.MANAGEMENT_CONNECTION_LOAD, connection(2, options));
  p.drive();
  return p;
}

function establish(p: Pair): void {
  p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
  p.drive(3);
}

/** A board that takes over an end's place and knows nothing. */
function reboot(p: Pair, side: "a" | "b"): void {
  const n = side === "a" ? 1 : 2;
  const entropy = createHash("sha512").update(`anew ${side}`).digest();
  p[side] = new Endpoint([192, 0, 2, n], "secret", entropy);
  p[side].command(M.MANAGEMENT_CONNECTION_LOAD, connection(n, OPTIONS));
}

function same(p: Pair, ikeSas: number, children: number): void {
  const flip = (sa: string): string => sa.replace(/:([01]):/, (_, d: string) => `:${1 - Number(d)}:`);
  assert.equal(p.a.installed(), p.b.installed().map(flip).sort(), "both hold the same");
  assert.is(p.a.installed().length, 2 * children);
  for (const core of [p.a, p.b]) {
    assert.is(core.wasm.freeIkeSas(), IKE_SAS - ikeSas, "IKE_SAs");
    assert.is(core.wasm.freeChildSas(), CHILD_SAS - children, "CHILD_SAs");
  }
}

const EXCHANGES: [string, boolean, number, Item, number][] = [
  ["IKE_SA_INIT and IKE_AUTH", false, M.MANAGEMENT_INITIATE, CHILD, 4],
  ["CREATE_CHILD_SA to rekey the CHILD_SA, and its Delete", true, M.MANAGEMENT_REKEY, CHILD, 4],
  ["CREATE_CHILD_SA to rekey the IKE_SA, and its Delete", true, M.MANAGEMENT_REKEY, GW, 4],
  ["INFORMATIONAL with Delete of the CHILD_SA", true, M.MANAGEMENT_TERMINATE, CHILD, 2],
];

for (const [name, up, type, item, messages] of EXCHANGES) {
  for (const side of ["a", "b"] as const) {
    test(`${name}: ${side} begins anew behind each message; it is found out, and they establish again`, () => {
      for (let n = 1; n <= messages; n++) {
        const p = pair(OPTIONS);
        if (up) establish(p);
        p.a.command(type, [item]);
        // The n-th message is the last that an end of before sees.
        let passed = 0;
        p.wire = (packet) => (++passed <= n ? packet : null);
        p.drive();
        assert.ok(passed >= n, `message ${n} was sent`);
        reboot(p, side);
        p.wire = (packet) => packet;
        const other = side === "a" ? p.b : p.a;
        // The other one finds out by itself,
        p.drive(400);
        const found = IKE_SAS - p[side].wasm.freeIkeSas();
        if (found === 0) {
          assert.is(other.wasm.freeIkeSas(), IKE_SAS, "nothing is left of what was");
          assert.equal(other.installed(), []);
          // Either can begin.
          p[side].command(M.MANAGEMENT_INITIATE, [CHILD]);
          p.drive(3);
        } else {
          // The request for IKE_SA_INIT that went again was as good as the first.
          assert.ok(!up && side === "b" && n <= 2, "who began anew has nothing");
        }
        same(p, 1, 1);
      }
    });

    test(`${name}: ${side} begins anew behind each message and establishes at once: INITIAL_CONTACT`, () => {
      for (let n = 1; n <= messages; n++) {
        const p = pair(OPTIONS);
        if (up) establish(p);
        p.a.command(type, [item]);
        let passed = 0;
        p.wire = (packet) => (++passed <= n ? packet : null);
        p.drive();
        reboot(p, side);
        p.wire = (packet) => packet;
        // HDR, SK {IDi, N(INITIAL_CONTACT), AUTH, SAi2, TSi, TSr} -->
        p[side].command(M.MANAGEMENT_INITIATE, [CHILD]);
        p.drive(3);
        assert.ok(p[side].installed().length > 0, "established");
        // What was half-open, or asked for in vain, is given up meanwhile; a request for IKE_SA_INIT that goes again is taken.
        p.drive(400);
        const again = !up && side === "b" && n <= 2 && p.b.installed().length === 4;
        same(p, again ? 2 : 1, again ? 2 : 1);
      }
    });
  }
}

for (const [span, seconds] of [
  ["a day", DAY],
  ["a year", YEAR],
] as const) {
  test(`the clock goes ${span} ahead at once: what is due is done once, and both end with the same`, () => {
    const p = pair({ dpd: 10, childRekey: 3600, childLife: 4000, rekey: 14_400, over: 1440 });
    establish(p);
    same(p, 1, 1);
    const before = p.packets.length;
    p.time += BigInt(seconds) * SECOND;
    p.drive();
    const sent = p.packets.length - before;
    assert.ok(sent <= 24, `${sent} messages: no avalanche`);
    p.drive(600);
    // Lives that were over ended: what there is now is young, and it is the same for both, or nothing.
    const up = p.a.installed().length / 2;
    assert.ok(up <= 1);
    same(p, IKE_SAS - p.a.wasm.freeIkeSas(), up);
    p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
    p.drive(3);
    same(p, 1, 1);
  });

  test(`the clock of one board goes ${span} ahead: the other follows what it is told`, () => {
    const p = pair({ dpd: 10, childRekey: 3600, childLife: 4000, rekey: 14_400, over: 1440 });
    establish(p);
    // A's clock alone: its polls see another time from now on.
    const { a } = p;
    const poll = a.poll.bind(a);
    a.poll = (time) => poll(time + BigInt(seconds) * SECOND);
    const before = p.packets.length;
    for (let n = 0; n < 400; n++) {
      p.step();
      p.time += SECOND / 4n;
    }
    assert.ok(p.packets.length - before <= 60, `${p.packets.length - before} messages in 100 s`);
    const up = p.a.installed().length / 2;
    same(p, IKE_SAS - p.a.wasm.freeIkeSas(), up);
  });
}

test("a day of service: every rekey in time, one CHILD_SA and one IKE_SA all along, memory as at first", () => {
  const p = pair({ dpd: 30, childRekey: 3600, childLife: 4000, rekey: 14_400, over: 1440 });
  establish(p);
  const used = [p.a.wasm.memoryUsed(), p.b.wasm.memoryUsed()];
  const seen = new Set<string>();
  for (let hour = 0; hour < 24; hour++) {
    p.drive(3600);
    // A rekey may be under way at the full hour.
    for (let s = 0; s < 30 && p.a.wasm.freeIkeSas() + p.b.wasm.freeIkeSas() < 2 * (IKE_SAS - 1); s++) p.drive(1);
    same(p, 1, 1);
    seen.add(p.a.installed().join());
  }
  assert.ok(seen.size >= 20, `${seen.size} CHILD_SAs one after the other`);
  assert.equal([p.a.wasm.memoryUsed(), p.b.wasm.memoryUsed()], used);
});

test.run();
