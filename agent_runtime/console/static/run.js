// A run's page: its drawing opens where the run stands, and what changes is put where it stands.
import { byId, parse } from "./page.js";
import { onEvents } from "./live.js";
import { swap } from "./swap.js";

const id = byId("run")?.dataset.run ?? "";
const older = new URLSearchParams(location.search).has("before");
let waiting = 0;

/** Scroll the drawing to where the run stands. */
function centre() {
  const box = document.querySelector("[data-scroll]");
  const here = box?.querySelector("[data-current]");
  if (!box || !here) return;
  const place = here.getBoundingClientRect();
  const frame = box.getBoundingClientRect();
  box.scrollLeft += place.left - frame.left - (frame.width - place.width) / 2;
  box.scrollTop += place.top - frame.top - (frame.height - place.height) / 2;
}

/** Where the drawing says that it stands. */
const standing = () => document.querySelector("[data-current] text")?.textContent ?? "";

/** Read the page again; put each part that is different where it stands, add visits at the end. */
async function follow() {
  waiting = 0;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return;
  const fresh = parse(await answer.text());
  const stood = standing();
  for (const part of fresh.querySelectorAll("[data-live]")) {
    const old = byId(part.id);
    if (old) swap(old, part);
    else byId("visits")?.append(part);
  }
  acts(fresh);
  if (stood !== standing()) centre();
}

/**
 * What may be done now; a form that somebody types in stays.
 * @param {DocumentFragment} fresh
 */
function acts(fresh) {
  const old = document.querySelector(".acts");
  const now = fresh.querySelector(".acts");
  const open = old?.querySelector("details[open]");
  if (open) return;
  if (old && now) old.replaceWith(now);
  else if (old) old.remove();
  else if (now) byId("run-head")?.after(now);
}

centre();
onEvents((told) => {
  if (older || waiting || !told.some((one) => one.run === id)) return;
  waiting = window.setTimeout(follow, 300);
}, follow);
