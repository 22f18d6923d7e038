// Which alerts go where: the routes in the order in which they are tried.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { leadsTo, manner, matchWords, routeFields } from "../logic/settings.js";
import { moved } from "../logic/order.js";
import { badge } from "../parts/badge.js";
import { walking } from "../parts/rows.js";
import { adding, editor, edits, named, names, opened, ownZone, tabs } from "../parts/settings.js";
import { empty } from "../parts/states.js";
import { words } from "../words.js";

const t = words.routing;

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.settings.tabs.routes,
  every: (app) => app.config.health_every_s,
  load: async (app, _params, query, before) => {
    const needed = edits(query);
    const [rows, channels, escalations, read] = await Promise.all([
      app.ask("list_routes"), needed ? app.ask("list_channels") : before?.channels ?? [], needed ? app.ask("list_escalations") : before?.escalations ?? [],
      opened(app, query)]);
    return { rows, channels, escalations, read };
  },
  render: (screen) => {
    const { rows, channels, escalations } = screen.data;
    const fields = (/** @type {any} */ _draft, /** @type {boolean} */ known) => routeFields(names(channels), names(escalations), ownZone(), known);
    const form = editor(screen, "manage", [{ what: "route", fields }]);
    if (form) return html`${tabs(screen, "routes")}${form}`;
    return html`${tabs(screen, "routes")}
      <p class="bar">${adding(screen, "route")}</p>
      <p class="visually-hidden" role="status">${screen.kept.moved ?? ""}</p>
      ${rows.length ? html`<ol class="rows">${repeat(rows, (/** @type {any} */ each) => each.name, (each, n) => row(screen, each, n))}</ol>` : empty(words.settings.none.route)}`;
  },
  shortcuts: { ...walking },
};

/** @param {import("../screen.js").Screen} screen @param {any} route @param {number} n */
function row(screen, route, n) {
  return html`<li class=${route.enabled ? "" : "off"}>
    <span class="dim number" title=${words.settings.position}>${route.position}</span>
    ${named(screen, "route", route.name, route.name)}${route.enabled ? nothing : badge("paused")}
    <span class="grow">${matchWords(route.match)} <span class="dim">${words.settings.goesTo}</span> <strong>${leadsTo(route)}</strong>
      ${manner(route).length ? html`<br /><small class="dim">${manner(route).join(" · ")}</small>` : nothing}</span>
    ${screen.app.may("manage") && screen.data.rows.length > 1 ? html`<span class="moves">${mover(screen, route, -1, n === 0)}${mover(screen, route, 1, n === screen.data.rows.length - 1)}</span>` : nothing}
  </li>`;
}

/** It keeps the focus at the ends, too: so it is never switched off, it only says that there is no way. @param {import("../screen.js").Screen} screen @param {any} route @param {1 | -1} way @param {boolean} ends */
function mover(screen, route, way, ends) {
  const label = (way === -1 ? t.moveUp : t.moveDown)(route.name);
  return html`<button type="button" data-move=${`${way} ${route.name}`} aria-label=${label} aria-disabled=${ends} @click=${() => move(screen, route.name, way)}>${way === -1 ? t.up : t.down}</button>`;
}

/** @param {import("../screen.js").Screen} screen @param {string} name @param {1 | -1} way */
async function move(screen, name, way) {
  const step = moved(screen.data.rows, name, way);
  if (!step) return screen.keep({ moved: (way === -1 ? t.isFirst : t.isLast)(name) });
  screen.keep({ moved: t.movedTo(name, step.place, step.list.length) });
  const done = screen.act((data) => ({ ...data, rows: moved(data.rows, name, way)?.list ?? data.rows }),
    () => screen.next(() => screen.app.ask("move_route", { name, before: step.before })));
  // Whoever moves in the page loses the focus: it is given back in the frame that is drawn, before another key can come.
  requestAnimationFrame(() => /** @type {HTMLElement | null} */ (document.querySelector(`[data-move="${CSS.escape(`${way} ${name}`)}"]`))?.focus());
  await done;
}
