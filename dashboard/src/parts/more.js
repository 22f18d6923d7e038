// "Show more" under a list whose rows come in pages: data is {rows, full}.
import { html, nothing } from "lit-html";

import { words } from "../words.js";

/** @param {import("../screen.js").Screen} screen @param {(last: any) => Promise<any[]>} load  the rows after the last */
export function more(screen, load) {
  const { rows, full } = screen.data;
  if (full || !rows.length) return nothing;
  const show = async () => {
    screen.keep({ loadingMore: true });
    try {
      const next = await load(rows[rows.length - 1]);
      const known = new Set(screen.data.rows.map((/** @type {any} */ each) => each.id));
      screen.data = { ...screen.data, rows: [...screen.data.rows, ...next.filter((each) => !known.has(each.id))], full: next.length === 0 };
      screen.outdate();
    } catch (error) {
      screen.app.complain(/** @type {any} */ (error));
    }
    screen.keep({ loadingMore: false });
  };
  return html`<p class="more"><button @click=${show} ?disabled=${screen.kept.loadingMore}>${words.states.more}</button></p>`;
}
