/**
 * A peer whose ESP is its kernel's, on a machine whose kernel has none: its key exchange runs on the fake kernel of an interop
 * harness (tools/fakekernel.c, preloaded: it grants whatever is asked of it and writes down every SA with its keys), and Scapy
 * (tools/scapy-esp.py) reads that and is the data plane, in plain ESP or in UDP as the peer has agreed. Slow, but independent.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { Program, must, run, until } from "./process.ts";
import { NETWORK, OUTER, other } from "./topology.ts";
import type { Side } from "./topology.ts";

/** What is missing for such a peer, one line each; empty when all is there. */
export async function missingFakeKernel(harness: string): Promise<string[]> {
  const lacks = ["tools/fakekernel.c", "tools/scapy-esp.py"].map((file) => join(harness, file));
  const missing = lacks.filter((path) => !existsSync(path));
  if ((await run("/usr/bin/python3", ["-c", "import scapy, cryptography"])).code !== 0)
    missing.push("scapy for /usr/bin/python3 (Debian package python3-scapy)");
  if ((await run("nft", ["--version"])).code !== 0) missing.push("nft (Debian package nftables)");
  if ((await run("cc", ["--version"])).code !== 0) missing.push("cc (Debian packages gcc, libc6-dev)");
  return missing;
}

export class FakeKernel {
  private plane: Program | undefined;

  constructor(
    private readonly harness: string,
    private readonly namespace: string,
    private readonly side: Side,
    private readonly directory: string,
  ) {}

  private get library(): string {
    return join(this.directory, "fakekernel.so");
  }

  /** Where the SAs are written down. */
  private get record(): string {
    return join(this.directory, "fakekernel.jsonl");
  }

  /** Compiles it, and starts the data plane. */
  async start(): Promise<void> {
    const source = join(this.harness, "tools/fakekernel.c");
    await must("cc", "-O2", "-shared", "-fPIC", "-o", this.library, source, "-ldl", "-lpthread");
    const words = ["endpoint", this.record, "wan0", OUTER[this.side], NETWORK[other(this.side)]];
    this.plane = new Program(
      "ip",
      ["netns", "exec", this.namespace, join(this.harness, "tools/scapy-esp.py"), ...words],
      join(this.directory, "scapy.log"),
    );
    await until("the data plane has its device", 60, async () => {
      if (this.plane?.code !== undefined) throw new Error(`scapy-esp.py: ${this.plane.log}`);
      return (await run("ip", ["-n", this.namespace, "link", "show", "esp0"])).code === 0;
    });
  }

  /** For the program that is to run on it. */
  environment(): object {
    return { LD_PRELOAD: this.library, FAKEKERNEL_LOG: this.record };
  }

  async stop(): Promise<void> {
    await this.plane?.stop();
  }
}
