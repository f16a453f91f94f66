/**
 * What a person sees of work that takes long: one line on stderr that is drawn over and over and gone when the work is done.
 *
 *   / slot 3 offline, 4 s: sa-moved connection gw-gw child net slot 1
 *
 * Only where stderr is a terminal that can erase a line, never with --json, and not before the work has taken a moment: scripts, pipes
 * and whatever is done at once see nothing of it.
 */
import { isatty } from "node:tty";
import { harmless } from "./terminal.ts";

/** Milliseconds without a line, and from one drawing to the next. */
const PATIENCE_MS = 700;
const DRAW_MS = 250;
const FRAMES = ["|", "/", "-", "\\"] as const;
/** To the line's beginning, and erase it (ECMA-48). */
const ERASE = "\r\u001b[K";

/** Where the line is drawn. */
export interface ProgressScreen {
  /** Does somebody look at it who can be shown a line that changes? */
  watched: boolean;
  columns: () => number;
  write: (text: string) => void;
}

const STDERR: ProgressScreen = {
  get watched() {
    return isatty(2) && process.env["TERM"] !== "dumb";
  },
  // A terminal that does not say how wide it is says 0.
  columns: () => process.stderr.columns || 80,
  write: (text) => void process.stderr.write(text),
};

interface ProgressOptions {
  json?: boolean;
  /** For work that leaves no time to draw in: the line is there before it begins, and changes with what it says. */
  atOnce?: boolean;
}

/** Is a line drawn for a command with these options? */
export const showsProgress = ({ json = false }: { json?: boolean }, screen = STDERR): boolean =>
  !json && screen.watched;

/** The line itself. It is drawn from `begin` to `end`, where somebody looks. */
export class ProgressLine {
  readonly #screen: ProgressScreen;
  #what = "";
  #detail = "";
  #began = 0;
  #atOnce = false;
  #drawn = false;
  #frame = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(screen: ProgressScreen = STDERR) {
    this.#screen = screen;
  }

  /** Names the work, whose time begins. `atOnce`: the line is there before the work has taken a moment. */
  begin(what: string, atOnce = false): void {
    this.#what = what;
    this.#detail = "";
    this.#began = performance.now();
    this.#atOnce = atOnce;
    this.#timer ??= setInterval(() => this.#draw(), DRAW_MS);
    if (atOnce || this.#drawn) this.#draw();
  }

  /** What is happening now; it may be a peer's words. */
  say(detail: string): void {
    this.#detail = detail;
    if (this.#atOnce) this.#draw();
  }

  /** Has something written above the line. */
  aside(write: () => void): void {
    const drawn = this.#drawn;
    this.#erase();
    write();
    if (drawn) this.#draw();
  }

  /** Erases it. */
  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#erase();
  }

  #erase(): void {
    if (this.#drawn) this.#screen.write(ERASE);
    this.#drawn = false;
  }

  #draw(): void {
    const took = performance.now() - this.#began;
    if (this.#timer === undefined || (took < PATIENCE_MS && !this.#atOnce && !this.#drawn)) return;
    this.#drawn = true;
    const told = this.#detail === "" ? "" : `: ${this.#detail}`;
    const sign = FRAMES[this.#frame++ % FRAMES.length];
    const line = harmless(`${sign} ${this.#what}, ${Math.floor(took / 1000)} s${told}`);
    // A line that wraps would not be erased.
    this.#screen.write(`${ERASE}${line.slice(0, Math.max(1, this.#screen.columns() - 1))}`);
  }
}

/**
 * Gives what `work` gives, with a line meanwhile that names it as `what`. `work` may call `say` with what is happening now, which may be a
 * peer's words. What it prints itself has to come after `hide`.
 */
export async function meanwhile<T>(
  options: ProgressOptions,
  what: string,
  work: (say: (detail: string) => void, hide: () => void) => Promise<T>,
  screen: ProgressScreen = STDERR,
): Promise<T> {
  if (!showsProgress(options, screen))
    return work(
      () => undefined,
      () => undefined,
    );
  const line = new ProgressLine(screen);
  const hide = (): void => line.end();
  line.begin(what, options.atOnce === true);
  try {
    return await work((detail) => line.say(detail), hide);
  } finally {
    hide();
  }
}
