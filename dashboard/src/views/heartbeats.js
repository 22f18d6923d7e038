// Jobs that must report: when they did, when they are due; a new one shows its token this once.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { duration } from "../format.js";
import { beatWords, heartbeatFields } from "../logic/settings.js";
import { badge } from "../parts/badge.js";
import { readSetting } from "../parts/conflict.js";
import { walking } from "../parts/rows.js";
import { adding, editor, named, opened, ownZone, tabs } from "../parts/settings.js";
import { empty } from "../parts/states.js";
import { when } from "../parts/time.js";
import { shown } from "../status.js";
import { words } from "../words.js";

const t = words.heartbeats;

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.settings.tabs.heartbeats,
  every: (app) => app.config.alerts_every_s,
  load: async (app, _params, query) => {
    const [rows, read] = await Promise.all([app.ask("list_heartbeats"), opened(app, query)]);
    return { rows, read };
  },
  render: (screen) => {
    const form = editor(screen, "manage", [{
      what: "heartbeat", fields: (_draft, known) => heartbeatFields(ownZone(), known), start: () => ({ time_zone: ownZone() }),
      saved: (saved) => { if (saved.token) screen.kept.token = { name: saved.name, token: saved.token }; },
    }]);
    if (form) return html`${tabs(screen, "heartbeats")}${form}`;
    return html`${tabs(screen, "heartbeats")}
      <p class="bar">${adding(screen, "heartbeat")}</p>
      ${screen.kept.token ? token(screen) : nothing}
      ${screen.data.rows.length ? html`<ul class="rows">${repeat(screen.data.rows, (/** @type {any} */ each) => each.name, (each) => row(screen, each))}</ul>` : empty(words.settings.none.heartbeat)}`;
  },
  shortcuts: { ...walking },
};

/** @param {import("../screen.js").Screen} screen @param {any} heartbeat */
function row(screen, heartbeat) {
  return html`<li>
    ${badge(shown(heartbeat.status, screen.app.away))}
    ${named(screen, "heartbeat", heartbeat.name, heartbeat.name)}
    <span class="grow dim">${beatWords(heartbeat)}</span>
    <span>${heartbeat.last_event ? html`<span class="dim">${t.last}</span> ${heartbeat.last_event} ${when(heartbeat.last_event_at)}${heartbeat.last_duration_s === null ? nothing : html` <span class="dim">${t.took} ${duration(Number(heartbeat.last_duration_s))}</span>`}`
      : html`<span class="dim">${t.never}</span>`}</span>
    ${heartbeat.paused ? nothing : html`<span><span class="dim">${t.due}</span> ${when(heartbeat.due_at)}</span>`}
    ${screen.app.may("manage") ? html`<button aria-label=${`${heartbeat.paused ? t.resume : t.pause} ${heartbeat.name}`} @click=${() => pause(screen, heartbeat)}>${heartbeat.paused ? t.resume : t.pause}</button>` : nothing}
  </li>`;
}

/** @param {import("../screen.js").Screen} screen @param {any} heartbeat */
function pause(screen, heartbeat) {
  const paused = !heartbeat.paused;
  return screen.act(
    (data) => ({ ...data, rows: data.rows.map((/** @type {any} */ each) => (each.name === heartbeat.name ? { ...each, paused, status: paused ? "paused" : "unknown" } : each)) }),
    async () => {
      // The rest stays as it is stored now, whatever is shown.
      const { document, version } = await readSetting(screen.app, "heartbeat", heartbeat.name);
      return screen.app.ask("save_heartbeat", { heartbeat: { ...document, name: heartbeat.name, paused, version } });
    },
    paused ? t.pausedSaid : words.target.resumedSaid,
  );
}

/** @param {import("../screen.js").Screen} screen */
function token(screen) {
  const { name, token: secret } = screen.kept.token;
  const { api_url, publishable_key } = screen.app.config;
  const command = `curl -fsS '${api_url}/rest/v1/rpc/record_heartbeat' -H 'apikey: ${publishable_key}' -H 'Content-Type: application/json' -d '{"token": "${secret}"}'`;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(command);
      screen.app.say(t.copied);
    } catch (error) {
      screen.app.complain(/** @type {any} */ (error));
    }
  };
  return html`<section class="panel spaced" role="status"><h2>${t.token(name)}</h2>
    <p><code class="lines">${secret}</code></p>
    <p>${t.tokenText}</p>
    <p class="document">${command}</p>
    <p class="buttons"><button @click=${copy}>${t.copy}</button><button class="primary" @click=${() => screen.keep({ token: null })}>${t.done}</button></p></section>`;
}
