// What the tabs under Channels share: the tabs, a form in place of the list, deleting.
import { html, nothing } from "lit-html";

import { documentOf, draftOf } from "../logic/form.js";
import { words } from "../words.js";
import { ask } from "./dialog.js";
import { forget, formOf, formPanel } from "./form.js";

/** @typedef {"channel" | "route" | "rotation" | "escalation" | "silence" | "heartbeat"} What */

/**
 * @typedef {object} Kind
 * @property {What} what          save_<what>, delete_<what>, and the first word of their refusals
 * @property {(draft: import("../logic/form.js").Draft, known: boolean) => import("../logic/form.js").Field[]} fields
 * @property {any[]} list         what there is
 * @property {"name" | "id"} [key]
 * @property {() => any} [start]  a new one to begin with
 * @property {(draft: import("../logic/form.js").Draft) => void} [look]  after a change, and when it is opened
 * @property {unknown} [inside]
 * @property {(saved: any) => void} [saved]
 */

const TABS = /** @type {const} */ (["channels", "routes", "oncall", "silences", "heartbeats"]);

/** @param {import("../screen.js").Screen} screen @param {(typeof TABS)[number]} here */
export function tabs(screen, here) {
  return html`<div class="title"><h1>${words.settings.tabs[here]}</h1></div>
    <nav class="tabs bar" aria-label=${words.settings.title}>${TABS.map((each) => html`<a href=${each === "channels" ? "/channels" : `/channels/${each}`} aria-current=${each === here ? "page" : nothing}>${words.settings.tabs[each]}</a>`)}</nav>`;
}

/** Whether the address asks for a form, and not for the list. @param {URLSearchParams} query */
export const edits = (query) => ["new", "channel", "route", "rotation", "escalation", "silence", "heartbeat"].some((each) => query.has(each));

/** The form that the address asks for: ?new=route, ?route=its name. @param {import("../screen.js").Screen} screen @param {"manage" | "respond"} right @param {Kind[]} kinds */
export function editor(screen, right, kinds) {
  if (!screen.app.may(right)) return null;
  for (const kind of kinds) {
    const wanted = screen.query.get(kind.what);
    if (screen.query.get("new") === kind.what) return form(screen, kind, null);
    if (wanted === null) continue;
    const found = kind.list.find((each) => each[kind.key ?? "name"] === wanted);
    return found ? form(screen, kind, found) : html`<p class="empty">${words.settings.gone} <a href=${screen.url.pathname}>${words.settings.title}</a></p>`;
  }
  return null;
}

/** @param {import("../screen.js").Screen} screen @param {Kind} kind @param {any} known */
function form(screen, kind, known) {
  const { what } = kind;
  const start = known ?? kind.start?.() ?? {};
  const name = `${what} ${known?.[kind.key ?? "name"] ?? screen.query.get("target") ?? ""}`;
  const first = !screen.kept.forms?.[name];
  const begin = () => {
    // Which fields there are may depend on what is in the others.
    const draft = draftOf(kind.fields({}, Boolean(known)), start);
    return draftOf(kind.fields(draft, Boolean(known)), start);
  };
  const state = formOf(screen, name, what, begin);
  if (kind.look) {
    state.after = () => kind.look?.(state.draft);
    if (first) kind.look(state.draft);
  }
  return formPanel({
    screen, name, form: state, fields: kind.fields(state.draft, Boolean(known)), inside: kind.inside, cancel: screen.url.pathname,
    title: known ? words.settings.change[what] : words.settings.add[what],
    beside: known && what !== "silence" ? removing(screen, what, known.name, name) : nothing,
    save: (document) => store(screen, kind, known, document),
  });
}

/** @param {import("../screen.js").Screen} screen @param {Kind} kind @param {any} known @param {any} given */
async function store(screen, kind, known, given) {
  const { what } = kind;
  // The database would take it for a change of the other.
  if (!known && given.name && kind.list.some((each) => each.name === given.name)) throw new Error(`${what}.name: ${words.settings.taken(given.name)}`);
  const saved = await screen.app.ask(`save_${what}`, { [what]: kind.key === "id" && known ? { ...given, id: known.id } : given });
  screen.app.say(words.form.saved(saved.name ?? saved.comment));
  kind.saved?.(saved);
  await screen.app.open(screen.url.pathname, { replace: true });
}

/** @param {import("../screen.js").Screen} screen @param {What} what @param {"manage" | "respond"} [right] */
export function adding(screen, what, right = "manage") {
  return screen.app.may(right) ? html`<a class="button" href=${`${screen.url.pathname}?new=${what}`}>${words.settings.add[what]}</a>` : nothing;
}

/** @param {import("../screen.js").Screen} screen @param {What} what @param {string} key @param {string} called @param {"manage" | "respond"} [right] */
export function changing(screen, what, key, called, right = "manage") {
  return screen.app.may(right) ? html`<a class="button" href=${`${screen.url.pathname}?${new URLSearchParams({ [what]: key })}`} aria-label=${`${words.settings.edit} ${called}`}>${words.settings.edit}</a>` : nothing;
}

/** Its name, which leads to its form for whoever may change it. @param {import("../screen.js").Screen} screen @param {What} what @param {string} key @param {string} called @param {"manage" | "respond"} [right] */
export function named(screen, what, key, called, right = "manage") {
  return screen.app.may(right) ? html`<a href=${`${screen.url.pathname}?${new URLSearchParams({ [what]: key })}`} data-row=${key}>${called}</a>` : html`<strong>${called}</strong>`;
}

/** @param {import("../screen.js").Screen} screen @param {Exclude<What, "silence">} what @param {string} name @param {string} formName */
function removing(screen, what, name, formName) {
  const remove = async () => {
    const sure = await ask({ title: words.settings.removeTitle(name), text: words.settings.removeText[what], act: words.settings.remove, danger: true,
      submit: () => screen.app.ask(`delete_${what}`, { name }) });
    if (!sure) return;
    screen.app.say(words.settings.removed(name));
    forget(screen, formName);
    await screen.app.open(screen.url.pathname, { replace: true });
  };
  return html`<button type="button" class="danger" @click=${remove}>${words.settings.remove}</button>`;
}

/** The document without what the list adds to it. @param {import("../logic/form.js").Field[]} fields @param {any} listed */
export const plain = (fields, listed) => documentOf(fields, draftOf(fields, listed)).document;

/** The time zone of who looks. */
export const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** @param {any[]} list */
export const names = (list) => list.map((each) => each.name);
