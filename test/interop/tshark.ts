/**
 * tshark as the operator's reader of ESP: frames go into a capture, keys into the file of SAs that a Wireshark profile has (esp_sa), and
 * what it makes of them comes back packet by packet.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TwinSuite } from "../reference/cipher_suite.ts";
import { run } from "./process.ts";

/** What is missing, one line each; empty when all is there. */
export async function missingTshark(): Promise<string[]> {
  return (await run("tshark", ["--version"])).code === 0 ? [] : ["tshark (Debian package tshark)"];
}

const LINKTYPE_RAW = 101;

/** A classic pcap file of IP packets. */
export function pcap(packets: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(LINKTYPE_RAW, 20);
  const records = packets.map((packet, i) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(i, 4); // microseconds
    record.writeUInt32LE(packet.length, 8);
    record.writeUInt32LE(packet.length, 12);
    return Buffer.concat([record, packet]);
  });
  return Buffer.concat([header, ...records]);
}

/** An SA as Wireshark has it; keys are hexadecimal, an AEAD's and CTR's with the salt behind. */
export interface EspSa {
  source: string;
  destination: string;
  spi: number;
  encryption: string;
  encryptionKey: string;
  authentication: string;
  authenticationKey: string;
}

const key = (hexadecimal: string): string => (hexadecimal === "" ? "" : `0x${hexadecimal}`);

export function espSaLine(sa: EspSa): string {
  return [
    sa.source.includes(":") ? "IPv6" : "IPv4",
    sa.source,
    sa.destination,
    `0x${sa.spi.toString(16).padStart(8, "0")}`,
    sa.encryption,
    key(sa.encryptionKey),
    sa.authentication,
    key(sa.authenticationKey),
  ]
    .map((field) => `"${field}"`)
    .join(",");
}

/** What tshark sees in a frame. Addresses and payloads from the outside in. */
export interface Dissection {
  spi: number;
  sequence: number;
  icvGood: boolean;
  icvBad: boolean;
  addresses: string[];
  udpPayloads: string[];
}

/** Random octets in UDP at this port are taken for no protocol that tshark knows: one malformed and it shows no verdict on the ICV. */
const PLAIN = "udp.port==40001,data";
const FIELDS = ["esp.spi", "esp.sequence", "esp.icv_good", "esp.icv_bad", "ip.addr", "ipv6.addr", "udp.payload"];

/** Reads a capture with these SAs, in a profile of its own in `directory`. */
export async function dissect(
  directory: string,
  packets: readonly Buffer[],
  sas: readonly EspSa[],
): Promise<Dissection[]> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, "esp.pcap");
  writeFileSync(file, pcap(packets));
  writeFileSync(join(directory, "esp_sa"), `${sas.map(espSaLine).join("\n")}\n`, { mode: 0o600 });
  const preferences = ["esp.enable_encryption_decode:TRUE", "esp.enable_authentication_check:TRUE"];
  const { code, output } = await run(
    "tshark",
    [
      ...["-r", file, "-n", "-T", "fields", "-E", "separator=;", "-E", "occurrence=a", "-d", PLAIN],
      ...preferences.flatMap((preference) => ["-o", preference]),
      ...FIELDS.flatMap((field) => ["-e", field]),
    ],
    { seconds: 120, env: { WIRESHARK_CONFIG_DIR: directory } },
  );
  const lines = output.split("\n").filter((line) => /^[^;]*(;[^;]*){6}$/.test(line));
  if (code !== 0 || lines.length !== packets.length)
    throw new Error(`tshark read ${lines.length} of ${packets.length} frames, exit ${code}: ${output.slice(0, 2000)}`);
  return lines.map((line) => {
    const [spi, sequence, good, bad, ipv4, ipv6, payloads] = line.split(";").map((field) => field.split(","));
    return {
      spi: Number(spi[0]),
      sequence: Number(sequence[0]),
      icvGood: good[0] === "1",
      icvBad: bad[0] === "1",
      addresses: [...ipv4, ...ipv6].filter((address) => address !== ""),
      udpPayloads: payloads.filter((payload) => payload !== ""),
    };
  });
}

/** What Wireshark calls the transforms of a suite; a sentence when it has no such thing. */
export function wiresharkNames(suite: TwinSuite): { encryption: string; authentication: string } | string {
  const authentication = (
    {
      2: "HMAC-SHA-1-96 [RFC2404]",
      12: "HMAC-SHA-256-128 [RFC4868]",
      13: "HMAC-SHA-384-192 [RFC4868]",
      14: "HMAC-SHA-512-256 [RFC4868]",
      0: "NULL",
    } as Record<number, string>
  )[suite.integrity];
  if (authentication === undefined) return "ESP with AES-XCBC-96 or AES-CMAC-96: Wireshark checks neither";
  if (suite.mode === "gcm")
    return { encryption: `AES-GCM with ${suite.icvOctets} octet ICV [RFC4106]`, authentication };
  const encryption = { cbc: "AES-CBC [RFC3602]", ctr: "AES-CTR [RFC3686]", null: "NULL" }[suite.mode as "cbc"];
  if (encryption === undefined) return "AES-CCM, AES-GMAC and ChaCha20-Poly1305 in ESP: Wireshark has none";
  return { encryption, authentication };
}
