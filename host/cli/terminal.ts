/**
 * What the `cardcage` command writes, and how: text and JSON that no terminal acts on, colours only where somebody looks.
 *
 * Boards' texts are escaped where they enter the host (operator/identity.ts). Here the same is done again for everything that a gateway,
 * a file or a configuration says, so that whatever comes to be shown later is harmless, too: control characters (C0 but for the newline
 * of our own layout, DEL, C1) and the marks that reorder a line (Unicode's bidirectional controls, "Trojan Source") leave as \xNN or
 * \uNNNN. Colours come last, behind the layout and behind that.
 */
import { isatty } from "node:tty";

/** Control characters of ISO 6429, line and paragraph separators, and Unicode's bidirectional controls. */
const ACTIVE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

const escaped = (character: string): string => {
  const code = character.charCodeAt(0);
  return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
};

/** One line of text without anything that a terminal acts on. */
export const harmless = (text: string): string => text.replace(ACTIVE, escaped);

/** The same for every string in what a gateway answered, keys among them. */
export function harmlessDeep<T>(value: T): T {
  if (typeof value === "string") return harmless(value) as T;
  if (Array.isArray(value)) return value.map(harmlessDeep) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [harmless(key), harmlessDeep(inner)])) as T;
}

/** JSON in which every character that a terminal acts on is written \uNNNN; it parses to the same value. */
export const jsonText = (value: unknown, indent?: number): string =>
  JSON.stringify(value, null, indent).replace(ACTIVE, (character) =>
    // Of these JSON.stringify leaves its own layout's newlines alone.
    character === "\n" ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

type Stream = "out" | "err";
const FILE: Record<Stream, number> = { out: 1, err: 2 };

/** Does somebody look at the stream who wants colours? NO_COLOR (no-color.org) and TERM=dumb say no. */
export function coloured(stream: Stream): boolean {
  const { NO_COLOR: none, TERM: term } = process.env;
  return isatty(FILE[stream]) && (none === undefined || none === "") && term !== "dumb";
}

const RED = 31;
const GREEN = 32;
const YELLOW = 33;

/** The closed vocabularies of states, lamps and verdicts; where a word is part of a name, nothing is lost by its colour. */
const WORDS: readonly (readonly [colour: number, words: RegExp])[] = [
  [GREEN, /\b(?:ESTABLISHED|INSTALLED|Online|delivered|all agree)\b/g],
  [YELLOW, /\b(?:CONNECTING|CREATED|ROUTED|Booting|Draining|Announce online|Announce offline|minor|warning)\b/g],
  [RED, /\b(?:DOWN|Offline|FAIL|major|MISSING|dropped(?=[ :]))\b/g],
];

/** Text with its states in colour. */
export const painted = (text: string): string =>
  WORDS.reduce((whole, [colour, words]) => whole.replace(words, (word) => `\u001b[${colour}m${word}\u001b[39m`), text);

/** Text for people, as rendered from what is harmless; lines keep their newlines. */
export function print(text: string): void {
  const lines = text.split("\n").map(harmless).join("\n");
  process.stdout.write(coloured("out") ? painted(lines) : lines);
}

/** A value for programs: one object over several lines, or with `line` on one. */
export const printJson = (value: unknown, line = false): void =>
  void process.stdout.write(`${jsonText(value, line ? undefined : 2)}\n`);

/** A line for people on stderr. */
export function complain(text: string): void {
  const lines = text.split("\n").map(harmless).join("\n");
  process.stderr.write(`${coloured("err") ? `\u001b[${RED}m${lines}\u001b[39m` : lines}\n`);
}
