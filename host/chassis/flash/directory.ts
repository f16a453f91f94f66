/**
 * A chassis directory: the flash of a chassis in files of one directory, of mode 0700.
 *
 * One process has it at a time: an advisory lock (flock) on the file `lock`, which the kernel lifts when the process ends, however
 * it does.
 */
import { closeSync, mkdirSync, openSync } from "node:fs";
import { open, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import koffi from "koffi";
import type { FlashDevice } from "./device.ts";

const LOCK = "lock";
/** LOCK_EX | LOCK_NB of <sys/file.h>. */
const EXCLUSIVE_AT_ONCE = 2 | 4;

/** The directory belongs to another process. */
export class DirectoryInUse extends Error {
  override name = "DirectoryInUse";
}

/** Opens the lock file and takes it; its descriptor. */
function takeLock(path: string): number {
  const flock = koffi.load(null).func("int flock(int, int)") as (fd: number, operation: number) => number;
  const file = openSync(join(path, LOCK), "a", 0o600);
  if (flock(file, EXCLUSIVE_AT_ONCE) === 0) return file;
  closeSync(file);
  throw new DirectoryInUse(`${path}: another process has this chassis directory, a running gateway perhaps`);
}

export class ChassisDirectory implements FlashDevice {
  readonly path: string;
  readonly #lock: number;

  /** Makes the directory if need be, and takes it. Throws DirectoryInUse when another process has it. */
  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true, mode: 0o700 });
    this.#lock = takeLock(path);
  }

  /** Gives the directory back. */
  close(): void {
    closeSync(this.#lock);
  }

  async read(name: string, most: number): Promise<Uint8Array | undefined> {
    const path = join(this.path, name);
    const { size } = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return { size: -1 };
      throw error;
    });
    if (size < 0) return undefined;
    if (size > most) throw new RangeError(`${path}: ${size} octets, at most ${most} are read`);
    const file = await open(path, "r");
    try {
      return new Uint8Array(await file.readFile());
    } finally {
      await file.close();
    }
  }

  async erase(name: string): Promise<void> {
    await (await open(join(this.path, name), "w", 0o600)).close();
  }

  async write(name: string, at: number, octets: Uint8Array): Promise<void> {
    const file = await open(join(this.path, name), "r+");
    try {
      for (let done = 0; done < octets.length; ) {
        done += (await file.write(octets, done, octets.length - done, at + done)).bytesWritten;
      }
    } finally {
      await file.close();
    }
  }

  async sync(name: string): Promise<void> {
    const file = await open(join(this.path, name), "r");
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }

  rename(from: string, to: string): Promise<void> {
    return rename(join(this.path, from), join(this.path, to));
  }

  async syncDirectory(): Promise<void> {
    const directory = await open(this.path, "r");
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }
}
