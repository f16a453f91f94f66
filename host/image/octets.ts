/** Image files from disk: their size is looked at before they are read. */
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { FILE_MAX } from "./container.ts";
import { ImageRefused } from "./refusal.ts";

/** The octets of a .cci, .ccm or .wasm file. Throws ImageRefused for one that is too large, Node's errors for the rest. */
export function readImageOctets(path: string): Uint8Array {
  const file = openSync(path, "r");
  try {
    if (fstatSync(file).size > FILE_MAX) throw new ImageRefused("too_large");
    return new Uint8Array(readFileSync(file));
  } finally {
    closeSync(file);
  }
}
