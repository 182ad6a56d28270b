// @ts-check
// What a view shows lives in a store: it takes frames as fast as they come, and views draw it as often as eyes need.

import { useEffect, useState } from "./html.js";

/** Something that changes, and tells whoever listens. */
export class Store {
  #listeners = new Set();

  /** How often it has changed: what is computed from it is good for one version. */
  version = 0;

  changed() {
    this.version += 1;
    for (const listener of this.#listeners) listener();
  }

  /** Call `listener` after each change; returns what ends that. */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/**
 * Draw the component again when the store has changed, at most every `every` milliseconds: a thousand changes a second
 * are ten pictures a second, not a thousand.
 */
export function useStore(store, every = 100) {
  const [, draw] = useState(0);
  const drawn = store.version;
  useEffect(() => {
    let timer = null;
    let last = -Infinity; // the first change is drawn at once
    const show = () => {
      timer = null;
      last = performance.now();
      draw((count) => count + 1);
    };
    const poke = () => {
      if (timer === null) timer = setTimeout(show, Math.max(0, every - (performance.now() - last)));
    };
    const stop = store.listen(poke);
    if (store.version !== drawn) poke(); // it changed between drawing and listening
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [store, every]);
  return store;
}

/** Return `value` as it was when it had not changed for `wait` milliseconds: for what is typed. */
export function useSettled(value, wait = 300) {
  const [settled, settle] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => settle(value), wait);
    return () => clearTimeout(timer);
  }, [value, wait]);
  return settled;
}

/** Draw again every `seconds`, for what says how long ago something was. */
export function useClock(seconds = 1) {
  const [, draw] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => draw((count) => count + 1), 1000 * seconds);
    return () => clearInterval(timer);
  }, [seconds]);
}
