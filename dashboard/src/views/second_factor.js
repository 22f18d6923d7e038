// Between the sign-in and the page: the code of whoever has a second factor.
import { html, nothing } from "lit-html";

import { verify } from "../mfa.js";
import { codeForm } from "../parts/code.js";
import { signOut } from "../parts/sign_out.js";
import { words } from "../words.js";

const t = words.mfa;
const said = { problem: "", busy: false };

/** @param {import("../app.js").App} app */
export function secondFactor(app) {
  const [first, ...others] = app.factors;
  const which = others.length ? html`<label>${t.which}<select name="factor">${app.factors.map((each) => html`<option value=${each.id}>${each.friendly_name ?? t.app}</option>`)}</select></label>` : nothing;
  const enter = async (/** @type {FormData} */ given) => {
    Object.assign(said, { busy: true, problem: "" });
    app.draw();
    try {
      await verify(app.api, String(given.get("factor") ?? first.id), String(given.get("code")));
    } catch (error) {
      said.problem = /** @type {Error} */ (error).message;
    }
    said.busy = false;
    app.draw();
  };
  const away = async () => {
    said.problem = "";
    await signOut(app, "local");
  };
  return html`<section class="sign-in">
    <h1>${words.brand}</h1>
    <p>${t.ask}</p>
    ${codeForm(said, words.signIn.enter, enter, { above: which, beside: html`<button type="button" @click=${away}>${words.account.signOut}</button>` })}
    <p class="dim">${t.lost}</p>
  </section>`;
}
