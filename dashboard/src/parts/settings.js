// What the tabs under Channels share: the tabs, a form in place of the list, deleting.
import { html, nothing } from "lit-html";

import { documentOf, draftOf } from "../logic/form.js";
import { judgeSoon } from "../logic/live.js";
import { words } from "../words.js";
import { askToDelete, readSetting } from "./conflict.js";
import { forget, formOf, formPanel } from "./form.js";
import { loading } from "./states.js";

/** @typedef {"channel" | "route" | "rotation" | "escalation" | "silence" | "heartbeat" | "report_plan" | "objective"} What */

/**
 * @typedef {object} Kind
 * @property {What} what          save_<what>, delete_<what>
 * @property {string} [argument]  of save_<what>, and the first word of its refusals; else it is `what`
 * @property {(draft: import("../logic/form.js").Draft, known: boolean) => import("../logic/form.js").Field[]} fields
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

const WHATS = ["channel", "route", "rotation", "escalation", "silence", "heartbeat", "report_plan", "objective"];

/** Whether the address asks for a form, and not for the list. @param {URLSearchParams} query */
export const edits = (query) => ["new", ...WHATS].some((each) => query.has(each));

/** What the form that the address asks for begins with, as it is stored now. @param {import("../app.js").App} app @param {URLSearchParams} query @returns {Promise<{what: string, key: string, document: any, version: string | null} | null>} */
export async function opened(app, query) {
  const what = WHATS.find((each) => query.has(each));
  if (!what) return null;
  const key = query.get(what) ?? "";
  return { what, key, ...(await readSetting(app, what, key)) };
}

/** The form that the address asks for: ?new=route, ?route=its name. @param {import("../screen.js").Screen} screen @param {"manage" | "respond"} right @param {Kind[]} kinds */
export function editor(screen, right, kinds) {
  if (!screen.app.may(right)) return null;
  for (const kind of kinds) {
    const wanted = screen.query.get(kind.what);
    if (screen.query.get("new") === kind.what) return form(screen, kind, null);
    if (wanted === null) continue;
    const { read } = screen.data;
    if (read?.what !== kind.what || read.key !== wanted) return loading();
    // What was typed outlives what it was to change.
    const left = screen.kept.forms?.[`${kind.what} ${wanted}`];
    const found = read.document ?? (left?.changed ? documentOf(kind.fields(left.draft, true), left.draft).document : null);
    return found ? form(screen, kind, { ...found, [kind.key ?? "name"]: wanted }, read.version) : html`<p class="empty">${words.settings.gone} <a href=${screen.url.pathname}>${words.settings.title}</a></p>`;
  }
  return null;
}

/** @param {import("../screen.js").Screen} screen @param {Kind} kind @param {any} known @param {string | null} [version] */
function form(screen, kind, known, version = null) {
  const { what, argument = what } = kind;
  const start = known ?? kind.start?.() ?? {};
  const name = `${what} ${known?.[kind.key ?? "name"] ?? screen.query.get("target") ?? ""}`;
  const first = !screen.kept.forms?.[name];
  const begin = () => {
    // Which fields there are may depend on what is in the others.
    const draft = draftOf(kind.fields({}, Boolean(known)), start);
    return draftOf(kind.fields(draft, Boolean(known)), start);
  };
  const state = formOf(screen, name, argument, begin, version);
  const fields = kind.fields(state.draft, Boolean(known));
  const key = known?.[kind.key ?? "name"];
  const complete = (/** @type {any} */ given) => ({ ...given, ...(kind.key === "id" && known ? { id: key } : {}), version: state.version });
  const judge = async () => {
    const now = documentOf(kind.fields(state.draft, Boolean(known)), state.draft);
    return Object.keys(now.problems).length ? "" : (await screen.app.ask("validate_setting", { kind: what, document: complete(now.document) })).problem ?? "";
  };
  if (kind.look) {
    // It is told of the draft's problems on its way.
    state.after = () => kind.look?.(state.draft);
    if (first) kind.look(state.draft);
  } else {
    state.live = true;
    state.after = () => judgeSoon(state, judge, () => screen.app.draw());
  }
  return formPanel({
    screen, name, form: state, fields, inside: kind.inside, cancel: screen.url.pathname,
    title: known ? words.settings.change[what] : words.settings.add[what],
    beside: known && what !== "silence" ? removing(screen, what, known.name, name, state) : nothing,
    save: (document) => store(screen, kind, complete(document)),
    read: known ? () => readSetting(screen.app, what, key) : undefined,
  });
}

/** A new one has the version null, so that the database does not take it for a change of another. @param {import("../screen.js").Screen} screen @param {Kind} kind @param {any} given */
async function store(screen, kind, given) {
  const { what, argument = what } = kind;
  if (given.version === null && !kind.look) {
    const { problem } = await screen.app.ask("validate_setting", { kind: what, document: given });
    if (problem) throw new Error(problem);
  }
  const saved = await screen.app.ask(`save_${what}`, { [argument]: given });
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

/** @param {import("../screen.js").Screen} screen @param {Exclude<What, "silence">} what @param {string} name @param {string} formName @param {import("./form.js").Form} form */
function removing(screen, what, name, formName, form) {
  const remove = async () => {
    const sure = await askToDelete({ title: words.settings.removeTitle(name), text: words.settings.removeText[what], act: words.settings.remove },
      screen.app, what, name, form.version ?? null);
    if (!sure) return;
    screen.app.say(words.settings.removed(name));
    forget(screen, formName);
    await screen.app.open(screen.url.pathname, { replace: true });
  };
  return html`<button type="button" class="danger" @click=${remove}>${words.settings.remove}</button>`;
}

/** The time zone of who looks. */
export const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** @param {any[]} list */
export const names = (list) => list.map((each) => each.name);
