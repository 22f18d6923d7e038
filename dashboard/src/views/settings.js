// What holds for the whole installation: admins change it, others read it.
import { html } from "lit-html";

import { documentOf, draftOf } from "../logic/form.js";
import { judgeSoon } from "../logic/live.js";
import { facts, sections, singleFields, whole } from "../logic/singles.js";
import { readSetting } from "../parts/conflict.js";
import { formOf, formPanel } from "../parts/form.js";
import { words } from "../words.js";

const t = words.singles;

/** @type {import("../screen.js").View} */
export const view = {
  title: () => t.title,
  every: (app) => app.config.health_every_s,
  load: (app) => app.ask("get_settings"),
  render: (screen) => html`<p><a href="/system">${words.system.title}</a></p><h1>${t.title}</h1><p class="dim">${t.text}</p>
    ${sections.map((section) => (screen.app.may("manage") ? form(screen, section) : shown(section, screen.data[section])))}`,
};

/** @param {string} section @param {import("../logic/singles.js").Section} told */
function shown(section, told) {
  return html`<section class="panel spaced"><h2>${t.sections[/** @type {"incident_settings"} */ (section)]}</h2>
    <dl class="facts">${facts(section, told).map((each) => html`<dt>${each.label}</dt>
      <dd><strong>${each.value}</strong> <span class="dim">${each.text} ${t.byDefault(each.byDefault)}</span></dd>`)}</dl></section>`;
}

/** @param {import("../screen.js").Screen} screen @param {string} section */
function form(screen, section) {
  const { app } = screen;
  const { values, defaults, version } = screen.data[section];
  const fields = singleFields(section, defaults);
  const state = formOf(screen, section, "settings", () => draftOf(fields, values), version);
  const complete = (/** @type {any} */ given) => ({ ...whole(defaults, given), version: state.version });
  state.live = true;
  state.after = () => judgeSoon(state, async () => {
    const { document, problems } = documentOf(fields, state.draft);
    return Object.keys(problems).length ? "" : (await app.ask("validate_setting", { kind: section, document: complete(document) })).problem ?? "";
  }, () => app.draw());
  const title = t.sections[/** @type {"incident_settings"} */ (section)];
  const save = async (/** @type {any} */ given) => {
    await app.ask(`save_${section}`, { settings: complete(given) });
    await screen.refresh();
    // Not before the form begins anew: what is typed on hearing it would be lost.
    app.say(words.form.saved(`${t.title}, ${title}`));
  };
  return html`<div class="spaced">${formPanel({ screen, name: section, form: state, fields, title, cancel: "", save, read: () => readSetting(app, section, null) })}</div>`;
}
