// The list of runs: its lines follow what happens, each where it stands; new runs are announced.
import { ask, byId, parse } from "./page.js";
import { onEvents } from "./live.js";
import { swap } from "./swap.js";

const list = byId("runs");
const fresh = byId("fresh");
const isFirst = list?.dataset.first === "yes";
/** @type {Set<string>} */
const changed = new Set();
/** @type {Set<string>} */
const news = new Set();
let waiting = 0;

/** Read the changed lines again, and put each where it stands. */
async function follow() {
  waiting = 0;
  const wanted = [...changed].slice(0, 50);
  changed.clear();
  if (!wanted.length) return;
  const query = wanted.map((id) => `id=${encodeURIComponent(id)}`).join("&");
  const answer = await ask(`/runs/rows?${query}`).catch(() => null);
  if (!answer) return;
  const found = parse(`<table><tbody>${await answer.text()}</tbody></table>`);
  for (const row of found.querySelectorAll("tr[id]")) {
    const old = byId(row.id);
    if (old) swap(old, row);
  }
}

onEvents((told) => {
  for (const { run, type } of told) {
    if (!run) continue;
    if (byId(run)) changed.add(run);
    else if (type === "run.queued" && isFirst) news.add(run);
  }
  if (changed.size && !waiting) waiting = window.setTimeout(follow, 250);
  const count = fresh?.querySelector("span");
  if (fresh && count && news.size) {
    count.textContent = String(news.size);
    fresh.hidden = false;
  }
}, () => { for (const row of list?.querySelectorAll("tr[id]") ?? []) changed.add(row.id); follow(); });

fresh?.querySelector("button")?.addEventListener("click", () => location.reload());
