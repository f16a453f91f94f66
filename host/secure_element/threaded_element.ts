/**
 * The secure element in a thread of its own: public-key work holds up neither the boards nor the thread that moves packets
 * between them. The same requests and answers as SecureElement, which it runs.
 *
 * Wired to the IKE board's thread it answers that one directly; requests that come through the chassis's thread are answered as well.
 *
 * When the thread is gone, requests stay unanswered: to the chassis an element that fails.
 */
import { Worker } from "node:worker_threads";
import { type DeviceLineParts, type Doorbell, type LineDevice, type LineEnds } from "../chassis/drive/line.ts";
import { threadFile } from "../thread/thread_file.ts";
import type { Credentials } from "./credential_store.ts";
import { elementBell, elementDoorbell, elementWords, isElementBusy } from "./element_line.ts";
import type { ElementOrder } from "./element_thread.ts";
import { packBatch, unpackBatch } from "./message_batch.ts";
import type { IkeSecret } from "./psk_store.ts";

/** Patience with a thread that is to end. */
const CLOSE_MS = 2000;

export class ThreadedElement {
  readonly #worker: Worker;
  /** Requests under way; answers come in their order. */
  #waiting: { resolve: (answer: Uint8Array) => void; reject: (error: Error) => void }[] = [];
  /** Requests of this turn of the event loop, which leave together. */
  #leaving: Uint8Array[] = [];
  #failure: Error | undefined;
  readonly #memory = elementWords();
  readonly #words = new Int32Array(this.#memory);
  readonly #doorbell: Doorbell = elementDoorbell(this.#memory);
  #ends: LineEnds | undefined;

  constructor() {
    this.#worker = new Worker(threadFile(new URL("./element_thread.ts", import.meta.url)), { execArgv: [] });
    this.#worker.unref();
    this.#worker.on("message", (answers: Uint8Array) => {
      for (const answer of unpackBatch(answers)) this.#waiting.shift()?.resolve(answer);
    });
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => this.#fail(new Error("the secure element's thread has ended")));
  }

  get line(): LineDevice {
    const busy = (): boolean => !this.#failure && isElementBusy(this.#words);
    return {
      bell: elementBell(this.#memory),
      get busy() {
        return busy();
      },
      wire: (line: DeviceLineParts, ends: LineEnds) => {
        this.#ends = ends;
        this.#order({ line, words: this.#memory });
      },
    };
  }

  /** Replaces the pre-shared keys; they are copied to the element's thread. */
  loadSecrets(secrets: readonly IkeSecret[]): void {
    this.#order({ secrets: [...secrets] });
  }

  /** Replaces private keys, certificates and whom to trust; they are copied to the element's thread. */
  loadCredentials(credentials: Credentials): void {
    this.#order({ credentials });
  }

  /** Replaces the secret of RFC 6290's tokens; it is copied to the element's thread. */
  loadTokenSecret(secret: Uint8Array): void {
    this.#order({ tokenSecret: secret.slice() });
  }

  /** Answers one request of abi/psa.ts. */
  handle(request: Uint8Array): Promise<Uint8Array> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (this.#leaving.push(request) === 1) queueMicrotask(() => this.#leave());
    });
  }

  /** Has all keys and secrets destroyed; the thread ends by itself, or is ended when it takes too long. */
  async close(): Promise<void> {
    if (this.#failure) return;
    const ended = new Promise<void>((resolve) => this.#worker.once("exit", () => resolve()));
    this.#worker.ref();
    this.#order({ close: true });
    const timer = setTimeout(() => void this.#worker.terminate(), CLOSE_MS);
    await ended;
    clearTimeout(timer);
  }

  #leave(): void {
    this.#order({ requests: packBatch(this.#leaving.splice(0)) });
  }

  #order(order: ElementOrder): void {
    this.#worker.postMessage(order);
    this.#doorbell.ring();
  }

  #fail(error: Error): void {
    if (!this.#failure) void this.#ends?.cut().then(() => this.#ends?.reclaim());
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
