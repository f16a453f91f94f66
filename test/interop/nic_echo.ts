/**
 * The Linux NICs alone, without a gateway: run inside a network namespace, answers what arrives. Every UDP datagram or
 * ESP packet goes back where it came from, every ICMP echo request from the TUN device is answered there. Prints one line
 * of counters when it is terminated.
 *
 *   ip netns exec NAMESPACE node --import tsx test/interop/nic_echo.ts ADDRESS NETWORK
 */

import { openLinuxNics } from "../../host/nic/linux/index.ts";
import { headerChecksum } from "../../host/nic/linux/outer_header.ts";

const [address, network] = process.argv.slice(2);
if (address === undefined || network === undefined) throw new Error("usage: nic_echo.ts ADDRESS NETWORK");

function swap(packet: Uint8Array, a: number, b: number, octets: number): void {
  for (let i = 0; i < octets; i++) [packet[a + i], packet[b + i]] = [packet[b + i], packet[a + i]];
}

const nics = await openLinuxNics({
  localAddresses: [address],
  tun: { name: "cardcage%d", mtu: 1400 },
  routes: [{ destination: network }],
  onFailure: (error) => {
    console.error(error.message);
    process.exit(1);
  },
});

nics.unprotected.onReceive((packets) => {
  for (const packet of packets) {
    if (headerChecksum(packet, 0, 20) !== 0) throw new Error("header checksum is wrong");
    swap(packet, 12, 16, 4);
    if (packet[9] === 17) swap(packet, 20, 22, 2);
  }
  nics.unprotected.send(packets);
});
nics.protected.onReceive((packets) => {
  const answers = packets.filter((packet) => packet[9] === 1 && packet[20] === 8);
  for (const packet of answers) {
    swap(packet, 12, 16, 4);
    packet[20] = 0;
    // RFC 1624: the checksum of an echo differs from its answer's by the type octet alone.
    let sum = ((packet[22] << 8) | packet[23]) + 0x0800;
    sum = (sum & 0xffff) + (sum >>> 16);
    packet[22] = sum >>> 8;
    packet[23] = sum & 0xff;
  }
  nics.protected.send(answers);
});
console.log(`ready ${nics.tunName}`);
process.on("SIGTERM", () => {
  void nics.close().then(() => {
    console.log(JSON.stringify(nics.counters()));
    process.exit(0);
  });
});
