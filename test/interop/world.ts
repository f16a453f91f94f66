/**
 * What a case works in: the namespaces, a directory of its own, and the two gateways, started as the case asks and ended
 * after it whatever happened.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Cardcage } from "./cardcage.ts";
import { writeDirectory } from "../pki/authority.ts";
import { renderCage, renderConnection } from "./connection.ts";
import type { Cage, Connection } from "./connection.ts";
import type { Endpoint, SaStatus } from "./endpoint.ts";
import { expect, until } from "./process.ts";
import { StrongSwan } from "./strongswan.ts";
import { other } from "./topology.ts";
import type { Side, Topology } from "./topology.ts";

/** Octets of one checked TCP transfer. */
export const TRANSFER_OCTETS = 10_000_000;

export const CAGE: Cage = { links: "ethernet", slots: 2 };

/** Side a initiates. */
export interface Pair {
  a: Endpoint;
  b: Endpoint;
  /** The one under test, and the other one. */
  ours: Endpoint;
  peer: Endpoint;
  /** Where ours is. */
  side: Side;
}

export class World {
  private readonly started: Endpoint[] = [];
  private readonly lines: string[] = [];

  constructor(
    readonly topology: Topology,
    readonly directory: string,
    /** strongSwan takes our place as well: checks the machine and the cases, not us. */
    private readonly selfCheck: boolean,
  ) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  /** Our gateway on `side`, strongSwan on the other, both running. */
  async pair(side: Side, connection: Connection, cage: Cage = CAGE): Promise<Pair> {
    const ours = this.endpoint(side, connection, this.selfCheck ? undefined : cage);
    const peer = this.endpoint(other(side), connection, undefined);
    await Promise.all([this.start(ours), this.start(peer)]);
    return { a: side === "a" ? ours : peer, b: side === "a" ? peer : ours, ours, peer, side };
  }

  /** A gateway of ours when a cage is given, strongSwan otherwise; not yet started. */
  endpoint(side: Side, connection: Connection, cage: Cage | undefined): Endpoint {
    const directory = join(this.directory, side);
    const configuration = renderConnection(connection, side);
    const { fragmentSize, retransmission } = connection;
    if (connection.certified) writeDirectory(directory, connection.certified[side].directory);
    if (connection.keys) {
      writeDirectory(directory, { pubkey: connection.keys, private: { own: connection.keys[side] } });
    }
    if (connection.files) writeDirectory(directory, connection.files[side]);
    const tuning = {
      ...(fragmentSize === undefined ? {} : { fragmentSize }),
      ...(retransmission === undefined ? {} : { retransmission }),
    };
    return cage === undefined
      ? new StrongSwan(this.topology.gateway(side), directory, configuration, tuning)
      : new Cardcage(this.topology.gateway(side), directory, renderCage({ ...cage, ...tuning }) + configuration);
  }

  async start(endpoint: Endpoint): Promise<void> {
    if (!this.started.includes(endpoint)) this.started.push(endpoint);
    await endpoint.start();
  }

  /** To be shown in front of the case's result. */
  tell(lines: readonly string[]): void {
    this.lines.push(...lines);
  }

  get told(): readonly string[] {
    return this.lines;
  }

  /** Ends both gateways. */
  async close(): Promise<void> {
    await Promise.all(this.started.map((endpoint) => endpoint.stop()));
  }

  /** Every gateway's drops, where it counts them, and the last lines of its log. */
  async tails(lines = 40): Promise<string> {
    const tails = this.started.map(async (endpoint) => {
      const log = endpoint.log().trimEnd().split("\n").slice(-lines);
      const drops = await endpoint.drops?.().catch((error: unknown) => (error as Error).message);
      return [`--- ${endpoint.kind}`, ...(drops === undefined ? [] : [`drops: ${drops}`]), ...log].join("\n");
    });
    return (await Promise.all(tails)).join("\n");
  }
}

/** Side a initiates child `net`; then both sides have one IKE_SA and one CHILD_SA. */
export async function establish(pair: Pair): Promise<void> {
  const { code, output } = await pair.a.initiate("net");
  expect(code === 0, `initiate: ${output.trim()}`);
  for (const endpoint of [pair.a, pair.b]) await reach(endpoint, 1, 1);
}

/** Waits until an endpoint has so many IKE_SAs and CHILD_SAs. */
export function reach(endpoint: Endpoint, ikeSas: number, children: number, seconds = 20): Promise<SaStatus> {
  let last: SaStatus | undefined;
  return until(`${endpoint.kind} has ${ikeSas} IKE_SA and ${children} CHILD_SA`, seconds, async () => {
    last = await endpoint.status();
    return last.ikeSas === ikeSas && last.children.length === children ? last : undefined;
  }).catch((error: unknown) => {
    throw new Error(`${(error as Error).message}\n${last?.text.trim() ?? ""}`);
  });
}

/** Holds for `seconds` that an endpoint has no SA: none may come late. */
export async function staysEmpty(endpoint: Endpoint, seconds = 1): Promise<void> {
  await reach(endpoint, 0, 0);
  await pause(seconds * 1000);
  const { ikeSas, children, text } = await endpoint.status();
  expect(ikeSas === 0 && children.length === 0, `${endpoint.kind} has an SA that must not be:\n${text}`);
}
