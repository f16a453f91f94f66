/** A fault as a client of the control socket asks for it: one object with its kind, its slot and numbers. Refuses what is none. */
import type { FaultKind, FaultOrder } from "../chassis/injection.ts";

/** Settings of each kind of fault, and those of them that have to be there. */
const FAULTS: Readonly<Record<FaultKind, { takes: readonly string[]; wants: readonly string[] }>> = {
  trap: { takes: ["slot"], wants: ["slot"] },
  hang: { takes: ["slot"], wants: ["slot"] },
  bus: { takes: ["seconds", "seed", "lose", "duplicate", "reorder", "flip"], wants: [] },
  descriptors: { takes: ["slot", "seconds", "seed", "lose", "duplicate"], wants: ["slot"] },
  link: { takes: ["slot", "seconds"], wants: ["slot"] },
  stall: { takes: ["slot", "seconds"], wants: ["slot"] },
  clock: { takes: ["slot", "seconds", "rate", "ahead"], wants: ["slot"] },
  element: { takes: ["seconds", "seed", "delayMs", "lose"], wants: [] },
};

export const FAULT_KINDS: readonly string[] = Object.keys(FAULTS);

/** A fault as a client asks for it. Throws RangeError for what is none. */
export function faultOrder({ kind, ...settings }: Readonly<Record<string, unknown>>): FaultOrder {
  if (typeof kind !== "string" || !Object.hasOwn(FAULTS, kind))
    throw new RangeError(`kind: ${Object.keys(FAULTS).join(", ")} or clear is wanted`);
  const { takes, wants } = FAULTS[kind as FaultKind];
  for (const [name, value] of Object.entries(settings)) {
    if (!takes.includes(name)) throw new RangeError(`${kind} takes no ${name}`);
    if (typeof value !== "number" || !Number.isFinite(value)) throw new RangeError(`${name}: a number is wanted`);
  }
  for (const name of wants) if (settings[name] === undefined) throw new RangeError(`${kind} wants a ${name}`);
  return { kind, ...settings } as FaultOrder;
}
