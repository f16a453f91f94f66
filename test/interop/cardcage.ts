/** Our own gateway, driven as an operator drives it: `cardcage up FILE` in the namespace, the other commands by its socket. */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { request } from "../../host/operator/control_client.ts";
import { suiteText } from "../../host/operator/transform_name.ts";
import type { ChildStatus, Endpoint, SaStatus } from "./endpoint.ts";
import { Program, run, until } from "./process.ts";
import type { Finished } from "./process.ts";

const COMMAND = fileURLToPath(new URL("../../host/cli/cardcage.mjs", import.meta.url));

export class Cardcage implements Endpoint {
  readonly kind = "cardcage";
  private program: Program | undefined;

  constructor(
    private readonly namespace: string,
    private readonly directory: string,
    private readonly configuration: string,
  ) {}

  private get socket(): string {
    return join(this.directory, "control.sock");
  }

  async start(): Promise<void> {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    const file = join(this.directory, "gateway.conf");
    writeFileSync(file, this.configuration, { mode: 0o600 });
    const words = ["netns", "exec", this.namespace, process.execPath, COMMAND, "up", file, "--socket", this.socket];
    const program = new Program("ip", words, join(this.directory, "cardcage.log"));
    this.program = program;
    await until("the gateway answers its control socket", 60, async () => {
      if (program.code !== undefined) throw new Error(`cardcage up ended with ${program.code}: ${program.log}`);
      return this.ask().then(
        () => true,
        () => false,
      );
    });
  }

  async stop(): Promise<number> {
    return (await this.program?.stop("SIGTERM", 20)) ?? 0;
  }

  async kill(): Promise<void> {
    await this.program?.stop("SIGKILL");
    rmSync(this.socket, { force: true });
  }

  initiate(child: string): Promise<Finished> {
    return this.command("initiate", child);
  }

  /** The IKE_SA alone. */
  initiateIke(connection: string): Promise<Finished> {
    return this.command("initiate", "--ike", connection);
  }

  rekey(child: string): Promise<Finished> {
    return this.command("rekey", child);
  }

  redirect(connection: string, gateway: string): Promise<Finished> {
    return this.command("redirect", connection, gateway);
  }

  terminate(connection: string): Promise<Finished> {
    return this.command("terminate", connection);
  }

  async status(): Promise<SaStatus> {
    return readSas(JSON.stringify(await this.ask(), null, 2));
  }

  get pid(): number | undefined {
    return this.program?.pid;
  }

  log(): string {
    return this.program?.log ?? "";
  }

  async drops(): Promise<string> {
    return JSON.stringify(await request(this.socket, "drops"));
  }

  /** What `cardcage sas --json` shows, without starting a process each time it is asked for. */
  private ask(): Promise<unknown> {
    return request(this.socket, "sas");
  }

  /** `cardcage initiate` without its process: resolves when the CHILD_SA is there, and throws when it cannot be. */
  async establish(child: string): Promise<void> {
    await request(this.socket, "initiate", { name: child, timeout: 20 });
  }

  /** `cardcage rekey` without its process: resolves when the new SA of the child or connection is there. */
  async renew(name: string): Promise<void> {
    await request(this.socket, "rekey", { name, timeout: 20 });
  }

  /** `cardcage terminate` without its process. */
  async end(connection: string): Promise<void> {
    await request(this.socket, "terminate", { name: connection, timeout: 20 });
  }

  /** A command of the CLI, in text. */
  command(...words: string[]): Promise<Finished> {
    return run(process.execPath, [COMMAND, ...words, "--socket", this.socket], { seconds: 40 });
  }
}

interface SasJson {
  state: string;
  failure?: string;
  suite?: Record<string, string>;
  "initiator-spi"?: string;
  "responder-spi"?: string;
  "child-sas": {
    name: string;
    state: string;
    "spi-in": string;
    "spi-out": string;
    suite: Record<string, string>;
    slot?: number;
  }[];
}

/** Reads `cardcage sas --json`: a list of connections, or an object that holds one under `sas`. */
export function readSas(text: string): SaStatus {
  const parsed = JSON.parse(text) as SasJson[] | { sas: SasJson[] };
  const connections = Array.isArray(parsed) ? parsed : parsed.sas;
  const children: ChildStatus[] = connections.flatMap((connection) =>
    connection["child-sas"]
      .filter(({ state }) => state === "INSTALLED")
      .map((child) => ({
        name: child.name,
        spiIn: child["spi-in"],
        spiOut: child["spi-out"],
        suite: suiteText(child.suite),
      })),
  );
  const established = connections.filter(({ state }) => state === "ESTABLISHED");
  const last = established.at(-1);
  const ikeSpis = last === undefined ? "" : `${last["initiator-spi"]} ${last["responder-spi"]}`;
  return { ikeSas: established.length, ikeSuite: suiteText(last?.suite ?? {}), ikeSpis, children, text };
}
