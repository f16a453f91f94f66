/**
 * How a connection authenticates, as data: a list of rounds for us and one for the peer, each a way (abi/management.ts AUTH_*), the
 * secure element's number for what it is done with, and an identity. One round each is RFC 7296, more are RFC 4739.
 */
import {
  AUTH_ANY,
  AUTH_EAP,
  AUTH_PUBLIC_KEY,
  AUTH_SHARED_KEY,
  RESULT_MALFORMED,
  RESULT_OK,
  RESULT_TABLE_FULL,
  RESULT_UNSUPPORTED,
} from "../abi/management";
import { itemLength, itemValue } from "../rt/items";
import { IDENTITY_MAX } from "../wire/ike_payload/identification";

/** Rounds of one side. */
export const ROUNDS_MAX: u32 = 3;


@unmanaged
export class AuthRound {
  way: u32;
  key: u32;
  idLength: u32;
}

const AT_ID: usize = offsetof<AuthRound>();
export const ROUND_OCTETS: usize = AT_ID + IDENTITY_MAX + 1;


@unmanaged
export class AuthRounds {
  count: u32;
}

const AT_ROUNDS: usize = offsetof<AuthRounds>();
export const ROUNDS_OCTETS: usize = (AT_ROUNDS + ROUNDS_MAX * ROUND_OCTETS + 7) & ~7;

export function roundAt(rounds: AuthRounds, i: u32): AuthRound {
  return changetype<AuthRound>(changetype<usize>(rounds) + AT_ROUNDS + <usize>i * ROUND_OCTETS);
}

/** Its identity: ours, or a pattern for the peer's (identity.ts); of idLength octets, 0 not configured. */
export function roundId(round: AuthRound): usize {
  return changetype<usize>(round) + AT_ID;
}

/** Opens a round from a LOCAL_AUTH or REMOTE_AUTH item. */
export function roundOpen(rounds: AuthRounds, item: usize, ours: bool): u32 {
  if (itemLength(item) != 8) return RESULT_MALFORMED;
  const way = load<u32>(itemValue(item));
  if (!known(way) || (ours && way == AUTH_ANY)) return RESULT_UNSUPPORTED;
  return add(rounds, way, load<u32>(itemValue(item), 4)) ? RESULT_OK : RESULT_TABLE_FULL;
}

function known(way: u32): bool {
  return way == AUTH_ANY || way == AUTH_SHARED_KEY || way == AUTH_PUBLIC_KEY || way == AUTH_EAP;
}

function add(rounds: AuthRounds, way: u32, key: u32): bool {
  if (rounds.count >= ROUNDS_MAX) return false;
  const round = roundAt(rounds, rounds.count);
  round.way = way;
  round.key = key;
  round.idLength = 0;
  rounds.count += 1;
  return true;
}

/** Gives the last round its identity. */
export function roundIdentify(rounds: AuthRounds, item: usize): u32 {
  roundsComplete(rounds);
  const length = itemLength(item);
  if (length < 1 || length > IDENTITY_MAX) return RESULT_MALFORMED;
  const round = roundAt(rounds, rounds.count - 1);
  memory.copy(roundId(round), itemValue(item), length);
  round.idLength = length;
  return RESULT_OK;
}

/** True when one of them is by EAP. */
export function roundsHaveEap(rounds: AuthRounds): bool {
  for (let i: u32 = 0; i < rounds.count; i++) if (roundAt(rounds, i).way == AUTH_EAP) return true;
  return false;
}

/** Without any, there is one round by shared key. */
export function roundsComplete(rounds: AuthRounds): void {
  if (rounds.count == 0) add(rounds, AUTH_SHARED_KEY, 0);
}
