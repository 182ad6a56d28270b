// @ts-check
// Hooks that draw components again (after changes of a store, after typing, or by the clock), and one for dialogs.

import { useEffect, useRef, useState } from "./html.js";

/** Draw the component again when the store has changed, at most every `every` milliseconds. */
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
    const schedule = () => {
      if (timer === null) timer = setTimeout(show, Math.max(0, every - (performance.now() - last)));
    };
    const stop = store.listen(schedule);
    if (store.version !== drawn) schedule(); // it changed between drawing and listening
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [store, every]);
  return store;
}

/** Return `value` once it has not changed for `wait` milliseconds: for text that is being typed. */
export function useSettled(value, wait = 300) {
  const [settled, settle] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => settle(value), wait);
    return () => clearTimeout(timer);
  }, [value, wait]);
  return settled;
}

/**
 * Run actions of which one may be busy, and keep the fault of the last one.
 *
 * @returns {{busy: boolean, fault: any, attempt: (act: () => any) => Promise<void>}}
 */
export function useAttempt() {
  const [fault, setFault] = useState(null);
  const [busy, setBusy] = useState(false);
  const attempt = async (act) => {
    setBusy(true);
    setFault(null);
    try {
      await act();
    } catch (refused) {
      setFault(refused);
    } finally {
      setBusy(false);
    }
  };
  return { busy, fault, attempt };
}

/**
 * Read something, and read it again when one of `inputs` changes. Returns {value} or {fault}. While it is read again, the last
 * one stays, and `reading` is true.
 *
 * @param {() => Promise<any> | null} read null if there is nothing to read
 * @param {any[]} inputs
 * @returns {any}
 */
export function useRead(read, inputs) {
  const [found, setFound] = useState({});
  useEffect(() => {
    const promise = read();
    if (!promise) return setFound({});
    let wanted = true;
    setFound((before) => ({ ...before, reading: true }));
    promise.then((value) => wanted && setFound({ value }), (fault) => wanted && setFound({ fault }));
    return () => (wanted = false);
  }, inputs);
  return found;
}

/** Draw again every `seconds`, for relative times. */
export function useClock(seconds = 1) {
  const [, draw] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => draw((count) => count + 1), 1000 * seconds);
    return () => clearInterval(timer);
  }, [seconds]);
}

/**
 * Open a `<dialog>` over the page while its component is drawn. When it is removed, the focus returns to where it was.
 *
 * @param {() => void} dismiss called by Escape
 * @returns the properties of the element
 */
export function useDialog(dismiss) {
  const element = useRef(null);
  useEffect(() => {
    const dialog = element.current;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  const onCancel = (event) => {
    event.preventDefault(); // the dialog is closed by removing it
    dismiss();
  };
  return { ref: element, onCancel };
}
