/** iproute2's `ip`, by which device, routes and rules are configured. */

import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Runs `ip` with these words and gives what it prints. Throws with the kernel's own words. */
export async function ip(...words: string[]): Promise<string> {
  try {
    return (await run("ip", words)).stdout;
  } catch (error) {
    const { code, stderr } = error as { code?: string | number; stderr?: string };
    if (code === "ENOENT") throw new Error("the `ip` command (package iproute2) is needed to configure the TUN device");
    throw new Error(`ip ${words.join(" ")}: ${(stderr ?? String(error)).trim()}`);
  }
}

/** `-4` or `-6`, by an address or network of the family. */
export const familyOf = (network: string): "-4" | "-6" => (network.includes(":") ? "-6" : "-4");
