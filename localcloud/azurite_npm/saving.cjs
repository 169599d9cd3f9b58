// Quick saving: Azurite saves its databases every 5 s; here it is about every second while something changed, and never
// more than a twentieth of the time.
"use strict";

const SAVE_SHARE = 20; // a save of x ms is followed by at least 20x ms without one

const save = (db) => new Promise((resolve, reject) => db.saveDatabase((error) => (error ? reject(error) : resolve())));

async function saveDirty(all, witness) {
  const dirty = all.filter((db) => db.autosaveDirty());
  if (dirty.length === 0) return;
  const earlier = witness.turn();
  for (const db of dirty) await save(db);
  witness.forget(earlier);
}

function saveRegularly(all, witness, everyMs) {
  for (const db of all) db.autosaveDisable();
  const state = { stopped: false, running: Promise.resolve(), timer: null };
  const round = async () => {
    const begun = Date.now();
    await saveDirty(all, witness);
    if (!state.stopped) state.timer = setTimeout(start, Math.max(everyMs, SAVE_SHARE * (Date.now() - begun)));
  };
  const start = () => { state.running = round(); };
  state.timer = setTimeout(start, everyMs);
  return async () => {
    state.stopped = true;
    clearTimeout(state.timer);
    await state.running;
  };
}

module.exports = { save, saveRegularly };
