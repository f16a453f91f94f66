/** What an operator does from the page: buttons and small forms, each a command of the control protocol, and what came of it. */
import { request } from "./control.mjs";
import { element, part, say } from "./element.mjs";

/** Seconds that a negotiation has. */
const PATIENCE = 30;

/** Asks before something that takes a board or an SA away; resolves whether it is wished. */
function confirmed(question) {
  const dialog = part("confirm", HTMLDialogElement);
  say(part("confirm-question", HTMLElement), question);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }),
  );
}

const tell = (text) => say(part("outcome", HTMLElement), text);

export class Actions {
  #chassis;
  /** What may be done: actions, faults, flash. */
  may;

  constructor(chassis, may) {
    this.#chassis = chassis;
    this.may = may;
  }

  async #carry(what, command, args) {
    tell(`${what}: under way`);
    try {
      const { outcome = "done", reason } = (await request(this.#chassis, command, args)) ?? {};
      // An image that was tried may have been taken back.
      tell(`${what}: ${outcome}${reason === undefined || reason === "" ? "" : `, ${reason}`}`);
    } catch (error) {
      tell(`${what}: ${error.message}`);
    }
  }

  /** A button; `label` says to a screen reader what it acts on. With a question it asks first. */
  #button(text, label, question, command, args) {
    return element(
      "button",
      {
        type: "button",
        "aria-label": label,
        onclick: async () => {
          if (question !== undefined && !(await confirmed(question))) return;
          await this.#carry(label, command, args);
        },
      },
      text,
    );
  }

  /** Of a connection or a child. */
  named(name) {
    if (!this.may.actions) return [];
    const args = { name, timeout: PATIENCE };
    return [
      this.#button("Initiate", `Initiate ${name}`, undefined, "initiate", args),
      this.#button("Rekey", `Rekey ${name}`, undefined, "rekey", args),
      this.#button("Terminate", `Terminate ${name}`, `Delete the SAs of ${name} at both ends?`, "terminate", { name }),
    ];
  }

  /** Of the whole chassis. */
  chassis(name) {
    if (!this.may.actions) return [];
    const spread = this.#button("Rebalance", `Rebalance ${name}`, undefined, "rebalance", {});
    const clear = this.#button("Clear faults", `Clear faults of ${name}`, undefined, "fault", { kind: "clear" });
    const kept = this.#button("Keep tested images", `Keep tested images of ${name}`, undefined, "image-confirm", {});
    const question = `Take the images under test of ${name} back?`;
    const back = this.#button("Revert images", `Revert images of ${name}`, question, "image-revert", {});
    return [spread, ...(this.may.faults ? [clear] : []), ...(this.may.flash ? [kept, back] : [])];
  }

  /** Of a slot; each with the states in which it makes sense. */
  slot(slot, role) {
    if (!this.may.actions) return [];
    const act = (text, action, states, question, more = {}) => {
      const button = this.#button(text, `${text} slot ${slot}`, question, "slot", { slot, action, ...more });
      button.states = states;
      return button;
    };
    return [
      act("Take offline", "offline", ["Online"], `Take slot ${slot} offline? Its SAs go to other boards first.`),
      act("Online", "online", ["Present", "Offline"]),
      act("Restart", "restart", ["Online", "Offline"], `Restart slot ${slot}? Its SAs go to other boards first.`),
      act("Eject", "eject", ["Online", "Present", "Offline"], `Eject slot ${slot}? Its SAs go to other boards first.`),
      act("Insert", "insert", ["Empty"], undefined, { image: role }),
    ];
  }

  /** Forms of a slot: a fault, and an image for flash. */
  slotForms(slot) {
    const forms = [];
    if (this.may.faults) forms.push(this.#faultForm(slot));
    if (this.may.actions && this.may.flash) forms.push(this.#flashForm(slot));
    return forms;
  }

  #faultForm(slot) {
    const id = `fault-${this.#chassis}-${slot}`;
    const kinds = ["trap", "hang", "link", "stall"];
    const kind = element("select", { id }, ...kinds.map((name) => element("option", { value: name }, name)));
    const seconds = element("input", { id: `${id}-seconds`, type: "number", min: 1, max: 3600, value: 5 });
    return this.#form(
      "Inject a fault",
      [
        [id, "Fault", kind],
        [`${id}-seconds`, "Seconds (link, stall)", seconds],
      ],
      async () => {
        const lasts = kind.value === "link" || kind.value === "stall";
        const what = `Fault ${kind.value} at slot ${slot}`;
        if (!lasts && !(await confirmed(`${what}? Its board dies without notice.`))) return;
        await this.#carry(what, "fault", {
          kind: kind.value,
          slot,
          ...(lasts ? { seconds: Number(seconds.value) } : {}),
        });
      },
    );
  }

  #flashForm(slot) {
    const id = `flash-${this.#chassis}-${slot}`;
    const file = element("input", { id, type: "text", placeholder: "/var/lib/cardcage/ipsec.cci", required: true });
    const then = element(
      "select",
      { id: `${id}-then` },
      ...["nothing", "test", "confirm"].map((name) => element("option", { value: name }, name)),
    );
    return this.#form(
      "Flash an image",
      [
        [id, "File on the gateway's machine", file],
        [`${id}-then`, "Then", then],
      ],
      async () => {
        const what = `Flash slot ${slot}`;
        if (await confirmed(`${what} with ${file.value}?`))
          await this.#carry(what, "flash", { slot, file: file.value, then: then.value });
      },
    );
  }

  #form(title, fields, submit) {
    const form = element(
      "form",
      {
        class: "fields",
        onsubmit: (event) => {
          event.preventDefault();
          void submit();
        },
      },
      ...fields.flatMap(([id, label, field]) => [element("label", { for: id }, label), field]),
      element("button", { type: "submit" }, title),
    );
    return element("details", {}, element("summary", {}, title), form);
  }
}
