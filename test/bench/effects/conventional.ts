/** A chassis with the conventional board alone (boards/conventional): the gateway of figure 9. */
import type { ChassisOptions } from "../../../host/chassis/chassis.ts";

/** In place of the slots of a gateway; what it keeps of an internal path is as short as there is one. */
export const CONVENTIONAL: Partial<ChassisOptions> = {
  link: "atm",
  slots: [{ slot: 0, board: "ike", image: "conventional" }],
  ikeSlot: 0,
  checkpoint: false,
};
