// Hears from Supabase Realtime that something changed: one private channel, in the words of Phoenix 1.0.0. (The library
// for it weighs eighteen times as much.) A message carries no data, and nothing depends on it: the timers ask, too, only later.

const TOPIC = "realtime:watchkeeper";
const HEARTBEAT_MS = 25_000;
const WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
const PACE_MS = 1000;

export class Realtime {
  /** @param {{api_url: string, publishable_key: string}} config @param {() => Promise<string | undefined>} token
   * @param {() => void} changed  called at most once a second, however many messages come */
  constructor(config, token, changed) {
    this.url = `${config.api_url.replace(/^http/, "ws")}/realtime/v1/websocket?apikey=${encodeURIComponent(config.publishable_key)}&vsn=1.0.0`;
    this.token = token;
    this.changed = changed;
    this.wanted = false;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.joined = false;
    /** Whether a heartbeat has no answer yet. */
    this.unanswered = false;
    this.failures = 0;
    this.ref = 0;
    this.toldAt = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.retry = undefined;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.beat = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.telling = undefined;
  }

  start() {
    this.wanted = true;
    clearTimeout(this.retry);
    void this.open();
  }

  stop() {
    this.wanted = false;
    this.failures = 0;
    this.drop();
  }

  /** A channel is open as long as the token it was given is good. @param {string} token */
  renew(token) {
    if (this.joined) this.send("access_token", { access_token: token });
  }

  async open() {
    const token = await this.token();
    if (!this.wanted || this.socket || !token) return;
    const socket = new WebSocket(this.url);
    this.socket = socket;
    const config = { broadcast: { ack: false, self: false }, presence: { key: "", enabled: false }, postgres_changes: [], private: true };
    socket.onopen = () => {
      this.send("phx_join", { config, access_token: token });
      this.beat = setInterval(() => this.pulse(), HEARTBEAT_MS);
    };
    socket.onmessage = (event) => this.socket === socket && this.hear(JSON.parse(event.data));
    socket.onclose = () => this.socket === socket && this.lost();
  }

  /** @param {string} event @param {object} payload @param {string} [topic] */
  send(event, payload, topic = TOPIC) {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const ref = String(++this.ref);
    this.socket.send(JSON.stringify({ topic, event, payload, ref, join_ref: topic === TOPIC ? "1" : null }));
  }

  /** @param {{topic: string, event: string, payload: any}} message */
  hear({ topic, event, payload }) {
    if (topic === "phoenix") this.unanswered = false;
    if (topic !== TOPIC) return;
    if (event === "phx_reply" && payload.status === "ok" && !this.joined) {
      this.joined = true;
      this.failures = 0;
    }
    if (event === "broadcast" && payload.event === "changed") this.tell();
    if (event === "phx_error" || event === "phx_close" || (event === "phx_reply" && payload.status !== "ok")) this.lost();
  }

  /** A line that is dead without a word is noticed after two heartbeats. */
  pulse() {
    if (this.unanswered) return this.lost();
    this.unanswered = true;
    this.send("heartbeat", {}, "phoenix");
  }

  tell() {
    this.telling ??= setTimeout(() => {
      this.telling = undefined;
      this.toldAt = Date.now();
      this.changed();
    }, Math.max(0, this.toldAt + PACE_MS - Date.now()));
  }

  /** Each time it waits twice as long, and never all pages equally long. */
  lost() {
    this.drop();
    if (!this.wanted) return;
    const wait = Math.min(LONGEST_WAIT_MS, WAIT_MS * 2 ** this.failures++);
    this.retry = setTimeout(() => this.open(), wait * (0.5 + Math.random() / 2));
  }

  drop() {
    const { socket } = this;
    Object.assign(this, { socket: null, joined: false, unanswered: false });
    clearTimeout(this.retry);
    clearTimeout(this.telling);
    this.telling = undefined;
    clearInterval(this.beat);
    socket?.close();
  }
}
