/** A shelf as its operator runs it: `cardcage shelf` in a process of its own, on the loopback interface. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeShelfKey } from "../../host/chassis/remote/key_file.ts";

const COMMAND = fileURLToPath(new URL("../../host/cli/cardcage.mjs", import.meta.url));

export class ShelfProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #output = "";
  /** TCP and UDP. */
  port = 0;

  private constructor(keyFile: string, port: number, more: readonly string[]) {
    const words = [COMMAND, "shelf", "--listen", `127.0.0.1:${port}`, "--key-file", keyFile, ...more];
    this.#child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on("data", (chunk: Buffer) => (this.#output += chunk.toString("utf8")));
    this.#ended = new Promise((resolve) => this.#child.on("close", (code) => resolve(code)));
  }

  /** Resolves when it listens. */
  static async start(keyFile: string, port: number, more: readonly string[] = []): Promise<ShelfProcess> {
    const shelf = new ShelfProcess(keyFile, port, more);
    await shelf.says(/ready: 127\.0\.0\.1:(\d+)/);
    shelf.port = Number(/ready: 127\.0\.0\.1:(\d+)/.exec(shelf.log)![1]);
    return shelf;
  }

  get log(): string {
    return this.#output;
  }

  /** Waits until its log matches. Throws when it ends before, with what it said. */
  async says(what: RegExp): Promise<void> {
    let over = false;
    void this.#ended.then(() => (over = true));
    while (!what.test(this.#output)) {
      if (over) throw new Error(`the shelf has ended: ${this.#output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends it; its exit code, null of one that was killed. */
  async end(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<number | null> {
    this.#child.kill(signal);
    return this.#ended;
  }
}

/** What a story of shelves has: a key, and what ends with the story, however that ends. */
export class Rack {
  readonly directory = mkdtempSync(join(tmpdir(), "cardcage-shelf-"));
  readonly keyFile = join(this.directory, "shelf.key");
  readonly #closers: (() => Promise<unknown>)[] = [];

  private constructor() {
    writeShelfKey(this.keyFile);
  }

  static async with(action: (rack: Rack) => Promise<void>): Promise<void> {
    const rack = new Rack();
    try {
      await action(rack);
    } finally {
      for (const close of rack.#closers.reverse()) await close();
      rmSync(rack.directory, { recursive: true });
    }
  }

  /** A shelf, at any free port when none is given. */
  async shelf(options: { port?: number; keyFile?: string; words?: readonly string[] } = {}): Promise<ShelfProcess> {
    const { port = 0, keyFile = this.keyFile, words = [] } = options;
    const shelf = await ShelfProcess.start(keyFile, port, words);
    this.atEnd(() => shelf.end("SIGKILL"));
    return shelf;
  }

  atEnd(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }
}
