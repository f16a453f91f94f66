/**
 * The syntax of strongswan.conf(5) and swanctl.conf(5): sections, settings, references, includes.
 *
 *   # comment
 *   name = value up to the end of the line
 *   name = "quoted, with \"escapes\" and
 *           over several lines"
 *   section { ... }
 *   section : other, outer.inner { ... }     everything of the others, unless said otherwise here
 *   include other.conf                       relative to this file, with wildcards
 *
 * A section named twice is one; a setting said twice counts as said last. Every name and value knows its file and line.
 * Refuses to guess: what does not parse is an error with its place, and parsing goes on behind it.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";

export interface Place {
  file: string;
  line: number;
}

export interface ConfigurationError extends Place {
  /** The offending word. */
  word: string;
  message: string;
  /** The valid word that is nearest to it, if one is near. */
  nearest?: string;
  /** Said, but no reason to refuse the configuration. */
  warning?: boolean;
  /** It is right, but not done here: what holds it may be left out where something else remains. */
  unsupported?: boolean;
}

export interface Setting extends Place {
  name: string;
  value: string;
}

export interface Section extends Place {
  name: string;
  settings: Map<string, Setting>;
  sections: Map<string, Section>;
  /** Dotted paths of the sections that this one takes over. */
  references: { path: string; line: number; file: string }[];
  /** Sections around it. */
  depth: number;
  /** A slip of the pen in it may be part of a secret: no error shows what nobody knows. */
  secret: boolean;
}

/** As deep as includes may nest. */
const INCLUDE_DEPTH = 10;
/** As deep as sections may nest. */
const SECTION_DEPTH = 64;
/** Octets of one file at most. */
const FILE_MAX = 4 << 20;

export const newSection = (name: string, place: Place, within?: Section): Section => ({
  name,
  file: place.file,
  line: place.line,
  settings: new Map(),
  sections: new Map(),
  references: [],
  depth: within ? within.depth + 1 : 0,
  secret: within !== undefined && (within.secret || (within.depth === 1 && within.name === "secrets")),
});

/** Reads a file with all that it includes. */
export function parseFile(path: string): { root: Section; errors: ConfigurationError[] } {
  const errors: ConfigurationError[] = [];
  const root = newSection("", { file: path, line: 1 });
  include(path, root, errors, 0, { file: path, line: 0 });
  resolve(root, errors);
  return { root, errors };
}

/** Parses text; includes are relative to `file`'s directory. */
export function parseText(text: string, file: string): { root: Section; errors: ConfigurationError[] } {
  const errors: ConfigurationError[] = [];
  const root = newSection("", { file, line: 1 });
  new Parser(text, file, errors, 0).section(root, true);
  resolve(root, errors);
  return { root, errors };
}

function include(path: string, into: Section, errors: ConfigurationError[], depth: number, from: Place): void {
  const place = from.line === 0 ? { file: path, line: 1 } : from;
  if (depth > INCLUDE_DEPTH) {
    errors.push({ ...place, word: path, message: `includes nest deeper than ${INCLUDE_DEPTH} files` });
    return;
  }
  let text: string;
  try {
    if (statSync(path).size > FILE_MAX) {
      errors.push({ ...place, word: path, message: "the file is larger than 4 MiB" });
      return;
    }
    text = readFileSync(path, "utf8");
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    errors.push({ ...place, word: path, message: `the file cannot be read (${reason})` });
    return;
  }
  new Parser(text, path, errors, depth).section(into, true);
}

/** A component of a path with the shell's wildcards *, ? and [...] as an expression. */
function wildcard(component: string): RegExp {
  const source = component.replace(
    /\[!([^\]]+)\]|\[([^\]]+)\]|[.+^${}()|[\]\\*?]/g,
    (token, not?: string, of?: string) => {
      if (token === "*") return "[^/]*";
      if (token === "?") return "[^/]";
      const set = (not ?? of)?.replace(/[\\\]^]/g, "\\$&");
      return set === undefined ? `\\${token}` : `[${not === undefined ? "" : "^"}${set}]`;
    },
  );
  return new RegExp(`^${source}$`);
}

/** Files that match a pattern, sorted; a name without wildcards as it stands, whether it is there or not. */
function expand(pattern: string): string[] {
  if (!/[*?[]/.test(pattern)) return [pattern];
  const name = basename(pattern);
  return expand(dirname(pattern)).flatMap((directory) => {
    if (!/[*?[]/.test(name)) return existsSync(join(directory, name)) ? [join(directory, name)] : [];
    try {
      const expression = wildcard(name);
      return readdirSync(directory)
        .filter((entry) => expression.test(entry) && (!entry.startsWith(".") || name.startsWith(".")))
        .sort()
        .map((entry) => join(directory, entry));
    } catch {
      return []; // a directory that is not there, or a set such as [z-a], matches nothing
    }
  });
}

class Parser {
  #at = 0;
  #line = 1;
  #nesting = 0;

  constructor(
    readonly text: string,
    readonly file: string,
    readonly errors: ConfigurationError[],
    readonly depth: number,
  ) {}

  /** Parses up to the closing brace, or to the end of the text for the outermost. */
  section(into: Section, outermost: boolean): void {
    for (;;) {
      this.#skip(true);
      const c = this.text[this.#at];
      if (c === undefined) {
        // secrets.ike-1 is a name, and what is in it may be anything.
        const name = into.secret && into.depth > 2 ? "" : `'${into.name}' `;
        if (!outermost) this.#error(name === "" ? "" : into.name, `section ${name}of line ${into.line} is not closed`);
        return;
      }
      if (c === "}") {
        this.#at += 1;
        if (!outermost) return;
        this.#error("}", "there is no section to close");
        continue;
      }
      this.#statement(into);
    }
  }

  #place(): Place {
    return { file: this.file, line: this.#line };
  }

  #error(word: string, message: string): void {
    this.errors.push({ ...this.#place(), word, message });
  }

  #skip(newlines: boolean): void {
    for (;;) {
      const c = this.text[this.#at];
      if (c === "#") {
        while (this.#at < this.text.length && this.text[this.#at] !== "\n") this.#at += 1;
      } else if (c === "\n" && newlines) {
        this.#line += 1;
        this.#at += 1;
      } else if (c === " " || c === "\t" || c === "\r") this.#at += 1;
      else return;
    }
  }

  #word(stop: RegExp): string {
    const start = this.#at;
    while (this.#at < this.text.length && !stop.test(this.text[this.#at] as string)) this.#at += 1;
    return this.text.slice(start, this.#at);
  }

  #statement(into: Section): void {
    const place = this.#place();
    const name = this.text[this.#at] === '"' ? this.#quoted() : this.#word(/[\s{}=#,:"]/);
    if (name === "") {
      this.#error(this.text[this.#at] as string, "a name is expected here");
      this.#word(/\n/);
      return;
    }
    if (name === "include" && /[ \t]/.test(this.text[this.#at] ?? "")) {
      this.#include(into, place);
      return;
    }
    const shown = into.secret ? "" : name;
    const [at, line] = [this.#at, this.#line];
    this.#skip(true);
    const c = this.text[this.#at];
    if (c === "=") {
      this.#at += 1;
      into.settings.set(name, { name, value: this.#value(), ...place });
    } else if (c === "{" || c === ":") {
      const child = into.sections.get(name) ?? newSection(name, place, into);
      into.sections.set(name, child);
      if (c === ":") this.#references(child);
      if (this.#nesting >= SECTION_DEPTH) {
        this.#error(shown, `sections nest deeper than ${SECTION_DEPTH}`);
        this.#at = this.text.length;
      } else if (this.text[this.#at] === "{") {
        this.#at += 1;
        this.#nesting += 1;
        this.section(child, false);
        this.#nesting -= 1;
      } else this.#error(shown, into.secret ? "a section wants '{' here" : `section '${name}' wants '{' here`);
    } else {
      const what = into.secret ? "this" : `'${name}'`;
      this.errors.push({ ...place, word: shown, message: `${what} is neither a setting ('=') nor a section ('{')` });
      [this.#at, this.#line] = [at, line];
      this.#word(/\n/);
    }
  }

  #references(child: Section): void {
    this.#at += 1;
    for (;;) {
      this.#skip(true);
      const path = this.#word(/[\s{}=#,"]/);
      if (path === "") this.#error(child.name, "the name of a section is expected behind ':' and ','");
      else child.references.push({ path, ...this.#place() });
      this.#skip(true);
      if (this.text[this.#at] !== ",") return;
      this.#at += 1;
    }
  }

  #include(into: Section, place: Place): void {
    this.#skip(false);
    const pattern = this.text[this.#at] === '"' ? this.#quoted() : this.#word(/[\n#]/).trim();
    const path = isAbsolute(pattern) ? pattern : join(dirname(this.file), pattern);
    for (const file of expand(path)) include(file, into, this.errors, this.depth + 1, place);
  }

  /** A value: quoted, or the rest of the line without its comment. An error never shows it: it may be a secret. */
  #value(): string {
    this.#skip(false);
    if (this.text[this.#at] !== '"') return this.#unquoted();
    const value = this.#quoted();
    this.#skip(false);
    const c = this.text[this.#at];
    if (c !== undefined && c !== "\n" && c !== "}") {
      this.#error('"', "nothing may stand behind a closing quotation mark");
      this.#word(/[\n}]/);
    }
    return value;
  }

  #unquoted(): string {
    let value = this.#word(/[\n#{}]/);
    // The identity @#00ff is hexadecimal, not a comment.
    if (this.text[this.#at] === "#" && value.endsWith("@")) {
      this.#at += 1;
      value += `#${this.#word(/[\n#{}]/)}`;
    }
    return value.trim();
  }

  #quoted(): string {
    const line = this.#line;
    let value = "";
    this.#at += 1;
    for (;;) {
      const c = this.text[this.#at];
      if (c === undefined) {
        this.errors.push({ file: this.file, line, word: '"', message: "the quotation is not closed" });
        return value;
      }
      this.#at += 1;
      if (c === '"') return value;
      if (c === "\n") this.#line += 1;
      if (c !== "\\") {
        value += c;
        continue;
      }
      const escaped = this.text[this.#at] ?? "";
      this.#at += 1;
      if (escaped === "\n")
        this.#line += 1; // a continued line
      else value += ({ n: "\n", r: "\r", t: "\t" } as Record<string, string>)[escaped] ?? escaped;
    }
  }
}

/** Sections that references may make; a dozen lines can ask for billions. */
const TAKEN_OVER_MAX = 65536;

/** Takes over what references name: a section's own settings win, then the first reference that has one. */
function resolve(root: Section, errors: ConfigurationError[]): void {
  const done = new Set<Section>();
  const budget = { sections: TAKEN_OVER_MAX };
  const visit = (section: Section, trail: readonly Section[]): void => {
    if (done.has(section)) return;
    for (const { path, file, line } of section.references) {
      const other = find(root, path);
      if (!other) {
        const what = section.secret ? "such section" : `section '${path}'`;
        errors.push({ file, line, word: section.secret ? "" : path, message: `there is no ${what} to refer to` });
      } else if (other === section || trail.includes(other)) {
        errors.push({ file, line, word: path, message: `section '${path}' refers to itself` });
      } else {
        // All of it is resolved behind this: its own references, and those of its sections.
        visit(other, [...trail, section]);
        takeOver(section, other, budget);
        if (budget.sections < 0) return;
      }
    }
    done.add(section);
    for (const child of [...section.sections.values()]) visit(child, [...trail, section]);
  };
  visit(root, []);
  if (budget.sections < 0) {
    const { file, line } = root;
    errors.push({ file, line, word: "", message: `references ask for more than ${TAKEN_OVER_MAX} sections` });
  }
}

function find(root: Section, path: string): Section | undefined {
  let section: Section | undefined = root;
  for (const name of path.split(".")) section = section?.sections.get(name);
  return section;
}

function takeOver(section: Section, other: Section, budget: { sections: number }): void {
  for (const [name, setting] of other.settings) if (!section.settings.has(name)) section.settings.set(name, setting);
  for (const [name, child] of [...other.sections]) {
    budget.sections -= 1;
    if (budget.sections < 0) return;
    let own = section.sections.get(name);
    if (!own) section.sections.set(name, (own = newSection(name, child, section)));
    takeOver(own, child, budget);
  }
}
