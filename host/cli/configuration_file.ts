/** A configuration file of the command line: read, or told what is wrong with it on stderr. */
import type { Configuration } from "../operator/configuration/compile.ts";
import { loadConfiguration, renderError } from "../operator/configuration/configuration.ts";
import type { ConfigurationError } from "../operator/configuration/parser.ts";
import { complain } from "./terminal.ts";

export interface CheckedFile {
  configuration: Configuration | undefined;
  /** Its chassis section in JSON, when the file is right. */
  chassis?: Record<string, unknown>;
  errors: ConfigurationError[];
  warnings: ConfigurationError[];
}

export function readConfiguration(file: string): CheckedFile {
  const loaded = loadConfiguration(file);
  if ("errors" in loaded) {
    return {
      configuration: undefined,
      errors: loaded.errors.filter(({ warning }) => !warning),
      warnings: loaded.errors.filter(({ warning }) => warning),
    };
  }
  const { configuration, chassis, warnings } = loaded;
  return { configuration, chassis, errors: [], warnings };
}

/** Writes errors and warnings to stderr, a line each. */
export function tellProblems({ errors, warnings }: CheckedFile): void {
  for (const error of errors) complain(renderError(error));
  for (const warning of warnings) complain(`warning: ${renderError(warning)}`);
}
