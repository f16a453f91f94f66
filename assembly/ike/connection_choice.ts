/**
 * Which connection a peer is meant by, once it has told who it is (RFC 4301 section 4.4.3): the one whose identities fit best, of
 * those between these addresses that let it authenticate as it does, and that would have agreed on the same algorithms; among equals
 * the one that names its address, then the first. What the peer's AUTH shows may speak for another: the next best.
 */
import { AUTH_EAP } from "../abi/management";
import { authWayFits } from "./auth";
import { roundAt, roundId, roundsHaveEap } from "./auth_round";
import {
  Connection,
  connectionAt,
  connectionFits,
  connectionLocalAuth,
  connectionRemoteAuth,
  connectionTransforms,
  connectionsEnd,
} from "./connection";
import { FITS_ANY, FITS_NOT, identityFits } from "./identity";
import { IkeSa, ikePeerId, ikeSuite } from "./ike_sa";
import { proposalsHold } from "./proposal";

/**
 * The connection's index, or -1. `wanted`: the identity of ours that the peer asks for, of `wantedLength` octets, 0 none. `again`: the
 * one that comes behind the present one.
 */
export function connectionChoose(sa: IkeSa, wanted: usize, wantedLength: u32, way: u32, again: bool): i32 {
  const limit = again ? sa.choiceScore : u32.MAX_VALUE;
  let best = -1;
  let bestScore: u32 = 0;
  for (let i: u32 = 0; i < connectionsEnd; i++) {
    const c = connectionAt(i);
    if (!connectionFits(c, sa.local, sa.remote)) continue;
    if (!proposalsHold(connectionTransforms(c), c.transformCount, ikeSuite(sa))) continue;
    if (!authWayFits(roundAt(connectionRemoteAuth(c), 0), way)) continue;
    // We are asked by EAP only where we initiate; of both ends it is EAP alone, which the peer has to take (RFC 5998).
    if (roundsHaveEap(connectionLocalAuth(c)) && (way != AUTH_EAP || sa.eapOnly == 0)) continue;
    const fits = identitiesFit(c, sa, wanted, wantedLength);
    if (fits == FITS_NOT) continue;
    const score = fits * 2 + (c.remoteSingles != 0 ? 1 : 0);
    if (score <= bestScore || score > limit || (score == limit && <i32>i <= sa.connection)) continue;
    bestScore = score;
    best = <i32>i;
  }
  if (best >= 0) sa.choiceScore = bestScore;
  return best;
}

function identitiesFit(c: Connection, sa: IkeSa, wanted: usize, wantedLength: u32): u32 {
  const peer = roundAt(connectionRemoteAuth(c), 0);
  const theirs = identityFits(roundId(peer), peer.idLength, ikePeerId(sa), sa.peerIdLength);
  if (theirs == FITS_NOT) return FITS_NOT;
  const own = roundAt(connectionLocalAuth(c), 0);
  const ours = wantedLength == 0 ? FITS_ANY : identityFits(roundId(own), own.idLength, wanted, wantedLength);
  return ours == FITS_NOT ? FITS_NOT : theirs + ours;
}
