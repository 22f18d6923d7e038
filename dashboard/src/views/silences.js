// What is held back, when and why; a new silence shows what it would hold back before it is saved.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { documentOf } from "../logic/form.js";
import { isOver, matchWords, newSilence, silenceFields } from "../logic/settings.js";
import { badge } from "../parts/badge.js";
import { ask } from "../parts/dialog.js";
import { walking } from "../parts/rows.js";
import { adding, editor, named, opened, ownZone, tabs } from "../parts/settings.js";
import { empty } from "../parts/states.js";
import { when } from "../parts/time.js";
import { ofSeverity } from "../status.js";
import { words } from "../words.js";

const PAUSE_MS = 400;
const t = words.silences;

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.settings.tabs.silences,
  every: (app) => app.config.alerts_every_s,
  load: async (app, _params, query) => {
    const [rows, read] = await Promise.all([app.ask("list_silences"), opened(app, query)]);
    return { rows, read };
  },
  render: (screen) => {
    const target = screen.query.get("target");
    const form = editor(screen, "respond", [{
      what: "silence", key: "id", fields: () => silenceFields(ownZone()), look: (draft) => previewSoon(screen, draft), inside: preview(screen.kept.preview),
      start: () => newSilence(new Date(), ownZone(), target ? { targets: [target] } : {}),
    }]);
    if (form) return html`${tabs(screen, "silences")}${form}`;
    return html`${tabs(screen, "silences")}
      <p class="bar">${adding(screen, "silence", "respond")}</p>
      ${screen.data.rows.length ? html`<ul class="rows">${repeat(sorted(screen.data.rows), (/** @type {any} */ each) => each.id, (each) => row(screen, each))}</ul>` : empty(words.settings.none.silence)}`;
  },
  shortcuts: { ...walking, n: (screen) => void (screen.app.may("respond") && screen.app.open("/channels/silences?new=silence")) },
};

/** What holds now, what will, what did. @param {any[]} silences */
function sorted(silences) {
  const now = new Date();
  const rank = (/** @type {any} */ each) => (each.active ? 0 : isOver(each, now) ? 2 : 1);
  return [...silences].sort((a, b) => rank(a) - rank(b) || (rank(a) === 2 ? b.ends_at.localeCompare(a.ends_at) : a.starts_at.localeCompare(b.starts_at)));
}

/** @param {import("../screen.js").Screen} screen @param {any} silence */
function row(screen, silence) {
  const over = isOver(silence, new Date());
  const at = (/** @type {string} */ text) => text.slice(0, 16).replace("T", " ");
  return html`<li class=${over ? "off" : ""}>
    ${silence.active ? badge("warning", t.active) : badge("paused", over ? t.over : t.notYet)}
    ${named(screen, "silence", silence.id, silence.comment, "respond")}${silence.kind === "maintenance" ? html`<span class="dim">${silence.kind}</span>` : nothing}
    <span class="grow">${matchWords(silence.match)}
      <br /><small class="dim">${at(silence.starts_at)} – ${at(silence.ends_at)} ${silence.time_zone}${silence.rrule ? ` · ${silence.rrule}` : ""}</small></span>
    ${silence.until ? html`<span><span class="dim">${t.until}</span> ${when(silence.until)}</span>` : nothing}
    ${screen.app.may("respond") && !over ? html`<button class="danger" aria-label=${`${t.end} ${silence.comment}`} @click=${() => end(screen, silence)}>${t.end}</button>` : nothing}
  </li>`;
}

/** @param {import("../screen.js").Screen} screen @param {any} silence */
async function end(screen, silence) {
  if (!(await ask({ title: t.endTitle(silence.comment), text: t.endText, act: t.end, danger: true }))) return;
  await screen.act((data) => ({ ...data, rows: data.rows.filter((/** @type {any} */ each) => each.id !== silence.id) }),
    () => screen.app.ask("end_silence", { silence_id: silence.id }), t.ended);
}

/** Asked once the typing rests; an answer about what is no longer there is dropped. @param {import("../screen.js").Screen} screen @param {import("../logic/form.js").Draft} draft */
function previewSoon(screen, draft) {
  clearTimeout(screen.kept.pause);
  const turn = (screen.kept.turn ?? 0) + 1;
  screen.kept.turn = turn;
  screen.kept.pause = setTimeout(async () => {
    const { document: silence, problems } = documentOf(silenceFields(ownZone()), draft);
    // Why it is made may come last.
    delete problems.comment;
    /** @type {any} */
    let found = null;
    if (!Object.keys(problems).length) {
      try {
        found = await screen.app.ask("preview_silence", { silence: { ...silence, comment: silence.comment ?? "…" } });
        found.everything = !silence.match;
      } catch (error) {
        found = { problem: /** @type {Error} */ (error).message.replace(/^silence\./, "") };
      }
    }
    if (turn === screen.kept.turn && !screen.closed) screen.keep({ preview: found });
  }, PAUSE_MS);
}

/** @param {any} found */
function preview(found) {
  if (!found) return nothing;
  if (found.problem) return html`<section class="probe" role="status"><p class="problem">${found.problem}</p></section>`;
  return html`<section class="probe" role="status"><h2>${t.preview}</h2>
    ${found.everything ? html`<p>${badge("warning", t.everything)}</p>` : nothing}
    <p>${t.holds(found.alerts.length)}${found.active ? nothing : html` <strong>${t.notActive}</strong>`}</p>
    <ul>${found.alerts.slice(0, 10).map((/** @type {any} */ each) => html`<li>${badge(ofSeverity(each.severity), each.severity)} <a href=${`/alerts/${each.id}`}>${each.source}: ${each.alert_type}</a> <span class="dim">${each.message}</span></li>`)}
      ${found.alerts.length > 10 ? html`<li class="dim">… ${found.alerts.length - 10}</li>` : nothing}</ul>
    <p class="dim">${t.inThirtyDays(found.fired_in_30_days)}</p></section>`;
}
