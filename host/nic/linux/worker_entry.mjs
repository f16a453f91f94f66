// Entry of the NIC worker: a worker does not inherit tsx, so it is registered before the TypeScript is imported.
import { register } from "tsx/esm/api";

register();
await import("./worker.ts");
