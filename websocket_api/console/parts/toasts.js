// @ts-check
// The short messages over the page. A message under the pointer or with the focus stays.

import { html, useEffect, useState } from "../lib/html.js";
import { useStore } from "../lib/hooks.js";

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
  return html`<div class="toast ${failed ? "failed" : ""}" onMouseEnter=${on} onMouseLeave=${off} onFocusIn=${on} onFocusOut=${off}>
    <div><strong>${title}</strong><p>${text} ${href && html`<a href=${href} onClick=${() => toasts.remove(key)}>Open</a>`}</p></div>
    <button type="button" class="plain close" aria-label="Close message" onClick=${() => toasts.remove(key)}>✕</button>
  </div>`;
}
