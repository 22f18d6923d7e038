// What all views share: who is signed in, the verdict that the head of the page shows, messages, and drawing.
import { render } from "lit-html";

import { Problem } from "./api.js";
import { factorsToAsk } from "./mfa.js";
import { listen, match } from "./router.js";
import { Screen } from "./screen.js";
import { head } from "./parts/head.js";
import { closeHelp, helpIsOpen, openHelp, page } from "./parts/page.js";
import { words } from "./words.js";


export class App {
  /** @param {import("./config.js").Config} config @param {import("./api.js").Api} api @param {import("./router.js").Route[]} routes @param {HTMLElement} root */
  constructor(config, api, routes, root) {
    this.config = config;
    this.api = api;
    this.routes = routes;
    this.root = root;
    /** @type {any} the answer of whoami */
    this.me = null;
    /** @type {any} the answer of get_system_health_summary */
    this.health = null;
    /** @type {Date | null} */
    this.healthAt = null;
    /** Since when the API does not answer. @type {Date | null} */
    this.awaySince = null;
    /** @type {Screen | null} */
    this.screen = null;
    /** @type {{id: number, text: string, kind: "done" | "problem"}[]} */
    this.messages = [];
    /** @type {"starting" | "signed_out" | "second_factor" | "signed_in"} */
    this.state = "starting";
    /** Of which one a code is asked for. @type {import("./mfa.js").Factor[]} */
    this.factors = [];
    /** @type {import("./realtime.js").Realtime | null} */
    this.realtime = null;
    this.menuOpen = false;
    this.drawing = false;
    this.turn = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  async start() {
    listen((url) => this.go(url));
    document.addEventListener("visibilitychange", () => this.lookedAt());
    addEventListener("online", () => this.lookedAt());
    addEventListener("keydown", (event) => this.key(event));
    setInterval(() => document.hidden || this.draw(), 5000); // ages grow
    this.api.onSession((session) => {
      if (!session && ["signed_in", "second_factor"].includes(this.state)) this.leave();
      else if (session && ["signed_out", "second_factor"].includes(this.state)) void this.enter();
      if (session) this.realtime?.renew(session.access_token);
    });
    if (await this.api.session()) await this.enter();
    else this.leave();
  }

  /** Somebody signed in; whoever has a second factor is not in before its code. */
  async enter() {
    if (this.state === "signed_out") this.state = "starting";
    const factors = await factorsToAsk(this.api);
    if (factors.length) {
      this.leave("second_factor");
      this.factors = factors;
      return;
    }
    this.state = "signed_in";
    try {
      this.me = await this.ask("whoami");
    } catch (error) {
      if (/** @type {any} */ (error).kind === "signed_out") return void this.leave();
      this.timer = setTimeout(() => this.enter(), this.config.alerts_every_s * 1000);
      return void this.draw();
    }
    if (this.may("read")) void this.refreshHealth();
    void this.listen();
    await this.go(new URL(location.href));
  }

  /** Nobody is in any more: nothing of what was shown stays. @param {"signed_out" | "second_factor"} state */
  leave(state = "signed_out") {
    clearTimeout(this.timer);
    this.screen?.close();
    this.realtime?.stop();
    Object.assign(this, { state, factors: [], me: null, health: null, healthAt: null, awaySince: null, screen: null });
    this.draw();
  }

  /** @param {"read" | "respond" | "audit" | "manage"} right */
  may(right) {
    return Boolean(this.me?.rights?.includes(right));
  }

  /** Calls an RPC, and notes whether the API answers at all. @param {string} name @param {Record<string, unknown>} [args] @returns {Promise<any>} */
  async ask(name, args) {
    const started = new Date();
    try {
      const answer = await this.api.rpc(name, args);
      if (this.away) this.back();
      return answer;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.kind === "unreachable") this.awaySince ??= started;
      else this.awaySince = null;
      if (error.kind === "signed_out" && this.state === "signed_in" && !(await this.api.session())) this.leave();
      throw error;
    }
  }

  /** The API answers again: what could not be loaded meanwhile is asked for at once. */
  back() {
    this.awaySince = null;
    if (this.screen?.problem) void this.screen.refresh();
  }

  get away() {
    return this.awaySince !== null;
  }

  /** The verdict, by itself and whatever view is open: one request. */
  async refreshHealth() {
    clearTimeout(this.timer);
    const turn = ++this.turn;
    const at = new Date();
    try {
      const health = await this.ask("get_system_health_summary");
      if (turn !== this.turn) return;
      this.health = health;
      this.healthAt = at;
    } catch {
      if (turn !== this.turn) return;
    }
    const soon = this.away ? Math.min(5, this.config.health_every_s) : this.config.health_every_s;
    if (!document.hidden && this.state === "signed_in") this.timer = setTimeout(() => this.refreshHealth(), soon * 1000);
    this.draw();
  }

  /** To Realtime, where the project offers it; it costs nothing where it does not. */
  async listen() {
    if (!this.config.realtime || !this.may("read")) return;
    const found = await import("./realtime.js").catch(() => null); // a new version is out: the timer still asks
    if (!found || document.hidden || this.state !== "signed_in") return;
    this.realtime ??= new found.Realtime(this.config, async () => (await this.api.session())?.access_token, () => this.heard());
    this.realtime.start();
  }

  /** Something changed: what the timers would ask for is asked for now. */
  heard() {
    if (document.hidden || this.state !== "signed_in") return;
    void this.refreshHealth();
    if (this.screen?.view.every?.(this)) void this.screen.refresh();
  }

  /** Hidden pages rest; shown again, they catch up at once. */
  lookedAt() {
    if (document.hidden) {
      clearTimeout(this.timer);
      this.screen?.rest();
      this.realtime?.stop();
    }
    if (document.hidden || this.state !== "signed_in") return;
    if (!this.me) return void this.enter();
    if (this.may("read")) void this.refreshHealth();
    void this.listen();
    void this.screen?.refresh();
  }

  /** @param {URL} url */
  async go(url) {
    if (this.state !== "signed_in" || !this.me) return void this.draw();
    const found = match(this.routes, url.pathname) ?? match(this.routes, "/nowhere");
    if (!found) return;
    const same = this.screen && this.screen.name === found.route.name && this.screen.url.pathname === url.pathname;
    const { view } = await found.route.load().catch(() => ({ view: null }));
    if (!view) return this.complain(new Error(words.states.outdated));
    const before = this.screen;
    before?.close();
    this.screen = new Screen(this, view, found.route.name, found.params, url);
    if (same && before) {
      // Another filter of the same list: what is there stays until the answer comes.
      this.screen.data = before.data;
      this.screen.at = before.at;
      this.screen.kept = before.kept;
    } else {
      this.menuOpen = false;
      scrollTo(0, 0);
    }
    this.draw();
    if (!same) document.getElementById("main")?.focus({ preventScroll: true });
    if (!found.route.right || this.may(/** @type {any} */ (found.route.right))) await this.screen.refresh();
  }

  /** Changes the address and shows what is there. @param {string} path @param {{replace?: boolean}} [how] */
  open(path, how = {}) {
    history[how.replace ? "replaceState" : "pushState"](null, "", path);
    return this.go(new URL(location.href));
  }

  /** @param {string} text */
  say(text) {
    this.tell(text, "done");
  }

  /** @param {Error & {hint?: string}} error */
  complain(error) {
    this.tell(error.hint ? `${error.message} (${error.hint})` : error.message, "problem");
  }

  /** @param {string} text @param {"done" | "problem"} kind */
  tell(text, kind) {
    const id = Math.random();
    this.messages = [...this.messages.slice(-3), { id, text, kind }];
    this.draw();
    setTimeout(() => this.hush(id), kind === "done" ? 5000 : 15000);
  }

  /** @param {number} id */
  hush(id) {
    this.messages = this.messages.filter((each) => each.id !== id);
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const typing = event.composedPath().some((each) => each instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(each.tagName));
    if (event.metaKey || event.ctrlKey || event.altKey || typing || document.querySelector("dialog[open]:not(.help)")) return;
    const goes = words.nav.find((each) => each.key === event.key && this.screenMay(each.name));
    const helps = helpIsOpen();
    if (helps && ["?", "Escape"].includes(event.key)) closeHelp();
    else if (event.key === "?") openHelp(this);
    else if (event.key === "Escape" && this.menuOpen) this.menuOpen = false;
    else if (helps) return;
    else if (event.key === "r" && this.screen) void this.screen.refresh();
    else if (goes) void this.open(goes.path);
    else if (this.screen?.view.shortcuts?.[event.key]) this.screen.view.shortcuts[event.key](this.screen);
    else return;
    event.preventDefault();
    this.draw();
  }

  /** Whether who is signed in may see a view. @param {string} name */
  screenMay(name) {
    const route = this.routes.find((each) => each.name === name);
    return Boolean(route && this.may(/** @type {any} */ (route.right ?? "read")));
  }

  /** At most once a frame. */
  draw() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      render(page(this), this.root);
      head(this);
    });
  }
}

