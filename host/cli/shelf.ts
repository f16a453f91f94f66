/**
 * `cardcage shelf`: a chassis of its own for IPsec boards of gateways elsewhere, in the foreground.
 *
 * Needs no root: what its boards send goes back to their gateways, whose NICs send it. SIGTERM or SIGINT powers the boards off and exits 0; a
 * second signal ends at once.
 */
import { isIPv6 } from "node:net";
import { KeyFileError, writeShelfKey } from "../chassis/remote/key_file.ts";
import { Shelf } from "../chassis/remote/shelf.ts";
import { EXIT_FAILED, EXIT_OK } from "./exit.ts";
import { failure } from "./results.ts";
import { complain, print, printJson } from "./terminal.ts";
import { WrongUsage } from "./wrong_usage.ts";

export interface ShelfSettings {
  host: string;
  port: number;
  keyFile: string;
  /** Boards that it has room for. */
  boards: number;
  /** RAM of a board, MiB. */
  ram: number;
  /** Its log is JSON lines. */
  json: boolean;
}

/** Pages of 64 KiB in a MiB. */
const PAGES_PER_MIB = 16;

function write(text: string, json: boolean): void {
  const time = new Date().toISOString();
  if (json) printJson({ time, msg: text }, true);
  else print(`${time} ${text}\n`);
}

/** Writes a new key; the exit code. Throws WrongUsage. */
export function generateShelfKey(file: string, json: boolean): number {
  try {
    writeShelfKey(file);
  } catch (error) {
    throw error instanceof KeyFileError ? new WrongUsage(error.message) : error;
  }
  if (json) printJson({ ok: true, file });
  else print(`${file}: a new shelf key; the other end needs the same file, and nobody else\n`);
  return EXIT_OK;
}

/** Runs until a signal; the exit code. Throws WrongUsage for a key that is none. */
export async function shelf({ host, port, keyFile, boards, ram, json }: ShelfSettings): Promise<number> {
  const log = (text: string): void => write(text, json);
  const ended = new Promise<void>((resolve) => {
    let signals = 0;
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        if (++signals > 1) process.exit(EXIT_FAILED);
        log(`${signal}: shutting down`);
        resolve();
      });
    }
  });
  try {
    const open = await Shelf.listen({ host, port, keyFile, boards, ramPages: ram * PAGES_PER_MIB, log });
    log(`ready: ${isIPv6(host) ? `[${host}]` : host}:${open.port}, room for ${boards} boards`);
    await ended;
    await open.close();
    log("down");
    return EXIT_OK;
  } catch (error) {
    if (error instanceof KeyFileError) throw new WrongUsage(error.message);
    if (json) printJson(failure("failed", (error as Error).message), true);
    else complain(`cardcage shelf: ${(error as Error).message}`);
    return EXIT_FAILED;
  }
}
