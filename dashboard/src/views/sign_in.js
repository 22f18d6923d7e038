// The way in.
import { html, nothing } from "lit-html";

import { words } from "../words.js";

const said = { text: "", problem: false, busy: false };

/** @param {import("../app.js").App} app */
export function signIn(app) {
  const ways = app.config.sign_in;
  const byMail = ways.includes("password") || ways.includes("magic_link");
  return html`<section class="sign-in">
    <h1>${words.brand}</h1>
    ${byMail ? html`<form @submit=${(/** @type {SubmitEvent} */ event) => enter(app, event)}>
      <label>${words.signIn.email}<input name="email" type="email" required autocomplete="username" autofocus /></label>
      ${ways.includes("password") ? html`
        <label>${words.signIn.password}<input name="password" type="password" autocomplete="current-password" /></label>
        <button class="primary" name="way" value="password" ?disabled=${said.busy}>${words.signIn.enter}</button>` : nothing}
      ${ways.includes("magic_link") ? html`<button name="way" value="magic_link" ?disabled=${said.busy}>${words.signIn.magicLink}</button>` : nothing}
    </form>` : nothing}
    ${/** @type {const} */ (["github", "google"]).filter((each) => ways.includes(each)).map(
      (each) => html`<button @click=${() => attempt(app, () => app.api.signInAt(each))}>${words.signIn.at[each]}</button>`,
    )}
    <p class=${said.problem ? "problem" : "dim"} role=${said.problem ? "alert" : "status"}>${said.text || words.signIn.hint}</p>
  </section>`;
}

/** @param {import("../app.js").App} app @param {SubmitEvent} event */
async function enter(app, event) {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (event.target);
  const given = new FormData(form);
  const email = String(given.get("email")).trim();
  const byLink = /** @type {HTMLButtonElement | null} */ (event.submitter)?.value === "magic_link";
  await attempt(app, async () => {
    if (byLink) await app.api.sendMagicLink(email);
    else await app.api.signIn(email, String(given.get("password")));
    return byLink ? words.signIn.linkSent : "";
  });
}

async function attempt(/** @type {import("../app.js").App} */ app, /** @type {() => Promise<string | void>} */ how) {
  Object.assign(said, { busy: true, text: "", problem: false });
  app.draw();
  try {
    said.text = (await how()) || "";
  } catch (error) {
    Object.assign(said, { text: /** @type {Error} */ (error).message, problem: true });
  }
  said.busy = false;
  app.draw();
}
