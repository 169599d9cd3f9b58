// Looking a blob up by its name. Azurite's database goes through all blobs of the account for that, a few times for each
// request: with 8,000 blobs a read takes twice as long as with 500. Here their collection is given a map, kept by the
// database's own events; any other question goes where it went before.
"use strict";

const BASE = ["accountName", "containerName", "name"];
const EXACT = [...BASE, "snapshot"];

const isExactly = (query, keys) =>
  Object.keys(query).length === keys.length && keys.every((key) => typeof query[key] === "string");

const nameOf = (doc) => `${doc.accountName}\0${doc.containerName}\0${doc.name}`;

function quickLookup(collection) {
  const known = new Map(); // by name, then by snapshot: "" is the blob itself
  const add = (doc) => {
    const name = nameOf(doc);
    if (!known.has(name)) known.set(name, new Map());
    known.get(name).set(doc.snapshot, doc);
  };
  const forget = (doc) => {
    const name = nameOf(doc);
    const snapshots = known.get(name);
    if (snapshots?.get(doc.snapshot)?.$loki !== doc.$loki) return;
    snapshots.delete(doc.snapshot);
    if (snapshots.size === 0) known.delete(name);
  };
  collection.binaryIndices = {}; // they cost more than what is left of their use
  collection.data.forEach(add);
  collection.on("insert", (docs) => [docs].flat().forEach(add));
  collection.on("update", add);
  collection.on("delete", forget);

  const { count, findAndRemove, findOne } = collection;
  const snapshotsOf = (query) => [...(known.get(nameOf(query))?.values() ?? [])];
  collection.findOne = function (query) {
    if (!isExactly(query, EXACT)) return findOne.call(this, query);
    return known.get(nameOf(query))?.get(query.snapshot) ?? null;
  };
  collection.count = function (query) {
    return query && isExactly(query, BASE) ? snapshotsOf(query).length : count.call(this, query);
  };
  collection.findAndRemove = function (query) {
    if (!isExactly(query, BASE)) return findAndRemove.call(this, query);
    for (const doc of snapshotsOf(query)) this.remove(doc);
  };
}

module.exports = { quickLookup };
