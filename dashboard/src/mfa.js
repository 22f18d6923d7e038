// The second factor: an authenticator app whose codes Supabase Auth checks (TOTP).
import { settled } from "./api.js";
import { words } from "./words.js";

/** @typedef {import("@supabase/supabase-js").Factor} Factor */

/** Of which factors a code is asked for before anything is shown; none where there are none, or one was used already.
 * @param {import("./api.js").Api} api @returns {Promise<Factor[]>} */
export async function factorsToAsk(api) {
  const session = await api.session();
  const { data } = await api.auth.mfa.getAuthenticatorAssuranceLevel();
  if (!session || data?.currentLevel === "aal2" || data?.nextLevel !== "aal2") return [];
  return (session.user.factors ?? []).filter(usable);
}

const usable = (/** @type {Factor} */ each) => each.factor_type === "totp" && each.status === "verified";

/** The person's apps, as Supabase Auth has them now. @param {import("./api.js").Api} api @returns {Promise<Factor[]>} */
export async function listFactors(api) {
  return (await settled(api.auth.mfa.listFactors())).all.filter(usable);
}

/** Begins with a new app: what to scan, or to type in. One that was begun with and never finished gives way.
 * @param {import("./api.js").Api} api */
export async function enrol(api) {
  /** @type {{all: Factor[]}} */
  const { all } = await settled(api.auth.mfa.listFactors());
  for (const each of all.filter((factor) => factor.factor_type === "totp" && !usable(factor))) {
    await settled(api.auth.mfa.unenroll({ factorId: each.id }));
  }
  const friendlyName = freeName(words.mfa.app, all.map((each) => each.friendly_name));
  const { id, totp } = await settled(api.auth.mfa.enroll({ factorType: "totp", friendlyName, issuer: words.brand }));
  return { id, picture: picture(totp.qr_code), secret: totp.secret };
}

/** The code makes the app a factor, and this session one that used it. @param {import("./api.js").Api} api @param {string} factorId @param {string} given */
export async function verify(api, factorId, given) {
  const code = given.replace(/\s/g, "");
  if (!/^\d{6}$/.test(code)) throw new Error(words.mfa.sixDigits);
  try {
    await settled(api.auth.mfa.challengeAndVerify({ factorId, code }));
  } catch (error) {
    throw /** @type {any} */ (error).code === "mfa_verification_failed" ? new Error(words.mfa.wrong) : error;
  }
}

/** Without it the session is worth less: the token says so from its renewal on. @param {import("./api.js").Api} api @param {string} factorId */
export async function removeFactor(api, factorId) {
  await settled(api.auth.mfa.unenroll({ factorId }));
  await settled(api.auth.refreshSession());
}

/** Two of a person must not have one name. @param {string} name @param {(string | undefined)[]} taken */
export function freeName(name, taken) {
  for (let n = 1; ; n += 1) {
    const free = n === 1 ? name : `${name} ${n}`;
    if (!taken.includes(free)) return free;
  }
}

/** The library's data: URL has the plain SVG in it, where a # would end it; as an image nothing in it can run. @param {string} url */
export function picture(url) {
  const comma = url.indexOf(",");
  return `data:image/svg+xml,${encodeURIComponent(url.slice(comma + 1))}`;
}
