// The inbox: rows come and go by id, one question is open beside them, and what is typed stays.
import { announce, ask, byId, me, parse, Problem, toast } from "./page.js";
import { live, onEvents } from "./live.js";
import { keep, restore, clear } from "./drafts.js";
import { now } from "./times.js";

const list = /** @type {HTMLElement} */ (byId("rows"));
const detail = /** @type {HTMLElement} */ (byId("detail"));
const query = list.dataset.query ?? "";
const newButton = /** @type {HTMLButtonElement} */ (byId("new-rows"));
/** @type {Set<string>} */
const fresh = new Set(); // came since, and are shown when asked for
/** @type {Set<string>} */
const mine = new Set(); // decided here: they leave the list in their own time
let current = byId("ask")?.dataset.id ?? "";
let claiming = 0;
let letGo = ""; // released by hand: looking on does not claim it again
let sending = false;
let turn = 0; // what was asked for last is what is shown, whatever answers first

/** @param {string} more */
const withQuery = (more) => `${query}${query ? "&" : "?"}${more}`;
const rows = () => /** @type {HTMLElement[]} */ ([...list.querySelectorAll(".row")]);
/** @param {string} id */
const rowOf = (id) => byId(`row-${id}`);

// --- What happens elsewhere

/** @type {Set<string>} */
const touched = new Set();
let asking = 0;

onEvents((told) => {
  for (const one of told) if (one.approval && one.type.startsWith("approval.")) touched.add(one.approval);
  if (touched.size && !asking) asking = setTimeout(refresh, 15);
}, () => location.reload());

/** Ask for the rows of what was touched: they come, change or leave by id. */
async function refresh() {
  const ids = [...touched].slice(0, 90);
  for (const id of ids) touched.delete(id);
  asking = touched.size ? setTimeout(refresh, 60) : 0;
  try {
    const answer = await ask(`/inbox/rows${withQuery(ids.map((id) => `id=${encodeURIComponent(id)}`).join("&"))}`);
    place(parse(await answer.text()), ids);
    if (ids.includes(current)) await look();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
}

/**
 * @param {DocumentFragment} found
 * @param {string[]} ids
 */
function place(found, ids) {
  for (const id of ids) {
    const row = /** @type {HTMLElement | null} */ (found.querySelector(`[data-id="${CSS.escape(id)}"]`));
    const shown = rowOf(id);
    if (row && shown) replace(shown, row);
    else if (row && !mine.has(id)) fresh.add(id);
    else if (shown) leave(shown);
    if (!row) fresh.delete(id);
  }
  count(found.querySelector(".counts"));
  showNew();
}

/**
 * @param {HTMLElement} shown
 * @param {HTMLElement} row
 */
function replace(shown, row) {
  const link = shown.querySelector("a");
  const isFocused = link === document.activeElement;
  const picked = /** @type {HTMLInputElement | null} */ (shown.querySelector("input"));
  const box = /** @type {HTMLInputElement | null} */ (row.querySelector("input"));
  if (picked && box) box.checked = picked.checked;
  if (shown.classList.contains("picked")) {
    row.classList.add("picked");
    row.querySelector("a")?.setAttribute("aria-current", "true");
  }
  shown.replaceWith(row);
  if (isFocused) row.querySelector("a")?.focus();
}

/** @param {HTMLElement} row */
function leave(row) {
  const id = row.dataset.id ?? "";
  if (id === current) { row.classList.add("going"); return; }
  const next = neighbour(row);
  const isFocused = row.contains(document.activeElement);
  row.remove();
  if (isFocused) next?.querySelector("a")?.focus();
  showPicked();
}

/** @param {Element | null} told */
function count(told) {
  if (!(told instanceof HTMLElement)) return;
  for (const view of ["open", "mine", "late"]) {
    const place = document.querySelector(`[data-view="${view}"] .count`);
    const number = told.dataset[view] ?? "";
    if (place && place.textContent !== number) place.textContent = number;
    if (view === "late") place?.classList.toggle("late", number !== "0");
  }
  const open = Number(told.dataset.open);
  document.title = document.title.replace(/^\(\d+\) /, "").replace(/^/, open ? `(${open}) ` : "");
}

function showNew() {
  newButton.hidden = fresh.size === 0;
  newButton.innerHTML = "";
  newButton.append(`${fresh.size} new `, Object.assign(document.createElement("kbd"), { textContent: "n" }));
}

/** Show what came meanwhile, where it belongs. */
async function showFresh() {
  const ids = [...fresh];
  fresh.clear();
  showNew();
  if (ids.length > 50) { location.assign(`/inbox${query}`); return; }
  const answer = await ask(`/inbox/rows${withQuery(ids.map((id) => `id=${encodeURIComponent(id)}`).join("&"))}`);
  const found = /** @type {HTMLElement[]} */ ([...parse(await answer.text()).querySelectorAll(".row")]);
  byId("empty")?.remove();
  for (const row of found) {
    fresh.delete(row.dataset.id ?? ""); // told again while it was on its way
    if (rowOf(row.dataset.id ?? "")) continue;
    row.classList.add("fresh");
    const at = rows().find((one) => (one.dataset.deadline ?? "") > (row.dataset.deadline ?? ""));
    list.insertBefore(row, at ?? list.querySelector(".more-rows"));
  }
  announce(`${found.length} new.`);
  showNew();
  (rowOf(found[0]?.dataset.id ?? "")?.querySelector("a"))?.focus();
}

// --- Moving

/** @param {Element} row @returns {HTMLElement | null} */
function neighbour(row) {
  const all = rows().filter((one) => one === row || !(one.classList.contains("going") || "held" in one.dataset));
  const at = all.indexOf(/** @type {HTMLElement} */ (row));
  return all[at + 1] ?? all[at - 1] ?? null;
}

/** @param {number} by */
function move(by) {
  const all = rows();
  if (!all.length) return;
  const focused = /** @type {HTMLElement | null} */ (document.activeElement?.closest(".row"));
  const from = focused ?? rowOf(current);
  const at = from ? all.indexOf(from) + by : 0;
  const row = all[Math.min(Math.max(at, 0), all.length - 1)];
  row.querySelector("a")?.focus();
  row.scrollIntoView({ block: "nearest" });
  if (at >= all.length - 2) more();
}

/** Load what follows in the list. */
async function more() {
  const link = /** @type {HTMLAnchorElement | null} */ (list.querySelector("[data-more]"));
  if (!link || link.dataset.busy) return;
  link.dataset.busy = "1";
  try {
    const answer = await ask(link.dataset.more ?? "");
    const known = new Set(rows().map((row) => row.dataset.id));
    const found = parse(await answer.text());
    for (const row of found.querySelectorAll(".row")) if (known.has(/** @type {HTMLElement} */ (row).dataset.id)) row.remove();
    link.closest("li")?.replaceWith(found);
    watchEnd();
  } catch (error) {
    delete link.dataset.busy;
    if (!(error instanceof Problem)) throw error;
  }
}

const ends = new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) more(); }, { rootMargin: "600px" });
function watchEnd() {
  ends.disconnect();
  const last = list.querySelector(".more-rows");
  if (last) ends.observe(last);
}

// --- One question

/**
 * Open a question beside the list.
 * @param {string} id
 * @param {{push?: boolean, focus?: boolean, said?: string}} [options]
 */
async function open(id, { push = true, focus = true, said = "" } = {}) {
  release();
  letGo = "";
  const mine = ++turn;
  const path = `/inbox/${encodeURIComponent(id)}${query}`;
  try {
    const markup = await (await part(path)).text();
    if (mine !== turn) return;
    if (push) history.pushState({ id }, "", path);
    show(markup, id);
    if (focus) byId("ask-title")?.focus({ preventScroll: true });
    detail.scrollTop = 0;
    if (said) announce(`${said} Next: ${byId("ask")?.dataset.title ?? ""}`);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    toast(error.message);
  }
}

/**
 * The server's part of a page, after the same function as a page without scripts asks.
 * @param {string} path
 * @param {URLSearchParams} [form]
 */
async function part(path, form) {
  const headers = { "x-part": "1", accept: "application/problem+json, text/html" };
  let answer;
  try {
    answer = await fetch(path, { method: form ? "POST" : "GET", headers, body: form });
  } catch {
    throw new Problem({ status: 0, code: "no_answer", detail: "The server does not answer. Nothing was decided; what you typed is kept." });
  }
  const isPart = (answer.headers.get("content-type") ?? "").startsWith("text/html");
  if (answer.ok || isPart) return answer;
  const told = await answer.json();
  if (answer.status === 401) location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
  throw new Problem({ ...told, status: answer.status });
}

/**
 * @param {string} markup
 * @param {string} id
 */
function show(markup, id) {
  detail.replaceChildren(parse(markup));
  begin(id);
}

/** @param {string} id */
function begin(id) {
  current = id;
  document.body.classList.toggle("has-detail", Boolean(id));
  for (const row of rows()) {
    row.classList.toggle("picked", row.dataset.id === id);
    const link = row.querySelector("a");
    if (row.dataset.id === id) link?.setAttribute("aria-current", "true");
    else { link?.removeAttribute("aria-current"); if (row.classList.contains("going")) row.remove(); }
  }
  rowOf(id)?.scrollIntoView({ block: "nearest" });
  const sheet = byId("ask");
  const total = document.querySelector('[data-view="open"] .count')?.textContent ?? "0";
  if (sheet) document.title = `${total !== "0" ? `(${total}) ` : ""}${sheet.dataset.title} · agent-runtime`;
  restore(detail, id);
  gate();
  claim();
}

/** Look at the open question again, because something happened to it. */
async function look() {
  const before = byId("ask");
  if (!before) return;
  const answer = await part(`/inbox/${encodeURIComponent(current)}${query}`);
  const after = parse(await answer.text());
  const sheet = /** @type {HTMLElement | null} */ (after.querySelector("#ask"));
  if (!sheet || sheet.dataset.id !== byId("ask")?.dataset.id) return;
  if (sheet.dataset.stamp === before.dataset.stamp) {
    before.dataset.looking = sheet.dataset.looking;
    for (const one of ["#looking", "#claim", "#talk"]) {
      const now = after.querySelector(one);
      if (now) detail.querySelector(one)?.replaceWith(now);
    }
    gate();
    return;
  }
  keep(detail, current);
  const focused = document.activeElement?.id || document.activeElement?.getAttribute("name");
  const place = detail.scrollTop;
  const opened = [...detail.querySelectorAll("details[id][open]")].map((one) => one.id);
  detail.replaceChildren(after);
  for (const id of opened) byId(id)?.setAttribute("open", "");
  begin(current);
  detail.scrollTop = place;
  if (focused) /** @type {HTMLElement | null} */ (byId(focused) ?? detail.querySelector(`[name="${CSS.escape(focused)}"]`))?.focus({ preventScroll: true });
  announce(byId("closed")?.querySelector("h2")?.textContent ?? byId("held")?.querySelector("h2")?.textContent ?? "It has changed.");
}

/** Decisions need a page that is kept true, and a deadline that has not passed. */
function gate() {
  const deadline = detail.querySelector("#deadline time");
  const isOver = deadline ? Date.parse(/** @type {HTMLTimeElement} */ (deadline).dateTime) <= now() : false;
  for (const button of document.querySelectorAll("#decide button, #bulk-review, .needs-live")) {
    const one = /** @type {HTMLButtonElement} */ (button);
    const off = !live() || (isOver && one.closest("#decide") !== null);
    if (off && !one.disabled) { one.disabled = true; one.dataset.gated = "1"; }
    if (!off && one.dataset.gated) { one.disabled = false; delete one.dataset.gated; }
  }
  if (isOver && !byId("over") && byId("answers")) {
    const note = document.createElement("p");
    note.id = "over";
    note.className = "note warn";
    note.setAttribute("role", "alert");
    note.textContent = "The deadline has passed while you were looking; nothing can be decided here any more.";
    byId("ask")?.querySelector(".ask-head")?.after(note);
  }
}
document.addEventListener("live", gate);
document.addEventListener("overdue", gate);

// --- Who is looking

function claim() {
  clearInterval(claiming);
  const id = current;
  if (byId("ask")?.dataset.claim !== "1" || current === letGo) return;
  const mayStill = () => current === id && byId("ask")?.dataset.claim === "1";
  const say = () => { if (mayStill() && !sending && !document.hidden && live()) ask(`/v1/approvals/${id}/claim`, { method: "POST" }).catch(() => {}); };
  if (byId("ask")?.dataset.looking !== "you are looking") setTimeout(say, 400);
  claiming = setInterval(say, 60_000);
}

function release() {
  clearInterval(claiming);
  const sheet = byId("ask");
  if (sheet?.dataset.status === "open" && sheet.dataset.looking === "you are looking") {
    ask(`/v1/approvals/${current}/release`, { method: "POST" }).catch(() => {});
  }
}

// --- Deciding

/**
 * @param {HTMLFormElement} form
 * @param {HTMLElement | null} by
 */
async function send(form, by) {
  const path = by?.getAttribute("formaction") ?? form.getAttribute("action") ?? "";
  const said = new URLSearchParams(/** @type {any} */ (new FormData(form, by)));
  const id = current;
  const next = rowOf(id) ? neighbour(/** @type {HTMLElement} */ (rowOf(id))) : null;
  const buttons = /** @type {HTMLButtonElement[]} */ ([...form.querySelectorAll("button")]);
  for (const button of buttons) button.disabled = true;
  sending = true;
  try {
    const answer = await part(path, said);
    const markup = await answer.text();
    if (form.hasAttribute("data-try") && !by?.hasAttribute("formaction")) return tried(form, markup);
    const isDecision = path.includes("/decide");
    if (answer.ok) clear(id, form);
    if (answer.ok && isDecision) return await decided(markup, id, next?.dataset.id ?? "", said.get("kind") ?? "");
    if (current !== id) return;
    if (answer.ok) letGo = path.includes("/release") ? id : "";
    show(markup, id);
    byId("refused")?.focus();
    if (answer.ok && path.includes("/undo")) announce("Undone. It is open again.");
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    keep(detail, id);
    toast(error.message, { seconds: 10 });
  } finally {
    sending = false;
    for (const button of buttons) button.disabled = false;
    gate();
  }
}

/**
 * What policy said about an edit: only that is replaced, so that the cursor stays where it is.
 * @param {HTMLFormElement} form
 * @param {string} markup
 */
function tried(form, markup) {
  const found = parse(markup);
  const result = found.querySelector("#tried") ?? document.createElement("div");
  const refused = found.querySelector("#refused");
  if (refused) result.replaceChildren(refused);
  form.querySelector("#tried")?.replaceWith(result);
  result.id = "tried";
  const may = /** @type {HTMLButtonElement | null} */ (found.querySelector("#approve-edited"));
  const button = /** @type {HTMLButtonElement} */ (byId("approve-edited"));
  queueMicrotask(() => { button.disabled = refused !== null || (may?.disabled ?? true); gate(); });
  announce(result.textContent?.trim() ?? "");
}

/**
 * Say what was decided, offer to undo it, and go on to the next.
 * @param {string} markup
 * @param {string} id
 * @param {string} next
 * @param {string} kind
 */
async function decided(markup, id, next, kind) {
  const sheet = /** @type {HTMLElement | null} */ (parse(markup).querySelector("#ask"));
  const after = sheet?.dataset.id ?? id;
  const words = { approve: "Approved", reject: "Rejected", respond: "Sent back", edit: "Approved as edited" }[kind] ?? "Done";
  const isHeld = sheet?.dataset.status === "held";
  const title = sheet?.dataset.title ?? "";
  mine.add(id);
  if (isHeld) offerUndo(after, `${words}: ${title}.`);
  rowOf(id)?.classList.add("going");
  if (!isHeld || !next || next === id) {
    show(markup, after);
    history.replaceState({ id: after }, "", `/inbox/${after}${query}`);
    byId("ask-title")?.focus({ preventScroll: true });
    announce(isHeld ? `${words}. Nothing else is listed.` : byId("refused")?.textContent ?? "It is asked anew.");
    return;
  }
  await open(next, { said: `${words}.` });
}

/**
 * @param {string} id
 * @param {string} words
 */
function offerUndo(id, words) {
  for (const old of document.querySelectorAll("[data-toast] [data-command]")) old.removeAttribute("data-command");
  const button = document.createElement("button");
  button.className = "button small";
  button.type = "button";
  button.dataset.command = "undo";
  const line = toast(words, { button, seconds: 0, id });
  let left = Number(document.documentElement.dataset.undo);
  const tick = () => { button.replaceChildren(`Undo (${left} s) `, Object.assign(document.createElement("kbd"), { textContent: "z" })); };
  tick();
  const timer = setInterval(() => { left -= 1; if (left <= 0) { clearInterval(timer); line.remove(); } else tick(); }, 1000);
  button.onclick = async () => {
    clearInterval(timer);
    line.remove();
    try {
      await ask(`/v1/approvals/${id}/undo`, { method: "POST" });
      mine.delete(id);
      await open(id, { said: "" });
      announce("Undone. It is open again.");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(error.message);
    }
  };
}

document.addEventListener("submit", (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (!form.hasAttribute("data-part")) return;
  event.preventDefault();
  if (!live()) { toast("Not live: decisions are disabled until the server answers again."); return; }
  send(form, event.submitter);
});

let trying = 0;
detail.addEventListener("input", (event) => {
  keep(detail, current);
  const form = /** @type {HTMLElement} */ (event.target).closest("[data-try]");
  if (!form) return;
  const button = /** @type {HTMLButtonElement} */ (byId("approve-edited"));
  button.disabled = true;
  clearTimeout(trying);
  trying = setTimeout(() => { if (live()) send(/** @type {HTMLFormElement} */ (form), null); }, 450);
});

detail.addEventListener("keydown", (event) => {
  if (!(event.target instanceof HTMLElement)) return;
  const form = event.target.closest("form");
  if (event.key === "Enter" && event.ctrlKey && form) { event.preventDefault(); form.requestSubmit(); }
  const folded = event.target.closest("details[open][id]");
  if (event.key === "Escape" && folded) {
    folded.removeAttribute("open");
    folded.querySelector("summary")?.focus();
  }
});

/**
 * Put the cursor where one types, unless it is inside already.
 * @param {Element} one
 */
function enter(one) {
  if (one.contains(document.activeElement) && document.activeElement?.tagName !== "SUMMARY") return;
  /** @type {HTMLElement | null} */ (one.querySelector("select, input:not([type=hidden]), textarea"))?.focus();
}

// At once, not when the browser tells that it is open: a letter typed before would be a command.
detail.addEventListener("click", (event) => {
  const summary = /** @type {Element} */ (event.target).closest(".choose > details > summary");
  const one = /** @type {HTMLDetailsElement | null} */ (summary?.parentElement ?? null);
  if (!one) return;
  event.preventDefault();
  one.open = !one.open;
  if (one.open) enter(one);
});

detail.addEventListener("toggle", async (event) => {
  const one = /** @type {HTMLDetailsElement} */ (event.target);
  if (!one.open) return;
  if (one.closest(".choose")) {
    for (const other of detail.querySelectorAll(".choose > details[open]")) if (other !== one) other.removeAttribute("open");
    enter(one);
    one.scrollIntoView({ block: "nearest" });
  }
  const from = one.dataset.load;
  if (!from) return;
  delete one.dataset.load;
  const found = parse(await (await ask(from)).text()).querySelector("#exchanges");
  if (found) one.querySelector("p")?.replaceWith(found);
}, true);

// --- The list's own buttons

list.addEventListener("click", (event) => {
  const link = /** @type {Element} */ (event.target).closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const row = link.closest(".row");
  event.preventDefault();
  if (row instanceof HTMLElement) open(row.dataset.id ?? "");
  else more();
});

list.addEventListener("change", showPicked);

function showPicked() {
  const picked = /** @type {HTMLInputElement[]} */ ([...list.querySelectorAll("input:checked")]);
  const sum = picked.reduce((total, box) => total + Number(box.closest(".row")?.getAttribute("data-amount") ?? 0), 0);
  const place = /** @type {HTMLElement} */ (byId("picked"));
  place.textContent = picked.length ? `${picked.length} selected, ${sum.toFixed(2)}${picked.length > 25 ? ": at most 25 at once" : ""}` : "";
}

document.addEventListener("click", (event) => {
  const button = /** @type {Element} */ (event.target).closest?.("[data-command]");
  if (!(button instanceof HTMLElement)) return;
  const command = button.dataset.command;
  if (command === "next") move(1);
  if (command === "previous") move(-1);
  if (command === "new") showFresh();
  if (command === "select") {
    const row = document.activeElement?.closest(".row") ?? rowOf(current);
    const box = /** @type {HTMLInputElement | null} */ (row?.querySelector("input") ?? null);
    if (!box) { announce("This one cannot be decided together with others."); return; }
    box.checked = !box.checked;
    showPicked();
    announce(box.checked ? "Selected." : "Not selected.");
  }
  if (command === "next-open") {
    const row = rowOf(current);
    const next = row ? neighbour(row) : rows()[0];
    if (next && next.dataset.id !== current) { event.preventDefault(); open(next.dataset.id ?? ""); }
  }
});

window.addEventListener("popstate", () => {
  const id = location.pathname.split("/")[2] ?? "";
  if (id) open(decodeURIComponent(id), { push: false });
  else location.reload();
});
window.addEventListener("pagehide", () => { if (current) keep(detail, current); });

if (current) begin(current);
watchEnd();
showPicked();
if (me) gate();
