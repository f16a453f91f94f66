/** Text of the status commands, rendered from their JSON. */
import type { ChassisStatus, SlotStatus } from "../chassis/chassis.ts";
import type { CaptureStatus } from "../operator/capture.ts";
import type { BoardsStatus, GatewayEvent } from "../operator/gateway.ts";
import { quoted } from "../operator/quoted.ts";
import { notifyName } from "../operator/notify_name.ts";
import type { ConsoleLine } from "../operator/consoles.ts";
import type { DropReason } from "../operator/drop_reason.ts";
import { type DropsStatus, type FrameBooks, NO_SA_ENTRY } from "../operator/drops.ts";
import type { ConnectionStatus, PlacedBoard } from "../operator/management.ts";
import { policyRows, type PolicyStatus } from "../operator/policies.ts";

/** Columns as wide as their widest cell, two spaces apart; the last one is not padded. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return rows.map((row) => `${line(row)}\n`).join("");
}

function duration(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m${Math.floor(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours}h${minutes % 60}m` : `${Math.floor(hours / 24)}d${hours % 24}h`;
}

const mebibytes = (octets: number): string => `${(octets / (1 << 20)).toFixed(0)} MiB`;

export function renderCapture({ file, keys, running, packets, octets, missed, ended }: CaptureStatus): string {
  const state = running ? "running" : ended === undefined ? "complete" : `ended by itself: ${ended}`;
  return `${file}: ${state}; ${packets} packets, ${octets} octets, ${missed} missed\n${keys === undefined ? "" : `KEYS are in ${keys}\n`}`;
}

/** A line of a board's console: seconds, the event, what it is in words; of an event without words its numbers. */
export function renderConsoleLine({ at, event, text, words, missed }: ConsoleLine): string {
  const [first = 0, ...others]: readonly number[] = words ?? [];
  const said = text === "" ? [first.toString(16), ...others].join(" ") : text;
  const gap = missed === 0 ? "" : `${missed} entries before the next one are not told\n`;
  // Steps of the flowcharts begin with their number already.
  return `${gap}[${at.toFixed(6)}] ${said.startsWith(event) ? "" : `${event}  `}${said}\n`;
}

/** Faults that were injected and stand. */
export const renderInjected = (injected: ChassisStatus["injected"]): string =>
  injected.length === 0
    ? "no faults stand\n"
    : injected.map(({ text, left }) => `${text}${left === undefined ? "" : `, ${Math.ceil(left)} s more`}\n`).join("");

/** The lamps that burn, `~` for one that blinks. */
export function lamps({ ok, fail, act, alarm }: SlotStatus["leds"]): string {
  const burning = [
    ok === "off" ? "" : ok === "green" ? "OK" : "OK~",
    fail === "off" ? "" : "FAIL",
    act === "off" ? "" : "ACT~",
    alarm === "off" ? "" : `ALARM ${alarm}`,
  ].filter((lamp) => lamp !== "");
  return burning.length === 0 ? "-" : burning.join(" ");
}

/** The images in a slot's flash, `*` at the one that it has, `?` when that is under test: `A 1.0.0, B* 1.1.0?`. */
function imagesText({ images }: SlotStatus): string {
  if (!images) return "-";
  const { A, B, bank, testing } = images;
  const text = (name: "A" | "B", version: string | null): string =>
    version === null
      ? `${name} -`
      : `${name}${name === bank ? "*" : ""} ${version}${name === bank && testing ? "?" : ""}`;
  return `${text("A", A)}, ${text("B", B)}`;
}

/** SAs placed on a board and how many it takes, with its weight where it has another than 1; its load in percent of a processor. */
function placed({ sas, capacity, weight, load }: Partial<PlacedBoard>): [string, string] {
  if (sas === undefined) return ["-", "-"];
  return [`${sas}/${capacity}${weight === 1 ? "" : ` x${weight}`}`, `${((load ?? 0) / 1e7).toFixed(1)}%`];
}

/** What the audit of the local databases did, a line; nothing before its first round. */
function renderAudit(slots: readonly Partial<PlacedBoard>[]): string {
  const sum = { rounds: 0, compared: 0, unknown: 0, misplaced: 0, missing: 0 };
  for (const { audit } of slots)
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += audit?.[key] ?? 0;
  const { rounds, compared, unknown, misplaced, missing } = sum;
  if (rounds === 0) return "";
  const found = unknown + misplaced + missing;
  const kinds = `unknown ${unknown}, misplaced ${misplaced}, missing ${missing}`;
  return `audit: ${rounds} rounds, ${compared} SAs compared, ${found === 0 ? "all agree" : `repaired: ${kinds}`}\n`;
}

export function renderBoards(status: BoardsStatus): string {
  const { name, link, drive, ikeSlot, slots, links, faults, alarms, alarm } = status;
  const flash = slots.some(({ images }) => images !== undefined);
  const rows = slots.map((slot) => {
    const { counters, ram, frames } = slot;
    return [
      String(slot.slot),
      slot.board + (slot.slot === ikeSlot ? " *" : ""),
      slot.state + (slot.reason === "" ? "" : ` (${slot.reason})`),
      lamps(slot.leds),
      ...(flash ? [imagesText(slot)] : []),
      slot.build,
      String(slot.generation),
      slot.uptime > 0 ? duration(slot.uptime) : "-",
      `${mebibytes(ram.used)}/${mebibytes(ram.total)}`,
      `${frames.free}/${frames.pool}`,
      ...placed(slot),
      String(counters.in),
      String(counters.sent),
      String(counters.dropped),
      links.find((entry) => entry.slot === slot.slot)?.name ?? "",
    ];
  });
  const head = [
    "SLOT",
    "BOARD",
    "STATE",
    "LEDS",
    ...(flash ? ["IMAGE"] : []),
    "BUILD",
    "GEN",
    "UP",
    "RAM",
    "FRAMES",
    "SAS",
    "LOAD",
    "IN",
    "SENT",
    "DROPPED",
    "LINK",
  ];
  const died = faults.map(
    ({ slot, generation, file, line, message }) =>
      `fault: slot ${slot}, generation ${generation}: ${message}${file === "" ? "" : ` at ${file}:${line}`}\n`,
  );
  const standing = alarms.map(
    ({ slot, severity, name: what, text, since }) =>
      `alarm: ${severity} ${what}: slot ${slot}: ${text}, ${duration(status.now - since)} ago\n`,
  );
  const lamp = alarm === "off" ? "" : `, ALARM ${alarm}`;
  const boards = table([head, ...rows]);
  return `${name}: ${link} backplane, ${drive}${lamp}\n${boards}\n${renderLinks(links)}${renderAudit(slots)}${standing.join("")}${died.join("")}`;
}

/** What passed over each slot's link: to the board, and from it. */
function renderLinks(links: ChassisStatus["links"]): string {
  const head = ["LINK", "", "FRAMES", "OCTETS", "CELLS", "BITS"];
  const rows = links.flatMap(({ name, toBoard, fromBoard }) =>
    [["in", toBoard] as const, ["out", fromBoard] as const].map(([way, { frames, octets, cells, bits }]) => [
      name,
      way,
      ...[frames, octets, cells, bits].map(String),
    ]),
  );
  return table([head, ...rows]);
}

/** One line of a board's books. */
function booksText({ in: came, originated, sent, consumed, dropped, held, missing }: FrameBooks): string {
  const books = `${came} in + ${originated} made = ${sent} sent + ${consumed} consumed + ${dropped} dropped + ${held} held`;
  return missing === 0 ? books : `${books}, ${missing} MISSING`;
}

export function renderDrops({ drops: all, slots, nics, reasons }: DropsStatus): string {
  const apart = new Set(NO_SA_ENTRY.map(([name]) => name));
  const rows = slots.flatMap(({ slot, board, drops, chassisDrops }) => [
    ...Object.entries(drops).map(([reason, count]) => [String(slot), board, reason, String(count)]),
    ...Object.entries(chassisDrops).map(([reason, count]) => [String(slot), "chassis", reason, String(count)]),
  ]);
  const totals = [
    ...NO_SA_ENTRY.map(([name, step]) => ["all", step, name, String(all[name] ?? 0)]),
    ...Object.entries(all).flatMap(([name, count]) => (apart.has(name) ? [] : [["all", "", name, String(count)]])),
  ];
  const meanings = Object.entries(reasons).flatMap(([name, reason]) =>
    (all[name] ?? 0) > 0 ? [`\n${reasonText(name, reason)}`] : [],
  );
  const books = slots.map(({ slot, board, frames }) => `slot ${slot}, ${board}: ${booksText(frames)}\n`);
  const counted = nics.flatMap(({ side, moved, dropped }) =>
    Object.entries({ ...moved, ...dropped }).flatMap(([name, count]) =>
      count > 0 ? [[side, name in dropped ? "dropped" : "", name, String(count)]] : [],
    ),
  );
  const nic = counted.length === 0 ? "" : `\n${table([["NIC", "", "COUNTER", "PACKETS"], ...counted])}`;
  return `${table([["SLOT", "BY", "REASON", "PACKETS"], ...rows, ...totals])}${meanings.join("")}\n${books.join("")}${nic}`;
}

/** A drop reason with what it means and what to do, for people. */
function reasonText(name: string, { means, do: remedy, linux = [], vpp }: DropReason): string {
  const others = [...linux, ...(vpp === undefined ? [] : [`VPP ${vpp}`])];
  return `${name}${others.length === 0 ? "" : ` (${others.join(", ")})`}\n  ${means}\n  ${remedy}\n`;
}

export function renderConnections(connections: readonly ConnectionStatus[]): string {
  if (connections.length === 0) return "no connections\n";
  return connections
    .map(
      ({ name, children, shunts = [], failure }) =>
        `${name}: ${[...children, ...shunts.map((shunt) => `${shunt} (policy)`)].join(", ")}${failure === "" ? "" : `   last attempt: ${failure}`}\n`,
    )
    .join("");
}

export const renderPolicies = (policies: readonly PolicyStatus[]): string =>
  policies.length === 0 ? "no policies: everything is dropped as no_policy\n" : table(policyRows(policies));

/** One line of the event log. */
export function renderEvent(event: GatewayEvent): string {
  const { kind, ...rest } = event;
  const words = Object.entries(rest).map(([key, value]) => {
    if (key === "up") return value ? "up" : "down";
    if (key === "notify") return notifyName(Number(value));
    const text = String(value);
    // A peer's identity may look like the words behind it.
    return key === "text" ? `- ${text}` : `${key} ${/[\s']/.test(text) ? quoted(text) : text}`;
  });
  return [kind, ...words].join(" ");
}
