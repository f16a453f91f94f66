/**
 * The chassis as a picture: slots side by side, each with its board, lamps and SAs; above them the networks, below the backplane.
 *
 *   networks   =====+==========+===========+====      arriving packets go to the IKE board,
 *                   |          ^           ^          an IPsec board sends by itself
 *                [ IKE ]    [IPsec]     [IPsec]
 *                   |          ^           ^
 *   backplane  =====+==========+===========+====
 *
 * It is one image for a screen reader, whose text says the same in short; the cards below it say all of it.
 */
import { drawn, keep, mark, say } from "./element.mjs";
import { amount, lampText } from "./words.mjs";

const SLOT_WIDTH = 132;
const GAP = 14;
const MARGIN = 16;
const TOP = 78;
const BOARD_HEIGHT = 236;
const HEIGHT = TOP + BOARD_HEIGHT + 84;
/** SAs that a board has room to show. */
const CHIPS_MAX = 5;
const LAMPS = ["ok", "fail", "act", "alarm"];

const slotX = (place) => MARGIN + place * (SLOT_WIDTH + GAP);

export class Picture {
  #title = drawn("title");
  #boards = drawn("g");
  #wires = drawn("g");
  #top;
  #bottom;
  #topText = drawn("text", { class: "rail-text", y: 25, x: MARGIN + 10 }, "networks: peers and hosts");
  #bottomText = drawn("text", { class: "rail-text", y: HEIGHT - 17, x: MARGIN + 10 });
  /** The slot at which a packet is shown, and the side that it is at. */
  #here;

  constructor() {
    this.#top = drawn("rect", { class: "rail", x: MARGIN, y: 8, height: 26, rx: 4 });
    this.#bottom = drawn("rect", { class: "rail", x: MARGIN, y: HEIGHT - 34, height: 26, rx: 4 });
    this.node = drawn(
      "svg",
      { class: "picture", role: "img" },
      this.#title,
      this.#wires,
      this.#top,
      this.#bottom,
      this.#topText,
      this.#bottomText,
      this.#boards,
    );
  }

  /** Shows where a packet is; undefined: nowhere. */
  point(slot) {
    this.#here = slot;
    for (const [key, board] of this.#boards.kept ?? []) mark(board, "data-here", key === slot ? "yes" : undefined);
  }

  /** @param {import("../watch.ts").WatchStatus} status */
  update({ boards, sas, rates }) {
    const { slots, ikeSlot, link, name } = boards;
    const width = 2 * MARGIN + slots.length * (SLOT_WIDTH + GAP) - GAP;
    mark(this.node, "viewBox", `0 0 ${width} ${HEIGHT}`);
    mark(this.node, "data-slots", slots.length);
    for (const rail of [this.#top, this.#bottom]) mark(rail, "width", width - 2 * MARGIN);
    say(this.#bottomText, `backplane: ${link}`);
    /** @type {Map<number | undefined, import("../sas.ts").ChildSas[]>} */
    const placed = new Map(slots.map(({ slot }) => [slot, []]));
    for (const ike of sas) for (const child of ike["child-sas"]) placed.get(child.slot)?.push(child);
    say(this.#title, `Chassis ${name}: ${slots.map((slot) => slotText(slot, placed.get(slot.slot))).join("; ")}`);
    keep(
      this.#boards,
      slots.map((slot, place) => ({ slot, place })),
      ({ slot }) => slot.slot,
      makeBoard,
      (node, { slot, place }) => {
        updateBoard(
          node,
          slot,
          place,
          slot.slot === ikeSlot,
          placed.get(slot.slot),
          rates.find((rate) => rate.slot === slot.slot),
        );
        mark(node, "data-here", this.#here === slot.slot ? "yes" : undefined);
      },
    );
    const wires = slots.flatMap((slot, place) => {
      const rate = rates.find((one) => one.slot === slot.slot);
      const ike = slot.slot === ikeSlot;
      if (slot.state === "Empty" || !rate) return [];
      const x = slotX(place) + SLOT_WIDTH / 2;
      return [
        { key: `top ${slot.slot}`, x, down: ike, top: true, rate: ike ? rate.in : rate.sent },
        { key: `low ${slot.slot}`, x, down: ike, top: false, rate: ike ? rate.sent : rate.in },
      ];
    });
    keep(
      this.#wires,
      wires,
      ({ key }) => key,
      () => drawn("g", {}, drawn("line", {}), drawn("text", { class: "wire-text" })),
      updateWire,
    );
  }
}

function updateWire(node, { x, down, top, rate }) {
  const [line, text] = node.children;
  const [above, below] = top ? [34, TOP] : [TOP + BOARD_HEIGHT, HEIGHT - 34];
  mark(line, "x1", x);
  mark(line, "x2", x);
  mark(line, "y1", down ? above : below);
  mark(line, "y2", down ? below : above);
  mark(line, "class", rate > 0 ? "wire busy" : "wire");
  mark(text, "x", x + 8);
  mark(text, "y", (above + below) / 2 + 4);
  say(text, rate > 0 ? `${amount(Math.round(rate))}/s` : "");
}

const makeBoard = ({ slot: { slot } }) =>
  drawn(
    "g",
    { "data-slot": slot },
    drawn("rect", { class: "face", width: SLOT_WIDTH, height: BOARD_HEIGHT, rx: 6 }),
    drawn("text", { class: "slot-name", x: 10, y: 22 }),
    drawn("text", { class: "state", x: 10, y: 42 }),
    drawn(
      "g",
      {},
      ...LAMPS.map((name, i) =>
        drawn(
          "g",
          {},
          drawn("circle", { "data-lamp": name, cx: 22 + i * 30, cy: 62, r: 7 }),
          drawn("text", { class: "lamp-name", x: 22 + i * 30, y: 82 }, name === "alarm" ? "ALM" : name.toUpperCase()),
        ),
      ),
    ),
    drawn("g", { class: "chips" }),
    drawn("text", { class: "more", x: 10, y: BOARD_HEIGHT - 12 }),
  );

function updateBoard(node, slot, place, isIke, children, rate) {
  mark(node, "transform", `translate(${slotX(place)} ${TOP})`);
  mark(node, "data-state", slot.state);
  mark(node, "data-role", slot.board);
  const [, name, state, lamps, chips, more] = node.children;
  say(name, `${slot.slot}  ${slot.state === "Empty" ? "empty" : isIke ? "IKE board" : "IPsec board"}`);
  say(state, slot.state);
  for (const lamp of lamps.children) {
    const circle = lamp.firstChild;
    mark(circle, "class", `lamp ${slot.leds[circle.getAttribute("data-lamp")]}`);
  }
  const shown = children.slice(0, CHIPS_MAX);
  keep(
    chips,
    shown.map((child, i) => ({ child, i })),
    ({ child }) => `${child.uniqueid} ${child["spi-in"]}`,
    () =>
      drawn(
        "g",
        { class: "chip" },
        drawn("rect", { width: SLOT_WIDTH - 20, height: 20, rx: 10 }),
        drawn("text", { x: 10, y: 14 }),
      ),
    (chip, { child, i }) => {
      mark(chip, "transform", `translate(10 ${94 + i * 24})`);
      // What is longer than the board is wide is whole in the cards.
      const short = child.name.length > 14 ? `${child.name.slice(0, 13)}…` : child.name;
      say(chip.lastChild, short);
    },
  );
  const count = slot.sas ?? children.length;
  const rest = count > shown.length && shown.length > 0 ? `and ${count - shown.length} more SAs` : "";
  const load = slot.load === undefined || rest !== "" ? "" : `load ${(slot.load / 1e7).toFixed(1)} %`;
  say(more, slot.state === "Empty" ? "" : isIke ? `${amount(Math.round(rate?.in ?? 0))} packets/s` : rest || load);
}

const slotText = (slot, children) =>
  slot.state === "Empty"
    ? `slot ${slot.slot} empty`
    : `slot ${slot.slot}, ${slot.board} board, ${slot.state}, lamps ${lampText(slot.leds)}` +
      (children.length === 0 ? "" : `, CHILD_SAs ${children.map(({ name }) => name).join(", ")}`);
