// Every address, and the file behind it. A view is loaded when it is first opened.

/** @type {import("./router.js").Route[]} */
export const routes = [
  { path: "/", name: "overview", right: "read", load: () => import("./views/overview.js") },
  { path: "/alerts", name: "alerts", right: "read", load: () => import("./views/alerts.js") },
  { path: "/alerts/:id", name: "alert", nav: "alerts", right: "read", load: () => import("./views/alert.js") },
  { path: "/incidents", name: "incidents", right: "read", load: () => import("./views/incidents.js") },
  { path: "/incidents/new", name: "new_incident", nav: "incidents", right: "respond", load: () => import("./views/new_incident.js") },
  { path: "/incidents/:id", name: "incident", nav: "incidents", right: "read", load: () => import("./views/incident.js") },
  { path: "/performance", name: "performance", right: "read", load: () => import("./views/performance.js") },
  { path: "/uptime", name: "uptime", right: "read", load: () => import("./views/uptime.js") },
  { path: "/reports", name: "reports", nav: "uptime", right: "read", load: () => import("./views/reports.js") },
  { path: "/targets", name: "targets", right: "read", load: () => import("./views/targets.js") },
  { path: "/targets/new", name: "new_target", nav: "targets", right: "manage", load: () => import("./views/target_edit.js") },
  { path: "/targets/:id/edit", name: "edit_target", nav: "targets", right: "manage", load: () => import("./views/target_edit.js") },
  { path: "/targets/:id", name: "target", nav: "targets", right: "read", load: () => import("./views/target.js") },
  // What a message about a report links to.
  { path: "/reports/:id", name: "report", nav: "uptime", right: "read", load: () => import("./views/reports.js") },
  { path: "/channels", name: "channels", right: "read", load: () => import("./views/channels.js") },
  { path: "/channels/routes", name: "routing", nav: "channels", right: "read", load: () => import("./views/routing.js") },
  { path: "/channels/oncall", name: "oncall", nav: "channels", right: "read", load: () => import("./views/oncall.js") },
  { path: "/channels/silences", name: "silences", nav: "channels", right: "read", load: () => import("./views/silences.js") },
  { path: "/channels/heartbeats", name: "heartbeats", nav: "channels", right: "read", load: () => import("./views/heartbeats.js") },
  { path: "/audit", name: "audit", right: "audit", load: () => import("./views/audit.js") },
  { path: "/members", name: "members", right: "manage", load: () => import("./views/members.js") },
  { path: "/members/tokens", name: "tokens", nav: "members", right: "manage", load: () => import("./views/tokens.js") },
  { path: "/system", name: "system", right: "read", load: () => import("./views/system.js") },
  { path: "/account", name: "account", load: () => import("./views/account.js") },
  { path: "/settings", name: "settings", nav: "system", right: "read", load: () => import("./views/settings.js") },
  { path: "/nowhere", name: "nowhere", load: () => import("./views/nowhere.js") },
];
