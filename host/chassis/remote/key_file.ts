/**
 * The key that a chassis and a shelf share: a file of 64 hexadecimal digits, which nobody but its owner may read.
 *
 * It is read anew for every connection, so that another key is in force as soon as both ends have the file.
 */
import { randomBytes } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync, writeFileSync } from "node:fs";

/** Octets of the key: too many to guess, so that a recorded handshake tells nothing (RFC 8446 E.7). */
export const SHELF_KEY_OCTETS = 32;
const DIGITS = new RegExp(`^[0-9a-fA-F]{${2 * SHELF_KEY_OCTETS}}\\s*$`);
/** More than digits and the end of a line. */
const READ_MAX = 256;

/** The file is no key, or is one that others could have read. */
export class KeyFileError extends Error {
  override name = "KeyFileError";
}

/** Reads the key; the caller overwrites it after use. Throws KeyFileError, which names the file. */
export function readShelfKey(path: string): Buffer {
  const text = Buffer.alloc(READ_MAX);
  try {
    const file = openSync(path, "r");
    try {
      // Of the open file, not of its name: what is checked is what is read.
      const { mode, uid } = fstatSync(file);
      if ((mode & 0o077) !== 0)
        throw new KeyFileError(
          `${path}: others may read or change it (mode ${(mode & 0o777).toString(8)}): chmod 600 ${path}`,
        );
      const own = process.getuid?.() ?? uid;
      if (uid !== own && uid !== 0)
        throw new KeyFileError(`${path}: belongs to user ${uid}, not to the one that runs this`);
      const length = readSync(file, text, 0, READ_MAX, 0);
      const digits = text.toString("latin1", 0, length);
      if (!DIGITS.test(digits))
        throw new KeyFileError(
          `${path}: a shelf key is ${2 * SHELF_KEY_OCTETS} hexadecimal digits: cardcage shelf --generate-key FILE`,
        );
      return Buffer.from(digits.trim(), "hex");
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (error instanceof KeyFileError) throw error;
    throw new KeyFileError(`${path}: cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  } finally {
    text.fill(0);
  }
}

/** Writes a new key into a file that is not there yet. Throws KeyFileError. */
export function writeShelfKey(path: string): void {
  const key = randomBytes(SHELF_KEY_OCTETS);
  try {
    writeFileSync(path, `${key.toString("hex")}\n`, { mode: 0o600, flag: "wx" });
  } catch (error) {
    throw new KeyFileError(`${path}: cannot be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  } finally {
    key.fill(0);
  }
}
