/** What an EAP method is to the session that it runs in (eap_peer.ts, eap_authenticator.ts). */

/** What comes of a packet of the method's. */
export interface MethodStep {
  /** Type data of the packet to send. */
  data?: Uint8Array;
  /** Authenticator: the other end is who it says. Peer: from here on success is due. */
  done?: boolean;
  /** EAP_REASON_*: there is no going on; with data the other end is told first, and says failure, or goes without a word. */
  reason?: number;
}

export interface EapMethod {
  readonly type: number;
  /** Once it is done; undefined: the method makes none. */
  readonly msk: Uint8Array | undefined;
  /** `data`: of the packet that has come, undefined for the authenticator's first; `identifier`: that of the request at hand. */
  take(data: Uint8Array | undefined, identifier: number): MethodStep | Promise<MethodStep>;
  /** Wipes what is secret. */
  close(): void;
}
