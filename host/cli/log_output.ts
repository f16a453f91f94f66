/**
 * Where `cardcage up` writes its log: stdout, as text or with pino as JSON lines. Lines of a moment are written together: a write costs more
 * than a line does.
 */
import { pino } from "pino";
import { type Log, type LogRecord, type LogSettings, renderRecord } from "../operator/log.ts";
import { harmless, jsonText } from "./terminal.ts";

/** How long lines may wait for others, ms. */
const TOGETHER = 20;
let lines = "";
/** How lines get to where they are seen: past a line that changes, where there is one. */
let aside = (write: () => void): void => write();

/** From now on lines are written above what changes on the same terminal. */
export function logAbove(line: { aside: (write: () => void) => void }): void {
  aside = (write) => line.aside(write);
}

function write(line: string): void {
  if (lines === "") setTimeout(flush, TOGETHER).unref();
  lines += line;
}

/** Writes what waits. */
export function flush(): void {
  if (lines === "") return;
  const text = lines;
  lines = "";
  aside(() => void process.stdout.write(text));
}

// However the process ends, what was logged before is written. Files and pipes take it at once.
process.on("exit", flush);

/** Writes the records of a log down. */
export function writeLog(log: Log, { format }: Pick<LogSettings, "format">): void {
  if (format === "text") {
    log.onRecord((record) => write(`${harmless(renderRecord(record))}\n`));
    return;
  }
  const logger = pino(
    {
      level: "debug",
      base: undefined,
      timestamp: false,
      formatters: { level: (label) => ({ level: label }) },
    },
    // pino escapes what JSON has to; the rest of what a terminal acts on is escaped here.
    { write: (line: string) => write(`${jsonText(JSON.parse(line))}\n`) },
  );
  log.onRecord(({ level, msg, time, ...fields }: LogRecord) =>
    logger[level]({ time: new Date(time).toISOString(), ...fields }, msg),
  );
}
