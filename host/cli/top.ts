/**
 * `cardcage top`: the front panel's view in a terminal, again and again: boards with what passes through them, connections and SAs with the
 * boards that they are on, alarms, drops. q or Ctrl-C ends it, p holds it still, and goes on.
 *
 * Where nobody looks (a pipe, a file), and with --json, it is one snapshot, or as many as are asked for; each is the second glance or a
 * later one, because a rate wants two. It draws into the terminal's other screen, and leaves the first as it was, whatever happens.
 */
import { follow } from "../operator/control_client.ts";
import type { ConnectionSas } from "../operator/sas.ts";
import type { WatchStatus } from "../operator/watch.ts";
import { lamps, table } from "./render.ts";
import { coloured, harmless, harmlessDeep, painted, print, printJson } from "./terminal.ts";

const UNITS = ["", "k", "M", "G"];

/** `1.2k`: three characters or four, whatever the number is. */
export function short(value: number): string {
  let left = value;
  let unit = 0;
  while (left >= 999.5 && unit < UNITS.length - 1) {
    left /= 1000;
    unit += 1;
  }
  return `${unit > 0 && left < 9.95 ? left.toFixed(1) : left.toFixed(0)}${UNITS[unit]}`;
}

function boardRows({ boards, rates }: WatchStatus): string[][] {
  return boards.slots.map(({ slot, board, state, leds, sas, load }) => {
    const rate = rates.find((one) => one.slot === slot);
    const bits = 8 * ((rate?.octetsToBoard ?? 0) + (rate?.octetsFromBoard ?? 0));
    return [
      String(slot),
      board + (slot === boards.ikeSlot ? " *" : ""),
      state,
      lamps(leds),
      sas === undefined ? "-" : String(sas),
      load === undefined ? "-" : `${(load / 1e7).toFixed(1)}%`,
      ...[rate?.in ?? 0, rate?.sent ?? 0, rate?.dropped ?? 0, bits].map(short),
    ];
  });
}

function saRows(sas: readonly ConnectionSas[]): string[][] {
  return sas.flatMap((ike) => [
    [ike.name, ike.state, "", "", "", "", ike.failure ?? ike["remote-id"] ?? ""],
    ...ike["child-sas"].map((child) => [
      `  ${child.name}`,
      child.state,
      child.slot === undefined ? "-" : String(child.slot),
      child["spi-in"],
      short(child["packets-in"]),
      short(child["packets-out"]),
      `${child["local-ts"].join(" ")} === ${child["remote-ts"].join(" ")}`,
    ]),
  ]);
}

/** One glance as text. */
export function renderTop(status: WatchStatus): string {
  const { time, boards, sas, count, drops, failure } = status;
  const alarm = boards.alarm === "off" ? "" : `, ALARM ${boards.alarm}`;
  const head = `${boards.name}: ${boards.link} backplane, ${boards.drive}, ${count.ikeSas} IKE_SAs, ${count.childSas} CHILD_SAs${alarm}`;
  const slots = [
    ["SLOT", "BOARD", "STATE", "LEDS", "SAS", "LOAD", "IN/S", "SENT/S", "DROPS/S", "BIT/S"],
    ...boardRows(status),
  ];
  const connections =
    failure === undefined
      ? table([["CONNECTION", "STATE", "SLOT", "SPI IN", "IN", "OUT", "PEER, NETWORKS"], ...saRows(sas)])
      : `SAs are not told: ${failure}\n`;
  const alarms = boards.alarms.map(
    ({ slot, severity, name, text }) => `alarm: ${severity} ${name}: slot ${slot}: ${text}\n`,
  );
  const dropped = Object.entries(drops.drops)
    .filter(([, packets]) => packets > 0)
    .sort(([, one], [, other]) => other - one)
    .map(([reason, packets]) => `${reason} ${packets}`);
  return (
    `${head}   ${new Date(time).toISOString().slice(11, 19)}Z\n${table(slots)}\n${connections}` +
    `${alarms.length === 0 ? "" : `\n${alarms.join("")}`}\ndrops: ${dropped.length === 0 ? "none" : dropped.join(", ")}\n`
  );
}

/** Text as a screen of so many columns and rows, with its last row for what keys do; every line is harmless. */
export function screenOf(text: string, columns: number, rows: number, held: boolean): string[] {
  const lines = text.trimEnd().split("\n").map(harmless);
  const room = Math.max(rows - 1, 1);
  const shown =
    lines.length > room ? [...lines.slice(0, room - 1), `... ${lines.length - room + 1} more lines`] : lines;
  const keys = held ? "held: p goes on, q ends" : "q ends, p holds";
  return [...shown, ...Array<string>(room - shown.length).fill(""), keys].map((line) =>
    [...line].slice(0, columns).join(""),
  );
}

/** A terminal with its keyboard. */
export interface Screen {
  columns: () => number;
  rows: () => number;
  write: (text: string) => void;
  colours: boolean;
  /** Calls back for keys; returns what gives the keyboard back. */
  onKeys: (callback: (keys: string) => void) => () => void;
}

const terminal = (): Screen => ({
  // Some do not know how large they are.
  columns: () => process.stdout.columns || 80,
  rows: () => process.stdout.rows || 24,
  write: (text) => void process.stdout.write(text),
  colours: coloured("out"),
  onKeys: (callback) => {
    const { stdin } = process;
    if (!stdin.isTTY) return () => undefined;
    const take = (octets: Buffer): void => callback(octets.toString("latin1"));
    stdin.setRawMode(true);
    stdin.on("data", take);
    stdin.resume();
    return () => {
      stdin.off("data", take);
      stdin.setRawMode(false);
      stdin.pause();
    };
  },
});

const OTHER_SCREEN = "\u001b[?1049h\u001b[?25l\u001b[2J";
const FIRST_SCREEN = "\u001b[?25h\u001b[?1049l";
const CTRL_C = "\u0003";

/** What begins to be followed, and is until `signal`; control_client's follow is the one. */
type Follow = (take: (status: WatchStatus) => void, signal: AbortSignal) => Promise<void>;

/** Shows on a screen until a key ends it, or `count` glances were shown. */
export async function watchOn(screen: Screen, watch: Follow, count = Infinity): Promise<void> {
  const over = new AbortController();
  let latest: WatchStatus | undefined;
  let held = false;
  let shown = 0;
  const draw = (): void => {
    if (!latest) return;
    const lines = screenOf(renderTop(latest), screen.columns(), screen.rows(), held);
    const text = lines.map((line) => `${screen.colours ? painted(line) : line}\u001b[K`).join("\r\n");
    screen.write(`\u001b[H${text}\u001b[J`);
  };
  const end = (): void => over.abort();
  const free = screen.onKeys((keys) => {
    if (keys.includes("q") || keys.includes(CTRL_C)) end();
    if (!keys.includes("p")) return;
    held = !held;
    draw();
  });
  process.on("SIGTERM", end);
  process.on("SIGWINCH", draw);
  screen.write(OTHER_SCREEN);
  try {
    await watch((status) => {
      if (held || over.signal.aborted) return;
      latest = status;
      draw();
      if (++shown >= count) end();
    }, over.signal);
  } finally {
    screen.write(FIRST_SCREEN);
    free();
    process.off("SIGTERM", end);
    process.off("SIGWINCH", draw);
  }
}

export interface TopOptions {
  json: boolean;
  /** Seconds. */
  interval: number;
  /** Glances; Infinity: until it is ended, on a terminal. */
  count: number;
}

/** Watches the gateway at a control socket. Throws UnreachableError and RefusedError. */
export async function top(socket: string, { json, interval, count }: TopOptions): Promise<void> {
  const watch: Follow = (take, signal) =>
    follow(socket, (told) => take(harmlessDeep(told as WatchStatus)), { command: "watch", args: { interval }, signal });
  if (process.stdout.isTTY && !json) return watchOn(terminal(), watch, count);
  const enough = new AbortController();
  const wanted = Number.isFinite(count) ? count : 1;
  let seen = 0;
  await watch((status) => {
    // The first has no rates yet.
    if (seen++ === 0 || seen > wanted + 1) return;
    if (json) printJson(status, wanted > 1);
    else print(`${seen > 2 ? "\n" : ""}${renderTop(status)}`);
    if (seen === wanted + 1) enough.abort();
  }, enough.signal);
}
