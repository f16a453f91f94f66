/** Thread of chassis_ring.test.ts: writes numbered messages into a ring until all are in. */
import { workerData } from "node:worker_threads";
import { register } from "tsx/esm/api";

register();
const { MessageRing } = await import("../../host/chassis/drive/message_ring.ts");
const { memory, count } = workerData;
const ring = new MessageRing(memory);
const octets = new Uint8Array(64);
for (let i = 0; i < count; ) if (ring.push(0, i, 0, octets, 0, i % 64)) i += 1;
