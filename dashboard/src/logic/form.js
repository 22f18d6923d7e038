// Forms: from a JSON schema to fields, from what was typed to a document, from a refusal to the field it means. Pure.
import { words } from "../words.js";

/**
 * @typedef {object} Field
 * @property {string} path   checks.p2p.params.min_peers; the last part is its name in the document
 * @property {string} label
 * @property {"text" | "long" | "number" | "whole" | "yes" | "choice" | "list" | "map" | "some" | "moment" | "json" | "group" | "many"} kind
 * @property {string} [hint]
 * @property {unknown} [fallback]  what holds when nothing is given
 * @property {boolean} [required]
 * @property {boolean} [nullable]  `none` may be said, and is not the same as nothing
 * @property {boolean} [fixed]     cannot be changed here
 * @property {boolean} [folded]    a group that is closed until it is needed
 * @property {[string, string][]} [options]  of a choice, of some: value and label
 * @property {string} [empty]      what choosing nothing means
 * @property {string[]} [ideas]    what a text is often
 * @property {Field[]} [fields]    of a group, of each of many
 */
/** What was typed, by path. @typedef {Record<string, string | boolean | number | string[]>} Draft */

/** @type {Record<string, string>} */
const SHORT = { url: "URL", tls: "TLS", api: "API", id: "ID", arn: "ARN", p2p: "P2P", http: "HTTP", smtp: "SMTP", dsn: "DSN" };
/** @type {[RegExp, string][]} */
const UNITS = [[/_s$/, " (seconds)"], [/_ms$/, " (ms)"], [/_percent$/, " (%)"], [/_bytes$/, " (bytes)"]];

/** tls_warn_days as a person writes it. @param {string} name */
export function labelOf(name) {
  const unit = UNITS.find(([end]) => end.test(name));
  const text = (unit ? name.replace(unit[0], "") : name).split("_").map((each) => SHORT[each] ?? each).join(" ");
  return text.charAt(0).toUpperCase() + text.slice(1) + (unit ? unit[1] : "");
}

/** @param {string} path @param {string} name */
export const under = (path, name) => (path ? `${path}.${name}` : name);

/** @param {any} schema  of an object @param {string} path @param {any} [defaults]  nearer than those of the schema @param {any} [root] @returns {Field[]} */
export function fieldsOf(schema, path, defaults = {}, root = schema) {
  const required = schema.required ?? [];
  const fields = Object.entries(schema.properties ?? {}).map(([name, property]) =>
    fieldOf(property, under(path, name), { fallback: defaults?.[name] ?? property.default, required: required.includes(name), root }));
  // Groups last: they are for the few who want more.
  return [...fields.filter((each) => each.kind !== "group"), ...fields.filter((each) => each.kind === "group")];
}

/** @param {any} schema @param {string} path @param {{fallback: any, required: boolean, root: any}} about @returns {Field} */
function fieldOf(schema, path, about) {
  const { plain, nullable } = resolved(schema, about.root);
  const name = path.slice(path.lastIndexOf(".") + 1);
  const field = { path, label: labelOf(name), hint: schema.description ?? undefined, fallback: about.fallback, required: about.required,
    nullable: nullable && about.fallback !== null && about.fallback !== undefined };
  if (plain.properties) {
    return { ...field, kind: "group", folded: true, nullable: false, fields: fieldsOf(plain, path, about.fallback, about.root) };
  }
  if (plain.enum) return { ...field, kind: "choice", options: plain.enum.map((/** @type {unknown} */ each) => [String(each), String(each)]) };
  if (plain.type === "array" && scalar(plain.items, about.root)) return { ...field, kind: "list" };
  if (plain.type === "object" && plain.additionalProperties?.type === "string") return { ...field, kind: "map" };
  /** @type {Record<string, Field["kind"]>} */
  const kinds = { string: "text", number: "number", integer: "whole", boolean: "yes" };
  return { ...field, kind: kinds[plain.type] ?? "json" };
}

/** Behind references, and behind "or null". @param {any} schema @param {any} root */
function resolved(schema, root) {
  if (schema.$ref) return { plain: schema.$ref.slice(2).split("/").reduce((/** @type {any} */ at, /** @type {string} */ part) => at[part], root), nullable: false };
  const branches = schema.anyOf?.filter((/** @type {any} */ each) => each.type !== "null") ?? [];
  if (branches.length === 1) return { plain: resolved(branches[0], root).plain, nullable: branches.length < schema.anyOf.length };
  return { plain: schema, nullable: false };
}

/** @param {any} schema @param {any} root */
function scalar(schema, root) {
  const { plain } = resolved(schema ?? {}, root);
  return (plain.anyOf ?? [plain]).every((/** @type {any} */ each) => ["string", "integer", "number"].includes(each.type));
}

/** Every field, and what is in it. @param {Field[]} fields @param {Draft} draft @returns {Field[]} */
export function flat(fields, draft) {
  return fields.flatMap((field) => [field, ...(field.kind === "group" ? flat(field.fields ?? [], draft)
    : field.kind === "many" ? items(field, draft).flatMap((each) => flat(each, draft)) : [])]);
}

/** The fields of each of many. @param {Field} field @param {Draft} draft @returns {Field[][]} */
export function items(field, draft) {
  return Array.from({ length: Number(draft[`${field.path}.length`] ?? 0) }, (_, n) => (field.fields ?? []).map((each) => ({ ...each, path: under(`${field.path}.${n}`, each.path) })));
}

// From a document to a draft --------------------------------------------------------------------------------------

/** @param {Field[]} fields @param {any} document @returns {Draft} */
export function draftOf(fields, document) {
  /** @type {Draft} */
  const draft = {};
  for (const field of fields) fill(draft, field, document?.[nameOf(field)]);
  return draft;
}

/** @param {Field} field */
const nameOf = (field) => field.path.slice(field.path.lastIndexOf(".") + 1);

/** @param {Draft} draft @param {Field} field @param {any} value */
function fill(draft, field, value) {
  if (field.kind === "group") Object.assign(draft, draftOf(field.fields ?? [], value));
  else if (field.kind === "many") {
    draft[`${field.path}.length`] = value?.length ?? 0;
    items(field, draft).forEach((each, n) => Object.assign(draft, draftOf(each, value[n])));
  } else draft[field.path] = typed(field, value);
}

/** @param {Field} field @param {any} value */
function typed(field, value) {
  if (field.kind === "yes") return value ?? field.fallback ?? false;
  if (field.kind === "some") return value ?? [];
  if (value === null && field.nullable) return words.form.none;
  if (value === undefined || value === null) return "";
  if (field.kind === "list") return value.join("\n");
  if (field.kind === "map") return Object.entries(value).map(([name, each]) => `${name}=${each}`).join("\n");
  if (field.kind === "json") return JSON.stringify(value, null, 2);
  return field.kind === "moment" ? value.slice(0, 16) : String(value);
}

/** What a field that is left empty means. @param {Field} field */
export function placeholder(field) {
  const { fallback } = field;
  if (fallback === null || fallback === undefined || (typeof fallback === "object" && !Object.keys(fallback).length)) return "";
  return Array.isArray(fallback) ? fallback.join(", ") : typeof fallback === "object" ? JSON.stringify(fallback) : String(fallback);
}

// From a draft to a document --------------------------------------------------------------------------------------

/** What is left empty is left out: the default holds. @param {Field[]} fields @param {Draft} draft @returns {{document: any, problems: Record<string, string>}} */
export function documentOf(fields, draft) {
  /** @type {Record<string, string>} */
  const problems = {};
  return { document: gathered(fields, draft, problems), problems };
}

/** @param {Field[]} fields @param {Draft} draft @param {Record<string, string>} problems */
function gathered(fields, draft, problems) {
  /** @type {Record<string, any>} */
  const document = {};
  for (const field of fields) {
    const value = valueOf(field, draft, problems);
    if (value !== undefined) document[nameOf(field)] = value;
    else if (field.required && !problems[field.path]) problems[field.path] = words.form.missing;
  }
  return document;
}

/** @param {Field} field @param {Draft} draft @param {Record<string, string>} problems @returns {any} */
function valueOf(field, draft, problems) {
  if (field.kind === "group") {
    const inside = gathered(field.fields ?? [], draft, problems);
    return Object.keys(inside).length ? inside : undefined;
  }
  if (field.kind === "many") return items(field, draft).map((each) => gathered(each, draft, problems));
  const given = draft[field.path];
  if (field.kind === "yes") return given === (field.fallback ?? false) || given === undefined ? undefined : given;
  if (field.kind === "some") return /** @type {string[]} */ (given ?? []).length ? given : undefined;
  const text = String(given ?? "").trim();
  if (text === "") return undefined;
  if (field.nullable && text.toLowerCase() === words.form.none) return null;
  try {
    return parsed(field, text);
  } catch (error) {
    problems[field.path] = /** @type {Error} */ (error).message;
    return undefined;
  }
}

/** @param {Field} field @param {string} text @returns {any} */
function parsed(field, text) {
  if (field.kind === "number" || field.kind === "whole") {
    const number = Number(text);
    if (!Number.isFinite(number)) throw new Error(words.form.number);
    if (field.kind === "whole" && !Number.isInteger(number)) throw new Error(words.form.whole);
    return number;
  }
  if (field.kind === "list") return lines(text);
  if (field.kind === "map") return Object.fromEntries(lines(text).map(pair));
  if (field.kind === "json") {
    try {
      return JSON.parse(text);
    } catch {
      throw new Error(words.form.json);
    }
  }
  return text;
}

/** @param {string} text */
export const lines = (text) => text.split("\n").map((each) => each.trim()).filter(Boolean);

/** @param {string} line @returns {[string, string]} */
function pair(line) {
  const at = line.indexOf("=");
  if (at < 1) throw new Error(words.form.pair);
  return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
}

// From a refusal to its field -------------------------------------------------------------------------------------

/** `target.checks.p2p.interval_s: must be …` as the path in the form and the reason. @param {string} message @param {string} argument */
export function refusal(message, argument) {
  const at = message.indexOf(": ");
  const head = at === -1 ? "" : message.slice(0, at).replace(/\[(\d+)\]/g, ".$1");
  if (head !== argument && !head.startsWith(`${argument}.`)) return { path: "", text: message };
  return { path: head.slice(argument.length + 1), text: message.slice(at + 2) };
}

/** A refusal as it reads beside its field: the part within it, and no pattern that only machines read. @param {string} inside @param {string} text */
export function readable(inside, text) {
  const pattern = /^must match .* \(is (.*)\)$/s.exec(text);
  const said = pattern ? words.form.pattern(pattern[1]) : text;
  return /^\d+$/.test(inside) ? words.form.line(Number(inside) + 1, said) : inside ? `${inside}: ${said}` : said;
}

/** The field beside which it belongs: itself, or the nearest that holds it; "" is the whole form. @param {string} path @param {Field[]} fields @param {Draft} draft */
export function placed(path, fields, draft) {
  const paths = flat(fields, draft).map((each) => each.path);
  for (let at = path; at; at = at.slice(0, Math.max(0, at.lastIndexOf(".")))) if (paths.includes(at)) return at;
  return "";
}

/** As a sentence about the field. @param {Field[]} fields @param {Draft} draft @param {string} path @param {string} text */
export function told(fields, draft, path, text) {
  const all = flat(fields, draft);
  const label = all.find((each) => each.path === path)?.label;
  const inside = path.split(".").slice(0, -1).map((_, n, parts) => parts.slice(0, n + 1).join(".")).map((each) => all.find((field) => field.path === each)?.label).pop();
  return label ? `${inside && inside !== label ? `${inside}, ` : ""}${label}: ${text}` : text;
}

/** Without the item, and with the others moved up. @param {Draft} draft @param {Field} field @param {number} n @returns {Draft} */
export function without(draft, field, n) {
  const value = typedInto(draft, field);
  value.splice(n, 1);
  /** @type {Draft} */
  const left = Object.fromEntries(Object.entries(draft).filter(([path]) => !path.startsWith(`${field.path}.`)));
  left[`${field.path}.length`] = value.length;
  value.forEach((each, at) => Object.entries(each).forEach(([path, typed]) => { left[`${field.path}.${at}.${path}`] = typed; }));
  return left;
}

/** What was typed into each of many. @param {Draft} draft @param {Field} field @returns {Draft[]} */
function typedInto(draft, field) {
  return items(field, draft).map((_, n) => Object.fromEntries(Object.entries(draft)
    .filter(([path]) => path.startsWith(`${field.path}.${n}.`)).map(([path, typed]) => [path.slice(`${field.path}.${n}.`.length), typed])));
}
