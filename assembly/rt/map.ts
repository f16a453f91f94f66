/** The board map's storage; see abi/board.ts for its fields and registers.ts for their meaning. */
import { MAP_SIZE } from "../abi/board";

export const map: usize = memory.data(MAP_SIZE, 64);
