// Times, numbers and units as people read them. Pure: now is given.

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;

/** 42 s, 3 min, 2 h 5 min, 3 d. @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(Number(seconds))) return "–";
  const s = Number(seconds);
  if (s < 0) return `-${duration(-s)}`;
  if (s < 1) return s === 0 ? "0 s" : `${digits(s * 1000)} ms`;
  if (s < 10) return `${digits(s)} s`;
  if (s < MINUTE) return `${Math.floor(s)} s`;
  if (s < HOUR) return two(s, MINUTE, "min", 1, "s", 10 * MINUTE);
  if (s < DAY) return two(s, HOUR, "h", MINUTE, "min", 10 * HOUR);
  return two(s, DAY, "d", HOUR, "h", 10 * DAY);
}

/** The smaller unit is left out once it says little. */
function two(/** @type {number} */ s, /** @type {number} */ big, /** @type {string} */ bigName, /** @type {number} */ small, /** @type {string} */ smallName, /** @type {number} */ until) {
  const whole = Math.floor(s / big);
  const rest = Math.floor((s - whole * big) / small);
  return rest && s < until ? `${whole} ${bigName} ${rest} ${smallName}` : `${whole} ${bigName}`;
}

/** @param {string | null | undefined} iso @param {Date} now */
export function ago(iso, now) {
  if (!iso) return "never";
  const seconds = (now.getTime() - Date.parse(iso)) / 1000;
  if (!Number.isFinite(seconds)) return "–";
  if (Math.abs(seconds) < 1) return "now";
  return seconds >= 0 ? `${duration(Math.floor(seconds))} ago` : `in ${duration(Math.floor(-seconds))}`;
}

/** 2026-11-23 15:04:05, in the zone of who looks. @param {string | number | Date | null | undefined} moment */
export function exact(moment) {
  if (moment === null || moment === undefined || moment === "") return "";
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return "";
  const pad = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** Sensible digits: 0.123, 4.56, 78.9, 12,345; what is large and whole stays exact. @param {number} value */
export function digits(value) {
  const size = Math.abs(value);
  const decimals = size === 0 || size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toLocaleString("en-US", { maximumFractionDigits: decimals });
}

/** A value with its unit; what is not known is a dash, never 0. @param {unknown} value @param {string | null} [unit] */
export function quantity(value, unit) {
  if (value === null || value === undefined || value === "" || !Number.isFinite(Number(value))) return "–";
  const n = Number(value);
  if (unit === "s") return duration(n);
  if (unit === "ms") return n >= 1000 ? duration(n / 1000) : `${digits(n)} ms`;
  const text = Number.isInteger(n) && !Number.isSafeInteger(n) ? String(value) : digits(n);
  return unit ? `${text} ${unit === "percent" ? "%" : unit}` : text;
}

/** Never shown as 100 % if it is less, nor as 0 % if it is more. @param {unknown} value */
export function percent(value) {
  if (value === null || value === undefined || !Number.isFinite(Number(value))) return "–";
  const n = Number(value);
  for (const decimals of [2, 3, 4]) {
    const text = n.toFixed(decimals);
    if ((Number(text) === 100) === (n === 100) && (Number(text) === 0) === (n === 0)) return `${text.replace(/\.?0+$/, "")} %`;
  }
  return n > 50 ? "> 99.9999 %" : "< 0.0001 %";
}

/** one alert, 2 alerts. @param {number} n @param {string} one @param {string} [many] */
export function count(n, one, many = `${one}s`) {
  return `${n.toLocaleString("en-US")} ${n === 1 ? one : many}`;
}

/** @param {unknown} n */
export function bytes(n) {
  let size = Number(n);
  if (n === null || n === undefined || !Number.isFinite(size)) return "–";
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (size < 1000) return `${digits(size)} ${unit}`;
    size /= 1000;
  }
  return `${digits(size)} TB`;
}
