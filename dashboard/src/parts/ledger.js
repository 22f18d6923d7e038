// Who was told, when, and what came of it.
import { html, nothing } from "lit-html";

import { duration } from "../format.js";
import { words } from "../words.js";
import { badge } from "./badge.js";
import { empty } from "./states.js";
import { when } from "./time.js";

/** @type {Record<string, string>} */
const STATUSES = { sent: "ok", pending: "warning", dead: "critical", cancelled: "paused" };

/** @param {import("../screen.js").Screen} screen @param {any[]} deliveries @param {string | null} [heldBy] */
export function ledger(screen, deliveries, heldBy) {
  if (!deliveries.length) return empty(heldBy ? `${words.ledger.held} ${heldBy}` : words.ledger.none);
  return html`<div class="scroll" tabindex="0"><table>
    <thead><tr><th>${words.ledger.channel}</th><th>${words.ledger.event}</th><th>${words.ledger.status}</th><th>${words.ledger.when}</th>
      <th class="number">${words.ledger.attempts}</th><th>${words.ledger.why}</th></tr></thead>
    <tbody>${deliveries.map((each) => html`<tr>
      <td>${each.channel} <span class="dim">${each.kind}</span></td>
      <td>${each.event}</td>
      <td>${badge(STATUSES[each.status], each.status)}${each.last_error ? html`<br /><small class="problem">${each.last_error}</small>` : nothing}
        ${each.status === "dead" && screen.app.may("respond") ? html`<button @click=${() => retry(screen, each)}>${words.states.retry}</button>` : nothing}</td>
      <td>${when(each.settled_at ?? each.created_at)}${each.status === "sent" ? html` <span class="dim">${words.ledger.took} ${duration((Date.parse(each.settled_at) - Date.parse(each.created_at)) / 1000)}</span>` : nothing}</td>
      <td class="number">${each.attempts}</td>
      <td class="dim">${each.why}</td>
    </tr>`)}</tbody>
  </table></div>`;
}

/** @param {import("../screen.js").Screen} screen @param {any} delivery */
async function retry(screen, delivery) {
  await screen.act((data) => data, () => screen.app.ask("retry_delivery", { delivery_id: delivery.id }), words.ledger.again);
}
