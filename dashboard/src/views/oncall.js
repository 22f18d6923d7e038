// Who is on call, who stands in, and who is told next if nobody acknowledges.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { exact } from "../format.js";
import { escalationFields, rotationFields, stepWords } from "../logic/settings.js";
import { badge } from "../parts/badge.js";
import { ask } from "../parts/dialog.js";
import { walking } from "../parts/rows.js";
import { adding, editor, edits, named, names, opened, ownZone, tabs } from "../parts/settings.js";
import { empty } from "../parts/states.js";
import { when } from "../parts/time.js";
import { shown } from "../status.js";
import { words } from "../words.js";

const t = words.oncall;

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.settings.tabs.oncall,
  every: (app) => app.config.health_every_s,
  load: async (app, _params, query, before) => {
    const [now, rotations, escalations, overrides, channels, read] = await Promise.all([
      app.ask("who_is_on_call"), app.ask("list_rotations"), app.ask("list_escalations"), app.ask("list_overrides"),
      edits(query) ? app.ask("list_channels") : before?.channels ?? [], opened(app, query)]);
    return { now, rotations, escalations, overrides, channels, read };
  },
  render: (screen) => {
    const { now, rotations, escalations, overrides, channels } = screen.data;
    const form = editor(screen, "manage", [
      { what: "rotation", fields: (_draft, known) => rotationFields(ownZone(), known), start: () => ({ time_zone: ownZone() }) },
      { what: "escalation", fields: (_draft, known) => escalationFields(names(channels), names(rotations), known), start: () => ({ steps: [{ after_s: 0 }] }) },
    ]);
    if (form) return html`${tabs(screen, "oncall")}${form}`;
    return html`${tabs(screen, "oncall")}
      ${now.length ? html`<section class="panel"><h2>${t.now}</h2><dl class="facts">${now.map(onCall)}</dl></section>` : nothing}
      <section><div class="title"><h2>${t.overrides}</h2>${screen.app.may("respond") && rotations.length ? html`<button @click=${() => add(screen)}>${t.addOverride}</button>` : nothing}</div>
        ${overrides.length ? html`<ul class="rows">${repeat(overrides, (/** @type {any} */ each) => each.id, (each) => override(screen, each))}</ul>` : empty(words.settings.none.override)}</section>
      <section><div class="title"><h2>${t.rotations}</h2>${adding(screen, "rotation")}</div>
        ${rotations.length ? html`<ul class="rows">${repeat(rotations, (/** @type {any} */ each) => each.name, (each) => rotation(screen, each))}</ul>` : empty(words.settings.none.rotation)}</section>
      <section><div class="title"><h2>${t.escalations}</h2>${adding(screen, "escalation")}</div>
        ${escalations.length ? html`<ul class="rows">${repeat(escalations, (/** @type {any} */ each) => each.name, (each) => escalation(screen, each))}</ul>` : empty(words.settings.none.escalation)}</section>`;
  },
  shortcuts: { ...walking },
};

/** @param {any} each */
function onCall(each) {
  return html`<dt>${each.rotation}</dt><dd><strong>${each.person}</strong>
    ${each.channels.length ? html`<span class="dim">${words.settings.through}</span> ${each.channels.join(", ")}` : badge("warning", t.noChannel)}</dd>`;
}

/** @param {import("../screen.js").Screen} screen @param {any} each */
function override(screen, each) {
  return html`<li>${each.active ? badge(shown("ok", screen.app.away), words.silences.active) : badge("paused", words.silences.notYet)}
    <strong>${each.person}</strong><span class="grow">${each.rotation}</span>
    <span>${each.active ? html`<span class="dim">${t.until}</span> ${when(each.to_time)}` : html`<span class="dim">${t.from}</span> ${exact(each.from_time)} – ${exact(each.to_time)}`}</span>
    ${screen.app.may("respond") ? html`<button class="danger" @click=${() => end(screen, each)}>${t.end}</button>` : nothing}</li>`;
}

/** @param {import("../screen.js").Screen} screen @param {any} each */
function rotation(screen, each) {
  return html`<li>${named(screen, "rotation", each.name, each.name)}
    <span class="grow">${each.people.map((/** @type {string} */ person, /** @type {number} */ n) => html`${n ? ", " : ""}${person === each.on_call ? html`<strong>${person}</strong>` : person}`)}
      <br /><small class="dim">${t.handsOver(each.shift_days)}, ${each.starts_at.slice(11, 16)} ${each.time_zone}</small></span></li>`;
}

/** @param {import("../screen.js").Screen} screen @param {any} each */
function escalation(screen, each) {
  return html`<li>${named(screen, "escalation", each.name, each.name)}
    <ol class="grow steps">${each.steps.map((/** @type {any} */ step, /** @type {number} */ n) => html`<li>${stepWords(step, n)}</li>`)}
      ${each.repeats ? html`<li class="dim">${t.repeats(each.repeats)}</li>` : nothing}</ol></li>`;
}

/** @param {import("../screen.js").Screen} screen */
async function add(screen) {
  const local = (/** @type {number} */ ms) => new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  const now = Math.floor(Date.now() / 60_000) * 60_000;
  const given = await ask({
    title: t.addOverride, text: t.overrideText, act: words.save,
    fields: [
      { name: "rotation", label: t.rotation, type: "select", options: names(screen.data.rotations).map((each) => [each, each]) },
      { name: "person", label: t.person, type: "email", required: true, value: screen.app.me.email ?? "" },
      { name: "from", label: words.settings.starts, type: "datetime-local", required: true, value: local(now) },
      { name: "to", label: words.settings.ends, type: "datetime-local", required: true, value: local(now + 8 * 3_600_000) },
    ],
    submit: ({ rotation: of, person, from, to }) => screen.app.ask("save_override", {
      rotation: of, person: person.trim(), from_time: new Date(from).toISOString(), to_time: new Date(to).toISOString() }),
  });
  if (given) await screen.refresh();
}

/** @param {import("../screen.js").Screen} screen @param {any} each */
async function end(screen, each) {
  if (!(await ask({ title: t.endTitle, text: t.endText(each.person, each.rotation), act: t.end, danger: true }))) return;
  await screen.act((data) => ({ ...data, overrides: data.overrides.filter((/** @type {any} */ one) => one.id !== each.id) }),
    () => screen.app.ask("delete_override", { override_id: each.id }), t.ended);
}
