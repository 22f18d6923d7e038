// Where messages go: channels with their health, a test, and what was sent.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { channelFields } from "../logic/settings.js";
import { badge } from "../parts/badge.js";
import { ledger } from "../parts/ledger.js";
import { walking } from "../parts/rows.js";
import { adding, changing, editor, edits, opened, tabs } from "../parts/settings.js";
import { empty } from "../parts/states.js";
import { when } from "../parts/time.js";
import { shown } from "../status.js";
import { words } from "../words.js";

const FOLLOW_MS = 3000;

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.settings.title,
  every: (app) => app.config.health_every_s,
  load: async (app, _params, query, before) => {
    const show = query.get("show");
    const [rows, deliveries, catalog, read] = await Promise.all([
      app.ask("list_channels"),
      show ? app.ask("list_deliveries", { channel: show, max_rows: 20 }) : [],
      edits(query) ? before?.catalog ?? app.ask("get_catalog") : before?.catalog ?? null,
      opened(app, query),
    ]);
    return { rows, deliveries, catalog, read };
  },
  render: (screen) => {
    const { rows, catalog } = screen.data;
    const kind = (/** @type {any} */ draft, /** @type {boolean} */ known) => channelFields(catalog.notifiers ?? {}, String(draft.kind ?? ""), String(draft.name ?? ""), known);
    const form = catalog ? editor(screen, "manage", [{ what: "channel", fields: kind }]) : null;
    if (form) return html`${tabs(screen, "channels")}${form}`;
    return html`${tabs(screen, "channels")}
      <p class="bar">${adding(screen, "channel")}</p>
      ${rows.length ? html`<ul class="rows">${repeat(rows, (/** @type {any} */ each) => each.id, (each) => row(screen, each))}</ul>` : empty(words.settings.none.channel)}`;
  },
  shortcuts: { ...walking, n: (screen) => void (screen.app.may("manage") && screen.app.open("/channels?new=channel")) },
};

/** @param {import("../screen.js").Screen} screen @param {any} channel */
function row(screen, channel) {
  const open = screen.query.get("show") === channel.name;
  const t = words.channels;
  return html`<li>
    ${badge(shown(channel.status, screen.app.away))}
    <a href=${open ? "/channels" : `/channels?${new URLSearchParams({ show: channel.name })}`} data-row=${channel.id} aria-expanded=${open}>${channel.name}</a>
    <span class="dim">${channel.kind}</span>
    <span class="grow">${channel.person ? html`<span class="dim">${t.reaches}</span> ${channel.person} ` : nothing}
      ${channel.pending ? html`<span>${channel.pending} ${t.waiting}</span> ` : nothing}
      ${channel.dead ? html`<span class="problem">${channel.dead} ${t.dead}</span> ` : nothing}
      ${channel.last_error && channel.status !== "ok" ? html`<br /><small class="problem">${t.lastError}: ${channel.last_error}</small>` : nothing}</span>
    <span><span class="dim">${t.lastSent}</span> ${when(channel.last_sent_at)}</span>
    ${screen.app.may("manage") ? html`<button ?disabled=${!channel.enabled} aria-label=${`${t.test} ${channel.name}`} @click=${() => test(screen, channel)}>${t.test}</button>` : nothing}
    ${changing(screen, "channel", channel.name, channel.name)}
    ${open ? html`<div class="whole">${told(screen, channel)}<h2>${t.messages}</h2>
      ${screen.data.deliveries.length ? ledger(screen, screen.data.deliveries) : empty(t.noMessages)}</div>` : nothing}
  </li>`;
}

/** How the test that was sent from here goes. @param {import("../screen.js").Screen} screen @param {any} channel */
function told(screen, channel) {
  const followed = screen.kept.tests?.[channel.name];
  if (!followed) return nothing;
  const { status, last_error, attempts } = screen.data.deliveries.find((/** @type {any} */ each) => each.id === followed) ?? { status: "pending" };
  const t = words.channels;
  if (status === "sent") return html`<p role="status">${badge("ok", t.testSent)}</p>`;
  if (status === "pending") return html`<p role="status" aria-busy="true">${attempts && last_error ? html`<span class="problem">${last_error}</span> ${words.ledger.again}` : t.testAsked}</p>`;
  return html`<p role="status">${badge("critical", t.testDead)} <span class="problem">${last_error}</span></p>`;
}

/** @param {import("../screen.js").Screen} screen @param {any} channel */
async function test(screen, channel) {
  try {
    const { id } = await screen.app.ask("send_test", { channel: channel.name });
    screen.keep({ tests: { ...screen.kept.tests, [channel.name]: id } });
  } catch (error) {
    return screen.app.complain(/** @type {any} */ (error));
  }
  await screen.app.open(`/channels?${new URLSearchParams({ show: channel.name })}`, { replace: true });
  follow(screen.app, channel.name);
}

/** Looks again sooner than usual while a test is on its way. @param {import("../app.js").App} app @param {string} channel */
function follow(app, channel) {
  const { screen } = app;
  if (screen?.view !== view || screen.query.get("show") !== channel) return;
  const found = screen.data?.deliveries.find((/** @type {any} */ each) => each.id === screen.kept.tests?.[channel]);
  if (found && found.status !== "pending") return;
  setTimeout(async () => {
    if (!document.hidden && app.screen === screen) await screen.refresh();
    follow(app, channel);
  }, FOLLOW_MS);
}
