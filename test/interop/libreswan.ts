/**
 * libreswan as the peer: Debian's pluto on the fake kernel (fake_kernel.ts), in either role. Its package conflicts with strongSwan's,
 * so it is not installed: unpacked (dpkg -x) in the directory that PEER_LIBRESWAN names, it runs from there.
 *
 * pluto speaks plain ESP where there is no NAT, unlike strongSwan's user-space ESP.
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pem } from "../pki/authority.ts";
import type { Credential, Foreign } from "./foreign.ts";
import type { SaStatus } from "./endpoint.ts";
import { FakeKernel } from "./fake_kernel.ts";
import { Program, must, run, until } from "./process.ts";
import type { Finished } from "./process.ts";
import { IDENTITY, NETWORK, OUTER, other } from "./topology.ts";
import type { Side } from "./topology.ts";

const root = (): string => process.env.PEER_LIBRESWAN ?? "";
const executables = (): string => join(root(), "usr/libexec");

/** What is missing for libreswan, one line each; empty when all is there. */
export async function missingLibreswan(): Promise<string[]> {
  const pluto = join(executables(), "ipsec/pluto");
  if (root() === "" || !existsSync(pluto))
    return [
      "libreswan: its Debian package unpacked (apt-get download, dpkg -x), and PEER_LIBRESWAN naming the directory",
    ];
  const { output } = await run("ldd", [pluto]);
  const lacks = [...output.matchAll(/^\s*(\S+) => not found/gm)].map(
    ([, library]) => `${library} (Debian packages libldns3, libevent-pthreads-2.1-7, libunbound8)`,
  );
  if ((await run("certutil", ["-H"])).code === -1) lacks.push("certutil (Debian package libnss3-tools)");
  if ((await run("openssl", ["version"])).code === -1) lacks.push("openssl (Debian package openssl)");
  return lacks;
}

export interface LibreswanSettings {
  /** Its proposals: aes_gcm128-sha2_256;dh31 and aes_gcm128. */
  ike: string;
  esp: string;
  /** A shared key, or our certificate and its authority. */
  psk?: string;
  credential?: Credential;
  /** Further lines of the connection. */
  lines?: readonly string[];
}

export class Libreswan implements Foreign {
  readonly kind = "libreswan";
  private program: Program | undefined;
  private readonly kernel: FakeKernel;

  constructor(
    harness: string,
    private readonly namespace: string,
    private readonly side: Side,
    private readonly directory: string,
    private settings: LibreswanSettings,
  ) {
    this.kernel = new FakeKernel(harness, namespace, side, directory);
  }

  async start(): Promise<void> {
    for (const name of ["nss", "run", "policies"])
      mkdirSync(join(this.directory, name), { recursive: true, mode: 0o700 });
    const { credential, psk } = this.settings;
    await must("certutil", "-N", "-d", this.nss, "--empty-password");
    if (credential) await this.importCredential(credential);
    const [mine, peer] = [IDENTITY[this.side], IDENTITY[other(this.side)]];
    const secrets = psk === undefined ? "" : `@${mine} @${peer} : PSK "${psk}"\n`;
    writeFileSync(join(this.directory, "ipsec.secrets"), secrets, { mode: 0o600 });
    await this.kernel.start();
    await this.run();
  }

  private get nss(): string {
    return `sql:${join(this.directory, "nss")}`;
  }

  private get configuration(): string {
    return join(this.directory, "ipsec.conf");
  }

  private render(): string {
    const [side, peer] = [this.side, other(this.side)];
    const { ike, esp, credential, lines = [] } = this.settings;
    // Told of both, it signs with an ECDSA key as with an RSA key.
    const scheme = credential?.own.kind.startsWith("rsa") === true ? "rsa-sha2" : "ecdsa";
    const auth = credential ? [`authby=${scheme}`, "leftcert=own", "leftsendcert=always"] : ["authby=secret"];
    const connection = [
      "ikev2=insist",
      ...auth,
      `left=${OUTER[side]}`,
      `leftid=@${IDENTITY[side]}`,
      `leftsubnet=${NETWORK[side]}`,
      `right=${OUTER[peer]}`,
      `rightid=@${IDENTITY[peer]}`,
      `rightsubnet=${NETWORK[peer]}`,
      `ike=${ike}`,
      `esp=${esp}`,
      "leftupdown=%disabled",
      "auto=add",
      ...lines,
    ];
    return `config setup\nconn gw\n${connection.map((line) => `    ${line}\n`).join("")}`;
  }

  /** NSS takes certificates of others as they are, ours with its key as PKCS#12. */
  private async importCredential({ own, authority }: Credential): Promise<void> {
    const file = (name: string): string => join(this.directory, name);
    writeFileSync(file("ca.pem"), pem("CERTIFICATE", authority.der));
    await must("certutil", "-A", "-d", this.nss, "-n", "ca", "-t", "CT,C,C", "-i", file("ca.pem"));
    const key = own.key.export({ type: "pkcs8", format: "pem" }) as string;
    writeFileSync(file("own.pem"), `${pem("CERTIFICATE", own.der)}${key}`, { mode: 0o600 });
    const words = [
      "pkcs12",
      "-export",
      "-name",
      "own",
      "-in",
      file("own.pem"),
      "-out",
      file("own.p12"),
      "-passout",
      "pass:",
    ];
    execFileSync("openssl", words, { stdio: "pipe" });
    await must("pk12util", "-i", file("own.p12"), "-d", this.nss, "-W", "");
  }

  private async run(): Promise<void> {
    const at = (name: string): string => join(this.directory, name);
    // pluto wants addconn in /usr/libexec; ip netns exec gives it a mount namespace of its own.
    const shell = 'mount --bind "$0" /usr/libexec && exec "$@"';
    const words = ["--nofork", "--stderrlog", "--log-no-audit", "--no-dnssec", "--use-xfrm", "--nhelpers", "1"];
    writeFileSync(this.configuration, "config setup\n");
    const files = ["--config", this.configuration, "--rundir", at("run"), "--secretsfile", at("ipsec.secrets")];
    const directories = ["--ipsecdir", this.directory, "--nssdir", at("nss")];
    this.program = new Program(
      "ip",
      ["netns", "exec", this.namespace, "sh", "-c", shell, executables()].concat([
        join(executables(), "ipsec/pluto"),
        ...words,
        ...files,
        ...directories,
      ]),
      at("pluto.log"),
      this.kernel.environment(),
    );
    await until("pluto opens its control socket", 60, () => {
      if (this.program?.code !== undefined) throw new Error(`pluto: ${this.log()}`);
      return existsSync(at("run/pluto.ctl"));
    });
    await until("pluto listens", 60, async () => (await this.whack("--listen")).code === 0);
    await this.whack("--rereadsecrets");
    await this.add();
  }

  async load(ike: string, esp: string): Promise<void> {
    this.settings = { ...this.settings, ike, esp };
    await this.whack("--delete", "--name", "gw");
    await this.add();
  }

  private async add(): Promise<void> {
    writeFileSync(this.configuration, this.render());
    const words = ["--config", this.configuration, "--ctlsocket", join(this.directory, "run/pluto.ctl"), "gw"];
    await must("ip", "netns", "exec", this.namespace, join(executables(), "ipsec/addconn"), ...words);
  }

  async kill(): Promise<void> {
    await this.program?.stop("SIGKILL");
    await this.kernel.stop();
  }

  async stop(): Promise<number> {
    const code = (await this.program?.stop()) ?? 0;
    await this.kernel.stop();
    rmSync(join(this.directory, "run"), { recursive: true, force: true });
    return code;
  }

  private whack(...words: string[]): Promise<Finished> {
    const line = ["netns", "exec", this.namespace, join(executables(), "ipsec/whack"), "--rundir"];
    return run("ip", [...line, join(this.directory, "run"), ...words]);
  }

  initiate(): Promise<Finished> {
    return this.whack("--initiate", "--name", "gw");
  }

  rekey(): Promise<Finished> {
    return this.whack("--rekey-ipsec", "--name", "gw");
  }

  rekeyIke(): Promise<Finished> {
    return this.whack("--rekey-ike", "--name", "gw");
  }

  terminate(): Promise<Finished> {
    return this.whack("--terminate", "--name", "gw");
  }

  async status(): Promise<SaStatus> {
    return readShowStates((await this.whack("--showstates")).output);
  }

  log(): string {
    const path = join(this.directory, "pluto.log");
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }
}

/** Reads what `whack --showstates` prints; it names no suites and no SPIs of IKE_SAs. */
export function readShowStates(text: string): SaStatus {
  const ikeSas = text.match(/STATE_V2_ESTABLISHED_IKE_SA/g)?.length ?? 0;
  const installed = [...text.matchAll(/^\d+ (#\d+): "(\w+)".* STATE_V2_ESTABLISHED_CHILD_SA/gm)];
  const children = installed.map(([, number, name]) => {
    const line = text.split("\n").find((found) => found.includes(`${number}: "${name}" esp.`)) ?? "";
    const [spiOut = "", spiIn = ""] = [...line.matchAll(/ esp\.([0-9a-f]{1,8})@/g)].map(([, spi]) =>
      spi.padStart(8, "0"),
    );
    return { name, spiIn, spiOut, suite: "" };
  });
  return { ikeSas, ikeSuite: "", ikeSpis: "", children, text };
}
