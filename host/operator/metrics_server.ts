/**
 * GET /metrics over HTTP, and nothing else: for Prometheus on this machine, or wherever the operator lets it listen. There is no
 * authentication; what it tells is names, addresses of boards, counts, and no secret.
 *
 * Scrapes that come while one is under way get its answer. Refuses more than CLIENTS_MAX clients and requests that take long.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Metrics } from "./metrics.ts";

const CLIENTS_MAX = 16;
const REQUEST_MS = 5000;

/** What is asked, and in which format it answers. */
export type Scraped = Pick<Metrics, "contentType" | "scrape">;

/** Where to listen. */
export interface Listening {
  host: string;
  port: number;
}

export class MetricsServer {
  readonly #server: Server;
  readonly #metrics: Scraped;
  #scrape: Promise<string> | undefined;

  private constructor(metrics: Scraped) {
    this.#metrics = metrics;
    const limits = { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, keepAliveTimeout: REQUEST_MS };
    this.#server = createServer(limits, (request, response) => void this.#serve(request, response));
    this.#server.maxConnections = CLIENTS_MAX;
  }

  /** Listens; port 0 is any that is free. Throws with the reason when that cannot be. */
  static async listen(metrics: Scraped, { host, port }: Listening): Promise<MetricsServer> {
    const server = new MetricsServer(metrics);
    await new Promise<void>((resolve, reject) => {
      server.#server.once("error", (error) => reject(new Error(`metrics at ${host} port ${port}: ${error.message}`)));
      server.#server.listen({ host, port }, resolve);
    });
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const end = (status: number, text: string, headers: Record<string, string> = {}): void => {
      response.writeHead(status, { "content-type": "text/plain; charset=utf-8", ...headers });
      response.end(request.method === "HEAD" ? undefined : text);
    };
    if (request.url?.split("?")[0] !== "/metrics") return end(404, "metrics are at /metrics\n");
    if (request.method !== "GET" && request.method !== "HEAD") return end(405, "GET only\n", { allow: "GET, HEAD" });
    try {
      this.#scrape ??= this.#metrics.scrape().finally(() => (this.#scrape = undefined));
      end(200, await this.#scrape, { "content-type": this.#metrics.contentType });
    } catch (error) {
      end(500, `${(error as Error).message}\n`);
    }
  }
}
