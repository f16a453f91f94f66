/** Does an image fit a slot, and do the images of a chassis fit each other? Every refusal has its name (refusal.ts). */
import { ABI_VERSION } from "../../../assembly/abi/board.ts";
import type { ImageFacts } from "../../image/image_file.ts";
import { ImageRefused } from "../../image/refusal.ts";
import { compareVersions, renderVersion } from "../../image/version.ts";
import { PAGE_OCTETS } from "../image.ts";

/** What a slot takes. */
export interface SlotFit {
  boardClass: string;
  /** RAM that a board in it can have, pages. */
  ramPages: number;
  /** What a board in it is configured to hold. */
  ikeSas: number;
  sas: number;
}

const mebibytes = (pages: number): string => `${Math.ceil((pages * PAGE_OCTETS) / (1 << 20))} MiB`;

/** Pages that a board of this image takes in the slot (ramPages() of image.ts is the same for a loaded one). */
const pagesOf = ({ ram }: ImageFacts, { ikeSas, sas }: SlotFit): number =>
  Math.min(ram.most, ram.least + Math.ceil((ram.per_ike_sa * ikeSas + ram.per_sa * sas) / PAGE_OCTETS));

/** Class, ABI, RAM and security counter of an image for a slot. Throws ImageRefused. */
export function checkFit(facts: ImageFacts, slot: number, fit: SlotFit, securityCounter: number): void {
  const { boardClass, abi } = facts;
  if (boardClass !== fit.boardClass)
    throw new ImageRefused("wrong_class", `it is for ${boardClass} boards, slot ${slot} has ${fit.boardClass}`);
  if (ABI_VERSION < abi.least || ABI_VERSION > abi.most)
    throw new ImageRefused("abi_range", `it speaks board ABI ${abi.least} to ${abi.most}, this chassis ${ABI_VERSION}`);
  const pages = pagesOf(facts, fit);
  if (pages > fit.ramPages)
    throw new ImageRefused(
      "ram_need",
      `it needs ${mebibytes(pages)} of RAM, slot ${slot} has ${mebibytes(fit.ramPages)}`,
    );
  if (facts.securityCounter < securityCounter)
    throw new ImageRefused(
      "security_counter",
      `its security counter is ${facts.securityCounter}, that of slot ${slot} is at ${securityCounter}`,
    );
}

/** Every image finds the boards that it depends on. Throws ImageRefused. */
export function checkDependencies(images: readonly { slot: number; facts: ImageFacts }[]): void {
  for (const { slot, facts } of images) {
    for (const { boardClass, version } of facts.dependencies) {
      const wants = `${facts.name} ${renderVersion(facts.version)} of slot ${slot} wants ${boardClass} ${renderVersion(version)} or newer`;
      const others = images.filter((other) => other.facts.boardClass === boardClass);
      if (others.length === 0) throw new ImageRefused("dependency_unmet", `${wants}, there is none`);
      const old = others.find((other) => compareVersions(other.facts.version, version) < 0);
      if (old)
        throw new ImageRefused(
          "dependency_unmet",
          `${wants}, slot ${old.slot} has ${renderVersion(old.facts.version)}`,
        );
    }
  }
}
