// Incidents: the record that people act on.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { merged } from "../logic/alerts.js";
import { badge } from "../parts/badge.js";
import { more } from "../parts/more.js";
import { walking } from "../parts/rows.js";
import { empty } from "../parts/states.js";
import { when } from "../parts/time.js";
import { withQuery } from "../router.js";
import { ofSeverity } from "../status.js";
import { words } from "../words.js";

const PAGE = 50;
const STATUSES = ["open", "investigating", "resolved", "closed"];
const SEVERITIES = ["critical", "high", "medium", "low"];

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.incidents.title,
  every: (app) => app.config.health_every_s,
  load: async (app, _params, query, before) => {
    const asked = { status: query.get("status"), severity: query.get("severity"), search: query.get("q"), assigned_to: query.get("assigned"), max_rows: PAGE };
    const rows = await app.ask("list_incidents", asked);
    return merged(before, { key: JSON.stringify(asked), rows, page: PAGE });
  },
  render: (screen) => {
    const { rows } = screen.data;
    const filtered = [...screen.query.keys()].length > 0;
    return html`
      <div class="title"><h1>${words.incidents.title}</h1>${screen.app.may("respond") ? html`<a class="button" href="/incidents/new">${words.incidents.open}</a>` : nothing}</div>
      ${filters(screen)}
      ${rows.length ? html`<ul class="rows">${repeat(rows, (/** @type {any} */ each) => each.id, row)}</ul>` : empty(filtered ? words.incidents.noneFit : words.incidents.none)}
      ${more(screen, (last) => screen.app.ask("list_incidents", { ...JSON.parse(screen.data.key), before: last.created_at, before_id: last.id }))}
    `;
  },
  shortcuts: { ...walking, n: (screen) => void (screen.app.may("respond") && screen.app.open("/incidents/new")) },
};

/** @param {import("../screen.js").Screen} screen */
function filters(screen) {
  const open = (/** @type {Record<string, string>} */ changes) => screen.app.open(withQuery(screen.url, changes), { replace: true });
  const choice = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string[]} */ options) => html`<label>${label}
    <select @change=${(/** @type {any} */ event) => open({ [name]: event.target.value })}>
      <option value="">${words.alerts.all}</option>
      ${options.map((each) => html`<option value=${each} ?selected=${each === screen.query.get(name)}>${each}</option>`)}
    </select></label>`;
  const mine = screen.query.get("assigned") === screen.app.me.email;
  return html`<div class="bar" role="search">
    ${choice("status", words.incidents.status, STATUSES)} ${choice("severity", words.alerts.severity, SEVERITIES)}
    <label>${words.alerts.search}<input type="search" .value=${screen.query.get("q") ?? ""} @change=${(/** @type {any} */ event) => open({ q: event.target.value.trim() })} /></label>
    ${screen.app.me.email ? html`<button aria-pressed=${mine} @click=${() => open({ assigned: mine ? "" : screen.app.me.email })}>${words.incidents.mine}</button>` : nothing}
  </div>`;
}

/** @param {any} incident */
function row(incident) {
  return html`<li>
    ${badge(statusOf(incident), incident.status)}
    <span class="dim">${incident.severity}</span>
    <a class="grow" href=${`/incidents/${incident.id}`} data-row=${incident.id}>${incident.title}</a>
    <span class="dim">${incident.assigned_to_email ?? words.incidents.unassigned}</span>
    ${when(incident.created_at)}
  </li>`;
}

/** Over is ok; else as bad as it is severe. @param {any} incident */
export function statusOf(incident) {
  return ["resolved", "closed"].includes(incident.status) ? "ok" : ofSeverity(incident.severity);
}
