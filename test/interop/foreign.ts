/** What the cases need of a peer that does not read swanctl.conf. */

import type { Issued } from "../pki/authority.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Finished } from "./process.ts";

/** A certificate with its key, and the authority that vouches for both ends. */
export interface Credential {
  own: Issued;
  authority: Issued;
}

/** Such a peer has one connection with one child, whatever they are called. */
export interface Foreign extends Endpoint {
  /** Has other proposals from now on, in its own words; SAs stay. */
  load(ike: string, esp: string): Promise<void>;
  /** Has the IKE_SA rekeyed by this end. */
  rekeyIke(): Promise<Finished>;
}
