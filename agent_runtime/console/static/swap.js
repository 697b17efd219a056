// Swap: put a part of a page in the place of an older one; what somebody is at stays where it is.

/**
 * Where an element stands within another: which child of which child.
 * @param {Element} root
 * @param {Element} inner
 * @returns {number[]}
 */
function path(root, inner) {
  const steps = [];
  for (let at = inner; at !== root && at.parentElement; at = at.parentElement) {
    steps.unshift([...at.parentElement.children].indexOf(at));
  }
  return steps;
}

/**
 * Replace it unless it is the same, or somebody types in it; focus, open parts and scrolling stay.
 * @param {Element} old
 * @param {Element} fresh
 */
export function swap(old, fresh) {
  if (old.outerHTML === fresh.outerHTML) return;
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  if (focused && /^(INPUT|TEXTAREA|SELECT)$/.test(focused.tagName)) return;
  const way = focused && path(old, focused);
  const frame = old.querySelector("[data-scroll]");
  const place = frame && [frame.scrollLeft, frame.scrollTop];
  const open = [...old.querySelectorAll("details")].map((one) => one.open);
  old.replaceWith(fresh);
  fresh.querySelectorAll("details").forEach((one, number) => { one.open = open[number] ?? one.open; });
  const box = fresh.querySelector("[data-scroll]");
  if (box && place) [box.scrollLeft, box.scrollTop] = place;
  let target = way ? fresh : null;
  for (const step of way ?? []) target = target?.children[step] ?? null;
  if (target instanceof HTMLElement) target.focus({ preventScroll: true });
}
