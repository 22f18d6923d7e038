// How available it was: bars per day, service levels with their error budget, closed months.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { digits, duration, percent, quantity } from "../format.js";
import { statusOfState } from "../logic/days.js";
import { objectiveFields } from "../logic/settings.js";
import { badge } from "../parts/badge.js";
import { days, legend } from "../parts/days.js";
import { walking } from "../parts/rows.js";
import { adding, editor, named, opened } from "../parts/settings.js";
import { empty } from "../parts/states.js";
import { when } from "../parts/time.js";
import { withQuery } from "../router.js";
import { shown } from "../status.js";
import { words } from "../words.js";

const SPANS = ["30", "90"];
const WINDOWS_OF_BURN = ["5m", "30m", "1h", "6h", "1d", "3d"];
const WINDOWS = ["24h", "7d", "30d", "90d"];

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.uptime.title,
  every: () => 60,
  load: async (app, _params, query) => {
    const time_zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
    const [uptime, objectives, closes, read] = await Promise.all([
      app.ask("get_uptime_summary", { days: Number(query.get("days") ?? 30), time_zone }),
      app.ask("list_objectives"),
      app.ask("list_sla_closes"),
      opened(app, query),
    ]);
    return { uptime, objectives, closes, time_zone, read };
  },
  render: (screen) => {
    const { uptime, objectives, closes, time_zone } = screen.data;
    const span = screen.query.get("days") ?? "30";
    const form = editor(screen, "manage", [{ what: "objective", fields: (_draft, known) => objectiveFields(known), start: () => ({ counts_unknown: "apart" }) }]);
    if (form) return html`<p><a href="/uptime">${words.uptime.title}</a></p><h1>${words.uptime.objectives}</h1>${form}`;
    return html`
      <div class="title"><h1>${words.uptime.title}</h1><div class="tabs">${SPANS.map((each) => html`<a href=${withQuery(screen.url, { days: each })} aria-current=${each === span ? "page" : nothing}>${each} ${words.uptime.days}</a>`)}
        <a href="/reports">${words.uptime.reports}</a></div></div>
      ${legend()}
      ${uptime.targets.length ? html`<div class="panel">${repeat(uptime.targets, (/** @type {any} */ each) => each.target_id, (each) => service(screen, each))}</div>
        <p class="dim">${uptime.rule?.text ?? ""} ${words.uptime.zone} ${time_zone}.</p>` : empty(words.uptime.none)}
      <section><div class="title"><h2>${words.uptime.objectives}</h2>${adding(screen, "objective")}</div>
        ${objectiveTable(screen, objectives)}</section>
      <section><h2>${words.uptime.closes}</h2>${closeTable(screen, closes)}</section>`;
  },
  shortcuts: { ...walking },
};

/** @param {import("../screen.js").Screen} screen @param {any} target */
function service(screen, target) {
  return html`<div class="service">
    <p><a href=${`/targets/${target.target_id}`}>${target.name}</a><br />${badge(shown(statusOfState(target.state), screen.app.away), words.uptime.states[target.state])}
      ${target.since ? html`<span class="dim">${when(target.since)}</span>` : nothing}</p>
    <div>${days(target.days, `${target.name}, ${words.uptime.perDay}`)}
      <p class="windows">${WINDOWS.map((name) => {
        const told = target.windows[name];
        return html`<span><span class="dim">${name}</span> <b>${percent(told?.uptime_percent)}</b>${told?.p95_ms != null ? html` <span class="dim">p95 ${quantity(told.p95_ms, "ms")}</span>` : nothing}${
          told && Number(told.measured_percent) < 99 ? html` <span class="dim">${words.uptime.measured} ${percent(told.measured_percent)}</span>` : nothing}</span>`;
      })}</p></div>
  </div>`;
}

/** @param {import("../screen.js").Screen} screen @param {any[]} list */
function objectiveTable(screen, list) {
  if (!list.length) return empty(words.uptime.noObjectives);
  return html`<div class="scroll panel" tabindex="0"><table>
    <thead><tr><th>${words.uptime.objective}</th><th>${words.uptime.status}</th><th class="number">${words.uptime.goal}</th><th class="number">${words.uptime.reached}</th>
      <th class="number">${words.uptime.left}</th><th>${words.uptime.burn}</th></tr></thead>
    <tbody>${list.map((each) => html`<tr>
      <td>${each.name ? named(screen, "objective", each.name, each.name) : words.uptime.allOthers} <span class="dim">${each.targets} ${words.uptime.targets}, ${each.window_days} d</span></td>
      <td>${badge(shown(each.status, screen.app.away))}</td>
      <td class="number">${percent(each.percent)}</td>
      <td class="number">${percent(each.availability_percent)}</td>
      <td class="number">${each.left_s == null ? "–" : html`${duration(Number(each.left_s))} <span class="dim">${each.left_percent == null ? "" : `${digits(Number(each.left_percent))} %`}</span>`}</td>
      <td>${WINDOWS_OF_BURN.filter((name) => name in (each.burn ?? {})).map((name) => /** @type {[string, any]} */ ([name, each.burn[name]])).map(([name, rate]) => html`<span class="dim">${name}</span> ${rate == null ? "–" : digits(Number(rate))} `)}</td>
    </tr>`)}</tbody></table></div>`;
}

/** @param {import("../screen.js").Screen} screen @param {any[]} closes */
function closeTable(screen, closes) {
  if (!closes.length) return empty(words.uptime.noCloses);
  return html`<ul class="rows">${closes.map((each) => html`<li>
    <strong>${each.month.slice(0, 7)}</strong> <span class="dim">${words.uptime.closed} ${when(each.closed_at)}</span>
    <code class="grow">${each.hash}</code>
    ${screen.kept[each.month] ?? nothing}
    <button @click=${() => verify(screen, each)}>${words.uptime.verify}</button></li>`)}</ul>`;
}

/** @param {import("../screen.js").Screen} screen @param {any} close */
async function verify(screen, close) {
  screen.keep({ [close.month]: html`<span class="dim">${words.states.loading}</span>` });
  try {
    const found = await screen.app.ask("verify_sla_close", { month: close.month });
    screen.keep({ [close.month]: found.ok ? badge("ok", words.uptime.equal)
      : html`<details>${html`<summary>${badge("critical", words.uptime.notEqual)}</summary>`}${found.problems.map((/** @type {any} */ each) => html`<p>${each.where}: ${words.uptime.wasClosed} <code>${JSON.stringify(each.closed)}</code>, ${words.uptime.isNow} <code>${JSON.stringify(each.now)}</code></p>`)}</details>` });
  } catch (error) {
    screen.keep({ [close.month]: null });
    screen.app.complain(/** @type {any} */ (error));
  }
}
