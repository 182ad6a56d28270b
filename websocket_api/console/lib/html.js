// @ts-check
// The one way onto the page: whatever is drawn passes here, and no character of it is invisible.

import { html as draw } from "../vendor/htm-preact.js";
import { visible } from "./visible.js";

export * from "../vendor/htm-preact.js";

/** What is sent or followed must be exact: the content of form fields, and addresses, which hold no such character. */
const EXACT = new Set(["value", "href"]);

/** htm's `html`, with every text and attribute of an element made visible. */
export function html(strings, ...values) {
  return cleaned(draw(strings, ...values));
}

const done = new WeakSet(); // elements are drawn inside others, and static ones again and again

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
    props.children = cleaned(props.children); // what a component makes of its other properties passes here too
  }
  return node;
}
