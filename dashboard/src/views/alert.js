// One alert: why it fired, who was told and when, what happened to it.
import { html, nothing } from "lit-html";

import { count, duration, exact, quantity } from "../format.js";
import { badge } from "../parts/badge.js";
import "../parts/chart.js";
import { ask } from "../parts/dialog.js";
import { ledger } from "../parts/ledger.js";
import { when } from "../parts/time.js";
import { ofSeverity } from "../status.js";
import { words } from "../words.js";

/** @type {import("../screen.js").View} */
export const view = {
  title: (data) => `${data.source}: ${data.alert_type}`,
  every: (app) => app.config.alerts_every_s,
  load: (app, params) => app.ask("get_alert", { alert_id: params.id }),
  render: (screen) => {
    const alert = screen.data;
    return html`
      <p><a href="/alerts">${words.alerts.title}</a></p>
      <h1>${alert.source}: ${alert.alert_type}</h1>
      <section class="panel">
        <p class="verdict-line">${alert.status === "resolved" ? badge("ok", words.alerts.resolved) : badge(ofSeverity(alert.severity), alert.severity)} <span>${alert.message}</span></p>
        ${facts(alert)}
        ${actions(screen, alert)}
      </section>
      <section><h2>${words.alert.evidence}</h2>${evidence(alert)}</section>
      <section><h2>${words.alert.told}</h2>${ledger(screen, alert.deliveries, alert.held_by)}</section>
      <section><h2>${words.alert.history}</h2><ol class="timeline">${alert.transitions.map((/** @type {any} */ each) => html`<li>
        <time datetime=${each.at}>${exact(each.at)}</time> ${words.alert.transitions[each.transition] ?? each.transition} <span class="dim">${each.severity}</span></li>`)}</ol></section>
    `;
  },
  shortcuts: { a: (screen) => void acknowledge(screen) },
};

/** @param {any} alert */
function facts(alert) {
  const { earlier } = alert;
  /** @type {[string, unknown][]} */
  const rows = [
    [words.alert.since, html`${when(alert.first_seen_at)} <span class="dim">${exact(alert.first_seen_at)}</span>`],
    [words.alert.lasted, alert.resolved_at ? duration((Date.parse(alert.resolved_at) - Date.parse(alert.first_seen_at)) / 1000) : nothing],
    [words.alert.seen, count(alert.occurrences, "time")],
    [words.alert.acknowledgedBy, alert.acknowledged ? html`${alert.acknowledged_by_email ?? alert.acknowledged_by}, ${when(alert.acknowledged_at)}` : words.alert.nobody],
    [words.alert.heldBy, alert.held_by ?? nothing],
    [words.alert.resolution, alert.resolution ?? nothing],
    [words.alert.target, alert.target_id ? html`<a href=${`/targets/${alert.target_id}`}>${alert.source}</a> ${[alert.metadata?.chain, alert.metadata?.network].filter(Boolean).join(" · ")}` : nothing],
    [words.alert.before, earlier?.in_30_days ? html`${count(earlier.in_30_days, "time")} ${words.alert.inThirtyDays}, ${words.alert.last} ${when(earlier.last_at)}` : words.alert.never],
  ];
  return html`<dl class="facts">${rows.filter(([, value]) => value !== nothing).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

/** @param {import("../screen.js").Screen} screen @param {any} alert */
function actions(screen, alert) {
  if (!screen.app.may("respond") || alert.status === "resolved") return nothing;
  return html`<p class="bar">
    ${alert.acknowledged ? nothing : html`<button class="primary" @click=${() => acknowledge(screen)}>${words.alerts.acknowledge}</button>`}
    <button @click=${() => resolve(screen, alert)}>${words.alert.resolve}</button>
    <a class="button" href=${`/incidents/new?alert=${alert.id}`}>${words.alert.openIncident}</a>
    <a class="button" href=${`/channels/silences?${new URLSearchParams({ new: "silence", target: alert.source })}`}>${words.alert.silence}</a>
  </p>`;
}

/** @param {any} alert */
function evidence(alert) {
  const shown = alert.evidence.filter((/** @type {any} */ each) => each.points?.some((/** @type {any} */ point) => point.avg !== null));
  if (!shown.length) return html`<p class="empty">${words.alert.noEvidence}</p>`;
  return html`<div class="charts">${shown.map((/** @type {any} */ each) => html`<figure class="panel chart">
    <figcaption>${each.metric_name} <span class="dim">${each.unit ?? ""} · ${words.alert.now} ${latest(alert, each)}</span></figcaption>
    <wk-chart .data=${{
      label: each.metric_name,
      times: each.points.map((/** @type {any} */ point) => Date.parse(point.at) / 1000),
      series: [{ name: each.metric_name, unit: each.unit, values: each.points.map((/** @type {any} */ point) => (point.avg === null ? null : Number(point.avg))) }],
      height: 150,
    }}></wk-chart>
  </figure>`)}</div>`;
}

/** @param {any} alert @param {any} metric */
function latest(alert, metric) {
  const value = alert.values.find((/** @type {any} */ each) => each.name === metric.metric_name);
  return value?.known ? quantity(value.value, metric.unit) : html`${words.alert.unknown}, ${words.alert.last} ${when(value?.observed_at)}`;
}

/** @param {import("../screen.js").Screen} screen */
async function acknowledge(screen) {
  if (screen.data.acknowledged || screen.data.status === "resolved" || !screen.app.may("respond")) return;
  await screen.act(
    (data) => Object.assign(data, { acknowledged: true, acknowledged_by_email: screen.app.me.email, acknowledged_at: new Date().toISOString() }),
    () => screen.app.ask("acknowledge_alert", { alert_id: screen.data.id }),
    words.alerts.acknowledged(words.alert.one),
  );
}

/** @param {import("../screen.js").Screen} screen @param {any} alert */
async function resolve(screen, alert) {
  await ask({
    title: words.alert.resolve,
    text: words.alert.resolveText,
    fields: [{ name: "note", label: words.alert.note, type: "textarea" }],
    act: words.alert.resolve,
    submit: ({ note }) => screen.app.ask("resolve_alert", { alert_id: alert.id, note: note.trim() || null }),
  });
  await screen.refresh();
}
