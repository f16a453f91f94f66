/**
 * boards/NAME/board.json: what a board is, told once, before any code of it is read.
 *
 *   name    of the image, the directory's own
 *   class   "ike" or "ipsec": which slot it fits
 *   ram     {least, most}: pages of 64 KiB that the image can be given; {per_ike_sa, per_sa}: octets beyond the least for each
 *           IKE_SA and each CHILD_SA that it is configured to hold
 *   ports   which ports its rings serve, in the order of abi/ring.ts
 *   peers   classes of boards that it may exchange control messages with
 *
 * Strict: an unknown key or word is an error.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { BOARD_CLASSES, PORTS, ramFault } from "../image/manifest.ts";
import type { BoardClass, PortName, Ram } from "../image/manifest.ts";

export interface BoardFile {
  name: string;
  class: BoardClass;
  ram: Ram;
  ports: PortName[];
  peers: BoardClass[];
}

const KEYS = ["name", "class", "ram", "ports", "peers"];

/** Checks the text of a board.json that lies in a directory called `directory`. Throws with `path` in the message. */
export function parseBoardFile(text: string, directory: string, path = "board.json"): BoardFile {
  const fail = (message: string): never => {
    throw new Error(`${path}: ${message}`);
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    fail((error as Error).message);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) fail("not an object");
  const board = value as Record<string, unknown>;
  for (const key of Object.keys(board)) {
    if (!KEYS.includes(key)) fail(`"${key}" is no key of a board (${KEYS.join(", ")})`);
  }
  if (board.name !== directory) fail(`"name" is ${JSON.stringify(board.name)}, the directory is "${directory}"`);
  if (!BOARD_CLASSES.includes(board.class as BoardClass)) fail(`"class" is none of ${BOARD_CLASSES.join(", ")}`);
  const fault = ramFault(board.ram);
  if (fault !== undefined) fail(`"ram" ${fault}`);
  for (const [key, words] of [
    ["ports", PORTS],
    ["peers", BOARD_CLASSES],
  ] as const) {
    const list = board[key];
    if (!Array.isArray(list)) return fail(`"${key}" is missing or no list`);
    for (const word of list) {
      if (!(words as readonly unknown[]).includes(word)) {
        fail(`"${key}" holds ${JSON.stringify(word)}, none of ${words.join(", ")}`);
      }
    }
    if (new Set(list).size !== list.length) fail(`"${key}" names one twice`);
  }
  const ports = board.ports as PortName[];
  const expected = PORTS.slice(0, ports.length);
  if (ports.join() !== expected.join())
    fail(`"ports" are not those of the port table in its order: ${expected.join(", ")}`);
  return value as BoardFile;
}

/** Reads one board.json. */
export function readBoardFile(path: string): BoardFile {
  return parseBoardFile(readFileSync(path, "utf8"), basename(dirname(path)), path);
}

/** All boards under `directory`, by name. */
export function readBoards(directory: string): BoardFile[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
    .map((name) => readBoardFile(join(directory, name, "board.json")));
}
