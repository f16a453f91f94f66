/**
 * What a person sees of a gateway that runs in the foreground (`cardcage up`): its log, and below it one line that changes.
 *
 *   | starting, 2 s: boards, 1 of 3 online
 *   / moon, 63 s: 3 of 3 boards up, 2 CHILD_SAs, 1.2k packets/s, 0 dropped/s; Ctrl-C ends it
 *   - shutting down, 1 s: deleting SAs at the peers; Ctrl-C again ends it at once
 *
 * Nothing of it is asked of a board, and none is drawn where nobody looks (progress.ts), with --json, or where the log goes into a pipe,
 * whose reader may write to the same terminal.
 */
import { fstatSync } from "node:fs";
import { isatty } from "node:tty";
import type { ChassisStatus } from "../chassis/chassis.ts";
import type { Gateway, GatewayEvent } from "../operator/gateway.ts";
import { ratesOf } from "../operator/watch.ts";
import { ProgressLine, type ProgressScreen, showsProgress } from "./progress.ts";
import { short } from "./top.ts";

/** Milliseconds from one look at the counters to the next. */
const LOOK_MS = 1000;

const isPipe = (): boolean => !isatty(1) && !fstatSync(1).isFile();

export class Foreground {
  readonly #line: ProgressLine | undefined;
  #gateway: Gateway | undefined;
  #children = 0;
  #before: ChassisStatus | undefined;
  #looking: NodeJS.Timeout | undefined;

  constructor(options: { json?: boolean }, screen?: ProgressScreen) {
    const shown = showsProgress(options, screen) && (screen !== undefined || !isPipe());
    this.#line = shown ? new ProgressLine(screen) : undefined;
    this.#line?.begin("starting");
  }

  /** A step of the start. */
  step(what: string): void {
    this.#line?.say(what);
  }

  /** Has something written above the line. */
  aside(write: () => void): void {
    if (this.#line) this.#line.aside(write);
    else write();
  }

  /** Its boards and SAs are counted from here on. */
  follow(gateway: Gateway): void {
    if (!this.#line) return;
    this.#gateway = gateway;
    gateway.onEvent((event) => this.#count(event));
    this.#line.say(this.#boards());
  }

  /** The start is through. */
  ready(): void {
    const gateway = this.#gateway;
    if (!this.#line || !gateway) return;
    this.#line.begin(gateway.chassis.show().name);
    this.#look();
    this.#looking = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  stopping(): void {
    clearInterval(this.#looking);
    this.#line?.begin("shutting down");
    this.#line?.say("deleting SAs at the peers; Ctrl-C again ends it at once");
  }

  end(): void {
    clearInterval(this.#looking);
    this.#line?.end();
  }

  #boards(): string {
    const slots = this.#gateway?.chassis.show().slots.filter(({ state }) => state !== "Empty") ?? [];
    return `${slots.filter(({ state }) => state === "Online").length} of ${slots.length} boards up`;
  }

  #count(event: GatewayEvent): void {
    if (event.kind === "child-updown" && "up" in event) this.#children += event.up ? 1 : -1;
    // An IKE board that begins anew has no SAs, or those that it is given back.
    const { ikeSlot } = this.#gateway!.chassis;
    if (event.kind === "board-updown" && event.slot === ikeSlot && event.up) this.#children = 0;
    if (event.kind === "restored") this.#children = event["child-sas"] ?? 0;
    if (!this.#looking) this.#line?.say(this.#boards());
  }

  #look(): void {
    const now = this.#gateway!.chassis.show();
    const rates = ratesOf(this.#before, now);
    this.#before = now;
    const sum = (of: (rate: (typeof rates)[number]) => number): string =>
      short(rates.reduce((all, rate) => all + of(rate), 0));
    // Every packet is at one IPsec board once; it may be dropped anywhere.
    const packets = sum(({ slot, in: came }) => (slot === now.ikeSlot ? 0 : came));
    const passed = `${packets} packets/s, ${sum(({ dropped }) => dropped)} dropped/s`;
    this.#line?.say(`${this.#boards()}, ${this.#children} CHILD_SAs, ${passed}; Ctrl-C ends it`);
  }
}
