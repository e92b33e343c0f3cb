// Reading what was seen, and triage, without a network. VERSION and SHELL are put before this by the server.
"use strict";

const FILES = `files-${VERSION}`;
const SEEN = "pages";
const MOST_PAGES = 200;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(FILES).then((cache) => cache.addAll(SHELL)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name.startsWith("files-") && name !== FILES) await caches.delete(name);
    await self.clients.claim();
    await send();
  })());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== location.origin) return;
  if (request.method === "POST" && /^\/issues(\/\d+)?$/.test(url.pathname)) return event.respondWith(triage(request));
  if (request.method !== "GET") return;
  if (url.pathname.startsWith("/static/")) return event.respondWith(file(request));
  if (request.mode === "navigate" && !url.pathname.startsWith("/api/")) event.respondWith(page(request));
});

self.addEventListener("message", (event) => { if (event.data === "send") event.waitUntil(send()); });
self.addEventListener("sync", (event) => { if (event.tag === "triage") event.waitUntil(send()); });

async function file(request) {
  const known = await caches.match(request);
  if (known) return known;
  const answer = await fetch(request);
  if (answer.ok) (await caches.open(FILES)).put(request, answer.clone());
  return answer;
}

async function page(request) {
  try {
    const answer = await fetch(request);
    if (answer.ok && !answer.redirected && !/^\/(login|setup|settings)/.test(new URL(request.url).pathname)) await keep(request, answer.clone());
    return answer;
  } catch (error) {
    const cache = await caches.open(SEEN);
    return (await cache.match(request.url)) || (await cache.match(request.url, { ignoreSearch: true })) || told(
      "You are offline", "This page was not seen before. Pages that you have looked at can be read.", 503);
  }
}

async function keep(request, answer) {
  const cache = await caches.open(SEEN);
  await cache.put(request.url, answer);
  const known = await cache.keys();
  for (const old of known.slice(0, Math.max(0, known.length - MOST_PAGES))) await cache.delete(old);
}

function told(title, text, status) {
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>
<link rel="stylesheet" href="${SHELL[0]}"><main id="main" tabindex="-1"><section class="card narrow"><h1>${title}</h1><p>${text}</p><p><a class="button" href="/issues">Issues</a></p></section></main></html>`;
  return new Response(html, { status, headers: { "Content-Type": "text/html; charset=utf-8" } });
}

// Alerts

self.addEventListener("push", (event) => {
  let told = {};
  try { told = event.data.json(); } catch (error) { told = { body: event.data ? event.data.text() : "" }; }
  const { title, body, tag, url, at } = told;
  event.waitUntil(self.registration.showNotification(title || "Crashvault", {
    body: body || "", icon: ICON, badge: BADGE, data: { url: url || "/issues" }, timestamp: Date.parse(at) || Date.now(),
    ...(tag && { tag, renotify: true }),
  }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { pathname, search } = new URL(event.notification.data?.url || "/issues", location.origin);
  event.waitUntil((async () => {
    const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    const open = windows.find((one) => one.focused) || windows[0];
    if (!open) return self.clients.openWindow(pathname + search);
    await open.focus();
    return open.navigate(pathname + search).catch(() => self.clients.openWindow(pathname + search));
  })());
});

self.addEventListener("pushsubscriptionchange", (event) => {
  event.waitUntil((async () => {
    const { key, csrf } = await (await fetch("/push")).json();
    const made = event.newSubscription || await self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
    const { endpoint, keys } = made.toJSON();
    const body = new URLSearchParams({ csrf, endpoint, ...keys, instead: event.oldSubscription?.endpoint || "" });
    await fetch("/push", { method: "POST", body });
  })());
});

// Changes made offline

async function triage(request) {
  const kept = { url: request.url, body: await request.clone().text(), token: request.headers.get("X-CSRF-Token") };
  try {
    return await fetch(request);
  } catch (error) {
    await store((changes) => changes.add(kept));
    await self.registration.sync?.register("triage").catch(() => {});
    return told("Kept for later", "You are offline. This change is sent as soon as you are back.", 202);
  }
}

async function send() {
  const changes = await store((kept) => kept.getAll());
  const keys = await store((kept) => kept.getAllKeys());
  let sent = 0;
  for (const [place, change] of changes.entries()) {
    const headers = { "Content-Type": "application/x-www-form-urlencoded", ...(change.token && { "X-CSRF-Token": change.token }) };
    const answer = await fetch(change.url, { method: "POST", body: change.body, headers, redirect: "manual" }).catch(() => null);
    if (!answer || answer.status >= 500) break;
    await store((kept) => kept.delete(keys[place]));
    sent += 1;
  }
  if (sent) for (const client of await self.clients.matchAll()) client.postMessage({ sent });
}

function store(ask) {
  return new Promise((done, failed) => {
    const opening = indexedDB.open("crashvault", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("changes", { autoIncrement: true });
    opening.onerror = () => failed(opening.error);
    opening.onsuccess = () => {
      const transaction = opening.result.transaction("changes", "readwrite");
      const request = ask(transaction.objectStore("changes"));
      transaction.oncomplete = () => { opening.result.close(); done(request.result); };
      transaction.onerror = () => failed(transaction.error);
    };
  });
}
