// Channels, routes, rotations, escalations, silences and heartbeats: the fields of their forms, and what they do in words. Pure.
import { duration } from "../format.js";
import { words } from "../words.js";
import { fieldsOf, labelOf } from "./form.js";

/** @typedef {import("./form.js").Field} Field */

const t = words.settings;
const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/** @param {string[]} values @returns {[string, string][]} */
const same = (values) => values.map((each) => [each, each]);

/** @param {boolean} known  an old one keeps its name: it is what others call it by @returns {Field} */
const name = (known) => ({ path: "name", label: t.name, kind: "text", required: true, fixed: known, hint: known ? t.nameFixed : undefined });

/** @param {string} zone  of who looks @returns {Field} */
const timeZone = (zone, path = "time_zone") => ({ path, label: t.timeZone, kind: "text", fallback: "UTC", ideas: [...new Set([zone, "UTC"])] });

/** @param {string} hint @param {string} [kindsHint] @returns {Field} */
export function match(hint, kindsHint = "") {
  const list = (/** @type {string} */ each) => /** @type {Field} */ ({ path: `match.${each}`, label: t.match[/** @type {"targets"} */ (each)], kind: "list" });
  return { path: "match", label: t.match.title, kind: "group", hint, fields: [
    { path: "match.min_severity", label: t.match.min_severity, kind: "choice", empty: t.match.any, options: same(["info", "warning", "error", "critical"]) },
    ...["targets", "networks", "chains"].map(list), { ...list("kinds"), hint: kindsHint }, list("alert_types"),
    { path: "match.labels", label: t.match.labels, kind: "map" },
  ] };
}

/** @param {any} notifiers  of the catalog @param {string} kind @param {string} named @param {boolean} known @returns {Field[]} */
export function channelFields(notifiers, kind, named, known) {
  const notifier = notifiers[kind];
  const slug = named.trim().replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "") || "NAME";
  /** @type {Field[]} */
  const secrets = (notifier?.secrets ?? []).map((/** @type {string} */ each) => ({
    path: `secrets.${each}`, label: labelOf(each), kind: "text", required: notifier.required_secrets.includes(each),
    ideas: [`ssm:/watchkeeper/channels/${slug}/${each}`, `secretsmanager:watchkeeper/channels/${slug}/${each}`, `env:CHANNEL_${slug.toUpperCase().replaceAll("-", "_")}`],
  }));
  const config = notifier ? fieldsOf(notifier.config_schema, "config") : [];
  /** @type {Field[]} */
  const groups = [
    { path: "config", label: t.config(kind), kind: "group", fields: config },
    { path: "secrets", label: t.secrets, kind: "group", hint: t.secretsHint, fields: secrets },
  ];
  return [
    name(known),
    { path: "kind", label: t.kind, kind: "choice", required: true, options: same(Object.keys(notifiers).sort()) },
    { path: "person", label: t.person, kind: "text", hint: t.personHint },
    { path: "rate_per_minute", label: t.rate, kind: "whole", hint: t.rateHint },
    { path: "enabled", label: words.editor.enabled, kind: "yes", fallback: true },
    ...groups.filter((each) => each.fields?.length),
  ];
}

/** @param {string[]} channels @param {string[]} escalations @param {string} zone @param {boolean} known @returns {Field[]} */
export function routeFields(channels, escalations, zone, known) {
  return [
    name(known),
    { path: "position", label: t.position, kind: "whole", fallback: 100, hint: t.positionHint },
    { path: "enabled", label: words.editor.enabled, kind: "yes", fallback: true },
    match(t.match.hint, t.match.kindsHint),
    { path: "channels", label: t.channels, kind: "some", options: same(channels) },
    { path: "escalation", label: t.escalation, kind: "choice", empty: words.form.none, options: same(escalations) },
    { path: "group_wait_s", label: t.groupWait, kind: "whole", fallback: 10, hint: t.groupWaitHint },
    { path: "remind_every_s", label: t.remind, kind: "whole", hint: t.remindHint },
    { path: "continue", label: t.goesOn, kind: "yes", fallback: false },
    { path: "hours", label: t.hours, kind: "group", folded: true, hint: t.hoursHint, fields: [
      { path: "hours.from", label: t.from, kind: "text", fallback: "00:00", hint: t.hourHint }, { path: "hours.to", label: t.to, kind: "text", fallback: "24:00" },
      timeZone(zone, "hours.time_zone"), { path: "hours.days", label: t.days, kind: "some", options: same(DAYS) },
    ] },
  ];
}

/** @param {string} zone @param {boolean} known @returns {Field[]} */
export function rotationFields(zone, known) {
  return [
    name(known),
    { path: "people", label: t.people, kind: "list", required: true, hint: t.peopleHint },
    { path: "starts_at", label: t.handover, kind: "moment", required: true },
    { path: "shift_days", label: t.shift, kind: "whole", fallback: 7 },
    timeZone(zone),
  ];
}

/** @param {string[]} channels @param {string[]} rotations @param {boolean} known @returns {Field[]} */
export function escalationFields(channels, rotations, known) {
  return [
    name(known),
    { path: "repeats", label: t.repeats, kind: "whole", fallback: 0, hint: t.repeatsHint },
    { path: "steps", label: t.steps, kind: "many", hint: t.stepsHint, fields: [
      { path: "after_s", label: t.after, kind: "whole", required: true },
      { path: "on_call", label: t.onCall, kind: "some", options: same(rotations) },
      { path: "channels", label: t.channels, kind: "some", options: same(channels) },
    ] },
  ];
}

/** Some of the targets. @returns {Field} */
function group() {
  const list = (/** @type {string} */ each) => /** @type {Field} */ ({ path: `match.${each}`, label: t.match[/** @type {"targets"} */ (each)], kind: "list" });
  return { path: "match", label: words.reports.about, kind: "group", hint: words.reports.aboutHint, fields: [...["targets", "networks", "chains"].map(list), { path: "match.labels", label: t.match.labels, kind: "map" }] };
}

/** @param {boolean} known @returns {Field[]} */
export function objectiveFields(known) {
  const u = words.uptime;
  return [
    name(known),
    { path: "percent", label: u.goalPercent, kind: "number", fallback: 99.9 },
    { path: "window_days", label: u.window, kind: "whole", fallback: 30 },
    { path: "counts_unknown", label: u.unknownTime, kind: "choice", required: true, options: [["apart", u.apart], ["down", u.asDown]] },
    { path: "burn_alerts", label: u.burnAlerts, kind: "yes", fallback: true },
    group(),
  ];
}

/** A compliance report is about the whole installation. @param {string[]} channels @param {string[]} objectives @param {string} kind @param {boolean} known @returns {Field[]} */
export function planFields(channels, objectives, kind, known) {
  const r = words.reports;
  /** @type {Field[]} */
  const about = kind === "compliance" ? [] : [
    { path: "objective", label: words.uptime.objective, kind: "choice", empty: r.eachObjective, options: same(objectives) },
    group(),
  ];
  return [
    name(known),
    { path: "kind", label: r.kind, kind: "choice", required: true, options: [["sla", r.kinds.sla], ["compliance", r.kinds.compliance]] },
    { path: "formats", label: r.formats, kind: "some", options: same(["html", "pdf", "csv", "json"]), hint: r.formatsHint },
    { path: "channels", label: r.channels, kind: "some", options: same(channels), hint: r.planChannelsHint },
    { path: "enabled", label: words.editor.enabled, kind: "yes", fallback: true },
    ...about,
  ];
}

/** @param {string} zone @returns {Field[]} */
export function silenceFields(zone) {
  return [
    { path: "comment", label: t.comment, kind: "text", required: true },
    { path: "kind", label: t.kind, kind: "choice", fallback: "silence", hint: t.silenceKindHint, options: same(["silence", "maintenance"]) },
    { path: "starts_at", label: t.starts, kind: "moment", required: true },
    { path: "ends_at", label: t.ends, kind: "moment", required: true },
    timeZone(zone),
    { path: "rrule", label: t.rrule, kind: "text", hint: t.rruleHint, ideas: ["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=SU", "FREQ=MONTHLY;BYDAY=1SU"] },
    match(t.match.silenceHint),
  ];
}

/** @param {string} zone @param {boolean} known @returns {Field[]} */
export function heartbeatFields(zone, known) {
  return [
    name(known),
    { path: "period_s", label: t.period, kind: "whole", hint: t.periodHint },
    { path: "cron", label: t.cron, kind: "text", hint: t.cronHint },
    timeZone(zone),
    { path: "grace_s", label: t.grace, kind: "whole", fallback: 300, hint: t.graceHint },
    { path: "severity", label: words.alerts.severity, kind: "choice", fallback: "critical", options: same(["warning", "error", "critical"]) },
    { path: "labels", label: words.target.labels, kind: "map" },
    { path: "paused", label: t.paused, kind: "yes", fallback: false },
  ];
}

/** An hour from now, as the form has it: in the zone of who looks. @param {Date} now @param {string} zone @param {Record<string, unknown>} [match] */
export function newSilence(now, zone, match = {}) {
  const local = (/** @type {Date} */ at) => new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  return { starts_at: local(now), ends_at: local(new Date(now.getTime() + 3_600_000)), time_zone: zone, match };
}

// In words --------------------------------------------------------------------------------------------------------

const PARTS = ["min_severity", "targets", "networks", "chains", "kinds", "alert_types", "labels"];

/** What a matcher takes. @param {any} matcher */
export function matchWords(matcher) {
  const parts = PARTS.filter((part) => matcher?.[part]).map((part) => {
    const value = matcher[part];
    if (part === "min_severity") return t.match.atLeast(value);
    if (part === "labels") return `${t.match.labels.toLowerCase()} ${Object.entries(value).map(([key, each]) => `${key}=${each}`).join(", ")}`;
    return `${t.match[/** @type {"targets"} */ (part)]?.toLowerCase() ?? part} ${value.join(", ")}`;
  });
  return parts.join("; ") || t.match.all;
}

/** @param {any} hours */
export function hoursWords(hours) {
  if (!hours) return "";
  const days = hours.days?.length ? ` ${hours.days.join(", ")}` : "";
  return `${hours.from ?? "00:00"}–${hours.to ?? "24:00"}${days} (${hours.time_zone ?? "UTC"})`;
}

/** Where a route leads. @param {any} route */
export function leadsTo(route) {
  return [...route.channels, ...(route.escalation ? [`${t.escalation.toLowerCase()} ${route.escalation}`] : [])].join(", ");
}

/** How a route does it, if not as usual. @param {any} route @returns {string[]} */
export function manner(route) {
  return [
    route.hours ? hoursWords(route.hours) : "",
    route.group_wait_s !== 10 ? t.waits(duration(route.group_wait_s)) : "",
    route.remind_every_s ? t.reminds(duration(route.remind_every_s)) : "",
    route.continue ? t.continues : "",
  ].filter(Boolean);
}

/** @param {any} step @param {number} n */
export function stepWords(step, n) {
  const whom = [...(step.on_call ?? []).map((/** @type {string} */ each) => `${t.onCall.toLowerCase()} ${each}`), ...(step.channels ?? [])].join(", ") || t.nobody;
  return `${n || step.after_s ? t.afterWords(duration(step.after_s)) : t.atOnce}: ${whom}`;
}

/** Neither now nor ever again. Its times are local ones of its zone. @param {any} silence @param {Date} now */
export function isOver(silence, now) {
  if (silence.active || silence.rrule) return false;
  return silence.ends_at.replace("T", " ") <= now.toLocaleString("sv-SE", { timeZone: silence.time_zone });
}

/** @param {any} heartbeat */
export function beatWords(heartbeat) {
  const when = heartbeat.cron ? `${heartbeat.cron} (${heartbeat.time_zone})` : t.every(duration(heartbeat.period_s));
  return `${when}, ${t.graceWords(duration(heartbeat.grace_s))}`;
}
