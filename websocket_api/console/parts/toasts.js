// @ts-check
// Short messages over the page, and notifications of the system if the user turned them on.

import { Store } from "../client/store.js";
import { useStore } from "../lib/hooks.js";
import { html, useEffect, useState } from "../lib/html.js";

const SHOWN_MS = 10000;
const KEPT = 4; // messages at once
const SWITCH = "salt-console-notify"; // in localStorage: "on"

export class Toasts extends Store {
  /** {key, title, text, href, failed}, oldest first. */
  all = [];

  #next = 1;

  /** Show a message; `href` leads to what it is about. */
  add({ title, text = "", href = "", failed = false }) {
    const key = this.#next++;
    this.all = [...this.all, { key, title, text, href, failed }].slice(-KEPT);
    this.changed();
    return key;
  }

  /** Remove a message some seconds from now. */
  removeLater(key) {
    return setTimeout(() => this.remove(key), SHOWN_MS);
  }

  remove(key) {
    this.all = this.all.filter((toast) => toast.key !== key);
    this.changed();
  }
}

export class Notifications extends Store {
  /** `on`, `off`, `denied` by the browser, or `unsupported`. */
  get state() {
    if (!("Notification" in globalThis) || !globalThis.isSecureContext) return "unsupported";
    if (Notification.permission === "denied") return "denied";
    return Notification.permission === "granted" && localStorage.getItem(SWITCH) === "on" ? "on" : "off";
  }

  /** Turn them on, after the browser has asked the user. */
  async turnOn() {
    if ((await Notification.requestPermission()) === "granted") localStorage.setItem(SWITCH, "on");
    this.changed();
  }

  turnOff() {
    localStorage.removeItem(SWITCH);
    this.changed();
  }

  /** Show one if they are on and the user does not look at this page. */
  show({ title, text, href }) {
    if (this.state !== "on" || document.hasFocus()) return;
    const notification = new Notification(title, { body: text, tag: href });
    notification.onclick = () => {
      globalThis.focus();
      location.hash = href;
      notification.close();
    };
  }
}

export const notifications = new Notifications();

/** The messages. One under the pointer or with the focus stays. */
export function ToastList({ toasts }) {
  useStore(toasts, 0);
  return html`<div class="toasts" role="status" aria-label="Messages">${toasts.all.map((toast) => html`<${Toast} key=${toast.key} toast=${toast} toasts=${toasts} />`)}</div>`;
}

function Toast({ toast, toasts }) {
  const { key, title, text, href, failed } = toast;
  const [held, hold] = useState(false);
  useEffect(() => {
    if (held) return undefined;
    const timer = toasts.removeLater(key);
    return () => clearTimeout(timer);
  }, [held, key]);
  const on = () => hold(true);
  const off = () => hold(false);
  // Elements have no property `onfocusin`, so Preact takes the event's name as it is written here.
  return html`<div class="toast ${failed ? "failed" : ""}" onMouseEnter=${on} onMouseLeave=${off} onfocusin=${on} onfocusout=${off}>
    <div><strong>${title}</strong><p>${text} ${href && html`<a href=${href} onClick=${() => toasts.remove(key)}>Open</a>`}</p></div>
    <button type="button" class="plain close" aria-label="Close message" onClick=${() => toasts.remove(key)}>✕</button>
  </div>`;
}
