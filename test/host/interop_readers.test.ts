/** The interoperability tests judge by what they read: the readers themselves, without root. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { countOuter } from "../interop/capture.ts";
import { readSas } from "../interop/cardcage.ts";
import { renderCage, renderConnection } from "../interop/connection.ts";
import { readListSas } from "../interop/strongswan.ts";
import { readPing } from "../interop/traffic.ts";

const LIST_SAS = `gw: #1, ESTABLISHED, IKEv2, 3a902cfcdd0b42e2_i* ee60f4ad85f2b723_r
  local  'a.example.org' @ 192.0.2.1[4500]
  AES_GCM_16-128/PRF_HMAC_SHA2_256/CURVE_25519
  net: #1, reqid 1, REKEYED, TUNNEL-in-UDP, ESP:AES_GCM_16-128
    in  c8fb5536,    168 bytes,     2 packets
    out ce825208,    168 bytes,     2 packets
  net: #2, reqid 1, INSTALLED, TUNNEL-in-UDP, ESP:AES_GCM_16-128
    in  c1000001,      0 bytes,     0 packets
    out c2000002,      0 bytes,     0 packets
`;

test("swanctl --list-sas: established IKE_SAs and installed CHILD_SAs with their SPIs", () => {
  const { ikeSas, ikeSuite, ikeSpis, children } = readListSas(LIST_SAS);
  assert.is(ikeSas, 1);
  assert.is(ikeSuite, "AES_GCM_16-128/PRF_HMAC_SHA2_256/CURVE_25519");
  assert.is(ikeSpis, "3a902cfcdd0b42e2 ee60f4ad85f2b723");
  assert.equal(children, [{ name: "net", spiIn: "c1000001", spiOut: "c2000002", suite: "AES_GCM_16-128" }]);
  const chacha = LIST_SAS.replace("AES_GCM_16-128/PRF", "CHACHA20_POLY1305/PRF");
  assert.is(readListSas(chacha).ikeSuite, "CHACHA20_POLY1305/PRF_HMAC_SHA2_256/CURVE_25519");
  assert.is(readListSas(chacha.replace("ESTABLISHED", "REKEYED")).ikeSuite, "");
  assert.equal(readListSas("").children, []);
  assert.is(readListSas("gw: #2, CONNECTING, IKEv2, 0_i* 0_r\n").ikeSas, 0);
});

test("cardcage sas --json: a connection that is down and a child that is not installed do not count", () => {
  const suite = { "encr-alg": "AES_CBC", "encr-keysize": "256", "integ-alg": "HMAC_SHA2_256_128" };
  const child = { name: "net", "spi-in": "c1000001", "spi-out": "c2000002", suite };
  const list = [
    {
      state: "ESTABLISHED",
      suite: { ...suite, "prf-alg": "PRF_AES128_CMAC", "dh-group": "MODP_2048" },
      "initiator-spi": "3a902cfcdd0b42e2",
      "responder-spi": "ee60f4ad85f2b723",
      "child-sas": [
        { ...child, state: "INSTALLED" },
        { ...child, state: "REKEYED" },
      ],
    },
    { state: "DOWN", "child-sas": [] },
  ];
  for (const text of [JSON.stringify(list), JSON.stringify({ sas: list })]) {
    const { ikeSas, ikeSuite, ikeSpis, children } = readSas(text);
    assert.is(ikeSas, 1);
    assert.is(ikeSuite, "AES_CBC-256/HMAC_SHA2_256_128/PRF_AES128_CMAC/MODP_2048");
    assert.is(ikeSpis, "3a902cfcdd0b42e2 ee60f4ad85f2b723");
    assert.equal(children, [
      { name: "net", spiIn: "c1000001", spiOut: "c2000002", suite: "AES_CBC-256/HMAC_SHA2_256_128" },
    ]);
  }
});

test("ping -q: sent and received; nothing of it is no answer", () => {
  assert.equal(readPing("5 packets transmitted, 4 received, 20% packet loss, time 4ms"), { sent: 5, received: 4 });
  assert.equal(readPing("ping: connect: Network is unreachable"), { sent: 0, received: 0 });
});

test("a capture: ESP, AH, ESP in UDP, IKE and clear packets are told apart", () => {
  const packet = (protocol: number, port: number, first: number): Buffer => {
    const octets = Buffer.alloc(14 + 20 + 24);
    octets.writeUInt16BE(0x0800, 12);
    octets[14] = 0x45;
    octets[23] = protocol;
    octets.set([192, 0, 2, 1, 192, 0, 2, 2], 26);
    octets.writeUInt16BE(port, 34);
    octets.writeUInt16BE(port, 36);
    octets.writeUInt16BE(24, 38);
    octets.writeUInt32BE(first, 42);
    return octets;
  };
  const packets = [packet(50, 1, 1), packet(50, 1, 1), packet(17, 4500, 7), packet(17, 4500, 0), packet(17, 500, 5)];
  packets.push(packet(17, 53, 1), packet(1, 0, 0), packet(51, 0, 0));
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4);
  const records = packets.flatMap((octets) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(octets.length, 8);
    record.writeUInt32LE(octets.length, 12);
    return [record, octets];
  });
  const directory = mkdtempSync(join(tmpdir(), "cardcage-capture-"));
  try {
    const path = join(directory, "wan.pcap");
    writeFileSync(path, Buffer.concat([header, ...records]));
    const ends = "192.0.2.1 192.0.2.2";
    assert.equal(countOuter(path), { esp: { [ends]: 2 }, ah: { [ends]: 1 }, espInUdp: 1, ike: 2, clear: 2 });
    writeFileSync(path, "no capture, but long enough for a header");
    assert.throws(() => countOuter(path), /no little-endian pcap/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("a connection renders for both sides, mirrored, and a cage in front", () => {
  const connection = { ike: { a: "x", b: "y" }, esp: "z", psk: "secret" };
  const [a, b] = [renderConnection(connection, "a"), renderConnection(connection, "b")];
  assert.match(a, "local_addrs = 192.0.2.1\n    remote_addrs = 192.0.2.2\n    proposals = x\n");
  assert.match(b, "local_addrs = 192.0.2.2\n    remote_addrs = 192.0.2.1\n    proposals = y\n");
  assert.match(renderCage({ links: "atm", slots: 2 }), /links = atm[^]*0 = ike\s+1 = ipsec\s+2 = ipsec\s+}/);
});

test.run();
