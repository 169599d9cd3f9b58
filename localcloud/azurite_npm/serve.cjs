// Azurite's blob and queue servers in one process, with four things that its own command line does not offer:
//
// - events.cjs: a stream that tells each blob written and each message that becomes visible (the local cloud's Event
//   Grid), so that nobody has to poll quickly;
// - witness.cjs: what a kill made Azurite lose is found at its next start;
// - saving.cjs: it saves every second, not every five;
// - lookup.cjs: finding a blob takes no longer the more there are.
//
// Usage: node serve.cjs '{"modules": <folder of node_modules>, "location": <data folder>, "blobPort": 0,
// "queuePort": 0, "eventsPort": 0, "saveEveryMs": 1000}' with AZURITE_ACCOUNTS set and a pipe as standard input. It
// prints one JSON line when ready; it saves everything and ends on SIGTERM, or when its standard input is closed.
"use strict";

const fs = require("fs");
const path = require("path");
const { createRequire } = require("module");
const { blobChange, messageChange, watch } = require("./changes.cjs");
const { eventServer } = require("./events.cjs");
const { quickLookup } = require("./lookup.cjs");
const { save, saveRegularly } = require("./saving.cjs");
const { Witness, findLoss } = require("./witness.cjs");

const HOST = "127.0.0.1";
const CLOSE_WAIT_MS = 3000;
const TOLD = new Set(["blob", "message"]);

const options = JSON.parse(process.argv[2]);
const azurite = createRequire(path.join(options.modules, "serve.cjs"));
const load = (name) => azurite("azurite/dist/src/" + name);

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

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function main() {
  fs.mkdirSync(options.location, { recursive: true });
  const blobs = blobServer();
  const queues = queueServer();
  const changes = { requests: 0, open: 0 };
  const witness = new Witness(options.location);
  const events = eventServer(() => changes.requests);
  const watcher = {
    begun: () => {
      changes.requests += 1;
      changes.open += 1;
    },
    done: () => { changes.open -= 1; },
    seen: (change) => {
      witness.add(change);
      if (TOLD.has(change.change) && !change.quiet) setImmediate(events.tell, change);
    },
  };
  watch(blobs, blobChange, watcher);
  watch(queues, messageChange, watcher);
  await blobs.start();
  await queues.start();
  quickLookup(blobs.metadataStore.db.getCollection(blobs.metadataStore.BLOBS_COLLECTION));
  const lost = witness.unclean ? findLoss(options.location, blobs, queues) : null;
  const all = databases(blobs, queues);
  for (const db of all) await save(db);
  witness.forget(witness.turn());
  const stopSaving = saveRegularly(all, witness, options.saveEveryMs);
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
    witness.forget();
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
