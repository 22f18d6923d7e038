// What other tools may do here: their tokens, until when, when each was used last.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { endOf, roleOf, stateOf } from "../logic/tokens.js";
import { accessTabs } from "../parts/access.js";
import { badge } from "../parts/badge.js";
import { ask } from "../parts/dialog.js";
import { when } from "../parts/time.js";
import { shown } from "../status.js";
import { words } from "../words.js";

const t = words.tokens;
const STATUSES = { active: "ok", ends: "warning", expired: "warning", revoked: "paused" };

const how = html`<p><code>${t.command}</code></p><p class="dim">${t.text}</p>`;

/** @type {import("../screen.js").View} */
export const view = {
  title: () => t.title,
  every: (app) => app.config.health_every_s,
  load: (app) => app.ask("list_api_tokens"),
  render: (screen) => html`${accessTabs("tokens")}
    <dl class="facts dim">${Object.entries(t.roles).map(([role, may]) => html`<dt>${role}</dt><dd>${may}</dd>`)}</dl>
    ${screen.data.length ? html`<ul class="rows">${repeat(screen.data, (/** @type {any} */ each) => each.id, (each) => row(screen, each))}</ul>
      <section><h2>${t.another}</h2>${how}</section>` : html`<div class="empty"><p>${t.none}</p>${how}</div>`}`,
};

/** @param {import("../screen.js").Screen} screen @param {any} token */
function row(screen, token) {
  const state = stateOf(token, new Date());
  return html`<li class=${state === "revoked" ? "off" : ""}>
    ${badge(shown(STATUSES[state], screen.app.away), t.states[state])}
    <span class="grow"><strong>${token.name}</strong> ${roleOf(token)}
      <br /><small class="dim">${t.madeBy} ${token.created_by} ${when(token.created_at)}</small></span>
    <span>${used(token)}</span>
    <span><span class="dim">${t.times[state]}</span> ${when(endOf(token))}</span>
    ${state === "revoked" ? nothing : html`<button class="danger" aria-label=${`${t.revoke} ${token.name}`} @click=${() => revoke(screen, token)}>${t.revoke}</button>`}
  </li>`;
}

/** A tool that only reads is served where nothing may be written, not even that. @param {any} token */
function used(token) {
  if (token.last_used_at) return html`<span class="dim">${t.used}</span> ${when(token.last_used_at)}`;
  return html`<span class="dim">${roleOf(token) === "metrics" ? t.unseen : t.neverUsed}</span>`;
}

/** @param {import("../screen.js").Screen} screen @param {any} token */
async function revoke(screen, token) {
  if (!(await ask({ title: t.revokeTitle(token.name), text: t.revokeText, act: t.revoke, danger: true }))) return;
  await screen.act(
    (data) => data.map((/** @type {any} */ each) => (each.id === token.id ? { ...each, status: "revoked", revoked_at: new Date().toISOString() } : each)),
    () => screen.app.ask("revoke_api_token", { name: token.name }),
    t.revoked(token.name),
  );
}
