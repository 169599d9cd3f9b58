// The witness: every acknowledged write stands in `witness-*.jsonl` until the databases that hold it have been saved.
// After an unclean end, the witness is compared with what is left, and the difference is the loss.
"use strict";

const fs = require("fs");
const path = require("path");

const LISTED = 20;
const WITNESS = /^witness-(\d+)\.jsonl$/;

function witnessFiles(folder) {
  return fs.readdirSync(folder).filter((name) => WITNESS.test(name))
    .sort((a, b) => Number(WITNESS.exec(a)[1]) - Number(WITNESS.exec(b)[1]));
}

function readWitness(folder) {
  const last = new Map(); // for each container and queue, the last acknowledged change of each blob and message
  for (const file of witnessFiles(folder)) {
    for (const line of fs.readFileSync(path.join(folder, file), "utf8").split("\n")) {
      try {
        const change = JSON.parse(line);
        const { account, container, queue, name, id } = change;
        const place = JSON.stringify([account, container, queue]);
        if (change.change === "emptied") last.delete(place);
        else last.set(place, (last.get(place) || new Map()).set(name || id, change));
      } catch {
        continue; // the last line may be cut: its answer had not left yet
      }
    }
  }
  return [...last.values()].flatMap((changes) => [...changes.values()]);
}

// Compares the witness of an unclean end with the stores: what was acknowledged and is not there.
function findLoss(folder, blobs, queues) {
  const witnessed = readWitness(folder);
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
  constructor(folder) {
    this.folder = folder;
    this.unclean = witnessFiles(folder).length > 0;
    this.number = witnessFiles(folder).reduce((most, name) => Math.max(most, Number(WITNESS.exec(name)[1])), 0);
    this.turn();
  }

  // Starts a new file and returns the names of all earlier ones, to be forgotten once they are saved.
  turn() {
    const earlier = witnessFiles(this.folder);
    if (this.file !== undefined) fs.closeSync(this.file);
    this.number += 1;
    this.file = fs.openSync(path.join(this.folder, `witness-${this.number}.jsonl`), "a");
    return earlier;
  }

  // No fsync: what was written survives the death of this process, as the blobs' own bytes do.
  add(change) {
    fs.writeSync(this.file, JSON.stringify(change) + "\n");
  }

  // Forgets what these files say; without a list, everything: after a clean end nothing is in doubt.
  forget(files = witnessFiles(this.folder)) {
    for (const file of files) fs.rmSync(path.join(this.folder, file), { force: true });
  }
}

module.exports = { Witness, findLoss };
