// @ts-check
// State that changes and notifies its listeners.

export class Store {
  #listeners = new Set();

  /** Number of changes so far; a value computed from the store is valid for one version. */
  version = 0;

  changed() {
    this.version += 1;
    for (const listener of this.#listeners) listener();
  }

  /**
   * Call `listener` after each change.
   *
   * @param {() => void} listener
   * @returns {() => void} stops the calls
   */
  listen(listener) {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
}
