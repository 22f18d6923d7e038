// One target: its checks with their values and history, its alerts, what may be done with it.
import { html, nothing } from "lit-html";

import { duration, quantity } from "../format.js";
import { badge } from "../parts/badge.js";
import "../parts/chart.js";
import { askToDelete, readSetting } from "../parts/conflict.js";
import { outside } from "../parts/link.js";
import { empty } from "../parts/states.js";
import { when } from "../parts/time.js";
import { withQuery } from "../router.js";
import { ofSeverity, shown } from "../status.js";
import { words } from "../words.js";

const SPANS = /** @type {const} */ ([["3", "3 h"], ["24", "24 h"], ["168", "7 d"], ["720", "30 d"]]);
const POINTS = 180;

/** @type {import("../screen.js").View} */
export const view = {
  title: (data) => data.target.name,
  every: (app) => app.config.health_every_s,
  load: async (app, params, query) => {
    const target = (await app.ask("list_targets")).find((/** @type {any} */ each) => each.id === params.id);
    if (!target) throw new Error(words.target.gone);
    const to = new Date();
    const hours = Number(query.get("hours") ?? 3);
    const from = new Date(to.getTime() - hours * 3_600_000);
    const names = Object.values(target.checks).flatMap((/** @type {any} */ check) =>
      Object.entries(check.values ?? {}).map(([name, value]) => ({ name, unit: /** @type {any} */ (value).unit, interval_s: check.interval_s })));
    const [alerts, read, ...series] = await Promise.all([
      app.ask("list_alerts", { target_id: target.id, max_rows: 20 }),
      app.may("manage") ? readSetting(app, "target", target.id) : null,
      ...names.map(({ name, interval_s }) => app.ask("get_metric_series", {
        target_id: target.id, metric_name: name, from_time: from.toISOString(), to_time: to.toISOString(),
        // Buckets of two intervals at least, so that a gap means a missing sample.
        points: Math.max(2, Math.min(POINTS, Math.floor((hours * 3600) / (2 * interval_s)))),
      })),
    ]);
    return { target, alerts, hours, version: read?.version, metrics: names.map((each, n) => ({ ...each, points: series[n] })) };
  },
  render: (screen) => {
    const { target, alerts, metrics, hours } = screen.data;
    return html`
      <p><a href="/targets">${words.targets.title}</a></p>
      <h1>${target.name}</h1>
      <section class="panel">
        <p class="verdict-line">${badge(shown(target.status, screen.app.away))} <span>${target.reason ?? ""}</span></p>
        <dl class="facts">
          ${target.chain ? html`<dt>${words.target.chain}</dt><dd>${[target.chain, target.network].filter(Boolean).join(" · ")}</dd>` : nothing}
          ${target.endpoint ? html`<dt>${words.target.endpoint}</dt><dd>${outside(target.endpoint)}</dd>` : nothing}
          ${Object.keys(target.labels).length ? html`<dt>${words.target.labels}</dt><dd>${Object.entries(target.labels).map(([name, value]) => `${name}=${value}`).join(", ")}</dd>` : nothing}
        </dl>
        ${actions(screen, target)}
      </section>
      <section><h2>${words.target.checks}</h2>${checks(screen, target)}</section>
      ${target.regions ? html`<section><h2>${words.target.regions}</h2><p>${words.target.agree(target.regions.agree)}</p>${looks(screen, target.looks)}</section>` : nothing}
      <section><div class="title"><h2>${words.target.metrics}</h2><div class="tabs">${SPANS.map(([value, label]) => html`<a href=${withQuery(screen.url, { hours: value })} aria-current=${Number(value) === hours ? "page" : nothing}>${label}</a>`)}</div></div>
        ${metrics.length ? html`<div class="charts">${metrics.map(chart)}</div>` : empty(words.target.noMetrics)}</section>
      <section><h2>${words.alerts.title}</h2>${alertList(alerts)}</section>`;
  },
};

/** @param {import("../screen.js").Screen} screen @param {any} target */
function actions(screen, target) {
  const { app } = screen;
  const paused = !target.paused;
  return html`<p class="bar">
    ${app.may("respond") && !target.paused ? html`<button @click=${() => runNow(screen, target)}>${words.target.runNow}</button>` : nothing}
    ${app.may("manage") ? html`
      <a class="button" href=${`/targets/${target.id}/edit`}>${words.incident.edit}</a>
      <button @click=${() => screen.act(
        (data) => ({ ...data, target: { ...data.target, paused, status: paused ? "paused" : "unknown", reason: null } }),
        () => app.ask("pause_target", { target_id: target.id, paused }), paused ? words.target.pausedSaid : words.target.resumedSaid)}>${paused ? words.target.pause : words.target.resume}</button>
      <button class="danger" @click=${() => remove(screen, target)}>${words.target.remove}</button>` : nothing}
  </p>`;
}

/** @param {import("../screen.js").Screen} screen @param {any} target */
async function runNow(screen, target) {
  await screen.act((data) => data, () => screen.app.ask("run_check_now", { target_id: target.id }), words.target.runSaid);
}

/** @param {import("../screen.js").Screen} screen @param {any} target */
async function remove(screen, target) {
  const sure = await askToDelete({
    title: words.target.removeTitle(target.name),
    text: words.target.removeText,
    fields: [{ name: "name", label: words.target.typeName, required: true }],
    act: words.target.remove,
    submit: async ({ name }) => {
      if (name !== target.name) throw new Error(words.target.otherName);
    },
  }, screen.app, "target", target.id, screen.data.version);
  if (sure) await screen.app.open("/targets", { replace: true });
}

/** @param {import("../screen.js").Screen} screen @param {any} target */
function checks(screen, target) {
  const kinds = Object.entries(target.checks);
  if (!kinds.length) return empty(words.target.noChecks);
  return html`<div class="scroll panel" tabindex="0"><table>
    <thead><tr><th>${words.target.check}</th><th>${words.incidents.status}</th><th>${words.target.values}</th><th class="number">${words.target.every}</th><th>${words.target.last}</th></tr></thead>
    <tbody>${kinds.map(([kind, check]) => html`<tr>
      <td>${kind}</td>
      <td>${badge(shown(check.status, screen.app.away))}${check.reason ? html`<br /><small>${check.reason}</small>` : nothing}</td>
      <td>${Object.entries(check.values ?? {}).map(([name, value]) => html`<span class="quantity"><b>${quantity(value.known ? value.value : null, value.unit)}</b> <span class="dim">${name}</span></span> `)}</td>
      <td class="number">${duration(check.interval_s)}</td>
      <td>${when(check.last_run_at)}</td></tr>`)}</tbody></table></div>`;
}

/** What each region that must agree sees. @param {import("../screen.js").Screen} screen @param {Record<string, any>} seen */
function looks(screen, seen) {
  const status = { ok: "ok", fail: "critical" };
  return html`<div class="scroll panel" tabindex="0"><table>
    <thead><tr><th>${words.target.region}</th><th>${words.target.seen}</th><th class="number">${words.target.responseTime}</th><th>${words.target.last}</th><th>${words.target.reason}</th></tr></thead>
    <tbody>${Object.entries(seen).sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, look]) => html`<tr>
      <td>${name}</td>
      <td>${badge(shown(status[/** @type {"ok"} */ (look.outcome)], screen.app.away), look.outcome)}</td>
      <td class="number">${quantity(look.response_ms, "ms")}</td>
      <td>${when(look.at)}</td><td>${look.reason ?? ""}</td></tr>`)}</tbody></table></div>`;
}

/** @param {any} metric */
function chart(metric) {
  const points = metric.points ?? [];
  return html`<figure class="panel chart"><figcaption>${metric.name} <span class="dim">${metric.unit ?? ""}</span></figcaption>
    <wk-chart .data=${{
      label: metric.name, height: 150,
      times: points.map((/** @type {any} */ point) => Date.parse(point.at) / 1000),
      series: [{ name: metric.name, unit: metric.unit, values: points.map((/** @type {any} */ point) => (point.avg === null ? null : Number(point.avg))) }],
    }}></wk-chart></figure>`;
}

/** @param {any[]} alerts */
function alertList(alerts) {
  if (!alerts.length) return empty(words.target.noAlerts);
  return html`<ul class="rows">${alerts.map((each) => html`<li>${each.status === "resolved" ? badge("ok", each.status) : badge(ofSeverity(each.severity), each.severity)}
    <a href=${`/alerts/${each.id}`}>${each.alert_type}</a><span class="grow">${each.message}</span>${when(each.created_at)}</li>`)}</ul>`;
}
