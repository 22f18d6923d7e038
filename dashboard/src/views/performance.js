// How long operations take: percentiles, compared with the window before, and over time.
import { html, nothing } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { digits, quantity } from "../format.js";
import { badge } from "../parts/badge.js";
import "../parts/chart.js";
import { empty } from "../parts/states.js";
import { withQuery } from "../router.js";
import { words } from "../words.js";

const WINDOWS = [["900", "15 min"], ["3600", "1 h"], ["21600", "6 h"], ["86400", "1 d"], ["604800", "7 d"]];

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.performance.title,
  every: () => 60,
  load: async (app, _params, query) => {
    const window_s = Number(query.get("window") ?? 3600);
    const list = await app.ask("get_benchmarks", { window_s });
    const chosen = list.find((/** @type {any} */ each) => keyOf(each) === query.get("of"));
    const to = new Date();
    const series = chosen ? await app.ask("get_benchmark_series", {
      benchmark_name: chosen.benchmark_name, operation_type: chosen.operation_type, points: 120,
      from_time: new Date(to.getTime() - 2 * window_s * 1000).toISOString(), to_time: to.toISOString(),
    }) : null;
    return { window_s, list, chosen, series };
  },
  render: (screen) => {
    const { list, chosen, series } = screen.data;
    return html`
      <h1>${words.performance.title}</h1>
      <div class="bar"><label>${words.performance.window}<select @change=${(/** @type {any} */ event) => screen.app.open(withQuery(screen.url, { window: event.target.value }), { replace: true })}>
        ${WINDOWS.map(([value, label]) => html`<option value=${value} ?selected=${Number(value) === screen.data.window_s}>${label}</option>`)}</select></label></div>
      ${list.length ? table(screen, list) : empty(words.performance.none)}
      ${chosen ? html`<section><h2>${chosen.benchmark_name} ${chosen.operation_type}</h2><div class="panel chart">${chart(series)}</div></section>` : nothing}
    `;
  },
};

/** @param {any} each */
const keyOf = (each) => `${each.benchmark_name}/${each.operation_type}`;

/** @param {import("../screen.js").Screen} screen @param {any[]} list */
function table(screen, list) {
  return html`<div class="scroll panel" tabindex="0"><table>
    <thead><tr><th>${words.performance.operation}</th><th class="number">p50</th><th class="number">p95</th><th class="number">p99</th>
      <th class="number">${words.performance.n}</th><th class="number">${words.performance.success}</th><th class="number">${words.performance.change}</th><td></td></tr></thead>
    <tbody>${repeat(list, keyOf, (each) => html`<tr>
      <td><a href=${withQuery(screen.url, { of: keyOf(each) })}>${each.benchmark_name} ${each.operation_type}</a></td>
      ${["p50_ms", "p95_ms", "p99_ms"].map((name) => html`<td class="number">${quantity(each.now?.[name], "ms")}</td>`)}
      <td class="number">${quantity(each.now?.n)}</td>
      <td class="number">${quantity(each.now?.success_rate, "percent")}</td>
      <td class="number">${signed(each.change_percent?.p95)}</td>
      <td>${each.regression ? badge("warning", words.performance.slower) : nothing}</td>
    </tr>`)}</tbody></table></div>`;
}

/** @param {number | null | undefined} percent */
function signed(percent) {
  if (percent === null || percent === undefined) return "–";
  return `${Number(percent) > 0 ? "+" : ""}${digits(Number(percent))} %`;
}

/** @param {any[]} series */
function chart(series) {
  const numbers = (/** @type {string} */ name) => series.map((point) => (point[name] === null ? null : Number(point[name])));
  return html`<wk-chart .data=${{
    label: words.performance.title,
    times: series.map((point) => Date.parse(point.at) / 1000),
    series: [{ name: "p50", unit: "ms", values: numbers("p50_ms") }, { name: "p95", unit: "ms", values: numbers("p95_ms") }],
    height: 240,
  }}></wk-chart>`;
}
