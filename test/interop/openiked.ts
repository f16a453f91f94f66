/**
 * OpenIKED as the peer: Debian's iked on the fake kernel (fake_kernel.ts), in either role.
 *
 * It initiates what its configuration calls active, when that is loaded; it rekeys an IKE_SA when its time is over, and a CHILD_SA
 * when its kernel says so, which the fake one never does. On Linux it has neither AEADs nor HMAC-SHA2-256 for ESP.
 */

import { createPublicKey } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeKey, pem } from "../pki/authority.ts";
import type { Credential, Foreign } from "./foreign.ts";
import type { SaStatus } from "./endpoint.ts";
import { FakeKernel } from "./fake_kernel.ts";
import { Program, run, until } from "./process.ts";
import type { Finished } from "./process.ts";
import { IDENTITY, NETWORK, OUTER, other } from "./topology.ts";
import type { Side } from "./topology.ts";

const IKED = "/usr/sbin/iked";
/** How often it is started at most: on a busy machine it gives up by itself. */
const STARTS = 5;
const IKECTL = "/usr/sbin/ikectl";

/** What is missing for OpenIKED, one line each; empty when all is there. */
export function missingOpenIked(): string[] {
  return existsSync(IKED) && existsSync(IKECTL) ? [] : [`${IKED} (Debian package openiked)`];
}

export interface OpenIkedSettings {
  /** What stands behind ikesa and childsa: enc aes-128-gcm prf hmac-sha2-256 group curve25519. */
  ike: string;
  esp: string;
  /** A shared key, or our certificate and its authority. */
  psk?: string;
  credential?: Credential;
  /** Seconds after which it rekeys an IKE_SA; undefined: never. */
  ikeLifetime?: number;
}

export class OpenIked implements Foreign {
  readonly kind = "OpenIKED";
  private program: Program | undefined;
  private readonly kernel: FakeKernel;

  constructor(
    harness: string,
    private readonly namespace: string,
    private readonly side: Side,
    private readonly directory: string,
    private settings: OpenIkedSettings,
  ) {
    this.kernel = new FakeKernel(harness, namespace, side, directory);
  }

  async start(): Promise<void> {
    mkdirSync(this.directory, { recursive: true, mode: 0o755 });
    this.writeKeys();
    this.write();
    await this.kernel.start();
    for (let tries = 1; !(await this.run()); tries++) if (tries === STARTS) throw new Error(`iked: ${this.log()}`);
  }

  /** False: it has given up, since its kernel took more than two seconds to answer. */
  private run(): Promise<boolean> {
    // Keys and certificates are read from /etc/iked; ip netns exec gives it a mount namespace of its own.
    const shell = 'mount --bind "$0" /etc/iked && exec "$@"';
    const words = [IKED, "-d", "-v", "-v", "-f", this.configuration("passive"), "-s", this.socket];
    // It waits for its kernel two seconds at most, and here the kernel is one more thread of its own on a busy machine.
    this.program = new Program(
      "ip",
      ["netns", "exec", this.namespace, "nice", "-n", "-20", "sh", "-c", shell, this.etc, ...words],
      join(this.directory, "iked.log"),
      this.kernel.environment(),
    );
    const program = this.program;
    return until("iked has its configuration", 60, () => {
      if (program.code !== undefined) return { up: false };
      return /config_getcompile: compilation done/.test(program.log) ? { up: true } : undefined;
    }).then(({ up }) => up);
  }

  private write(): void {
    for (const mode of ["passive", "active"] as const)
      writeFileSync(this.configuration(mode), this.render(mode), { mode: 0o600 });
  }

  async load(ike: string, esp: string): Promise<void> {
    this.settings = { ...this.settings, ike, esp };
    this.write();
    const { code, output } = await this.control("load", this.configuration("passive"));
    if (code !== 0) throw new Error(`ikectl load: ${output}`);
  }

  private get socket(): string {
    return join(this.directory, "iked.sock");
  }

  private get etc(): string {
    return join(this.directory, "etc");
  }

  private configuration(mode: "passive" | "active"): string {
    return join(this.directory, `${mode}.conf`);
  }

  private writeKeys(): void {
    for (const name of ["ca", "certs", "crls", "private", "pubkeys/fqdn"])
      mkdirSync(join(this.etc, name), { recursive: true, mode: 0o755 });
    const { credential } = this.settings;
    // It does not run without a key, whatever it authenticates with.
    const key = credential?.own.key ?? makeKey("ecp256");
    const text = key.export({ type: "pkcs8", format: "pem" }) as string;
    writeFileSync(join(this.etc, "private/local.key"), text, { mode: 0o600 });
    writeFileSync(join(this.etc, "local.pub"), createPublicKey(key).export({ type: "spki", format: "pem" }) as string);
    if (!credential) return;
    writeFileSync(join(this.etc, "ca/ca.crt"), pem("CERTIFICATE", credential.authority.der));
    writeFileSync(join(this.etc, `certs/${IDENTITY[this.side]}.crt`), pem("CERTIFICATE", credential.own.der));
  }

  private render(mode: "passive" | "active"): string {
    const [side, peer] = [this.side, other(this.side)];
    const { ike, esp, psk, ikeLifetime } = this.settings;
    const words = [
      `ikev2 "gw" ${mode} esp from ${NETWORK[side]} to ${NETWORK[peer]} local ${OUTER[side]} peer ${OUTER[peer]}`,
      `ikesa ${ike} childsa ${esp}`,
      `srcid ${IDENTITY[side]} dstid ${IDENTITY[peer]}`,
      ...(ikeLifetime === undefined ? [] : [`ikelifetime ${ikeLifetime}`]),
      psk === undefined ? "rfc7427" : `psk "${psk}"`,
    ];
    return `set fragmentation\n${words.join(" \\\n    ")}\n`;
  }

  async kill(): Promise<void> {
    await this.program?.stop("SIGKILL");
    await this.kernel.stop();
  }

  async stop(): Promise<number> {
    const code = (await this.program?.stop()) ?? 0;
    await this.kernel.stop();
    return code;
  }

  private control(...words: string[]): Promise<Finished> {
    return run("ip", ["netns", "exec", this.namespace, IKECTL, "-s", this.socket, ...words]);
  }

  /** Begins; the SAs come later. */
  initiate(): Promise<Finished> {
    return this.control("load", this.configuration("active"));
  }

  rekey(): Promise<Finished> {
    return Promise.resolve({ code: -1, output: "OpenIKED rekeys CHILD_SAs when its kernel says so" });
  }

  rekeyIke(): Promise<Finished> {
    return Promise.resolve({ code: -1, output: "OpenIKED rekeys IKE_SAs after ikelifetime" });
  }

  /** Deletes the IKE_SA, and initiates no other. */
  async terminate(): Promise<Finished> {
    await this.control("load", this.configuration("passive"));
    return this.control("reset", "id", `FQDN/${IDENTITY[other(this.side)]}`);
  }

  async status(): Promise<SaStatus> {
    return readShowSa((await this.control("show", "sa")).output);
  }

  log(): string {
    const path = join(this.directory, "iked.log");
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }
}

/** Reads what `ikectl show sa` prints; it names no suites. */
export function readShowSa(text: string): SaStatus {
  const sas = [...text.matchAll(/^iked_sas: .* rspi 0x(\w+) ispi 0x(\w+) .* ESTABLISHED /gm)];
  const last = sas.at(-1);
  const ikeSpis = last === undefined ? "" : [last[2], last[1]].map((spi) => spi.padStart(16, "0")).join(" ");
  const spis = (direction: string): string[] =>
    [...text.matchAll(new RegExp(`^  sa_childsas: .* ESP 0x(\\w+) ${direction} `, "gm"))].map(([, spi]) =>
      spi.padStart(8, "0"),
    );
  const outward = spis("out");
  const children = spis("in").map((spiIn, i) => ({ name: "gw", spiIn, spiOut: outward[i] ?? "", suite: "" }));
  return { ikeSas: sas.length, ikeSuite: "", ikeSpis, children, text };
}
