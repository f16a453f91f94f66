/** `cardcage check FILE`: what is wrong with a configuration, and what it would run on. */
import { renderError } from "../operator/configuration/configuration.ts";
import { readConfiguration, tellProblems } from "./configuration_file.ts";
import { EXIT_OK, EXIT_USAGE } from "./exit.ts";
import { print, printJson } from "./terminal.ts";

/** 2 when the file is wrong. */
export function check(file: string, options: { json?: boolean }): number {
  const checked = readConfiguration(file);
  const { configuration, chassis, errors, warnings } = checked;
  if (options.json) {
    const plain = [...errors, ...warnings].map((problem) => ({ ...problem, text: renderError(problem) }));
    printJson({ ok: configuration !== undefined, problems: plain, ...(chassis === undefined ? {} : { chassis }) });
  } else {
    tellProblems(checked);
    if (configuration) {
      const { connections, chassis } = configuration;
      const boards = chassis.slots.map(({ slot, board }) => `${slot} ${board}`).join(", ");
      print(`${file}: ok: ${connections.length} connections, slots ${boards}, ${chassis.link} links\n`);
    }
  }
  return configuration ? EXIT_OK : EXIT_USAGE;
}
