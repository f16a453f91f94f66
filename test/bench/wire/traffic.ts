/** iperf3 and ping between the hosts behind two gateways (test/interop/topology.ts): what arrives, and what it costs. */
import { INNER, type Topology } from "../../interop/topology.ts";
import { Program, run } from "../../interop/process.ts";
import { processorTime } from "./processor_time.ts";

interface IperfJson {
  error?: string;
  end: {
    sum_received: { bits_per_second: number };
    sum: { bits_per_second: number; packets: number; lost_percent: number; seconds: number };
  };
}

/** What one run carried. */
export interface Carried {
  /** 10^6 bits of payload a second, as received. */
  megabits: number;
  /** UDP: packets a second, as received; and the part that was lost. */
  packets: number;
  lost: number;
  /** Processor seconds of both gateways together, a second of the run. */
  cores: number;
}

const PORT = 5201;
/** Waits for the server and the slow start. */
const OMIT_SECONDS = 1;

export class Traffic {
  constructor(
    private readonly topology: Topology,
    private readonly log: string,
    /** Of the gateways; empty when the kernel routes. */
    private readonly pids: readonly number[],
  ) {}

  private async iperf(seconds: number, words: readonly string[]): Promise<{ json: IperfJson; cores: number }> {
    const { topology } = this;
    const inside = (side: "a" | "b"): string[] => ["netns", "exec", topology.host(side), "iperf3", "-p", String(PORT)];
    const server = new Program("ip", [...inside("b"), "-s", "-1"], this.log);
    try {
      for (let tries = 0; ; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 300));
        const before = this.busy();
        const start = performance.now();
        const client = [
          ...inside("a"),
          "-c",
          INNER.b,
          "-t",
          String(seconds),
          "-O",
          String(OMIT_SECONDS),
          "-J",
          ...words,
        ];
        const { output } = await run("ip", client, { seconds: seconds + 30 });
        const took = performance.now() - start;
        const cores = (this.busy() - before) / took;
        const json = JSON.parse(output.slice(output.indexOf("{"), output.lastIndexOf("}") + 1)) as IperfJson;
        if (json.error === undefined) return { json, cores };
        if (tries === 10) throw new Error(`iperf3 ${words.join(" ")}: ${json.error}`);
      }
    } finally {
      await server.stop("SIGKILL");
    }
  }

  private busy(): number {
    return this.pids.reduce((sum, pid) => sum + processorTime(pid), 0);
  }

  async tcp(seconds: number): Promise<Carried> {
    const { json, cores } = await this.iperf(seconds, []);
    return { megabits: json.end.sum_received.bits_per_second / 1e6, packets: 0, lost: 0, cores };
  }

  /** The most that arrives over a sweep of offered rates, in 10^6 bits a second; payloads of `octets`. */
  async udp(seconds: number, octets: number, offered: readonly number[]): Promise<Carried> {
    let best: Carried = { megabits: 0, packets: 0, lost: 1, cores: 0 };
    for (const rate of offered) {
      const words = ["-u", "-b", `${rate}M`, "-l", String(octets), "-w", "1M"];
      const { json, cores } = await this.iperf(seconds, words);
      const { bits_per_second, packets, lost_percent, seconds: took } = json.end.sum;
      const lost = lost_percent / 100;
      const carried = {
        megabits: (bits_per_second * (1 - lost)) / 1e6,
        packets: (packets * (1 - lost)) / took,
        lost,
        cores,
      };
      if (carried.megabits > best.megabits) best = carried;
      else if (carried.megabits < best.megabits * 0.7) break;
    }
    return best;
  }

  /** Round-trip times of lone packets, ms, in order. */
  async roundTrips(count: number): Promise<number[]> {
    const words = ["netns", "exec", this.topology.host("a"), "ping", "-n", "-i", "0.01", "-c", String(count), INNER.b];
    const { output } = await run("ip", words, { seconds: 60 });
    const times = [...output.matchAll(/time=([\d.]+)/g)].map(([, time]) => Number(time));
    if (times.length < count / 2) throw new Error(`ping: ${times.length} answers to ${count} requests`);
    return times.sort((a, b) => a - b);
  }
}
