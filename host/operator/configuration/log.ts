/** `chassis { log { ... } }`: how the log is written, and how much of it, by area and by slot. */
import { AREAS, LOG_DEFAULTS, LEVELS, type LogSettings, type Threshold } from "../log.ts";
import type { SectionSchema, Values } from "./schema.ts";
import { integer, word } from "./value.ts";

const level = word(Object.fromEntries(LEVELS.map((name) => [name, name])) as Record<Threshold, Threshold>);
/** Records of an area a second. */
const RATE_MAX = 100_000;

export const LOG: SectionSchema = {
  settings: {
    format: word({ text: "text", json: "json" }),
    level,
    rate: integer(0, RATE_MAX),
    ...Object.fromEntries(AREAS.map((area) => [area, level])),
  },
  sections: {
    slots: { settings: {}, patterns: [{ pattern: /^([0-9]|[1-5][0-9]|6[0-3])$/, example: "1", read: level }] },
  },
};

/** Of the section, or what holds without one. */
export function logSettings(section: Values | undefined): LogSettings {
  const v = (section?.values ?? {}) as Record<string, never>;
  const areas = AREAS.flatMap((area) => (v[area] === undefined ? [] : [[area, v[area]] as const]));
  return {
    format: v["format"] ?? LOG_DEFAULTS.format,
    level: v["level"] ?? LOG_DEFAULTS.level,
    areas: Object.fromEntries(areas),
    slots: { ...(section?.sections.get("slots")?.values as Record<number, Threshold> | undefined) },
    rate: v["rate"] ?? LOG_DEFAULTS.rate,
  };
}
