// config.json is the only thing that differs between installations.

/**
 * @typedef {object} Config
 * @property {string} api_url
 * @property {string} publishable_key
 * @property {number} health_every_s
 * @property {number} alerts_every_s
 * @property {string[]} sign_in  of: password, magic_link, github, google
 * @property {boolean} mfa       whether the project offers a second factor (TOTP)
 * @property {boolean} realtime  whether the project offers Realtime
 */

const WAYS_IN = ["password", "magic_link", "github", "google"];

/** What is missing is the default; what is wrong is said by name. @param {any} given @returns {Config} */
export function normalConfig(given) {
  if (typeof given !== "object" || given === null) throw new Error("config.json: must be a JSON object");
  const text = (/** @type {string} */ name) => {
    if (typeof given[name] !== "string" || !given[name]) throw new Error(`config.json: ${name} is not set`);
    return given[name];
  };
  const seconds = (/** @type {string} */ name, /** @type {number} */ otherwise) => {
    const value = given[name] ?? otherwise;
    if (!Number.isFinite(value) || value < 5 || value > 3600) throw new Error(`config.json: ${name} must be from 5 to 3600`);
    return value;
  };
  const yes = (/** @type {string} */ name) => {
    const value = given[name] ?? false;
    if (typeof value !== "boolean") throw new Error(`config.json: ${name} must be true or false`);
    return value;
  };
  const ways = given.sign_in ?? ["password"];
  if (!Array.isArray(ways) || !ways.length || ways.some((way) => !WAYS_IN.includes(way))) {
    throw new Error(`config.json: sign_in must be a list of ${WAYS_IN.join(", ")}`);
  }
  if (!/^https?:\/\/[^/\s]+$/.test(text("api_url").replace(/\/$/, ""))) {
    throw new Error("config.json: api_url must be http(s)://host, without a path");
  }
  return {
    api_url: text("api_url").replace(/\/$/, ""),
    publishable_key: text("publishable_key"),
    health_every_s: seconds("health_every_s", 30),
    alerts_every_s: seconds("alerts_every_s", 15),
    sign_in: ways,
    mfa: yes("mfa"),
    realtime: yes("realtime"),
  };
}

/** @returns {Promise<Config>} */
export async function loadConfig() {
  const reply = await fetch("/config.json", { cache: "no-cache" });
  if (!reply.ok) throw new Error(`config.json: ${reply.status} ${reply.statusText}`);
  return normalConfig(await reply.json());
}
