/** The ATM backplane's numbers against the chassis: AAL5 CRC-32 and CPCS-PDU (I.363.5), HEC (I.432.1), LLC/SNAP (RFC 2684). */
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from "../../assembly/abi/fabric.ts";
import {
  aal5Crc,
  CELL_MORE,
  CELL_OCTETS,
  cellsOctets,
  cpcsOctets,
  cpcsOpen,
  cpcsSeal,
  hec,
  Reassembler,
  segment,
} from "../../host/chassis/aal5.ts";
import { hex, same, type Suite } from "./suite.ts";

function crcHex(octets: Uint8Array, end: number): string {
  return aal5Crc(octets, 0, end).toString(16).padStart(8, "0");
}

export const aal5: Suite = {
  name: "AAL5, HEC and LLC/SNAP",
  takes: (path) => path.endsWith("atm_aal5_rfc2684.json"),
  async run(content, report, kernels) {
    await report.check("CRC check value", () => {
      const text = Buffer.from("123456789");
      return crcHex(text, text.length) === content.crc_check.crc32_aal5;
    });
    for (const test of content.aal5_crc) {
      await report.check(test.name, () => {
        const payload = hex(test.payload);
        const expected = hex(test.cpcs_pdu);
        const pdu = Buffer.alloc(cpcsOctets(payload.length));
        payload.copy(pdu);
        cpcsSeal(pdu, 0, payload.length);
        const sealed = same(pdu, expected);
        if (sealed !== true) return sealed;
        if (crcHex(pdu, pdu.length - 4) !== test.crc) return "CRC";
        if (cpcsOpen(pdu, 0, pdu.length) !== payload.length) return "does not open";
        const cells = new Uint8Array(cellsOctets(payload.length));
        const octets = segment(pdu, 0, pdu.length, 42, cells, 0);
        const reassembler = new Reassembler(pdu.length);
        for (let at = 0; at < octets; at += CELL_OCTETS) {
          const whole = reassembler.push(cells, at, 42);
          if (whole !== (at + CELL_OCTETS === octets ? payload.length : CELL_MORE)) return `cell at ${at}: ${whole}`;
        }
        if (!pdu.equals(reassembler.octets)) return "cells do not give the PDU again";
        pdu[0]! ^= 1;
        return cpcsOpen(pdu, 0, pdu.length) < 0 || "a wrong CRC is accepted";
      });
    }
    for (const test of content.hec) {
      await report.check(`HEC, ${test.name}`, () => hec(hex(test.header4), 0) === parseInt(test.hec, 16));
    }
    const pids: Record<string, number> = { "routed IPv4": ETHERTYPE_IPV4, "routed IPv6": ETHERTYPE_IPV6 };
    for (const test of content.llc_snap) {
      const pid = pids[test.name];
      if (pid === undefined) {
        report.outside("the backplane carries routed PDUs over SNAP alone");
        continue;
      }
      await report.check(`LLC/SNAP, ${test.name}`, () => kernels.llcSnap(pid, hex(test.header)));
    }
    report.outside("the backplane does not multiplex by VC", content.vc_mux.length);
  },
};
