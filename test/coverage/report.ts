/** What a run has reached of the instrumented firmware, as a table: lines and blocks of each file, and the functions that never ran. */
import type { Block } from "./instrument.ts";

export interface FileCoverage {
  file: string;
  lines: number;
  linesRun: number;
  blocks: number;
  blocksRun: number;
  /** Functions none of whose blocks ran. */
  silent: string[];
  /** Lines that did not run. */
  missed: number[];
}

/** Coverage by file, sorted by name. */
export function coverage(blocks: readonly Block[], counts: readonly number[]): FileCoverage[] {
  const files = new Map<string, number[]>();
  blocks.forEach(({ file }, i) => files.set(file, [...(files.get(file) ?? []), i]));
  return [...files]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([file, own]) => {
      const all = new Set(own.flatMap((i) => blocks[i]!.lines));
      const run = new Set(own.filter((i) => counts[i]! > 0).flatMap((i) => blocks[i]!.lines));
      const names = new Set(own.map((i) => blocks[i]!.name));
      const heard = new Set(own.filter((i) => counts[i]! > 0).map((i) => blocks[i]!.name));
      return {
        file,
        lines: all.size,
        linesRun: run.size,
        blocks: own.length,
        blocksRun: own.filter((i) => counts[i]! > 0).length,
        silent: [...names].filter((name) => !heard.has(name)),
        missed: [...all].filter((line) => !run.has(line)).sort((a, b) => a - b),
      };
    });
}

const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`.padStart(8);

/** "3-5, 9" */
function ranges(lines: readonly number[]): string {
  const out: [number, number][] = [];
  for (const line of lines) {
    const last = out.at(-1);
    if (last !== undefined && line <= last[1] + 2) last[1] = line;
    else out.push([line, line]);
  }
  return out.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(", ");
}

/** Lines of text: the table, its sum, and with `missed` what did not run. */
export function table(files: readonly FileCoverage[], missed = false): string[] {
  const width = Math.max(...files.map(({ file }) => file.length));
  const row = (
    name: string,
    { lines, linesRun, blocks, blocksRun }: Omit<FileCoverage, "file" | "silent" | "missed">,
  ): string =>
    `${name.padEnd(width)} ${String(linesRun).padStart(5)} of ${String(lines).padStart(5)} lines ${percent(linesRun, lines)}` +
    ` ${String(blocksRun).padStart(5)} of ${String(blocks).padStart(5)} blocks ${percent(blocksRun, blocks)}`;
  const sum = (of: (file: FileCoverage) => number): number => files.reduce((total, file) => total + of(file), 0);
  return [
    ...files.flatMap((file) => [
      row(file.file, file),
      ...(missed && file.missed.length > 0 ? [`${"".padEnd(width)}       not ${ranges(file.missed)}`] : []),
    ]),
    row("all", {
      lines: sum(({ lines }) => lines),
      linesRun: sum(({ linesRun }) => linesRun),
      blocks: sum(({ blocks }) => blocks),
      blocksRun: sum(({ blocksRun }) => blocksRun),
    }),
  ];
}
