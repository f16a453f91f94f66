#!/usr/bin/env node
// Entry of the `cardcage` command: tsx is registered before the TypeScript is imported.
import { register } from "tsx/esm/api";

register();
const { main } = await import("./cardcage.ts");
process.exitCode = await main(process.argv.slice(2));
