// Asks for the six digits that an authenticator app shows now.
import { html, nothing } from "lit-html";
import { ref } from "lit-html/directives/ref.js";

import { words } from "../words.js";

const t = words.mfa;

/** @typedef {{problem: string, busy: boolean}} Said */

/** @param {Said} said @param {string} act @param {(form: FormData) => void} enter
 * @param {{above?: unknown, beside?: unknown}} more  above the code, and beside the button */
export function codeForm(said, act, enter, { above = nothing, beside = nothing }) {
  return html`<form class="code" @submit=${(/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    enter(new FormData(/** @type {HTMLFormElement} */ (event.target)));
  }}>
    ${above}
    <label>${t.code}<input name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="12" required spellcheck="false"
      aria-invalid=${said.problem ? "true" : nothing} aria-describedby=${said.problem ? "code-problem" : nothing} ${ref(focus)} /></label>
    ${said.problem ? html`<p class="problem" id="code-problem" role="alert">${said.problem}</p>` : nothing}
    <p class="buttons">${beside}<button class="primary" ?disabled=${said.busy}>${act}</button></p>
  </form>`;
}

/** Once it is part of the page. @param {Element | undefined} input */
function focus(input) {
  queueMicrotask(() => /** @type {HTMLInputElement | undefined} */ (input)?.focus());
}
