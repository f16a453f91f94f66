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

/**
 * Words of a ping of so many echo requests at once, which ends when all are answered, or after `seconds`. That is the interval, too: where one
 * is answered, ping waits for the others an interval or twice the longest time of an answer alone, and not as long as -W says.
 */
export function echoes(count: number, seconds = 2): string[] {
  return ["-q", "-c", String(count), "-l", String(count), "-i", String(seconds), "-W", String(seconds)];
}

/**
 * More words: one after another. What is sealed of those that come at once leaves as one datagram that the device cuts up, and is one in a
 * capture.
 */
export const APART: readonly string[] = ["-l", "1", "-i", "0.2"];

/** Echo requests from the host of one side to the other host. */
export async function ping(
  topology: Topology,
  from: Side,
  count = 5,
  more: readonly string[] = [],
): Promise<PingResult> {
  const words = [...echoes(count), ...more, INNER[other(from)]];
  const { output } = await run("ip", ["netns", "exec", topology.host(from), "ping", ...words]);
  return readPing(output);
}

/** Sends echo requests until so many are answered; fails when that takes more than three seconds. */
export async function expectAnswers(topology: Topology, from: Side, count = 3): Promise<void> {
  const words = ["-q", "-c", String(count), "-i", "0.02", "-w", "3", INNER[other(from)]];
  const { output } = await run("ip", ["netns", "exec", topology.host(from), "ping", ...words]);
  const { sent, received } = readPing(output);
  expect(received >= count, `ping from host ${from}: ${received} of ${sent} answered`);
}

/** Fails unless every echo request of both hosts, which send at the same time, is answered. */
export async function expectPing(topology: Topology): Promise<void> {
  const expectAll = async (side: Side): Promise<void> => {
    const { sent, received } = await ping(topology, side);
    expect(sent > 0 && received === sent, `ping from host ${side}: ${received} of ${sent} answered`);
  };
  await Promise.all([expectAll("a"), expectAll("b")]);
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

/** A server of checked TCP streams on the host of one side, for as many transfers as are wanted. */
export class StreamServer {
  private readonly program: Program;

  constructor(
    private readonly topology: Pick<Topology, "host">,
    private readonly side: Side,
    directory: string,
    private readonly addresses: Record<Side, string> = INNER,
  ) {
    const words = ["netns", "exec", topology.host(side), process.execPath, STREAM, "serve", addresses[side], PORT];
    this.program = new Program("ip", words, join(directory, `stream-server-${side}.log`));
  }

  async ready(): Promise<void> {
    await until("the TCP server listens", 20, () => this.program.log.includes("ready"));
  }

  /** Sends octets from the other host and compares SHA-256; `rate` in octets per second, undefined: no limit. */
  async receive(octets: number, rate?: number): Promise<StreamResult> {
    const from = other(this.side);
    const to = [this.addresses[this.side], PORT, String(octets), ...(rate === undefined ? [] : [String(rate)])];
    const words = ["netns", "exec", this.topology.host(from), process.execPath, STREAM, "send", ...to];
    const { code, output } = await run("ip", words, { seconds: 120 });
    expect(code === 0, `${octets} octets by TCP from host ${from}: ${output.trim()}`);
    return JSON.parse(output) as StreamResult;
  }

  async stop(): Promise<void> {
    await this.program.stop();
  }
}

/**
 * Sends octets by TCP from one host to the other and compares SHA-256; `rate` in octets per second, undefined: no limit. `addresses` are
 * those of the inner hosts when not given.
 */
export async function stream(
  topology: Pick<Topology, "host">,
  from: Side,
  directory: string,
  octets: number,
  rate?: number,
  addresses?: Record<Side, string>,
): Promise<StreamResult> {
  const server = new StreamServer(topology, other(from), directory, addresses);
  try {
    await server.ready();
    return await server.receive(octets, rate);
  } finally {
    await server.stop();
  }
}
