/** The page: signs in, makes a view for every chassis that is here, and keeps them up to date for as long as somebody looks. */
import { ChassisView } from "./chassis_view.mjs";
import { chassisHere, follow, setToken, tokenFromAddress } from "./control.mjs";
import { mark, part, say } from "./element.mjs";

/** Milliseconds until the gateway is asked anew when it does not answer. */
const AGAIN_MS = 2000;
const UNAUTHORIZED = 401;

const at = (id) => part(id, HTMLElement);
const token = part("token", HTMLInputElement);
let views = [];
let names = "";
let following;
let paused = false;

const state = (text, kind) => {
  say(at("connection"), text);
  mark(at("connection"), "data-kind", kind);
};

/** The views for the chassis that are here; those that are there already stay. */
function build(here) {
  const now = JSON.stringify(here);
  if (now === names) return;
  names = now;
  for (const view of views) view.rest();
  views = here.map((may, index) => new ChassisView(index, may));
  mark(at("chassis"), "data-count", views.length);
  at("chassis").replaceChildren(...views.map(({ node }) => node));
  document.title = `${here.map(({ name }) => name).join(", ")} - Cardcage`;
}

function take({ chassis, status, event, step, dropped }) {
  const view = views[chassis];
  if (dropped) state(`Live; this page was too slow for ${dropped} lines`, "live");
  else if (status) view.update(status);
  else if (event) view.event(event);
  else if (step) view.step(step);
}

/** Follows the gateway; resolves when that ends. */
async function run(signal) {
  const here = await chassisHere();
  at("sign-in").hidden = true;
  build(here);
  state("Live", "live");
  const wanted = here.flatMap((_, chassis) =>
    ["watch", "subscribe", "steps"].map((command) => ({ chassis, command, args: {} })),
  );
  await follow(wanted, signal, take);
}

async function live() {
  for (;;) {
    const watching = new AbortController();
    following = watching;
    let problem = "the gateway ended it";
    try {
      await run(watching.signal);
    } catch (error) {
      problem = error.message;
      if (error.status === UNAUTHORIZED) {
        state("The token is wanted", "down");
        at("sign-in").hidden = false;
        token.focus();
        await new Promise((resolve) => at("sign-in").addEventListener("submit", resolve, { once: true }));
        continue;
      }
    }
    if (watching.signal.aborted) return;
    state(`Not connected: ${problem}`, "down");
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

/** A page that nobody sees, or that is paused, costs the gateway nothing. */
function look() {
  const wanted = !paused && document.visibilityState === "visible";
  if (wanted === (following !== undefined)) return;
  if (wanted) void live();
  else {
    following.abort();
    following = undefined;
    for (const view of views) view.rest();
    state(paused ? "Paused" : "Waiting", "paused");
  }
}

at("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken(token.value.trim());
  token.value = "";
});
at("pause").addEventListener("click", () => {
  paused = !paused;
  mark(at("pause"), "aria-pressed", paused);
  look();
});
document.addEventListener("visibilitychange", look);
tokenFromAddress();
look();
