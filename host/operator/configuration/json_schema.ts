/**
 * A section of the configuration in JSON, and the JSON Schema (draft 07) of it: both made of the table that the parser reads by (schema.ts),
 * so that they cannot differ from it.
 *
 *   0 = ike                       "0": "ike"                     a word, a time or an amount is a string
 *   lease = 1024                  "lease": 1024                  a number a number, yes and no true and false
 *   image_keys = a.pub, b.pub     "image_keys": ["a.pub", ...]   a list an array
 *   log { level = warn }          "log": {"level": "warn"}       a section an object
 *
 * What the parser takes is valid. What is not valid the parser refuses; it refuses more, that no pattern tells: an address that is none, or
 * two settings that do not go together.
 */
import type { Section } from "./parser.ts";
import type { SectionSchema } from "./schema.ts";
import type { JsonKind, Reader } from "./value.ts";

type Schema = Record<string, unknown>;

function kindOf(read: Reader<unknown>, name: string): JsonKind {
  if (read.json === undefined) throw new Error(`${name}: its kind of value does not say what it is in JSON`);
  return read.json;
}

/** The schema of a section, with those within it. Throws for a setting whose kind of value has none. */
export function sectionSchema({
  settings,
  patterns = [],
  sections = {},
  sectionPatterns = [],
  each,
}: SectionSchema): Schema {
  const byPattern = new Map<string, Schema[]>();
  const add = (pattern: RegExp, schema: Schema): void => {
    byPattern.set(pattern.source, [...(byPattern.get(pattern.source) ?? []), schema]);
  };
  for (const { pattern, example, read } of patterns) add(pattern, kindOf(read, example).schema);
  for (const { pattern, schema } of sectionPatterns) add(pattern, sectionSchema(schema));
  const properties: Schema = {};
  for (const [name, read] of Object.entries(settings)) properties[name] = kindOf(read, name).schema;
  for (const [name, schema] of Object.entries(sections)) {
    const own = sectionSchema(schema);
    // `panel = 9816` and `panel { }` are the same thing, short and long.
    properties[name] = Object.hasOwn(properties, name) ? { anyOf: [properties[name], own] } : own;
  }
  const patternProperties = [...byPattern].map(([source, [one, ...more]]) => [
    source,
    more.length === 0 ? one : { anyOf: [one, ...more] },
  ]);
  return {
    type: "object",
    properties,
    ...(patternProperties.length === 0 ? {} : { patternProperties: Object.fromEntries(patternProperties) }),
    additionalProperties: each === undefined ? false : sectionSchema(each),
  };
}

/** A section as it was written, in JSON. What the schema does not know is left as text, and is not valid. */
export function sectionJson(section: Section, schema: SectionSchema): Record<string, unknown> {
  const json: Record<string, unknown> = {};
  for (const { name, value } of section.settings.values()) {
    // An empty assignment takes an inherited value back.
    if (value === "") continue;
    const read = Object.hasOwn(schema.settings, name)
      ? schema.settings[name]
      : schema.patterns?.find(({ pattern }) => pattern.test(name))?.read;
    json[name] = plain(value, read?.json);
  }
  for (const child of section.sections.values()) {
    const own =
      (schema.sections && Object.hasOwn(schema.sections, child.name) ? schema.sections[child.name] : undefined) ??
      schema.sectionPatterns?.find(({ pattern }) => pattern.test(child.name))?.schema ??
      schema.each;
    json[child.name] = sectionJson(child, own ?? { settings: {} });
  }
  return json;
}

function plain(text: string, json: JsonKind | undefined): unknown {
  try {
    return json?.plain === undefined ? text : json.plain(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return text;
  }
}
