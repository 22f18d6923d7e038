// The monitor's own health: is it awake, does what it sees arrive, was it ever blind.
import { html, nothing } from "lit-html";

import { bytes, duration, exact, quantity } from "../format.js";
import { badge } from "../parts/badge.js";
import { when } from "../parts/time.js";
import { shown } from "../status.js";
import { words } from "../words.js";

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.system.title,
  every: (app) => app.config.health_every_s,
  load: (app) => app.ask("get_monitor"),
  render: (screen) => {
    const told = screen.data;
    const { monitoring, deliveries, runs } = told;
    const away = screen.app.away;
    return html`
      <div class="title"><h1>${words.system.title}</h1><a class="button" href="/settings">${words.singles.title}</a></div>
      <div class="cards">
        ${card(words.system.awake, shown(monitoring.status, away), [
          [words.system.tick, when(monitoring.last_tick_at)],
          [words.system.run, when(monitoring.last_run_at)],
          [words.system.blindSince, monitoring.blind_since ? when(monitoring.blind_since) : words.system.notBlind],
          [words.system.overdue, `${monitoring.checks_overdue} / ${monitoring.checks}`],
          [words.system.watchdog, watchdog(monitoring.watchdog)],
          .../** @type {[string, unknown][]} */ (monitoring.regions?.length ? [[words.system.regions, regions(monitoring.regions, away)]] : []),
        ])}
        ${card(words.system.deliveries, shown(deliveries.status, away), [
          [words.system.lastDelivery, when(monitoring.last_delivery_at)],
          [words.system.pending, html`${deliveries.pending}${deliveries.oldest_pending_at ? html`, ${words.system.oldest} ${when(deliveries.oldest_pending_at)}` : nothing}`],
          [words.system.dead, deliveries.dead_24h],
          [words.system.unrouted, deliveries.unrouted],
        ], deliveries.reason)}
        ${card(words.system.runs, shown(runs.missed || runs.waiting > monitoring.checks ? "warning" : runs.ok + runs.fail ? "ok" : "unknown", away), [
          [words.system.outcomes, `${quantity(runs.ok)} ok, ${quantity(runs.fail)} fail, ${quantity(runs.unknown)} unknown`],
          [words.system.missed, html`${runs.missed} ${words.system.missedText}, ${runs.late} ${words.system.late}`],
          [words.system.waiting, html`${runs.waiting}${runs.oldest_waiting_at ? html`, ${words.system.oldest} ${when(runs.oldest_waiting_at)}` : nothing}`],
          [words.system.startDelay, runs.start_delay_s ? `p50 ${duration(runs.start_delay_s.p50)}, p95 ${duration(runs.start_delay_s.p95)}` : "–"],
        ])}
      </div>
      <section><h2>${words.system.blind}</h2>${spells(told.blind_spells)}</section>
      <section><h2>${words.system.installed}</h2><dl class="facts panel">
        ${Object.entries(told.counts).map(([name, n]) => html`<dt>${name}</dt><dd>${quantity(n)}</dd>`)}
        <dt>${words.system.storage}</dt><dd>${bytes(told.storage_bytes)}</dd>
        <dt>Postgres</dt><dd>${told.versions.postgres}</dd>
        <dt>${words.system.catalog}</dt><dd>${when(told.versions.catalog_published_at)}</dd>
        <dt>API</dt><dd>${screen.app.api.url}</dd>
      </dl></section>`;
  },
};

/** @param {string} title @param {string} status @param {[string, unknown][]} rows @param {string | null} [reason] */
function card(title, status, rows, reason) {
  return html`<section class="panel card"><h2>${title} ${badge(status)}</h2>
    ${reason ? html`<p>${reason}</p>` : nothing}
    <dl class="facts">${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl></section>`;
}

/** @param {any[]} list */
function spells(list) {
  if (!list.length) return html`<p class="empty">${words.system.neverBlind}</p>`;
  return html`<ul class="rows">${list.map((each) => html`<li><span class="grow">${exact(each.from)} – ${each.to ? exact(each.to) : words.system.now}</span> ${duration(Number(each.seconds))}</li>`)}</ul>`;
}

/** Where it runs, and who went quiet. @param {any[]} list @param {boolean} away */
function regions(list, away) {
  return list.map((each) => html`<div>${badge(shown(each.status, away), each.name)} ${when(each.last_tick_at)}</div>`);
}

/** Who would tell if all of this fell silent. @param {{status: string, reason: string | null} | undefined} told */
function watchdog(told) {
  return told?.status === "on" ? words.system.watching : html`${words.system.notWatching}${told?.reason ? `: ${told.reason}` : nothing}`;
}
