/** Pools of virtual IPs and what connections have of them: swanctl's words to the board's items, and each refusal. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as abi from "../../assembly/abi/management.ts";
import { decodeItems } from "../../host/chassis/config.ts";
import type { Configuration } from "../../host/operator/configuration/compile.ts";
import { loadConfigurationText } from "../../host/operator/configuration/configuration.ts";

interface Parts {
  connection?: string;
  pools?: string;
  child?: string;
}

const text = ({ connection = "", pools = "", child = "" }: Parts): string => `connections { gw {
${connection}
local_addrs = 192.0.2.1
remote_addrs = 192.0.2.2
local { auth = psk }
remote { auth = psk }
children { net { remote_ts = 10.2.0.0/16
${child}
} } } }
secrets { ike { secret = "x" } }
pools {
${pools}
}`;

function loaded(parts: Parts): Configuration {
  const result = loadConfigurationText(text(parts), "t.conf");
  if ("errors" in result) throw new Error(result.errors.map(({ message }) => message).join("; "));
  return result.configuration;
}

function messages(parts: Parts): string[] {
  const result = loadConfigurationText(text(parts), "t.conf");
  return "errors" in result
    ? result.errors.map(({ line, message, nearest }) => `${line}: ${message}${nearest ? ` (${nearest}?)` : ""}`)
    : [];
}

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString("hex");
const valuesOf = (message: Uint8Array, type: number): string[] =>
  decodeItems(message.subarray(abi.MANAGEMENT_HEADER))
    .filter((item) => item.type === type)
    .map(({ value }) => hex(value));

test("a pool gives all of a range, and of a network neither its own nor the broadcast address", () => {
  const range = (addrs: string): string[] =>
    valuesOf(loaded({ pools: `p { addrs = ${addrs} }` }).pools[0]!.load, abi.POOL_RANGE);
  assert.equal(range("10.3.0.0/24"), ["0a0300010a0300fe"]);
  assert.equal(range("10.3.0.5/24"), ["0a0300050a0300fe"]);
  assert.equal(range("10.3.0.4/31"), ["0a0300040a030005"]);
  assert.equal(range("10.3.0.7"), ["0a0300070a030007"]);
  assert.equal(range("10.3.0.0-10.3.1.255"), ["0a0300000a0301ff"]);
  assert.equal(range("fd00:c::/120"), [`fd00000c${"0".repeat(22)}01fd00000c${"0".repeat(22)}ff`]);
});

test("attributes are octets as they go out", () => {
  const attributes = (words: string): string[] =>
    valuesOf(loaded({ pools: `p { addrs = 10.3.0.0/24\n ${words}\n }` }).pools[0]!.load, abi.POOL_ATTRIBUTE);
  assert.equal(attributes("dns = 10.2.0.53, fd00:b::53"), ["03000a020035", `0a00fd00000b${"0".repeat(20)}0053`]);
  assert.equal(attributes("nbns = 10.2.0.54"), ["04000a020036"]);
  assert.equal(attributes("dhcp = 10.2.0.67"), ["06000a020043"]);
  assert.equal(attributes("netmask = 255.255.255.0"), ["0200ffffff00"]);
  assert.equal(attributes("subnet = 10.2.0.0/16, fd00:b::/64"), [
    "0d000a020000ffff0000",
    `0f00fd00000b${"0".repeat(24)}40`,
  ]);
  assert.equal(attributes("subnet = 10.2.128.0/17"), ["0d000a028000ffff8000"]);
  assert.equal(attributes("split_include = 10.2.0.0/16"), ["04700a020000ffff0000000000000000"]);
  assert.equal(attributes("split_exclude = 10.9.0.0/24"), ["06700a090000ffffff00000000000000"]);
});

test("a connection asks for addresses, gives of pools, and has the routes to go with them", () => {
  const asking = loaded({ connection: "vips = 0.0.0.0, ::" });
  assert.equal(valuesOf(asking.connections[0]!.load, abi.CONNECTION_VIP), ["00000000", "0".repeat(32)]);
  assert.equal([...asking.virtualRoutes], [["gw", ["10.2.0.0/16"]]]);
  assert.equal(valuesOf(loaded({ connection: "vips = %any6, 10.3.0.9" }).connections[0]!.load, abi.CONNECTION_VIP), [
    "0".repeat(32),
    "0a030009",
  ]);
  const giving = loaded({
    connection: "pools = a, b",
    pools: "a { addrs = 10.3.0.0/24 }\n b { addrs = fd00:c::/120 }",
    child: "remote_ts = dynamic",
  });
  assert.equal(
    valuesOf(giving.connections[0]!.load, abi.CONNECTION_POOL).map((name) => Buffer.from(name, "hex").toString()),
    ["a", "b"],
  );
  assert.equal(giving.routes, ["10.3.0.0/24", "fd00:c:0:0:0:0:0:0/120"]);
  assert.equal([...giving.virtualRoutes], []);
});

test("what cannot be is refused, by line", () => {
  const pool = (words: string): string[] => messages({ pools: `p { ${words}\n }` });
  assert.equal(pool("dns = 10.2.0.53"), ["12: pool 'p' has no addrs"]);
  assert.equal(pool("addrs = 10.3.0.0/33"), ["12: addrs: '10.3.0.0/33' is no network"]);
  assert.equal(pool("addrs = somewhere"), ["12: addrs: 'somewhere' is no address or network"]);
  assert.equal(pool("addrs = 10.3.0.0/24\n dns = 10.0.0.0/8"), ["13: dns: '10.0.0.0/8' is no single address"]);
  assert.equal(pool("addrs = 10.3.0.0/24\n nbns = fd00::1"), [
    "13: nbns: 'fd00::1': there is no such attribute for IPv6",
  ]);
  assert.equal(pool("addrs = 10.3.0.0/24\n subnet = 10.0.0.1-10.0.0.2"), [
    "13: subnet: '10.0.0.1-10.0.0.2' is no network",
  ]);
  assert.equal(pool("addrs = 10.3.0.0/24\n server = 10.0.0.1"), [
    "13: setting 'server' in section 'pools.p' is known to swanctl, but not supported by this gateway",
  ]);
  assert.equal(pool("addrs = 10.3.0.0/24\n dsn = 10.0.0.1"), ["13: unknown setting 'dsn' in section 'pools.p' (dns?)"]);
  assert.equal(messages({ connection: "pools = v5", pools: "v4 { addrs = 10.3.0.0/24 }" }), [
    "2: pools: there is no pool 'v5' (v4?)",
  ]);
  assert.equal(messages({ connection: "vips = 0.0.0.0, 10.3.0.1" }), ["2: vips: more than one address of a family"]);
  assert.equal(messages({ connection: "vips = here" }), ["2: vips: 'here' is no address: 0.0.0.0 and :: ask for any"]);
});

test.run();
