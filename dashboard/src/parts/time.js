// A moment: how long ago, the exact one on hover and for machines.
import { html } from "lit-html";

import { ago, exact } from "../format.js";

/** @param {string | null | undefined} iso @param {Date} [now] */
export function when(iso, now = new Date()) {
  return iso ? html`<time datetime=${iso} title=${exact(iso)}>${ago(iso, now)}</time>` : html`<span class="dim">never</span>`;
}
