/** Text of the image commands, rendered from their JSON. */
import type { BankStatus, FlashStatus } from "../chassis/flash/status.ts";
import { BANKS } from "../chassis/flash/record.ts";
import type { FlashResult } from "../operator/images.ts";
import { table } from "./render.ts";

export interface ImageInfo {
  kind: "image";
  name: string;
  boardClass: string;
  build: string;
  version: string;
  securityCounter: number;
  abi: { least: number; most: number };
  ram: { least: number; most: number; per_ike_sa: number; per_sa: number };
  dependencies: { boardClass: string; version: string }[];
  payload: number;
  sha256: string;
  key: string | null;
}

export interface SetInfo {
  kind: "set";
  version: string;
  sha256: string;
  key: string | null;
  images: { slot: number | null; file: string; sha256: string }[];
}

const lines = (rows: readonly (readonly [string, string])[]): string => table(rows);
const signedBy = (key: string | null): string => (key === null ? "nobody" : `key ${key} (not verified)`);

export function renderImageFile(image: ImageInfo): string {
  const { abi, ram, dependencies } = image;
  const pages = (count: number): string => `${count / 16} MiB`;
  return lines([
    ["board", `${image.name}, class ${image.boardClass}, ${image.build}`],
    ["version", image.version],
    ["security counter", String(image.securityCounter)],
    ["board ABI", abi.least === abi.most ? String(abi.least) : `${abi.least} to ${abi.most}`],
    ["RAM", `${pages(ram.least)} to ${pages(ram.most)}, ${ram.per_ike_sa} octets an IKE_SA, ${ram.per_sa} a CHILD_SA`],
    [
      "wants",
      dependencies.map(({ boardClass, version }) => `${boardClass} ${version} or newer`).join(", ") || "nothing",
    ],
    ["payload", `${image.payload} octets`],
    ["SHA-256", image.sha256],
    ["signed by", signedBy(image.key)],
  ]);
}

export const renderSetFile = ({ version, sha256, key, images }: SetInfo): string =>
  lines([
    ["set", version],
    ["SHA-256", sha256],
    ["signed by", signedBy(key)],
    ...images.map(({ slot, file, sha256: digest }): [string, string] => [
      slot === null ? "every slot of its class" : `slot ${slot}`,
      `${file} ${digest.slice(0, 16)}`,
    ]),
  ]);

const OUTCOMES: Record<FlashStatus["outcome"], string> = {
  none: "",
  confirmed: "the last test was confirmed",
  reverted: "the last test was taken back by an operator",
  not_confirmed: "the last test was not confirmed before the reset",
  refused: "the last test did not begin: an image was refused",
  board_failed: "the last test failed: a board died or refused service",
  replaced: "the last test was replaced before it began",
};

const TRIALS: Record<FlashStatus["trial"], string> = {
  none: "",
  pending: "a test begins with the next reset",
  running: "images are under test: the next reset takes them back unless they are confirmed",
};

export function renderFlash(status: FlashStatus): string {
  const rows = status.slots.flatMap((slot) =>
    BANKS.map((bank, i) => {
      const written: BankStatus | null = slot[bank];
      const state = [
        slot.confirmed === bank ? "boots" : "",
        slot.trial === bank ? (status.trial === "running" ? "under test" : "to be tested") : "",
        written && !written.proven && slot.trial !== bank ? "never confirmed" : "",
        written?.problem ?? "",
      ].filter((word) => word !== "");
      return [
        i === 0 ? String(slot.slot) : "",
        i === 0 ? slot.boardClass : "",
        bank,
        written?.version ?? "-",
        written ? String(written.securityCounter) : "",
        i === 0 ? String(slot.securityCounter) : "",
        written?.set.slice(0, 8) ?? "",
        state.join(", "),
      ];
    }),
  );
  if (rows.length === 0) return "nothing is flashed\n";
  const head = ["SLOT", "CLASS", "BANK", "VERSION", "COUNTER", "AT LEAST", "SET", "STATE"];
  const where = status.outcomeSlot === null ? "" : ` (slot ${status.outcomeSlot})`;
  const last = OUTCOMES[status.outcome];
  const said = [TRIALS[status.trial], last === "" ? "" : `${last}${where}`].filter((line) => line !== "");
  return `${table([head, ...rows])}${said.map((line) => `${line}\n`).join("")}`;
}

/** `atReset`: the directory of a chassis that does not run. */
export function renderFlashResult({ outcome, slots, reason }: FlashResult, atReset: boolean): string {
  const each = slots.map(({ slot, bank, version }) => `slot ${slot}: ${version} in bank ${bank}\n`).join("");
  const what = {
    written: "written, and does not boot: `cardcage image test` tries it",
    testing: atReset
      ? "to be tested with the next reset"
      : "under test: `cardcage image confirm` keeps it, the next reset takes it back",
    confirmed: atReset ? "boots with the next reset" : "confirmed",
    reverted: `taken back: ${reason ?? ""}`,
  }[outcome];
  return `${each}${what}\n`;
}
