/** Traffic between the two hosts: echo requests, and TCP with a checksum. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Program, expect, run, until } from "./process.ts";
import { INNER, other } from "./topology.ts";
import type { Side, Topology } from "./topology.ts";

const STREAM = fileURLToPath(new URL("./stream.mjs", import.meta.url));
const PORT = "7777";

export interface PingResult {
  sent: number;
  received: number;
}

export function readPing(output: string): PingResult {
  const found = /(\d+) packets transmitted, (\d+) received/.exec(output);
  return { sent: Number(found?.[1] ?? 0), received: Number(found?.[2] ?? 0) };
}

/** Echo requests from the host of one side to the other host. */
export async function ping(topology: Topology, from: Side, count = 5, intervalSeconds = 0.1): Promise<PingResult> {
  const words = ["-q", "-c", String(count), "-i", String(intervalSeconds), "-W", "2", INNER[other(from)]];
  const { output } = await run("ip", ["netns", "exec", topology.host(from), "ping", ...words]);
  return readPing(output);
}

/** Fails unless every echo request of both hosts is answered. */
export async function expectPing(topology: Topology): Promise<void> {
  for (const side of ["a", "b"] as const) {
    const { sent, received } = await ping(topology, side);
    expect(sent > 0 && received === sent, `ping from host ${side}: ${received} of ${sent} answered`);
  }
}

/** A ping flood that runs until it is asked for its result. */
export class Flood {
  private readonly program: Program;

  constructor(topology: Topology, from: Side, directory: string, intervalSeconds = 0.01) {
    const words = ["-q", "-i", String(intervalSeconds), "-W", "2", INNER[other(from)]];
    const log = join(directory, `flood-${from}.log`);
    this.program = new Program("ip", ["netns", "exec", topology.host(from), "ping", ...words], log);
  }

  async finish(): Promise<PingResult> {
    await this.program.stop("SIGINT");
    return readPing(this.program.log);
  }
}

export interface StreamResult {
  sent: number;
  seconds: number;
}

/** Sends octets by TCP from one host to the other and compares SHA-256; `rate` in octets per second, undefined: no limit. */
export async function stream(
  topology: Topology,
  from: Side,
  directory: string,
  octets: number,
  rate?: number,
): Promise<StreamResult> {
  const to = other(from);
  const serve = ["netns", "exec", topology.host(to), process.execPath, STREAM, "serve", INNER[to], PORT];
  const server = new Program("ip", serve, join(directory, `stream-server-${to}.log`));
  try {
    await until("the TCP server listens", 20, () => server.log.includes("ready"));
    const send = [
      "netns",
      "exec",
      topology.host(from),
      process.execPath,
      STREAM,
      "send",
      INNER[to],
      PORT,
      String(octets),
    ];
    const { code, output } = await run("ip", rate === undefined ? send : [...send, String(rate)], { seconds: 120 });
    expect(code === 0, `${octets} octets by TCP from host ${from}: ${output.trim()}`);
    return JSON.parse(output) as StreamResult;
  } finally {
    await server.stop();
  }
}
