/** The way of a live packet, step by step: packets that a filter chooses, and of one of them each board's steps. */
import { element, keep, mark, say } from "./element.mjs";
import { flowText } from "./words.mjs";

const PACKETS_MAX = 12;
/** Milliseconds for a step while the way plays. */
const STEP_MS = 900;
const BOARDS = { ike: "IKE board", ipsec: "IPsec board" };

const summary = ({ from, octets, flow, verdict, reason, slot }) =>
  `${from}: ${flow ? flowText(flow) : "a packet"}, ${octets} octets: ${verdict}${reason ? `: ${reason}` : ""}` +
  (slot === undefined ? "" : ` (slot ${slot})`);

export class Walk {
  #packets = [];
  #count = 0;
  #chosen;
  #step = 0;
  #watching;
  #timer;
  #follow;
  #point;
  #filter;
  #button;
  #state = element("p", { class: "hint", role: "status" });
  #list = element("ul", { class: "packets" });
  #steps = element("ol", { class: "steps" });
  #what = element("p");
  #means = element("p");
  #play;

  /** `follow(filter, signal, take)` follows packets; `point(slot)` shows in the picture where one is. */
  constructor(id, follow, point) {
    this.#follow = follow;
    this.#point = point;
    this.#filter = element("input", { id: `${id}-filter`, type: "text", placeholder: "udp dst net 10.2.0.0/16" });
    this.#button = element("button", { type: "submit", "aria-pressed": "false" }, "Watch packets");
    const form = element(
      "form",
      {
        class: "row",
        onsubmit: (event) => {
          event.preventDefault();
          this.#toggle();
        },
      },
      element("label", { for: `${id}-filter` }, "Filter"),
      this.#filter,
      this.#button,
    );
    const go = (by) => () => this.#show(this.#step + by);
    this.#play = element("button", { type: "button", onclick: () => this.#playing() }, "Play");
    this.node = element(
      "div",
      {},
      element(
        "p",
        { class: "hint" },
        "Words of the filter are those of cardcage trace: src, dst, net, port, spi, slot, dropped. Watching costs the gateway a question for each packet.",
      ),
      form,
      this.#state,
      this.#list,
      this.#what,
      element(
        "p",
        { class: "row" },
        element("button", { type: "button", onclick: go(-1) }, "Step back"),
        element("button", { type: "button", onclick: go(1) }, "Next step"),
        this.#play,
      ),
      this.#steps,
      this.#means,
    );
    for (const button of this.node.querySelectorAll("p.row button")) button.disabled = true;
  }

  stop() {
    this.#watching?.abort();
    this.#watching = undefined;
    say(this.#button, "Watch packets");
    mark(this.#button, "aria-pressed", "false");
  }

  #toggle() {
    if (this.#watching) {
      this.stop();
      say(this.#state, "");
      return;
    }
    const watching = new AbortController();
    this.#watching = watching;
    say(this.#button, "Stop watching");
    mark(this.#button, "aria-pressed", "true");
    say(this.#state, "waiting for a packet");
    const words = this.#filter.value.split(/\s+/).filter((word) => word !== "");
    this.#follow(words, watching.signal, (packet) => this.#take(packet)).catch((error) => {
      if (watching.signal.aborted) return;
      this.stop();
      say(this.#state, error.message);
    });
  }

  #take({ explanation }) {
    this.#count += 1;
    this.#packets.unshift({ key: this.#count, explanation });
    this.#packets.length = Math.min(this.#packets.length, PACKETS_MAX);
    say(this.#state, "packets come");
    this.#draw();
    if (!this.#chosen) this.#choose(this.#packets[0]);
  }

  #draw() {
    // The one that is looked at stays, however many come.
    const shown = [...this.#packets];
    if (this.#chosen && !shown.includes(this.#chosen)) shown.push(this.#chosen);
    keep(
      this.#list,
      shown,
      ({ key }) => key,
      (packet) => element("li", {}, element("button", { type: "button", onclick: () => this.#choose(packet) })),
      (node, packet) => {
        say(node.firstChild, summary(packet.explanation));
        mark(node.firstChild, "aria-pressed", packet === this.#chosen);
        mark(node.firstChild, "data-verdict", packet.explanation.verdict);
      },
    );
  }

  #choose(packet) {
    this.#chosen = packet;
    clearInterval(this.#timer);
    this.#timer = undefined;
    const { explanation } = packet;
    say(this.#what, summary(explanation));
    say(this.#means, explanation.means ? `${explanation.means} ${explanation.do}` : "");
    for (const button of this.node.querySelectorAll("p.row button")) button.disabled = false;
    this.#draw();
    this.#show(0);
  }

  #show(step) {
    if (!this.#chosen) return;
    const { walk } = this.#chosen.explanation;
    this.#step = Math.max(0, Math.min(step, walk.length - 1));
    keep(
      this.#steps,
      walk.map((one, i) => ({ ...one, i, key: `${this.#chosen.key} ${i}` })),
      ({ key }) => key,
      () => element("li"),
      (node, { step: name, slot, board, text, i }) => {
        say(node, `${name}  slot ${slot}, ${BOARDS[board]}: ${text}`);
        mark(node, "aria-current", i === this.#step ? "step" : undefined);
        mark(node, "data-past", i < this.#step ? "yes" : undefined);
      },
    );
    this.#point(walk[this.#step]?.slot);
  }

  #playing() {
    const over = () => {
      clearInterval(this.#timer);
      this.#timer = undefined;
      say(this.#play, "Play");
    };
    if (this.#timer) return over();
    this.#show(0);
    say(this.#play, "Stop playing");
    this.#timer = setInterval(() => {
      const last = this.#chosen.explanation.walk.length - 1;
      this.#show(this.#step + 1);
      if (this.#step >= last) over();
    }, STEP_MS);
  }
}
