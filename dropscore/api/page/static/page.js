"use strict";

// Keeps a page fresh: the server renders its live parts again, and they are put in place. Without this script the
// page reads the same, and is fresh when it is loaded.

const KEY = new URLSearchParams(location.search).get("code");
const IDLE_MS = 10 * 60 * 1000;
const LONGEST_MS = 15000;
const pulse = document.getElementById("pulse");
const shown = new Map();
let every = Number(document.body.dataset.every);
let failures = 0;
let used = Date.now();
let timer = 0;
let looking = false;

function ask(address, signal) {
  const url = new URL(address, location.href);
  url.searchParams.delete("code");
  const headers = { "dropscore-live": "1" };
  if (KEY) headers["x-functions-key"] = KEY;
  return fetch(url, { headers, signal, cache: "no-store" });
}

function say(text) {
  pulse.textContent = text;
  pulse.hidden = !text;
}

function busy(place) {
  return place.contains(document.activeElement) && document.activeElement !== document.body
    || place.querySelector("details[open], video") !== null;
}

function put(parts) {
  for (const [name, html] of Object.entries(parts)) {
    const place = document.querySelector(`[data-live="${CSS.escape(name)}"]`);
    if (!place || shown.get(name) === html || busy(place)) continue;
    shown.set(name, html);
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    place.replaceChildren(fresh.content);
    dress(place);
    place.dispatchEvent(new CustomEvent("fresh", { bubbles: true }));
  }
}

async function look() {
  clearTimeout(timer);
  if (looking) return;
  looking = true;
  try {
    const answer = await ask(location.href, AbortSignal.timeout(20000));
    const told = await answer.json();
    if (told.problem) {
      say(told.problem);
      failures += 1;
    } else {
      put(told.parts);
      every = told.every_ms;
      failures = 0;
      say(every ? "● live" : "");
    }
  } catch {
    failures += 1;
    say("○ no answer, trying again");
  } finally {
    looking = false;
  }
  wait();
}

function wait() {
  clearTimeout(timer);
  if (document.hidden || (!every && !failures)) return;
  const idle = Date.now() - used > IDLE_MS ? 10 : 1;
  timer = setTimeout(look, Math.min(LONGEST_MS, (every || 1000) * idle * 2 ** Math.min(failures, 4)));
}

for (const kind of ["pointermove", "keydown", "scroll"]) {
  addEventListener(kind, () => { used = Date.now(); }, { passive: true });
}
addEventListener("visibilitychange", () => { if (!document.hidden && every) look(); });
if (every) say("● live");
wait();

// Times in the reader's own zone, as a title.
function dress(place) {
  for (const time of place.querySelectorAll("time[datetime]")) {
    time.title = new Date(time.dateTime).toLocaleString();
  }
  for (const frames of place.querySelectorAll(".frames:not(.sliding)")) slide(frames);
  for (const figure of place.querySelectorAll("[data-halves][hidden]")) halve(figure);
}

// Before and after on top of each other, with a cut that moves.
function slide(frames) {
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = "0";
  slider.max = "100";
  slider.value = "50";
  slider.setAttribute("aria-label", "Share of the picture shown as it was before, in percent");
  slider.addEventListener("input", () => frames.style.setProperty("--cut", slider.value + "%"));
  frames.classList.add("sliding");
  frames.append(slider);
}

// A film before and after: both halves of the comparison on top of each other, with one clock and a cut that moves.
function halve(figure) {
  const box = document.createElement("div");
  box.className = "halves";
  const [before, after] = ["before", "after"].map((name) => {
    const video = document.createElement("video");
    video.className = name;
    video.muted = true;
    video.playsInline = true;
    video.loop = true;
    video.preload = "metadata";
    video.src = figure.dataset.halves;
    video.setAttribute("aria-hidden", "true");
    box.append(video);
    return video;
  });
  slide(box);
  const bar = document.createElement("div");
  bar.className = "transport";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button";
  button.textContent = "Play";
  const seek = document.createElement("input");
  seek.type = "range";
  seek.max = "1000";
  seek.value = "0";
  seek.setAttribute("aria-label", "Place in the film, in thousandths");
  bar.append(button, seek);
  button.addEventListener("click", () => (before.paused ? before.play() : before.pause()));
  before.addEventListener("play", () => { after.play(); button.textContent = "Pause"; });
  before.addEventListener("pause", () => { after.pause(); after.currentTime = before.currentTime; button.textContent = "Play"; });
  before.addEventListener("timeupdate", () => {
    if (before.duration) seek.value = String(1000 * before.currentTime / before.duration);
    if (Math.abs(before.currentTime - after.currentTime) > 0.08) after.currentTime = before.currentTime;
  });
  seek.addEventListener("input", () => {
    before.currentTime = after.currentTime = Number(seek.value) / 1000 * (before.duration || 0);
  });
  before.addEventListener("loadedmetadata", () => { before.currentTime = after.currentTime = before.duration / 3; }, { once: true });
  figure.prepend(box, bar);
  figure.hidden = false;
}

// The grid: a cell for each shard on one canvas, which scrolls as a picture does. It is a slider over the shards: arrow
// keys move, and the shard's card beside it is rendered by the server.
class Grid {
  constructor(box) {
    this.box = box;
    this.letters = document.querySelector('[data-live="letters"]');
    this.titles = JSON.parse(box.dataset.titles);
    this.first = JSON.parse(box.dataset.first);
    this.items = Number(box.dataset.items);
    this.states = "";
    this.at = Number(new URL(location.href).searchParams.get("shard") ?? -1);
    this.cells = document.createElement("div");
    this.cells.className = "cells";
    this.cells.tabIndex = 0;
    this.cells.setAttribute("role", "slider");
    this.cells.setAttribute("aria-label", "Shard");
    this.cells.setAttribute("aria-valuemin", "0");
    this.canvas = document.createElement("canvas");
    this.tip = document.createElement("p");
    this.tip.className = "tip";
    this.tip.hidden = true;
    this.cells.append(this.canvas);
    box.replaceChildren(this.cells, this.tip);
    this.letters.hidden = true;
    this.letters.addEventListener("fresh", () => this.update());
    this.cells.addEventListener("pointermove", (event) => this.hover(event));
    this.cells.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    this.cells.addEventListener("click", (event) => this.choose(this.under(event)));
    this.cells.addEventListener("keydown", (event) => this.press(event));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(box);
  }

  update() {
    const fresh = this.letters.textContent.trim();
    const same = fresh.length === this.states.length && this.pitch;
    const before = this.states;
    this.states = fresh;
    this.tell();
    if (!same) return this.draw();
    for (let shard = 0; shard < fresh.length; shard += 1) {
      if (fresh[shard] !== before[shard]) this.cell(shard);
    }
  }

  draw() {
    if (!this.states) this.states = this.letters.textContent.trim();
    const total = this.states.length, width = this.box.clientWidth;
    if (!total || !width) return;
    this.pitch = total > 4000 ? 10 : total > 1000 ? 12 : total > 200 ? 14 : 18;
    this.columns = Math.max(1, Math.floor(width / this.pitch));
    const rows = Math.ceil(total / this.columns), scale = Math.min(devicePixelRatio || 1, 2);
    const [w, h] = [this.columns * this.pitch, rows * this.pitch];
    this.canvas.width = w * scale;
    this.canvas.height = h * scale;
    this.canvas.style.width = w + "px";
    this.canvas.style.height = h + "px";
    this.pen = this.canvas.getContext("2d");
    this.pen.scale(scale, scale);
    const style = getComputedStyle(document.documentElement);
    this.colours = Object.fromEntries(
      ["card", "ink", "c1", "c4", "c6", "bad", "accent"].map((name) => [name, style.getPropertyValue("--" + name)]));
    for (let shard = 0; shard < total; shard += 1) this.cell(shard);
    this.tell();
  }

  // Each state has a mark of its own besides its colour.
  cell(shard) {
    const pen = this.pen, colours = this.colours, size = this.pitch - 2;
    const x = (shard % this.columns) * this.pitch + 1, y = Math.floor(shard / this.columns) * this.pitch + 1;
    const line = (from, to, colour) => {
      pen.strokeStyle = colour;
      pen.lineWidth = 1.5;
      pen.beginPath();
      pen.moveTo(x + from[0] * size, y + from[1] * size);
      pen.lineTo(x + to[0] * size, y + to[1] * size);
      pen.stroke();
    };
    const fill = (colour, share = 1) => { pen.fillStyle = colour; pen.fillRect(x, y, size * share, size); };
    const frame = (colour, thick) => {
      pen.strokeStyle = colour;
      pen.lineWidth = thick;
      pen.strokeRect(x + thick / 2, y + thick / 2, size - thick, size - thick);
    };
    pen.fillStyle = colours.card;
    pen.fillRect(x - 1, y - 1, this.pitch, this.pitch);
    switch (this.states[shard]) {
      case "w":
        frame(colours.accent, 2);
        pen.fillStyle = colours.accent;
        pen.fillRect(x + size * 0.36, y + size * 0.36, size * 0.28, size * 0.28);
        break;
      case "d": fill(colours.c4); break;
      case "r": fill(colours.c6); line([0.15, 0.85], [0.85, 0.15], colours.card); break;
      case "s": fill(colours.c4, 0.5); frame(colours.bad, 1.5); break;
      case "f": fill(colours.bad); line([0.2, 0.2], [0.8, 0.8], colours.card); line([0.2, 0.8], [0.8, 0.2], colours.card); break;
      default: frame(colours.c1, 1);
    }
    if (shard === this.at) {
      pen.strokeStyle = colours.ink;
      pen.lineWidth = 2;
      pen.strokeRect(x, y, size, size);
    }
  }

  name(shard) {
    const title = this.titles[this.states[shard]] || "";
    const [from, to] = this.range(shard);
    const items = from === null ? "" : from === to ? `, item ${from.toLocaleString("en")}` : `, items ${from.toLocaleString("en")} to ${to.toLocaleString("en")}`;
    return `Shard ${shard.toLocaleString("en")}: ${title}${items}`;
  }

  // `first` holds [shard, its first item, items of each shard from it on].
  range(shard) {
    const row = this.first.findLast((one) => one[0] <= shard);
    if (!row) return [null, null];
    const from = row[1] + (shard - row[0]) * row[2];
    const next = this.first.find((one) => one[0] === shard + 1);
    const end = shard + 1 === this.states.length ? this.items : next ? next[1] : from + row[2];
    return [from, Math.max(from, end - 1)];
  }

  under(event) {
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / this.pitch), row = Math.floor((event.clientY - box.top) / this.pitch);
    const shard = row * this.columns + column;
    return column >= 0 && column < this.columns && shard >= 0 && shard < this.states.length ? shard : -1;
  }

  hover(event) {
    const shard = this.under(event);
    this.tip.hidden = shard < 0;
    if (shard < 0) return;
    this.tip.textContent = this.name(shard);
    const box = this.box.getBoundingClientRect();
    const left = Math.min(event.clientX - box.left + 12, box.width - this.tip.offsetWidth - 4);
    this.tip.style.left = Math.max(0, left) + "px";
    this.tip.style.top = event.clientY - box.top + 16 + "px";
  }

  press(event) {
    const last = this.states.length - 1;
    const steps = {
      ArrowRight: this.at + 1, ArrowLeft: this.at - 1, ArrowDown: this.at + this.columns, ArrowUp: this.at - this.columns,
      PageDown: this.at + 10 * this.columns, PageUp: this.at - 10 * this.columns, Home: 0, End: last,
    };
    if (!(event.key in steps) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.choose(Math.min(last, Math.max(0, steps[event.key])));
  }

  choose(shard) {
    if (shard < 0) return;
    const before = this.at;
    this.at = shard;
    if (before >= 0 && before < this.states.length) this.cell(before);
    this.cell(shard);
    this.tell();
    const top = Math.floor(shard / this.columns) * this.pitch;
    if (top < this.cells.scrollTop) this.cells.scrollTop = top;
    if (top + this.pitch > this.cells.scrollTop + this.cells.clientHeight) this.cells.scrollTop = top + this.pitch - this.cells.clientHeight;
    const url = new URL(location.href);
    url.searchParams.set("shard", shard);
    history.replaceState(null, "", url);
    clearTimeout(this.soon);
    this.soon = setTimeout(look, 120);
  }

  tell() {
    const shard = Math.max(0, this.at);
    this.cells.setAttribute("aria-valuemax", String(Math.max(0, this.states.length - 1)));
    this.cells.setAttribute("aria-valuenow", String(shard));
    this.cells.setAttribute("aria-valuetext", this.at < 0 ? "none chosen" : this.name(this.at));
  }
}

// The log: a request that waits for the next lines, again and again.
async function follow(log) {
  const list = log.querySelector("ol");
  let next = log.dataset.next, pause = 0;
  while (!("ended" in log.dataset)) {
    if (document.hidden) {
      await new Promise((resolve) => addEventListener("visibilitychange", resolve, { once: true }));
    }
    try {
      const url = new URL(log.dataset.from, location.href);
      url.searchParams.set("after", next);
      const answer = await ask(url);
      const told = await answer.json();
      if (told.problem) throw new Error(told.problem);
      const end = list.scrollTop + list.clientHeight > list.scrollHeight - 24;
      const fresh = document.createElement("template");
      fresh.innerHTML = told.parts.lines;
      const came = fresh.content.querySelectorAll("li").length;
      list.append(fresh.content);
      while (list.children.length > 2000) list.firstElementChild.remove();
      if (came) log.querySelector(".none-yet")?.remove();
      dress(list);
      if (came && end) list.scrollTop = list.scrollHeight;
      next = told.next;
      if (told.ended) log.dataset.ended = "";
      pause = came ? 300 : 1000;
    } catch {
      pause = Math.min(LONGEST_MS, (pause || 500) * 2);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

dress(document);
for (const box of document.querySelectorAll("[data-grid]")) new Grid(box).update();
for (const log of document.querySelectorAll("[data-log]")) {
  const list = log.querySelector("ol");
  list.scrollTop = list.scrollHeight;
  follow(log);
}
