// Keys: each presses the visible button of its command, so that a key can do no more than a button.
import { byId } from "./page.js";

const on = () => document.documentElement.dataset.keys !== "off";

/** @type {Record<string, string>} */
const commands = { a: "approve", e: "edit", r: "reject", z: "undo", x: "select", c: "claim", n: "new", j: "next", k: "previous", "?": "help", "/": "search" };
for (let digit = 1; digit <= 9; digit += 1) commands[digit] = `value ${digit}`;
let going = 0;

/** @param {EventTarget | null} target */
const isTyping = (target) => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && !/^(checkbox|radio|button|submit)$/.test(target.getAttribute("type") ?? ""));

/**
 * Press the command's button, if the page has one that may be pressed now.
 * @param {string} command
 */
export function press(command) {
  const scope = document.querySelector("dialog[open]") ?? document;
  const buttons = [...scope.querySelectorAll(`[data-command="${command}"]`)];
  if (command === "undo") buttons.reverse(); // the newest stands last
  for (const button of buttons) {
    const element = /** @type {HTMLButtonElement | HTMLInputElement} */ (button);
    if (element.disabled || element.closest("[hidden]")) continue;
    if (/^(INPUT|TEXTAREA)$/.test(element.tagName) && element.type !== "checkbox") element.focus();
    else element.click();
    return true;
  }
  return false;
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (!on() || isTyping(event.target)) return;
  if (going) {
    clearTimeout(going);
    going = 0;
    const tab = document.querySelector(`[data-goto="${CSS.escape(event.key)}"]`);
    if (tab) { event.preventDefault(); /** @type {HTMLElement} */ (tab).click(); }
    return;
  }
  if (event.key === "g" && !document.querySelector("dialog[open]")) {
    going = setTimeout(() => { going = 0; }, 1500);
    return;
  }
  const command = commands[event.key];
  if (command && press(command)) event.preventDefault();
}

/** Listen for keys, and for the buttons that every page has. */
export function startKeys() {
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest?.("[data-command=help]");
    if (button) /** @type {HTMLDialogElement} */ (byId("help")).showModal();
    const close = /** @type {Element} */ (event.target).closest?.("[data-close]");
    if (close) close.closest("dialog")?.close();
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(/** @type {Node} */ (event.target))) menu.removeAttribute("open");
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.removeAttribute("open");
      /** @type {HTMLElement | null} */ (menu.querySelector("summary"))?.focus();
    }
  });
}
