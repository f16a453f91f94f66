/**
 * What the two fuzzed cores are configured with: one connection for each kind of negotiation, each on addresses of its own, so
 * that a first message finds it.
 */
import {
  CONFIG_FRAGMENT_SIZE,
  CONFIG_IKE_SA_CAPACITY,
  CONFIG_LOCAL_ADDRESS,
  CONFIG_SA_CAPACITY,
} from "../../../assembly/abi/config.ts";
import * as M from "../../../assembly/abi/management.ts";
import { SELECTOR_END, SELECTOR_END_PORT, SELECTOR_OCTETS, SELECTOR_START } from "../../../assembly/abi/message.ts";
import { KE_ECP256, KE_ECP384, KE_MLKEM512, KE_MLKEM768, KE_X25519 } from "../../../assembly/abi/psa.ts";
import type { ConfigItem } from "../../../host/chassis/config.ts";
import { encodeMessage, textValue } from "../../../host/operator/management.ts";
import { encodeTransforms, type TransformValue } from "../../../host/operator/transform_name.ts";
import { ENCR_AES_CBC, ENCR_AES_GCM_16 } from "./suite.ts";

export type Side = 0 | 1;

const IKE_SAS = 24;
const CHILD_SAS = 64;
const SHA256 = 5;
const SHA384 = 6;

const of = (type: number, id: number, keyBits = 0): TransformValue => ({ type, id, keyBits });
const gcm = of(1, ENCR_AES_GCM_16, 256);
const ke = (...ids: number[]): TransformValue[] => ids.map((id) => of(4, id));
const additional = (n: number, id: number): TransformValue => of(5 + n, id);

interface Kind {
  name: string;
  ike: (side: Side) => TransformValue[][];
  /** Name and proposals of each child. */
  children: Record<string, TransformValue[][]>;
  auth?: number[];
  more?: ConfigItem[];
}

const number = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

const KINDS: Kind[] = [
  {
    // INVALID_KE_PAYLOAD whoever asks; children without and with a key exchange of their own.
    name: "psk",
    ike: (side) => [[gcm, of(2, SHA256), ...(side === 0 ? ke(KE_X25519, KE_ECP256) : ke(KE_ECP256, KE_X25519))]],
    children: { plain: [[gcm]], pfs: [[gcm, ...ke(KE_X25519)]] },
    more: [{ type: M.CONNECTION_DPD_DELAY, value: number(20) }],
  },
  {
    // Signatures and certificates, longer than a packet; a cipher with a separate integrity transform.
    name: "cert",
    ike: () => [[of(1, ENCR_AES_CBC, 256), of(3, 12), of(2, SHA256), ...ke(KE_X25519)]],
    children: { "cert-net": [[of(1, ENCR_AES_CBC, 128), of(3, 12)], [gcm]] },
    auth: [M.AUTH_PUBLIC_KEY],
    more: [
      { type: M.CONNECTION_SEND_CERT, value: number(M.SEND_CERT_ALWAYS) },
      { type: M.CONNECTION_REKEY_TIME, value: number(60) },
      { type: M.CONNECTION_OVER_TIME, value: number(10) },
    ],
  },
  {
    // Several rounds, then INITIAL_CONTACT and a childless IKE_SA.
    name: "rounds",
    ike: () => [[gcm, of(2, SHA384), ...ke(KE_ECP256)]],
    children: { "rounds-net": [[gcm]] },
    auth: [M.AUTH_PUBLIC_KEY, M.AUTH_SHARED_KEY],
    more: [{ type: M.CONNECTION_CHILDLESS, value: number(M.CHILDLESS_PREFER) }],
  },
  {
    // IKE_INTERMEDIATE and IKE_FOLLOWUP_KE.
    name: "hybrid",
    ike: () => [[gcm, of(2, SHA256), ...ke(KE_X25519), additional(1, KE_MLKEM768), additional(2, KE_ECP256)]],
    children: { "hybrid-net": [[gcm, ...ke(KE_X25519), additional(1, KE_MLKEM512), additional(3, KE_ECP384)]] },
  },
  {
    // A PPK that is optional, and UDP encapsulation.
    name: "ppk",
    ike: () => [[gcm, of(2, SHA256), ...ke(KE_X25519)]],
    children: { "ppk-net": [[gcm, of(5, 1)]] },
    more: [
      { type: M.CONNECTION_PPK_ID, value: textValue("ppk") },
      { type: M.CONNECTION_PPK, value: number(M.PPK_POLICY_OPTIONAL) },
      { type: M.CONNECTION_ENCAP, value: number(1) },
    ],
  },
];

export const CONNECTIONS = KINDS.map(({ name }) => name);
export const CHILDREN = KINDS.flatMap(({ children }) => Object.keys(children));
/** The child that a connection is established with. */
export const childOf = (connection: number): string => Object.keys(KINDS[connection]!.children)[0]!;

/** A side's address for a connection. */
export const addressOf = (connection: number, side: Side): number[] => [192, 0, 2, 10 * (side + 1) + connection];

function selector(net: number, sub: number): Uint8Array {
  const octets = new Uint8Array(SELECTOR_OCTETS);
  octets[0] = 4;
  new DataView(octets.buffer).setUint16(SELECTOR_END_PORT, 0xffff, true);
  octets.set([10, net, sub, 0], SELECTOR_START);
  octets.set([10, net, sub, 255], SELECTOR_END);
  return octets;
}

const identity = (connection: string, side: Side, round: number): Uint8Array =>
  Uint8Array.from([2, ...textValue(`${connection}${side}-${round}.example`)]);

/** CONFIG of a side. */
export const configuration = (side: Side): ConfigItem[] => [
  ...KINDS.map((_, i) => ({ type: CONFIG_LOCAL_ADDRESS, value: Uint8Array.from(addressOf(i, side)) })),
  { type: CONFIG_IKE_SA_CAPACITY, value: IKE_SAS },
  { type: CONFIG_SA_CAPACITY, value: CHILD_SAS },
  { type: CONFIG_FRAGMENT_SIZE, value: 576 },
];
export const CAPACITY = { ikeSas: IKE_SAS, childSas: CHILD_SAS };

/** The messages that load a side's connections. */
export function connections(side: Side): Uint8Array[] {
  const peer = (1 - side) as Side;
  return KINDS.map((kind, i) => {
    const rounds = kind.auth ?? [M.AUTH_SHARED_KEY];
    const authentication = (who: Side, auth: number, id: number): ConfigItem[] =>
      rounds.flatMap((way, round) => [
        { type: auth, value: Uint8Array.from([...number(way), ...number(1)]) },
        { type: id, value: identity(kind.name, who, round) },
      ]);
    return encodeMessage(M.MANAGEMENT_CONNECTION_LOAD, 0, [
      { type: M.CONNECTION_NAME, value: textValue(kind.name) },
      { type: M.CONNECTION_LOCAL_ADDRESS, value: Uint8Array.from(addressOf(i, side)) },
      { type: M.CONNECTION_REMOTE_ADDRESS, value: Uint8Array.from(addressOf(i, peer)) },
      ...kind.ike(side).map((value) => ({ type: M.CONNECTION_PROPOSAL, value: encodeTransforms(value) })),
      ...authentication(side, M.CONNECTION_LOCAL_AUTH, M.CONNECTION_LOCAL_ID),
      ...authentication(peer, M.CONNECTION_REMOTE_AUTH, M.CONNECTION_REMOTE_ID),
      ...(kind.more ?? []),
      ...Object.entries(kind.children).flatMap(([name, proposals], sub) => [
        { type: M.CHILD_NAME, value: textValue(name) },
        ...proposals.map((value) => ({ type: M.CHILD_PROPOSAL, value: encodeTransforms(value) })),
        { type: M.CHILD_LOCAL_TS, value: selector(1 + side, 8 * i + sub) },
        { type: M.CHILD_REMOTE_TS, value: selector(1 + peer, 8 * i + sub) },
        { type: M.CHILD_REKEY_TIME, value: number(45) },
        { type: M.CHILD_LIFE_TIME, value: number(90) },
      ]),
    ]);
  });
}
