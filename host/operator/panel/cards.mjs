/** Cards: what there is to know of each board, connection and drop reason, in text. */
import { element, keep, mark, say } from "./element.mjs";
import { amount, duration, lampText, quoted, suiteText } from "./words.mjs";

/** A list of facts that are brought up to date; a fact that is undefined is not there. */
function facts(node, entries) {
  keep(
    node,
    entries.filter(([, value]) => value !== undefined && value !== ""),
    ([name]) => name,
    ([name]) => element("div", {}, element("dt", {}, name), element("dd")),
    (row, [, value]) => say(row.lastChild, value),
  );
}

const mebibytes = (octets) => `${(octets / 1048576).toFixed(0)} MiB`;

/** Boards, one card a slot. */
export class BoardCards {
  node = element("ul", { class: "cards" });
  #actions;

  constructor(actions) {
    this.#actions = actions;
  }

  /** @param {import("../watch.ts").WatchStatus} status */
  update({ boards, rates }) {
    keep(
      this.node,
      boards.slots,
      ({ slot }) => slot,
      ({ slot, board }) =>
        element(
          "li",
          { class: "card" },
          element("h4"),
          element("dl"),
          element("p", { class: "row" }, ...this.#actions.slot(slot, board)),
          ...this.#actions.slotForms(slot),
        ),
      (node, slot) => {
        const [title, list, buttons] = node.children;
        const rate = rates.find((one) => one.slot === slot.slot);
        const empty = slot.state === "Empty";
        mark(node, "data-state", slot.state);
        say(title, `Slot ${slot.slot}: ${empty ? "empty" : slot.board}, ${slot.state}`);
        facts(list, [
          ["Reason", slot.reason],
          ["Lamps", lampText(slot.leds)],
          ["Image", empty ? undefined : `${slot.image}, ${slot.build}`],
          ["Flash", slot.images && flashText(slot.images)],
          ["Up", slot.uptime > 0 ? duration(slot.uptime) : undefined],
          ["Generation", slot.generation],
          ["SAs", slot.sas === undefined ? undefined : `${slot.sas} of ${slot.capacity}`],
          ["Load", slot.load === undefined ? undefined : `${(slot.load / 1e7).toFixed(1)} % of a processor`],
          ["RAM", empty ? undefined : `${mebibytes(slot.ram.used)} of ${mebibytes(slot.ram.total)}`],
          [
            "Packets",
            rate && !empty
              ? `${amount(Math.round(rate.in))}/s in, ${amount(Math.round(rate.sent))}/s sent, ${amount(slot.counters.dropped)} dropped in all`
              : undefined,
          ],
        ]);
        for (const button of buttons.children) mark(button, "hidden", !button.states.includes(slot.state));
      },
    );
  }
}

function flashText({ A, B, bank, testing }) {
  const one = (name, version) =>
    `${name} ${version ?? "empty"}${name === bank ? (testing ? ", under test" : ", runs") : ""}`;
  return `${one("A", A)}; ${one("B", B)}`;
}

/** Connections with their SAs, those that are down too. */
export class ConnectionCards {
  node = element("ul", { class: "cards wide" });
  #actions;

  constructor(actions) {
    this.#actions = actions;
  }

  /** @param {import("../watch.ts").WatchStatus} status */
  update({ sas, connections }) {
    const failures = new Map(connections.map(({ name, failure }) => [name, failure]));
    keep(
      this.node,
      sas,
      ({ name, uniqueid = "" }) => `${name} ${uniqueid}`,
      ({ name }) =>
        element(
          "li",
          { class: "card" },
          element("h4"),
          element("dl"),
          element("p", { class: "row" }, ...this.#actions.named(name)),
          element("ul", { class: "children" }),
        ),
      (node, ike) => {
        const [title, list, , children] = node.children;
        mark(node, "data-state", ike.state);
        say(title, `${ike.name}: ${ike.state}${ike.uniqueid ? `, #${ike.uniqueid}` : ""}`);
        const end = (side) =>
          ike[`${side}-host`] === undefined
            ? undefined
            : `${ike[`${side}-id`] ? `${quoted(ike[`${side}-id`])} at ` : ""}${ike[`${side}-host`]}[${ike[`${side}-port`]}]`;
        facts(list, [
          ["Last failure", ike.failure ?? failures.get(ike.name)],
          ["Local", end("local")],
          ["Remote", end("remote")],
          ["Suite", ike.suite && suiteText(ike.suite)],
          ["Established", ike.established === undefined ? undefined : `${duration(ike.established)} ago`],
        ]);
        const up = ike["child-sas"].map((child) => ({
          key: `${child.uniqueid} ${child["spi-in"]}`,
          name: child.name,
          child,
        }));
        const names = connections.find(({ name }) => name === ike.name)?.children ?? [];
        const down = names
          .filter((name) => !up.some(({ child }) => child.name === name))
          .map((name) => ({ key: `down ${name}`, name, child: undefined }));
        keep(
          children,
          [...up, ...down],
          ({ key }) => key,
          ({ name }) =>
            element(
              "li",
              {},
              element("h5"),
              element("dl"),
              element("p", { class: "row" }, ...this.#actions.named(name)),
            ),
          updateChild,
        );
      },
    );
  }
}

/**
 * @param {Element} node
 * @param {{ name: string, child: import("../sas.ts").ChildSas | undefined }} what
 */
function updateChild(node, { child, name }) {
  const [title, list] = node.children;
  if (!child) {
    mark(node, "data-state", "DOWN");
    say(title, `${name}: not installed`);
    return;
  }
  mark(node, "data-state", child.state);
  mark(node, "data-slot", child.slot);
  const place = child.slot === undefined ? "not placed" : `on the board in slot ${child.slot}`;
  say(title, `${child.name}: ${child.state}, ${place}`);
  const way = (side) => {
    const drops = Object.entries(child.drops[side]).map(([reason, count]) => `${reason} ${count}`);
    return (
      `SPI ${child[`spi-${side}`]}, ${amount(child[`packets-${side}`])} packets, ${amount(child[`bytes-${side}`], "B")}` +
      (drops.length === 0 ? "" : `; dropped: ${drops.join(", ")}`)
    );
  };
  facts(list, [
    ["In", way("in")],
    ["Out", way("out")],
    ["Networks", `${child["local-ts"].join(" ")} to ${child["remote-ts"].join(" ")}`],
    ["Suite", `${child.protocol} ${suiteText(child.suite)}, ${child.mode}${child.encap ? " in UDP" : ""}`],
    ["Inner MTU", child["inner-mtu"]],
  ]);
}

/** Drop reasons that counted, with what they mean and what to do. */
export class DropCards {
  node = element("div", {}, element("p"), element("ul", { class: "cards wide" }));

  /** @param {import("../watch.ts").WatchStatus} status */
  update({ drops: { drops, reasons, slots } }) {
    const [none, list] = this.node.children;
    const counted = Object.entries(drops).filter(([, count]) => count > 0);
    say(none, counted.length === 0 ? "Nothing was dropped." : "");
    mark(none, "hidden", counted.length > 0);
    keep(
      list,
      counted.sort(([, a], [, b]) => b - a),
      ([reason]) => reason,
      () => element("li", { class: "card" }, element("h4"), element("p"), element("p"), element("p")),
      (node, [reason, count]) => {
        const [title, where, means, remedy] = node.children;
        const at = slots
          .map((one) => [one.slot, (one.drops[reason] ?? 0) + (one.chassisDrops[reason] ?? 0)])
          .filter(([, own]) => own > 0)
          .map(([slot, own]) => `slot ${slot}: ${own}`);
        say(title, `${reason}: ${count}`);
        say(where, at.join(", "));
        say(means, reasons[reason]?.means ?? "");
        say(remedy, reasons[reason]?.do ?? "");
      },
    );
  }
}
