/**
 * The secure element's own thread: batches of requests and secrets come in as messages, batches of answers go out in their order. Once it
 * is wired to the IKE board's thread, requests come from there as well (element_line.ts), and it looks for messages when its bell rings.
 */
import { parentPort, receiveMessageOnPort } from "node:worker_threads";
import type { DeviceLineParts } from "../chassis/drive/line.ts";
import type { Credentials } from "./credential_store.ts";
import { serveLine } from "./element_line.ts";
import type { IkeSecret } from "./psk_store.ts";
import { packBatch, unpackBatch } from "./message_batch.ts";
import { SecureElement } from "./secure_element.ts";

export type ElementOrder =
  | { requests: Uint8Array }
  | { close: true }
  | { line: DeviceLineParts; words: SharedArrayBuffer }
  | { secrets: IkeSecret[] }
  | { credentials: Credentials }
  | { tokenSecret: Uint8Array };

const element = new SecureElement();
/** Batches whose answers are not all there; undefined when there is none. */
let turn: Promise<void> | undefined;
let closed = false;

function post(answers: readonly Uint8Array[]): void {
  const batch = packBatch(answers);
  parentPort?.postMessage(batch); // copied before it returns
  batch.fill(0);
  for (const answer of answers) answer.fill(0);
}

function serve(requests: Uint8Array): void {
  const answers = unpackBatch(requests).map((request) => element.answer(request));
  if (!turn && answers.every((answer) => answer instanceof Uint8Array)) return post(answers);
  const mine = (turn ?? Promise.resolve()).then(async () => post(await Promise.all(answers)));
  turn = mine;
  void mine.then(() => {
    if (turn === mine) turn = undefined;
  });
}

function take(order: ElementOrder): void {
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
  if ("tokenSecret" in order) {
    element.loadTokenSecret(order.tokenSecret);
    order.tokenSecret.fill(0);
    return;
  }
  if ("close" in order) {
    closed = true;
    element.close();
    parentPort?.close(); // nothing is left to wait for: the thread ends
    return;
  }
  if ("line" in order) {
    void serveLine(order.line, order.words, {
      answer: (request) => element.answer(request),
      orders,
      get waits() {
        return turn !== undefined;
      },
    });
    return;
  }
  serve(order.requests);
}

/** Takes the messages that are there; false when the element has been closed. */
function orders(): boolean {
  for (
    let got = parentPort && receiveMessageOnPort(parentPort);
    got && !closed;
    got = receiveMessageOnPort(parentPort!)
  )
    take(got.message as ElementOrder);
  return !closed;
}

parentPort?.on("message", take);
