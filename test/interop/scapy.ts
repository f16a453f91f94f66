/**
 * Scapy's IPsec layer, which shares nothing with ours: a process that seals and opens packets in batches (scapy_peer.py), and what it
 * calls our transforms.
 */

import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { AhTransform } from "../reference/ah.ts";
import type { TwinSuite } from "../reference/cipher_suite.ts";
import { run } from "./process.ts";

const PYTHON = "/usr/bin/python3";

/** What is missing, one line each; empty when all is there. */
export async function missingScapy(): Promise<string[]> {
  const { code } = await run(PYTHON, ["-c", "import scapy.layers.ipsec, cryptography"]);
  return code === 0 ? [] : [`scapy for ${PYTHON} (Debian packages python3-scapy, python3-cryptography)`];
}

/** An SA in Scapy's words, and one packet of it. */
export interface Request {
  do: "seal" | "open";
  protocol: number;
  spi: number;
  /** Decimal, 64 bits. */
  number: string;
  extended: boolean;
  encryption?: string;
  /** Hexadecimal, with the salt behind it. */
  encryptionKey?: string;
  icvOctets?: number;
  integrity?: string;
  integrityKey?: string;
  /** The outer header; without it the mode is transport. */
  tunnel?: { source: string; destination: string; class: number; label: number; hops: number };
  udp?: boolean;
  iv?: string;
  /** Hexadecimal. */
  packet: string;
}

export interface Answer {
  packet?: string;
  /** Name of the exception. */
  refused?: string;
  why?: string;
}

export interface ScapyTransforms {
  version: string;
  encryption: string[];
  integrity: string[];
}

export class Scapy {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private readonly lines: Interface;
  private readonly ended: Promise<unknown>;
  private readonly waiting: AsyncIterator<string>;

  constructor() {
    const script = fileURLToPath(new URL("./scapy_peer.py", import.meta.url));
    this.child = spawn(PYTHON, [script], { stdio: ["pipe", "pipe", "inherit"] });
    this.ended = once(this.child, "close");
    this.lines = createInterface({ input: this.child.stdout });
    this.waiting = this.lines[Symbol.asyncIterator]();
  }

  private async exchange(batch: readonly object[]): Promise<any[]> {
    this.child.stdin.write(`${JSON.stringify(batch)}\n`);
    const { value, done } = await this.waiting.next();
    if (done === true) throw new Error("scapy_peer.py ended");
    return JSON.parse(value);
  }

  async transforms(): Promise<ScapyTransforms> {
    return (await this.exchange([{ do: "transforms" }]))[0];
  }

  /** Answers in the order of the requests. */
  ask(batch: readonly Request[]): Promise<Answer[]> {
    return this.exchange(batch);
  }

  async close(): Promise<void> {
    this.child.stdin.end();
    await this.ended;
    this.lines.close();
  }
}

/** What Scapy calls a transform of ours. */
export interface Named {
  encryption?: string;
  encryptionOctets: number;
  icvOctets?: number;
  integrity?: string;
}

// IANA's numbers of the integrity transforms.
const INTEGRITIES: Record<number, string> = {
  2: "HMAC-SHA1-96",
  5: "AES-XCBC-96",
  8: "AES-CMAC-96",
  12: "SHA2-256-128",
  13: "SHA2-384-192",
  14: "SHA2-512-256",
};
const CIPHERS: Record<TwinSuite["mode"], string> = {
  cbc: "AES-CBC",
  ctr: "AES-CTR",
  gcm: "AES-GCM",
  ccm: "AES-CCM",
  chacha: "CHACHA20-POLY1305",
  gmac: "AES-NULL-GMAC",
  null: "NULL",
};

/** What Scapy calls a suite of ESP; a sentence when it has no such thing. */
export function namedSuite(suite: TwinSuite, has: ScapyTransforms): Named | string {
  const encryption = CIPHERS[suite.mode];
  const encryptionOctets = suite.keyOctets + suite.saltOctets;
  if (!has.encryption.includes(encryption)) return `${encryption}: Scapy ${has.version} has none`;
  if (suite.mode === "gcm" && suite.icvOctets !== 16)
    return "AES-GCM with an ICV of 8 or 12 octets: Scapy's has 16, whatever it is told";
  if (suite.integrity === 0) return { encryption, encryptionOctets, icvOctets: suite.icvOctets };
  const integrity = INTEGRITIES[suite.integrity]!;
  if (!has.integrity.includes(integrity)) return `ESP with ${integrity}: Scapy ${has.version} has none`;
  return { encryption, encryptionOctets, integrity };
}

/** The same of AH. */
export function namedAh(transform: AhTransform, has: ScapyTransforms): Named | string {
  const integrity = INTEGRITIES[transform.integrity];
  if (integrity === undefined) return `AH with ${transform.name}: Scapy ${has.version} has none`;
  if (!has.integrity.includes(integrity)) return `AH with ${integrity}: Scapy ${has.version} has none`;
  return { integrity, encryptionOctets: 0 };
}
