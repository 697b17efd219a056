// The start of every page: keys, words of time, the live line. A screen adds a module of its own.
import { listen } from "./live.js";
import { startKeys } from "./keys.js";
import { startNotices } from "./notify.js";
import { startTimes } from "./times.js";

for (const element of document.querySelectorAll("[data-js]")) element.removeAttribute("hidden");
// Where the tabs do not fit, the screen's own is among those in sight.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
startTimes();
startKeys();
startNotices();
listen();
// For benchmarks: from when on the page answers its keys, in milliseconds of its own clock.
document.documentElement.dataset.usable = String(Math.round(performance.now()));
