// A line over time, with its gaps: what was not measured is not drawn.  <wk-chart .data=${{...}}></wk-chart>
import UPlot from "uplot";

import { exact, quantity } from "../format.js";

/**
 * @typedef {object} ChartData
 * @property {string} label  what a reader who cannot see it is told
 * @property {number[]} times  seconds since 1970
 * @property {{name: string, unit?: string | null, values: (number | null)[], band?: boolean}[]} series
 * @property {number} [limit]  a line that means too much
 * @property {number} [height]
 */

const STROKES = ["--link", "--warning", "--critical", "--ok"];
const DASHES = [[], [6, 4], [2, 3], [8, 3, 2, 3]];

class Chart extends HTMLElement {
  constructor() {
    super();
    /** @type {UPlot | null} */
    this.plot = null;
    /** @type {ChartData | null} */
    this.given = null;
    this.watch = new ResizeObserver(() => this.plot?.setSize(this.size()));
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.redraw = () => this.draw();
  }

  connectedCallback() {
    this.watch.observe(this);
    this.scheme.addEventListener("change", this.redraw);
    this.draw();
  }

  disconnectedCallback() {
    this.watch.disconnect();
    this.scheme.removeEventListener("change", this.redraw);
    this.plot?.destroy();
    this.plot = null;
  }

  /** @param {ChartData} data */
  set data(data) {
    const same = this.plot && this.given?.series.length === data.series.length && this.given.limit === data.limit;
    this.given = data;
    if (same) this.plot?.setData(this.columns());
    else if (this.isConnected) this.draw();
    this.setAttribute("role", "img");
    this.setAttribute("aria-label", summary(data));
  }

  size() {
    return { width: Math.max(160, this.clientWidth), height: this.given?.height ?? 180 };
  }

  /** @returns {UPlot.AlignedData} */
  columns() {
    const { times, series, limit } = /** @type {ChartData} */ (this.given);
    const columns = [times, ...series.map((each) => each.values)];
    if (limit !== undefined) columns.push(times.map(() => limit));
    return /** @type {UPlot.AlignedData} */ (columns);
  }

  draw() {
    if (!this.given || !this.isConnected) return;
    const data = this.given;
    const colour = (/** @type {string} */ name) => getComputedStyle(this).getPropertyValue(name).trim() && resolved(this, name);
    const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    const unit = data.series[0]?.unit;
    this.plot?.destroy();
    this.plot = new UPlot({
      ...this.size(),
      legend: { show: data.series.length > 1 || data.limit !== undefined },
      cursor: { y: false, drag: { x: false, y: false } },
      series: [
        { value: (_plot, at) => (at ? exact(at * 1000) : "–") },
        ...data.series.map((each, n) => ({
          label: each.name, stroke: colour(STROKES[n % 4]), dash: DASHES[n % 4], width: 1.5, spanGaps: false,
          points: { show: each.values.length < 40 }, value: (/** @type {UPlot} */ _plot, /** @type {number} */ value) => quantity(value, each.unit),
        })),
        ...(data.limit === undefined ? [] : [{ label: "limit", stroke: colour("--critical"), dash: [4, 4], width: 1, value: (/** @type {UPlot} */ _plot, /** @type {number} */ value) => quantity(value, unit) }]),
      ],
      axes: [axis, { ...axis, size: 64, values: (_plot, ticks) => ticks.map((tick) => quantity(tick, unit)) }],
    }, this.columns(), this);
  }
}

/** light-dark() and var() as the colour that a canvas understands. @param {HTMLElement} element @param {string} name */
function resolved(element, name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

/** @param {ChartData} data */
function summary(data) {
  const parts = data.series.map((each) => {
    const known = /** @type {number[]} */ (each.values.filter((value) => value !== null));
    if (!known.length) return `${each.name}: nothing measured`;
    const last = known[known.length - 1];
    return `${each.name}: now ${quantity(last, each.unit)}, from ${quantity(Math.min(...known), each.unit)} to ${quantity(Math.max(...known), each.unit)}`;
  });
  return `${data.label}. ${parts.join("; ")}`;
}

customElements.define("wk-chart", Chart);
