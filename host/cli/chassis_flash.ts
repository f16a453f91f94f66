/** The chassis directory that a configuration names, opened for this process. */
import { fitsOf, SAS } from "../chassis/chassis.ts";
import { ChassisDirectory } from "../chassis/flash/directory.ts";
import { Flash } from "../chassis/flash/flash.ts";
import { allowBuild } from "../chassis/image.ts";
import type { PublicKey } from "../image/signature.ts";
import type { Configuration } from "../operator/configuration/compile.ts";
import type { GatewayOptions } from "../operator/gateway.ts";

export interface OpenedFlash {
  /** To be closed when the process is done with it. */
  directory: ChassisDirectory;
  flash: Flash;
  trusted: readonly PublicKey[];
  slots: readonly { slot: number; boardClass: string }[];
}

/** What the boards are to hold. */
export function capacities({
  chassis: { slots, saCapacity, ikeSaCapacity },
}: Configuration): Pick<GatewayOptions, "saCapacity" | "childSaCapacity" | "ikeSaCapacity"> {
  const boards = slots.filter(({ board }) => board === "ipsec");
  const childSas = boards.reduce((sum, { saCapacity: own }) => sum + (own ?? saCapacity ?? SAS), 0);
  const sized = saCapacity !== undefined || boards.some(({ saCapacity: own }) => own !== undefined);
  return {
    ...(saCapacity === undefined ? {} : { saCapacity }),
    ...(sized ? { childSaCapacity: Math.min(131072, childSas) } : {}),
    ...(ikeSaCapacity === undefined ? {} : { ikeSaCapacity }),
  };
}

/** Undefined: the configuration names none. Throws DirectoryInUse and ImageRefused. */
export async function openFlash(configuration: Configuration): Promise<OpenedFlash | undefined> {
  const { flash: settings, build, slots } = configuration.chassis;
  if (!settings) return undefined;
  allowBuild(build);
  const fits = fitsOf({ slots, ...capacities(configuration) }, settings.ramPages);
  return {
    ...(await openDirectory(settings.directory, settings.keys, fits)),
    slots: slots.map(({ slot, board }) => ({ slot, boardClass: board })),
  };
}

/** A chassis directory; without `fits` any slot takes what first went into it. Throws DirectoryInUse and ImageRefused. */
export async function openDirectory(
  path: string,
  trusted: readonly PublicKey[],
  fits?: ReturnType<typeof fitsOf>,
): Promise<OpenedFlash> {
  const directory = new ChassisDirectory(path);
  try {
    const flash = await Flash.open(directory, { trusted, ...(fits ? { slots: fits } : {}) });
    return { directory, flash, trusted, slots: flash.status.slots };
  } catch (error) {
    directory.close();
    throw error;
  }
}
