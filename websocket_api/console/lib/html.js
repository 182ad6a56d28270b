// @ts-check
// Everything that is drawn passes through html(), which shows hidden characters as escapes.

import { html as draw } from "../vendor/htm-preact.js";
import { visible } from "./visible.js";

export * from "../vendor/htm-preact.js";

/** Attributes that stay exact: contents of form fields, which are sent, and addresses, which have no such character. */
const EXACT = new Set(["value", "href"]);

/** htm's `html`, with hidden characters escaped in every text and attribute of an element. */
export function html(strings, ...values) {
  return cleaned(draw(strings, ...values));
}

const done = new WeakSet(); // elements are nested, and htm returns static ones many times

function cleaned(node) {
  if (typeof node === "string") return visible(node);
  if (Array.isArray(node)) return node.map(cleaned);
  if (node === null || typeof node !== "object" || done.has(node)) return node;
  done.add(node);
  const { props } = node;
  if (typeof node.type === "string") {
    for (const [name, value] of Object.entries(props)) {
      if (name === "children") props.children = cleaned(value);
      else if (typeof value === "string" && !EXACT.has(name)) props[name] = visible(value);
    }
  } else if (props?.children !== undefined) {
    props.children = cleaned(props.children); // a component draws its other properties with html(), too
  }
  return node;
}
