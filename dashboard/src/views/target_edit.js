// Creating and changing a target: a form made from what the functions can do, judged as it is typed, tried out before it is saved.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { basics, fields, kindsOf, params, settings, startOf, targetOf, timing } from "../logic/target_form.js";
import { told } from "../logic/form.js";
import { buttons, change, forget, formOf, inputs, problemsOf, submit } from "../parts/form.js";
import { probeResult } from "../parts/probe.js";
import { words } from "../words.js";

const NAME = "target";
const PAUSE_MS = 500;
const POLL_MS = 2000;

/** @type {import("../screen.js").View} */
export const view = {
  title: (data) => data.target?.name ?? words.targets.add,
  load: async (app, params, _query, before) => {
    if (before) return before;
    const [catalog, list, target] = await Promise.all([
      app.ask("get_catalog"), app.ask("list_targets"), params.id ? app.ask("get_target", { target_id: params.id }) : null]);
    return { catalog, target, names: list.map((/** @type {any} */ each) => each.name).filter((/** @type {string} */ each) => each !== target?.name) };
  },
  render: (screen) => {
    const { catalog, target, names } = screen.data;
    const form = formOf(screen, NAME, "target", () => startOf(catalog, target, names));
    form.live = true;
    form.after = () => validateSoon(screen);
    const all = fields(catalog, form.draft, names);
    const problems = problemsOf(form, all);
    const back = target ? `/targets/${target.id}` : "/targets";
    const chain = settings(catalog, form.draft);
    const save = () => store(screen);
    return html`
      <p><a href="/targets">${words.targets.title}</a>${target ? html` › <a href=${back}>${target.name}</a>` : nothing}</p>
      <h1>${target ? words.editor.change : words.targets.add}</h1>
      <form class="panel form wide" novalidate @submit=${(/** @type {Event} */ event) => submit(event, { screen, name: NAME, form, fields: all, save })}>
        ${inputs(screen, NAME, basics(catalog, form.draft, names), problems)}
        ${chain.length ? inputs(screen, NAME, [{ path: "settings", label: words.editor.settings, kind: "group", folded: true, fields: chain }], problems) : nothing}
        <section><h2>${words.target.checks}</h2>
          ${problems.checks && form.tried ? html`<p class="problem">${problems.checks}</p>` : nothing}
          ${repeat(kindsOf(catalog, form.draft), (kind) => kind, (kind) => check(screen, form, kind, problems))}
        </section>
        <div class="stick">${buttons(screen, NAME, form, all, problems, back, words.save, verdict(screen, form, all, problems))}</div>
      </form>`;
  },
};

/** @param {import("../screen.js").Screen} screen @param {import("../parts/form.js").Form} form @param {string} kind @param {Record<string, string>} problems */
function check(screen, form, kind, problems) {
  const { catalog } = screen.data;
  const on = Boolean(form.draft[`checks.${kind}`]);
  const problem = on ? problems[`checks.${kind}`] : undefined;
  const probe = screen.kept.probes?.[kind];
  const busy = probe && !probe.problem && ["waiting", "running"].includes(probe.status);
  return html`<div class="check-block">
    <p class="bar"><label class="tick"><input type="checkbox" .checked=${on} @change=${(/** @type {any} */ event) => change(screen, NAME, `checks.${kind}`, event.target.checked)} /><strong>${kind}</strong></label>
      <span class="grow dim">${words.editor.kinds[/** @type {"uptime"} */ (kind)] ?? ""}</span>
      ${on ? html`<button type="button" ?disabled=${busy} @click=${() => test(screen, kind)}>${words.probe.test}</button>` : nothing}</p>
    ${problem ? html`<p class="problem" role="alert">${problem}</p>` : nothing}
    ${on ? html`${inputs(screen, NAME, timing(catalog, kind), problems)}
      ${inputs(screen, NAME, [{ path: `checks.${kind}.params`, label: words.editor.params, kind: "group", folded: true, fields: params(catalog, form.draft, kind) }], problems)}
      ${probeResult(probe)}` : nothing}
  </div>`;
}

/** The word beside the buttons. @param {import("../screen.js").Screen} screen @param {import("../parts/form.js").Form} form @param {import("../logic/form.js").Field[]} all @param {Record<string, string>} problems */
function verdict(screen, form, all, problems) {
  if (screen.kept.judging) return html`<span class="dim">${words.form.checking}</span>`;
  const [path, text] = Object.entries(problems)[0] ?? [];
  if (path !== undefined) return html`<span class="dim">${words.form.notYet} ${told(all, form.draft, path, text)}</span>`;
  return form.changed ? html`<span class="dim">${words.form.fits}</span>` : nothing;
}

/** @param {import("../screen.js").Screen} screen */
function current(screen) {
  const { catalog, target, names } = screen.data;
  return targetOf(catalog, screen.kept.forms[NAME].draft, names, target?.id ?? null);
}

/** Asks the database once the typing rests; an answer about what is no longer there is dropped. @param {import("../screen.js").Screen} screen */
function validateSoon(screen) {
  clearTimeout(screen.kept.pause);
  const turn = (screen.kept.turn ?? 0) + 1;
  Object.assign(screen.kept, { turn, judging: true, pause: setTimeout(() => validate(screen, turn), PAUSE_MS) });
}

/** @param {import("../screen.js").Screen} screen @param {number} turn */
async function validate(screen, turn) {
  const form = screen.kept.forms?.[NAME];
  if (screen.closed || !form) return;
  const { document: target, problems } = current(screen);
  let refused = "";
  try {
    // What cannot be read here is said here; the database judges the rest.
    refused = Object.keys(problems).length ? "" : (await screen.app.ask("validate_target", { target })).problem ?? "";
  } catch (error) {
    refused = /** @type {any} */ (error).kind === "refused" ? /** @type {Error} */ (error).message : "";
  }
  if (turn !== screen.kept.turn) return;
  form.refused = refused;
  screen.keep({ judging: false });
}

/** @param {import("../screen.js").Screen} screen */
async function store(screen) {
  const { app } = screen;
  const { document: target } = current(screen);
  clearTimeout(screen.kept.pause);
  screen.keep({ turn: (screen.kept.turn ?? 0) + 1, judging: false });
  // A new one must not replace another by its name.
  const { problem } = await app.ask("validate_target", { target });
  if (problem) throw new Error(problem);
  const saved = await app.ask("save_target", { target });
  forget(screen, NAME);
  app.say(words.form.saved(saved.name));
  await app.open(`/targets/${saved.id}`, { replace: true });
}

/** @param {import("../screen.js").Screen} screen @param {string} kind */
async function test(screen, kind) {
  const form = screen.kept.forms[NAME];
  const { catalog, names } = screen.data;
  const { document: target, problems } = current(screen);
  if (!target.name) {
    // A test needs no name.
    target.name = words.probe.unnamed;
    delete problems.name;
  }
  const show = (/** @type {any} */ probe) => screen.keep({ probes: { ...screen.kept.probes, [kind]: probe } });
  const [path, text] = Object.entries(problems)[0] ?? [];
  if (path !== undefined) {
    form.tried = true;
    return show({ problem: told(fields(catalog, form.draft, names), form.draft, path, text) });
  }
  try {
    let probe = await screen.app.ask("request_probe", { target, kind });
    const { id } = probe;
    show(probe);
    while (!screen.closed && ["waiting", "running"].includes(probe.status)) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      if (document.hidden || screen.closed) continue;
      try {
        probe = await screen.app.ask("get_probe", { probe_id: id });
      } catch (error) {
        if (/** @type {any} */ (error).kind === "unreachable") continue;
        throw error;
      }
      if (screen.kept.probes?.[kind]?.id === id) show(probe);
    }
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    if (message.startsWith("target")) Object.assign(form, { refused: message, tried: true });
    show({ problem: message });
  }
}
