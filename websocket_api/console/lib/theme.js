// @ts-check
// Light, dark, or what the system prefers. main.js applies the choice before anything is drawn.

import { Store } from "../client/store.js";

const KEY = "salt-console-theme"; // in localStorage

/** The themes with their signs and words, in the order of the button. */
export const THEMES = { auto: ["◐", "system"], light: ["☀", "light"], dark: ["☾", "dark"] };

class Theme extends Store {
  name = localStorage.getItem(KEY) in THEMES ? localStorage.getItem(KEY) : "auto";

  /** Apply the theme: style.css reads the attribute. */
  apply() {
    document.documentElement.dataset.theme = this.name;
  }

  set(name) {
    this.name = name;
    localStorage.setItem(KEY, name);
    this.apply();
    this.changed();
  }

  next() {
    const names = Object.keys(THEMES);
    this.set(names[(names.indexOf(this.name) + 1) % names.length]);
  }
}

export const theme = new Theme();
