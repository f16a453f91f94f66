/**
 * The alarms of a chassis and the lamps on its front, in the words of those who run chassis: minor is yellow, major is red.
 *
 * An alarm is a state and not an event: raised once, it stands until its cause is gone or an operator has acted (restart, insert,
 * offline). There is at most one of a name for a slot.
 */

export type AlarmSeverity = "minor" | "major";

const SEVERITIES = {
  /** A board died, and waits before it is started again. */
  board_restarting: "minor",
  /** Somebody lets something go wrong, on purpose (injection.ts). */
  fault_injected: "minor",
  /** A board died so often that it is started no more. */
  crash_loop: "major",
  /** A board refuses service: CONFIG, RAM or self test. */
  board_refused: "major",
  /** Flash has no image that boots in the slot. */
  image_refused: "major",
  /** The image that was confirmed is damaged, and the one before it boots. */
  image_fallback: "minor",
} as const satisfies Record<string, AlarmSeverity>;

export type AlarmName = keyof typeof SEVERITIES;

export interface Alarm {
  slot: number;
  name: AlarmName;
  severity: AlarmSeverity;
  text: string;
  /** NOW when it was raised, ns. */
  since: bigint;
}

export class AlarmPanel {
  readonly #alarms = new Map<string, Alarm>();
  readonly #changed: (alarm: Alarm, raised: boolean) => void;

  /** `changed` is told of every alarm that is raised or cleared. */
  constructor(changed: (alarm: Alarm, raised: boolean) => void) {
    this.#changed = changed;
  }

  /** Oldest first. */
  get standing(): Alarm[] {
    return [...this.#alarms.values()];
  }

  /** One that stands already keeps its time and its text. */
  raise(slot: number, name: AlarmName, text: string, since: bigint): void {
    const key = `${slot} ${name}`;
    if (this.#alarms.has(key)) return;
    const alarm: Alarm = { slot, name, severity: SEVERITIES[name], text, since };
    this.#alarms.set(key, alarm);
    this.#changed(alarm, true);
  }

  /** Clears those of these names at a slot. */
  clear(slot: number, ...names: readonly AlarmName[]): void {
    for (const name of names) {
      const alarm = this.#alarms.get(`${slot} ${name}`);
      if (!alarm) continue;
      this.#alarms.delete(`${slot} ${name}`);
      this.#changed(alarm, false);
    }
  }

  /** The ALARM lamp of a slot, or of the whole chassis. */
  lamp(slot?: number): "off" | "yellow" | "red" {
    const here = this.standing.filter((alarm) => slot === undefined || alarm.slot === slot);
    if (here.some(({ severity }) => severity === "major")) return "red";
    return here.length > 0 ? "yellow" : "off";
  }
}
