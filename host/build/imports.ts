/**
 * Import lines of AssemblyScript and TypeScript sources: who reads whom. Used to know when an image is out of date, and by
 * the test of the import rule.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

export interface ImportLine {
  specifier: string;
  line: number;
}

const IMPORT =
  /(?:^|[;}\n])\s*(?:import|export)\s+(?:[\w*{}\s,$]+?\s+from\s*)?(["'])([^"'\n]+)\1|\bimport\s*\(\s*(["'])([^"'\n]+)\3\s*[,)]/g;

/** Blanks out comments, so that an import in a comment is none; line breaks stay. Strings are stepped over. */
function withoutComments(source: string): string {
  return source.replace(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g,
    (match, text) => (text !== undefined ? match : match.replace(/[^\n]/g, " ")),
  );
}

/** Every import, re-export and dynamic import of a literal in `source`. */
export function importLines(source: string): ImportLine[] {
  const plain = withoutComments(source);
  const found: ImportLine[] = [];
  for (const match of plain.matchAll(IMPORT)) {
    const specifier = (match[2] ?? match[4])!;
    const at = match.index + match[0].lastIndexOf(specifier);
    found.push({ specifier, line: plain.slice(0, at).split("\n").length });
  }
  return found;
}

/** The file that a relative specifier names, as asc and tsx resolve it; undefined when there is none. */
export function resolveImport(from: string, specifier: string): string | undefined {
  const base = normalize(join(dirname(from), specifier));
  for (const candidate of [base, `${base}.ts`, join(base, "index.ts")]) {
    if (existsSync(candidate) && statSync(candidate).isFile()) return candidate;
  }
  return undefined;
}

/** `entries` and every file that they reach by relative imports, sorted. */
export function reachable(entries: readonly string[]): string[] {
  const seen = new Set<string>();
  const waiting = entries.map((entry) => normalize(entry));
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    for (const { specifier } of importLines(readFileSync(file, "utf8"))) {
      if (!specifier.startsWith(".")) continue;
      const next = resolveImport(file, specifier);
      if (next !== undefined) waiting.push(next);
    }
  }
  return [...seen].sort();
}
