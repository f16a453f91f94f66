// Entry of the secure element's thread: a worker does not inherit tsx, so it is registered before the TypeScript is imported.
import { register } from "tsx/esm/api";

register();
await import("./element_thread.ts");
