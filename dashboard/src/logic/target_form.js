// The form of a target, from the catalog: which fields it has for what was chosen so far, and what they say. Pure.
import { words } from "../words.js";
import { documentOf, draftOf, fieldsOf } from "./form.js";

/** @typedef {import("./form.js").Field} Field */
/** @typedef {import("./form.js").Draft} Draft */

const FEW = 40;

/** What the target is. @param {any} catalog @param {Draft} draft @param {string[]} names  of the other targets @returns {Field[]} */
export function basics(catalog, draft, names) {
  const t = words.editor;
  const family = catalog.chains[String(draft.chain ?? "")];
  const networks = Object.entries(catalog.networks ?? {}).filter(([, preset]) => preset.chain === draft.chain).map(([name]) => name);
  return [
    { path: "name", label: t.name, kind: "text", required: true },
    { path: "chain", label: words.target.chain, kind: "choice", hint: t.chainHint, empty: t.noChain, options: Object.keys(catalog.chains).map((each) => [each, each]) },
    ...(family ? [/** @type {Field} */ ({ path: "network", label: t.network, kind: "text", hint: networks.length ? t.networkHint : undefined, ideas: networks })] : []),
    { path: "endpoint", label: words.target.endpoint, kind: "text", required: Boolean(family?.needs_endpoint),
      hint: family && !family.needs_endpoint ? t.endpointOptional : family ? t.endpointChain : t.endpointService },
    { path: "labels", label: words.target.labels, kind: "map", hint: t.labelsHint },
    names.length && names.length <= FEW
      ? { path: "depends_on", label: t.dependsOn, kind: "some", hint: t.dependsHint, options: names.map((each) => [each, each]) }
      : { path: "depends_on", label: t.dependsOn, kind: "list", hint: `${t.dependsHint} ${t.namesOf}` },
    { path: "regions", label: t.regions, kind: "group", folded: true, fields: [
      { path: "regions.agree", label: t.agree, kind: "whole", hint: t.agreeHint },
      { path: "regions.names", label: t.regionNames, kind: "list", hint: t.regionNamesHint },
    ] },
  ];
}

/** What is known about the network lies under what is said here. @param {any} catalog @param {Draft} draft */
function preset(catalog, draft) {
  const found = catalog.networks?.[String(draft.network ?? "")];
  return found && found.chain === draft.chain ? found : {};
}

/** @param {any} catalog @param {Draft} draft @returns {Field[]} */
export function settings(catalog, draft) {
  const family = catalog.chains[String(draft.chain ?? "")];
  return family ? fieldsOf(family.settings_schema, "settings", preset(catalog, draft).settings) : [];
}

/** The kinds of checks that can work on what was chosen. @param {any} catalog @param {Draft} draft @returns {string[]} */
export function kindsOf(catalog, draft) {
  return draft.chain ? catalog.chains[String(draft.chain)]?.kinds ?? [] : ["uptime"];
}

/** @param {any} catalog @param {string} kind @returns {Field[]} */
export function timing(catalog, kind) {
  const { interval_s, timeout_s } = catalog.checks[kind];
  return [
    { path: `checks.${kind}.interval_s`, label: words.editor.interval, kind: "whole", fallback: interval_s },
    { path: `checks.${kind}.timeout_s`, label: words.editor.timeout, kind: "whole", fallback: Math.min(timeout_s, interval_s) },
    { path: `checks.${kind}.enabled`, label: words.editor.enabled, kind: "yes", fallback: true },
  ];
}

/** @param {any} catalog @param {Draft} draft @param {string} kind @returns {Field[]} */
export function params(catalog, draft, kind) {
  return fieldsOf(catalog.checks[kind].params_schema, `checks.${kind}.params`, preset(catalog, draft).params?.[kind]);
}

/** All fields, as they are nested in the document. @param {any} catalog @param {Draft} draft @param {string[]} names @returns {Field[]} */
export function fields(catalog, draft, names) {
  return [
    ...basics(catalog, draft, names),
    { path: "settings", label: words.editor.settings, kind: "group", fields: settings(catalog, draft) },
    { path: "checks", label: words.target.checks, kind: "group", fields: kindsOf(catalog, draft).filter((kind) => draft[`checks.${kind}`]).map((kind) => ({
      path: `checks.${kind}`, label: kind, kind: "group", fields: [...timing(catalog, kind),
        { path: `checks.${kind}.params`, label: words.editor.params, kind: "group", fields: params(catalog, draft, kind) }],
    })) },
  ];
}

/** @param {any} catalog @param {any} target  null: a new one @param {string[]} names @returns {Draft} */
export function startOf(catalog, target, names) {
  /** @type {Draft} */
  const draft = { chain: target?.chain ?? "", network: target?.network ?? "" };
  for (const kind of Object.keys(catalog.checks)) draft[`checks.${kind}`] = target ? kind in target.checks : kind === "uptime";
  for (const kind of Object.keys(catalog.checks)) Object.assign(draft, draftOf([...timing(catalog, kind), ...params(catalog, draft, kind)], {}));
  for (const [kind, check] of Object.entries(target?.checks ?? {})) {
    if (catalog.checks[kind]) Object.assign(draft, draftOf(timing(catalog, kind), check), draftOf(params(catalog, draft, kind), check.params));
  }
  return { ...draft, ...draftOf(basics(catalog, draft, names), target), ...draftOf(settings(catalog, draft), target?.settings) };
}

/** What save_target takes. @param {any} catalog @param {Draft} draft @param {string[]} names @param {string | null} id */
export function targetOf(catalog, draft, names, id) {
  const { document, problems } = documentOf(fields(catalog, draft, names), draft);
  const chosen = kindsOf(catalog, draft).filter((kind) => draft[`checks.${kind}`]);
  const checks = Object.fromEntries(chosen.map((kind) => [kind, document.checks?.[kind] ?? {}]));
  return { document: { ...(id ? { id } : {}), ...document, checks }, problems };
}
