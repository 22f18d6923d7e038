// Who is signed in, their second factor, and the way out everywhere.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { enrol, listFactors, removeFactor, verify } from "../mfa.js";
import { codeForm } from "../parts/code.js";
import { ask } from "../parts/dialog.js";
import { signOut } from "../parts/sign_out.js";
import { empty } from "../parts/states.js";
import { when } from "../parts/time.js";
import { words } from "../words.js";

const t = words.mfa;

/** @type {import("../screen.js").View} */
export const view = {
  title: () => t.title,
  load: async (app) => ({ factors: app.config.mfa ? await listFactors(app.api) : [] }),
  render: (screen) => {
    const { app } = screen;
    return html`<h1>${t.title}</h1>
      <dl class="facts">
        <dt>${words.signIn.email}</dt><dd>${app.me.email}</dd>
        <dt>${words.members.role}</dt><dd>${app.me.role ?? "–"}</dd>
        ${app.config.mfa ? html`<dt>${t.session}</dt><dd>${app.me.aal === "aal2" ? t.strong : t.weak}</dd>` : nothing}
      </dl>
      ${app.config.mfa ? factors(screen) : nothing}
      ${app.config.mfa && app.may("manage") ? everybody(screen) : nothing}
      <section><h2>${t.sessions}</h2>
        <p class="bar"><button @click=${() => signOut(app, "local")}>${words.account.signOut}</button>
          <button @click=${() => signOut(app, "global")}>${words.account.everywhere}</button></p></section>`;
  },
};

/** @param {import("../screen.js").Screen} screen */
function factors(screen) {
  const { app, data, kept } = screen;
  return html`<section>
    <div class="title"><h2>${t.second}</h2>${kept.draft ? nothing : html`<button class="primary" ?disabled=${kept.busy} @click=${() => begin(screen)}>${t.add}</button>`}</div>
    ${app.me.needs_mfa ? html`<p class="problem">${t.demanded}</p>` : nothing}
    ${data.factors.length ? html`<ul class="rows">${repeat(data.factors, (/** @type {any} */ each) => each.id, (each) => html`<li>
      <span class="grow">${each.friendly_name ?? t.app}</span><span class="dim">${words.members.since} ${when(each.created_at)}</span>
      <button class="danger" aria-label=${`${t.remove} ${each.friendly_name ?? t.app}`} @click=${() => remove(screen, each)}>${t.remove}</button></li>`)}</ul>`
      : kept.draft ? nothing : empty(t.none)}
    ${kept.draft ? draft(screen) : nothing}
  </section>`;
}

/** @param {import("../screen.js").Screen} screen */
function draft(screen) {
  const { id, picture, secret } = screen.kept.draft;
  return html`<div class="panel enrol">
    <p>${t.scan}</p>
    <img class="qr" src=${picture} alt=${t.picture} width="240" height="240" />
    <p>${t.type} <code class="lines">${secret}</code></p>
    ${codeForm({ problem: screen.kept.problem ?? "", busy: screen.kept.busy }, t.confirm, (given) => finish(screen, id, String(given.get("code"))),
      { beside: html`<button type="button" @click=${() => screen.keep({ draft: null, problem: "" })}>${words.cancel}</button>` })}
  </div>`;
}

/** @param {import("../screen.js").Screen} screen */
async function begin(screen) {
  screen.keep({ busy: true, problem: "" });
  try {
    screen.keep({ draft: await enrol(screen.app.api) });
  } catch (error) {
    screen.app.complain(/** @type {any} */ (error));
  }
  screen.keep({ busy: false });
}

/** @param {import("../screen.js").Screen} screen @param {string} id @param {string} code */
async function finish(screen, id, code) {
  screen.keep({ busy: true, problem: "" });
  try {
    await verify(screen.app.api, id, code);
  } catch (error) {
    return screen.keep({ busy: false, problem: /** @type {Error} */ (error).message });
  }
  screen.keep({ busy: false, draft: null });
  screen.app.say(t.added);
  await screen.app.enter(); // the session is another one now, and may be allowed more
}

/** @param {import("../screen.js").Screen} screen @param {import("../mfa.js").Factor} factor */
async function remove(screen, factor) {
  const { app } = screen;
  const last = screen.data.factors.length === 1;
  const text = last && app.me.require_mfa ? t.removeDemanded : last ? t.removeLast : t.removeText;
  const sure = await ask({ title: t.removeTitle(factor.friendly_name ?? t.app), text, act: t.remove, danger: true, submit: () => removeFactor(app.api, factor.id) });
  if (!sure) return;
  app.say(t.removed);
  await app.enter();
}

/** What an admin demands of all. @param {import("../screen.js").Screen} screen */
function everybody(screen) {
  const { me } = screen.app;
  return html`<section><h2>${t.everybody}</h2>
    <p>${me.require_mfa ? t.isDemanded : me.aal === "aal2" ? t.notDemanded : t.ownFirst}</p>
    ${me.require_mfa ? html`<button @click=${() => demand(screen, false)}>${t.stop}</button>`
      : me.aal === "aal2" ? html`<button @click=${() => demand(screen, true)}>${t.demand}</button>` : nothing}
  </section>`;
}

/** @param {import("../screen.js").Screen} screen @param {boolean} wanted */
async function demand(screen, wanted) {
  const { app } = screen;
  const submit = async () => Object.assign(app.me, await app.ask("save_access_settings", { settings: { require_mfa: wanted } }));
  const sure = await ask({ title: wanted ? t.demandTitle : t.stopTitle, text: wanted ? t.demandText : t.stopText, act: wanted ? t.demand : t.stop, danger: true, submit });
  if (sure) app.say(wanted ? t.demandedSaid : t.stoppedSaid);
}
