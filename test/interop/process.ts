/**
 * Programs that a test runs: in a namespace or not, each with its output in a file, ended by its own pid only. Waiting is
 * always for a condition, never longer than a deadline.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/** A test that has found something wrong; any other error is a fault of the test or of the machine. */
export class Failure extends Error {}

export function expect(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Failure(what);
}

/** Waits until `condition` gives something other than undefined or false; fails with `what` after `seconds`. */
export async function until<T>(
  what: string,
  seconds: number,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  // What takes long is not asked for more often: each time may start a process.
  for (let wait = 20; ; wait = Math.min(2 * wait, 100)) {
    const found = await condition();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Failure(`${what}: not within ${seconds} s`);
    await pause(wait);
  }
}

export interface Finished {
  code: number;
  output: string;
}

/** Runs a program to its end: exit code (-1: it could not run or took too long) and both outputs together. */
export function run(
  program: string,
  words: readonly string[],
  options: { seconds?: number; env?: object } = {},
): Promise<Finished> {
  return new Promise((resolve) => {
    const settings = {
      timeout: (options.seconds ?? 30) * 1000,
      killSignal: "SIGKILL" as const,
      maxBuffer: 64 << 20,
      env: { ...process.env, NO_COLOR: "1", ...options.env },
    };
    execFile(program, words, settings, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      const reason = code === -1 ? `\n${error?.killed ? "took too long: " : ""}${error?.message ?? ""}` : "";
      resolve({ code, output: `${stdout}${stderr}${reason}` });
    });
  });
}

/** Runs a program that must succeed; gives its output. Throws with what it said otherwise. */
export async function must(program: string, ...words: string[]): Promise<string> {
  const { code, output } = await run(program, words);
  if (code !== 0) throw new Error(`${program} ${words.join(" ")}: ${output.trim()}`);
  return output;
}

const running = new Set<Program>();
/** Those that the work which is going on has started. */
const started = new AsyncLocalStorage<Set<Program>>();

/** Does some work, and ends what it has left running: that, and nothing of the work beside it. */
export function tidily<T>(work: () => Promise<T>): Promise<T> {
  const programs = new Set<Program>();
  return started.run(programs, work).finally(() => end(programs));
}

/** A program that stays: its output goes to a file. */
export class Program {
  private readonly child: ChildProcess;
  private readonly ended: Promise<number>;
  /** undefined while it runs; exit code, or minus the signal's place in no particular table: -1. */
  code: number | undefined;

  constructor(
    program: string,
    words: readonly string[],
    readonly logFile: string,
    env: object = {},
  ) {
    const log = openSync(logFile, "w");
    this.child = spawn(program, words, { stdio: ["ignore", log, log], env: { ...process.env, NO_COLOR: "1", ...env } });
    closeSync(log);
    running.add(this);
    started.getStore()?.add(this);
    this.ended = new Promise((resolve) => {
      const finish = (code: number): void => {
        this.code = code;
        running.delete(this);
        resolve(code);
      };
      this.child.once("exit", (code) => finish(code ?? -1));
      this.child.once("error", () => finish(-1));
    });
  }

  /** undefined when it could not be started. */
  get pid(): number | undefined {
    return this.child.pid;
  }

  get log(): string {
    return readFileSync(this.logFile, "utf8");
  }

  /** Sends a signal and waits for the end; SIGKILL after `seconds`. The exit code, -1 when it died of a signal. */
  async stop(signal: NodeJS.Signals = "SIGTERM", seconds = 15): Promise<number> {
    if (this.code === undefined) this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill("SIGKILL"), seconds * 1000);
    const code = await this.ended;
    clearTimeout(timer);
    return code;
  }

  /** Waits until it ends by itself. */
  async wait(seconds: number): Promise<number> {
    return until(`${this.logFile} ends`, seconds, () =>
      this.code === undefined ? undefined : { code: this.code },
    ).then(({ code }) => code);
  }
}

async function end(programs: Iterable<Program>): Promise<void> {
  await Promise.all([...programs].map((program) => program.stop("SIGTERM", 5)));
}

/** Ends everything that is still running. */
export const stopAll = (): Promise<void> => end(running);
