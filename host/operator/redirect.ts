/** What an operator calls a peer and a gateway, to the items of MANAGEMENT_REDIRECT. Throws RangeError for what is neither. */
import { isIP } from "node:net";
import * as abi from "../../assembly/abi/management.ts";
import { addressOctets, type ConfigItem } from "../chassis/config.ts";
import { parseIdentity } from "./configuration/identity.ts";
import { type ConnectionStatus, textValue } from "./management.ts";

/** Identity types of RFC 5685 section 8. */
const GATEWAY_IPV4 = 1;
const GATEWAY_IPV6 = 2;
const GATEWAY_FQDN = 3;

/** `#3` is an IKE_SA, an address whoever is there; a connection's name comes before an identity. */
function peerItem(peer: string, connections: readonly ConnectionStatus[]): ConfigItem {
  const id = /^#(\d{1,9})$/.exec(peer);
  if (id) return { type: abi.IKE_SA_UNIQUE_ID, value: Number(id[1]) };
  if (isIP(peer) !== 0) return { type: abi.IKE_SA_REMOTE, value: addressOctets(peer) };
  if (connections.some(({ name }) => name === peer)) return { type: abi.CONNECTION_NAME, value: textValue(peer) };
  const identity = parseIdentity(peer);
  if (!identity) throw new RangeError(`'${peer}' is nobody in particular`);
  return { type: abi.IKE_SA_REMOTE_ID, value: identity };
}

function gatewayOctets(gateway: string): Uint8Array {
  const family = isIP(gateway);
  if (family !== 0) {
    const address = addressOctets(gateway);
    return Uint8Array.of(family === 4 ? GATEWAY_IPV4 : GATEWAY_IPV6, address.length, ...address);
  }
  const name = textValue(gateway);
  if (!/^[A-Za-z0-9.-]{1,255}$/.test(gateway)) throw new RangeError(`'${gateway}' is no address or name of a gateway`);
  return Uint8Array.of(GATEWAY_FQDN, name.length, ...name);
}

export function redirectItems(peer: string, gateway: string, connections: readonly ConnectionStatus[]): ConfigItem[] {
  return [peerItem(peer, connections), { type: abi.REDIRECT_GATEWAY, value: gatewayOctets(gateway) }];
}
