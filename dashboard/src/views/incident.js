// One incident: its lifecycle, who is on it, the whole timeline, the postmortem.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { duration, exact } from "../format.js";
import { nextStatuses, systems, wantsNote } from "../logic/incidents.js";
import { badge } from "../parts/badge.js";
import { ask } from "../parts/dialog.js";
import { save } from "../parts/save.js";
import { when } from "../parts/time.js";
import { ofSeverity } from "../status.js";
import { words } from "../words.js";
import { statusOf } from "./incidents.js";

const SEVERITIES = ["critical", "high", "medium", "low"];

/** @type {import("../screen.js").View} */
export const view = {
  title: (data) => data.title,
  every: (app) => app.config.alerts_every_s,
  load: (app, params) => app.ask("get_incident", { incident_id: params.id }),
  render: (screen) => {
    const incident = screen.data;
    const may = screen.app.may("respond");
    return html`
      <p><a href="/incidents">${words.incidents.title}</a></p>
      <h1>${incident.title}</h1>
      <section class="panel">
        <p class="verdict-line">${badge(statusOf(incident), incident.status)} <span class="dim">${incident.severity}</span></p>
        ${incident.description ? html`<p class="lines">${incident.description}</p>` : nothing}
        ${facts(incident)} ${may ? actions(screen, incident) : nothing}
      </section>
      <section><h2>${words.incident.timeline}</h2>${may ? noteForm(screen) : nothing}${timeline(incident)}</section>
      <section><h2>${words.incident.alerts}</h2>${alerts(incident)}</section>
      <section><h2>${words.incident.postmortem}</h2>${postmortem(screen, incident, may)}</section>
    `;
  },
};

/** @param {any} incident */
function facts(incident) {
  const seconds = ((incident.resolved_at ? Date.parse(incident.resolved_at) : Date.now()) - Date.parse(incident.created_at)) / 1000;
  /** @type {[string, unknown][]} */
  const rows = [
    [words.incident.assigned, incident.assigned_to_email ?? words.incidents.unassigned],
    [words.incident.opened, html`${when(incident.created_at)} <span class="dim">${exact(incident.created_at)}, ${incident.created_by_email ?? words.incident.openedBy[incident.opened_by] ?? ""}</span>`],
    [incident.resolved_at ? words.incident.lasted : words.incident.lasts, duration(seconds)],
    [words.incident.systems, incident.affected_systems.join(", ") || "–"],
    [words.incident.network, incident.network ?? nothing],
    [words.incident.resolution, incident.resolution_notes ?? nothing],
  ];
  return html`<dl class="facts">${rows.filter(([, value]) => value !== nothing).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

/** @param {import("../screen.js").Screen} screen @param {any} incident */
function actions(screen, incident) {
  const { app } = screen;
  const mine = incident.assigned_to_email === app.me.email;
  return html`<p class="bar">
    ${nextStatuses(incident.status).map((next, n) => html`<button class=${n ? "" : "primary"} @click=${() => move(screen, incident, next)}>${words.incident.moves[next]}</button>`)}
    ${mine || !app.me.email ? nothing : html`<button @click=${() => assign(screen, app.me.email)}>${words.incident.take}</button>`}
    <button @click=${() => change(screen, incident)}>${words.incident.change}</button>
  </p>`;
}

/** Changes the version that is shown, and takes over the new one, so that the next change builds upon it.
 * @param {import("../screen.js").Screen} screen @param {string} rpc @param {Record<string, unknown>} args */
function tell(screen, rpc, args) {
  return screen.next(async () => {
    const { version } = await screen.app.ask(rpc, { incident_id: screen.data.id, version: screen.data.version, ...args });
    screen.data.version = version;
  });
}

/** @param {import("../screen.js").Screen} screen @param {any} incident @param {string} next */
async function move(screen, incident, next) {
  const call = (/** @type {string | null} */ notes) => tell(screen, "update_incident_status", { status: next, notes });
  if (!wantsNote(incident.status, next)) return screen.act((data) => Object.assign(data, { status: next }), () => call(null));
  await ask({
    title: words.incident.moves[next],
    fields: [{ name: "notes", label: words.incident.notes, type: "textarea", required: true }],
    act: words.incident.moves[next],
    submit: ({ notes }) => call(notes.trim()),
  });
  await screen.refresh();
}

/** @param {import("../screen.js").Screen} screen @param {string | null} email */
function assign(screen, email) {
  return screen.act(
    (data) => Object.assign(data, { assigned_to_email: email }),
    () => tell(screen, "assign_incident", { email }),
  );
}

/** @param {import("../screen.js").Screen} screen @param {any} incident */
async function change(screen, incident) {
  await ask({
    title: words.incident.change,
    fields: [
      { name: "severity", label: words.alerts.severity, type: "select", value: incident.severity, options: SEVERITIES.map((each) => [each, each]) },
      { name: "email", label: words.incident.assigned, type: "email", value: incident.assigned_to_email ?? "", hint: words.incident.assignHint },
      { name: "systems", label: words.incident.systems, type: "textarea", value: incident.affected_systems.join("\n"), hint: words.incident.systemsHint },
    ],
    act: words.save,
    submit: async ({ severity, email, systems: listed }) => {
      if (severity !== incident.severity) await tell(screen, "change_incident_severity", { severity });
      if (email.trim() !== (incident.assigned_to_email ?? "")) await tell(screen, "assign_incident", { email: email.trim() || null });
      if (systems(listed).join() !== incident.affected_systems.join()) await tell(screen, "set_affected_systems", { affected_systems: systems(listed) });
    },
  });
  await screen.refresh();
}

/** @param {import("../screen.js").Screen} screen */
function noteForm(screen) {
  const add = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const note = String(new FormData(form).get("note")).trim();
    if (!note) return;
    try {
      await screen.app.ask("add_incident_note", { incident_id: screen.data.id, note });
      form.reset();
    } catch (error) {
      screen.app.complain(/** @type {any} */ (error));
    }
    await screen.refresh();
  };
  return html`<form class="bar" @submit=${add}><label class="grow">${words.incident.note}<input name="note" maxlength="5000" autocomplete="off" /></label><button>${words.incident.add}</button></form>`;
}

/** Newest first: what just happened matters at three in the morning. @param {any} incident */
function timeline(incident) {
  const entries = [...incident.timeline].reverse();
  return html`<ol class="timeline">${repeat(entries, (each) => `${each.at}${each.kind}${JSON.stringify(each.details)}${each.text}`, (each) => html`<li>
    <time datetime=${each.at} title=${each.at}>${exact(each.at)}</time>
    <strong>${words.incident.kinds[each.kind] ?? each.kind.replaceAll("_", " ")}</strong>
    ${each.details && "to" in each.details ? html`<span>${each.details.from ?? words.incidents.unassigned} → ${each.details.to ?? words.incidents.unassigned}</span>` : nothing}
    <span class="lines">${each.text ?? ""}</span> <span class="dim">${each.actor ?? ""}</span>
  </li>`)}</ol>
  ${incident.timeline_count > entries.length ? html`<p class="dim">${words.incident.older(incident.timeline_count - entries.length)}</p>` : nothing}`;
}

/** @param {any} incident */
function alerts(incident) {
  if (!incident.alerts.length) return html`<p class="empty">${words.incident.noAlerts}</p>`;
  return html`<ul class="rows">${incident.alerts.map((/** @type {any} */ each) => html`<li>
    ${each.status === "resolved" ? badge("ok", each.status) : badge(ofSeverity(each.severity), each.severity)}
    <a href=${`/alerts/${each.id}`}>${each.source}: ${each.alert_type}</a><span class="grow">${each.message}</span>${when(each.created_at)}</li>`)}</ul>`;
}

/** @param {import("../screen.js").Screen} screen @param {any} incident @param {boolean} may */
function postmortem(screen, incident, may) {
  const { draft } = screen.kept;
  if (draft !== undefined) {
    return html`<form class="form" @submit=${(/** @type {SubmitEvent} */ event) => savePostmortem(screen, event)}>
      <textarea name="postmortem" class="document" aria-label=${words.incident.postmortem} .value=${draft}></textarea>
      <p class="buttons"><button type="button" @click=${() => screen.keep({ draft: undefined })}>${words.cancel}</button><button class="primary">${words.save}</button></p>
    </form>`;
  }
  return html`
    ${incident.postmortem ? html`<pre class="panel document">${incident.postmortem}</pre>
      <p class="dim">${words.incident.edited} ${when(incident.postmortem_updated_at)} ${incident.postmortem_updated_by_email ?? ""}</p>` : html`<p class="empty">${words.incident.noPostmortem}</p>`}
    <p class="bar">
      ${may ? html`<button @click=${() => draftPostmortem(screen, incident)}>${incident.postmortem ? words.incident.edit : words.incident.write}</button>` : nothing}
      ${incident.postmortem ? html`<button @click=${() => save(`postmortem-${incident.created_at.slice(0, 10)}.md`, incident.postmortem, "text/markdown")}>${words.download}</button>` : nothing}
    </p>`;
}

/** @param {import("../screen.js").Screen} screen @param {any} incident */
async function draftPostmortem(screen, incident) {
  try {
    screen.keep({ draft: incident.postmortem ?? (await screen.app.ask("draft_postmortem", { incident_id: incident.id })) });
  } catch (error) {
    screen.app.complain(/** @type {any} */ (error));
  }
}

/** @param {import("../screen.js").Screen} screen @param {SubmitEvent} event */
async function savePostmortem(screen, event) {
  event.preventDefault();
  const postmortem = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("postmortem"));
  screen.kept.draft = postmortem;
  try {
    await tell(screen, "save_postmortem", { postmortem });
    screen.keep({ draft: undefined });
    screen.app.say(words.incident.saved);
  } catch (error) {
    screen.app.complain(/** @type {any} */ (error));
  }
  await screen.refresh();
}
