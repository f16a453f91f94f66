/** What a configuration may say: names and words, their nearest, what swanctl knows and this gateway does not. */
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  ADJUST_MSS_TO_MTU,
  PLACEMENT_FIXED,
  PLACEMENT_HASH,
  PLACEMENT_LEAST_LOADED,
  PLACEMENT_ROUND_ROBIN,
  PLACEMENT_SLOT_SHIFT,
} from "../../assembly/abi/config.ts";
import * as abi from "../../assembly/abi/management.ts";
import { LOG_DEFAULTS } from "../../host/operator/log.ts";
import {
  MODE_TRANSPORT,
  SA_FLAGS_TUNNEL,
  SA_FLAG_DF_CLEAR,
  SA_FLAG_DSCP_APART,
  SA_FLAG_DSCP_INWARD,
  SA_FLAG_ECN_APART,
} from "../../assembly/abi/message.ts";
import { decodeItems } from "../../host/chassis/config.ts";
import { writeShelfKey } from "../../host/chassis/remote/key_file.ts";
import type { Configuration } from "../../host/operator/configuration/compile.ts";
import {
  loadConfiguration,
  loadConfigurationText,
  renderError,
} from "../../host/operator/configuration/configuration.ts";
import { parseIdentity } from "../../host/operator/configuration/identity.ts";
import { identityText, selectorText } from "../../host/operator/identity.ts";
import { decodeTransforms, suiteKeys, suiteText } from "../../host/operator/transform_name.ts";

interface Parts {
  connection?: string;
  local?: string;
  remote?: string;
  child?: string;
  more?: string;
  own?: string;
  secret?: string;
  rest?: string;
}

/** A configuration that is right but for what `parts` say. Line 1 is `connection`, 2 `local`, 3 `remote`, 4 `child`. */
const text = (parts: Parts): string =>
  `connections { gw { local_addrs = ${parts.own ?? "192.0.2.1"} ${"\n"} ${parts.connection ?? "version = 2"}
local { auth = psk ${"\n"} ${parts.local ?? "id = a.example"}
}
remote { auth = psk ${"\n"} ${parts.remote ?? "id = b.example"}
}
children { net { local_ts = 10.1.0.0/16 ${"\n"} remote_ts = 10.2.0.0/16 ${"\n"} ${parts.child ?? "mode = tunnel"}
} ${parts.more ?? ""} }
} }
secrets { ike-x { ${parts.secret ?? "secret = s3cret"}
} }
${parts.rest ?? ""}
`;

function loaded(parts: Parts): Configuration {
  const result = loadConfigurationText(text(parts), "t.conf");
  if ("errors" in result) throw new Error(result.errors.map(renderError).join("\n"));
  assert.equal(result.warnings, []);
  return result.configuration;
}

/** Messages without their place. */
function messages(parts: Parts): string[] {
  const result = loadConfigurationText(text(parts), "t.conf");
  const list = "errors" in result ? result.errors : result.warnings.map((w) => ({ ...w, message: `ok: ${w.message}` }));
  return list.map((error) => renderError(error).replace(/^t\.conf:\d+: /, ""));
}

const items = (configuration: Configuration): { type: number; value: Uint8Array }[] =>
  decodeItems(configuration.connections[0]!.load.subarray(abi.MANAGEMENT_HEADER));
const valuesOf = (configuration: Configuration, type: number): Uint8Array[] =>
  items(configuration)
    .filter((item) => item.type === type)
    .map(({ value }) => value);
const number = (configuration: Configuration, type: number): number => {
  const value = valuesOf(configuration, type)[0]!;
  return new DataView(value.buffer, value.byteOffset).getUint32(0, true);
};

test("errors name file, line, word and the nearest valid word", () => {
  const at = (parts: Parts): string => {
    const result = loadConfigurationText(text(parts), "net.conf");
    return "errors" in result ? result.errors.map(renderError).join("\n") : "ok";
  };
  assert.is(
    at({ connection: "remote_adrs = 192.0.2.2" }),
    "net.conf:2: unknown setting 'remote_adrs' in section 'connections.gw' (did you mean 'remote_addrs'?)",
  );
  assert.is(
    at({ child: "dpd_action = start" }),
    "net.conf:11: dpd_action: 'start' is none of clear, none, trap, restart (did you mean 'restart'?)",
  );
  assert.is(at({ rest: "chasis { }" }), "net.conf:16: unknown section 'chasis' (did you mean 'chassis'?)");
  assert.is(
    at({ connection: "frobnicate = 1" }),
    "net.conf:2: unknown setting 'frobnicate' in section 'connections.gw'",
  );
});

test("what swanctl knows and this gateway does not is told as such", () => {
  const cases: [Parts, string][] = [
    [
      { connection: "version = 1" },
      "version: '1' is known to swanctl, but not supported by this gateway: IKEv1 is deprecated (RFC 9395)",
    ],
    [
      { connection: "mobike = maybe" },
      "mobike: 'maybe' is none of 0, 1, yes, true, enabled, on, no, false, disabled, off",
    ],
    [
      { connection: "dscp = 000000" },
      "setting 'dscp' in section 'connections.gw' is known to swanctl, but not supported by this gateway",
    ],
    [
      { local: "auth = eap-aka" },
      "auth: 'eap-aka' is not supported by this gateway: of EAP it does eap, eap-mschapv2, eap-md5, eap-tls",
    ],
    [
      { remote: "groups = staff" },
      "setting 'groups' in section 'connections.gw.remote' is known to swanctl, but not supported by this gateway",
    ],
    [
      { child: "mode = beet" },
      "mode: 'beet' is known to swanctl, but not supported by this gateway: tunnel, transport, pass and drop are done",
    ],
    [
      { child: "ipcomp = yes" },
      "ipcomp: 'yes' is known to swanctl, but not supported by this gateway: there is no compression",
    ],
  ];
  for (const [parts, message] of cases) assert.equal(messages(parts), [message]);
});

/** A child in transport mode to these peers. */
function transport(remote: string, child: string): string[] {
  const whole = text({ connection: remote, child: `mode = transport ${"\n"} ${child}` });
  const bare = whole.replace(/local_ts = 10.1.0.0\/16 \n remote_ts = 10.2.0.0\/16/, "");
  const result = loadConfigurationText(bare, "t.conf");
  return "errors" in result ? result.errors.map((error) => renderError(error).replace(/^t\.conf:\d+: /, "")) : [];
}

test("transport mode: the selectors are the addresses of the two ends, and its routes the peers'", () => {
  const whole = text({ connection: "remote_addrs = 192.0.2.2", child: "mode = transport" });
  const result = loadConfigurationText(
    whole.replace("10.1.0.0/16", "192.0.2.1[tcp/80]").replace("10.2.0.0/16", "dynamic[tcp]"),
    "t.conf",
  );
  if ("errors" in result) throw new Error(result.errors.map(renderError).join("\n"));
  assert.is(number(result.configuration, abi.CHILD_MODE), MODE_TRANSPORT);
  const [remote] = valuesOf(result.configuration, abi.CHILD_REMOTE_TS);
  assert.equal([remote![0], remote![1]], [abi.TS_DYNAMIC, 6], "the board puts the address there");
  assert.equal(result.configuration.routes, ["192.0.2.2/32"]);
  assert.equal(result.configuration.sources, { "192.0.2.2/32": "192.0.2.1" });

  assert.equal(transport("remote_addrs = 192.0.2.2", ""), []);
  assert.equal(transport("remote_addrs = 192.0.2.2, 192.0.2.3", ""), []);
  const own = (setting: string, whose: string): string =>
    `${setting}: in transport mode the selectors are the addresses of the two ends, those of ${whose}`;
  const networks = transport("remote_addrs = 192.0.2.2", "local_ts = 10.1.0.0/16 \n remote_ts = 192.0.2.9");
  assert.equal(networks, [own("local_ts", "local_addrs"), own("remote_ts", "remote_addrs")]);
  assert.equal(transport("version = 2", ""), [
    "mode = transport wants the peer's address in remote_addrs: our own packets are routed by it",
  ]);
});

test("transport mode over both IP versions: each route has the source of its family, where that is one; networks are no peers", () => {
  const hosts = (own: string, remote: string): string =>
    text({ own, connection: `remote_addrs = ${remote}`, child: "mode = transport" })
      .replace("10.1.0.0/16", "dynamic")
      .replace("10.2.0.0/16", "dynamic");
  const sources = (own: string): Record<string, string> => {
    const result = loadConfigurationText(hosts(own, "192.0.2.2, 2001:db8::2"), "t.conf");
    if ("errors" in result) throw new Error(result.errors.map(renderError).join("\n"));
    assert.equal(result.configuration.routes, ["192.0.2.2/32", "2001:db8::2/128"]);
    return result.configuration.sources;
  };
  assert.equal(sources("192.0.2.1, 2001:db8::1"), { "192.0.2.2/32": "192.0.2.1", "2001:db8::2/128": "2001:db8::1" });
  assert.equal(sources("192.0.2.1, 192.0.2.3, 2001:db8::1"), { "2001:db8::2/128": "2001:db8::1" });
  assert.equal(sources("192.0.2.0/24, 2001:db8::1"), {}, "it may be any of those");
  const network = loadConfigurationText(hosts("192.0.2.1", "192.0.2.2, 198.51.100.0/24"), "t.conf");
  assert.ok("errors" in network);
  assert.match(network.errors[0]!.message, /wants the peer's address in remote_addrs/);
});

test("AH: integrity alone, AES-GMAC among it, and never with ESP or in UDP", () => {
  const suites = (ah: string): string[] =>
    valuesOf(loaded({ child: `ah_proposals = ${ah}` }), abi.CHILD_PROPOSAL).map((value) =>
      decodeTransforms(value)
        .map(({ type, id }) => `${type}:${id}`)
        .join(" "),
    );
  assert.is(number(loaded({ child: "ah_proposals = sha256" }), abi.CHILD_PROTOCOL), 51);
  assert.equal(valuesOf(loaded({}), abi.CHILD_PROTOCOL), []);
  assert.equal(suites("sha256-esn"), ["3:12 5:1"]);
  assert.equal(suites("sha1-aesxcbc-aescmac-x25519, aes128gmac-aes192gmac-aes256gmac"), [
    "3:2 3:5 3:8 4:31 5:0",
    "3:9 3:10 3:11 5:0",
  ]);
  assert.equal(suites("default"), ["3:12 3:13 3:14 5:0"]);
  const cases: [Parts, string][] = [
    [{ child: "ah_proposals = aes128-sha256" }, "proposal 'aes128-sha256' names a cipher, which has no place in AH"],
    [{ child: "ah_proposals = sha256-prfsha256" }, "proposal 'sha256-prfsha256' names a PRF, which has no place in AH"],
    [{ child: "ah_proposals = x25519" }, "proposal 'x25519' wants an integrity algorithm, such as sha256"],
    [
      { child: `ah_proposals = sha256 ${"\n"} esp_proposals = aes128gcm16` },
      "a child has ah_proposals or esp_proposals: the one protocol around the other is not done",
    ],
    [
      { connection: "encap = yes", child: "ah_proposals = sha256" },
      "ah_proposals: encap = yes puts ESP into UDP, and there is no AH in UDP",
    ],
  ];
  for (const [parts, message] of cases) assert.equal(messages(parts), [message]);
});

test("values of the wrong kind", () => {
  const cases: [Parts, string][] = [
    [{ connection: "dpd_delay = 5x" }, "dpd_delay: '5x' is no time: a number with s, m, h or d behind it"],
    [{ child: "rekey_bytes = lots" }, "rekey_bytes: 'lots' is no amount: a number with k, m, g or t behind it"],
    [{ child: "replay_window = 5000" }, "replay_window: '5000' is no number from 0 to 4096"],
    [{ connection: "remote_port = 0" }, "remote_port: '0' is no number from 1 to 65535"],
    [
      { connection: "local_addrs = vpn.example" },
      "local_addrs: 'vpn.example' is no IP address; names of our own are not looked up by this gateway",
    ],
    [{ connection: "remote_addrs = 2001:db8::1" }, "remote_addrs: no address is of the family of one in local_addrs"],
    [
      { connection: "remote_addrs = 192.0.2.1-192.0.2.9" },
      "remote_addrs: '192.0.2.1-192.0.2.9': ranges are not supported here; networks are",
    ],
    [
      { rest: "chassis { metrics = 192.0.2.1 }" },
      "metrics: '192.0.2.1' is no place to listen: 9814, 192.0.2.1:9814 and [2001:db8::1]:9814 are",
    ],
    [
      { rest: "chassis { metrics = localhost:9814 }" },
      "metrics: 'localhost:9814' is no place to listen: 9814, 192.0.2.1:9814 and [2001:db8::1]:9814 are",
    ],
    [{ connection: "remote_addrs = 192.0.2.0/33" }, "remote_addrs: '192.0.2.0/33' is no network"],
    [
      { connection: "remote_addrs = fe80::1%eth0" },
      "remote_addrs: 'fe80::1%eth0': a link-local address means nothing without its link; use a global one",
    ],
    [{ connection: "remote_addrs = 192.0.2" }, "remote_addrs: '192.0.2' is no IP address"],
    [{ connection: "remote_addrs = 192.0.2.256" }, "remote_addrs: '192.0.2.256' is no IP address"],
    [{ connection: "remote_addrs = vpn!example" }, "remote_addrs: 'vpn!example' is no IP address"],
    [
      { connection: "remote_addrs = 2001:db8::1%eth0" },
      "remote_addrs: '2001:db8::1%eth0': only link-local addresses have a zone",
    ],
    [
      { connection: "remote_addrs = ::ffff:192.0.2.2" },
      "remote_addrs: '::ffff:192.0.2.2': an IPv4 address is written without '::ffff:'",
    ],
    [
      { child: "start_action = restart" },
      "start_action: 'restart' is none of none, trap, start, trap|start (did you mean 'start'?)",
    ],
    [{ child: "rekey_time = 10m\nlife_time = 9m" }, "life_time must be longer than rekey_time"],
    [{ child: "rekey_bytes = 2g\nlife_bytes = 2g" }, "life_bytes must be more than rekey_bytes"],
    [{ child: "rekey_packets = 100\nlife_packets = 99" }, "life_packets must be more than rekey_packets"],
    [
      { connection: "unique = replaced" },
      "unique: 'replaced' is none of no, never, replace, keep (did you mean 'replace'?)",
    ],
    [
      { rest: "chassis { links = etherent\n}" },
      "links: 'etherent' is none of ethernet, atm, remote (did you mean 'ethernet'?)",
    ],
    [
      { rest: "chassis { slots { 0 = ike\n 1 = ipsek\n} }" },
      "1: 'ipsek' is none of ike, ipsec (did you mean 'ipsec'?)",
    ],
    [{ rest: "chassis { slots { 1 = ipsec\n} }" }, "a chassis has one IKE board; here are 0"],
    [{ rest: "chassis { slots { 0 = ike\n} }" }, "a chassis wants at least one IPsec board"],
    [
      { rest: "chassis { slots { 0 = ike\n64 = ipsec\n} }" },
      "unknown setting '64' in section 'chassis.slots' (did you mean '1'?)",
    ],
    [{ rest: "chassis { retransmit_timeout = 2m\n}" }, "retransmit_timeout is 1 s to 60 s"],
    [{ rest: 'chassis { protected { tun = "a b"\n} }' }, "'a b' is no name of a network device"],
    [{ secret: "id = a.example" }, "secret 'ike-x' has no value"],
    [{ secret: "secret = 0x123" }, "the secret is neither text, hexadecimal (0x) nor base64 (0s)"],
  ];
  for (const [parts, message] of cases) assert.ok(messages(parts).includes(message), messages(parts).join("\n"));
});

test("an identity, a side, a child must be there", () => {
  const whole = text({});
  const without = (what: RegExp, by = ""): string[] => {
    const result = loadConfigurationText(whole.replace(what, by), "t.conf");
    return "errors" in result ? result.errors.map(({ message }) => message) : [];
  };
  assert.equal(without(/local \{[^}]*\}/), ["connection 'gw' has no 'local' section"]);
  assert.equal(without(/children[^]*?\} {2}\}/), ["connection 'gw' has no children"]);
  assert.equal(without(/connections[^]*?\} \}\n(?=secrets)/), ["no connections are configured"]);
  assert.equal(without(/local \{ auth = psk/, "local {"), [
    "no certificate of 'a.example' with a private key: name it by 'certs', or say auth = psk",
  ]);
  assert.equal(messages({ local: "id = *.example" }), ["'*.example': our own identity is no pattern"]);
  assert.equal(messages({ remote: "id = *.example" }), []);
  assert.equal(messages({ remote: 'id = "C=CH, O=*"' }), []);
  assert.equal(messages({ connection: "local2 { auth = psk\n}" }), []);
  assert.equal(messages({ connection: "local2 { auth = psk\n}\nlocal3 { auth = psk\n}\nlocal4 { auth = psk\n}" }), [
    "more than 3 rounds of authentication on one side",
  ]);
});

test("defaults are swanctl's; an empty assignment brings them back", () => {
  const plain = loaded({});
  assert.is(number(plain, abi.CONNECTION_REKEY_TIME), 4 * 3600);
  assert.is(number(plain, abi.CONNECTION_OVER_TIME), 1440);
  assert.is(number(plain, abi.CONNECTION_RAND_TIME), 1440);
  assert.is(number(plain, abi.CHILD_REKEY_TIME), 3600);
  assert.is(number(plain, abi.CHILD_LIFE_TIME), 3960);
  assert.is(number(plain, abi.CHILD_RAND_TIME), 360);
  assert.is(number(plain, abi.CHILD_REPLAY_WINDOW), 32);
  const emptied = loaded({ child: "rekey_time = 10m\nrekey_time =" });
  assert.is(number(emptied, abi.CHILD_REKEY_TIME), 3600);
});

test("reauth_time: rekey_time is off unless asked for, over_time is a tenth of the larger", () => {
  const reauth = loaded({ connection: "reauth_time = 10h" });
  assert.is(number(reauth, abi.CONNECTION_REAUTH_TIME), 36000);
  assert.is(number(reauth, abi.CONNECTION_REKEY_TIME), 0);
  assert.is(number(reauth, abi.CONNECTION_OVER_TIME), 3600);
  assert.is(number(reauth, abi.CONNECTION_RAND_TIME), 3600);
  const both = loaded({ connection: "reauth_time = 10h\nrekey_time = 1h\nover_time = 9h" });
  assert.is(number(both, abi.CONNECTION_REKEY_TIME), 3600);
  assert.is(number(both, abi.CONNECTION_OVER_TIME), 32400);
  assert.is(number(both, abi.CONNECTION_RAND_TIME), 18000);
  assert.is(number(loaded({}), abi.CONNECTION_REAUTH_TIME), 0);
});

test("names among remote_addrs go to the gateway in their order; the board is told that there are some, and the addresses", () => {
  const configuration = loaded({ connection: "remote_addrs = vpn.example, 192.0.2.7, b_2.example." });
  assert.is(number(configuration, abi.CONNECTION_NAMED), 1);
  assert.equal(valuesOf(configuration, abi.CONNECTION_REMOTE_ADDRESS), [Uint8Array.of(192, 0, 2, 7)]);
  assert.equal(configuration.connections[0]!.names, ["vpn.example", "192.0.2.7", "b_2.example."]);
  assert.is(loaded({}).connections[0]!.names, undefined);
});

test("limits of octets and packets have the rules of times; inactivity, keyingtries and unique arrive", () => {
  const amount = (configuration: Configuration, type: number): bigint => {
    const value = valuesOf(configuration, type)[0]!;
    return new DataView(value.buffer, value.byteOffset).getBigUint64(0, true);
  };
  const rekeyed = loaded({ child: "rekey_bytes = 1000\nlife_packets = 1100\ninactivity = 5m" });
  assert.is(amount(rekeyed, abi.CHILD_LIFE_BYTES), 1100n);
  assert.is(amount(rekeyed, abi.CHILD_RAND_BYTES), 100n);
  assert.is(amount(rekeyed, abi.CHILD_REKEY_PACKETS), 1000n);
  assert.is(amount(rekeyed, abi.CHILD_RAND_PACKETS), 100n);
  assert.is(number(rekeyed, abi.CHILD_INACTIVITY), 300);
  assert.is(amount(loaded({ child: "rekey_bytes = 1000\nrand_bytes = 0" }), abi.CHILD_RAND_BYTES), 0n);
  assert.equal(valuesOf(loaded({}), abi.CHILD_LIFE_BYTES), []);
  assert.is(number(loaded({ connection: "keyingtries = 0" }), abi.CONNECTION_KEYING_TRIES), 0);
  for (const [word, value] of Object.entries({ no: 0, never: 1, replace: 2, keep: 3 }))
    assert.is(number(loaded({ connection: `unique = ${word}` }), abi.CONNECTION_UNIQUE), value);
  assert.is(number(loaded({ child: "start_action = trap|start" }), abi.CHILD_START_ACTION), abi.START_TRAP_START);
});

test("copy_df, copy_ecn and copy_dscp arrive as what the tunnel does otherwise; swanctl's defaults are none of it", () => {
  const flags = (child: string): number => number(loaded({ child }), abi.CHILD_TUNNEL_FLAGS);
  assert.is(flags(""), 0);
  assert.is(flags("copy_df = yes\ncopy_ecn = yes\ncopy_dscp = out"), 0);
  assert.is(flags("copy_df = no"), SA_FLAG_DF_CLEAR);
  assert.is(flags("copy_ecn = no"), SA_FLAG_ECN_APART);
  assert.is(flags("copy_dscp = no"), SA_FLAG_DSCP_APART);
  assert.is(flags("copy_dscp = in"), SA_FLAG_DSCP_APART | SA_FLAG_DSCP_INWARD);
  assert.is(flags("copy_dscp = yes"), SA_FLAG_DSCP_INWARD);
  assert.is(flags("copy_df = no\ncopy_ecn = no\ncopy_dscp = in"), SA_FLAGS_TUNNEL);
  assert.equal(messages({ child: "copy_dscp = both" }), ["copy_dscp: 'both' is none of out, in, yes, no"]);
});

test("sizes in the chassis section: the unprotected MTU, and adjust_mss in the words of routers", () => {
  const chassis = (rest: string): Configuration["chassis"] => loaded({ rest }).chassis;
  const plain = chassis("");
  assert.equal([plain.unprotectedMtu, plain.adjustMss], [undefined, undefined]);
  assert.is(chassis("chassis { unprotected { mtu = 1492\n} }").unprotectedMtu, 1492);
  const adjusted = (value: string): number | undefined =>
    chassis(`chassis { protected { adjust_mss = ${value}\n} }`).adjustMss;
  assert.equal([adjusted("no"), adjusted("clamp-mss-to-pmtu"), adjusted("1360")], [0, ADJUST_MSS_TO_MTU, 1360]);
  assert.equal(messages({ rest: "chassis { protected { adjust_mss = 87\n} }" }), [
    "adjust_mss: '87' is no number from 88 to 8960",
  ]);
});

test("times, amounts, actions, identities arrive at the board as they were said", () => {
  const configuration = loaded({
    connection:
      "rekey_time = 90m\nover_time = 1d\nrand_time = 5\ndpd_delay = 30s\nencap = yes\nremote_addrs = 192.0.2.2",
    child:
      "rekey_time = 2h\nlife_time = 3h\nrand_time = 0\nrekey_bytes = 2g\nrekey_packets = 1000k\nreplay_window = 0\n" +
      "start_action = trap\ndpd_action = restart\nclose_action = start",
    local: "id = 192.0.2.7",
  });
  const numbers: [number, number][] = [
    [abi.CONNECTION_REKEY_TIME, 5400],
    [abi.CONNECTION_OVER_TIME, 86400],
    [abi.CONNECTION_RAND_TIME, 5],
    [abi.CONNECTION_DPD_DELAY, 30],
    [abi.CONNECTION_ENCAP, 1],
    [abi.CHILD_REKEY_TIME, 7200],
    [abi.CHILD_LIFE_TIME, 10800],
    [abi.CHILD_RAND_TIME, 0],
    [abi.CHILD_REPLAY_WINDOW, 0],
    [abi.CHILD_START_ACTION, abi.START_TRAP],
    [abi.CHILD_DPD_ACTION, abi.START_START],
    [abi.CHILD_CLOSE_ACTION, abi.START_START],
  ];
  for (const [type, value] of numbers) assert.is(number(configuration, type), value, `item ${type}`);
  const u64 = (type: number): bigint => {
    const value = valuesOf(configuration, type)[0]!;
    return new DataView(value.buffer, value.byteOffset).getBigUint64(0, true);
  };
  assert.is(u64(abi.CHILD_REKEY_BYTES), 2n << 30n);
  assert.is(u64(abi.CHILD_REKEY_PACKETS), 1024000n);
  assert.equal(valuesOf(configuration, abi.CONNECTION_LOCAL_ID).map(identityText), ["192.0.2.7"]);
  assert.equal(valuesOf(configuration, abi.CONNECTION_REMOTE_ID).map(identityText), ["b.example"]);
  assert.equal(valuesOf(configuration, abi.CONNECTION_LOCAL_ADDRESS), [Uint8Array.of(192, 0, 2, 1)]);
  assert.equal(configuration.localAddresses, ["192.0.2.1"]);
  assert.equal(configuration.remoteAddresses, ["192.0.2.2"]);
  assert.equal(configuration.routes, ["10.2.0.0/16"]);
  assert.equal(valuesOf(loaded({ remote: "id = %any" }), abi.CONNECTION_REMOTE_ID), []);
});

test("addresses of both families, networks, and what stands for any", () => {
  const addresses = (words: string): [string[], string[]] => {
    const configuration = loaded({ connection: `remote_addrs = ${words}`, own: "192.0.2.1, 2001:db8::1" });
    const hex = (type: number): string[] =>
      valuesOf(configuration, type).map((value) => Buffer.from(value).toString("hex"));
    assert.equal(configuration.localAddresses, ["192.0.2.1", "2001:db8::1"]);
    assert.equal(valuesOf(configuration, abi.CONNECTION_LOCAL_ADDRESS).length, 2);
    return [hex(abi.CONNECTION_REMOTE_ADDRESS), hex(abi.CONNECTION_REMOTE_NETWORK)];
  };
  assert.equal(addresses("2001:db8::2, 192.0.2.2"), [["20010db8000000000000000000000002", "c0000202"], []]);
  assert.equal(addresses("10.0.0.0/8, 192.0.2.2/32"), [["c0000202"], ["0a00000008"]]);
  assert.equal(addresses("2001:db8::/32"), [[], ["20010db800000000000000000000000020"]]);
  for (const any of ["%any6", "::/0", "0::0/0", "::"]) assert.equal(addresses(any), [[], ["00".repeat(17)]], any);
  for (const any of ["%any4", "0.0.0.0/0"]) assert.equal(addresses(any), [[], ["00".repeat(5)]], any);
  for (const any of ["%any", "0.0.0.0"]) assert.equal(addresses(any), [[], []], any);
  const configuration = loaded({ connection: "remote_addrs = 10.0.0.0/8, 2001:db8::2", own: "2001:db8::1" });
  assert.equal(configuration.remoteAddresses, ["2001:db8::2"], "peers of a network have no path of their own to keep");
});

test("of several addresses the board says which is our identity; one that is named is it", () => {
  const identities = (own: string): string[] =>
    valuesOf(loaded({ local: "round = 0", own }), abi.CONNECTION_LOCAL_ID).map(identityText);
  assert.equal(identities("2001:db8::1"), ["2001:db8:0:0:0:0:0:1"]);
  assert.equal(identities("192.0.2.1, 2001:db8::1"), []);
  assert.equal(identities("::/0"), []);
});

test("identities by their look and by their prefix", () => {
  const cases: [string, string | undefined][] = [
    ["moon.example", "02" + Buffer.from("moon.example").toString("hex")],
    ["carol@example.org", "03" + Buffer.from("carol@example.org").toString("hex")],
    ["192.0.2.1", "01c0000201"],
    ["2001:db8::1", "0520010db8000000000000000000000001"],
    ["@moon", "02" + Buffer.from("moon").toString("hex")],
    ["@@moon", "03" + Buffer.from("moon").toString("hex")],
    ["@#00ff", "0b00ff"],
    ["keyid:abc", "0b616263"],
    ["fqdn:192.0.2.1", "02" + Buffer.from("192.0.2.1").toString("hex")],
    ["C=CH, CN=x", "093019310b3009060355040613024348310a30080603550403130178"],
    ["/C=CH/CN=x", "093019310b3009060355040613024348310a30080603550403130178"],
    ["asn1dn:2.5.4.3=*", "09300c310a300806035504030c012a"],
    ["%any", undefined],
  ];
  for (const [word, octets] of cases) {
    const identity = parseIdentity(word);
    assert.is(identity && Buffer.from(identity).toString("hex"), octets, word);
  }
  assert.throws(() => parseIdentity("C=CH, XN=x"), /'XN=x' is no attribute/);
});

const suites = (configuration: Configuration, type: number): string[] =>
  valuesOf(configuration, type).map((value) =>
    decodeTransforms(value)
      .map((transform) => suiteText(suiteKeys([transform])))
      .filter((name) => name !== "")
      .join(" "),
  );

test("proposals: strongSwan's keywords and its rules for ciphers that authenticate", () => {
  const ike = (proposals: string): string[] =>
    suites(loaded({ connection: `proposals = ${proposals}` }), abi.CONNECTION_PROPOSAL);
  assert.equal(ike("aes128gcm16-prfsha256-x25519"), ["AES_GCM_16-128 PRF_HMAC_SHA2_256 CURVE_25519"]);
  assert.equal(ike("aes256gcm128-PRFSHA384-ecp256, aes128gcm-prfsha512-curve25519"), [
    "AES_GCM_16-256 PRF_HMAC_SHA2_384 ECP_256",
    "AES_GCM_16-128 PRF_HMAC_SHA2_512 CURVE_25519",
  ]);
  assert.equal(ike("aes256gcm16-sha384-ecp256"), ["AES_GCM_16-256 ECP_256 PRF_HMAC_SHA2_384"]);
  assert.equal(ike("aes256gcm16-sha384-prfsha256-ecp256"), ["AES_GCM_16-256 PRF_HMAC_SHA2_256 ECP_256"]);
  const exchanges = "CURVE_25519 ECP_256 ECP_384 ECP_521 CURVE_448 MODP_3072 MODP_4096 MODP_2048";
  const prfs = "PRF_HMAC_SHA2_384 PRF_HMAC_SHA2_256 PRF_HMAC_SHA2_512";
  assert.equal(ike("default"), [
    `AES_GCM_16-256 AES_GCM_16-128 CHACHA20_POLY1305 ${prfs} ${exchanges}`,
    `AES_CBC-256 AES_CBC-128 HMAC_SHA2_384_192 HMAC_SHA2_256_128 HMAC_SHA2_512_256 ${exchanges} ${prfs}`,
  ]);
  const esp = (proposals: string): string[] =>
    suites(loaded({ child: `esp_proposals = ${proposals}` }), abi.CHILD_PROPOSAL);
  assert.equal(esp("aes128gcm16"), ["AES_GCM_16-128"]);
  assert.equal(esp("aes128gcm16-x25519-noesn,aes256gcm16-sha256"), ["AES_GCM_16-128 CURVE_25519", "AES_GCM_16-256"]);
  assert.equal(esp("aes128gcm16-esn, aes128gcm16-esn-noesn"), ["AES_GCM_16-128 ESN", "AES_GCM_16-128 ESN"]);
  assert.equal(esp("default"), [
    "AES_GCM_16-256 AES_GCM_16-128 CHACHA20_POLY1305",
    "AES_CBC-256 AES_CBC-128 HMAC_SHA2_256_128 HMAC_SHA2_384_192 HMAC_SHA2_512_256",
  ]);
  // ESN is mandatory in a proposal for ESP (RFC 7296 section 3.3.3): "none" is there even when not said.
  const transforms = decodeTransforms(
    valuesOf(loaded({ child: "esp_proposals = aes128gcm16" }), abi.CHILD_PROPOSAL)[0]!,
  );
  assert.equal(transforms.at(-1), { type: 5, id: 0, keyBits: 0 });
});

test("proposals: every keyword of the suites", () => {
  const ike = (words: string): string[] =>
    suites(loaded({ connection: `proposals = ${words}` }), abi.CONNECTION_PROPOSAL);
  const esp = (words: string): string[] => suites(loaded({ child: `esp_proposals = ${words}` }), abi.CHILD_PROPOSAL);
  for (const [mode, name, synonyms] of [
    ["ccm8", "AES_CCM_8", ["ccm64"]],
    ["ccm12", "AES_CCM_12", ["ccm96"]],
    ["ccm16", "AES_CCM_16", ["ccm128", "ccm"]],
    ["gcm8", "AES_GCM_8", ["gcm64"]],
    ["gcm12", "AES_GCM_12", ["gcm96"]],
    ["gcm16", "AES_GCM_16", ["gcm128", "gcm"]],
    ["gmac", "NULL_AES_GMAC", []],
    ["-sha256", "AES_CBC", []],
    ["ctr-sha256", "AES_CTR", []],
  ] as const) {
    for (const bits of [128, 192, 256]) {
      const expected = mode.endsWith("-sha256") ? `${name}-${bits} HMAC_SHA2_256_128` : `${name}-${bits}`;
      for (const word of [mode, ...synonyms]) {
        assert.equal(esp(`aes${bits}${word}`), [expected], `aes${bits}${word}`);
        if (mode === "gmac") continue;
        const all = ike(`aes${bits}${word}-prfsha1-x448`);
        assert.equal(all, [expected.concat(" PRF_HMAC_SHA1 CURVE_448")], `aes${bits}${word}`);
      }
    }
  }
  assert.equal(esp("aes-sha"), ["AES_CBC-128 HMAC_SHA1_96"]);
  assert.equal(esp("null-sha1, chacha20poly1305"), ["NULL HMAC_SHA1_96", "CHACHA20_POLY1305"]);
  // Several of a kind; an IKE proposal without PRFs has those of its integrity algorithms, in their order.
  assert.equal(ike("aes256-aes128ctr-aesxcbc-aescmac-sha1-sha2_512-modp2048-ecp521"), [
    "AES_CBC-256 AES_CTR-128 AES_XCBC_96 AES_CMAC_96 HMAC_SHA1_96 HMAC_SHA2_512_256 MODP_2048 ECP_521 " +
      "PRF_AES128_XCBC PRF_AES128_CMAC PRF_HMAC_SHA1 PRF_HMAC_SHA2_512",
  ]);
  assert.equal(ike("aes128-sha384-prfaescmac-prfaesxcbc-curve448, aes128gcm8-aesxcbc-modp3072-modp4096"), [
    "AES_CBC-128 HMAC_SHA2_384_192 PRF_AES128_CMAC PRF_AES128_XCBC CURVE_448",
    "AES_GCM_8-128 MODP_3072 MODP_4096 PRF_AES128_XCBC",
  ]);
});

test("proposals that are wrong, and those that are only not done here", () => {
  const ike = (proposals: string): string[] => messages({ connection: `proposals = ${proposals}` });
  const esp = (proposals: string): string[] => messages({ child: `esp_proposals = ${proposals}` });
  const known = (word: string): string =>
    `algorithm '${word}' is known to strongSwan, but not supported by this gateway`;
  assert.equal(ike("aes128gcm16-prfsha265-x25519"), ["'prfsha265' is no algorithm (did you mean 'prfsha256'?)"]);
  assert.equal(ike("aes128gcm16-x25519"), [
    "proposal 'aes128gcm16-x25519' wants a PRF, such as prfsha256 (an AEAD brings none)",
  ]);
  assert.equal(ike("aes128gcm16-prfsha256"), [
    "proposal 'aes128gcm16-prfsha256' wants a key exchange method, such as x25519",
  ]);
  assert.equal(ike("prfsha256-x25519"), [
    "proposal 'prfsha256-x25519' wants an encryption algorithm, such as aes256gcm16",
  ]);
  assert.equal(ike("aes128gcm16-prfsha256-x25519-noesn"), [
    "proposal 'aes128gcm16-prfsha256-x25519-noesn' names ESN, which has no place in IKE",
  ]);
  assert.equal(esp("aes128gcm16-prfsha256"), [
    "proposal 'aes128gcm16-prfsha256' names a PRF, which has no place in ESP",
  ]);
  assert.equal(ike("aes256-prfsha256-x25519"), [
    "proposal 'aes256-prfsha256-x25519' wants an integrity algorithm, such as sha256",
  ]);
  assert.equal(esp("aes256ctr"), ["proposal 'aes256ctr' wants an integrity algorithm, such as sha256"]);
  assert.equal(esp("null"), ["proposal 'null' wants an integrity algorithm, such as sha256"]);
  assert.equal(esp("aes128gcm16-aes128-sha256"), [
    "proposal 'aes128gcm16-aes128-sha256' mixes ciphers that authenticate with others: they want proposals of their own",
  ]);
  assert.equal(ike("null-sha256-x25519"), ["'null' does not encrypt: it has no place in IKE"]);
  assert.equal(ike("aes256gmac-prfsha256-x25519, aes128gcm16-prfsha256-x25519"), [
    "'aes256gmac' does not encrypt: it has no place in IKE",
  ]);
  assert.equal(esp("aes128gmca"), ["'aes128gmca' is no algorithm (did you mean 'aes128gmac'?)"]);
  assert.equal(esp("chacha20poly1350"), ["'chacha20poly1350' is no algorithm (did you mean 'chacha20poly1305'?)"]);
  assert.equal(ike("aes128-sha256-mopd2048"), ["'mopd2048' is no algorithm (did you mean 'modp2048'?)"]);
  // Alternatives that are not done are left out, said aloud; a kind that was asked for is never lost.
  assert.equal(ike("aes128gcm16-prfsha256-x25519-ecp512bp"), [`ok: ${known("ecp512bp")}: it is left out`]);
  assert.equal(ike("aes128gcm16-prfsha256-ecp512bp"), [known("ecp512bp")]);
  assert.equal(ike("camellia128-sha256-ecp512bp,aes128gcm16-prfsha256-x25519"), [
    `ok: ${known("camellia128")}: it is left out`,
    `ok: ${known("ecp512bp")}: it is left out`,
  ]);
  assert.equal(ike("aes128-sha1_160-modp2048"), [known("sha1_160")]);
  assert.equal(ike("aes128gcm16-sha256_96-x25519"), [known("sha256_96")]);
  assert.equal(esp("aes128gcm16-ecp256bp"), [known("ecp256bp")]);
  assert.equal(esp("aes128gcm16-x25519-ke1_mlkem768"), []);
  assert.equal(esp("aes128gcm16-ke1_mlkem768"), [
    "proposal 'aes128gcm16-ke1_mlkem768' wants a key exchange method, such as x25519",
  ]);
  // Additional exchanges: any method, ML-KEM with them alone.
  assert.equal(ike("aes128gcm16-prfsha256-x25519-ke1_mlkem768-ke2_ecp384-ke2_none"), []);
  assert.equal(ike("aes128gcm16-prfsha256-mlkem768"), [known("mlkem768")]);
  assert.equal(ike("aes128gcm16-prfsha256-ke1_mlkem768"), [
    "proposal 'aes128gcm16-prfsha256-ke1_mlkem768' wants a key exchange method, such as x25519",
  ]);
  // What is too weak is told apart.
  const weak = (word: string): string => `algorithm '${word}' is refused by this gateway: it is too weak`;
  assert.equal(esp("3des-sha1"), [weak("3des")]);
  assert.equal(esp("des-md5"), [weak("des"), weak("md5")]);
  assert.equal(esp("aes128-3des-sha1-md5"), [
    `ok: ${weak("3des")}: it is left out`,
    `ok: ${weak("md5")}: it is left out`,
  ]);
  assert.equal(ike("aes128-sha1-prfmd5-modp2048"), [weak("prfmd5")]);
  assert.equal(ike("aes128-sha1-modp1024-modp1536,default"), [
    `ok: ${weak("modp1024")}: it is left out`,
    `ok: ${weak("modp1536")}: it is left out`,
  ]);
});

test("traffic selectors", () => {
  const selectors = (words: string): string[] =>
    valuesOf(loaded({ child: `remote_ts = ${words}` }), abi.CHILD_REMOTE_TS).map(selectorText);
  assert.equal(selectors("10.1.2.3/16, 10.3.0.5, 0.0.0.0/0"), ["10.1.0.0/16", "10.3.0.5/32", "0.0.0.0/0"]);
  assert.equal(selectors("10.1.0.5-10.1.0.9"), ["10.1.0.5..10.1.0.9"]);
  assert.equal(selectors("10.1.0.0/24[tcp/80], 10.1.0.0/24[udp/16384-32767], 10.1.0.0/24[icmp], 10.1.0.0/24[47]"), [
    "10.1.0.0/24[tcp/80]",
    "10.1.0.0/24[udp/16384-32767]",
    "10.1.0.0/24[icmp]",
    "10.1.0.0/24[47]",
  ]);
  assert.equal(
    valuesOf(loaded({ connection: "remote_addrs = 192.0.2.2", child: "remote_ts = dynamic" }), abi.CHILD_REMOTE_TS).map(
      selectorText,
    ),
    ["dynamic"],
    "the board puts the peer's address there",
  );
  // RFC 4301 4.4.1.1: types and codes where others have ports, as swanctl reads them; OPAQUE.
  assert.equal(
    selectors("10.1.0.0/24[icmp/8], 10.1.0.0/24[icmp/769], 10.1.0.0/24[1/3-5], 10.1.0.0/24[icmp/2048-2050]"),
    ["10.1.0.0/24[icmp/8]", "10.1.0.0/24[icmp/3(1)]", "10.1.0.0/24[icmp/3-5]", "10.1.0.0/24[icmp/8(0)-8(2)]"],
  );
  assert.equal(selectors("fd00::/64[ipv6-icmp/128], fd00::/64[mobility-header/5], fd00::/64[udp/opaque]"), [
    "fd00:0:0:0:0:0:0:0/64[icmpv6/128]",
    "fd00:0:0:0:0:0:0:0/64[135/5]",
    "fd00:0:0:0:0:0:0:0/64[udp/opaque]",
  ]);
  const [opaque] = valuesOf(loaded({ child: "remote_ts = 10.2.0.0/16[udp/opaque]" }), abi.CHILD_REMOTE_TS);
  assert.equal([...opaque!.subarray(2, 6)], [255, 255, 0, 0], "65535 to 0");
  assert.equal(selectors("dynamic[tcp/80], dynamic"), ["dynamic[tcp/80]", "dynamic"]);
  const wrong: [string, string][] = [
    ["10.1.0.0/33", "remote_ts: '10.1.0.0/33' is no network"],
    ["10.1.0/24", "remote_ts: '10.1.0/24' is no address or network"],
    ["10.2.0.9-10.2.0.1", "remote_ts: '10.2.0.9-10.2.0.1': the range ends before it starts"],
    ["10.1.0.0/24[tcp/99999]", "remote_ts: '99999' is no port, service or range of ports"],
    ["10.1.0.0/24[foo]", "remote_ts: 'foo' is no protocol"],
    ["10.1.0.0/24[gre/8]", "remote_ts: 'gre/8': ports want tcp, udp or sctp in front, types icmp or icmpv6"],
    ["10.1.0.0/24[icmp/echo]", "remote_ts: 'echo' is no type, or type and code, of a message"],
    ["10.1.0.0/24[icmp/8-0]", "remote_ts: '8-0': the range ends before it starts"],
    ["fd00::/64[135/256]", "remote_ts: '256': the mobility header has types from 0 to 255, and no codes"],
    ["10.1.0.0/24[tcp/80-70]", "remote_ts: '80-70' is no port, service or range of ports"],
    ["10.1.0.0/24[tcp/no-such-service]", "remote_ts: 'no-such-service' is no port, service or range of ports"],
    ["10.1.0.0/24[tcp/1/2]", "remote_ts: 'tcp/1/2' is no protocol and port"],
    ["fd00::/129", "remote_ts: 'fd00::/129' is no network"],
    ["fd00::g/64", "remote_ts: 'fd00::g/64' is no address or network"],
    ["fd00::9-fd00::1", "remote_ts: 'fd00::9-fd00::1': the range ends before it starts"],
    ["10.1.0.1-fd00::1", "remote_ts: '10.1.0.1-fd00::1' is of two families"],
  ];
  for (const [word, message] of wrong) assert.equal(messages({ child: `remote_ts = ${word}` }), [message]);
  assert.equal(messages({ child: "remote_ts = 10.2.0.0/16, fd00::/64, fd00:1::5-fd00:1::9[icmpv6]" }), []);
});

/** A second child behind `net`. */
const shunt = (settings: string): Parts => ({ more: `other { ${settings} }` });

test("mode = pass and drop are policies without an SA: in force when loaded, with a priority where one is given", () => {
  const pass = loaded(
    shunt("mode = pass \n local_ts = 10.1.0.0/16 \n remote_ts = 10.2.9.0/24[tcp/22] \n priority = 7"),
  );
  const list = items(pass);
  const other = list.slice(list.map(({ type }) => type).lastIndexOf(abi.CHILD_NAME));
  const value = (type: number): number | undefined => other.find((item) => item.type === type)?.value[0];
  assert.is(value(abi.CHILD_MODE), abi.CHILD_MODE_PASS);
  assert.is(value(abi.CHILD_PRIORITY), 7);
  assert.is(value(abi.CHILD_START_ACTION), abi.START_TRAP, "as soon as it is loaded");
  assert.not.ok(
    other.some(({ type }) => type === abi.CHILD_PROPOSAL),
    "nothing is negotiated",
  );
  assert.equal(pass.routes, ["10.2.0.0/16"], "a BYPASS asks for no route");
  const drop = loaded(shunt("mode = drop \n remote_ts = 10.4.0.0/16, 0.0.0.0/0"));
  assert.equal(drop.routes, ["10.2.0.0/16", "10.4.0.0/16"], "what is to be discarded has to come here");
  assert.is(number(loaded({ child: "priority = 4294967295" }), abi.CHILD_PRIORITY), 4294967295, "of an SA as well");
  assert.equal(valuesOf(loaded({ child: "priority = 0" }), abi.CHILD_PRIORITY), [], "0: by the selectors");
});

test("a connection of pass and drop alone needs no peer, nobody who authenticates, and no secret", () => {
  const result = loadConfigurationText(
    "connections { local { children { lan { mode = pass \n remote_ts = 10.0.0.0/8 } } } }",
    "t.conf",
  );
  if ("errors" in result) throw new Error(result.errors.map(renderError).join("\n"));
  assert.equal(result.warnings, []);
  assert.equal(result.configuration.remoteAddresses, []);
  assert.equal(valuesOf(result.configuration, abi.CONNECTION_LOCAL_AUTH), []);
  assert.equal(valuesOf(result.configuration, abi.CHILD_LOCAL_TS).map(selectorText), ["dynamic"]);
  const both = "connections { local { children { lan { mode = pass } net { remote_ts = 10.2.0.0/16 } } } }";
  const mixed = loadConfigurationText(both, "t.conf");
  assert.ok("errors" in mixed && mixed.errors.some(({ message }) => /has no 'local' section/.test(message)));
});

test("mistakes with pass and drop are told with the nearest word", () => {
  const at = (child: string): string[] => messages(shunt(child));
  assert.equal(at("mode = bypass"), ["mode: 'bypass' is none of tunnel, transport, pass, drop (did you mean 'pass'?)"]);
  assert.equal(at("mode = pass \n priorty = 1"), [
    "unknown setting 'priorty' in section 'connections.gw.children.other' (did you mean 'priority'?)",
  ]);
  assert.equal(at("mode = pass \n priority = low"), ["priority: 'low' is no number from 0 to 4294967295"]);
  assert.equal(at("mode = drop \n start_action = start"), [
    "start_action: mode = drop negotiates nothing, its policy is put in force (did you mean 'trap'?)",
  ]);
  assert.equal(at("mode = drop \n start_action = none"), [
    "ok: start_action = none: the policy of 'other' is never in force (did you mean 'trap'?)",
  ]);
  assert.equal(at("mode = pass \n local_ts = 10.1.0.0/16 \n remote_ts = fd00::/64"), [
    "child 'other': local_ts and remote_ts are of different families",
  ]);
  const result = loadConfigurationText(text(shunt("mode = drop \n start_action = start")), "net.conf");
  assert.ok("errors" in result && result.errors[0]!.line > 10, "with its line");
});

test("a child that asks for what is not done is left out where another remains", () => {
  const more = "other { local_ts = 10.3.0.0/16\n remote_ts = 10.4.0.0/16\n esp_proposals = camellia256-sha256\n}";
  const result = loadConfigurationText(text({ more }), "t.conf");
  if ("errors" in result) throw new Error(result.errors.map(renderError).join("\n"));
  assert.equal(
    result.warnings.map(({ message }) => message),
    [
      "algorithm 'camellia256' is known to strongSwan, but not supported by this gateway: " +
        "a child of connection 'gw' is left out",
    ],
  );
  assert.equal(
    valuesOf(result.configuration, abi.CHILD_NAME).map((name) => Buffer.from(name).toString()),
    ["net"],
  );
  assert.equal(result.configuration.routes, ["10.2.0.0/16"], "no route to what nobody protects");
});

test("what does not fit the board's tables is refused here, with its place", () => {
  const long = "x".repeat(65);
  assert.equal(messages({ more: `${long} { local_ts = 10.3.0.0/16\n remote_ts = 10.4.0.0/16\n}` }), [
    `the name '${long}' is longer than 64 octets`,
  ]);
  assert.equal(messages({ connection: "remote_addrs = 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5, 192.0.2.6" }), [
    "remote_addrs: more than 4 addresses",
  ]);
  const again = text({})
    .replace(/^connections \{/, "")
    .split("secrets")[0]!
    .trim()
    .slice(0, -1)
    .replace("gw {", "gw2 {");
  const twice = text({}).replace("connections {", `connections { ${again}`);
  const result = loadConfigurationText(twice, "t.conf");
  assert.equal("errors" in result ? result.errors.map(renderError) : result.warnings.map(({ message }) => message), [
    "child 'net' has the name of one of connection 'gw2': commands by that name mean the other",
  ]);
});

test("secrets: text, hexadecimal, base64; their identities", () => {
  const secret = (words: string): [string, string[]] => {
    const [first] = loaded({ secret: words }).secrets;
    return [Buffer.from(first!.secret).toString("latin1"), first!.identities.map(identityText)];
  };
  assert.equal(secret('secret = "two words # not a comment"'), ["two words # not a comment", []]);
  assert.equal(secret("secret = 0x4142ff"), ["AB\xff", []]);
  assert.equal(secret("secret = 0X4142FF"), ["AB\xff", []]);
  assert.equal(secret("secret = 0SQUJD"), ["ABC", []]);
  assert.equal(secret("secret = 0sQUJD\nid-1 = a.example\nid-b = 192.0.2.1"), ["ABC", ["a.example", "192.0.2.1"]]);
  const { secrets } = loaded({ secret: "secret = x\nid = %any" });
  assert.equal(secrets[0]!.identities, [Uint8Array.of(0)], "%any is an identity that everybody matches");
});

test("the chassis section, and what it stands for when it is not there", () => {
  const { chassis } = loaded({});
  assert.equal(chassis.slots, [
    { slot: 0, board: "ike" },
    { slot: 1, board: "ipsec" },
    { slot: 2, board: "ipsec" },
  ]);
  assert.equal([chassis.link, chassis.drive, chassis.tun], ["ethernet", "threaded", { name: "cardcage0", mtu: 1400 }]);
  const said = loaded({
    rest:
      "chassis { name = moon\nlinks = atm\nplacement = round-robin\ndrive = lockstep\nbuild = base\nsa_capacity = 64\n" +
      "retransmit_timeout = 4s\nretransmit_tries = 5\n" +
      "slots { 3 = ike\n7 = ipsec\n}\nprotected { tun = ipsec0\nmtu = 1380\n}\nunprotected { port_ike = 1500\n} }",
  }).chassis;
  assert.equal(said, {
    name: "moon",
    slots: [
      { slot: 3, board: "ike" },
      { slot: 7, board: "ipsec" },
    ],
    ikeSlot: 3,
    link: "atm",
    drive: "lockstep",
    build: "base",
    saCapacity: 64,
    placement: PLACEMENT_ROUND_ROBIN,
    retransmitMs: 4000,
    retransmitTries: 6,
    tun: { name: "ipsec0", mtu: 1380 },
    portIke: 1500,
    portNatt: 4500,
    cutThrough: false,
    receives: "own-thread",
    crashDetection: true,
    crashLimit: { crashes: 10, seconds: 600 },
    faults: false,
    keyExport: false,
    log: LOG_DEFAULTS,
    rebalance: true,
    checkpoint: true,
  });
});

test("links: ATM crosses in frames or in cells, and Ethernet has no mode", () => {
  const link = (line: string): string => loaded({ rest: `chassis { ${line} }` }).chassis.link;
  assert.is(link("links = atm\natm_mode = frame"), "atm");
  assert.is(link("links = atm\natm_mode = cell"), "atm-cell");
  assert.equal(messages({ rest: "chassis { links = ethernet\natm_mode = cell\n}" }), ["atm_mode wants links = atm"]);
  assert.match(messages({ rest: "chassis { links = atm\natm_mode = cells\n}" })[0]!, /cell/);
});

test("links = remote: boards in shelves, each with its place, and a key that nobody else can read", () => {
  const directory = mkdtempSync(join(tmpdir(), "cardcage-shelf-"));
  try {
    const keyFile = join(directory, "shelf.key");
    writeShelfKey(keyFile);
    const chassis = (slot: string, more = `links = remote\nshelf_key = ${keyFile}`): Parts => ({
      rest: `chassis {\n${more}\nslots {\n0 = ike\n1 = ipsec\n2 { board = ipsec\n${slot}\n}\n}\n}`,
    });
    for (const [place, host, port] of [
      ["192.0.2.9", "192.0.2.9", 9815],
      ["192.0.2.9:7000", "192.0.2.9", 7000],
      ["[2001:db8::9]", "2001:db8::9", 9815],
      ["[2001:db8::9]:7000", "2001:db8::9", 7000],
      ["shelf.example:7000", "shelf.example", 7000],
    ] as const) {
      const { slots, link } = loaded(chassis(`remote = ${place}`)).chassis;
      assert.is(link, "ethernet", "IP in IP");
      assert.equal(slots[1], { slot: 1, board: "ipsec" });
      assert.equal(slots[2], { slot: 2, board: "ipsec", shelf: { host, port, keyFile } });
    }
    for (const place of ["192.0.2.300", "2001:db8::9", "[192.0.2.9]", "192.0.2.9:0", "192.0.2.9:65536", "a b", "[::1"])
      assert.match(messages(chassis(`remote = ${place}`)).join(), /is no place of a shelf: 192\.0\.2\.9, /, place);
    const refused: [Parts, RegExp][] = [
      [chassis("remote = 192.0.2.9", "links = ethernet"), /slot 2 is in a shelf, which wants links = remote/],
      [chassis("remote = 192.0.2.9", "links = atm"), /slot 2 is in a shelf, which wants links = remote/],
      [chassis("remote = 192.0.2.9", "links = remote"), /shelf_key has to name the file of the key/],
      [
        chassis("remote = 192.0.2.9", `links = remote\nshelf_key = ${directory}/none`),
        /shelf_key: .*none: cannot be read/,
      ],
      [chassis("remote = 192.0.2.9", `links = remote\nshelf_key = ${keyFile}\ndrive = lockstep`), /virtual clock/],
      [chassis("remote = 192.0.2.9\nthread = 1"), /thread: the board of slot 2 is in a shelf/],
      [chassis(""), /no slot says where its shelf is/],
      [chassis("", `links = ethernet\nshelf_key = ${keyFile}`), /shelf_key wants links = remote/],
      [
        {
          rest: `chassis {\nlinks = remote\nshelf_key = ${keyFile}\nslots {\n0 { board = ike\nremote = 192.0.2.9\n}\n1 = ipsec\n}\n}`,
        },
        /remote: is of IPsec boards, and slot 0 has the IKE board/,
      ],
    ];
    for (const [parts, message] of refused) assert.match(messages(parts).join("\n"), message);
    chmodSync(keyFile, 0o644);
    assert.match(messages(chassis("remote = 192.0.2.9")).join(), /others may read or change it/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("slots: plain, or a section each where boards are unlike; in the order of their numbers", () => {
  const { slots, ikeSlot } = loaded({
    rest:
      "chassis { slots { 9 = ipsec\n2 { board = ipsec\nnumber = 7\nweight = 3\nsa_capacity = 500\n}\n0 { board = ike\nthread = 1\n}\n" +
      "5 { board = ipsec\nthread = 1\n}\n} }",
  }).chassis;
  assert.is(ikeSlot, 0);
  assert.equal(slots, [
    { slot: 0, board: "ike", thread: 1 },
    { slot: 2, board: "ipsec", number: 7, weight: 3, saCapacity: 500 },
    { slot: 5, board: "ipsec", thread: 1 },
    { slot: 9, board: "ipsec" },
  ]);
  const wrong = (text: string): string[] => messages({ rest: `chassis { slots { 0 = ike\n1 = ipsec\n${text}\n} }` });
  assert.equal(wrong("1 { board = ipsec\n}"), ["slot 1 is fitted twice"]);
  assert.equal(wrong("2 { weight = 2\n}"), ["slot 2: which board? board = ipsec"]);
  assert.match(wrong("2 { board = ipsec\nweight = 101\n}")[0]!, /^weight: .*100/);
  assert.match(wrong("2 { board = ipsec\nweight = 0\n}")[0]!, /^weight: /);
  assert.match(wrong("2 { board = ipsec\nweigth = 2\n}")[0]!, /unknown setting 'weigth'.*did you mean 'weight'/);
  assert.match(wrong("2 { board = ipsec\nthread = 64\n}")[0]!, /^thread: .*63/);
  assert.equal(
    messages({ rest: "chassis { drive = lockstep\nslots { 0 = ike\n1 { board = ipsec\nthread = 0\n}\n} }" }),
    ["thread: drive = lockstep has one for all boards"],
  );
  assert.match(wrong("64 { board = ipsec\n}")[0]!, /unknown section '64'/);
  assert.equal(messages({ rest: "chassis { slots { 0 { board = ike\nweight = 2\n}\n1 = ipsec\n} }" }), [
    "weight: is of IPsec boards, and slot 0 has the IKE board",
  ]);
});

test("placement: a policy of the chassis, and of a child its own or a slot that has an IPsec board", () => {
  for (const [word, value] of [
    ["round-robin", PLACEMENT_ROUND_ROBIN],
    ["least-loaded", PLACEMENT_LEAST_LOADED],
    ["hash", PLACEMENT_HASH],
  ] as const) {
    assert.is(loaded({ rest: `chassis { placement = ${word}\n}` }).chassis.placement, value);
    assert.is(number(loaded({ child: `placement = ${word}` }), abi.CHILD_PLACEMENT), value);
  }
  assert.is(loaded({}).chassis.placement, undefined);
  assert.equal(valuesOf(loaded({}), abi.CHILD_PLACEMENT), []);
  const fixed = loaded({ child: "placement = slot 2" });
  assert.is(number(fixed, abi.CHILD_PLACEMENT), PLACEMENT_FIXED | (2 << PLACEMENT_SLOT_SHIFT));
  const numbered = loaded({
    child: "placement = slot 7",
    rest: "chassis { slots { 0 = ike\n2 { board = ipsec\nnumber = 7\n}\n} }",
  });
  assert.is(number(numbered, abi.CHILD_PLACEMENT), PLACEMENT_FIXED | (7 << PLACEMENT_SLOT_SHIFT));
  for (const slot of [0, 3])
    assert.equal(messages({ child: `placement = slot ${slot}` }), [
      `placement: the chassis has no IPsec board in slot ${slot}`,
    ]);
  assert.match(messages({ child: "placement = slot 64" })[0]!, /slots are 0 to 63/);
  assert.match(messages({ child: "placement = slot N" })[0]!, /'slot N' is none of/);
  assert.match(messages({ child: "placement = least-load" })[0]!, /did you mean 'least-loaded'/);
  assert.match(messages({ rest: "chassis { placement = slot 1\n}" })[0]!, /'slot 1' is none of/);
});

test("every example is right, without a warning", () => {
  const directory = fileURLToPath(new URL("../../examples/", import.meta.url));
  const files = readdirSync(directory).filter((name) => name.endsWith(".conf"));
  assert.ok(files.length >= 2, "examples are there");
  for (const file of files) {
    const result = loadConfiguration(directory + file);
    assert.equal("errors" in result ? result.errors.map(renderError) : result.warnings.map(renderError), []);
  }
});

const ppkSecret = "secrets { ppk-1 { id = ppk-1 \n secret = 0x0011 } }";

test("ppk_id and ppk_required: PPKs are secrets of their own", () => {
  const configuration = loaded({ connection: "ppk_id = ppk-1\n ppk_required = yes", rest: ppkSecret });
  assert.equal(
    configuration.secrets.map(({ ppk, secret }) => [ppk === true, secret.length]),
    [
      [false, 6],
      [true, 2],
    ],
  );
  assert.equal(Buffer.from(valuesOf(configuration, abi.CONNECTION_PPK_ID)[0]!).toString(), "ppk-1");
  assert.is(valuesOf(configuration, abi.CONNECTION_PPK)[0]![0], abi.PPK_POLICY_REQUIRED);
  const optional = loaded({ rest: ppkSecret });
  assert.is(valuesOf(optional, abi.CONNECTION_PPK)[0]![0], abi.PPK_POLICY_OPTIONAL);
  assert.equal(valuesOf(optional, abi.CONNECTION_PPK_ID), []);
  assert.equal(valuesOf(loaded({}), abi.CONNECTION_PPK), []);
});

test("a PPK that is asked for has to be there", () => {
  assert.equal(messages({ connection: "ppk_id = ppk-2", rest: ppkSecret }), ["ok: ppk_id: no ppk secret has this id"]);
  assert.equal(messages({ connection: "ppk_id = ppk-2\n ppk_required = yes", rest: ppkSecret }), [
    "ppk_id: no ppk secret has this id",
  ]);
  assert.equal(messages({ connection: "ppk_required = yes" }), ["ppk_required: no ppk secret is configured"]);
});

test("metrics: a port of the machine's own, or an address and a port; none unless asked for", () => {
  const where = (line: string): unknown => loaded({ rest: `chassis { ${line} }` }).chassis.metrics;
  assert.is(where("name = x"), undefined);
  assert.equal(where("metrics = 9814"), { host: "127.0.0.1", port: 9814 });
  assert.equal(where("metrics = 192.0.2.1:9814"), { host: "192.0.2.1", port: 9814 });
  assert.equal(where("metrics = [2001:db8::1]:9814"), { host: "2001:db8::1", port: 9814 });
});

test.run();
