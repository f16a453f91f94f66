/**
 * What `cardcage flash` and `cardcage image list`, `test`, `confirm` and `revert` do with the flash of a chassis.
 *
 * It is that of a running gateway (its control socket), or of a chassis directory that no gateway has: --config names a gateway's
 * configuration, --flash the directory itself with --key for whom to trust.
 */
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { FlashStatus } from "../chassis/flash/status.ts";
import type { Bank } from "../chassis/flash/record.ts";
import { parseImageFile } from "../image/image_file.ts";
import { readImageOctets } from "../image/octets.ts";
import { openSet, parseSetFile } from "../image/set_file.ts";
import { type FlashResult, readSet } from "../operator/images.ts";
import { ask } from "./ask.ts";
import { openDirectory, type OpenedFlash, openFlash } from "./chassis_flash.ts";
import { readConfiguration, tellProblems } from "./configuration_file.ts";
import { EXIT_FAILED, EXIT_OK } from "./exit.ts";
import { integerOf, keysOf, type Options } from "./image_actions.ts";
import { meanwhile } from "./progress.ts";
import { renderFlash, renderFlashResult } from "./render_image.ts";
import { harmlessDeep, print, printJson } from "./terminal.ts";
import { WrongUsage } from "./wrong_usage.ts";

/** Flash of a chassis directory, when the command line names one; `work` has it alone. */
async function offline<T>(
  options: Options,
  work: (opened: OpenedFlash) => Promise<T>,
): Promise<{ result: T } | undefined> {
  if (options.config === undefined && options.flash === undefined) return undefined;
  let opened: OpenedFlash | undefined;
  if (options.config !== undefined) {
    const checked = readConfiguration(options.config);
    tellProblems(checked);
    if (!checked.configuration) throw new WrongUsage(`${options.config}: the configuration is wrong`);
    opened = await openFlash(checked.configuration);
    if (!opened) throw new WrongUsage(`${options.config}: names no chassis directory (chassis { flash = DIR })`);
  } else {
    if (!existsSync(options.flash as string)) throw new WrongUsage(`${options.flash}: there is no such directory`);
    opened = await openDirectory(options.flash as string, keysOf(options));
  }
  try {
    return { result: await work(opened) };
  } finally {
    opened.directory.close();
  }
}

export interface FlashOptions extends Options {
  set?: boolean;
  test?: boolean;
  confirm?: boolean;
  slot?: string;
  watch?: string;
  force?: boolean;
}

const slotOf = (text: string): number => integerOf(text, "a slot", 63);

/** What only a gateway that runs is told. */
const running = ({ watch, force }: Pick<FlashOptions, "watch" | "force">): object => ({
  ...(watch === undefined ? {} : { watch: Number(watch) }),
  ...(force ? { force } : {}),
});

export async function flash(words: readonly string[], options: FlashOptions): Promise<number> {
  if (options.test && options.confirm) throw new WrongUsage("--test or --confirm, not both");
  if (options.set ? words.length !== 1 : words.length !== 2)
    throw new WrongUsage("flash N FILE.cci, or flash --set FILE.ccm");
  if (options.slot !== undefined && (options.set || !/^[AB]$/.test(options.slot)))
    throw new WrongUsage("--slot is A or B, of one image");
  const file = resolve(words.at(-1) as string);
  const then = options.confirm ? "confirm" : options.test ? "test" : "nothing";
  const bank = options.slot as Bank | undefined;
  // What is no board must not get as far as a slot; whom it is from is for the flash to say.
  const octets = readImageOctets(file);
  await meanwhile({ ...options, atOnce: true }, `lint ${file}`, async (say) => {
    const { lintPayload } = await import("../image/verify.ts");
    if (!options.set) return lintPayload(parseImageFile(octets));
    for (const { image } of openSet(parseSetFile(octets), (name) => readImageOctets(resolve(dirname(file), name)))) {
      say(image.facts.name);
      lintPayload(image);
    }
  });
  const done = await offline(options, async ({ flash: target, trusted, slots }): Promise<FlashResult> => {
    const requests = options.set
      ? readSet(file, trusted, slots)
      : [{ slot: slotOf(words[0] as string), octets, ...(bank ? { bank } : {}) }];
    const written = await target.write(requests, then);
    return { outcome: then === "nothing" ? "written" : then === "test" ? "testing" : "confirmed", slots: written };
  });
  const result =
    done?.result ??
    ((await ask(options, "flash", {
      file,
      then,
      ...(options.set ? { set: true } : { slot: slotOf(words[0] as string) }),
      ...(bank ? { bank } : {}),
      ...running(options),
    })) as FlashResult);
  return tell(options, result, done !== undefined);
}

function tell(options: Options, said: FlashResult, atReset: boolean): number {
  const result = harmlessDeep(said);
  if (options.json) printJson(result);
  else print(renderFlashResult(result, atReset));
  return result.outcome === "reverted" ? EXIT_FAILED : EXIT_OK;
}

export async function list(options: Options): Promise<number> {
  const inspects = options.config !== undefined || (options.key ?? []).length > 0;
  const done = await offline(options, ({ flash: target }) =>
    inspects ? target.inspect() : Promise.resolve(target.status),
  );
  const status = done?.result ?? ((await ask(options, "images")) as FlashStatus);
  if (options.json) printJson(harmlessDeep(status));
  else print(renderFlash(status));
  return EXIT_OK;
}

export async function test(words: readonly string[], options: Options & { watch?: string }): Promise<number> {
  const slots = words.map(slotOf);
  const done = await offline(
    options,
    async ({ flash: target }): Promise<FlashResult> => ({ outcome: "testing", slots: await target.test(slots) }),
  );
  const result = done?.result ?? ((await ask(options, "image-test", { slots, ...running(options) })) as FlashResult);
  return tell(options, result, done !== undefined);
}

export async function settle(what: "confirm" | "revert", options: Options): Promise<number> {
  const done = await offline(options, async ({ flash: target }) =>
    what === "confirm" ? target.confirm() : (await target.revert()).map(({ slot }) => slot),
  );
  const word = what === "confirm" ? "confirmed" : "reverted";
  const slots = done?.result ?? ((await ask(options, `image-${what}`)) as Record<string, number[]>)[word]!;
  if (options.json) printJson({ [word]: slots });
  else print(`${word}: slot ${slots.join(", ")}\n`);
  return EXIT_OK;
}
