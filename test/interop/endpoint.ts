/** What the cases need of a gateway, ours or another. */

import type { Finished } from "./process.ts";

export interface ChildStatus {
  name: string;
  spiIn: string;
  spiOut: string;
  /** As `swanctl --list-sas` writes it: AES_CBC-256/HMAC_SHA2_256_128. */
  suite: string;
}

export interface SaStatus {
  /** Established IKE_SAs. */
  ikeSas: number;
  /** Of the last established one. */
  ikeSuite: string;
  /** Its SPIs: initiator's, responder's. */
  ikeSpis: string;
  /** Installed CHILD_SAs. */
  children: ChildStatus[];
  /** As the program told it. */
  text: string;
}

export interface Endpoint {
  readonly kind: "cardcage" | "strongSwan" | "libreswan" | "OpenIKED";
  /** Resolves when the gateway answers its control socket. */
  start(): Promise<void>;
  /** SIGTERM; the exit code. */
  stop(): Promise<number>;
  /** SIGKILL: it ends without a word to its peers. It may be started again. */
  kill(): Promise<void>;
  initiate(child: string): Promise<Finished>;
  rekey(child: string): Promise<Finished>;
  /** Sends the peer of the connection to another gateway (RFC 5685), where there is a command for it. */
  redirect?(connection: string, gateway: string): Promise<Finished>;
  /** Deletes the IKE_SA of the connection. */
  terminate(connection: string): Promise<Finished>;
  status(): Promise<SaStatus>;
  log(): string;
  /** Packets that it dropped, by reason, where it counts them. */
  drops?(): Promise<string>;
}

/** How our gateway tells that authentication failed: by the name, or by the number of RFC 7296 section 3.10.1. */
export const AUTHENTICATION_FAILED = /\bAUTHENTICATION_FAILED\b|\bnotify 24\b/;
/** How strongSwan's log does. */
export const STRONGSWAN_AUTHENTICATION_FAILED = /N\(AUTH_FAILED\)/;
