/** Virtual IPs on the device of the protected side: in what order addresses and routes come and go. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { VirtualIps } from "../../host/cli/virtual_ips.ts";

function device(): { log: string[]; virtual: VirtualIps } {
  const log: string[] = [];
  const virtual = new VirtualIps(
    {
      setAddresses: (addresses) => Promise.resolve(void log.push(`addresses ${addresses.join(" ")}`)),
      setRoutes: (routes, keep) =>
        Promise.resolve(
          void log.push(
            `routes ${routes.map(({ destination, source }) => `${destination}<${source ?? ""}`).join(" ")} keep ${keep.join(" ")}`,
          ),
        ),
    },
    {
      routes: ["10.2.0.0/16", "10.9.0.0/16", "fd00:b:0:0:0:0:0:0/64", "192.0.2.2/32"],
      virtualRoutes: new Map([["gw", ["10.2.0.0/16", "fd00:b:0:0:0:0:0:0/64"]]]),
      sources: { "192.0.2.2/32": "192.0.2.1" },
      remoteAddresses: ["192.0.2.2"],
    },
    (problem) => log.push(problem),
  );
  return { log, virtual };
}

const event = (up: boolean, ...addresses: string[]) => ({
  kind: "virtual-ip",
  connection: "gw",
  up,
  "virtual-ips": addresses,
});

test("an address is there before a route has it as source, and goes after", async () => {
  const { log, virtual } = device();
  virtual.take(event(true, "10.3.0.1"));
  virtual.take({ kind: "ike-updown", connection: "gw", up: true });
  await virtual.settled();
  assert.equal(log.splice(0), [
    "addresses 10.3.0.1",
    "routes 10.2.0.0/16<10.3.0.1 10.9.0.0/16< fd00:b:0:0:0:0:0:0/64< 192.0.2.2/32<192.0.2.1 keep 192.0.2.2",
    "addresses 10.3.0.1",
  ]);
  virtual.take(event(false, "10.3.0.1"));
  await virtual.settled();
  assert.equal(log, [
    "addresses 10.3.0.1",
    "routes 10.2.0.0/16< 10.9.0.0/16< fd00:b:0:0:0:0:0:0/64< 192.0.2.2/32<192.0.2.1 keep 192.0.2.2",
    "addresses ",
  ]);
});

test("it stays while another IKE_SA has it", async () => {
  const { log, virtual } = device();
  for (const up of [true, true, false]) virtual.take(event(up, "10.3.0.1", "fd00:c:0:0:0:0:0:1"));
  await virtual.settled();
  assert.is(log.at(-1), "addresses 10.3.0.1 fd00:c:0:0:0:0:0:1");
  assert.is(
    log.at(-2),
    "routes 10.2.0.0/16<10.3.0.1 10.9.0.0/16< fd00:b:0:0:0:0:0:0/64<fd00:c:0:0:0:0:0:1 192.0.2.2/32<192.0.2.1 keep 192.0.2.2",
  );
  virtual.take(event(false, "10.3.0.1", "fd00:c:0:0:0:0:0:1"));
  await virtual.settled();
  assert.is(log.at(-1), "addresses ");
});

test("what the system refuses is told, and the next one is tried", async () => {
  let fails = true;
  const told: string[] = [];
  const virtual = new VirtualIps(
    {
      setAddresses: () => (fails ? Promise.reject(new Error("not permitted")) : Promise.resolve()),
      setRoutes: () => Promise.resolve(void told.push("routes")),
    },
    { routes: [], virtualRoutes: new Map(), sources: {}, remoteAddresses: [] },
    (problem) => told.push(problem),
  );
  virtual.take(event(true, "10.3.0.1"));
  await virtual.settled();
  fails = false;
  virtual.take(event(true, "10.3.0.2"));
  await virtual.settled();
  assert.equal(told, ["virtual IP: not permitted", "routes"]);
});

test.run();
