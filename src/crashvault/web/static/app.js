// What pages do beyond reading: completion, keys, choosing, copying, swiping, the live tail, working offline.
"use strict";

const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const token = () => document.body.dataset.csrf;

function tell(text) {
  const toast = document.createElement("p");
  toast.className = "toast";
  toast.setAttribute("role", "status");
  toast.textContent = text;
  document.body.append(toast);
  setTimeout(() => toast.remove(), 4000);
}

// Completion of the query box

function complete(input) {
  const list = document.createElement("ul");
  list.className = "choices";
  list.id = `${input.id}-choices`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Completions");
  list.hidden = true;
  input.after(list);
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-controls", list.id], ["aria-expanded", "false"]])
    input.setAttribute(name, value);
  let at = -1, asked = 0, timer = 0;

  function close() {
    list.hidden = true;
    at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }
  function choose(item) {
    const rest = input.value.slice(input.selectionStart);
    const text = item.dataset.value;
    input.value = text + rest;
    input.setSelectionRange(text.length, text.length);
    close();
    input.focus();
    if (text.endsWith(":")) ask();
  }
  function mark(place) {
    const items = all("li", list);
    at = (place + items.length) % items.length;
    items.forEach((item, number) => item.setAttribute("aria-selected", String(number === at)));
    input.setAttribute("aria-activedescendant", items[at].id);
    items[at].scrollIntoView({ block: "nearest" });
  }
  async function ask() {
    const text = input.value.slice(0, input.selectionStart);
    const mine = ++asked;
    if (!text || text.endsWith(" ")) return close();
    const answer = await fetch(`${input.dataset.complete}?text=${encodeURIComponent(text)}`).catch(() => null);
    if (!answer || !answer.ok || mine !== asked || document.activeElement !== input) return;
    const found = (await answer.json()).filter(([value]) => value !== text);
    list.replaceChildren(...found.map(([value, help], number) => {
      const item = document.createElement("li");
      item.id = `${list.id}-${number}`;
      item.dataset.value = value;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      item.append(value.slice(Math.max(value.lastIndexOf(" "), value.lastIndexOf("(")) + 1));
      if (help) {
        const span = document.createElement("span");
        span.textContent = help;
        item.append(span);
      }
      item.addEventListener("pointerdown", (event) => { event.preventDefault(); choose(item); });
      return item;
    }));
    list.hidden = !found.length;
    at = -1;
    input.setAttribute("aria-expanded", String(!list.hidden));
  }
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 80); });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !list.hidden) { event.stopPropagation(); return close(); }
    if (list.hidden) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      mark(at + (event.key === "ArrowDown" ? 1 : at < 0 ? 0 : -1));
    } else if ((event.key === "Enter" && at >= 0) || event.key === "Tab") {
      event.preventDefault();
      choose(all("li", list)[Math.max(0, at)]);
    }
  });
}

// Triage

async function triage(issue, action, row) {
  const body = new URLSearchParams({ csrf: token(), action, back: "/issues" });
  row.classList.add(`is-${action === "resolve" ? "resolved" : action === "ignore" ? "ignored" : "open"}`);
  const answer = await fetch(`/issues/${issue}`, { method: "POST", body, redirect: "manual" }).catch(() => null);
  if (answer && (answer.type === "opaqueredirect" || answer.ok)) {
    tell(`#${issue}: ${action === "resolve" ? "resolved" : "ignored"}${answer.status === 202 ? " when you are online" : ""}`);
    row.hidden = true;
    if (row.classList.contains("at")) move(1);
  } else {
    row.className = "issue";
    tell(`#${issue} could not be changed`);
  }
}

function swiping(row) {
  let startX = 0, startY = 0, moved = 0, active = false;
  const reset = () => {
    row.style.transform = "";
    row.classList.remove("swipe-resolve", "swipe-ignore");
    active = false;
  };
  row.addEventListener("touchstart", (event) => {
    startX = event.touches[0].clientX;
    startY = event.touches[0].clientY;
    moved = 0;
    active = true;
  }, { passive: true });
  row.addEventListener("touchmove", (event) => {
    if (!active) return;
    moved = event.touches[0].clientX - startX;
    if (Math.abs(event.touches[0].clientY - startY) > 40) return reset();
    if (Math.abs(moved) < 12) return;
    row.style.transform = `translateX(${moved}px)`;
    row.classList.toggle("swipe-resolve", moved > 90);
    row.classList.toggle("swipe-ignore", moved < -90);
  }, { passive: true });
  row.addEventListener("touchend", () => {
    const far = active && Math.abs(moved) > 90;
    reset();
    if (far) triage(row.dataset.issue, moved > 0 ? "resolve" : "ignore", row);
  });
  row.addEventListener("touchcancel", reset);
}

// Keys

const rows = () => all(".issue").filter((row) => !row.hidden);

function move(step) {
  const known = rows();
  if (!known.length) return;
  const now = known.findIndex((row) => row.classList.contains("at"));
  const next = known[Math.min(known.length - 1, Math.max(0, now + step))];
  all(".issue.at").forEach((row) => row.classList.remove("at"));
  next.classList.add("at");
  next.scrollIntoView({ block: "nearest" });
}

function chosenCount() {
  const label = one("[data-chosen]");
  if (!label) return;
  label.dataset.all ??= label.textContent;
  const count = all('.issue input[name="id"]:checked').length;
  label.textContent = count ? `${count} chosen` : label.dataset.all;
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  Enter: (row) => row && one(".title", row).click(),
  x: (row) => { const box = row && one('input[name="id"]', row); if (box) { box.checked = !box.checked; chosenCount(); } },
  r: (row) => pressed("r", "resolve", row),
  i: (row) => pressed("i", "ignore", row),
  o: () => one('[data-key="o"]')?.click(),
};

function pressed(key, action, row) {
  const button = one(`[data-key="${key}"]`);
  if (button) button.click();
  else if (row && "mayWrite" in document.body.dataset) triage(row.dataset.issue, action, row);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return all("details.menu[open]").forEach((menu) => { menu.open = false; });
  if (event.target.closest("input:not([type=checkbox]), textarea, select, button, a, summary")) return;
  if (event.key === "/" && one("#query")) { event.preventDefault(); return one("#query").focus(); }
  KEYS[event.key]?.(one(".issue.at"));
});

// Clicks and changes, wherever they come from

document.addEventListener("click", async (event) => {
  for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  const sure = event.target.closest("[data-confirm]");
  if (sure && !window.confirm(sure.dataset.confirm)) { event.preventDefault(); event.stopPropagation(); return; }
  const copied = event.target.closest("a[data-copy]");
  if (!copied || !navigator.clipboard || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const text = fetch(copied.href).then((answer) => answer.text());
  await navigator.clipboard.writeText(await text).then(() => tell("Copied"), () => { location.href = copied.href; });
}, true);

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  if (event.target.matches("[data-all]")) all('.issue input[name="id"]').forEach((box) => { box.checked = event.target.checked; });
  if (event.target.closest("#bulk")) chosenCount();
});

// The live tail

function live(list) {
  const query = new URLSearchParams(location.search).get("query") || "";
  const state = one("#live-state");
  const source = new EventSource(`/api/v1/tail?query=${encodeURIComponent(query)}`);
  source.onopen = () => { state.textContent = "Waiting for new events"; };
  source.onerror = () => { state.textContent = "The connection was lost; trying again"; };
  source.addEventListener("event", (message) => {
    const event = JSON.parse(message.data);
    const item = document.createElement("li");
    const time = document.createElement("time");
    time.textContent = `${event.timestamp.slice(0, 19)}Z`;
    const level = document.createElement("span");
    level.className = `level level-${["debug", "info", "warning", "error", "critical"].includes(event.level) ? event.level : "other"}`;
    level.textContent = event.level;
    const what = document.createElement("a");
    what.className = "what";
    what.href = `/issues/${Number(event.issue_id)}?event=${encodeURIComponent(event.event_id)}`;
    what.textContent = event.exception ? `${event.exception.type || "Error"}: ${event.exception.value || ""}`.slice(0, 300) : event.message.slice(0, 300);
    const project = document.createElement("span");
    project.className = "muted";
    project.textContent = event.project;
    item.append(time, level, what, project);
    list.prepend(item);
    while (list.children.length > 200) list.lastChild.remove();
  });
  addEventListener("pagehide", () => source.close());
}

// Alerts on this device

async function pushing(card) {
  const on = one("[data-push-on]", card), off = one("[data-push-off]", card), state = one("[data-push-state]", card);
  const worker = await navigator.serviceWorker.ready;
  const send = async (path, fields) => {
    const answer = await fetch(path, { method: "POST", body: new URLSearchParams({ csrf: token(), ...fields }) });
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(said.error || "The server did not take it");
  };
  async function show(text) {
    const known = await worker.pushManager.getSubscription();
    const refused = Notification.permission === "denied";
    on.hidden = Boolean(known) || refused;
    on.disabled = false;
    off.hidden = !known;
    state.textContent = text || (refused ? "This browser has been told not to show notifications from here. Its settings for this site can change that."
      : known ? "This device is told of alerts." : "Alerts can be shown here, even while no page is open.");
  }
  on.addEventListener("click", async () => {
    on.disabled = true;
    let made = null;
    try {
      if (await Notification.requestPermission() !== "granted") return await show();
      const { key, error } = await (await fetch("/push")).json();
      if (error) throw new Error(error);
      made = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
      const { endpoint, keys } = made.toJSON();
      await send("/push", { endpoint, ...keys });
      location.reload();
    } catch (error) {
      await made?.unsubscribe();
      await show(`That did not work: ${error.message}`);
    } finally {
      on.disabled = false;
    }
  });
  off.addEventListener("click", async () => {
    const known = await worker.pushManager.getSubscription();
    try {
      await send("/push/device", { action: "remove", endpoint: known.endpoint });
      await known.unsubscribe();
      location.reload();
    } catch (error) {
      await show(`That did not work: ${error.message}`);
    }
  });
  await show();
}

function noPush(card) {
  const apple = /iPhone|iPad/.test(navigator.userAgent) && !navigator.standalone;
  one("[data-push-state]", card).textContent = apple
    ? "Add Crashvault to the home screen first (Share, then Add to Home Screen), and open it from there."
    : "This browser cannot be told of alerts here: it needs HTTPS, and support of Web Push.";
}

// Beginning, and again for what htmx brings

function begin(root) {
  all("input[data-complete]", root).forEach(complete);
  if ("mayWrite" in document.body.dataset) all(".issue", root).forEach(swiping);
  if (root.matches?.(".issue") && "mayWrite" in document.body.dataset) swiping(root);
}

const offline = () => { const note = one("#offline"); if (note) note.hidden = navigator.onLine; };
addEventListener("online", () => { offline(); navigator.serviceWorker?.controller?.postMessage("send"); });
addEventListener("offline", offline);
offline();
begin(document.body);
document.body.addEventListener("htmx:configRequest", (event) => { event.detail.headers["X-CSRF-Token"] = token(); });
document.body.addEventListener("htmx:afterSwap", (event) => begin(event.detail.elt));
if (one("#live")) live(one("#live"));
const pushCard = one("[data-push]");
if (pushCard) {
  if ("serviceWorker" in navigator && "PushManager" in window && window.isSecureContext) pushing(pushCard);
  else noPush(pushCard);
}
if ("serviceWorker" in navigator && window.isSecureContext) {
  navigator.serviceWorker.register("/sw.js").catch(() => {});
  navigator.serviceWorker.controller?.postMessage("send");
  navigator.serviceWorker.addEventListener("message", (event) => {
    if (event.data?.sent) tell(`${event.data.sent} changes made offline were sent`);
  });
}
