/** Entry of a board's thread: a worker does not inherit the TypeScript loader, so it is registered first. */
import { register } from "tsx/esm/api";

register();
await import("./board_worker.ts");
