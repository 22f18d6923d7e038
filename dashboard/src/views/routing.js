// Which alerts go where: the routes in the order in which they are tried.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { leadsTo, manner, matchWords, routeFields } from "../logic/settings.js";
import { badge } from "../parts/badge.js";
import { walking } from "../parts/rows.js";
import { adding, editor, edits, named, names, ownZone, tabs } from "../parts/settings.js";
import { empty } from "../parts/states.js";
import { words } from "../words.js";

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.settings.tabs.routes,
  every: (app) => app.config.health_every_s,
  load: async (app, _params, query, before) => {
    const needed = edits(query);
    const [rows, channels, escalations] = await Promise.all([
      app.ask("list_routes"), needed ? app.ask("list_channels") : before?.channels ?? [], needed ? app.ask("list_escalations") : before?.escalations ?? []]);
    return { rows, channels, escalations };
  },
  render: (screen) => {
    const { rows, channels, escalations } = screen.data;
    const fields = (/** @type {any} */ _draft, /** @type {boolean} */ known) => routeFields(names(channels), names(escalations), ownZone(), known);
    const form = editor(screen, "manage", [{ what: "route", list: rows, fields }]);
    if (form) return html`${tabs(screen, "routes")}${form}`;
    return html`${tabs(screen, "routes")}
      <p class="bar">${adding(screen, "route")}</p>
      ${rows.length ? html`<ol class="rows">${repeat(rows, (/** @type {any} */ each) => each.name, (each) => row(screen, each))}</ol>` : empty(words.settings.none.route)}`;
  },
  shortcuts: { ...walking },
};

/** @param {import("../screen.js").Screen} screen @param {any} route */
function row(screen, route) {
  return html`<li class=${route.enabled ? "" : "off"}>
    <span class="dim number" title=${words.settings.position}>${route.position}</span>
    ${named(screen, "route", route.name, route.name)}${route.enabled ? nothing : badge("paused")}
    <span class="grow">${matchWords(route.match)} <span class="dim">${words.settings.goesTo}</span> <strong>${leadsTo(route)}</strong>
      ${manner(route).length ? html`<br /><small class="dim">${manner(route).join(" · ")}</small>` : nothing}</span>
  </li>`;
}
