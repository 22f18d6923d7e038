// Is everything well: the verdict in words, a card per concern, every target, what fires.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { quantity } from "../format.js";
import { badge } from "../parts/badge.js";
import { spark } from "../parts/spark.js";
import { empty } from "../parts/states.js";
import { when } from "../parts/time.js";
import { STATUSES, known, ofSeverity, shown, worst } from "../status.js";
import { words } from "../words.js";

const MOST_TARGETS = 50;

/** The values a card shows, the main one first. @type {Record<string, string[]>} */
const VALUES = {
  blockchain: ["latest_block", "avg_block_time", "total_blocks"],
  p2p_network: ["active_peers", "total_peers", "avg_reputation"],
  mempool: ["pending_transactions", "total_fees"],
  quantum_security: ["active_keys", "cache_hit_rate"],
  uptime: ["up", "down", "unknown"],
  economics: ["supply", "active_accounts", "locked"],
};

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.overview.title,
  every: (app) => app.config.alerts_every_s,
  load: (app) => app.ask("get_overview"),
  render: (screen) => {
    const { app, data } = screen;
    if (!app.health) return html`<p class="loading">${words.states.loading}</p>`;
    return html`
      <h1 class="visually-hidden">${words.overview.title}</h1>
      ${verdict(app)}
      <div class="cards">${Object.keys(VALUES).map((group) => card(app, group, data.trends[group]))}</div>
      <section><h2>${words.overview.alerts}</h2>${alerts(app, data.alerts)}</section>
      <section><h2>${words.overview.targets}</h2>${targets(app)}</section>
    `;
  },
};

function verdict(/** @type {import("../app.js").App} */ app) {
  const { health } = app;
  const status = shown(health.status, app.away);
  return html`<section class=${`panel verdict-panel ${status}`}>
    <p class="verdict-line">${badge(status)} <span>${app.away ? words.states.stale(String(app.awaySince?.toLocaleTimeString())) : health.reason}</span></p>
    <p class="dim">${when(health.generated_at)} · ${words.overview.monitoring}: tick ${when(health.monitoring?.last_tick_at)}</p>
  </section>`;
}

function card(/** @type {import("../app.js").App} */ app, /** @type {string} */ group, /** @type {any} */ trend) {
  const told = app.health[group] ?? {};
  // What a silent source would tell is unknown; that it is silent may be known to be critical.
  const status = shown(worst([told.status, told.firing ?? told.status]), app.away);
  const [main, ...others] = VALUES[group];
  const old = app.away || told.stale;
  return html`<section class=${`panel card ${status} ${old ? "old" : ""}`}>
    <h2>${words.overview.groups[group]} ${badge(status)}</h2>
    <p class="value">${value(told, main)}</p>
    ${spark(trend?.values, `${trend?.metric_name}, ${words.overview.lastHours}`)}
    <p class="dim">${others.map((name, n) => html`${n ? " · " : nothing}${value(told, name)}`)}</p>
    ${status === "ok" ? nothing : html`<p class="reason">${told.reason}</p>`}
    <p class="dim">${told.target ? html`${told.target} · ` : nothing}${when(told.observed_at)}</p>
  </section>`;
}

function value(/** @type {any} */ told, /** @type {string} */ name) {
  const [label, unit] = words.overview.values[name] ?? [name, ""];
  return html`<span class="quantity"><b>${quantity(told[name], unit)}</b> ${label}</span>`;
}

function alerts(/** @type {import("../app.js").App} */ app, /** @type {any[]} */ list) {
  if (!list.length) return empty(words.overview.noAlerts);
  return html`<ul class="rows alerts">${repeat(list, (each) => each.id, (each) => html`<li>
    ${badge(ofSeverity(each.severity), each.severity)}
    <a href=${`/alerts/${each.id}`}>${each.source}: ${each.alert_type}</a>
    <span class="grow">${each.message}</span> ${when(each.created_at)}
  </li>`)}</ul>`;
}

function targets(/** @type {import("../app.js").App} */ app) {
  const list = app.health.targets ?? [];
  if (!list.length) return empty(words.overview.noTargets);
  const first = troubledFirst(list).slice(0, MOST_TARGETS);
  return html`<ul class="rows">${repeat(first, (each) => each.id, (each) => html`<li>
    ${badge(shown(each.status, app.away))}
    <a href=${`/targets/${each.id}`}>${each.name}</a>
    <span class="dim">${[each.chain, each.network].filter(Boolean).join(" · ")}</span> <span class="grow">${each.reason ?? ""}</span>
  </li>`)}</ul>
  ${list.length > first.length ? html`<p class="more"><a class="button" href="/targets">${words.overview.allTargets(list.length)}</a></p>` : nothing}`;
}

/** Otherwise in their order. @param {any[]} list */
function troubledFirst(list) {
  const order = Object.keys(STATUSES);
  return [...list].sort((a, b) => order.indexOf(known(a.status)) - order.indexOf(known(b.status)));
}
