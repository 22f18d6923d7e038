// Title and favicon tell the status while the page is in the background.
import { STATUSES, shown } from "../status.js";
import { words } from "../words.js";

const COLOURS = { ok: "#2da44e", warning: "#d29922", critical: "#cf222e", unknown: "#6e7781", paused: "#6e7781" };
let drawn = "";

/** @param {import("../app.js").App} app */
export function head(app) {
  const known = app.health || app.away;
  const status = shown(app.health?.status, app.away);
  const { screen } = app;
  const view = screen?.data ? screen.view.title(screen.data, screen.params) : "";
  const firing = !app.away && app.health?.alerts?.firing ? `(${app.health.alerts.firing}) ` : "";
  const title = `${known ? `${STATUSES[status].mark} ${firing}` : ""}${view ? `${view} · ` : ""}${words.brand}`;
  if (document.title !== title) document.title = title;

  const icon = known ? status : "paused";
  if (icon === drawn) return;
  drawn = icon;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="8" fill="${COLOURS[icon]}"/>` +
    `<text x="8" y="12" text-anchor="middle" font-size="11" font-weight="700" font-family="sans-serif" fill="#fff">${STATUSES[icon].mark}</text></svg>`;
  document.querySelector("link[rel=icon]")?.setAttribute("href", `data:image/svg+xml,${encodeURIComponent(svg)}`);
}
