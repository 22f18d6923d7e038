// Forms whose fields are data (src/logic/form.js). What was typed outlives refreshes, refusals and a reload of the page:
// it is kept in this tab until it is saved or discarded.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { documentOf, draftOf, flat, items, placed, placeholder, readable, refusal, told, without } from "../logic/form.js";
import { conflictOf } from "../logic/conflict.js";
import { rest } from "../logic/live.js";
import { words } from "../words.js";
import { conflict } from "./conflict.js";

/** @typedef {import("../logic/form.js").Field} Field */
/** @typedef {import("../logic/form.js").Draft} Draft */

/**
 * @typedef {object} Form
 * @property {string} argument   what the refusals of the RPC begin with
 * @property {Draft} draft
 * @property {Record<string, true>} touched  problems show beside what somebody has been at
 * @property {boolean} tried     or everywhere, once saving was tried
 * @property {boolean} changed
 * @property {boolean} busy
 * @property {string} refused    what the database said last
 * @property {boolean} [live]    the database is asked after each change; else a change takes its refusal away
 * @property {boolean} [judging] and has not answered yet
 * @property {string | null} [version]  of what the draft began with; null: it is new
 * @property {import("./conflict.js").Read} [theirs]  what is stored, once somebody else was quicker
 * @property {() => void} [after]  what follows a change
 */

/** The form of that name, as it was left. Nobody's work is in one that was not touched: it begins anew with what is stored now.
 * @param {import("../screen.js").Screen} screen @param {string} name @param {string} argument @param {() => Draft} start @param {string | null} [version] @returns {Form} */
export function formOf(screen, name, argument, start, version) {
  screen.kept.forms ??= {};
  const old = screen.kept.forms[name];
  if (old && !old.changed && !old.busy && old.version !== version) delete screen.kept.forms[name];
  screen.kept.forms[name] ??= { argument, draft: start(), version, touched: {}, tried: false, changed: false, busy: false, refused: "", ...remembered(screen, name) };
  return screen.kept.forms[name];
}

/** @param {import("../screen.js").Screen} screen @param {string} name */
const key = (screen, name) => `draft ${screen.app.me.user_id} ${screen.url.pathname} ${name}`;

/** @param {import("../screen.js").Screen} screen @param {string} name */
function remembered(screen, name) {
  const { draft, version } = JSON.parse(sessionStorage.getItem(key(screen, name)) ?? "{}");
  return draft ? { draft, version, changed: true } : {};
}

/** @param {import("../screen.js").Screen} screen @param {string} name */
export function forget(screen, name) {
  sessionStorage.removeItem(key(screen, name));
  delete screen.kept.forms?.[name];
  screen.app.draw();
}

/** @param {import("../screen.js").Screen} screen @param {string} name @param {string} path @param {any} value */
export function change(screen, name, path, value) {
  const form = screen.kept.forms[name];
  form.draft = { ...form.draft, [path]: value };
  touch(screen, name, path);
}

/** @param {import("../screen.js").Screen} screen @param {string} name @param {string} path */
function touch(screen, name, path) {
  const form = screen.kept.forms[name];
  form.touched[path] = true;
  form.changed = true;
  if (!form.live) form.refused = "";
  sessionStorage.setItem(key(screen, name), JSON.stringify({ draft: form.draft, version: form.version }));
  form.after?.();
  screen.app.draw();
}

/** What is wrong, by the path of the field it stands beside; "" is the form itself. @param {Form} form @param {Field[]} fields @returns {Record<string, string>} */
export function problemsOf(form, fields) {
  const { problems } = documentOf(fields, form.draft);
  if (!form.refused || conflictOf(form)) return problems;
  const { path, text } = refusal(form.refused, form.argument);
  const at = placed(path, fields, form.draft);
  // What is missing here is said of the field itself, once.
  return problems[at] ? problems : { ...problems, [at]: readable(at ? path.slice(at.length + 1) : path, text) };
}

/**
 * @param {{screen: import("../screen.js").Screen, name: string, form: Form, fields: Field[], title?: unknown, act?: string, cancel: string,
 *   save: (document: any) => Promise<unknown>, inside?: unknown, beside?: unknown,
 *   read?: () => Promise<import("./conflict.js").Read>}} about  `inside` stands between the fields and the buttons, `beside` the title
 */
export function formPanel(about) {
  const { screen, name, form, fields, cancel } = about;
  const problems = problemsOf(form, fields);
  return html`<form class="panel form wide" novalidate @submit=${(/** @type {Event} */ event) => submit(event, about)}>
    ${about.title ? html`<div class="title"><h2>${about.title}</h2>${about.beside ?? nothing}</div>` : nothing}
    ${inputs(screen, name, fields, problems)}
    ${about.inside ?? nothing}
    ${conflict({ ...about, retry: () => attempt(about) })}
    ${buttons(screen, name, form, fields, problems, cancel, about.act, form.live ? verdict(form, fields, problems) : nothing)}
  </form>`;
}

/** The word beside the buttons. @param {Form} form @param {Field[]} fields @param {Record<string, string>} problems */
export function verdict(form, fields, problems) {
  if (form.judging) return html`<span class="dim">${words.form.checking}</span>`;
  const [path, text] = Object.entries(problems)[0] ?? [];
  if (path !== undefined) return html`<span class="dim">${words.form.notYet} ${told(fields, form.draft, path, text)}</span>`;
  return form.changed && !conflictOf(form) ? html`<span class="dim">${words.form.fits}</span>` : nothing;
}

/** @param {import("../screen.js").Screen} screen @param {string} name @param {Form} form @param {Field[]} fields @param {Record<string, string>} problems @param {string} cancel @param {string} [act] @param {unknown} [state] */
export function buttons(screen, name, form, fields, problems, cancel, act = words.save, state = nothing) {
  const wrong = Object.keys(problems).filter((each) => each);
  return html`
    ${problems[""] && shows(form, "") ? html`<p class="problem" role="alert">${problems[""]}</p>` : nothing}
    <p class="buttons">
      <span class="grow" role="status">${form.tried && wrong.length ? html`<span class="problem">${wrong.length === 1 ? told(fields, form.draft, wrong[0], problems[wrong[0]]) : words.form.several(wrong.length)}</span>` : state}
        ${form.changed ? html`<br /><small class="dim">${words.form.kept} <button type="button" class="plain link" @click=${() => forget(screen, name)}>${words.form.discard}</button></small>` : nothing}</span>
      ${cancel ? html`<a class="button" href=${cancel}>${words.cancel}</a>` : nothing}
      <button class="primary" ?disabled=${form.busy}>${act}</button>
    </p>`;
}

/** @param {Form} form @param {string} path */
const shows = (form, path) => form.tried || path in form.touched;

/** Saves, or shows where it is wrong; the first such field gets the focus.
 * @param {Event} event @param {{screen: import("../screen.js").Screen, name: string, form: Form, fields: Field[], save: (document: any) => Promise<unknown>}} about */
export function submit(event, about) {
  event.preventDefault();
  return attempt(about);
}

/** @param {{screen: import("../screen.js").Screen, name: string, form: Form, fields: Field[], save: (document: any) => Promise<unknown>}} about */
export async function attempt({ screen, name, form, fields, save }) {
  const { document: given, problems } = documentOf(fields, form.draft);
  rest(form);
  Object.assign(form, { tried: true, refused: "", theirs: undefined });
  if (!Object.keys(problems).length) {
    form.busy = true;
    screen.app.draw();
    try {
      await save(given);
      return forget(screen, name);
    } catch (error) {
      form.refused = /** @type {Error} */ (error).message;
    } finally {
      form.busy = false;
    }
  }
  screen.app.draw();
  requestAnimationFrame(() => requestAnimationFrame(() => firstWrong(fields, form)));
}

/** @param {Field[]} fields @param {Form} form */
function firstWrong(fields, form) {
  const problems = problemsOf(form, fields);
  const path = flat(fields, form.draft).map((each) => each.path).find((each) => problems[each]);
  const input = path ? document.getElementById(idOf(path)) : null;
  for (let fold = input?.closest("details"); fold; fold = fold.parentElement?.closest("details")) fold.open = true;
  const focused = input?.matches("fieldset, details") ? input.querySelector("input, select, textarea") : input;
  if (focused instanceof HTMLElement) focused.focus();
}

/** @param {string} path */
const idOf = (path) => `f-${path.replace(/[^\w.-]/g, "_")}`;

/** @param {import("../screen.js").Screen} screen @param {string} name @param {Field[]} fields @param {Record<string, string>} problems @returns {unknown} */
export function inputs(screen, name, fields, problems) {
  return html`<div class="fields">${repeat(fields, (field) => field.path, (field) => input(screen, name, field, problems))}</div>`;
}

/** @param {import("../screen.js").Screen} screen @param {string} name @param {Field} field @param {Record<string, string>} problems */
function input(screen, name, field, problems) {
  if (field.kind === "group") return group(screen, name, field, problems);
  if (field.kind === "many") return many(screen, name, field, problems);
  const form = screen.kept.forms[name];
  const problem = shows(form, field.path) ? problems[field.path] : undefined;
  const id = idOf(field.path);
  const hint = hintOf(field);
  const about = { id, problem, describedBy: [hint ? `${id}-hint` : "", problem ? `${id}-problem` : ""].filter(Boolean).join(" ") || nothing };
  const value = form.draft[field.path];
  const set = (/** @type {any} */ given) => change(screen, name, field.path, given);
  const wide = ["list", "map", "json", "long", "some"].includes(field.kind);
  const after = html`${hint ? html`<small class="dim" id=${`${id}-hint`}>${hint}</small>` : nothing}
    ${problem ? html`<small class="problem" id=${`${id}-problem`} role="alert">${problem}</small>` : nothing}`;
  if (field.kind === "some") {
    return html`<fieldset class="field broad" id=${id} aria-describedby=${about.describedBy}><legend>${field.label}</legend>
      ${some(field, /** @type {string[]} */ (value ?? []), set)}${after}</fieldset>`;
  }
  return html`<div class=${`field ${wide ? "broad" : ""} ${field.kind === "yes" ? "yes" : ""}`}>
    <label for=${id}>${field.label}${field.required ? html` <span class="dim" aria-hidden="true">*</span>` : nothing}</label>
    ${control(field, about, value, set)}${after}</div>`;
}

/** @param {Field} field */
function hintOf(field) {
  const shape = field.kind === "list" ? words.form.perLine : field.kind === "map" ? words.form.pairs : "";
  const none = field.nullable ? words.form.orNone(placeholder(field)) : "";
  return [field.hint, shape, none].filter(Boolean).join(" · ");
}

/** @param {Field} field @param {{id: string, problem?: string, describedBy: any}} about @param {any} value @param {(given: any) => void} set */
function control(field, { id, problem, describedBy }, value, set) {
  const wrong = problem ? "true" : nothing;
  const typed = (/** @type {any} */ event) => set(event.target.value);
  if (field.kind === "yes") {
    return html`<input type="checkbox" id=${id} .checked=${Boolean(value)} ?disabled=${field.fixed} aria-describedby=${describedBy} @change=${(/** @type {any} */ event) => set(event.target.checked)} />`;
  }
  if (field.kind === "choice") {
    const empty = placeholder(field);
    return html`<select id=${id} ?disabled=${field.fixed} aria-invalid=${wrong} aria-describedby=${describedBy} @change=${typed}>
      ${field.required && value ? nothing : html`<option value="" ?selected=${!value}>${field.empty ?? (empty ? `${empty} (${words.form.byDefault})` : "–")}</option>`}
      ${(field.options ?? []).map(([each, text]) => html`<option value=${each} ?selected=${each === value}>${text}</option>`)}</select>`;
  }
  if (["list", "map", "json", "long"].includes(field.kind)) {
    const rows = Math.min(12, Math.max(field.kind === "long" ? 3 : 2, String(value ?? "").split("\n").length));
    return html`<textarea id=${id} rows=${rows} spellcheck="false" ?readonly=${field.fixed} aria-invalid=${wrong} aria-describedby=${describedBy} placeholder=${placeholder(field)} .value=${value ?? ""} @input=${typed}></textarea>`;
  }
  const numeric = field.kind === "number" || field.kind === "whole";
  return html`<input id=${id} type=${field.kind === "moment" ? "datetime-local" : "text"} inputmode=${numeric ? "decimal" : nothing} spellcheck="false" autocomplete="off" ?readonly=${field.fixed}
      aria-invalid=${wrong} aria-describedby=${describedBy} aria-required=${field.required ? "true" : nothing} list=${field.ideas?.length ? `${id}-ideas` : nothing}
      placeholder=${placeholder(field)} .value=${value ?? ""} @input=${typed} />
    ${field.ideas?.length ? html`<datalist id=${`${id}-ideas`}>${field.ideas.map((each) => html`<option value=${each}></option>`)}</datalist>` : nothing}`;
}

/** @param {Field} field @param {string[]} value @param {(given: string[]) => void} set */
function some(field, value, set) {
  // What is chosen and gone meanwhile stays to be seen, and can be taken out.
  const options = [...(field.options ?? []), ...value.filter((each) => !field.options?.some(([one]) => one === each)).map((each) => /** @type {[string, string]} */ ([each, each]))];
  if (!options.length) return html`<small class="dim">${words.form.nothing}</small>`;
  return html`<div class="some">${options.map(([each, text]) => html`<label class="tick"><input type="checkbox" .checked=${value.includes(each)}
    @change=${(/** @type {any} */ event) => set(event.target.checked ? [...value, each] : value.filter((one) => one !== each))} />${text}</label>`)}</div>`;
}

/** @param {import("../screen.js").Screen} screen @param {string} name @param {Field} field @param {Record<string, string>} problems */
function group(screen, name, field, problems) {
  const form = screen.kept.forms[name];
  const problem = shows(form, field.path) || form.refused ? problems[field.path] : undefined;
  const inside = html`${field.hint ? html`<p class="dim">${field.hint}</p>` : nothing}${problem ? html`<p class="problem" role="alert">${problem}</p>` : nothing}
    ${inputs(screen, name, field.fields ?? [], problems)}`;
  if (!field.folded) return html`<fieldset class="field group" id=${idOf(field.path)}><legend>${field.label}</legend>${inside}</fieldset>`;
  const given = Object.keys(documentOf(field.fields ?? [], form.draft).document).length;
  return html`<details class="field group" id=${idOf(field.path)}><summary>${field.label}${given ? html` <span class="dim">(${words.form.changed(given)})</span>` : nothing}</summary>${inside}</details>`;
}

/** @param {import("../screen.js").Screen} screen @param {string} name @param {Field} field @param {Record<string, string>} problems */
function many(screen, name, field, problems) {
  const form = screen.kept.forms[name];
  const list = items(field, form.draft);
  const problem = form.tried ? problems[field.path] : undefined;
  return html`<fieldset class="field group" id=${idOf(field.path)}><legend>${field.label}</legend>
    ${field.hint ? html`<p class="dim">${field.hint}</p>` : nothing}${problem ? html`<p class="problem" role="alert">${problem}</p>` : nothing}
    <ol class="many">${list.map((each, n) => html`<li>${inputs(screen, name, each, problems)}
      <button type="button" @click=${() => { form.draft = without(form.draft, field, n); touch(screen, name, field.path); }}>${words.form.remove}</button></li>`)}</ol>
    <button type="button" @click=${() => add(screen, name, field)}>${words.form.add}</button></fieldset>`;
}

/** @param {import("../screen.js").Screen} screen @param {string} name @param {Field} field */
function add(screen, name, field) {
  const form = screen.kept.forms[name];
  const n = Number(form.draft[`${field.path}.length`] ?? 0);
  const fresh = draftOf((field.fields ?? []).map((each) => ({ ...each, path: `${field.path}.${n}.${each.path}` })), {});
  form.draft = { ...form.draft, ...fresh, [`${field.path}.length`]: n + 1 };
  touch(screen, name, field.path);
}
