/** Names of peers: what a list of addresses and names becomes, and what is told of names that have none. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { lookUp, systemResolve } from "../../host/operator/name_lookup.ts";

const failing = (code: string) => (): Promise<string[]> =>
  Promise.reject(Object.assign(new Error(`getaddrinfo ${code}`), { code }));

test("addresses and names in their order, each address once", async () => {
  const book: Record<string, string[]> = { "a.example": ["192.0.2.2", "2001:db8::2"], "b.example": ["192.0.2.7"] };
  const found = await lookUp(["b.example", "192.0.2.2", "a.example"], (name) => Promise.resolve(book[name]!));
  assert.equal(found, { addresses: ["192.0.2.7", "192.0.2.2", "2001:db8::2"], failures: [] });
});

test("a name that has no address does not keep the others from theirs, and its reason is told", async () => {
  for (const [resolve, reason] of [
    [failing("ENOTFOUND"), "the name is not known"],
    [failing("EAI_AGAIN"), "the name server does not answer"],
    [failing("ESERVFAIL"), "getaddrinfo ESERVFAIL"],
    [(): Promise<string[]> => Promise.resolve([]), "the name has no address"],
  ] as const) {
    const found = await lookUp(["a.example", "192.0.2.2"], resolve);
    assert.equal(found, { addresses: ["192.0.2.2"], failures: [`a.example: ${reason}`] });
  }
});

test("the system's resolver: localhost is here", async () => {
  const addresses = await systemResolve("localhost");
  assert.ok(addresses.includes("127.0.0.1") || addresses.includes("::1"));
});

test.run();
