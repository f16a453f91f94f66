/**
 * What flash is kept on: named files that are erased, written, synced and renamed; nothing else.
 *
 * A device promises little, as storage does: what was written is there after a power cut only behind sync(), a rename only
 * behind syncDirectory(); until then any part of it may be, in any order. A rename itself is whole or not at all.
 */
export interface FlashDevice {
  /** A file's octets; undefined when there is none. Refuses (throws) more than `most` of them. */
  read(name: string, most: number): Promise<Uint8Array | undefined>;
  /** Makes a file empty; it need not exist. */
  erase(name: string): Promise<void>;
  write(name: string, at: number, octets: Uint8Array): Promise<void>;
  /** A file's contents outlive a power cut from here on. */
  sync(name: string): Promise<void>;
  /** Gives a file another name, in place of one that had it. */
  rename(from: string, to: string): Promise<void>;
  /** All names outlive a power cut from here on. */
  syncDirectory(): Promise<void>;
}

/** Octets of one write. */
const CHUNK = 65536;
/** What a new file is called until it is whole. */
const UNFINISHED = ".new";

/** Puts a file in place of another: a power cut leaves the one or the other. */
export async function replaceFile(device: FlashDevice, name: string, octets: Uint8Array): Promise<void> {
  const unfinished = `${name}${UNFINISHED}`;
  await device.erase(unfinished);
  for (let at = 0; at < octets.length; at += CHUNK) {
    await device.write(unfinished, at, octets.subarray(at, at + CHUNK));
  }
  await device.sync(unfinished);
  await device.rename(unfinished, name);
  await device.syncDirectory();
}
