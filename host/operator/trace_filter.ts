/**
 * Which live packets `cardcage trace` shows, in words that tcpdump has: all of them have to hold.
 *
 *   [src|dst] [host|net] 10.1.0.5 | 10.1.0.0/16     [src|dst] port 53     proto udp, or udp, tcp, icmp, icmp6, sctp, esp, ah alone
 *   spi c8fb5536     slot 2     from protected|unprotected     dropped
 *
 * Of a sealed packet the one inside counts as well, so that both directions of a flow are seen. Refuses `or`, `not` and parentheses.
 */
import { BlockList, isIP } from "node:net";
import type { Side } from "../nic/nic.ts";
import type { FlowText } from "./explanation.ts";
import type { PacketExplanation } from "./explain.ts";

const PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  esp: 50,
  ah: 51,
  icmp6: 58,
  icmpv6: 58,
  sctp: 132,
};
const WORDS_MAX = 32;

type FlowTest = (flow: FlowText) => boolean;
type PacketTest = (explanation: PacketExplanation) => boolean;

export interface TraceFilter {
  /** False: a packet of this flow, which is not sealed, is none that is meant. */
  flow(flow: FlowText): boolean;
  /** The last word, when it is known what becomes of the packet. */
  packet(explanation: PacketExplanation): boolean;
  /** Undefined: either. */
  from: Side | undefined;
}

/** Reads the words of a filter; none of them: all packets. Throws RangeError with a sentence. */
export function parseTraceFilter(words: readonly string[]): TraceFilter {
  if (words.length > WORDS_MAX) throw new RangeError(`a filter has ${WORDS_MAX} words at most`);
  const flows: FlowTest[] = [];
  const packets: PacketTest[] = [];
  let from: Side | undefined;
  const left = words.flatMap((word) => word.split(/\s+/)).filter((word) => word !== "");
  const next = (what: string): string => {
    const word = left.shift();
    if (word === undefined) throw new RangeError(`the filter ends where ${what} should follow`);
    return word;
  };
  while (left.length > 0) {
    let word = next("a word");
    if (word === "and") continue;
    const end = word === "src" || word === "dst" ? word : undefined;
    if (end) word = next(`host, net, port or an address behind '${end}'`);
    if (word === "port") flows.push(portTest(next("a port"), end));
    else if (word === "host" || word === "net") flows.push(addressTest(next("an address"), end));
    else if (end) flows.push(addressTest(word, end));
    else if (word === "proto") flows.push(protocolTest(next("a protocol")));
    else if (Object.hasOwn(PROTOCOLS, word)) flows.push(protocolTest(word));
    else if (word === "spi") packets.push(spiTest(next("an SPI")));
    else if (word === "slot") packets.push(slotTest(next("a slot")));
    else if (word === "dropped") packets.push(({ verdict }) => verdict === "dropped");
    else if (word === "from") from = side(next("a side"));
    else
      throw new RangeError(
        `'${word}' is no word of a filter: host, net, src, dst, port, proto, spi, slot, from, dropped`,
      );
  }
  const flow = (one: FlowText): boolean => flows.every((test) => test(one));
  return {
    from,
    flow,
    packet: (explanation) => {
      const seen = [explanation.flow, explanation.inside].filter((one) => one !== undefined);
      return (flows.length === 0 || seen.some(flow)) && packets.every((test) => test(explanation));
    },
  };
}

function side(word: string): Side {
  if (word !== "protected" && word !== "unprotected")
    throw new RangeError(`'${word}' is no side: protected and unprotected are`);
  return word;
}

function addressTest(word: string, end: "src" | "dst" | undefined): FlowTest {
  const [address, prefix, more] = word.split("/") as [string, string?, string?];
  const kind = isIP(address) === 6 ? "ipv6" : "ipv4";
  const bits = kind === "ipv6" ? 128 : 32;
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : NaN;
  if (isIP(address) === 0 || more !== undefined || !(length <= bits))
    throw new RangeError(`'${word}' is no address or network`);
  const list = new BlockList();
  list.addSubnet(address, length, kind);
  const within = (text: string): boolean => (isIP(text) === 6) === (kind === "ipv6") && list.check(text, kind);
  return ({ source, destination }) => (end !== "dst" && within(source)) || (end !== "src" && within(destination));
}

function portTest(word: string, end: "src" | "dst" | undefined): FlowTest {
  const port = /^\d{1,5}$/.test(word) ? Number(word) : NaN;
  if (!(port <= 65535)) throw new RangeError(`'${word}' is no port`);
  const has = (flow: FlowText): boolean => [6, 17, 132].includes(flow.protocol);
  return (flow) =>
    has(flow) &&
    ((end !== "dst" && flow["source-port"] === port) || (end !== "src" && flow["destination-port"] === port));
}

function protocolTest(word: string): FlowTest {
  const wanted = Object.hasOwn(PROTOCOLS, word) ? PROTOCOLS[word] : /^\d{1,3}$/.test(word) ? Number(word) : NaN;
  if (!(wanted! <= 255)) throw new RangeError(`'${word}' is no protocol`);
  return ({ protocol }) => protocol === wanted;
}

function spiTest(word: string): PacketTest {
  if (!/^(0x)?[0-9a-f]{1,8}$/i.test(word)) throw new RangeError(`'${word}' is no SPI: 8 hexadecimal digits are`);
  const spi = word.replace(/^0x/i, "").toLowerCase().padStart(8, "0");
  return ({ sa, walk }) => sa?.spi === spi || walk.some(({ text }) => text.includes(`SPI ${spi}`));
}

function slotTest(word: string): PacketTest {
  if (!/^\d{1,2}$/.test(word)) throw new RangeError(`'${word}' is no slot`);
  return ({ walk }) => walk.some(({ slot }) => slot === Number(word));
}
