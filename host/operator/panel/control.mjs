/** The gateway, as the page asks it: the control protocol over HTTP (docs/panel.md). */

/** The gateway refused, failed, or is not there. `status`: of HTTP, 0 when there was no answer. */
export class ControlError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

// The token comes in the address behind #, which no browser sends, or by the form; it stays in this page's memory, and over a reload.
const KEPT = "cardcage-token";
let token = sessionStorage.getItem(KEPT) ?? "";

export function setToken(text) {
  token = text;
  sessionStorage.setItem(KEPT, text);
}

/** Takes the token out of the address, so that it is neither seen nor remembered there. */
export function tokenFromAddress() {
  const found = /^#token=(.+)$/.exec(location.hash)?.[1];
  if (found === undefined) return;
  setToken(decodeURIComponent(found));
  history.replaceState(null, "", location.pathname);
}

async function send(path, options) {
  const authorization = token === "" ? {} : { authorization: `Bearer ${token}` };
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...options.headers, ...authorization }, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ControlError("the gateway does not answer", 0);
  }
  if (response.ok) return response;
  const text = await response
    .json()
    .then(({ error }) => error.message)
    .catch(() => `HTTP ${response.status}`);
  throw new ControlError(text, response.status);
}

const post = (path, value, signal) =>
  send(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(value),
    signal,
  });

/** The chassis that are here. */
export const chassisHere = async () => (await send("chassis", { method: "GET" })).json();

/** Has a chassis carry a command out, and gives its result. */
export async function request(chassis, command, args = {}) {
  const { result, error } = await (await post(`control/${chassis}`, { command, args })).json();
  if (error) throw new ControlError(error.message, 200);
  return result;
}

/** Lines of a stream; ends when the gateway ends it, or with `signal`. */
export async function follow(wanted, signal, take) {
  const response = await post("follow", { follow: wanted }, signal);
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const told = JSON.parse(line);
      if (told.error) throw new ControlError(told.error.message, 200);
      take(told);
    }
  }
}
