// Events: `GET /events` streams one JSON line for each change, and a ping every few seconds; `GET /requests` tells how
// many requests there have been.
"use strict";

const http = require("http");

const PING_EVERY_MS = 5000;

function eventServer(countRequests) {
  const listeners = new Set();
  const server = http.createServer((request, response) => {
    if (request.method === "GET" && request.url === "/requests") {
      response.writeHead(200, { "content-type": "text/plain" }).end(String(countRequests()));
      return;
    }
    if (request.method !== "GET" || request.url !== "/events") {
      response.writeHead(404).end();
      return;
    }
    response.socket.setNoDelay(true);
    response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
    response.write('{"change":"hello"}\n');
    listeners.add(response);
    response.once("close", () => listeners.delete(response));
  });
  const tell = (event) => {
    const line = JSON.stringify(event) + "\n";
    for (const listener of listeners) listener.write(line);
  };
  setInterval(() => tell({ change: "ping" }), PING_EVERY_MS).unref();
  const close = () => {
    for (const listener of listeners) listener.end();
    server.close();
    server.closeAllConnections();
  };
  return { server, tell, close };
}

module.exports = { eventServer };
