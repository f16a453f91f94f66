/**
 * `npm run schema`: JSON Schemas (draft-07) of what every command writes with --json, made of the types in host/cli/results.ts, into
 * docs/schema/. Comments of the types become descriptions.
 *
 *   docs/schema/<command>.schema.json     image list is image_list
 *   docs/schema/failure.schema.json       what any of them writes instead when it fails
 *   docs/schema/chassis-file.schema.json  the chassis section of a configuration, of the parser's own table
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { format } from "prettier";
import { createGenerator, type Schema } from "ts-json-schema-generator";
import { sectionSchema } from "../operator/configuration/json_schema.ts";
import { CHASSIS } from "../operator/configuration/schema.ts";
import { SCHEMA_VERSION } from "../cli/results.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const SCHEMA_DIRECTORY = join(ROOT, "docs/schema");
export const CHASSIS_FILE = "chassis-file.schema.json";

/** Definitions that `schema` comes to, by whatever way. */
function reached(schema: unknown, definitions: Record<string, unknown>, found = new Set<string>()): Set<string> {
  if (typeof schema !== "object" || schema === null) return found;
  for (const [key, value] of Object.entries(schema)) {
    if (key !== "$ref") reached(value, definitions, found);
    else {
      const name = decodeURIComponent(String(value).replace("#/definitions/", ""));
      if (found.has(name)) continue;
      found.add(name);
      reached(definitions[name], definitions, found);
    }
  }
  return found;
}

const textOf = (document: object): Promise<string> =>
  format(JSON.stringify(document), { parser: "json", printWidth: 120 });

/** The schema of the chassis section, made of the table that the parser reads by. */
export const chassisSchema = (): object => ({
  $schema: "http://json-schema.org/draft-07/schema#",
  $id: `urn:cardcage:configuration:chassis:${SCHEMA_VERSION}`,
  title: "The chassis section of a configuration, in JSON",
  ...sectionSchema(CHASSIS),
});

/** The schemas by file name, as text in the project's format. */
export async function makeSchemas(): Promise<Map<string, string>> {
  const whole = createGenerator({
    path: join(ROOT, "host/cli/results.ts"),
    tsconfig: join(ROOT, "tsconfig.json"),
    type: "CommandResults",
    // The project's own check of types is npm run typecheck.
    skipTypeCheck: true,
    expose: "export",
    topRef: false,
    additionalProperties: false,
  });
  const results = whole.createSchema("CommandResults");
  const failure = whole.createSchema("Failure");
  const definitions = { ...failure.definitions, ...results.definitions } as Record<string, unknown>;
  const commands = { ...(results.properties as Record<string, Schema>), failure };
  const files = new Map<string, string>();
  for (const [name, { $schema: _schema, definitions: _definitions, $ref, ...schema }] of Object.entries(commands)) {
    // Draft 07 passes over whatever stands beside a $ref.
    const own = $ref === undefined ? schema : { allOf: [{ $ref }] };
    const used = [...reached(own, definitions)].sort();
    const document = {
      $schema: "http://json-schema.org/draft-07/schema#",
      $id: `urn:cardcage:cli:${name}:${SCHEMA_VERSION}`,
      ...own,
      ...(used.length === 0 ? {} : { definitions: Object.fromEntries(used.map((one) => [one, definitions[one]])) }),
    };
    files.set(`${name}.schema.json`, await textOf(document));
  }
  files.set(CHASSIS_FILE, await textOf(chassisSchema()));
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(SCHEMA_DIRECTORY, { recursive: true });
  for (const [file, text] of await makeSchemas()) writeFileSync(join(SCHEMA_DIRECTORY, file), text);
}
