#!/usr/bin/env node
/**
 * Entry of the `cardcage` command: what `npm run build` made of it, when that is of the sources as they are, else the TypeScript
 * itself, which takes half a second to load.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { current, ROOT } from "../thread/sources.mjs";

const DIRECTORY = join(ROOT, "build", "cli");

async function load() {
  const file = current(join(DIRECTORY, "cardcage.json"))?.files[0];
  if (file !== undefined) {
    // An error's stack names the TypeScript, as below.
    process.setSourceMapsEnabled(true);
    return import(pathToFileURL(join(DIRECTORY, file)).href);
  }
  const { register } = await import("tsx/esm/api");
  register();
  return import("./cardcage.ts");
}

const { main } = await load();
process.exitCode = await main(process.argv.slice(2));
