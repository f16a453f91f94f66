/**
 * The gateway's log: records with a level, an area and what they are about (slot, connection, SPIs), through thresholds by area and slot and
 * a rate limit by area, into a ring that `cardcage log` reads and to whoever writes them down.
 *
 * The rate limit is a bucket: an area may write BURST records at once and `rate` a second over time. What peers provoke (alerts of refused
 * negotiations) must not fill a disk; what is left out is counted, and told with the next record that passes. Errors always pass.
 */
import type { GatewayEvent } from "./gateway.ts";

/** Most urgent first. `silent` is a threshold only. */
export const LEVELS = ["silent", "error", "warn", "info", "debug"] as const;
export type Threshold = (typeof LEVELS)[number];
export type Level = Exclude<Threshold, "silent">;

/** ike: IKE_SAs, CHILD_SAs and their peers; board: boards, their images and alarms; placement: which board has which SA; gateway: all else. */
export const AREAS = ["ike", "board", "placement", "gateway"] as const;
export type Area = (typeof AREAS)[number];

export interface LogSettings {
  format: "text" | "json";
  /** Of all areas that have none of their own. */
  level: Threshold;
  areas: Partial<Record<Area, Threshold>>;
  /** Of records about a slot, in place of their area's. */
  slots: Readonly<Record<number, Threshold>>;
  /** Records of an area a second; 0: no limit. */
  rate: number;
}

export const LOG_DEFAULTS: LogSettings = { format: "text", level: "info", areas: {}, slots: {}, rate: 100 };

/** Records of an area at once, in seconds of its rate. */
const BURST_SECONDS = 10;
/** Records that `cardcage log` finds. */
const RING = 1000;

export interface LogRecord {
  /** Milliseconds since 1970. */
  time: number;
  level: Level;
  area: Area;
  msg: string;
  /** Records of the area that the rate limit left out before this one. */
  suppressed?: number;
  /** Of an event: its kind and what it is about. */
  kind?: string;
  slot?: number;
  generation?: number;
  connection?: string;
  child?: string;
  "spi-in"?: string;
  "spi-out"?: string;
}

const AREA_OF_KIND: Readonly<Record<string, Area>> = {
  "board-updown": "board",
  "board-trap": "board",
  "board-drained": "board",
  restored: "board",
  "image-state": "board",
  "sa-placed": "placement",
  "sa-moved": "placement",
  "sa-refused": "placement",
};

function areaOf(event: GatewayEvent): Area {
  // The chassis's alarms are alerts, too.
  if (event.kind === "alert" && "alarm" in event) return "board";
  return AREA_OF_KIND[event.kind] ?? "ike";
}

function levelOf(event: GatewayEvent): Level {
  if (event.kind === "board-trap") return "error";
  if (event.kind !== "alert") return event.kind === "sa-refused" ? "warn" : "info";
  return "severity" in event && event.severity === "major" && event.raised ? "error" : "warn";
}

const ABOUT = ["slot", "generation", "connection", "child", "spi-in", "spi-out"] as const;

interface Bucket {
  tokens: number;
  filled: number;
  suppressed: number;
}

export class Log {
  readonly #settings: LogSettings;
  readonly #now: () => number;
  readonly #sinks = new Set<(record: LogRecord) => void>();
  readonly #buckets = new Map<Area, Bucket>();
  readonly #ring: LogRecord[] = [];

  /** `now`: milliseconds since 1970. */
  constructor(settings: LogSettings = LOG_DEFAULTS, now: () => number = () => Date.now()) {
    this.#settings = settings;
    this.#now = now;
  }

  /** Calls back for every record that passes; returns an unsubscriber. */
  onRecord(sink: (record: LogRecord) => void): () => void {
    this.#sinks.add(sink);
    return () => this.#sinks.delete(sink);
  }

  /** The last records, oldest first. */
  get recent(): readonly LogRecord[] {
    return this.#ring;
  }

  /** Does a record of this level, area and slot pass the thresholds? */
  passes(level: Level, area: Area, slot?: number): boolean {
    const { level: standard, areas, slots } = this.#settings;
    const threshold = (slot === undefined ? undefined : slots[slot]) ?? areas[area] ?? standard;
    return LEVELS.indexOf(level) <= LEVELS.indexOf(threshold);
  }

  /** What the gateway itself has to say. */
  say(level: Level, msg: string): void {
    this.#write(level, "gateway", undefined, (time) => ({ time, level, area: "gateway", msg }));
  }

  /** An event; `render` says what it is for people, and is asked only when the record passes. */
  event(event: GatewayEvent, render: (event: GatewayEvent) => string): void {
    const [level, area] = [levelOf(event), areaOf(event)];
    this.#write(level, area, "slot" in event ? event.slot : undefined, (time) => {
      const about: Record<string, unknown> = {};
      for (const key of ABOUT) {
        const value = (event as unknown as Record<string, unknown>)[key];
        if (value !== undefined) about[key] = value;
      }
      return { time, level, area, kind: event.kind, ...about, msg: render(event) };
    });
  }

  /** Most records of a busy gateway are left out: what they say is put together only for those that are not. */
  #write(level: Level, area: Area, slot: number | undefined, record: (time: number) => LogRecord): void {
    if (!this.passes(level, area, slot)) return;
    const time = this.#now();
    const suppressed = this.#limit(level, area, time);
    if (suppressed === undefined) return;
    const whole = suppressed > 0 ? { ...record(time), suppressed } : record(time);
    if (this.#ring.push(whole) > RING) this.#ring.shift();
    for (const sink of this.#sinks) sink(whole);
  }

  /** Records left out before this one; undefined: this one is left out. */
  #limit(level: Level, area: Area, time: number): number | undefined {
    const { rate } = this.#settings;
    if (rate === 0) return 0;
    const most = rate * BURST_SECONDS;
    const bucket = this.#buckets.get(area) ?? { tokens: most, filled: time, suppressed: 0 };
    this.#buckets.set(area, bucket);
    bucket.tokens = Math.min(most, bucket.tokens + (Math.max(0, time - bucket.filled) * rate) / 1000);
    bucket.filled = time;
    if (bucket.tokens < 1 && level !== "error") {
      bucket.suppressed += 1;
      return undefined;
    }
    bucket.tokens = Math.max(0, bucket.tokens - 1);
    const { suppressed } = bucket;
    bucket.suppressed = 0;
    return suppressed;
  }
}

/** What of the log a reader wants. */
export interface LogFilter {
  slot?: number;
  area?: Area;
  level?: Level;
}

export const wanted = (record: LogRecord, { slot, area, level }: LogFilter): boolean =>
  (slot === undefined || record.slot === slot) &&
  (area === undefined || record.area === area) &&
  (level === undefined || LEVELS.indexOf(record.level) <= LEVELS.indexOf(level));

/** One line of text. */
export function renderRecord({ time, level, msg, suppressed }: LogRecord): string {
  const urgent = level === "info" || level === "debug" ? "" : `${level}: `;
  const left = suppressed === undefined ? "" : ` (${suppressed} records before it were left out)`;
  return `${new Date(time).toISOString()} ${urgent}${msg}${left}`;
}
