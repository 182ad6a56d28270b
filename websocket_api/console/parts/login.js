// @ts-check
// The login form, over the page. When a login ends, the page behind it stays as it is.

import { html, useEffect, useRef, useState } from "../lib/html.js";
import { Fault } from "./marks.js";

export function Login({ session, reason, again }) {
  const [fault, setFault] = useState(null);
  const [busy, setBusy] = useState(false);
  const name = useRef(null);
  useEffect(() => name.current?.focus(), []);

  const submit = async (event) => {
    event.preventDefault();
    const { username, password, eauth, stay } = event.currentTarget.elements;
    setBusy(true);
    setFault(null);
    try {
      await session.logIn(username.value, password.value, eauth.value.trim(), stay.checked);
    } catch (refused) {
      password.value = "";
      setFault(refused.code === "connection_lost" ? { message: "The server cannot be reached. Check that the Salt master runs, then try again." } : refused);
      password.focus();
    } finally {
      setBusy(false);
    }
  };

  return html`<div class="login-back" aria-labelledby="login-title" role="dialog" aria-modal="true">
    <form class="login" onSubmit=${submit}>
      <h1 id="login-title">${again ? "Log in again" : "Salt console"}</h1>
      ${reason && html`<p role="status">${reason}${again && " The page keeps what you typed."}</p>`}
      <label>User name <input name="username" autocomplete="username" required maxlength="256" ref=${name} /></label>
      <label>Password <input name="password" type="password" autocomplete="current-password" required maxlength="2048" /></label>
      <details>
        <summary>Backend</summary>
        <label>eauth <input name="eauth" maxlength="64" placeholder="the server's default" autocomplete="off" /></label>
      </details>
      <label class="check"><input type="checkbox" name="stay" /> Stay logged in on this device</label>
      <${Fault} fault=${fault} />
      <button type="submit" class="primary" disabled=${busy}>${busy ? "Logging in …" : "Log in"}</button>
    </form>
  </div>`;
}
