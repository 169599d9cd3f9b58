// What a request changed in storage, seen before its answer leaves.
//
// A change is one of {change: "blob", account, container, name, etag}, {change: "blob-deleted", …}, {change: "message",
// account, queue, id, delay_s}, {change: "message-deleted", …}, and {change: "emptied", …} for a container or queue
// that was deleted or cleared. `quiet` marks a blob with a new ETag and no new content.
"use strict";

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
  if (!name) return request.method === "DELETE" ? { change: "emptied", account, container } : null;
  if (query.has("snapshot")) return null;
  const blob = { account, container, name };
  const etag = String(response.getHeader("etag") || "").replace(/"/g, "");
  if (request.method === "PUT" && BLOB_CONTENT.has(query.get("comp"))) return { change: "blob", ...blob, etag };
  if (request.method === "PUT" && BLOB_ETAG.has(query.get("comp"))) return { change: "blob", ...blob, etag, quiet: true };
  return request.method === "DELETE" ? { change: "blob-deleted", ...blob } : null;
}

function messageChange(request, _response, body) {
  const { parts: [account, queue, word, id], query } = addressOf(request);
  if (request.method === "DELETE" && !id) return { change: "emptied", account, queue };
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

module.exports = { blobChange, messageChange, watch };
