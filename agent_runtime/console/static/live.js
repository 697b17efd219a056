// Live: one stream of events for a whole browser. The tab that holds the lock reads it and tells
// the others; a page starts from the number it was rendered at, so that nothing is missed.
import { announce, byId, startedAt, tenant } from "./page.js";
import { now, span } from "./times.js";

/** @typedef {{number: number, type: string, run: string | null, approval?: string, operator?: string, by?: string}} Told */

const KEPT = 500;
const QUIET = 25_000;
const name = `agent-runtime live ${tenant}`;
/** @type {Set<(told: Told[]) => void>} */
const hearers = new Set();
/** @type {Set<() => void>} */
const lost = new Set();
/** @type {Told[]} */
let recent = [];
let seen = startedAt;
let from = startedAt; // all that came after this is in `recent`
let isLeader = false;
/** @type {EventSource | null} */
let source = null;
/** @type {BroadcastChannel | null} */
let channel = null;
let isLive = false;
let since = 0;
let heard = 0;

/**
 * Hear of what happens after this page was rendered.
 * @param {(told: Told[]) => void} hear
 * @param {() => void} [reset] more was missed than can be told: read again what you show
 */
export function onEvents(hear, reset) {
  hearers.add(hear);
  if (reset) lost.add(reset);
}

/** Whether what the page shows is being kept true. */
export const live = () => isLive;

/** @param {Told[]} told */
function take(told) {
  const fresh = told.filter((one) => one.number > seen);
  if (!fresh.length) return;
  seen = fresh[fresh.length - 1].number;
  recent.push(...fresh);
  if (recent.length > KEPT) from = recent.splice(0, recent.length - KEPT).at(-1)?.number ?? from;
  for (const hear of hearers) hear(fresh);
}

/** @param {number} head */
function missed(head) {
  seen = from = head;
  recent = [];
  for (const reset of lost) reset();
}

/** @param {boolean} state */
function show(state) {
  const place = byId("live");
  if (!place) return;
  if (state !== isLive || !since) since = now();
  const changed = state !== isLive;
  isLive = state;
  place.hidden = false;
  place.classList.toggle("off", !state);
  const at = new Date(since).toISOString().slice(11, 16);
  place.textContent = state ? "live" : `Not live since ${at} UTC, retrying`;
  place.title = state ? "This page is kept up to date." : "Decisions are disabled until the server answers again.";
  document.documentElement.classList.toggle("not-live", !state);
  if (changed) {
    document.dispatchEvent(new CustomEvent("live", { detail: state }));
    announce(state ? "Live again." : "Not live. Decisions are disabled until the server answers again.");
  }
}

/** @param {boolean} state */
function tell(state) {
  heard = Date.now();
  show(state);
  channel?.postMessage({ kind: "state", state });
}

function open() {
  source?.close();
  source = new EventSource(`/v1/events/stream?brief=true&after=${seen}`);
  source.onopen = () => tell(true);
  source.onerror = () => {
    tell(false);
    // A refused stream (signed out, shed) is not tried again by the browser itself.
    if (source?.readyState === EventSource.CLOSED) setTimeout(() => { if (isLeader) open(); }, 2000);
  };
  source.addEventListener("reset", (event) => {
    const { head } = JSON.parse(event.data);
    missed(head);
    channel?.postMessage({ kind: "reset", head });
  });
  source.onmessage = onTold;
}

/** @param {MessageEvent} event */
function onTold(event) {
  const told = JSON.parse(event.data);
  channel?.postMessage({ kind: "told", told: [told] });
  take([told]);
}

/** @param {MessageEvent} message */
function onMessage({ data }) {
  if (data.kind === "told") take(data.told);
  if (data.kind === "reset") missed(data.head);
  if (data.kind === "state") { heard = Date.now(); show(data.state); }
  if (data.kind === "hello" && isLeader) answer(data.seen);
}

/**
 * A tab came that was rendered at `theirs`: hand it what this one has heard since.
 * @param {number} theirs
 */
function answer(theirs) {
  if (theirs < from) channel?.postMessage({ kind: "reset", head: seen });
  else channel?.postMessage({ kind: "told", told: recent.filter((one) => one.number > theirs) });
  channel?.postMessage({ kind: "state", state: isLive });
}

/** Without locks (plain http elsewhere): a stream for each tab that is seen, none for the others. */
function alone() {
  isLeader = true;
  const follow = () => {
    if (!document.hidden) open();
    else { source?.close(); source = null; }
  };
  document.addEventListener("visibilitychange", follow);
  follow();
}

/** Begin. */
export function listen() {
  if (!navigator.locks || !window.BroadcastChannel) { alone(); return; }
  channel = new BroadcastChannel(name);
  channel.onmessage = onMessage;
  channel.postMessage({ kind: "hello", seen });
  navigator.locks.request(name, () => new Promise(() => { isLeader = true; open(); }));
  setInterval(() => {
    if (isLeader) channel?.postMessage({ kind: "state", state: isLive });
    else if (heard && Date.now() - heard > QUIET) show(false);
    if (!isLive && since) byId("live")?.setAttribute("data-for", span((now() - since) / 1000));
  }, 10_000);
}
