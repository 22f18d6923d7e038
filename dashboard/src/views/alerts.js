// Alerts: firing, acknowledged, resolved; acknowledge one or many.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { count } from "../format.js";
import { fits, merged } from "../logic/alerts.js";
import { badge } from "../parts/badge.js";
import { more } from "../parts/more.js";
import { walking } from "../parts/rows.js";
import { empty } from "../parts/states.js";
import { when } from "../parts/time.js";
import { withQuery } from "../router.js";
import { ofSeverity } from "../status.js";
import { words } from "../words.js";

const PAGE = 100;
const TABS = /** @type {const} */ (["firing", "acknowledged", "resolved"]);
const SEVERITIES = ["critical", "error", "warning", "info"];

/** @param {URLSearchParams} query */
const tabOf = (query) => TABS.find((each) => each === query.get("show")) ?? "firing";

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.alerts.title,
  every: (app) => app.config.alerts_every_s,
  load: async (app, _params, query, before) => {
    const asked = { status: tabOf(query) === "resolved" ? "resolved" : "firing", severity: query.get("severity"), max_rows: PAGE };
    const rows = await app.ask("list_alerts", asked);
    const data = merged(before, { key: JSON.stringify(asked), rows, page: PAGE });
    return reached(app, data, asked, (each) => fits(each, tabOf(query), ""));
  },
  render: (screen) => {
    const tab = tabOf(screen.query);
    const text = screen.query.get("q") ?? "";
    const rows = screen.data.rows.filter((/** @type {any} */ each) => fits(each, tab, text));
    return html`
      <h1>${words.alerts.title}</h1>
      ${filters(screen, tab, text)} ${acting(screen, rows)}
      ${rows.length ? html`<ul class="rows alerts">${repeat(rows, (/** @type {any} */ each) => each.id, (each) => row(screen, each))}</ul>`
        : empty(text || screen.query.get("severity") ? words.alerts.noneFit : words.alerts.none[tab])}
      ${more(screen, (last) => screen.app.ask("list_alerts", {
        ...JSON.parse(screen.data.key), before: last.created_at, before_id: last.id,
      }))}
    `;
  },
  shortcuts: { ...walking, a: (screen) => acknowledgeFocused(screen), x: (screen) => selectFocused(screen) },
};

/** Firing and acknowledged come in one list: goes on until a row is of this tab, so that none is overlooked behind the others.
 * @param {import("../app.js").App} app @param {{rows: any[], full: boolean}} data @param {object} asked @param {(alert: any) => boolean} wanted */
async function reached(app, data, asked, wanted) {
  while (!data.full && !data.rows.some(wanted)) {
    const last = data.rows[data.rows.length - 1];
    const next = await app.ask("list_alerts", { ...asked, before: last.created_at, before_id: last.id });
    data = { ...data, rows: [...data.rows, ...next], full: next.length < PAGE };
  }
  return data;
}

/** @param {import("../screen.js").Screen} screen @param {string} tab @param {string} text */
function filters(screen, tab, text) {
  const to = (/** @type {Record<string, string>} */ changes) => withQuery(screen.url, changes);
  return html`<div class="bar" role="search">
    <div class="tabs">${TABS.map((each) => html`<a href=${to({ show: each === "firing" ? "" : each })} aria-current=${each === tab ? "page" : nothing}>${words.alerts.tabs[each]}</a>`)}</div>
    <label>${words.alerts.severity}<select @change=${(/** @type {any} */ event) => screen.app.open(to({ severity: event.target.value }), { replace: true })}>
      <option value="">${words.alerts.all}</option>
      ${SEVERITIES.map((each) => html`<option value=${each} ?selected=${each === screen.query.get("severity")}>${each}</option>`)}
    </select></label>
    <label>${words.alerts.search}<input type="search" .value=${text} @input=${(/** @type {any} */ event) => screen.app.open(to({ q: event.target.value }), { replace: true })} /></label>
  </div>`;
}

/** @param {import("../screen.js").Screen} screen @param {any} alert */
function row(screen, alert) {
  const picked = screen.kept.picked?.has(alert.id) ?? false;
  const mayPick = screen.app.may("respond") && alert.status === "firing" && !alert.acknowledged;
  return html`<li>
    ${mayPick ? html`<input type="checkbox" aria-label=${`${words.alerts.pick} ${alert.source}: ${alert.alert_type}`} .checked=${picked} @change=${() => pick(screen, alert.id)} />` : nothing}
    ${badge(ofSeverity(alert.severity), alert.severity)}
    <a href=${`/alerts/${alert.id}`} data-row=${alert.id}>${alert.source}: ${alert.alert_type}</a>
    <span class="grow">${alert.message}</span>
    ${alert.held_by && alert.status === "firing" ? html`<span class="dim" title=${words.alerts.held}>${alert.held_by}</span>` : nothing}
    ${alert.acknowledged && alert.status === "firing" ? html`<span class="dim">${words.alerts.by} ${alert.acknowledged_by_email ?? ""}</span>` : nothing}
    ${alert.status === "resolved" ? html`<span class="dim">${words.alerts.resolved} ${when(alert.resolved_at)}</span>` : when(alert.created_at)}
  </li>`;
}

/** @param {import("../screen.js").Screen} screen @param {any[]} rows */
function acting(screen, rows) {
  const picked = rows.filter((each) => screen.kept.picked?.has(each.id));
  const open = rows.filter((each) => each.status === "firing" && !each.acknowledged);
  if (!screen.app.may("respond") || !open.length) return nothing;
  return html`<div class="bar">
    <button ?disabled=${!picked.length} class="primary" @click=${() => acknowledge(screen, picked)}>${words.alerts.acknowledge} ${picked.length ? count(picked.length, "alert") : ""}</button>
    <button class="plain" @click=${() => screen.keep({ picked: new Set(picked.length === open.length ? [] : open.map((each) => each.id)) })}>${
      picked.length === open.length ? words.alerts.pickNone : words.alerts.pickAll}</button>
  </div>`;
}

/** @param {import("../screen.js").Screen} screen @param {string} id */
function pick(screen, id) {
  const picked = new Set(screen.kept.picked ?? []);
  if (!picked.delete(id)) picked.add(id);
  screen.keep({ picked });
}

/** @param {import("../screen.js").Screen} screen @param {any[]} alerts */
async function acknowledge(screen, alerts) {
  const ids = alerts.map((each) => each.id).slice(0, 500);
  screen.keep({ picked: new Set() });
  await screen.act(
    (data) => {
      for (const each of data.rows) if (ids.includes(each.id)) Object.assign(each, { acknowledged: true, acknowledged_by_email: screen.app.me.email });
      return data;
    },
    () => screen.app.ask("acknowledge_alerts", { alert_ids: ids }),
    outcome,
  );
}

/** What others took meanwhile is theirs, and said so. @param {{acknowledged: number, left: number}} answer */
function outcome({ acknowledged, left }) {
  const mine = acknowledged || !left ? words.alerts.acknowledged(count(acknowledged, "alert")) : "";
  return `${mine} ${left ? words.alerts.taken(count(left, "alert")) : ""}`.trim();
}

/** @param {import("../screen.js").Screen} screen */
const focused = (screen) => screen.data?.rows.find((/** @type {any} */ each) => each.id === /** @type {HTMLElement} */ (document.activeElement)?.dataset?.row);

/** @param {import("../screen.js").Screen} screen */
function acknowledgeFocused(screen) {
  const alert = focused(screen);
  if (alert && !alert.acknowledged && alert.status === "firing" && screen.app.may("respond")) void acknowledge(screen, [alert]);
}

/** @param {import("../screen.js").Screen} screen */
function selectFocused(screen) {
  const alert = focused(screen);
  if (alert && !alert.acknowledged && screen.app.may("respond")) pick(screen, alert.id);
}
