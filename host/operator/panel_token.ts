/**
 * The token of the front panel: who has it is the operator. A file that nobody but its owner may read, with 32 to 256 characters of
 * base64 or hexadecimal on one line: `openssl rand -hex 32`.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const TOKEN = /^[A-Za-z0-9+/_=-]{32,256}\s*$/;
/** More than a token and the end of a line. */
const READ_MAX = 512;

/** The file is no token, or is one that others could have read. */
export class PanelTokenError extends Error {
  override name = "PanelTokenError";
}

/** Reads the token. Throws PanelTokenError, which names the file. */
export function readPanelToken(path: string): string {
  const octets = Buffer.alloc(READ_MAX);
  try {
    const file = openSync(path, "r");
    try {
      // Of the open file, not of its name: what is checked is what is read.
      const { mode, uid } = fstatSync(file);
      if ((mode & 0o077) !== 0)
        throw new PanelTokenError(
          `${path}: others may read or change it (mode ${(mode & 0o777).toString(8)}): chmod 600 ${path}`,
        );
      const own = process.getuid?.() ?? uid;
      if (uid !== own && uid !== 0)
        throw new PanelTokenError(`${path}: belongs to user ${uid}, not to the one that runs this`);
      const text = octets.toString("latin1", 0, readSync(file, octets, 0, READ_MAX, 0));
      if (!TOKEN.test(text))
        throw new PanelTokenError(
          `${path}: a token is 32 to 256 characters of base64 or hexadecimal: openssl rand -hex 32`,
        );
      return text.trim();
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (error instanceof PanelTokenError) throw error;
    throw new PanelTokenError(`${path}: cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  } finally {
    octets.fill(0);
  }
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** Whether what a client shows is the token, in a time that tells nothing of either: of their digests, which are of one length. */
export const isToken = (shown: string, token: string): boolean => timingSafeEqual(digest(shown), digest(token));
