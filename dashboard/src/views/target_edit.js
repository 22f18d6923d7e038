// Creating and changing a target: a form made from what the functions can do, judged as it is typed, tried out before it is saved.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { basics, fields, kindsOf, params, settings, startOf, targetOf, timing } from "../logic/target_form.js";
import { Problem } from "../api.js";
import { told } from "../logic/form.js";
import { judgeSoon } from "../logic/live.js";
import { conflict, readSetting } from "../parts/conflict.js";
import { attempt, buttons, change, forget, formOf, inputs, problemsOf, submit, verdict } from "../parts/form.js";
import { probeResult } from "../parts/probe.js";
import { words } from "../words.js";

const NAME = "target";
const POLL_MS = 2000;

/** @type {import("../screen.js").View} */
export const view = {
  title: (data) => data.target?.name ?? words.targets.add,
  load: async (app, params, _query, before) => {
    if (before) return before;
    const [catalog, list, read] = await Promise.all([
      app.ask("get_catalog"), app.ask("list_targets"), params.id ? readSetting(app, "target", params.id) : { document: null, version: null }]);
    const target = read.document;
    if (params.id && !target) throw new Problem("not_found", words.target.gone);
    return { catalog, target, version: read.version, names: list.map((/** @type {any} */ each) => each.name).filter((/** @type {string} */ each) => each !== target?.name) };
  },
  render: (screen) => {
    const { catalog, target, names, version } = screen.data;
    const form = formOf(screen, NAME, "target", () => startOf(catalog, target, names), version);
    form.live = true;
    form.after = () => judgeSoon(form, () => judge(screen), () => screen.app.draw());
    const all = fields(catalog, form.draft, names);
    const problems = problemsOf(form, all);
    const back = target ? `/targets/${target.id}` : "/targets";
    const chain = settings(catalog, form.draft);
    const about = { screen, name: NAME, form, fields: all, save: () => store(screen) };
    return html`
      <p><a href="/targets">${words.targets.title}</a>${target ? html` › <a href=${back}>${target.name}</a>` : nothing}</p>
      <h1>${target ? words.editor.change : words.targets.add}</h1>
      <form class="panel form wide" novalidate @submit=${(/** @type {Event} */ event) => submit(event, about)}>
        ${inputs(screen, NAME, basics(catalog, form.draft, names), problems)}
        ${chain.length ? inputs(screen, NAME, [{ path: "settings", label: words.editor.settings, kind: "group", folded: true, fields: chain }], problems) : nothing}
        <section><h2>${words.target.checks}</h2>
          ${problems.checks && form.tried ? html`<p class="problem">${problems.checks}</p>` : nothing}
          ${repeat(kindsOf(catalog, form.draft), (kind) => kind, (kind) => check(screen, form, kind, problems))}
        </section>
        <div class="stick">${conflict({ ...about, read: target ? () => readSetting(screen.app, "target", target.id) : undefined, retry: () => attempt(about) })}
          ${buttons(screen, NAME, form, all, problems, back, words.save, verdict(form, all, problems))}</div>
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

/** @param {import("../screen.js").Screen} screen */
function current(screen) {
  const { catalog, target, names } = screen.data;
  const form = screen.kept.forms[NAME];
  // Deleted meanwhile, and wanted all the same: a new one. It must not replace another by its name.
  const { document, problems } = targetOf(catalog, form.draft, names, form.version === null ? null : target?.id ?? null);
  return { document, problems, version: form.version };
}

/** What cannot be read here is said here; the database judges the rest. @param {import("../screen.js").Screen} screen */
async function judge(screen) {
  const { document, problems, version } = current(screen);
  return Object.keys(problems).length ? "" : (await screen.app.ask("validate_target", { target: { ...document, version } })).problem ?? "";
}

/** @param {import("../screen.js").Screen} screen */
async function store(screen) {
  const { app } = screen;
  const { document, version } = current(screen);
  // A new one must not replace another by its name; asked first, it is no error of the API.
  const { problem } = await app.ask("validate_target", { target: { ...document, version } });
  if (problem) throw new Error(problem);
  const saved = await app.ask("save_target", { target: { ...document, version } });
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
