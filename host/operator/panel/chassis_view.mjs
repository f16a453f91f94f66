/** One chassis on the page: its picture, boards, connections, drops, throughput, negotiations, and the way of a packet. */
import { Actions } from "./actions.mjs";
import { BoardCards, ConnectionCards, DropCards } from "./cards.mjs";
import { follow } from "./control.mjs";
import { element, keep, mark, say } from "./element.mjs";
import { Picture } from "./picture.mjs";
import { Plot } from "./plot.mjs";
import { Walk } from "./walk.mjs";
import { duration, eventText } from "./words.mjs";

/** Lines that the page keeps of what happened. */
const LINES_MAX = 200;

export class ChassisView {
  #picture = new Picture();
  #summary = element("p", { class: "summary" });
  #alarms = element("ul", { class: "alarms" });
  #log;
  #boards;
  #connections;
  #drops = new DropCards();
  #plot;
  #walk;

  constructor(index, may) {
    const id = `chassis-${index}`;
    const actions = new Actions(index, may);
    this.#boards = new BoardCards(actions);
    this.#connections = new ConnectionCards(actions);
    this.#plot = new Plot(id);
    const trace = (filter, signal, take) =>
      follow([{ chassis: index, command: "trace", args: { filter } }], signal, ({ packet }) => {
        if (packet) take(packet);
      });
    this.#walk = new Walk(id, trace, (slot) => this.#picture.point(slot));
    this.#log = element("div", { class: "log", role: "log", "aria-label": `What happens at ${may.name}`, tabindex: 0 });
    const part = (title, ...nodes) =>
      element(
        "section",
        { class: "part", "aria-label": `${title} of ${may.name}` },
        element("h3", {}, title),
        ...nodes,
      );
    const wide = { class: "scroll", role: "region", tabindex: 0, "aria-label": `Picture of ${may.name}` };
    this.node = element(
      "section",
      { class: "chassis", "aria-labelledby": id },
      element("h2", { id }, may.name),
      this.#summary,
      element("div", { role: "status" }, this.#alarms),
      element("p", { class: "row" }, ...actions.chassis(may.name)),
      element("div", wide, this.#picture.node),
      part("Connections", this.#connections.node),
      part("Boards", this.#boards.node),
      part("Throughput", this.#plot.node),
      part("Events", this.#log),
      part("Way of a packet", this.#walk.node),
      part("Drops", this.#drops.node),
    );
  }

  /** @param {import("../watch.ts").WatchStatus} status a glance */
  update(status) {
    const { boards, count, failure } = status;
    const alarm = boards.alarm === "off" ? "" : `, ALARM ${boards.alarm}`;
    const sas = failure ?? `${count.ikeSas} IKE_SAs, ${count.childSas} CHILD_SAs`;
    say(this.#summary, `${boards.link} backplane, ${boards.drive} drive, ${sas}${alarm}`);
    keep(
      this.#alarms,
      boards.alarms,
      ({ slot, name, since }) => `${slot} ${name} ${since}`,
      () => element("li"),
      (node, { slot, severity, name, text }) => {
        mark(node, "data-severity", severity);
        say(node, `${severity} alarm, slot ${slot}, ${name}: ${text}`);
      },
    );
    this.#picture.update(status);
    this.#boards.update(status);
    this.#connections.update(status);
    this.#drops.update(status);
    this.#plot.update(status);
  }

  /** @param {import("../gateway.ts").GatewayEvent} event */
  event(event) {
    this.#write(`${new Date().toLocaleTimeString()}  ${eventText(event)}`, "event");
  }

  /** @param {import("../steps.ts").BoardStep} step of a negotiation */
  step({ at, slot, text }) {
    this.#write(`${duration(at)}  slot ${slot}  ${text}`, "step");
  }

  /** No packet is followed any more. */
  rest() {
    this.#walk.stop();
  }

  #write(text, kind) {
    const below = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 20;
    this.#log.append(element("p", { "data-kind": kind }, text));
    while (this.#log.childElementCount > LINES_MAX) this.#log.firstChild.remove();
    // Who has scrolled up is reading.
    if (below) this.#log.scrollTop = this.#log.scrollHeight;
  }
}
