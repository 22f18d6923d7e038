// A status: its mark, its word, its colour. The marks are drawn, because not every font has them.
import { html, svg } from "lit-html";

import { STATUSES, known } from "../status.js";

const MARKS = {
  ok: svg`<path d="M2.5 8.5l3.5 3.5 7.5-8" />`,
  warning: svg`<path d="M8 2v8M8 12.7v1" />`,
  critical: svg`<path d="M3 3l10 10M13 3l-10 10" />`,
  unknown: svg`<path d="M4.8 5.2a3.2 3.2 0 1 1 4.7 2.8c-1 .6-1.5 1.1-1.5 2.2M8 12.7v1" />`,
  paused: svg`<path d="M5 3v10M11 3v10" />`,
};

/** @param {string | null | undefined} status @param {string} [word] @param {string} [title] */
export function badge(status, word, title = "") {
  const each = known(status);
  return html`<span class=${`badge ${each}`} title=${title}><svg viewBox="0 0 16 16" aria-hidden="true">${MARKS[each]}</svg>${word ?? STATUSES[each].word}</span>`;
}
