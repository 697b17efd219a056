// Drafts: what somebody has typed and not sent, by question; kept until it is sent, in this tab.

/** @param {string} id */
const key = (id) => `draft ${id}`;

/** @param {Element} place @returns {HTMLFormElement[]} */
const forms = (place) => [...place.querySelectorAll("form[data-draft]")].map((form) => /** @type {HTMLFormElement} */ (form));

/** @param {HTMLFormElement} form @returns {(HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement)[]} */
const fields = (form) => /** @type {any[]} */ ([...form.elements]).filter((one) => one.name && one.type !== "hidden" && one.tagName !== "BUTTON");

/**
 * Remember what is typed in the forms of a question.
 * @param {Element} place
 * @param {string} id
 */
export function keep(place, id) {
  /** @type {Record<string, string>} */
  const typed = {};
  for (const form of forms(place)) {
    for (const field of fields(form)) {
      const plain = field instanceof HTMLSelectElement ? [...field.options].find((one) => one.defaultSelected)?.value ?? field.options[0]?.value ?? "" : field.defaultValue;
      if (field.value !== plain) typed[`${form.dataset.draft} ${field.name}`] = field.value;
    }
  }
  try {
    if (Object.keys(typed).length) sessionStorage.setItem(key(id), JSON.stringify(typed));
    else sessionStorage.removeItem(key(id));
  } catch { /* a full or forbidden storage: the text stays in the page */ }
}

/**
 * Put it back, and open the form it belongs to.
 * @param {Element} place
 * @param {string} id
 */
export function restore(place, id) {
  /** @type {Record<string, string>} */
  let typed = {};
  try { typed = JSON.parse(sessionStorage.getItem(key(id)) ?? "{}"); } catch { return; }
  for (const form of forms(place)) {
    for (const field of fields(form)) {
      const text = typed[`${form.dataset.draft} ${field.name}`];
      if (text === undefined || field.value === text) continue;
      field.value = text;
      form.closest("details")?.setAttribute("open", "");
    }
  }
}

/**
 * Forget what was sent.
 * @param {string} id
 * @param {HTMLFormElement} form
 */
export function clear(id, form) {
  try {
    const typed = JSON.parse(sessionStorage.getItem(key(id)) ?? "{}");
    for (const name of Object.keys(typed)) if (name.startsWith(`${form.dataset.draft} `)) delete typed[name];
    sessionStorage.setItem(key(id), JSON.stringify(typed));
  } catch { /* as above */ }
}
