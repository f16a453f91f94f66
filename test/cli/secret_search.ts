/** The secrets that a gateway has in use, and the search for them in what it shows. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The key that moon and sun share where nothing else is said. */
export const SHARED = "a shared secret of moon and sun";

/** The keys of ESP and IKE that a capture has written down in a directory of keys. */
export function keysInUse(directory: string): { esp: Buffer[]; ike: Buffer[] } {
  const lines = readFileSync(join(directory, "esp_sa"), "utf8");
  const table = readFileSync(join(directory, "ikev2_decryption_table"), "utf8");
  return {
    esp: [...lines.matchAll(/"0x([0-9a-f]{40,})"/g)].map(([, key]) => Buffer.from(key!, "hex").subarray(0, 32)),
    ike: [...table.matchAll(/[0-9a-f]{40,}/g)].map(([key]) => Buffer.from(key, "hex").subarray(0, 16)),
  };
}

/** A secret as it might be shown: raw, in hexadecimal, in base64. */
const spellings = (secret: Buffer): Buffer[] => [
  secret,
  Buffer.from(secret.toString("hex")),
  Buffer.from(secret.toString("base64").replace(/=+$/, "").slice(0, -1)),
];

/** Which of the secrets are in what was shown. */
export function found(secrets: readonly Buffer[], shown: Buffer): string[] {
  const small = Buffer.from(shown.toString("latin1").toLowerCase(), "latin1");
  return secrets.flatMap((secret, i) =>
    spellings(secret).some((spelling) => shown.includes(spelling) || small.includes(spelling)) ? [`secret ${i}`] : [],
  );
}
