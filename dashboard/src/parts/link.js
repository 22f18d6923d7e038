// A link whose address comes from data: http(s) only, and it says where it leads.
import { html } from "lit-html";

/** @param {unknown} address @returns {string | null} */
export function safe(address) {
  try {
    const url = new URL(String(address));
    return ["http:", "https:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** @param {unknown} address @param {unknown} [text] */
export function outside(address, text = address) {
  const href = safe(address);
  return href ? html`<a href=${href} target="_blank" rel="noopener noreferrer">${text}</a>` : html`${text}`;
}
