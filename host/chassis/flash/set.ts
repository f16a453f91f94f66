/** Which image of a set goes into which slot. */
import { ImageRefused } from "../../image/refusal.ts";
import { ANY_SLOT, type SetFile, type SetMember } from "../../image/set_file.ts";
import { BUILDS_BY_SPEED } from "../image.ts";
import type { FlashRequest } from "./flash.ts";
import { setName } from "./record.ts";

const speed = ({ image }: SetMember): number => BUILDS_BY_SPEED.indexOf(image.facts.build);

/**
 * For each slot the image that the set has for that slot, else for its class; of several builds the fastest that this engine
 * runs. Slots that the set has nothing for keep what they have. Throws ImageRefused.
 */
export function requestsOf(
  set: SetFile,
  members: readonly SetMember[],
  slots: readonly { slot: number; boardClass: string }[],
): FlashRequest[] {
  const missing = members.find((member) => member.slot !== ANY_SLOT && !slots.some(({ slot }) => slot === member.slot));
  if (missing)
    throw new ImageRefused("no_slot", `the set is for slot ${missing.slot}, which the chassis does not have`);
  const runs = new Map<SetMember, boolean>();
  const requests = slots.flatMap(({ slot, boardClass }): FlashRequest[] => {
    const own = members.filter((member) => member.slot === slot);
    const fitting =
      own.length > 0
        ? own
        : members.filter((member) => member.slot === ANY_SLOT && member.image.facts.boardClass === boardClass);
    if (fitting.length === 0) return [];
    const chosen = [...fitting]
      .sort((a, b) => speed(a) - speed(b))
      .find((member) => {
        if (!runs.has(member)) runs.set(member, WebAssembly.validate(new Uint8Array(member.image.payload)));
        return runs.get(member);
      });
    if (!chosen) throw new ImageRefused("engine_refuses", `slot ${slot}: this engine runs no build that the set has`);
    return [{ slot, octets: chosen.octets, set: setName(set.sha256) }];
  });
  if (requests.length === 0) throw new ImageRefused("no_slot", "the set has nothing for any slot of this chassis");
  return requests;
}
