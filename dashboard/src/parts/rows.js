// A list that is walked with j, k and Enter. The focused row is the one whose link has the focus, so it survives redrawing.

/** @param {1 | -1} way */
export function step(way) {
  const links = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-row]")]);
  const here = links.findIndex((each) => each === document.activeElement);
  const next = here === -1 ? (way === 1 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, here + way));
  links[next]?.focus();
}

/** What lists share. @type {Record<string, (screen: import("../screen.js").Screen) => void>} */
export const walking = { j: () => step(1), k: () => step(-1) };
