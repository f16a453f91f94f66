/** Numbers of RFC 2003, 3948, 4303, 7383 and 8784 against the firmware's wire formats. */
import type { Kernels } from "./kernels.ts";
import { hex, type Suite } from "./suite.ts";

/** The trailer of a payload that wants fifteen octets of padding, without pad length and next header. */
const PADDING_OCTETS = 15;

function padding(kernels: Kernels): Buffer {
  return kernels.agree("espEmitTrailer", (s) => {
    const octets: number = s.call.espPadding(16 - 2 - PADDING_OCTETS + 16, 16);
    const at = s.take(octets + 2);
    s.call.espEmitTrailer(at, octets, 0);
    return s.get(at, octets);
  })!;
}

export const protocolNumbers: Suite = {
  name: "protocol numbers",
  takes: (path) => path.endsWith("rfc2003_rfc8784_misc.json"),
  async run(content, report, kernels) {
    await report.check("IP in IP", () => {
      const { outer_protocol: v4, ipv6_protocol: v6 } = content.rfc2003_ip_in_ip;
      return kernels.constant("PROTOCOL_IPV4") === v4 && kernels.constant("PROTOCOL_IPV6") === v6;
    });
    await report.check("NAT keepalive", () => kernels.constant("ESP_KEEPALIVE") === hex(content.rfc3948.keepalive)[0]);
    await report.check("dummy packets and padding of ESP", () => {
      if (kernels.constant("PROTOCOL_NONE") !== content.rfc4303.dummy_next_header) return "next header";
      const pattern = hex(content.rfc4303.padding_pattern.replaceAll(/[^0-9a-f]/g, "").slice(0, 6));
      const emitted = padding(kernels);
      if (emitted.length !== PADDING_OCTETS) return `${emitted.length} octets of padding`;
      return emitted.every((octet, i) => octet === i + 1) && emitted.subarray(0, 3).equals(pattern);
    });
    await report.check("notifies of RFC 8784", () =>
      ["USE_PPK", "PPK_IDENTITY", "NO_PPK_AUTH"].every(
        (name) => kernels.constant(`NOTIFY_${name}`) === content.rfc8784_ppk[`notify_${name}`],
      ),
    );
    await report.check("notify and payload of RFC 7383", () => {
      const { notify_IKEV2_FRAGMENTATION_SUPPORTED: notify, payload_SKF: payload } = content.rfc7383;
      return (
        kernels.constant("NOTIFY_IKEV2_FRAGMENTATION_SUPPORTED") === notify &&
        kernels.constant("PAYLOAD_SKF") === payload
      );
    });
  },
};
