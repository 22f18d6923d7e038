// What is shown: one view with its data. Loads, refreshes while it is looked at, and never goes back in time.

/**
 * @typedef {object} View
 * @property {(data: any, params: Record<string, string>) => string} title
 * @property {(app: import("./app.js").App) => number | null} [every]  seconds between refreshes; null: never by itself
 * @property {(app: import("./app.js").App, params: Record<string, string>, query: URLSearchParams, before: any) => Promise<any>} load
 * @property {(screen: Screen) => import("lit-html").TemplateResult} render
 * @property {Record<string, (screen: Screen) => void>} [shortcuts]  key -> what it does
 */

export class Screen {
  /** @param {import("./app.js").App} app @param {View} view @param {string} name @param {Record<string, string>} params @param {URL} url */
  constructor(app, view, name, params, url) {
    this.app = app;
    this.view = view;
    this.name = name;
    this.params = params;
    this.url = url;
    this.query = url.searchParams;
    /** @type {any} */
    this.data = null;
    /** @type {Date | null} when the data was asked for */
    this.at = null;
    /** @type {import("./api.js").Problem | null} */
    this.problem = null;
    /** What the view keeps between pictures: selections, drafts, open parts. @type {Record<string, any>} */
    this.kept = {};
    this.asked = 0;
    this.shown = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.closed = false;
    /** How much that was done here has no answer yet. */
    this.acting = 0;
    /** @type {Promise<any>} what `next` waits for */
    this.last = Promise.resolve();
  }

  /** Asks for the data; an older answer never replaces a newer one. */
  async refresh() {
    clearTimeout(this.timer);
    const turn = ++this.asked;
    const at = new Date();
    try {
      const data = await this.view.load(this.app, this.params, this.query, this.data);
      if (this.closed || turn < this.shown || this.acting) return;
      this.shown = turn;
      this.data = data;
      this.at = at;
      this.problem = null;
    } catch (error) {
      if (this.closed || turn < this.shown || this.acting) return;
      this.shown = turn;
      this.problem = /** @type {any} */ (error);
    } finally {
      if (!this.closed) {
        this.plan();
        this.app.draw();
      }
    }
  }

  /** The next refresh; none while nobody looks. */
  plan() {
    clearTimeout(this.timer);
    const every = this.view.every?.(this.app) ?? null;
    if (every !== null && !document.hidden && !this.closed) this.timer = setTimeout(() => this.refresh(), every * 1000);
  }

  /** Shows the change at once, takes it back with a message if it is refused.
   * @param {(data: any) => any} patch  returns the data as it will be
   * @param {() => Promise<any>} call
   * @param {string | ((answer: any) => string)} [done]  what to say when it is done */
  async act(patch, call, done) {
    const before = this.data;
    const patched = patch(structuredClone(before));
    this.data = patched;
    this.acting += 1;
    this.app.draw();
    try {
      const answer = await call();
      if (done) this.app.say(typeof done === "string" ? done : done(answer));
    } catch (error) {
      if (this.data === patched) this.data = before;
      this.app.complain(/** @type {any} */ (error));
    }
    this.acting -= 1;
    this.outdate();
    await this.refresh();
  }

  /** After what was asked for before has its answer, which this builds upon. @template T @param {() => Promise<T>} call @returns {Promise<T>} */
  next(call) {
    const turn = this.last.then(call);
    this.last = turn.catch(() => {});
    return turn;
  }

  /** What was asked for and has no answer yet does not know of what is here now: its answer is not shown. */
  outdate() {
    this.shown = ++this.asked;
  }

  /** Keeps something of the view's own and draws. @param {Record<string, any>} changes */
  keep(changes) {
    Object.assign(this.kept, changes);
    this.app.draw();
  }

  /** No refresh by itself until the next one that is asked for. */
  rest() {
    clearTimeout(this.timer);
  }

  close() {
    this.closed = true;
    this.rest();
  }
}
