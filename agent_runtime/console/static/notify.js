// Notify: this browser tells its person when a question comes up that they may answer.
import { ask, byId } from "./page.js";
import { onEvents } from "./live.js";

const KEY = "agent-runtime notify";
const wanted = () => localStorage.getItem(KEY) === "on";

/** @param {import("./live.js").Told} told */
async function tell(told) {
  const found = await (await ask(`/v1/approvals?mine=true&run=${encodeURIComponent(told.run ?? "")}&fields=id`)).json();
  if (!found.items.some((/** @type {{id: string}} */ one) => one.id === told.approval)) return;
  // Nothing of what is proposed: a notification is seen by whoever passes. One for all tabs.
  const shown = new Notification("A question waits for you", { tag: told.approval, body: "Open it in the console." });
  shown.onclick = () => { window.focus(); location.assign(`/inbox/${told.approval}`); };
}

/** Tell of what is opened from now on, where that is wanted and allowed. */
export function startNotices() {
  if (!("Notification" in window)) return;
  onEvents((told) => {
    if (!wanted() || Notification.permission !== "granted") return;
    for (const one of told.filter(({ type }) => type === "approval.opened").slice(-3)) tell(one).catch(() => {});
  });
}

/** The switch in the settings. */
function showSwitch() {
  const button = byId("notify"), words = byId("notify-state");
  if (!button || !words) return;
  const blocked = !("Notification" in window) || Notification.permission === "denied";
  const on = !blocked && wanted() && Notification.permission === "granted";
  button.hidden = blocked;
  button.textContent = on ? "Stop telling me" : "Tell me";
  words.textContent = blocked
    ? "This browser does not allow notifications from here. Allow them in its settings for this site, then reload."
    : on
      ? "This browser tells you when a question that you may answer comes up, while a page of the console is open."
      : "This browser can tell you when a question that you may answer comes up, while a page of the console is open.";
  button.onclick = async () => {
    if (!on) await Notification.requestPermission();
    localStorage.setItem(KEY, on ? "off" : "on");
    showSwitch();
  };
}

showSwitch();
