// Words of time that stay true while the page is open. The same words as console/text.py makes.
import { clockSkew } from "./page.js";

/** Now, by the server's clock. */
export const now = () => Date.now() + clockSkew;

/** @param {number} seconds */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  const hours = Math.floor(whole / 3600);
  const days = Math.floor(whole / 86400);
  if (hours < 1) return `${minutes} min`;
  if (days >= 2) return `${days} d`;
  const rest = minutes % 60;
  return rest && hours < 10 ? `${hours} h ${rest} min` : `${hours} h`;
}

function tick() {
  for (const time of document.querySelectorAll("time[data-ago], time[data-due]")) {
    const seconds = (Date.parse(/** @type {HTMLTimeElement} */ (time).dateTime) - now()) / 1000;
    const late = time.hasAttribute("data-due") && seconds <= 0;
    const words = time.hasAttribute("data-ago") ? `${span(-seconds)} ago` : late ? `${span(-seconds)} late` : `due in ${span(seconds)}`;
    if (time.textContent !== words) time.textContent = words;
    if (late && !time.classList.contains("late")) {
      time.classList.add("late");
      time.dispatchEvent(new CustomEvent("overdue", { bubbles: true }));
    }
  }
}

/** Keep them true, each second while the page is seen. */
export function startTimes() {
  setInterval(() => { if (!document.hidden) tick(); }, 1000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) tick(); });
}
