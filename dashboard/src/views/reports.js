// Reports: made every month by plan, or asked for here.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { exact } from "../format.js";
import { planFields } from "../logic/settings.js";
import { badge } from "../parts/badge.js";
import { ask } from "../parts/dialog.js";
import { safe } from "../parts/link.js";
import { more } from "../parts/more.js";
import { adding, editor, edits, named, names, opened } from "../parts/settings.js";
import { empty } from "../parts/states.js";
import { when } from "../parts/time.js";
import { words } from "../words.js";

const PAGE = 50;
const FORMATS = ["html", "pdf", "csv", "json"];
/** @type {Record<string, string>} */
const STATUSES = { made: "ok", failed: "critical", requested: "unknown", making: "unknown" };

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.reports.title,
  every: (app) => app.config.alerts_every_s,
  load: async (app, _params, query) => {
    const needed = edits(query) && app.may("manage");
    const [rows, plans, read, channels, objectives] = await Promise.all([
      app.ask("list_reports", { max_rows: PAGE }), app.ask("list_report_plans"), opened(app, query),
      needed ? app.ask("list_channels") : null, needed ? app.ask("list_objectives") : null]);
    return { rows, plans, full: rows.length < PAGE, read, channels, objectives };
  },
  render: (screen) => {
    const { rows, plans, channels, objectives } = screen.data;
    const fields = (/** @type {any} */ draft, /** @type {boolean} */ known) => planFields(names(channels), names(objectives), String(draft.kind ?? ""), known);
    const form = channels ? editor(screen, "manage", [{ what: "report_plan", argument: "plan", fields, start: () => ({ kind: "sla", formats: FORMATS }) }]) : null;
    if (form) return html`<p><a href="/reports">${words.reports.title}</a></p><h1>${words.reports.plans}</h1>${form}`;
    const may = screen.app.may("respond") || screen.app.may("audit");
    return html`
      <p><a href="/uptime">${words.uptime.title}</a></p>
      <div class="title"><h1>${words.reports.title}</h1>${may ? html`<button class="primary" @click=${() => request(screen)}>${words.reports.request}</button>` : nothing}</div>
      ${rows.length ? html`<ul class="rows">${repeat(rows, (/** @type {any} */ each) => each.id, (each) => row(screen, each, may))}</ul>` : empty(words.reports.none)}
      ${more(screen, (last) => screen.app.ask("list_reports", { max_rows: PAGE, before: last.requested_at, before_id: last.id }))}
      <section><div class="title"><h2>${words.reports.plans}</h2>${adding(screen, "report_plan")}</div>${plans.length ? html`<ul class="rows">${plans.map((/** @type {any} */ each) => html`<li>
        ${named(screen, "report_plan", each.name, each.name)} <span class="grow dim">${words.reports.kinds[/** @type {"sla"} */ (each.kind)]}${each.objective ? ` (${each.objective})` : ""}, ${each.formats.join(", ")}${each.channels.length ? ` → ${each.channels.join(", ")}` : ""}</span>${each.enabled ? nothing : badge("paused")}</li>`)}</ul>`
        : empty(words.reports.noPlans)}</section>`;
  },
};

/** @param {import("../screen.js").Screen} screen @param {any} report @param {boolean} may */
function row(screen, report, may) {
  const links = Object.entries(report.links ?? {}).map(([format, link]) => ({ format, href: safe(link) })).filter((each) => each.href);
  const waits = ["requested", "making"].includes(report.status);
  return html`<li>
    ${badge(STATUSES[report.status], report.status)}
    <span class="grow">${report.title} <span class="dim">${exact(report.from_time).slice(0, 10)} – ${exact(report.to_time).slice(0, 10)}</span>
      ${waits ? html`<br /><progress max="100" .value=${report.progress}></progress> <span class="dim">${report.step ?? words.reports.waits}</span>` : nothing}
      ${report.error ? html`<br /><span class="problem">${report.error}</span>` : nothing}</span>
    ${links.length ? html`<span>${links.map((each) => html`<a href=${each.href} target="_blank" rel="noopener noreferrer">${each.format}</a> `)}
      <span class="dim">${words.reports.until} ${exact(report.links_expire_at)}</span></span>` : nothing}
    ${report.status === "made" && !links.length && may ? html`<button @click=${() => renew(screen, report)}>${words.reports.renew}</button>` : nothing}
    ${when(report.requested_at)}
  </li>`;
}

/** @param {import("../screen.js").Screen} screen @param {any} report */
function renew(screen, report) {
  return screen.act((data) => data, () => screen.app.ask("renew_report", { report_id: report.id }), words.reports.asked);
}

/** @param {import("../screen.js").Screen} screen */
async function request(screen) {
  const { app } = screen;
  const month = new Date(Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth() - 1, 1));
  const day = (/** @type {Date} */ date) => date.toISOString().slice(0, 10);
  const kinds = /** @type {[string, string][]} */ ([["sla", words.reports.kinds.sla], ...(app.may("audit") ? [["compliance", words.reports.kinds.compliance]] : [])]);
  const asked = await ask({
    title: words.reports.request,
    text: words.reports.requestText,
    fields: [
      { name: "kind", label: words.reports.kind, type: "select", options: kinds },
      { name: "title", label: words.reports.name },
      { name: "from", label: words.reports.from, type: "date", required: true, value: day(month) },
      { name: "to", label: words.reports.to, type: "date", required: true, value: day(new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1, 1))) },
      { name: "targets", label: words.uptime.matchTargets, hint: words.uptime.matchHint },
      { name: "channels", label: words.reports.channels, hint: words.reports.channelsHint },
    ],
    act: words.reports.request,
    submit: (given) => {
      const list = (/** @type {string} */ text) => text.split(",").map((each) => each.trim()).filter(Boolean);
      return app.ask("request_report", {
        kind: given.kind, title: given.title.trim() || null, from_time: `${given.from}T00:00:00Z`, to_time: `${given.to}T00:00:00Z`,
        match: list(given.targets).length ? { targets: list(given.targets) } : {}, channels: list(given.channels),
      });
    },
  });
  if (!asked) return;
  app.say(words.reports.asked);
  await screen.refresh();
}
