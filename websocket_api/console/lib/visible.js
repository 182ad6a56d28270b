// @ts-check
// Text from other machines, shown so that no character of it is hidden.

/**
 * Control characters except line breaks and tabs, and characters without a width or that change the order of others:
 * bidirectional and other format characters, separators, variation selectors, fillers, and lone surrogates.
 */
const HIDDEN = /(?![\t\n])(?!\r\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;
const HAS_HIDDEN = new RegExp(HIDDEN.source, "u");

/** Return text with each hidden character as its JSON escape, such as \u202e. */
export function visible(text) {
  return HAS_HIDDEN.test(text) ? text.replace(HIDDEN, escaped) : text;
}

function escaped(character) {
  let text = "";
  for (let at = 0; at < character.length; at += 1) text += `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`;
  return text;
}
