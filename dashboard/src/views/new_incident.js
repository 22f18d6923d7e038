// Opening an incident, by hand or from an alert.
import { html, nothing } from "lit-html";

import { systems } from "../logic/incidents.js";
import { field } from "../parts/dialog.js";
import { words } from "../words.js";

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.incidents.open,
  load: async (app, _params, query) => {
    const id = query.get("alert");
    return { alert: id ? await app.ask("get_alert", { alert_id: id }) : null };
  },
  render: (screen) => {
    const { alert } = screen.data;
    return html`
      <p><a href="/incidents">${words.incidents.title}</a></p>
      <h1>${words.incidents.open}</h1>
      <form class="panel form" @submit=${(/** @type {SubmitEvent} */ event) => create(screen, event)}>
        ${field({ name: "title", label: words.incident.titleField, required: true, value: alert ? `${alert.source}: ${alert.alert_type}` : "" })}
        ${field({ name: "severity", label: words.alerts.severity, type: "select", value: alert?.severity === "critical" ? "critical" : "high",
          options: ["critical", "high", "medium", "low"].map((each) => [each, each]) })}
        ${field({ name: "systems", label: words.incident.systems, value: alert?.source ?? "", hint: words.incident.systemsHint })}
        ${field({ name: "description", label: words.incident.description, type: "textarea", value: alert?.message ?? "" })}
        ${alert ? html`<p class="dim">${words.incident.linksAlert} <a href=${`/alerts/${alert.id}`}>${alert.source}: ${alert.alert_type}</a></p>` : nothing}
        ${screen.kept.problem ? html`<p class="problem" role="alert">${screen.kept.problem}</p>` : nothing}
        <p class="buttons"><a class="button" href="/incidents">${words.cancel}</a><button class="primary" ?disabled=${screen.kept.busy}>${words.incidents.open}</button></p>
      </form>`;
  },
};

/** @param {import("../screen.js").Screen} screen @param {SubmitEvent} event */
async function create(screen, event) {
  event.preventDefault();
  const given = new FormData(/** @type {HTMLFormElement} */ (event.target));
  const text = (/** @type {string} */ name) => String(given.get(name) ?? "").trim();
  screen.keep({ busy: true, problem: "" });
  try {
    const incident = await screen.app.ask("create_incident", {
      title: text("title"), severity: text("severity"), description: text("description") || null,
      affected_systems: systems(text("systems")), alert_ids: screen.data.alert ? [screen.data.alert.id] : [],
    });
    await screen.app.open(`/incidents/${incident.id}`, { replace: true });
  } catch (error) {
    screen.keep({ busy: false, problem: /** @type {Error} */ (error).message });
  }
}
