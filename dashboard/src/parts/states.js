// What a list shows before, without and instead of its rows.
import { html, nothing } from "lit-html";

import { words } from "../words.js";

export const loading = () => html`<p class="loading" aria-busy="true">${words.states.loading}</p>`;

export const forbidden = () => html`<p class="empty">${words.states.forbidden}</p>`;

/** @param {unknown} what  says what to do next */
export const empty = (what) => html`<p class="empty">${what}</p>`;

/** @param {import("../screen.js").Screen} screen */
export function failed(screen) {
  const { problem } = screen;
  return html`<div class="problem" role="alert">
    <p><strong>${words.states.failed}</strong> ${problem?.message}${problem?.hint ? html` (${problem.hint})` : nothing}</p>
    <button @click=${() => screen.refresh()}>${words.states.retry}</button>
  </div>`;
}
