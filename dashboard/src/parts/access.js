// What the tabs under Members share.
import { html, nothing } from "lit-html";

import { words } from "../words.js";

const TABS = /** @type {const} */ ([["members", "/members"], ["tokens", "/members/tokens"]]);

/** @param {(typeof TABS)[number][0]} here @param {unknown} [beside] the title */
export function accessTabs(here, beside = nothing) {
  return html`<div class="title"><h1>${words[here].title}</h1>${beside}</div>
    <nav class="tabs bar" aria-label=${words.members.title}>${TABS.map(([each, path]) => html`<a href=${path} aria-current=${each === here ? "page" : nothing}>${words[each].title}</a>`)}</nav>`;
}
