/** The secure element's own thread: requests and secrets come in as messages, answers go out in the order of the requests. */
import { parentPort } from "node:worker_threads";
import type { Credentials } from "./credential_store.ts";
import type { IkeSecret } from "./psk_store.ts";
import { SecureElement } from "./secure_element.ts";

export type ElementOrder = { request: Uint8Array } | { secrets: IkeSecret[] } | { credentials: Credentials };

const element = new SecureElement();
let turn: Promise<void> = Promise.resolve();

parentPort?.on("message", (order: ElementOrder) => {
  if ("secrets" in order) {
    element.loadSecrets(order.secrets);
    for (const { secret } of order.secrets) secret.fill(0); // the element keeps its own copy
    return;
  }
  if ("credentials" in order) {
    element.loadCredentials(order.credentials);
    for (const { key } of order.credentials.credentials) key.fill(0);
    return;
  }
  turn = turn.then(async () => parentPort?.postMessage(await element.handle(order.request)));
});
