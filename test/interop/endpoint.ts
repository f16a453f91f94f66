/** What the cases need of a gateway, ours or another. */

import type { Finished } from "./process.ts";

export interface ChildStatus {
  name: string;
  spiIn: string;
  spiOut: string;
}

export interface SaStatus {
  /** Established IKE_SAs. */
  ikeSas: number;
  /** Installed CHILD_SAs. */
  children: ChildStatus[];
  /** As the program told it. */
  text: string;
}

export interface Endpoint {
  readonly kind: "cardcage" | "strongSwan";
  /** Resolves when the gateway answers its control socket. */
  start(): Promise<void>;
  /** SIGTERM; the exit code. */
  stop(): Promise<number>;
  initiate(child: string): Promise<Finished>;
  rekey(child: string): Promise<Finished>;
  /** Deletes the IKE_SA of the connection. */
  terminate(connection: string): Promise<Finished>;
  status(): Promise<SaStatus>;
  log(): string;
}
