// Azurite's blob and queue servers in one process, with three things that its own command line does not offer:
//
// - Events: `GET http://127.0.0.1:<eventsPort>/events` streams one JSON line for each blob written and each message
//   that becomes visible (the local cloud's Event Grid), so that nobody has to poll quickly. `GET /requests` tells
//   how many requests there have been.
// - A witness: every acknowledged write stands in `witness-*.jsonl` until the databases holding it have been saved.
//   After an unclean end the witness is compared with what is left, and the difference is reported.
// - Quick saving: Azurite saves its databases every 5 s; here it is about every second while something changed,
//   and never more than a twentieth of the time.
//
// Usage: node serve.cjs '{"modules": <folder of node_modules>, "location": <data folder>, "blobPort": 0,
// "queuePort": 0, "eventsPort": 0, "saveEveryMs": 1000}' with AZURITE_ACCOUNTS set and a pipe as standard input. Prints one JSON line when
// ready. Saves everything and ends on SIGTERM, or when the other end of its standard input is closed.
"use strict";

const fs = require("fs");
const http = require("http");
const path = require("path");
const { createRequire } = require("module");

const HOST = "127.0.0.1";
const SAVE_SHARE = 20; // a save of x ms is followed by at least 20x ms without one
const PING_EVERY_MS = 5000;
const CLOSE_WAIT_MS = 3000;
const LISTED = 20;

const options = JSON.parse(process.argv[2]);
const azurite = createRequire(path.join(options.modules, "serve.cjs"));
const load = (name) => azurite("azurite/dist/src/" + name);

// ---- the two servers ------------------------------------------------------------------------------------------

function blobServer() {
  const names = load("blob/utils/constants");
  const Configuration = load("blob/BlobConfiguration").default;
  const Server = load("blob/BlobServer").default;
  const persistence = names.DEFAULT_BLOB_PERSISTENCE_ARRAY;
  persistence[0].locationPath = path.join(options.location, names.DEFAULT_BLOB_PERSISTENCE_PATH);
  return new Server(new Configuration(
    HOST, options.blobPort, names.DEFAULT_BLOB_KEEP_ALIVE_TIMEOUT,
    path.join(options.location, names.DEFAULT_BLOB_LOKI_DB_PATH),
    path.join(options.location, names.DEFAULT_BLOB_EXTENT_LOKI_DB_PATH),
    persistence, false, undefined, false, undefined, false, true));
}

function queueServer() {
  const names = load("queue/utils/constants");
  const Configuration = load("queue/QueueConfiguration").default;
  const Server = load("queue/QueueServer").default;
  const persistence = names.DEFAULT_QUEUE_PERSISTENCE_ARRAY;
  persistence[0].locationPath = path.join(options.location, names.DEFAULT_QUEUE_PERSISTENCE_PATH);
  return new Server(new Configuration(
    HOST, options.queuePort, names.DEFAULT_QUEUE_KEEP_ALIVE_TIMEOUT,
    path.join(options.location, names.DEFAULT_QUEUE_LOKI_DB_PATH),
    path.join(options.location, names.DEFAULT_QUEUE_EXTENT_LOKI_DB_PATH),
    persistence, false, undefined, false, undefined, false, true));
}

// Extents before the blobs that refer to them, so that a kill between two saves leaves no blob without its bytes.
function databases(blobs, queues) {
  return [
    blobs.extentMetadataStore.db, blobs.metadataStore.db,
    queues.extentMetadataStore.db, queues.metadataStore.db,
  ];
}

// ---- what a request changed -----------------------------------------------------------------------------------

function addressOf(request) {
  const mark = request.url.indexOf("?");
  const parts = (mark < 0 ? request.url : request.url.slice(0, mark)).split("/").slice(1);
  const query = new URLSearchParams(mark < 0 ? "" : request.url.slice(mark + 1));
  try {
    return { parts: parts.map(decodeURIComponent), query };
  } catch {
    return { parts, query }; // not decodable: Azurite has refused it as well
  }
}

const BLOB_CONTENT = new Set([null, "blocklist", "page", "appendblock"]);
const BLOB_ETAG = new Set(["metadata", "properties"]); // a new ETag, but no new content: witnessed, no event

function blobChange(request, response) {
  const { parts: [account, container, ...rest], query } = addressOf(request);
  const name = rest.join("/");
  if (!name || query.has("snapshot")) return null;
  const blob = { account, container, name };
  const etag = String(response.getHeader("etag") || "").replace(/"/g, "");
  if (request.method === "PUT" && BLOB_CONTENT.has(query.get("comp"))) return { change: "blob", ...blob, etag };
  if (request.method === "PUT" && BLOB_ETAG.has(query.get("comp"))) return { change: "blob", ...blob, etag, quiet: true };
  return request.method === "DELETE" ? { change: "blob-deleted", ...blob } : null;
}

function messageChange(request, _response, body) {
  const { parts: [account, queue, word, id], query } = addressOf(request);
  if (word !== "messages") return null;
  const delay_s = Number(query.get("visibilitytimeout") || 0);
  if (request.method === "POST") {
    const [, created] = /<MessageId>([^<]*)/.exec(body) || [];
    return { change: "message", account, queue, id: created, delay_s };
  }
  if (!id) return null;
  if (request.method === "PUT") return { change: "message", account, queue, id, delay_s };
  return request.method === "DELETE" ? { change: "message-deleted", account, queue, id } : null;
}

// Calls `seen(change)` for every successful write, before its answer leaves, and `done()` after each request.
function watch(server, changeOf, { begun, seen, done }) {
  server.httpServer.prependListener("request", (request, response) => {
    begun();
    response.once("close", done);
    if (request.method === "GET" || request.method === "HEAD") return;
    const { write, end } = response;
    let body = "";
    response.write = (chunk, ...rest) => {
      if (body.length < 4096) body += chunk;
      return write.call(response, chunk, ...rest);
    };
    response.end = (chunk, ...rest) => {
      if (typeof chunk === "string" && body.length < 4096) body += chunk;
      if (response.statusCode < 300) {
        const change = changeOf(request, response, body);
        if (change) seen(change);
      }
      return end.call(response, chunk, ...rest);
    };
  });
}

// ---- the witness ----------------------------------------------------------------------------------------------

const WITNESS = /^witness-(\d+)\.jsonl$/;

function witnessFiles() {
  return fs.readdirSync(options.location).filter((name) => WITNESS.test(name))
    .sort((a, b) => Number(WITNESS.exec(a)[1]) - Number(WITNESS.exec(b)[1]));
}

function readWitness() {
  const last = new Map(); // the last acknowledged change of each blob and message
  for (const file of witnessFiles()) {
    for (const line of fs.readFileSync(path.join(options.location, file), "utf8").split("\n")) {
      try {
        const change = JSON.parse(line);
        const { account, container, queue, name, id } = change;
        last.set(JSON.stringify([account, container || queue, name || id]), change);
      } catch {
        continue; // the last line may be cut: its answer had not left yet
      }
    }
  }
  return [...last.values()];
}

// Compares the witness of an unclean end with the stores: what was acknowledged and is not there.
function findLoss(blobs, queues) {
  const witnessed = readWitness();
  const blobRows = blobs.metadataStore.db.getCollection(blobs.metadataStore.BLOBS_COLLECTION);
  const messageRows = queues.metadataStore.db.getCollection(queues.metadataStore.MESSAGES_COLLECTION);
  const etagOf = ({ account, container, name }) => {
    const row = blobRows.findOne({ accountName: account, containerName: container, name, snapshot: "" });
    return row && row.isCommitted ? String(row.properties.etag).replace(/"/g, "") : null;
  };
  const queued = ({ account, queue, id }) =>
    messageRows.findOne({ accountName: account, queueName: queue, messageId: id }) !== null;
  const of = (kind, gone) => witnessed.filter((change) => change.change === kind && gone(change));
  const lostBlobs = of("blob", (change) => etagOf(change) !== change.etag);
  const lostMessages = of("message", (change) => !queued(change));
  const undone = of("blob-deleted", (change) => etagOf(change) !== null)
    .concat(of("message-deleted", queued));
  return {
    witnessed: witnessed.length,
    blobs: lostBlobs.length,
    messages: lostMessages.length,
    undeleted: undone.length,
    names: lostBlobs.slice(0, LISTED).map(({ account, container, name }) => `${account}/${container}/${name}`),
    queues: [...new Set(lostMessages.map(({ account, queue }) => `${account}/${queue}`))],
  };
}

class Witness {
  constructor() {
    this.number = witnessFiles().reduce((most, name) => Math.max(most, Number(WITNESS.exec(name)[1])), 0);
    this.turn();
  }

  // Starts a new file and returns the names of all earlier ones, to be forgotten once they are saved.
  turn() {
    const earlier = witnessFiles();
    if (this.file !== undefined) fs.closeSync(this.file);
    this.number += 1;
    this.file = fs.openSync(path.join(options.location, `witness-${this.number}.jsonl`), "a");
    return earlier;
  }

  // No fsync: what was written survives the death of this process, as the blobs' own bytes do.
  add(change) {
    fs.writeSync(this.file, JSON.stringify(change) + "\n");
  }

  forget(files) {
    for (const file of files) fs.rmSync(path.join(options.location, file), { force: true });
  }
}

// ---- saving ---------------------------------------------------------------------------------------------------

const save = (db) => new Promise((resolve, reject) => db.saveDatabase((error) => (error ? reject(error) : resolve())));

async function saveDirty(all, witness) {
  const dirty = all.filter((db) => db.autosaveDirty());
  if (dirty.length === 0) return;
  const earlier = witness.turn();
  for (const db of dirty) await save(db);
  witness.forget(earlier);
}

function saveRegularly(all, witness) {
  for (const db of all) db.autosaveDisable();
  const state = { stopped: false, running: Promise.resolve(), timer: null };
  const round = async () => {
    const begun = Date.now();
    await saveDirty(all, witness);
    if (!state.stopped) state.timer = setTimeout(start, Math.max(options.saveEveryMs, SAVE_SHARE * (Date.now() - begun)));
  };
  const start = () => { state.running = round(); };
  state.timer = setTimeout(start, options.saveEveryMs);
  return async () => {
    state.stopped = true;
    clearTimeout(state.timer);
    await state.running;
  };
}

// ---- events ---------------------------------------------------------------------------------------------------

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

// ---- life -----------------------------------------------------------------------------------------------------

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function main() {
  fs.mkdirSync(options.location, { recursive: true });
  const blobs = blobServer();
  const queues = queueServer();
  const changes = { requests: 0, open: 0, witness: null };
  const events = eventServer(() => changes.requests);
  const watcher = {
    begun: () => {
      changes.requests += 1;
      changes.open += 1;
    },
    done: () => { changes.open -= 1; },
    seen: (change) => {
      changes.witness.add(change);
      if (!change.quiet && !change.change.endsWith("deleted")) setImmediate(events.tell, change);
    },
  };
  watch(blobs, blobChange, watcher);
  watch(queues, messageChange, watcher);
  const unclean = witnessFiles().length > 0;
  changes.witness = new Witness();
  await blobs.start();
  await queues.start();
  const lost = unclean ? findLoss(blobs, queues) : null;
  const all = databases(blobs, queues);
  for (const db of all) await save(db);
  changes.witness.forget(changes.witness.turn());
  const stopSaving = saveRegularly(all, changes.witness);
  await new Promise((resolve, reject) => {
    events.server.once("error", reject).listen(options.eventsPort, HOST, resolve);
  });
  const port = (server) => server.address().port;

  let closing = false;
  const close = async () => {
    if (closing) return;
    closing = true;
    events.close();
    const deadline = Date.now() + CLOSE_WAIT_MS;
    for (const { httpServer } of [blobs, queues]) {
      httpServer.close();
      httpServer.closeIdleConnections();
    }
    while (changes.open > 0 && Date.now() < deadline) await pause(10);
    await stopSaving();
    await Promise.all([blobs.close(), queues.close()]);
    changes.witness.forget(witnessFiles());
    process.exit(0);
  };
  process.once("SIGTERM", close);
  process.on("SIGINT", () => {}); // a Ctrl-C reaches the whole group; the supervisor decides the order
  process.stdin.once("end", close).once("error", close).resume(); // whoever started us is gone

  console.log(JSON.stringify({
    ready: true, blobPort: port(blobs.httpServer), queuePort: port(queues.httpServer),
    eventsPort: port(events.server), lost,
  }));
}

main().catch((error) => {
  console.error(`Azurite did not start: ${error.message}`);
  process.exit(1);
});
