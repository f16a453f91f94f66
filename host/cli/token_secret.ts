/**
 * The secret of RFC 6290's tokens, kept in a file of the gateway's state directory: a gateway that was killed and begins anew proves by
 * it to its peers that it has lost its IKE_SAs.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const FILE = "qcd-secret";
const OCTETS = 32;

/** Reads the secret of a state directory, or makes both. Throws with the reason when that cannot be. */
export function tokenSecret(directory: string): Uint8Array {
  const file = join(directory, FILE);
  try {
    const secret = readFileSync(file);
    if (secret.length !== OCTETS) throw new Error(`${file}: is not the ${OCTETS} octets that a gateway wrote`);
    chmodSync(file, 0o600);
    return secret;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const secret = randomBytes(OCTETS);
  // Two gateways that begin at once must not both believe in theirs.
  writeFileSync(file, secret, { mode: 0o600, flag: "wx" });
  return secret;
}
