/**
 * A gateway that is offered twice what it carries, in lockstep by a cost model: it goes on carrying what it can, IKE is served, nothing waits
 * for longer than the rings are, and what finds no room is counted for that reason.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Overload, offences, overload } from "../bench/effects/overload.ts";
import { offencesOfThreads, overloadThreads, type ThreadsOverload } from "../bench/overload/threads.ts";

for (const link of ["ethernet", "atm"] as const)
  test(`${link}: throughput stays, handshakes and a rekeying are done, queues are bounded`, async () => {
    const result = await overload(link, 2, 3, 300);
    assert.equal(offences(result), [], JSON.stringify(result));
  });

test("what an overloaded gateway must not do is found", () => {
  const slice = { rate: 9000, offered: 20000, handshakes: 5, median: 50_000, longest: 60_000 };
  const drops = { backplane_congestion: 9 };
  const good: Overload = { slices: [slice], drops, rekeyed: true, held: 0, grown: 0, heap: 0, failures: [] };
  assert.equal(offences(good), []);
  const bad: [Partial<Overload>, RegExp][] = [
    [{ slices: [slice, { ...slice, rate: 100 }] }, /at the peak/],
    [{ slices: [{ ...slice, handshakes: 0 }] }, /handshake/],
    [{ slices: [{ ...slice, longest: 1e6 }] }, /took/],
    [{ slices: [{ ...slice, offered: 9000 }] }, /offered/],
    [{ drops: { ...drops, replay: 1 } }, /replay/],
    [{ drops: {} }, /congestion/],
    [{ drops: { backplane_congestion: 9000, lease_wait: 91 } }, /congestion/],
    [{ rekeyed: false }, /rekeyed/],
    [{ held: 1 }, /held/],
    [{ grown: 1 }, /more/],
    [{ failures: ["no"] }, /fails/],
  ];
  for (const [part, reason] of bad) assert.match(offences({ ...good, ...part }).join(), reason);
});

test("in threads: each packet is sealed or counted, handshakes and rekeyings are done", async () => {
  const result = await overloadThreads({ link: "ethernet", factor: 8, slices: 2, milliseconds: 500, measuring: 100 });
  assert.equal(offencesOfThreads(result), [], JSON.stringify(result));
});

test("what it must not do in threads is found", () => {
  const good: ThreadsOverload = {
    carried: [1, 1],
    perSecond: 1,
    slices: [],
    offered: 100,
    sealed: 60,
    opened: 1,
    drops: { backplane_congestion: 41 },
    handshakes: [1],
    rekeyings: [1],
    retransmissions: 0,
    failures: [],
    faults: 0,
    held: 0,
    grown: 0,
    resident: 0,
    heap: 0,
  };
  assert.equal(offencesOfThreads(good), []);
  const bad: [Partial<ThreadsOverload>, RegExp][] = [
    [{ sealed: 0, drops: { backplane_congestion: 100 } }, /0 packets are sealed/],
    [{ opened: 0 }, /0 opened/],
    [{ drops: { backplane_congestion: 39 } }, /39 are counted/],
    [{ drops: { backplane_congestion: 41, replay: 1 } }, /replay/],
    [{ handshakes: [] }, /handshake/],
    [{ rekeyings: [] }, /rekeyed/],
    [{ failures: ["no"] }, /fails/],
    [{ faults: 1 }, /boards fail/],
    [{ held: 1 }, /held/],
    [{ grown: 1 }, /more/],
  ];
  for (const [part, reason] of bad) assert.match(offencesOfThreads({ ...good, ...part }).join(), reason);
});

test.run();
