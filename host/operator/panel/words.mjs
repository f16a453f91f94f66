/** Numbers and states as people read them. */

const UNITS = ["", "k", "M", "G", "T"];

/** `1.25 M`, three digits. */
export function amount(value, unit = "") {
  let step = 0;
  let left = value;
  while (left >= 1000 && step < UNITS.length - 1) {
    left /= 1000;
    step += 1;
  }
  const digits = left >= 100 || Number.isInteger(left) ? 0 : left >= 10 ? 1 : 2;
  return `${left.toFixed(digits)} ${UNITS[step]}${unit}`.trim();
}

/** `2 h 5 min`. */
export function duration(seconds) {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

/** `AES_GCM_16-256/ESN`. */
export function suiteText(suite = {}) {
  const size = (name) => (suite[`${name}-keysize`] === undefined ? "" : `-${suite[`${name}-keysize`]}`);
  return ["encr", "integ", "prf"]
    .filter((name) => suite[`${name}-alg`] !== undefined)
    .map((name) => `${suite[`${name}-alg`]}${size(name)}`)
    .concat(suite["dh-group"] === undefined ? [] : [suite["dh-group"]])
    .join("/");
}

/** Lamps that are lit, in words. */
export function lampText({ ok, fail, act, alarm }) {
  const lit = [
    ...(ok === "off" ? [] : [`OK ${ok}`]),
    ...(fail === "off" ? [] : ["FAIL red"]),
    ...(act === "off" ? [] : ["ACT blinking"]),
    ...(alarm === "off" ? [] : [`ALARM ${alarm}`]),
  ];
  return lit.length === 0 ? "all off" : lit.join(", ");
}

/** The address and ports of a flow. */
export function flowText({ source, destination, protocol, ...ports }) {
  const names = { 1: "icmp", 6: "tcp", 17: "udp", 50: "esp", 51: "ah", 58: "icmpv6", 132: "sctp" };
  const port = (name) => (ports[name] === undefined || protocol === 1 || protocol === 58 ? "" : `[${ports[name]}]`);
  return `${names[protocol] ?? `protocol ${protocol}`} ${source}${port("source-port")} > ${destination}${port("destination-port")}`;
}

/** What somebody else said, in quotation marks that nothing within it ends. */
export const quoted = (text) => `'${text.replaceAll("'", "\\'")}'`;

/** An event in words: its kind, then what it is about. */
export function eventText({ kind, ...rest }) {
  const words = Object.entries(rest).map(([key, value]) => {
    if (key === "up") return value ? "up" : "down";
    if (key === "text") return `- ${value}`;
    if (Array.isArray(value)) return `${key} ${value.join(" ")}`;
    return `${key} ${/[\s']/.test(value) ? quoted(value) : value}`;
  });
  return [kind, ...words].join(" ");
}
