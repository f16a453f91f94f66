/**
 * Elements of the page. Whatever a gateway tells becomes text, never markup: there is no other way into the page than textContent and
 * attributes of our own names (the page's policy for trusted types refuses the rest).
 */

const SVG = "http://www.w3.org/2000/svg";

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== undefined) node.setAttribute(name, String(value));
  }
  node.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return node;
}

/** An element of HTML; `on...` attributes are functions. */
export const element = (name, attributes = {}, ...children) =>
  filled(document.createElement(name), attributes, children);

/** One of SVG. */
export const drawn = (name, attributes = {}, ...children) =>
  filled(document.createElementNS(SVG, name), attributes, children);

/**
 * What index.html has under an id. Throws where it has no such element.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function part(id, type) {
  const node = document.getElementById(id);
  if (!(node instanceof type)) throw new Error(`the page has no ${id}`);
  return node;
}

/** Sets a text if it is another: a screen reader is told of changes alone, and a selection stays. */
export function say(node, text) {
  const now = String(text);
  if (node.textContent !== now) node.textContent = now;
}

/** The same for an attribute; undefined takes it away. */
export function mark(node, name, value) {
  if (value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

/**
 * Keeps one child of `parent` for each item, in their order: `make` makes it once for a key, `update` brings it up to date. Elements stay
 * what they are as long as their key stays, and so do the keyboard's focus and what is being read.
 * @template T
 * @param {Element & { kept?: Map<unknown, any> }} parent
 * @param {readonly T[]} items
 * @param {(item: T) => unknown} keyOf
 * @param {(item: T) => Element} make
 * @param {(node: any, item: T) => void} update
 */
export function keep(parent, items, keyOf, make, update) {
  const kept = (parent.kept ??= new Map());
  const seen = new Set();
  let place = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    if (seen.has(key)) continue;
    seen.add(key);
    let node = kept.get(key);
    if (!node) kept.set(key, (node = make(item)));
    if (node === place) place = node.nextSibling;
    else parent.insertBefore(node, place);
    update(node, item);
  }
  for (const [key, node] of kept) {
    if (seen.has(key)) continue;
    node.remove();
    kept.delete(key);
  }
}
