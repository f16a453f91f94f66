/**
 * What an operator asks of the images of a running gateway: the commands `images`, `flash`, `image-test`, `image-confirm` and
 * `image-revert` of the control socket.
 *
 * Files are named by path and read here; the socket is open to the gateway's owner alone. Lint is for whoever has the file first
 * (host/cli/image.ts): the gateway believes the signature.
 */
import { isAbsolute, dirname, join } from "node:path";
import type { Chassis } from "../chassis/chassis.ts";
import type { Firmware, UpdateOptions, UpdateResult } from "../chassis/firmware.ts";
import type { Afterwards } from "../chassis/flash/change.ts";
import type { FlashRequest } from "../chassis/flash/flash.ts";
import type { FlashStatus } from "../chassis/flash/status.ts";
import { BANKS, type Bank } from "../chassis/flash/record.ts";
import { requestsOf } from "../chassis/flash/set.ts";
import { readImageOctets } from "../image/octets.ts";
import { ImageRefused } from "../image/refusal.ts";
import { openSet, parseSetFile } from "../image/set_file.ts";
import { checkSignature, type PublicKey } from "../image/signature.ts";

/** A request that makes no sense; the message is for people. */
export class ImageArgumentError extends RangeError {}

export type ImageArgs = Readonly<Record<string, unknown>>;

const AFTERWARDS: readonly Afterwards[] = ["nothing", "test", "confirm"];

/** The images of a set for these slots; whoever signed it has to be trusted. Throws ImageRefused, and Node's errors for files. */
export function readSet(
  path: string,
  trusted: readonly PublicKey[],
  slots: readonly { slot: number; boardClass: string }[],
): FlashRequest[] {
  const set = parseSetFile(readImageOctets(path));
  checkSignature(set.container, trusted);
  const members = openSet(set, (file) => readImageOctets(join(dirname(path), file)));
  return requestsOf(set, members, slots);
}

function firmwareOf({ firmware, name }: Chassis): Firmware {
  if (!firmware)
    throw new ImageArgumentError(`${name} does not boot from flash: its configuration names no chassis directory`);
  return firmware;
}

function slotOf(args: ImageArgs): number {
  const { slot } = args;
  if (typeof slot !== "number" || !Number.isInteger(slot)) throw new ImageArgumentError("a slot is wanted");
  return slot;
}

function slotsOf({ slots }: ImageArgs): number[] {
  if (!Array.isArray(slots) || slots.length === 0 || !slots.every((slot) => Number.isInteger(slot)))
    throw new ImageArgumentError("slots: a list of slots is wanted");
  return slots as number[];
}

function pathOf(args: ImageArgs): string {
  const { file } = args;
  if (typeof file !== "string" || !isAbsolute(file)) throw new ImageArgumentError("file: an absolute path is wanted");
  return file;
}

function updateOptions({ watch, force }: ImageArgs): Pick<UpdateOptions, "watch" | "force"> {
  if (watch === undefined) return { force: force === true };
  if (typeof watch !== "number" || !(watch >= 0 && watch <= 3600))
    throw new ImageArgumentError("watch: seconds from 0 to 3600 are wanted");
  return { watch: watch * 1000, force: force === true };
}

function requestsIn(chassis: Chassis, trusted: readonly PublicKey[], args: ImageArgs): FlashRequest[] {
  const path = pathOf(args);
  try {
    if (args["set"] === true) {
      const slots = chassis.show().slots.map(({ slot, board }) => ({ slot, boardClass: board }));
      return readSet(path, trusted, slots);
    }
    const { bank } = args;
    if (bank !== undefined && !BANKS.includes(bank as Bank)) throw new ImageArgumentError("bank: A or B is wanted");
    return [{ slot: slotOf(args), octets: readImageOctets(path), ...(bank ? { bank: bank as Bank } : {}) }];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof ImageRefused || code === undefined) throw error;
    throw new ImageArgumentError(`${path}: ${code}`);
  }
}

export interface FlashResult extends Omit<UpdateResult, "outcome"> {
  outcome: UpdateResult["outcome"] | "written";
}

/** The commands by their names. They throw ImageRefused and ImageArgumentError. */
export const IMAGE_COMMANDS: Readonly<
  Record<string, (chassis: Chassis, trusted: readonly PublicKey[], args: ImageArgs) => Promise<unknown>>
> = {
  images: (chassis): Promise<FlashStatus> => firmwareOf(chassis).flash.inspect(),
  flash: async (chassis, trusted, args): Promise<FlashResult> => {
    const firmware = firmwareOf(chassis);
    const afterwards = (args["then"] ?? "nothing") as Afterwards;
    if (!AFTERWARDS.includes(afterwards))
      throw new ImageArgumentError(`then: one of ${AFTERWARDS.join(", ")} is wanted`);
    const options = updateOptions(args);
    const requests = requestsIn(chassis, trusted, args);
    if (afterwards === "nothing") return { outcome: "written", slots: await firmware.write(requests) };
    return firmware.update(requests, { ...options, confirm: afterwards === "confirm" });
  },
  "image-test": (chassis, _trusted, args): Promise<FlashResult> =>
    firmwareOf(chassis).test(slotsOf(args), updateOptions(args)),
  "image-confirm": async (chassis) => ({ confirmed: await firmwareOf(chassis).confirm() }),
  "image-revert": async (chassis) => ({ reverted: await firmwareOf(chassis).revert() }),
};
