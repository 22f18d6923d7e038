// Who changed what: the chained log, its filters, its proof and its export.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { changes, csv } from "../logic/audit.js";
import { count, exact } from "../format.js";
import { badge } from "../parts/badge.js";
import { more } from "../parts/more.js";
import { save } from "../parts/save.js";
import { empty } from "../parts/states.js";
import { withQuery } from "../router.js";
import { words } from "../words.js";

const PAGE = 100;

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.audit.title,
  load: async (app, _params, query) => {
    const asked = { table_name: query.get("table"), actor: query.get("actor"), row_key: query.get("row"), max_rows: PAGE };
    const key = JSON.stringify(asked);
    try {
      const rows = await app.ask("list_audit_log", asked);
      return { key, rows: rows.map(named), full: rows.length < PAGE };
    } catch (problem) {
      // A filter that cannot be: the filters stay, so that it can be mended.
      if (/** @type {any} */ (problem).kind !== "refused") throw problem;
      return { key, rows: [], full: true, refused: /** @type {any} */ (problem).message };
    }
  },
  render: (screen) => html`
    <div class="title"><h1>${words.audit.title}</h1><p class="buttons">
      <button @click=${() => verify(screen)} ?disabled=${screen.kept.busy}>${words.audit.verify}</button>
      <button @click=${() => download(screen, "csv")} ?disabled=${screen.kept.busy}>CSV</button>
      <button @click=${() => download(screen, "jsonl")} ?disabled=${screen.kept.busy}>JSON lines</button></p></div>
    ${screen.kept.said ? html`<p class="panel" role="status">${screen.kept.said}</p>` : nothing}
    ${filters(screen)}
    ${screen.data.rows.length ? html`<ul class="rows">${repeat(screen.data.rows, (/** @type {any} */ each) => each.id, row)}</ul>` : screen.data.refused ? html`<p class="problem" role="alert">${screen.data.refused}</p>` : empty(words.audit.none)}
    ${more(screen, async (last) => (await screen.app.ask("list_audit_log", { ...JSON.parse(screen.data.key), before_seq: last.seq })).map(named))}
  `,
};

/** `more` knows rows by their id. @param {any} row */
const named = (row) => ({ ...row, id: row.seq });

/** @param {import("../screen.js").Screen} screen */
function filters(screen) {
  const input = (/** @type {string} */ name, /** @type {string} */ label) => html`<label>${label}<input type="search" .value=${screen.query.get(name) ?? ""}
    @change=${(/** @type {any} */ event) => screen.app.open(withQuery(screen.url, { [name]: event.target.value.trim() }), { replace: true })} /></label>`;
  return html`<div class="bar" role="search">${input("table", words.audit.table)} ${input("actor", words.audit.actor)} ${input("row", words.audit.row)}</div>`;
}

/** @param {any} entry */
function row(entry) {
  return html`<li><details class="grow">
    <summary><span class="dim">${entry.seq}</span> <time datetime=${entry.at}>${exact(entry.at)}</time> <strong>${entry.actor}</strong> ${words.audit.actions[entry.action] ?? entry.action}
      ${entry.table_name} <strong>${entry.row_key}</strong></summary>
    <div class="scroll" tabindex="0"><table><thead><tr><th>${words.audit.field}</th><th>${words.audit.before}</th><th>${words.audit.after}</th></tr></thead>
      <tbody>${changes(entry.before, entry.after).map((each) => html`<tr><td>${each.field}</td><td><code>${each.before}</code></td><td><code>${each.after}</code></td></tr>`)}</tbody></table></div>
    <p class="dim">${words.audit.hash} <code>${entry.hash}</code></p>
  </details></li>`;
}

/** Part by part, so that the progress can be told. @param {import("../screen.js").Screen} screen */
async function verify(screen) {
  screen.keep({ busy: true, said: words.audit.verifying(0) });
  try {
    let from = 1;
    let rows = 0;
    for (;;) {
      const found = await screen.app.ask("verify_audit_log", { from_seq: from, max_rows: 20000 });
      rows += found.rows;
      if (!found.ok) {
        screen.keep({ said: html`${badge("critical", words.audit.broken)} ${words.audit.at} ${found.first_broken.seq}: ${found.first_broken.reason}` });
        break;
      }
      if (!found.next_seq) {
        screen.keep({ said: html`${badge("ok", words.audit.intact)} ${count(rows, "entry", "entries")}, ${words.audit.head} <code>${found.head.hash}</code>` });
        break;
      }
      from = found.next_seq;
      screen.keep({ said: words.audit.verifying(rows) });
    }
  } catch (error) {
    screen.keep({ said: null });
    screen.app.complain(/** @type {any} */ (error));
  }
  screen.keep({ busy: false });
}

/** @param {import("../screen.js").Screen} screen @param {"csv" | "jsonl"} format */
async function download(screen, format) {
  screen.keep({ busy: true });
  try {
    /** @type {string[]} */
    const parts = format === "csv" ? [csv.head] : [];
    let after = 0;
    for (;;) {
      const page = await screen.app.ask("export_audit_log", { after_seq: after, max_rows: 5000 });
      for (const each of page.rows) parts.push(format === "csv" ? csv.line(each) : `${JSON.stringify(each)}\n`);
      if (!page.next_seq) break;
      after = page.next_seq;
      screen.keep({ said: words.audit.exporting(parts.length) });
    }
    save(`audit-log.${format}`, new Blob(parts), format === "csv" ? "text/csv" : "application/jsonl");
    screen.keep({ said: null });
  } catch (error) {
    screen.app.complain(/** @type {any} */ (error));
  }
  screen.keep({ busy: false });
}
