/**
 * strongSwan as the peer: Debian's charon-systemd with the user-space ESP of kernel-libipsec, so that no kernel IPsec is
 * needed. STRONGSWAN_CONF and SWANCTL_DIR give each instance files of its own. This data plane speaks ESP in UDP only: it
 * makes its NAT detection fail on purpose, and both peers move to port 4500.
 */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Retransmission } from "./connection.ts";
import type { Endpoint, SaStatus } from "./endpoint.ts";
import { Program, run, until } from "./process.ts";
import type { Finished } from "./process.ts";

const CHARON = "/usr/sbin/charon-systemd";
const SWANCTL = "/usr/sbin/swanctl";
const LIBIPSEC = "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so";
const CURVE25519 = "/usr/lib/ipsec/plugins/libstrongswan-curve25519.so";

/** What is missing for a strongSwan peer, one line each with the package that has it; empty when all is there. */
export function missingStrongSwan(): string[] {
  const needed: [string, string][] = [
    [CHARON, "charon-systemd"],
    [SWANCTL, "strongswan-swanctl"],
    [LIBIPSEC, "libcharon-extra-plugins"],
    [CURVE25519, "libstrongswan-extra-plugins"],
    ["/usr/lib/ipsec/plugins/libstrongswan-gcm.so", "libstrongswan-standard-plugins"],
    ["/usr/lib/ipsec/plugins/libstrongswan-chapoly.so", "libstrongswan-extra-plugins"],
  ];
  return needed.filter(([path]) => !existsSync(path)).map(([path, name]) => `${path} (Debian package ${name})`);
}

const PLUGINS =
  "random nonce openssl drbg aesni aes sha1 sha2 md4 md5 hmac xcbc cmac ctr ccm gcm chapoly kdf gmp curve25519 pem pkcs1 pkcs8 " +
  "x509 pubkey constraints revocation kernel-libipsec kernel-netlink socket-default vici updown " +
  "eap-identity eap-md5 eap-mschapv2 eap-tls";

/** Settings of charon's own, for a peer whose speed is measured: nothing is logged, nothing is refused for its rate. */
const UNHINDERED = `  install_routes = no
  dos_protection = no
  ikesa_table_size = 4096
  ikesa_table_segments = 64
  half_open_timeout = 60
`;

export interface Tuning {
  /** For measurements: nothing is logged, nothing refused for its rate. */
  unhindered?: boolean;
  /** Octets of an IP packet with a fragment of an IKE message. */
  fragmentSize?: number;
  retransmission?: Retransmission;
}

function charonConfiguration(directory: string, { unhindered = false, fragmentSize, retransmission }: Tuning): string {
  const repeated =
    retransmission === undefined
      ? ""
      : `  retransmit_timeout = ${retransmission.seconds}\n  retransmit_tries = ${retransmission.tries}\n`;
  const level = (chatty: number): number => (unhindered ? -1 : chatty);
  return `charon {
  load = ${PLUGINS}
${repeated}${fragmentSize === undefined ? "" : `  fragment_size = ${fragmentSize}\n`}${unhindered ? UNHINDERED : "  install_routes = yes\n"}  filelog {
    log {
      path = ${directory}/charon.log
      time_format = %H:%M:%S
      time_add_ms = yes
      flush_line = yes
      default = ${level(1)}
      ike = ${level(2)}
      chd = ${level(2)}
    }
  }
  journal {
    default = -1
  }
  plugins {
    vici {
      socket = unix://${directory}/charon.vici
    }
  }
}
`;
}

export class StrongSwan implements Endpoint {
  readonly kind = "strongSwan";
  private program: Program | undefined;

  /** `configuration` is a swanctl.conf; `directory` is this instance's own. */
  constructor(
    private readonly namespace: string,
    private readonly directory: string,
    private readonly configuration: string,
    private readonly tuning: Tuning = {},
  ) {}

  get pid(): number | undefined {
    return this.program?.pid;
  }

  async start(): Promise<void> {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    writeFileSync(join(this.directory, "strongswan.conf"), charonConfiguration(this.directory, this.tuning));
    this.program = new Program(
      "ip",
      ["netns", "exec", this.namespace, CHARON],
      join(this.directory, "charon.out"),
      this.environment(),
    );
    // The socket is there a moment before charon listens on it.
    const vici = join(this.directory, "charon.vici");
    const listens = async (): Promise<boolean> => existsSync(vici) && (await this.swanctl("--stats")).code === 0;
    await until("charon answers on its control socket", 60, listens);
    await this.load(this.configuration);
  }

  /** Takes another configuration; SAs stay. */
  async load(configuration: string): Promise<void> {
    writeFileSync(join(this.directory, "swanctl.conf"), configuration, { mode: 0o600 });
    const loaded = await this.swanctl("--load-all");
    if (loaded.code !== 0 || !/loaded connection/.test(loaded.output))
      throw new Error(`swanctl --load-all: ${loaded.output}`);
  }

  async stop(): Promise<number> {
    return (await this.program?.stop()) ?? 0;
  }

  async kill(): Promise<void> {
    await this.program?.stop("SIGKILL");
    rmSync(join(this.directory, "charon.vici"), { force: true });
  }

  initiate(child: string): Promise<Finished> {
    return this.swanctl("--initiate", "--child", child, "--timeout", "15");
  }

  rekey(child: string): Promise<Finished> {
    return this.swanctl("--rekey", "--child", child);
  }

  /** Rekeys the IKE_SA of a connection. */
  rekeyIke(connection: string): Promise<Finished> {
    return this.swanctl("--rekey", "--ike", connection);
  }

  redirect(connection: string, gateway: string): Promise<Finished> {
    return this.swanctl("--redirect", "--ike", connection, "--gateway", gateway);
  }

  terminate(connection: string): Promise<Finished> {
    return this.swanctl("--terminate", "--ike", connection, "--timeout", "10");
  }

  async status(): Promise<SaStatus> {
    const { output } = await this.swanctl("--list-sas");
    return readListSas(output);
  }

  log(): string {
    const path = join(this.directory, "charon.log");
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  private environment(): object {
    return { STRONGSWAN_CONF: join(this.directory, "strongswan.conf"), SWANCTL_DIR: this.directory };
  }

  private swanctl(command: string, ...words: string[]): Promise<Finished> {
    const uri = `unix://${this.directory}/charon.vici`;
    const line = ["netns", "exec", this.namespace, SWANCTL, command, "--uri", uri, ...words];
    return run("ip", line, { env: this.environment() });
  }
}

/** Reads what `swanctl --list-sas` prints. */
export function readListSas(text: string): SaStatus {
  const status: SaStatus = { ikeSas: 0, ikeSuite: "", ikeSpis: "", children: [], text };
  let established = false;
  for (const line of text.split("\n")) {
    if (/^\S/.test(line)) established = /^\S+: #\d+, ESTABLISHED,/.test(line);
    if (/^\S/.test(line) && established) {
      status.ikeSas++;
      status.ikeSpis = [...line.matchAll(/ ([0-9a-f]{16})_[ir]/g)].map(([, spi]) => spi).join(" ");
    }
    const suite = /^ {2}([A-Z0-9_]+(?:-\d+)?(?:\/[A-Z0-9_]+)+)$/.exec(line);
    if (suite !== null && established) status.ikeSuite = suite[1];
    const child = /^ {2}(\S+): #\d+, .*INSTALLED, .*ESP:(\S+)/.exec(line);
    if (child !== null) status.children.push({ name: child[1], spiIn: "", spiOut: "", suite: child[2] });
    const spi = /^ {4}(in|out) +([0-9a-f]{8})/.exec(line);
    const last = status.children.at(-1);
    if (spi !== null && last !== undefined) last[spi[1] === "in" ? "spiIn" : "spiOut"] = spi[2];
  }
  return status;
}
