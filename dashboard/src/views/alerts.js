// Alerts: firing, acknowledged, resolved.
import { html } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { badge } from "../parts/badge.js";
import { empty } from "../parts/states.js";
import { when } from "../parts/time.js";
import { ofSeverity } from "../status.js";
import { words } from "../words.js";

/** @type {import("../screen.js").View} */
export const view = {
  title: () => "Alerts",
  every: (app) => app.config.alerts_every_s,
  load: (app) => app.ask("list_alerts", { status: "firing", max_rows: 100 }),
  render: ({ data }) => html`<h1>Alerts</h1>
    ${data.length ? html`<ul class="rows">${repeat(data, (/** @type {any} */ each) => each.id, (each) => html`<li>
      ${badge(ofSeverity(each.severity), each.severity)} <a href=${`/alerts/${each.id}`}>${each.source}: ${each.alert_type}</a>
      <span class="grow">${each.message}</span> ${when(each.created_at)}</li>`)}</ul>` : empty(words.overview.noAlerts)}`,
};
