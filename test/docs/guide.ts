/**
 * A guide as something that can be carried out: the blocks of a Markdown file, in their order.
 *
 *   ```sh                  commands, for the shell that all of a guide's commands share
 *   ```text                what the commands in front of it print: "..." in a line stands for anything, a line of "..." for any lines
 *   ```LANGUAGE NAME       a file that the reader makes: its contents, and behind the language its name
 *   <!-- sh                commands that a reader has no use for: they put in place what a guide takes for granted
 *   <!-- root -->          the guide wants root, and is carried out in namespaces of its own
 *   <!-- not run: WHY -->  the block behind it is not carried out
 *
 * Refuses a block that is none of these, so that nothing is passed over: other languages are shown, never run, and are listed in SHOWN.
 */

export type Step =
  | { kind: "commands"; line: number; text: string }
  | { kind: "file"; line: number; name: string; text: string }
  | { kind: "output"; line: number; text: string };

export interface Guide {
  root: boolean;
  steps: Step[];
  /** Blocks that are not carried out, with why. */
  left: { line: number; why: string }[];
}

/** Languages of blocks that are only to be read. */
const SHOWN = new Set(["", "ts", "js", "json", "diff"]);

/** Reads a guide; throws with the line of what it does not understand. */
export function readGuide(text: string): Guide {
  const guide: Guide = { root: false, steps: [], left: [] };
  const lines = text.split("\n");
  let notRun: string | undefined;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as string;
    const fail = (message: string): never => {
      throw new Error(`line ${i + 1}: ${message}`);
    };
    const upTo = (end: string): string => {
      const begin = i + 1;
      for (i++; lines[i] !== end; i++) if (i >= lines.length) fail(`no ${end} behind line ${begin}`);
      return lines.slice(begin, i).join("\n");
    };
    if (line === "<!-- root -->") guide.root = true;
    const why = /^<!-- not run: (.+) -->$/.exec(line)?.[1];
    if (why !== undefined) notRun = why;
    if (line === "<!-- sh") {
      const at = i + 1;
      guide.steps.push({ kind: "commands", line: at, text: upTo("-->") });
    }
    const fence = /^```(\S*)(?: (.+))?$/.exec(line);
    if (fence === null) {
      if (/^\s+```|^~~~/.test(line)) fail("a block that does not stand at the line's beginning");
      continue;
    }
    const [, language = "", name] = fence;
    const at = i + 1;
    const contents = upTo("```");
    if (notRun !== undefined) guide.left.push({ line: at, why: notRun });
    else if (name !== undefined) guide.steps.push({ kind: "file", line: at, name, text: contents });
    else if (language === "sh") guide.steps.push({ kind: "commands", line: at, text: contents });
    else if (language === "text") {
      if (guide.steps.at(-1)?.kind !== "commands") fail("output without commands in front of it");
      guide.steps.push({ kind: "output", line: at, text: contents });
    } else if (!SHOWN.has(language)) fail(`a block of ${language}, which is neither run nor only shown`);
    notRun = undefined;
  }
  return guide;
}

const squeeze = (line: string): string => line.trim().replace(/\s+/g, " ");

/** Where output is not as a guide shows it: the first line that is missing; undefined when all are there, in their order. */
export function difference(shown: string, printed: string): string | undefined {
  const got = printed.trim().split("\n").map(squeeze);
  const wanted = shown.trim().split("\n").map(squeeze);
  let at = 0;
  let skipping = false;
  for (const line of wanted) {
    if (line === "...") {
      skipping = true;
      continue;
    }
    const pattern = new RegExp(`^${line.split("...").map(escape).join(".*")}$`);
    const found = skipping ? got.findIndex((one, index) => index >= at && pattern.test(one)) : at;
    if (found === -1 || !pattern.test(got[found] ?? "")) return line;
    at = found + 1;
    skipping = false;
  }
  return skipping || at === got.length ? undefined : `(nothing more, but there is: ${got[at]})`;
}

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
