// Who may do what.
import { html } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { accessTabs } from "../parts/access.js";
import { ask } from "../parts/dialog.js";
import { empty } from "../parts/states.js";
import { when } from "../parts/time.js";
import { words } from "../words.js";

const ROLES = ["admin", "responder", "viewer", "auditor"];

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.members.title,
  load: (app) => app.ask("list_members"),
  render: (screen) => html`
    ${accessTabs("members", html`<button class="primary" @click=${() => grant(screen)}>${words.members.add}</button>`)}
    <dl class="facts dim">${ROLES.map((role) => html`<dt>${role}</dt><dd>${words.members.roles[role]}</dd>`)}</dl>
    ${screen.data.length ? html`<ul class="rows">${repeat(screen.data, (/** @type {any} */ each) => each.user_id, (each) => row(screen, each))}</ul>` : empty(words.members.none)}
  `,
};

/** @param {import("../screen.js").Screen} screen @param {any} member */
function row(screen, member) {
  const self = member.user_id === screen.app.me.user_id;
  return html`<li>
    <span class="grow">${member.email}${self ? html` <span class="dim">${words.members.you}</span>` : ""}</span>
    <span class="dim">${words.members.since} ${when(member.granted_at)}</span>
    <select aria-label=${`${words.members.role} ${member.email}`} .value=${member.role} @change=${(/** @type {any} */ event) => change(screen, member, event.target)}>
      ${ROLES.map((role) => html`<option value=${role} ?selected=${role === member.role}>${role}</option>`)}</select>
    <button class="danger" @click=${() => revoke(screen, member, self)}>${words.members.revoke}</button>
  </li>`;
}

/** @param {import("../screen.js").Screen} screen */
async function grant(screen) {
  const given = await ask({
    title: words.members.add,
    text: words.members.addText,
    fields: [
      { name: "email", label: words.signIn.email, type: "email", required: true },
      { name: "role", label: words.members.role, type: "select", value: "viewer", options: ROLES.map((role) => [role, role]) },
    ],
    act: words.members.add,
    // Whom the list does not have has no role, as far as can be seen here.
    submit: ({ email, role }) => screen.app.ask("change_role", {
      email: email.trim(), role, saw: screen.data.find((/** @type {any} */ each) => each.email === email.trim().toLowerCase())?.role ?? null }),
  });
  if (given) await screen.refresh();
}

/** @param {import("../screen.js").Screen} screen @param {any} member @param {HTMLSelectElement} select */
async function change(screen, member, select) {
  const role = select.value;
  const self = member.user_id === screen.app.me.user_id;
  if (self && !(await ask({ title: words.members.ownTitle, text: words.members.ownText, act: words.members.change, danger: true }))) {
    select.value = member.role;
    return;
  }
  await screen.act(
    (data) => data.map((/** @type {any} */ each) => (each.user_id === member.user_id ? { ...each, role } : each)),
    () => screen.app.ask("change_role", { email: member.email, role, saw: member.role }),
    words.members.changed(member.email, role),
  );
}

/** @param {import("../screen.js").Screen} screen @param {any} member @param {boolean} self */
async function revoke(screen, member, self) {
  const sure = await ask({ title: words.members.revokeTitle(member.email), text: self ? words.members.ownText : words.members.revokeText, act: words.members.revoke, danger: true });
  if (!sure) return;
  await screen.act(
    (data) => data.filter((/** @type {any} */ each) => each.user_id !== member.user_id),
    () => screen.app.ask("change_role", { email: member.email, role: null, saw: member.role }),
    words.members.revoked(member.email),
  );
}
