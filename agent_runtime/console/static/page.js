// What every screen needs of its page: who asks, how to write, how to say something.

const root = document.documentElement.dataset;
export const me = root.me ?? "";
export const tenant = root.tenant ?? "";
export const startedAt = Number(root.head ?? 0);
export const clockSkew = Date.parse(root.now ?? "") - Date.now();

/** A refusal of the server (RFC 9457), or that there was no answer (status 0). */
export class Problem extends Error {
  /** @param {{status: number, code: string, detail: string, remedy?: string, [more: string]: any}} told */
  constructor(told) {
    super(told.detail);
    this.told = told;
    this.status = told.status;
    this.code = told.code;
  }
}

/**
 * One element by id; scripts of a screen run on that screen only.
 * @param {string} id
 * @returns {HTMLElement | null}
 */
export const byId = (id) => document.getElementById(id);

/**
 * Ask the server. Writes carry the page's form token and a key, so that a retry does nothing twice.
 * @param {string} path
 * @param {{method?: string, body?: any, key?: string, signal?: AbortSignal}} [options]
 * @returns {Promise<Response>}
 */
export async function ask(path, { method = "GET", body, key, signal } = {}) {
  /** @type {Record<string, string>} */
  const headers = { accept: "application/problem+json, application/json, text/html" };
  if (method !== "GET") {
    headers["x-form-token"] = root.formToken ?? "";
    headers["content-type"] = "application/json";
    headers["idempotency-key"] = key ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
  }
  let answer;
  try {
    const sent = method === "GET" ? undefined : JSON.stringify(body ?? {});
    answer = await fetch(path, { method, headers, body: sent, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem({ status: 0, code: "no_answer", detail: "The server does not answer. Nothing that it has not confirmed is decided." });
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  if (answer.status === 401) signedOut();
  throw new Problem({ detail: `The server answered ${answer.status}.`, code: "error", ...told, status: answer.status });
}

/** What is typed is kept by the screens; here one is sent to sign in, and back. */
function signedOut() {
  document.dispatchEvent(new CustomEvent("signed-out"));
  location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
}

/**
 * The server's markup as elements. It comes escaped from our own templates.
 * @param {string} markup
 * @returns {DocumentFragment}
 */
export function parse(markup) {
  const template = document.createElement("template");
  template.innerHTML = markup;
  return template.content;
}

/**
 * Tell it to a screen reader.
 * @param {string} words
 */
export function announce(words) {
  const place = byId("announce");
  if (!place) return;
  place.textContent = "";
  setTimeout(() => { place.textContent = words; }, 30);
}

/**
 * Show a line at the foot of the page; `button` does something about it.
 * @param {string} words
 * @param {{button?: HTMLElement, seconds?: number, id?: string}} [options]
 * @returns {HTMLElement}
 */
export function toast(words, { button, seconds = 6, id } = {}) {
  const line = document.createElement("div");
  line.className = "toast";
  if (id) line.dataset.toast = id;
  const text = document.createElement("span");
  text.textContent = words;
  line.append(text, ...(button ? [button] : []));
  byId("toasts")?.append(line);
  if (seconds) setTimeout(() => line.remove(), seconds * 1000);
  announce(words);
  return line;
}
