/**
 * Keys as a Wireshark profile has them. With the files in the profile's directory Wireshark opens the packets of a capture, those of ESP with
 * "Attempt to detect/decode encrypted ESP payloads" on.
 *
 *   esp_sa                   a line of quoted fields for each SA and direction
 *   ikev2_decryption_table   SPIi,SPIr,SK_ei,SK_er,"encryption",SK_ai,SK_ar,"integrity" of each IKE_SA; of two lines with the same SPIs, as
 *                            additional key exchanges bring about (RFC 9370), Wireshark goes by the last
 *
 * What is in the files opens all traffic of these SAs, recorded or to come.
 */
import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import * as M from "../../assembly/abi/message.ts";
import { addressText, spiText } from "./identity.ts";
import type { IkeKeys } from "./management.ts";
import { TRANSFORM_ENCR, TRANSFORM_INTEG } from "./transform_name.ts";

/** IANA's transforms, Wireshark's names, octets of the salt behind the key. Those that are not here Wireshark does not open. */
const ENCRYPTION: Readonly<Record<number, { name: string; salt: number }>> = {
  11: { name: "NULL", salt: 0 },
  12: { name: "AES-CBC [RFC3602]", salt: 0 },
  13: { name: "AES-CTR [RFC3686]", salt: 4 },
  18: { name: "AES-GCM with 8 octet ICV [RFC4106]", salt: 4 },
  19: { name: "AES-GCM with 12 octet ICV [RFC4106]", salt: 4 },
  20: { name: "AES-GCM with 16 octet ICV [RFC4106]", salt: 4 },
};
/** The same, with octets of the key. */
const INTEGRITY: Readonly<Record<number, { name: string; octets: number }>> = {
  0: { name: "NULL", octets: 0 },
  2: { name: "HMAC-SHA-1-96 [RFC2404]", octets: 20 },
  12: { name: "HMAC-SHA-256-128 [RFC4868]", octets: 32 },
  13: { name: "HMAC-SHA-384-192 [RFC4868]", octets: 48 },
  14: { name: "HMAC-SHA-512-256 [RFC4868]", octets: 64 },
};
/** IANA protocol number. */
const PROTOCOL_ESP = 50;

const hexadecimal = (octets: Uint8Array): string =>
  octets.length === 0 ? "" : `0x${Buffer.from(octets).toString("hex")}`;

/** The line of an SA record (abi/message.ts); a comment where Wireshark has no name for what it does. */
export function espSaLine(record: Buffer): string {
  const spi = spiText(record.readUInt32LE(M.SA_SPI));
  const encryption = ENCRYPTION[record.readUInt16LE(M.SA_ENCRYPTION)];
  const integrity = INTEGRITY[record.readUInt16LE(M.SA_INTEGRITY)];
  if (record[M.SA_PROTOCOL] !== PROTOCOL_ESP || !encryption || !integrity)
    return `# SPI ${spi}: Wireshark opens no such SA`;
  const size = record[M.SA_FAMILY] === 6 ? 16 : 4;
  const end = (at: number): string => addressText(record.subarray(at, at + size));
  const ends = [end(M.SA_LOCAL_ADDRESS), end(M.SA_REMOTE_ADDRESS)];
  if (record[M.SA_DIRECTION] === M.DIRECTION_INBOUND) ends.reverse();
  const first = record.readUInt16LE(M.SA_KEY_BITS) / 8 + encryption.salt;
  const key = (at: number, octets: number): string =>
    hexadecimal(record.subarray(M.SA_KEYMAT + at, M.SA_KEYMAT + at + octets));
  const fields = [size === 16 ? "IPv6" : "IPv4", ...ends, `0x${spi}`, encryption.name, key(0, first)];
  return [...fields, integrity.name, key(first, integrity.octets)].map((field) => `"${field}"`).join(",");
}

/** Of IKE: IANA's transforms in Wireshark's names. */
function ikeEncryption(id: number, keyBits: number): string | undefined {
  const icv = ({ 14: 8, 15: 12, 16: 16, 18: 8, 19: 12, 20: 16 } as Record<number, number>)[id];
  if (icv !== undefined) return `AES-${id < 18 ? "CCM" : "GCM"}-${keyBits} with ${icv} octet ICV [RFC5282]`;
  return id === 12 ? `AES-CBC-${keyBits} [RFC3602]` : undefined;
}
const IKE_INTEGRITY: Readonly<Record<number, string>> = {
  0: "NONE [RFC4306]",
  2: "HMAC_SHA1_96 [RFC2404]",
  12: "HMAC_SHA2_256_128 [RFC4868]",
  13: "HMAC_SHA2_384_192 [RFC4868]",
  14: "HMAC_SHA2_512_256 [RFC4868]",
};

/** The line of an IKE_SA; a comment where Wireshark has no name for what it does. */
export function ikeLine({ initiatorSpi, responderSpi, transforms, ei, er, ai, ar }: IkeKeys): string {
  const cipher = transforms.find(({ type }) => type === TRANSFORM_ENCR);
  const mac = transforms.find(({ type }) => type === TRANSFORM_INTEG);
  const encryption = ikeEncryption(cipher?.id ?? -1, cipher?.keyBits ?? 0);
  const integrity = IKE_INTEGRITY[mac?.id ?? 0];
  if (encryption === undefined || integrity === undefined)
    return `# SPIs ${initiatorSpi} ${responderSpi}: Wireshark opens no such IKE_SA`;
  const hex = (octets: Uint8Array): string => Buffer.from(octets).toString("hex");
  return [initiatorSpi, responderSpi, hex(ei), hex(er), `"${encryption}"`, hex(ai), hex(ar), `"${integrity}"`].join(
    ",",
  );
}

/** A directory with the files that a Wireshark profile has; their owner's alone. */
export class KeyFile {
  readonly directory: string;
  readonly #esp: number;
  readonly #ike: number;
  readonly #written = new Set<string>();

  /** Makes them. Throws Node's error when the directory is there already. */
  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory, { mode: 0o700 });
    this.#esp = openSync(join(directory, "esp_sa"), "wx", 0o600);
    this.#ike = openSync(join(directory, "ikev2_decryption_table"), "wx", 0o600);
  }

  /** Adds an SA record; one that was moved to another board is there already. */
  add(record: Buffer): void {
    this.#write(this.#esp, `${record.readUInt32LE(M.SA_SPI)}/${record[M.SA_DIRECTION]}`, () => espSaLine(record));
  }

  /** Adds an IKE_SA; one that a new IKE board tells of again is there already. */
  addIke(keys: IkeKeys): void {
    const line = ikeLine(keys);
    this.#write(this.#ike, createHash("sha256").update(line).digest("hex"), () => line);
  }

  #write(descriptor: number, name: string, line: () => string): void {
    if (this.#written.has(name)) return;
    this.#written.add(name);
    writeSync(descriptor, `${line()}\n`);
  }

  close(): void {
    closeSync(this.#esp);
    closeSync(this.#ike);
  }
}
