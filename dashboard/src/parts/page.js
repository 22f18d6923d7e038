// The frame around every view: menu, who is signed in, what is wrong with the connection, messages.
import { html, nothing, render } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { exact } from "../format.js";
import { shown } from "../status.js";
import { secondFactor } from "../views/second_factor.js";
import { signIn } from "../views/sign_in.js";
import { words } from "../words.js";
import { badge } from "./badge.js";
import { signOut } from "./sign_out.js";
import { failed, forbidden, loading } from "./states.js";

/** @param {import("../app.js").App} app */
export function page(app) {
  if (app.state === "starting") return html`<main class="main">${loading()}</main>`;
  if (app.state !== "signed_in") {
    return html`<main id="main" class="main narrow" tabindex="-1">${app.state === "second_factor" ? secondFactor(app) : signIn(app)}</main>${messages(app)}`;
  }
  return html`
    <a class="skip" href="#main">${words.skip}</a>
    ${top(app)}
    <div class=${app.away ? "content away" : "content"}>
      ${app.awaySince ? html`<p class="banner" role="alert">${words.away(exact(app.awaySince))}</p>` : nothing}
      <main id="main" class="main" tabindex="-1">${content(app)}</main>
    </div>
    ${messages(app)}
  `;
}

function top(/** @type {import("../app.js").App} */ app) {
  const here = app.routes.find((each) => each.name === app.screen?.name);
  return html`<header class="top">
    <a class="brand" href="/">${words.brand}</a>
    ${app.health || app.away ? html`<a class="verdict" href="/">${badge(shown(app.health?.status, app.away))}</a>` : html`<span class="verdict"></span>`}
    <button class="menu-button" aria-expanded=${app.menuOpen} aria-controls="nav" @click=${() => { app.menuOpen = !app.menuOpen; app.draw(); }}>${words.menu}</button>
    <nav id="nav" class=${app.menuOpen ? "nav open" : "nav"} aria-label="Views">
      ${words.nav.filter((each) => app.screenMay(each.name)).map(
        (each) => html`<a href=${each.path} aria-current=${(here?.nav ?? here?.name) === each.name ? "page" : nothing}>${each.label}${
          each.name === "alerts" && app.health?.alerts?.firing ? html` <span class="count">${app.health.alerts.firing}</span>` : nothing}</a>`,
      )}
    </nav>
    ${account(app)}
  </header>`;
}

function account(/** @type {import("../app.js").App} */ app) {
  if (!app.me) return nothing;
  return html`<details class="account">
    <summary title=${`${words.account.as} ${app.me.email ?? ""}`}>${app.me.email ?? words.account.as}</summary>
    <div class="popup">
      <p>${words.account.role}: <strong>${app.me.role ?? "–"}</strong></p>
      ${app.may("read") || app.me.needs_mfa ? html`<a href="/account" @click=${closeAccount}>${words.mfa.title}</a>` : nothing}
      <button @click=${() => signOut(app, "local")}>${words.account.signOut}</button>
      <button @click=${() => signOut(app, "global")}>${words.account.everywhere}</button>
    </div>
  </details>`;
}

/** @param {Event} event */
const closeAccount = (event) => /** @type {Element} */ (event.target).closest("details")?.removeAttribute("open");

function content(/** @type {import("../app.js").App} */ app) {
  const { screen, me } = app;
  if (!me) return app.away ? nothing : loading();
  if (!app.may("read") && !(me.needs_mfa && screen?.name === "account")) return nobody(app);
  if (!screen) return loading();
  const right = app.routes.find((each) => each.name === screen.name)?.right;
  if (right && !app.may(/** @type {any} */ (right))) return forbidden();
  if (screen.data === null) return screen.problem ? failed(screen) : loading();
  return html`${screen.problem && !app.away ? failed(screen) : nothing}${screen.view.render(screen)}`;
}

function nobody(/** @type {import("../app.js").App} */ app) {
  if (app.me.needs_mfa) {
    return html`<section class="narrow"><h1>${words.mfa.needed}</h1>
      ${app.config.mfa ? html`<p>${words.mfa.neededText} <a href="/account">${words.mfa.title}</a>.</p>` : html`<p>${words.mfa.neededElsewhere}</p>`}</section>`;
  }
  return html`<section class="narrow">
    <h1>${words.nobody.title}</h1>
    <p>${words.nobody.text} <strong>${app.me.email}</strong></p>
    <p>${words.nobody.how} <code>watchkeeper members grant ${app.me.email} viewer</code></p>
  </section>`;
}

function messages(/** @type {import("../app.js").App} */ app) {
  return html`<div class="messages" role="status" aria-live="polite">
    ${repeat(app.messages, (each) => each.id, (each) => html`<p class=${each.kind}>${each.text}
      <button class="plain" aria-label="Dismiss" @click=${() => app.hush(each.id)}>✕</button></p>`)}
  </div>`;
}

const helpShown = () => /** @type {HTMLDialogElement | null} */ (document.querySelector("dialog.help"));

export const helpIsOpen = () => Boolean(helpShown());

/** It comes and goes at once, not with a frame or an event, so that no key that is typed meanwhile is lost. @param {import("../app.js").App} app */
export function openHelp(app) {
  const dialog = document.createElement("dialog");
  dialog.className = "help";
  dialog.setAttribute("aria-labelledby", "help-title");
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && closeHelp());
  render(html`
    <h2 id="help-title">${words.help.title}</h2>
    <dl>
      ${words.nav.filter((each) => app.screenMay(each.name)).map((each) => html`<dt><kbd>${each.key}</kbd></dt><dd>${each.label}</dd>`)}
      ${words.help.keys.map(([key, does]) => html`<dt><kbd>${key}</kbd></dt><dd>${does}</dd>`)}
    </dl>
    <button @click=${closeHelp}>${words.help.close}</button>`, dialog);
  document.body.append(dialog);
  dialog.showModal();
}

/** The focus goes back to where it was. */
export function closeHelp() {
  const dialog = helpShown();
  dialog?.close();
  dialog?.remove();
}
