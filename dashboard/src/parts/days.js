// A bar per day. Down, unknown and maintenance differ by pattern as well as by colour; the numbers are on hover.
import { html, svg } from "lit-html";

import { duration, percent } from "../format.js";
import { column } from "../logic/days.js";
import { words } from "../words.js";

/** @param {any[]} list @param {string} label */
export function days(list, label) {
  return html`<svg class="days" viewBox=${`0 0 ${list.length * 4} 100`} preserveAspectRatio="none" role="img" aria-label=${label}>
    ${list.map((day, n) => svg`<g transform=${`translate(${n * 4} 0)`}>
      <title>${told(day)}</title><rect class="slot" width="3.2" height="100" />
      ${column(day).map((part) => svg`<rect class=${part.name} y=${part.top.toFixed(2)} width="3.2" height=${part.height.toFixed(2)} />`)}
    </g>`)}
  </svg>`;
}

/** @param {any} day */
function told(day) {
  const parts = ["down", "unknown", "maintenance"].filter((name) => Number(day[`${name}_s`]) > 0).map((name) => `${words.uptime.states[name]} ${duration(Number(day[`${name}_s`]))}`);
  return `${day.day}: ${percent(day.uptime_percent)}${parts.length ? `, ${parts.join(", ")}` : ""}`;
}

/** The patterns and what they mean, once per view. */
export function legend() {
  return html`<p class="legend dim">${["up", "down", "unknown", "maintenance"].map((name) => html`<span><svg viewBox="0 0 12 12" aria-hidden="true"><rect class=${name} width="12" height="12" /></svg>${words.uptime.states[name]}</span>`)}
    <svg width="0" height="0" aria-hidden="true"><defs>
      <pattern id="hatched" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="4" height="4" class="hatch-back" /><rect width="1.6" height="4" class="hatch-line" /></pattern>
      <pattern id="dotted" width="3" height="3" patternUnits="userSpaceOnUse"><rect width="3" height="3" class="dot-back" /><circle cx="1.5" cy="1.5" r="0.7" class="dot" /></pattern>
    </defs></svg></p>`;
}
