/** The gateway's configuration: a file in swanctl.conf's syntax, or all that is wrong with it. */
import { dirname } from "node:path";
import { compile, type Configuration } from "./compile.ts";
import { type ConfigurationError, parseFile, parseText, type Section } from "./parser.ts";
import { sectionJson } from "./json_schema.ts";
import { CHASSIS, markTemplates, readSection, ROOT } from "./schema.ts";

export type Loaded =
  | { configuration: Configuration; chassis: Record<string, unknown>; warnings: ConfigurationError[] }
  | { errors: ConfigurationError[] };

/** Reads and checks a file. */
export function loadConfiguration(path: string): Loaded {
  return finish(parseFile(path), dirname(path));
}

/** The same for text; `file` names it in errors, `directory` is where keys and certificates are. */
export function loadConfigurationText(text: string, file: string, directory?: string): Loaded {
  return finish(parseText(text, file), directory);
}

function finish({ root, errors }: { root: Section; errors: ConfigurationError[] }, directory?: string): Loaded {
  if (errors.length > 0) return { errors };
  markTemplates(root);
  const values = readSection(root, ROOT, errors);
  const { configuration, errors: more } = compile(values, directory);
  const all = [...errors, ...more].sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
  return all.some((error) => !error.warning)
    ? { errors: all }
    : { configuration, chassis: chassisJson(root), warnings: all };
}

/** The chassis section as docs/schema/chassis-file.schema.json has it. */
function chassisJson(root: Section): Record<string, unknown> {
  const section = root.sections.get("chassis");
  return section ? sectionJson(section, CHASSIS) : {};
}

/** `net.conf:12: unknown setting 'remote_adrs' in section 'connections.gw' (did you mean 'remote_addrs'?)` */
export const renderError = ({ file, line, message, nearest }: ConfigurationError): string =>
  `${file}:${line}: ${message}${nearest ? ` (did you mean '${nearest}'?)` : ""}`;
