// What is watched.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { count, quantity } from "../format.js";
import { filtered } from "../logic/targets.js";
import { badge } from "../parts/badge.js";
import { walking } from "../parts/rows.js";
import { empty } from "../parts/states.js";
import { when } from "../parts/time.js";
import { withQuery } from "../router.js";
import { STATUSES, shown } from "../status.js";
import { words } from "../words.js";

const PAGE = 200;

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.targets.title,
  every: (app) => app.config.health_every_s,
  load: (app) => app.ask("list_targets"),
  render: (screen) => {
    const { query, url, app } = screen;
    const filter = { text: query.get("q"), status: query.get("status") };
    const found = filtered([...screen.data], filter);
    const rows = found.slice(0, screen.kept.upTo ?? PAGE);
    const to = (/** @type {Record<string, string>} */ changes) => app.open(withQuery(url, changes), { replace: true });
    return html`
      <div class="title"><h1>${words.targets.title}</h1>${app.may("manage") ? html`<a class="button" href="/targets/new">${words.targets.add}</a>` : nothing}</div>
      <div class="bar" role="search">
        <label>${words.incidents.status}<select @change=${(/** @type {any} */ event) => to({ status: event.target.value })}>
          <option value="">${words.alerts.all}</option>${Object.keys(STATUSES).map((each) => html`<option value=${each} ?selected=${each === filter.status}>${each}</option>`)}</select></label>
        <label>${words.alerts.search}<input type="search" .value=${filter.text ?? ""} @input=${(/** @type {any} */ event) => to({ q: event.target.value })} /></label>
        <span class="dim">${count(found.length, "target")}</span>
      </div>
      ${rows.length ? html`<ul class="rows">${repeat(rows, (/** @type {any} */ each) => each.id, (each) => row(screen, each))}</ul>`
        : empty(screen.data.length ? words.targets.noneFit : words.overview.noTargets)}
      ${found.length > rows.length ? html`<p class="more"><button @click=${() => screen.keep({ upTo: rows.length + PAGE })}>${words.states.more}</button></p>` : nothing}`;
  },
  shortcuts: { ...walking, n: (screen) => void (screen.app.may("manage") && screen.app.open("/targets/new")) },
};

/** @param {import("../screen.js").Screen} screen @param {any} target */
function row(screen, target) {
  const status = shown(target.status, screen.app.away);
  return html`<li>
    ${badge(status)}
    <a href=${`/targets/${target.id}`} data-row=${target.id}>${target.name}</a>
    <span class="dim">${[target.chain, target.network].filter(Boolean).join(" · ")}</span>
    <span class="grow">${target.reason ?? ""}</span>
    <span class="checks">${Object.entries(target.checks).map(([kind, check]) => checkLine(screen, kind, check))}</span>
  </li>`;
}

/** @param {import("../screen.js").Screen} screen @param {string} kind @param {any} check */
function checkLine(screen, kind, check) {
  const [name, value] = Object.entries(check.values ?? {})[0] ?? [];
  return html`<span>${badge(shown(check.status, screen.app.away), kind, check.reason ?? "")}
    ${value ? html`<span class=${value.known ? "" : "dim"}>${quantity(value.known ? value.value : null, value.unit)} <span class="dim">${name}</span></span>` : nothing}
    <span class="dim">${when(check.last_run_at)}</span></span>`;
}
