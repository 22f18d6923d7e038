// An address that leads nowhere.
import { html } from "lit-html";

import { words } from "../words.js";

/** @type {import("../screen.js").View} */
export const view = {
  title: () => words.nowhere.title,
  load: async () => ({}),
  render: () => html`<h1>${words.nowhere.title}</h1><p><a href="/">${words.nowhere.back}</a></p>`,
};
