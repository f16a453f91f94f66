/** Management messages: what boards say becomes vici's words; hostile text is harmless; what does not add up is refused. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as abi from "../../assembly/abi/management.ts";
import { DROP_ICV, DROP_REPLAY } from "../../assembly/abi/drop.ts";
import {
  SA_FLAG_UDP_ENCAPSULATION,
  SELECTOR_END,
  SELECTOR_END_PORT,
  SELECTOR_FAMILY,
  SELECTOR_OCTETS,
  SELECTOR_PROTOCOL,
  SELECTOR_START,
  SELECTOR_START_PORT,
  STATUS_DROPS,
  STATUS_DROP_KINDS,
  STATUS_INNER_MTU,
  STATUS_LINK,
  STATUS_MESSAGE_OCTETS,
  STATUS_OCTETS,
  STATUS_PACKETS,
  STATUS_SPI,
} from "../../assembly/abi/message.ts";
import type { ConfigItem } from "../../host/chassis/config.ts";
import { parseIdentity } from "../../host/operator/configuration/identity.ts";
import { renderEvent } from "../../host/cli/render.ts";
import { addressText, identityText, printable, selectorText } from "../../host/operator/identity.ts";
import { quoted } from "../../host/operator/quoted.ts";
import { decodeMessage, encodeMessage, textValue, withTransaction } from "../../host/operator/management.ts";
import { mergeSas, renderSas } from "../../host/operator/sas.ts";
import { encodeTransforms } from "../../host/operator/transform_name.ts";

const u64 = (value: bigint): Uint8Array => {
  const octets = new Uint8Array(8);
  new DataView(octets.buffer).setBigUint64(0, value, true);
  return octets;
};

function selector(start: number[], end: number[], protocol = 0, from = 0, to = 65535): Uint8Array {
  const octets = new Uint8Array(SELECTOR_OCTETS);
  const view = new DataView(octets.buffer);
  octets[SELECTOR_FAMILY] = start.length === 4 ? 4 : 6;
  octets[SELECTOR_PROTOCOL] = protocol;
  view.setUint16(SELECTOR_START_PORT, from, true);
  view.setUint16(SELECTOR_END_PORT, to, true);
  octets.set(start, SELECTOR_START);
  octets.set(end, SELECTOR_END);
  return octets;
}

const SECOND = 1_000_000_000n;
const hostile = Uint8Array.from([2, ...textValue('evil\x1b[2J\r\n"\\é')]);

const IKE_SA: ConfigItem[] = [
  { type: abi.CONNECTION_NAME, value: textValue("gw") },
  { type: abi.IKE_SA_UNIQUE_ID, value: 7 },
  { type: abi.IKE_SA_STATE, value: abi.IKE_STATE_ESTABLISHED },
  { type: abi.IKE_SA_SPI_I, value: Uint8Array.of(0x3a, 0x90, 0x2c, 0xfc, 0xdd, 0x0b, 0x42, 0xe2) },
  { type: abi.IKE_SA_SPI_R, value: Uint8Array.of(0xee, 0x60, 0xf4, 0xad, 0x85, 0xf2, 0xb7, 0x23) },
  { type: abi.IKE_SA_INITIATOR, value: 1 },
  { type: abi.IKE_SA_LOCAL, value: Uint8Array.of(192, 0, 2, 1) },
  { type: abi.IKE_SA_LOCAL_PORT, value: 4500 },
  { type: abi.IKE_SA_REMOTE, value: Uint8Array.of(192, 0, 2, 2) },
  { type: abi.IKE_SA_REMOTE_PORT, value: 4500 },
  { type: abi.IKE_SA_LOCAL_ID, value: Uint8Array.from([2, ...textValue("moon.example")]) },
  { type: abi.IKE_SA_REMOTE_ID, value: hostile },
  {
    type: abi.IKE_SA_PROPOSAL,
    value: encodeTransforms([
      { type: 1, id: 20, keyBits: 256 },
      { type: 2, id: 6, keyBits: 0 },
      { type: 4, id: 19, keyBits: 0 },
    ]),
  },
  { type: abi.IKE_SA_ESTABLISHED, value: u64(10n * SECOND) },
  { type: abi.IKE_SA_NAT, value: 2 },
];

const CHILD_SA: ConfigItem[] = [
  { type: abi.CONNECTION_NAME, value: textValue("gw") },
  { type: abi.CHILD_NAME, value: textValue("net") },
  { type: abi.IKE_SA_UNIQUE_ID, value: 7 },
  { type: abi.CHILD_SA_UNIQUE_ID, value: 9 },
  { type: abi.CHILD_SA_STATE, value: abi.CHILD_STATE_INSTALLED },
  { type: abi.CHILD_SA_SPI_IN, value: 0xc8fb5536 },
  { type: abi.CHILD_SA_SPI_OUT, value: 0x00001234 },
  { type: abi.CHILD_SA_LINK, value: 54 },
  { type: abi.CHILD_SA_SLOT, value: 3 },
  { type: abi.CHILD_SA_GENERATION, value: 2 },
  { type: abi.CHILD_SA_PROPOSAL, value: encodeTransforms([{ type: 1, id: 20, keyBits: 128 }]) },
  { type: abi.CHILD_SA_LOCAL_TS, value: selector([10, 1, 0, 0], [10, 1, 255, 255]) },
  { type: abi.CHILD_SA_REMOTE_TS, value: selector([10, 2, 0, 0], [10, 2, 0, 255], 6, 80, 80) },
  { type: abi.CHILD_SA_REMOTE_TS, value: selector([10, 3, 0, 1], [10, 3, 0, 9]) },
  { type: abi.CHILD_SA_MODE, value: 0 },
  { type: abi.CHILD_SA_FLAGS, value: SA_FLAG_UDP_ENCAPSULATION },
  { type: abi.CHILD_SA_INSTALLED, value: u64(12n * SECOND) },
];

test("an IKE_SA in vici's words; the peer's identity cannot act on a terminal", () => {
  const message = decodeMessage(encodeMessage(abi.MANAGEMENT_IKE_SA, 5, IKE_SA));
  assert.equal(message, {
    transaction: 5,
    kind: "ike-sa",
    ikeSa: {
      name: "gw",
      uniqueid: "7",
      version: "2",
      state: "ESTABLISHED",
      initiator: true,
      "local-host": "192.0.2.1",
      "local-port": "4500",
      "local-id": "moon.example",
      "remote-host": "192.0.2.2",
      "remote-port": "4500",
      "remote-id": 'evil\\x1b[2J\\x0d\\x0a"\\x5c\\xc3\\xa9',
      "initiator-spi": "3a902cfcdd0b42e2",
      "responder-spi": "ee60f4ad85f2b723",
      "nat-local": false,
      "nat-remote": true,
      establishedAt: 10n * SECOND,
      suite: { "encr-alg": "AES_GCM_16", "encr-keysize": "256", "prf-alg": "PRF_HMAC_SHA2_384", "dh-group": "ECP_256" },
    },
  });
});

/** An SA status as an IPsec board sends it: no items. */
function saStatus(spi: number, direction: number, octets: bigint): Uint8Array {
  const body = new Uint8Array(STATUS_MESSAGE_OCTETS);
  const view = new DataView(body.buffer);
  view.setUint32(STATUS_LINK, 54, true);
  view.setUint32(STATUS_SPI, spi, true);
  view.setUint32(STATUS_SPI + 4, direction, true);
  view.setBigUint64(STATUS_PACKETS, 2n, true);
  view.setBigUint64(STATUS_OCTETS, octets, true);
  view.setBigUint64(STATUS_OCTETS + 8, direction === 0 ? 16n * SECOND : 0n, true);
  view.setUint32(STATUS_INNER_MTU, 1438, true);
  view.setBigUint64(STATUS_DROPS, direction === 0 ? 7n : 0n, true);
  if (direction === 0) {
    view.setUint32(STATUS_DROP_KINDS, (4 << 8) | DROP_REPLAY, true);
    view.setUint32(STATUS_DROP_KINDS + 4, (2 << 8) | DROP_ICV, true);
  }
  const message = new Uint8Array(abi.MANAGEMENT_HEADER + body.length);
  message.set(encodeMessage(abi.MANAGEMENT_SA, 0));
  message.set(body, abi.MANAGEMENT_HEADER);
  new DataView(message.buffer).setUint32(abi.MANAGEMENT_LENGTH, message.length, true);
  return message;
}

test("sas: both kinds of board joined by slot, direction and SPI, in swanctl's layout", () => {
  const ike = [encodeMessage(abi.MANAGEMENT_IKE_SA, 1, IKE_SA), encodeMessage(abi.MANAGEMENT_CHILD_SA, 1, CHILD_SA)];
  const counted = [saStatus(0xc8fb5536, 0, 168n), saStatus(0x1234, 1, 84n)].map((message) => {
    const decoded = decodeMessage(message);
    if (decoded.kind !== "sa") throw new Error(decoded.kind);
    return { slot: 3, sa: decoded.sa };
  });
  const connections = [
    { name: "gw", children: ["net"], failure: "" },
    { name: "other", children: ["x"], failure: "the peer does not answer" },
  ];
  const sas = mergeSas(ike.map(decodeMessage), counted, connections, 20n * SECOND);
  assert.is(
    renderSas(sas, "atm"),
    `gw: #7, ESTABLISHED, IKEv2, 3a902cfcdd0b42e2_i* ee60f4ad85f2b723_r
  local  'moon.example' @ 192.0.2.1[4500]   remote 'evil\\x1b[2J\\x0d\\x0a"\\x5c\\xc3\\xa9' @ 192.0.2.2[4500]
  AES_GCM_16-256/PRF_HMAC_SHA2_384/ECP_256
  net: #9, INSTALLED, TUNNEL in UDP, ESP:AES_GCM_16-128   slot 3 via atm 0/35   inner mtu 1438
    in  c8fb5536, 168 bytes, 2 packets, 4s ago   drops 7 (replay 4, icv 2, other 1)
    out 00001234, 84 bytes, 2 packets, never used   drops 0
    local   10.1.0.0/16   remote 10.2.0.0/24[tcp/80] 10.3.0.1..10.3.0.9
other: DOWN, last attempt: the peer does not answer
`,
  );
  const [gw] = JSON.parse(JSON.stringify(sas));
  assert.is(gw["child-sas"][0]["install-time"], 8);
  assert.is(gw.established, 10);
  // Another slot's counters are another SA's.
  const elsewhere = mergeSas(ike.map(decodeMessage), [{ ...counted[0]!, slot: 4 }], connections, 20n * SECOND);
  assert.is(elsewhere[0]!["child-sas"][0]!["bytes-in"], 0);
  assert.is(renderSas([], "atm"), "no connections\n");
});

test("what a peer says of itself ends no quotation, and looks like no other word of a line", () => {
  const id = "sun' @ 192.0.2.9[500]   remote 'moon";
  assert.is(quoted(id), "'sun\\' @ 192.0.2.9[500]   remote \\'moon'");
  assert.is(
    renderEvent({ kind: "ike-updown", connection: "gw", "eap-id": "carol up slot 3", up: false }),
    "ike-updown connection gw eap-id 'carol up slot 3' down",
  );
  assert.is(
    renderEvent({ kind: "ike-updown", connection: "gw", "eap-id": "carol", up: true }),
    "ike-updown connection gw eap-id carol up",
  );
});

test("events and connections", () => {
  const event = decodeMessage(
    encodeMessage(abi.MANAGEMENT_EVENT, 0, [
      { type: abi.EVENT_KIND, value: abi.EVENT_ALERT },
      { type: abi.CONNECTION_NAME, value: textValue("gw") },
      { type: abi.EVENT_NOTIFY, value: 24 },
      { type: abi.EVENT_TEXT, value: textValue("refused\x07") },
    ]),
  );
  assert.equal(event, {
    transaction: 0,
    kind: "event",
    event: { kind: "alert", connection: "gw", notify: 24, text: "refused\\x07" },
  });
  const connection = decodeMessage(
    encodeMessage(abi.MANAGEMENT_CONNECTION, 3, [
      { type: abi.CONNECTION_NAME, value: textValue("gw") },
      { type: abi.CHILD_NAME, value: textValue("a") },
      { type: abi.CHILD_NAME, value: textValue("b") },
    ]),
  );
  assert.equal(connection, {
    transaction: 3,
    kind: "connection",
    connection: { name: "gw", children: ["a", "b"], failure: "" },
  });
});

test("messages that do not add up are refused, wherever they are cut", () => {
  const whole = encodeMessage(abi.MANAGEMENT_CHILD_SA, 1, CHILD_SA);
  for (let length = 0; length < whole.length; length++) {
    const cut = whole.slice(0, length);
    assert.throws(
      () => decodeMessage(cut),
      (error: unknown) => error instanceof RangeError,
      `cut at ${length}`,
    );
    // The same with a length that agrees: what is missing is items.
    if (length < abi.MANAGEMENT_HEADER) continue;
    new DataView(cut.buffer).setUint32(abi.MANAGEMENT_LENGTH, length, true);
    try {
      decodeMessage(cut);
    } catch (error) {
      assert.instance(error, RangeError, `cut at ${length}`);
    }
  }
  const refusals: [Uint8Array, RegExp][] = [
    [encodeMessage(200, 0), /unknown type 200/],
    [encodeMessage(abi.MANAGEMENT_REPLY, 0), /a reply is cut off/],
    [encodeMessage(abi.MANAGEMENT_IKE_SA, 0, [{ type: abi.IKE_SA_LOCAL, value: Uint8Array.of(1, 2, 3) }]), /3 octets/],
    [
      encodeMessage(abi.MANAGEMENT_CHILD_SA, 0, [{ type: abi.CHILD_SA_LOCAL_TS, value: new Uint8Array(39) }]),
      /a selector is cut off/,
    ],
    [
      encodeMessage(abi.MANAGEMENT_CHILD_SA, 0, [{ type: abi.CHILD_SA_PROPOSAL, value: new Uint8Array(7) }]),
      /a transform is cut off/,
    ],
    [saStatus(1, 0, 1n).subarray(0, 20), /wrong length/],
  ];
  for (const [message, reason] of refusals) assert.throws(() => decodeMessage(message), reason);
});

test("random octets are refused by RangeError alone", () => {
  let state = 99;
  const next = (n: number): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % n;
  const types = [abi.MANAGEMENT_IKE_SA, abi.MANAGEMENT_CHILD_SA, abi.MANAGEMENT_SA, abi.MANAGEMENT_EVENT];
  for (let i = 0; i < 5000; i++) {
    const whole = encodeMessage(types[next(types.length)]!, 1, i % 2 === 0 ? CHILD_SA : IKE_SA);
    for (let n = next(6) + 1; n > 0; n--) whole[abi.MANAGEMENT_HEADER + next(whole.length - 12)] = next(256);
    try {
      decodeMessage(whole);
    } catch (error) {
      assert.instance(error, RangeError);
    }
  }
});

test("a command under another transaction is a copy", () => {
  const message = encodeMessage(abi.MANAGEMENT_INITIATE, 0, [{ type: abi.CHILD_NAME, value: textValue("net") }]);
  const copy = withTransaction(message, 0x1234);
  assert.is(new DataView(copy.buffer).getUint32(abi.MANAGEMENT_TRANSACTION, true), 0x1234);
  assert.is(new DataView(message.buffer).getUint32(abi.MANAGEMENT_TRANSACTION, true), 0);
});

test("addresses, identities, selectors as text", () => {
  assert.is(addressText(Uint8Array.of(192, 0, 2, 1)), "192.0.2.1");
  assert.throws(() => addressText(new Uint8Array(5)), "5 octets");
  assert.is(identityText(new Uint8Array(0)), "");
  assert.is(identityText(Uint8Array.of(1, 192, 0, 2, 1)), "192.0.2.1");
  assert.is(identityText(Uint8Array.of(1, 192, 0, 2)), "{1}:c00002");
  assert.is(identityText(Uint8Array.of(9, 0x30, 0)), "{9}:3000");
  // A comma within a value begins no further attribute; the backslash before it is ours, one of the peer's is escaped.
  for (const [configured, shown] of [
    ["CN=moon\\, O=trusted", "CN=moon\\, O=trusted"],
    ["CN=a\u001b[2J\\b, O=x", "CN=a\\x1b[2J\\x5cb, O=x"],
  ] as const)
    assert.is(identityText(parseIdentity(`asn1dn:${configured}`)!), shown);
  assert.is(printable(Uint8Array.of(0x41, 0x7f, 0x5c, 0x00, 0x9b)), "A\\x7f\\x5c\\x00\\x9b");
  const cases: [Uint8Array, string][] = [
    [selector([0, 0, 0, 0], [255, 255, 255, 255]), "0.0.0.0/0"],
    [selector([10, 0, 0, 1], [10, 0, 0, 1]), "10.0.0.1/32"],
    [selector([10, 0, 0, 0], [10, 0, 0, 2]), "10.0.0.0..10.0.0.2"],
    [selector([10, 0, 0, 2], [10, 0, 0, 5]), "10.0.0.2..10.0.0.5"],
    [selector([10, 0, 0, 0], [10, 0, 1, 254]), "10.0.0.0..10.0.1.254"],
    [selector([10, 0, 0, 0], [10, 0, 0, 255], 17, 5060, 5061), "10.0.0.0/24[udp/5060-5061]"],
    [selector([10, 0, 0, 0], [10, 0, 0, 255], 47), "10.0.0.0/24[47]"],
    [selector(Array(16).fill(0), Array(16).fill(255)), "0:0:0:0:0:0:0:0/0"],
  ];
  for (const [record, text] of cases) assert.is(selectorText(record), text);
});

test.run();
