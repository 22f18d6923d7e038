// The one door to the API: sign-in, and a method to call an RPC. What fails comes out as a Problem with a kind.
import { createClient } from "@supabase/supabase-js";

const PATIENCE_MS = 15_000;

/** @typedef {"unreachable" | "signed_out" | "forbidden" | "not_found" | "conflict" | "refused" | "failed"} Kind */

export class Problem extends Error {
  /** @param {Kind} kind @param {string} message @param {string} [hint] */
  constructor(kind, message, hint) {
    super(message);
    this.kind = kind;
    this.hint = hint;
  }
}

/** @type {Record<number, Kind>} */
const KINDS = { 0: "unreachable", 400: "refused", 401: "signed_out", 403: "forbidden", 404: "not_found", 409: "conflict" };

/** @param {number} status @param {{message?: string, hint?: string | null} | null} error */
export function problemOf(status, error) {
  const kind = KINDS[status] ?? (status >= 500 || status === 429 ? "unreachable" : "failed");
  return new Problem(kind, error?.message || `the API answered ${status}`, error?.hint ?? undefined);
}

export class Api {
  /** @param {import("./config.js").Config} config */
  constructor(config) {
    this.url = config.api_url;
    this.client = createClient(config.api_url, config.publishable_key, {
      // Tokens do not stay in addresses: a magic link's code is exchanged and removed.
      auth: { flowType: "pkce", persistSession: true, autoRefreshToken: true, detectSessionInUrl: true },
    });
  }

  /** Calls an RPC. @param {string} name @param {Record<string, unknown>} [args] @returns {Promise<any>} */
  async rpc(name, args = {}) {
    let reply;
    try {
      reply = await this.client.rpc(name, args).abortSignal(AbortSignal.timeout(PATIENCE_MS));
    } catch (error) {
      throw new Problem("unreachable", String(error));
    }
    if (reply.error) throw problemOf(reply.status, reply.error);
    return reply.data;
  }

  /** @returns {Promise<import("@supabase/supabase-js").Session | null>} */
  async session() {
    return (await this.client.auth.getSession()).data.session;
  }

  /** @param {(session: import("@supabase/supabase-js").Session | null) => void} tell */
  onSession(tell) {
    this.client.auth.onAuthStateChange((_event, session) => tell(session));
  }

  /** @param {string} email @param {string} password */
  async signIn(email, password) {
    await settled(this.client.auth.signInWithPassword({ email, password }));
  }

  /** @param {string} email */
  async sendMagicLink(email) {
    await settled(this.client.auth.signInWithOtp({ email, options: { shouldCreateUser: false, emailRedirectTo: location.origin } }));
  }

  /** @param {"github" | "google"} provider */
  async signInAt(provider) {
    await settled(this.client.auth.signInWithOAuth({ provider, options: { redirectTo: location.origin } }));
  }

  /** @param {"local" | "global"} scope  this browser, or everywhere */
  async signOut(scope) {
    await settled(this.client.auth.signOut({ scope }));
  }
}

/** @param {Promise<{error: any}>} call */
async function settled(call) {
  const { error } = await call;
  if (error) throw new Problem(error.status ? "refused" : "unreachable", error.message);
}
