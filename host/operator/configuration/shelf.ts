/** Slots whose boards are in shelves: `links = remote`, `shelf_key`, and `remote` of each such slot. */
import { resolve } from "node:path";
import type { SlotPlan } from "../../chassis/chassis.ts";
import { KeyFileError, readShelfKey } from "../../chassis/remote/key_file.ts";
import type { Place } from "./parser.ts";
import type { Values } from "./schema.ts";

/** The shelf of each slot that has one, from the chassis section; `directory` is where the configuration lies, for relative paths. */
export function readShelves(
  section: Values,
  directory: string | undefined,
  error: (place: Place, word: string, message: string) => void,
): Map<number, NonNullable<SlotPlan["shelf"]>> {
  const { links, shelf_key: key, drive } = section.values as Partial<Record<string, string>>;
  const placeOf = (values: Values, setting: string): Place => values.settings.get(setting) ?? values;
  const keyFile = key === undefined ? "" : resolve(directory ?? ".", key);
  const shelves = new Map<number, NonNullable<SlotPlan["shelf"]>>();
  for (const bay of section.sections.get("slots")?.sections.values() ?? []) {
    const place = bay.values["remote"] as { host: string; port: number } | undefined;
    if (place === undefined) continue;
    if (links !== "remote")
      error(placeOf(bay, "remote"), "remote", `remote: slot ${bay.name} is in a shelf, which wants links = remote`);
    shelves.set(Number(bay.name), { ...place, keyFile });
  }
  if (links !== "remote") {
    if (key !== undefined) error(placeOf(section, "shelf_key"), "shelf_key", "shelf_key wants links = remote");
    return shelves;
  }
  if (shelves.size === 0)
    error(
      placeOf(section, "links"),
      "remote",
      "links = remote: no slot says where its shelf is: 2 { board = ipsec  remote = 192.0.2.9 }",
    );
  if (drive === "lockstep")
    error(placeOf(section, "drive"), "lockstep", "drive = lockstep runs on a virtual clock, and shelves do not");
  if (key === undefined)
    error(
      placeOf(section, "links"),
      "remote",
      "links = remote: shelf_key has to name the file of the key that the shelves have, too",
    );
  else readable(keyFile, (message) => error(placeOf(section, "shelf_key"), key, `shelf_key: ${message}`));
  return shelves;
}

function readable(file: string, error: (message: string) => void): void {
  try {
    readShelfKey(file).fill(0);
  } catch (problem) {
    if (!(problem instanceof KeyFileError)) throw problem;
    error(problem.message);
  }
}
