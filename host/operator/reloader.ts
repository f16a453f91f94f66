/**
 * Who has a gateway's configuration: reads a file anew, says what it changes, and has the gateway and what belongs to it (the network of
 * this machine) take it over. One reload at a time.
 */
import type { Configuration } from "./configuration/compile.ts";
import { loadConfiguration, renderError } from "./configuration/configuration.ts";
import type { ConfigurationError } from "./configuration/parser.ts";
import type { ReloadOrder } from "./commands.ts";
import type { Gateway } from "./gateway.ts";
import { differenceOf, type Loaded, loadedOf, type ReloadResult } from "./reload.ts";

const told = (problems: readonly ConfigurationError[]): ReloadResult["problems"] =>
  problems.map((problem) => ({ ...problem, text: renderError(problem) }));

export class Reloader {
  readonly #gateway: Pick<Gateway, "reload">;
  readonly #network: (configuration: Configuration) => Promise<void>;
  #file: string;
  #loaded: Loaded;
  #turn: Promise<unknown> = Promise.resolve();

  /** `network` makes routes and addresses those of a configuration, before its connections are loaded. */
  constructor(
    gateway: Pick<Gateway, "reload">,
    file: string,
    configuration: Configuration,
    network: (configuration: Configuration) => Promise<void> = () => Promise.resolve(),
  ) {
    this.#gateway = gateway;
    this.#file = file;
    this.#loaded = loadedOf(configuration);
    this.#network = network;
  }

  /** Throws CommandError when the gateway does not take a part of what was found to be sound. */
  reload(order: ReloadOrder): Promise<ReloadResult> {
    const turn = this.#turn.then(() => this.#reload(order));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #reload({ file = this.#file, dryRun }: ReloadOrder): Promise<ReloadResult> {
    const read = loadConfiguration(file);
    if ("errors" in read) return { file, applied: false, problems: told(read.errors), refused: [] };
    const { configuration, warnings } = read;
    const after = loadedOf(configuration);
    const { difference, refused } = differenceOf(this.#loaded, after);
    const apply = !dryRun && refused.length === 0;
    if (apply) {
      await this.#network(configuration);
      await this.#gateway.reload(configuration, difference);
      // The chassis stays what it was fitted as: what waits for a restart is told again by the next reload.
      this.#loaded = { ...after, chassis: this.#loaded.chassis };
      this.#file = file;
    }
    for (const { secret } of configuration.secrets) secret.fill(0);
    return { file, applied: apply, problems: told(warnings), refused, difference };
  }
}
