// Sends what common web applications for salt-api send: JSON without a content type (the browser then sends
// text/plain), an X-Auth-Token that is empty before the login, and the cookie for the event stream.

const events = [];
let token = "";

window.request = async (method, path, params) => {
  const options = {
    headers: { Accept: path.endsWith(".txt") ? "text/plain" : "application/json", "Cache-Control": "no-cache", "X-Auth-Token": token },
    method,
  };
  if (method === "POST") options.body = JSON.stringify(params);
  const response = await fetch(path, options);
  const text = await response.text();
  const isJson = (response.headers.get("Content-Type") || "").includes("json");
  return { status: response.status, value: isJson ? JSON.parse(text) : text };
};

window.logIn = async (username, password, eauth) => {
  const answer = await window.request("POST", "/login", { username, password, eauth });
  token = answer.status === 200 ? answer.value.return[0].token : "";
  return answer;
};

window.listen = () =>
  new Promise((resolve, reject) => {
    const source = new EventSource("/events");
    source.onopen = () => resolve(true);
    source.onerror = () => reject(new Error("no stream"));
    source.onmessage = (message) => events.push(JSON.parse(message.data));
  });

window.socket = (path, first) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${location.host}${path}`);
    socket.onopen = () => socket.send(first);
    socket.onerror = () => reject(new Error("no socket"));
    socket.onmessage = (message) => {
      resolve(message.data);
      socket.close();
    };
  });

window.events = events;
document.getElementById("state").textContent = "ready";
