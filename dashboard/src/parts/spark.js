// A small trend line, drawn as SVG. Gaps stay gaps.
import { svg, nothing } from "lit-html";

/** The path of a line through what is known. Pure. @param {(number | null)[]} values @param {number} width @param {number} height */
export function sparkPath(values, width, height) {
  const known = /** @type {number[]} */ (values.filter((value) => value !== null && Number.isFinite(value)));
  if (!known.length) return "";
  const low = Math.min(...known);
  const span = Math.max(...known) - low || 1;
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  let pen = false;
  return values.map((value, n) => {
    if (value === null || !Number.isFinite(value)) {
      pen = false;
      return "";
    }
    const at = `${(n * step).toFixed(1)} ${(height - ((value - low) / span) * height).toFixed(1)}`;
    const path = pen ? `L${at}` : `M${at}h0.1`;
    pen = true;
    return path;
  }).join("");
}

/** @param {(number | null)[] | null | undefined} values @param {string} label */
export function spark(values, label) {
  const path = values ? sparkPath(values, 120, 24) : "";
  if (!path) return nothing;
  return svg`<svg class="spark" viewBox="-2 -2 124 28" role="img" aria-label=${label} preserveAspectRatio="none"><path d=${path} /></svg>`;
}
