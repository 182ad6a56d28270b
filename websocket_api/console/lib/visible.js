// @ts-check
// Text from other machines, so that what is seen is what is there.

/**
 * Control characters but line breaks and tabs, and whatever has no width or changes the order of what is around it:
 * bidirectional and other format characters, separators, variation selectors, fillers, and halves of characters.
 */
const HIDDEN = /(?![\t\n])(?!\r\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;
const HAS_HIDDEN = new RegExp(HIDDEN.source, "u");

/** Return text with every hidden character as its escape, such as \u202e, which in JSON means the same character. */
export function visible(text) {
  return HAS_HIDDEN.test(text) ? text.replace(HIDDEN, escaped) : text;
}

function escaped(character) {
  let text = "";
  for (let at = 0; at < character.length; at += 1) text += `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`;
  return text;
}
