/**
 * The words of `cardcage image ...` and `cardcage flash ...`. What they do is loaded when one of them is used: with files
 * (image_actions.ts), with flash (flash_actions.ts).
 */
import { type Command, Option } from "commander";
import type * as flashActions from "./flash_actions.ts";
import type * as imageActions from "./image_actions.ts";

type Actions = typeof imageActions & typeof flashActions;
type Options = imageActions.Options;

const more = (value: string, all: string[] = []): string[] => [...all, value];

/** Adds `image` and `flash` to the command line; `done` is told the exit code of what ran. */
export function addImageCommands(root: Command, done: (code: number) => void): void {
  /** Carries out an action; `subject` is what its refusals are about. */
  const run = async (
    options: Options,
    subject: string,
    action: (actions: Actions) => Promise<number> | number,
  ): Promise<void> => {
    const loaded = { ...(await import("./image_actions.ts")), ...(await import("./flash_actions.ts")) };
    done(await loaded.outcome(options, subject, () => action(loaded)));
  };
  const json = (command: Command): Command => command.option("--json", "JSON instead of text");
  const target = (command: Command): Command =>
    json(command)
      .option("--socket <path>", "the control socket of the gateway that runs")
      .option("--config <file>", "instead of a gateway: the chassis directory that this configuration names")
      .option("--flash <directory>", "instead of a gateway: this chassis directory")
      .option("--key <file>", "with --flash: a public key to trust; may be given again", more);
  const image = root.command("image").description("firmware images: build, sign, look at, keep or take back");

  json(image.command("keygen").description("make a pair of keys to sign images with"))
    .argument("<file>", "the private key; the public one is FILE.pub")
    .action(async (file: string, options: Options) => run(options, file, (does) => does.keygen(file, options)));
  json(image.command("build").description("make an image of a module, or a set of images"))
    .argument("<out>", "OUT.cci or OUT.ccm")
    .argument("<file...>", "a .wasm file; or .cci files beside the set, N=FILE.cci for slot N alone")
    .option("--image-version <version>", "1.2.3 or 1.2.3+4 (default: the module's)")
    .option("--security-counter <number>", "images with an older one do not boot behind it", "0")
    .option("--depends <class>=<version>", "ike>=1.2.3: another board that has to be there; may be given again", more)
    .action(async (out: string, files: string[], options: imageActions.BuildOptions) =>
      run(options, out, (does) => does.build(out, files, options)),
    );
  json(image.command("sign").description("sign an image or a set (Ed25519)"))
    .argument("<file>")
    .requiredOption("--signing-key <file>", "the private key")
    .option("--output <file>", "where to (default: the same file)")
    .action(async (file: string, options: Options & { signingKey: string; output?: string }) =>
      run(options, file, (does) => does.signFile(file, options)),
    );
  json(image.command("info").description("what an image or a set says of itself"))
    .argument("<file>")
    .action(async (file: string, options: Options) => run(options, file, (does) => does.info(file, options)));
  json(image.command("verify").description("verify form, digest, signature and board ABI of an image or a set"))
    .argument("<file>")
    .option("--key <file>", "a public key to trust; may be given again", more)
    .action(async (file: string, options: Options) => run(options, file, (does) => does.verify(file, options)));
  target(image.command("list").description("what is in the banks of every slot")).action(async (options: Options) =>
    run(options, "image list", (does) => does.list(options)),
  );
  target(
    image.command("test").description("boot the other banks of slots, until the next reset unless they are confirmed"),
  )
    .argument("<number...>", "the slots")
    .option("--watch <seconds>", "how long a running gateway watches each board")
    .option("--force", "though some of a board's CHILD_SAs have no other board")
    .action(async (slots: string[], options: flashActions.FlashOptions) =>
      run(options, "image test", (does) => does.test(slots, options)),
    );
  target(image.command("confirm").description("keep the images under test")).action(async (options: Options) =>
    run(options, "image confirm", (does) => does.settle("confirm", options)),
  );
  target(image.command("revert").description("take the images under test back")).action(async (options: Options) =>
    run(options, "image revert", (does) => does.settle("revert", options)),
  );
  target(root.command("flash").description("write an image into a slot's other bank, or a set into those of all slots"))
    .argument("<words...>", "N FILE.cci, or with --set FILE.ccm")
    .option("--set", "a set: all of it or nothing")
    .option("--test", "boot it: a running gateway at once, until the next reset unless it is confirmed")
    .option("--confirm", "boot it for good: a running gateway tests it first")
    .addOption(new Option("--slot <bank>", "the one that does not boot (default: that one)").choices(["A", "B"]))
    .option("--watch <seconds>", "how long a running gateway watches each board")
    .option("--force", "though some of a board's CHILD_SAs have no other board")
    .action(async (words: string[], options: flashActions.FlashOptions) =>
      run(options, words.at(-1) as string, (does) => does.flash(words, options)),
    );
}
