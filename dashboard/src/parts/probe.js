// A check that is tried out: what it waits for, and what came of it, in words.
import { html, nothing } from "lit-html";

import { duration, quantity } from "../format.js";
import { ofSeverity } from "../status.js";
import { words } from "../words.js";
import { badge } from "./badge.js";
import { when } from "./time.js";

/** @type {Record<string, string>} */
const OUTCOMES = { ok: "ok", fail: "critical", unknown: "unknown" };

/** @param {any} probe  as get_probe tells it, or {problem} */
export function probeResult(probe) {
  if (!probe) return nothing;
  if (probe.problem) return html`<div class="probe" role="status"><p class="problem">${probe.problem}</p></div>`;
  if (probe.status === "waiting" || probe.status === "running") {
    return html`<div class="probe" role="status"><p aria-busy="true">${words.probe[/** @type {"waiting" | "running"} */ (probe.status)]} <span class="dim">${when(probe.requested_at)}</span></p></div>`;
  }
  if (probe.status === "lost") return html`<div class="probe" role="status"><p class="problem">${words.probe.lost}</p></div>`;
  const { outcome, reason, samples, findings, started_at, finished_at } = probe.result;
  return html`<div class="probe" role="status">
    <p>${badge(OUTCOMES[outcome], words.probe.outcomes[/** @type {"ok" | "fail" | "unknown"} */ (outcome)])} ${reason ?? ""}
      <span class="dim">${words.probe.took} ${duration((Date.parse(finished_at) - Date.parse(started_at)) / 1000)}, ${when(probe.settled_at)}</span></p>
    ${samples?.length ? html`<p>${samples.map((/** @type {any} */ each) => html`<span class="quantity"><b>${quantity(each.value, each.unit)}</b> <span class="dim">${each.name}</span></span> `)}</p>`
      : html`<p class="dim">${words.probe.noSamples}</p>`}
    <ul>${(findings ?? []).map(finding)}</ul>
  </div>`;
}

/** @param {any} each */
function finding(each) {
  const state = each.state === "breach" ? badge(ofSeverity(each.severity), `${words.probe.states.breach} (${each.severity})`)
    : each.state === "clear" ? badge("ok", words.probe.states.clear) : badge("unknown", words.probe.states.unknown);
  return html`<li>${state} ${each.alert_type}${each.message && each.state !== "clear" ? html`: ${each.message}` : nothing}
    ${each.state === "breach" && each.failure_threshold > 1 ? html`<span class="dim">${words.probe.fires(each.failure_threshold)}</span>` : nothing}</li>`;
}
