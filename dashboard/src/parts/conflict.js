// Somebody else was quicker: what is typed stays, and the choice is said in words.
import { html, nothing } from "lit-html";

import { conflictOf, differing } from "../logic/conflict.js";
import { words } from "../words.js";
import { ask } from "./dialog.js";
import { forget } from "./form.js";

/** As it is stored now, with its version. @typedef {{document: any, version: string | null}} Read */

/** @param {import("../app.js").App} app @param {string} kind @param {string | null} key @returns {Promise<Read>} */
export const readSetting = (app, kind, key) => app.ask("get_setting", { kind, key });

/**
 * @param {{screen: import("../screen.js").Screen, name: string, form: import("./form.js").Form, fields: import("../logic/form.js").Field[],
 *   read?: () => Promise<Read>, retry: () => Promise<unknown>}} about  `retry` saves once more
 */
export function conflict({ screen, name, form, fields, read, retry }) {
  const text = conflictOf(form);
  if (!text || !read) return nothing;
  const { theirs } = form;
  if (!theirs) void look(screen, form, read);
  const others = theirs?.document ? differing(fields, form.draft, theirs.document) : [];
  const load = async () => {
    forget(screen, name);
    screen.data = null;
    await screen.refresh();
  };
  const insist = async () => {
    form.version = (await read()).version;
    await retry();
  };
  const attempt = (/** @type {() => Promise<unknown>} */ what) => () => what().catch((error) => screen.app.complain(error));
  return html`<div class="conflict" role="alert"><p><strong>${words.form.conflict}</strong> ${text}.
      ${others.length ? html`<br />${words.form.differs} ${others.join(", ")}.` : nothing}</p>
    <p class="bar">${theirs?.document === null ? nothing : html`<button type="button" @click=${attempt(load)}>${words.form.theirs}</button>`}
      <button type="button" ?disabled=${form.busy} @click=${attempt(insist)}>${words.form.mine}</button></p></div>`;
}

/** @param {import("../screen.js").Screen} screen @param {import("./form.js").Form} form @param {() => Promise<Read>} read */
async function look(screen, form, read) {
  form.theirs = { document: undefined, version: null };
  try {
    form.theirs = await read();
  } catch (error) {
    screen.app.complain(/** @type {any} */ (error));
  }
  screen.app.draw();
}

/**
 * Asks, and deletes what has that version. If somebody was quicker it says so; who then says it again means what is there now.
 * @param {Parameters<typeof ask>[0]} question  its `submit`, if any, comes first and may refuse
 * @param {import("../app.js").App} app @param {string} kind @param {string} key @param {string | null} version
 */
export function askToDelete(question, app, kind, key, version) {
  const { submit } = question;
  /** @type {typeof question} */
  const asked = { ...question, danger: true, submit: async (/** @type {Record<string, string>} */ given) => {
    await submit?.(given);
    // Deleted by somebody else meanwhile: there is nothing left to do.
    if (version === null) return;
    try {
      await app.ask("delete_setting", { kind, key, version });
    } catch (error) {
      const text = conflictOf({ refused: /** @type {Error} */ (error).message, argument: kind });
      if (!text) throw error;
      ({ version } = await readSetting(app, kind, key));
      asked.act = words.settings.removeAnyway;
      throw new Error(`${words.form.conflict} ${text}.`);
    }
  } };
  return ask(asked);
}
