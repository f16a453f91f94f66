/**
 * binaryen, loaded past tsx: a file of 15 million characters that needs no transformation, and which would take half a minute to get one.
 *
 * Source: the customization hooks of node:module; a hook that is registered later is asked first.
 */
import { register } from "node:module";

const HOOK = `
  import { readFile } from "node:fs/promises";
  export const load = async (url, context, next) =>
    /\\/node_modules\\/binaryen\\/index\\.js$/.test(new URL(url).pathname)
      ? { format: "module", shortCircuit: true, source: await readFile(new URL(url)) }
      : next(url, context);`;

register(`data:text/javascript,${encodeURIComponent(HOOK)}`);
const { default: binaryen } = await import("binaryen");
export default binaryen;
