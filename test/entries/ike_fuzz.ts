/**
 * The IKE core alone on a board, as in ike_endpoint.ts, with what a fuzzer has to know beside it: the keys of an IKE_SA,
 * so that it can be the peer, and how much of every table is in use.
 */
import { fragmentsHeld } from "../../assembly/ike/reassembly";
import { halfOpenTotal } from "../../assembly/ike/half_open";
import { IkeSa, ikeKey, ikeSaAt, ikeSuite } from "../../assembly/ike/ike_sa";
import { jobsFreeCount } from "../../assembly/ike/job";
import { secretsFreeCount } from "../../assembly/ike/secrets";
import { faultRecord } from "../../assembly/rt/fault";
import { addressIpv4 } from "../../assembly/wire/ip_address";

export * from "./ike_endpoint";

/** State, initiator, inId, outId, outStep, inStep, local, remote, localPort, remotePort, ENCR, key bits, INTEG; SPIs at 64. */
const look: usize = memory.data(80, 8);

function tell(sa: IkeSa): void {
  const suite = ikeSuite(sa);
  store<u32>(look, sa.state);
  store<u32>(look, sa.initiator, 4);
  store<u32>(look, sa.inId, 8);
  store<u32>(look, sa.outId, 12);
  store<u32>(look, sa.outStep, 16);
  store<u32>(look, sa.inStep, 20);
  store<u32>(look, addressIpv4(sa.local), 24);
  store<u32>(look, addressIpv4(sa.remote), 28);
  store<u32>(look, sa.localPort, 32);
  store<u32>(look, sa.remotePort, 36);
  store<u32>(look, suite.encryption, 40);
  store<u32>(look, suite.keyBits, 44);
  store<u32>(look, suite.integrity, 48);
  store<u64>(look, sa.spiI, 64);
  store<u64>(look, sa.spiR, 72);
}

/** Where the record of an IKE_SA is told. */
export function lookAt(index: u32): usize {
  tell(ikeSaAt(index));
  return look;
}

/** Where one of its SK_* keys lies. */
export function keyAt(index: u32, key: u32): usize {
  return ikeKey(ikeSaAt(index), key);
}

export function halfOpen(): u32 {
  return halfOpenTotal();
}

export function freeJobs(): u32 {
  return jobsFreeCount();
}

export function freeSecrets(): u32 {
  return secretsFreeCount();
}

export function heldFragments(): u32 {
  return fragmentsHeld();
}

export function faultAt(): usize {
  return faultRecord();
}
