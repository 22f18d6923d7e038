// Questions to the user: a dialog that gives back what was filled in, or null when it was closed.
import { html, nothing, render } from "lit-html";

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {"text" | "textarea" | "select" | "datetime-local" | "date" | "number" | "email" | "checkbox"} [type]
 * @property {string} [value]
 * @property {[string, string][]} [options]  value, label
 * @property {boolean} [required]
 * @property {string} [hint]
 */

/**
 * @param {{title: string, text?: unknown, fields?: Field[], act: string, danger?: boolean,
 *   submit?: (values: Record<string, string>) => Promise<unknown>}} question  `submit` keeps the dialog open and shows the reason if it fails
 * @returns {Promise<Record<string, string> | null>}
 */
export function ask(question) {
  const dialog = document.createElement("dialog");
  const opener = document.activeElement;
  document.body.append(dialog);
  let problem = "";
  let busy = false;
  return new Promise((resolve) => {
    const end = (/** @type {Record<string, string> | null} */ answer) => {
      dialog.close();
      dialog.remove();
      if (opener instanceof HTMLElement) opener.focus();
      resolve(answer);
    };
    const submit = async (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const form = /** @type {HTMLFormElement} */ (event.target);
      const values = /** @type {Record<string, string>} */ (Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)])));
      if (!question.submit) return end(values);
      busy = true;
      problem = "";
      draw();
      try {
        await question.submit(values);
        end(values);
      } catch (error) {
        problem = /** @type {Error} */ (error).message;
        busy = false;
        draw();
      }
    };
    const draw = () => render(html`<form @submit=${submit}>
      <h2>${question.title}</h2>
      ${question.text ? html`<p>${question.text}</p>` : nothing}
      ${(question.fields ?? []).map(field)}
      ${problem ? html`<p class="problem" role="alert">${problem}</p>` : nothing}
      <p class="buttons"><button type="button" @click=${() => end(null)}>Cancel</button>
        <button class=${question.danger ? "danger" : "primary"} ?disabled=${busy}>${question.act}</button></p>
    </form>`, dialog);
    dialog.addEventListener("cancel", (event) => { event.preventDefault(); end(null); });
    draw();
    dialog.showModal();
  });
}

/** @param {Field} given */
export function field(given) {
  const { name, label, type = "text", value = "", options = [], required = false, hint } = given;
  const input = type === "textarea" ? html`<textarea name=${name} ?required=${required} .value=${value}></textarea>`
    : type === "select" ? html`<select name=${name}>${options.map(([each, text]) => html`<option value=${each} ?selected=${each === value}>${text}</option>`)}</select>`
    : type === "checkbox" ? html`<input type="checkbox" name=${name} value="true" ?checked=${value === "true"} />`
    : html`<input name=${name} type=${type} .value=${value} ?required=${required} step=${type === "number" ? "any" : nothing} />`;
  return html`<label class=${type === "checkbox" ? "check" : ""}>${label}${input}${hint ? html`<small class="dim">${hint}</small>` : nothing}</label>`;
}
