// Puts the parts together.
import { render, html } from "lit-html";

import { Api } from "./api.js";
import { App } from "./app.js";
import { loadConfig } from "./config.js";
import { routes } from "./routes.js";

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
root.replaceChildren();
try {
  const config = await loadConfig();
  await new App(config, new Api(config), routes, root).start();
} catch (error) {
  render(html`<main class="main"><h1>Watchkeeper cannot start</h1><p class="problem" role="alert">${String(error)}</p></main>`, root);
}
