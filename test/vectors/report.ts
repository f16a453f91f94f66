/**
 * Counting vector checks: per file and in all, every item ends as passed, failed, outside or skipped.
 *
 * Outside is what no part of the product is about: a cipher that is not offered, say; its reason has a name. Skipped is what
 * nothing here knows what to make of. An item that throws has failed. Refuses to count what was not run as passed.
 */

export class FileReport {
  readonly path: string;
  passed = 0;
  readonly failures: string[] = [];
  readonly outsiders = new Map<string, number>();
  skipped = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** Runs one item; `run` answers true, or false or a sentence about what is wrong. */
  async check(name: string, run: () => boolean | string | Promise<boolean | string>): Promise<void> {
    try {
      const verdict = await run();
      if (verdict === true) this.passed++;
      else this.failures.push(verdict === false ? name : `${name}: ${verdict}`);
    } catch (error) {
      this.failures.push(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }

  /** Counts items that are about something that the product does not have. */
  outside(reason: string, items = 1): void {
    if (items > 0) this.outsiders.set(reason, (this.outsiders.get(reason) ?? 0) + items);
  }

  /** Everything that has been counted so far. */
  get counted(): number {
    let sum = this.passed + this.failures.length + this.skipped;
    for (const items of this.outsiders.values()) sum += items;
    return sum;
  }

  lines(): string[] {
    const lines = [
      `${this.failures.length > 0 ? "FAIL" : this.passed > 0 ? "ok  " : "--  "} ${this.path}: ` +
        `${this.passed} passed, ${this.failures.length} failed, ${this.skipped} skipped`,
    ];
    for (const [reason, items] of this.outsiders) lines.push(`       outside: ${items} (${reason})`);
    for (const failure of this.failures.slice(0, 10)) lines.push(`       failed: ${failure}`);
    if (this.failures.length > 10) lines.push(`       ... and ${this.failures.length - 10} more failures`);
    return lines;
  }
}

/** How many items a file of unknown schema holds: its deepest list of records, or one. */
export function countItems(content: any): number {
  if (Array.isArray(content)) return content.length;
  if (content === null || typeof content !== "object") return 1;
  for (const groups of ["testGroups", "groups"]) {
    if (Array.isArray(content[groups]) && content[groups].some((group: any) => Array.isArray(group?.tests))) {
      return content[groups].reduce((sum: number, group: any) => sum + (group.tests?.length ?? 0), 0);
    }
  }
  for (const list of ["tests", "frames", "messages", "inputs", "identifiers", "groups"]) {
    if (Array.isArray(content[list])) return content[list].length;
  }
  for (const tree of ["files", "classes", "arrays"]) {
    if (content[tree] !== undefined) {
      return Object.values(content[tree]).reduce<number>(
        (sum, entry) => sum + (entry !== null && typeof entry === "object" ? Object.keys(entry).length : 1),
        0,
      );
    }
  }
  return 1;
}
