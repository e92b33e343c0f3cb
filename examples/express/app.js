// A shop in Express: its crashes go to Crashvault, and Crashvault tells it of new issues by webhook.
"use strict";

const Sentry = require("@sentry/node");
Sentry.init({ dsn: process.env.SENTRY_DSN, release: "shop@1.4.2", environment: "demo" }); // before Express is loaded

const express = require("express");
const { Webhook } = require("standardwebhooks");

const app = express();
const webhook = new Webhook(process.env.WEBHOOK_SECRET);
const heard = new Map(); // by id, because a message may come twice
const PRICES = { 1: 9, 2: 19 };

app.get("/orders/:number", (request, response) => {
  const price = PRICES[request.params.number];
  response.json({ price: price.toFixed(2) }); // order 3 is a TypeError
});

// The signature is over the body as it came, so the body is not parsed before it is checked.
app.post("/crashvault", express.raw({ type: () => true, limit: "2mb" }), (request, response) => {
  let message;
  try {
    message = webhook.verify(request.body, request.headers);
  } catch {
    return response.status(401).send("not signed by Crashvault");
  }
  const id = request.headers["webhook-id"];
  if (!heard.has(id)) heard.set(id, message);
  response.status(204).end();
});

app.get("/heard", (request, response) => {
  response.json([...heard.values()].map((one) => ({ type: one.type, title: one.data.issue?.title ?? null })));
});

Sentry.setupExpressErrorHandler(app); // after the routes

app.listen(Number(process.env.PORT || 8004), "127.0.0.1");
