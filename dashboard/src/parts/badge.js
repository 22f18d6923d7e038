// A status: its mark, its word, its colour.
import { html } from "lit-html";

import { STATUSES, known } from "../status.js";

/** @param {string | null | undefined} status @param {string} [word] @param {string} [title] */
export function badge(status, word, title = "") {
  const each = known(status);
  return html`<span class=${`badge ${each}`} title=${title}><span aria-hidden="true">${STATUSES[each].mark}</span> ${word ?? STATUSES[each].word}</span>`;
}
