// The one door to the API: sign-in, and a method to call an RPC. What fails comes out as a Problem with a kind.
// Of supabase-js only what signs people in: its whole client weighs as much again as all the rest of the page.
import { AuthClient } from "@supabase/supabase-js";

const PATIENCE_MS = 15_000;

/** @typedef {"unreachable" | "signed_out" | "forbidden" | "not_found" | "conflict" | "refused" | "failed"} Kind */

export class Problem extends Error {
  /** @param {Kind} kind @param {string} message @param {string} [hint] @param {string} [code]  Supabase Auth's own name of it */
  constructor(kind, message, hint, code) {
    super(message);
    this.kind = kind;
    this.hint = hint;
    this.code = code;
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
    this.key = config.publishable_key;
    this.auth = new AuthClient({
      url: `${config.api_url}/auth/v1`,
      headers: { apikey: config.publishable_key, Authorization: `Bearer ${config.publishable_key}` },
      storageKey: `sb-${new URL(config.api_url).hostname.split(".")[0]}-auth-token`,
      // Tokens do not stay in addresses: a magic link's code is exchanged and removed.
      flowType: "pkce", persistSession: true, autoRefreshToken: true, detectSessionInUrl: true,
    });
  }

  /** Calls an RPC. @param {string} name @param {Record<string, unknown>} [args] @returns {Promise<any>} */
  async rpc(name, args = {}) {
    const token = (await this.session())?.access_token ?? this.key;
    let reply;
    let said;
    try {
      reply = await fetch(`${this.url}/rest/v1/rpc/${name}`, {
        method: "POST",
        headers: { apikey: this.key, Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
        body: JSON.stringify(args),
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      said = await reply.text();
    } catch (error) {
      throw new Problem("unreachable", String(error));
    }
    if (!reply.ok) throw problemOf(reply.status, parsed(said));
    return parsed(said);
  }

  /** @returns {Promise<import("@supabase/supabase-js").Session | null>} */
  async session() {
    return (await this.auth.getSession()).data.session;
  }

  /** @param {(session: import("@supabase/supabase-js").Session | null) => void} tell */
  onSession(tell) {
    this.auth.onAuthStateChange((_event, session) => tell(session));
  }

  /** @param {string} email @param {string} password */
  async signIn(email, password) {
    await settled(this.auth.signInWithPassword({ email, password }));
  }

  /** @param {string} email */
  async sendMagicLink(email) {
    await settled(this.auth.signInWithOtp({ email, options: { shouldCreateUser: false, emailRedirectTo: location.origin } }));
  }

  /** @param {"github" | "google"} provider */
  async signInAt(provider) {
    await settled(this.auth.signInWithOAuth({ provider, options: { redirectTo: location.origin } }));
  }

  /** @param {"local" | "global"} scope  this browser, or everywhere */
  async signOut(scope) {
    await settled(this.auth.signOut({ scope }));
  }
}

/** The data of an answer of Supabase Auth. @param {Promise<{data?: any, error: any}>} call @returns {Promise<any>} */
export async function settled(call) {
  const { data, error } = await call;
  if (error) throw new Problem(error.status ? "refused" : "unreachable", error.message, undefined, error.code);
  return data;
}

/** What is no JSON, a proxy's page say, is nothing that was said. @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
