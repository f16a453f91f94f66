/** The settings of a chassis that boots from flash: the chassis directory, whose images are taken, and the RAM of a slot. */
import { resolve } from "node:path";
import { PAGE_OCTETS } from "../../chassis/image.ts";
import { KeyError, type PublicKey, readPublicKey } from "../../image/signature.ts";
import type { Place } from "./parser.ts";
import type { Values } from "./schema.ts";

export interface FlashSettings {
  /** The chassis directory. */
  directory: string;
  /** Whose images are taken. */
  keys: readonly PublicKey[];
  /** RAM that a slot has, pages. */
  ramPages: number;
}

/** All that WebAssembly has. */
const RAM_PAGES_MAX = 65536;

/** Reads them from the chassis section; `directory` is where the configuration lies, for relative paths. */
export function readFlash(
  section: Values,
  directory: string | undefined,
  error: (place: Place, word: string, message: string) => void,
): FlashSettings | undefined {
  const {
    flash,
    image_keys: files = [],
    slot_ram: ram,
  } = section.values as {
    flash?: string;
    image_keys?: readonly string[];
    slot_ram?: bigint;
  };
  const placeOf = (setting: string): Place => section.settings.get(setting) ?? section;
  if (flash === undefined) {
    for (const setting of ["image_keys", "slot_ram"]) {
      if (section.values[setting] !== undefined)
        error(placeOf(setting), setting, `${setting} is about images in flash, and flash names no directory`);
    }
    return undefined;
  }
  if (files.length === 0)
    error(placeOf("flash"), "flash", "image_keys has to name the public keys of those whose images are taken");
  const pages = ram === undefined ? RAM_PAGES_MAX : Number(ram / BigInt(PAGE_OCTETS));
  if (pages < 1 || pages > RAM_PAGES_MAX) error(placeOf("slot_ram"), "slot_ram", "slot_ram is 64k to 4g");
  const keys: PublicKey[] = [];
  for (const file of files) {
    try {
      keys.push(readPublicKey(resolve(directory ?? ".", file)));
    } catch (problem) {
      if (!(problem instanceof KeyError)) throw problem;
      error(placeOf("image_keys"), file, `image_keys: ${problem.message}`);
    }
  }
  return { directory: resolve(directory ?? ".", flash), keys, ramPages: pages };
}
