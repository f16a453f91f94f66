/** The version of the whole, as package.json has it. */
import { readFileSync } from "node:fs";

export const softwareVersion = (): string =>
  (JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }).version;
