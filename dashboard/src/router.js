// Addresses and the views behind them. Pure but for the last function, which listens to the browser.

/**
 * @typedef {object} Route
 * @property {string} path     /alerts/:id
 * @property {string} name
 * @property {string} [nav]    its place in the menu: the name of the view that is marked
 * @property {string} [right]  what it takes to see it
 * @property {() => Promise<{view: import("./screen.js").View}>} load
 */

/** @param {Route[]} routes @param {string} pathname @returns {{route: Route, params: Record<string, string>} | null} */
export function match(routes, pathname) {
  const parts = pathname.replace(/\/+$/, "").split("/");
  for (const route of routes) {
    const wanted = route.path.replace(/\/+$/, "").split("/");
    if (wanted.length !== parts.length) continue;
    /** @type {Record<string, string>} */
    const params = {};
    const fits = wanted.every((part, n) => {
      if (!part.startsWith(":")) return part === parts[n];
      try {
        params[part.slice(1)] = decodeURIComponent(parts[n]);
      } catch {
        return false;
      }
      return parts[n] !== "";
    });
    if (fits) return { route, params };
  }
  return null;
}

/** The address with some of its query changed; empty values are left out. @param {URL} url @param {Record<string, string | null | undefined>} changes */
export function withQuery(url, changes) {
  const query = new URLSearchParams(url.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const text = query.toString();
  return url.pathname + (text ? `?${text}` : "");
}

/** Links of this page change the view without loading it anew. @param {(url: URL) => void} go */
export function listen(go) {
  addEventListener("popstate", () => go(new URL(location.href)));
  addEventListener("click", (event) => {
    const link = event.composedPath().find((each) => each instanceof HTMLAnchorElement);
    if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute("download")) return;
    if (event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.origin !== location.origin) return;
    event.preventDefault();
    const url = new URL(link.href);
    if (url.hash && url.pathname === location.pathname) return;
    history.pushState(null, "", url);
    go(url);
  });
}
