/**
 * Two IKE cores and a secure element that is slow, answers in another order, or never: at each of its operations in each
 * exchange that asks for it, with and without the operator closing the IKE_SA meanwhile. Nothing traps, nothing is left.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as M from "../../assembly/abi/management.ts";
import {
  PSA_GENERATE_KEY,
  PSA_PSK_AUTH,
  PSA_PSK_AUTH_BOTH,
  PSA_RAW_KEY_AGREEMENT,
  PSA_RESPOND_KEY,
} from "../../assembly/abi/psa.ts";
import { connection, Pair, type Endpoint, type Item } from "./ike_endpoints.ts";

const CHILD: Item = [M.CHILD_NAME, Buffer.from("net")];
const GW: Item = [M.CONNECTION_NAME, Buffer.from("gw")];
const IKE_SAS = 16;
const CHILD_SAS = 64;

const OPERATIONS = {
  GENERATE_KEY: PSA_GENERATE_KEY,
  RAW_KEY_AGREEMENT: PSA_RAW_KEY_AGREEMENT,
  RESPOND_KEY: PSA_RESPOND_KEY,
  PSK_AUTH: PSA_PSK_AUTH,
  PSK_AUTH_BOTH: PSA_PSK_AUTH_BOTH,
};
type Operation = keyof typeof OPERATIONS;

/** What A is told to do, which has the exchange take place. */
const EXCHANGES: Record<string, { type: number; item: Item; operations: Record<"a" | "b", Operation[]>; up: boolean }> =
  {
    // HDR, SAi1, KEi, Ni -->   HDR, SK {IDi, AUTH, SAi2, TSi, TSr} -->
    "IKE_SA_INIT and IKE_AUTH": {
      type: M.MANAGEMENT_INITIATE,
      item: CHILD,
      operations: { a: ["GENERATE_KEY", "RAW_KEY_AGREEMENT", "PSK_AUTH"], b: ["RESPOND_KEY", "PSK_AUTH_BOTH"] },
      up: false,
    },
    // HDR, SK {N(REKEY_SA), SA, Ni, KEi, TSi, TSr} -->
    "CREATE_CHILD_SA for a CHILD_SA": {
      type: M.MANAGEMENT_REKEY,
      item: CHILD,
      operations: { a: ["GENERATE_KEY", "RAW_KEY_AGREEMENT"], b: ["GENERATE_KEY", "RAW_KEY_AGREEMENT"] },
      up: true,
    },
    // HDR, SK {SA, Ni, KEi} -->
    "CREATE_CHILD_SA for an IKE_SA": {
      type: M.MANAGEMENT_REKEY,
      item: GW,
      operations: { a: ["GENERATE_KEY", "RAW_KEY_AGREEMENT"], b: ["GENERATE_KEY", "RAW_KEY_AGREEMENT"] },
      up: true,
    },
  };

function pair(up: boolean): Pair {
  const p = new Pair("secret", "secret", 1);
  p.a.command(M.MANAGEMENT_CONNECTION_LOAD, connection(1, { childKe: 31 }));
  p.b.command(M.MANAGEMENT_CONNECTION_LOAD, connection(2, { childKe: 31 }));
  p.drive();
  if (!up) return p;
  p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
  p.drive(1);
  return p;
}

function free(core: Endpoint): [number, number] {
  return [core.wasm.freeIkeSas(), core.wasm.freeChildSas()];
}

/** Both ends hold the same CHILD_SA and IKE_SA and nothing more. */
function one(p: Pair): void {
  const flip = (sa: string): string => sa.replace(/:([01]):/, (_, d: string) => `:${1 - Number(d)}:`);
  assert.equal(p.a.installed(), p.b.installed().map(flip).sort());
  assert.is(p.a.installed().length, 2);
  for (const core of [p.a, p.b]) assert.equal(free(core), [IKE_SAS - 1, CHILD_SAS - 1]);
}

function nothing(p: Pair): void {
  for (const core of [p.a, p.b]) {
    assert.equal(core.installed(), []);
    assert.equal(free(core), [IKE_SAS, CHILD_SAS]);
  }
}

for (const [exchange, { type, item, operations, up }] of Object.entries(EXCHANGES)) {
  for (const side of ["a", "b"] as const) {
    for (const operation of operations[side]) {
      const begin = (): Pair => {
        const p = pair(up);
        p[side].slow.add(OPERATIONS[operation]);
        p.a.command(type, [item]);
        p.drive();
        assert.ok(p[side].waiting.length > 0, "it waits");
        return p;
      };
      const what = `${exchange}, ${operation} of ${side}`;

      test(`${what}: late by 5 s each time, all goes on`, () => {
        const p = begin();
        for (let n = 0; n < 8; n++) {
          p.drive(5);
          p[side].performAll();
        }
        p[side].slow.clear();
        p.drive(60);
        one(p);
      });

      test(`${what}: never, and what waited is given up; then all is as it was`, () => {
        const p = begin();
        p.drive(60);
        p[side].slow.clear();
        // Answers that come after all find nobody.
        p[side].performAll();
        p.drive(60);
        p.a.command(M.MANAGEMENT_INITIATE, [CHILD]);
        p.drive(60);
        one(p);
      });

      for (const closer of ["a", "b"] as const) {
        for (const late of [0, 20]) {
          // <-- HDR, SK {D(IKE)}, or nothing while the peer does not know of it
          test(`${what}: ${closer} closes all meanwhile, and it answers ${late} s later`, () => {
            const p = begin();
            p[closer].command(M.MANAGEMENT_TERMINATE, []);
            p.drive(late);
            p[side].slow.clear();
            p[side].performAll();
            p.drive(400);
            // A responder that is half-open, and an initiator that is told nothing, give up by themselves.
            p.a.command(M.MANAGEMENT_TERMINATE, []);
            p.b.command(M.MANAGEMENT_TERMINATE, []);
            p.drive(400);
            nothing(p);
          });
        }
      }
    }
  }
}

test.run();
