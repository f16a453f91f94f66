/** Throughput as a plot: the last two minutes, a line for each board. */
import { drawn, element, keep, mark, say } from "./element.mjs";
import { amount } from "./words.mjs";

const SAMPLES = 120;
const WIDTH = 480;
const HEIGHT = 180;
const LEFT = 58;
const BOTTOM = 24;
const TOP = 10;

const MEASURES = [
  { name: "packets to boards", unit: "/s", of: ({ in: came }) => came },
  { name: "packets sent", unit: "/s", of: ({ sent }) => sent },
  { name: "packets dropped", unit: "/s", of: ({ dropped }) => dropped },
  {
    name: "bits over the backplane",
    unit: "bit/s",
    of: ({ octetsToBoard, octetsFromBoard }) => 8 * (octetsToBoard + octetsFromBoard),
  },
];

/** A round number that is not less. */
function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((round) => round >= value) ?? 10 * power;
}

export class Plot {
  #samples = [];
  #measure = MEASURES[1];
  #lines = drawn("g");
  #peak = drawn("text", { class: "axis-text", x: LEFT - 6, y: TOP + 8, "text-anchor": "end" });
  #legend = element("ul", { class: "legend" });
  #caption = element("figcaption");

  constructor(id) {
    const select = element(
      "select",
      {
        id: `${id}-measure`,
        onchange: ({ target }) => {
          this.#measure = MEASURES[Number(target.value)];
          this.#draw();
        },
      },
      ...MEASURES.map(({ name }, i) => element("option", { value: i, selected: MEASURES[i] === this.#measure }, name)),
    );
    const axes = drawn("path", {
      class: "axis",
      d: `M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - 6}`,
    });
    const picture = drawn(
      "svg",
      { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" },
      axes,
      this.#peak,
      drawn("text", { class: "axis-text", x: LEFT - 6, y: HEIGHT - BOTTOM, "text-anchor": "end" }, "0"),
      drawn("text", { class: "axis-text", x: LEFT, y: HEIGHT - 6 }, "2 min ago"),
      drawn("text", { class: "axis-text", x: WIDTH - 6, y: HEIGHT - 6, "text-anchor": "end" }, "now"),
      this.#lines,
    );
    this.node = element(
      "div",
      {},
      element("p", {}, element("label", { for: `${id}-measure` }, "Measure "), select),
      element("figure", {}, picture, this.#caption),
      this.#legend,
    );
  }

  /** @param {import("../watch.ts").WatchStatus} status */
  update({ rates }) {
    this.#samples.push(rates);
    if (this.#samples.length > SAMPLES) this.#samples.shift();
    this.#draw();
  }

  #draw() {
    const { name, unit, of } = this.#measure;
    const latest = this.#samples.at(-1) ?? [];
    const series = latest.map(({ slot }, i) => ({
      slot,
      line: i % 6,
      values: this.#samples.map((rates) => of(rates.find((rate) => rate.slot === slot) ?? latest[0]) ?? 0),
    }));
    const top = ceiling(Math.max(0, ...series.flatMap(({ values }) => values)));
    say(this.#peak, amount(top, unit));
    const x = (i, count) => LEFT + ((SAMPLES - count + i) * (WIDTH - 6 - LEFT)) / (SAMPLES - 1);
    const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
    keep(
      this.#lines,
      series,
      ({ slot }) => slot,
      () => drawn("polyline"),
      (node, { line, values }) => {
        mark(node, "class", `series line-${line}`);
        mark(
          node,
          "points",
          values.map((value, i) => `${x(i, values.length).toFixed(1)},${y(value).toFixed(1)}`).join(" "),
        );
      },
    );
    keep(
      this.#legend,
      series,
      ({ slot }) => slot,
      ({ line }) =>
        element(
          "li",
          {},
          drawn(
            "svg",
            { class: "key", viewBox: "0 0 30 8", "aria-hidden": "true" },
            drawn("path", { class: `series line-${line}`, d: "M0 4H30" }),
          ),
          element("span"),
        ),
      (node, { slot, values }) => say(node.lastChild, `slot ${slot}: ${amount(values.at(-1), unit)}`),
    );
    const all = this.#samples.map((rates) => rates.reduce((sum, rate) => sum + of(rate), 0));
    say(
      this.#caption,
      `${name}, all boards: now ${amount(all.at(-1) ?? 0, unit)}, at most ${amount(Math.max(0, ...all), unit)}`,
    );
  }
}
