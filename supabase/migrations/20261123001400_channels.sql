-- Where notifications go: channels, the routes that choose them, and who is on call.

create table watchkeeper.channels (
  id uuid primary key default gen_random_uuid(),
  name text not null check (length(name) between 1 and 100),
  kind text not null check (length(kind) between 1 and 40),
  config jsonb not null default '{}' check (jsonb_typeof(config) = 'object'),
  -- {field: reference}: where a secret is kept, never the secret itself
  secrets jsonb not null default '{}' check (jsonb_typeof(secrets) = 'object'),
  -- the e-mail of whom it reaches, for rotations
  person text check (length(person) <= 320),
  enabled boolean not null default true,
  rate_per_minute integer check (rate_per_minute between 1 and 6000),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- A deleted channel stays for its ledger.
  deleted_at timestamptz
);
alter table watchkeeper.channels enable row level security;
create unique index channels_name on watchkeeper.channels (name) where deleted_at is null;

create table watchkeeper.rotations (
  id uuid primary key default gen_random_uuid(),
  name text not null unique check (length(name) between 1 and 100),
  time_zone text not null,
  -- local time of the first hand-over; the others follow every shift_days
  -- squawk-ignore prefer-timestamp-tz
  starts_at timestamp not null,
  shift_days integer not null check (shift_days between 1 and 366),
  people text[] not null check (cardinality(people) between 1 and 100)
);
alter table watchkeeper.rotations enable row level security;

create table watchkeeper.rotation_overrides (
  id uuid primary key default gen_random_uuid(),
  rotation_id uuid not null references watchkeeper.rotations (id) on delete cascade,
  person text not null check (length(person) between 1 and 320),
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  check (ends_at > starts_at)
);
alter table watchkeeper.rotation_overrides enable row level security;
create index rotation_overrides_of_rotation on watchkeeper.rotation_overrides (rotation_id, starts_at);

create table watchkeeper.escalations (
  id uuid primary key default gen_random_uuid(),
  name text not null unique check (length(name) between 1 and 100),
  -- [{after_s, channels: [names], on_call: [rotation names]}], waits counted from the step before
  steps jsonb not null check (jsonb_typeof(steps) = 'array'),
  repeats integer not null default 0 check (repeats between 0 and 100)
);
alter table watchkeeper.escalations enable row level security;

create table watchkeeper.routes (
  id uuid primary key default gen_random_uuid(),
  name text not null unique check (length(name) between 1 and 100),
  position integer not null default 100,
  match jsonb not null default '{}' check (jsonb_typeof(match) = 'object'),
  -- {time_zone, days: [mon ...], from: "09:00", to: "17:00"}; null: always
  hours jsonb check (jsonb_typeof(hours) = 'object'),
  escalation_id uuid references watchkeeper.escalations (id) on delete restrict,
  goes_on boolean not null default false,
  group_wait_s integer not null default 10 check (group_wait_s between 0 and 3600),
  remind_every_s integer check (remind_every_s between 60 and 604800),
  enabled boolean not null default true
);
alter table watchkeeper.routes enable row level security;
create index routes_of_escalation on watchkeeper.routes (escalation_id);

create table watchkeeper.route_channels (
  route_id uuid not null references watchkeeper.routes (id) on delete cascade,
  channel_id uuid not null references watchkeeper.channels (id) on delete cascade,
  primary key (route_id, channel_id)
);
alter table watchkeeper.route_channels enable row level security;
create index route_channels_of_channel on watchkeeper.route_channels (channel_id);

-- The few numbers that hold for all channels.
create table watchkeeper.delivery_settings (
  only_row boolean primary key default true check (only_row),
  storm_alerts integer not null default 10 check (storm_alerts between 2 and 1000),
  flapping_changes integer not null default 6 check (flapping_changes between 3 and 1000),
  flapping_window_s integer not null default 600 check (flapping_window_s between 60 and 86400),
  dead_after_s integer not null default 86400 check (dead_after_s between 60 and 1209600)
);
alter table watchkeeper.delivery_settings enable row level security;
insert into watchkeeper.delivery_settings default values;

-- Matching ------------------------------------------------------------------------------------------------------

create function watchkeeper.matcher_schema() returns jsonb
language sql immutable set search_path = '' as $$
  select '{"type": "object", "additionalProperties": false, "properties": {
    "min_severity": {"enum": ["info", "warning", "error", "critical"]},
    "targets": {"$ref": "#/$defs/names"}, "networks": {"$ref": "#/$defs/names"}, "chains": {"$ref": "#/$defs/names"},
    "kinds": {"$ref": "#/$defs/names"}, "alert_types": {"$ref": "#/$defs/names"},
    "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 200}}},
    "$defs": {"names": {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"type": "string", "minLength": 1, "maxLength": 100}}}}'::jsonb
$$;

-- Every part that is given must fit; what is not given fits all.
create function watchkeeper.matches(matcher jsonb, alert public.system_alerts) returns boolean
language sql immutable set search_path = '' as $$
  select
    (not matcher ? 'min_severity' or watchkeeper.severity_rank(alert.severity) >= watchkeeper.severity_rank(matcher ->> 'min_severity'))
    and (not matcher ? 'targets' or matcher -> 'targets' ? alert.source)
    and (not matcher ? 'networks' or coalesce(matcher -> 'networks' ? (alert.metadata ->> 'network'), false))
    and (not matcher ? 'chains' or coalesce(matcher -> 'chains' ? (alert.metadata ->> 'chain'), false))
    and (not matcher ? 'kinds' or coalesce(matcher -> 'kinds' ? (alert.metadata ->> 'kind'), false))
    and (not matcher ? 'alert_types' or matcher -> 'alert_types' ? alert.alert_type)
    and (not matcher ? 'labels' or coalesce(alert.metadata -> 'labels' @> (matcher -> 'labels'), false))
$$;

-- Within the hours? `to` before `from` runs over midnight, and then the day is the one on which it began.
create function watchkeeper.within_hours(hours jsonb, at timestamptz) returns boolean
language sql stable set search_path = '' as $$
  select hours is null or exists (
    select
    from (select at at time zone coalesce(hours ->> 'time_zone', 'UTC') as now) as local
    cross join (select coalesce(hours ->> 'from', '00:00')::time as opens, coalesce(hours ->> 'to', '24:00')::time as closes) as span
    cross join lateral (values
      (local.now::date, local.now::time >= opens and (local.now::time < closes or closes <= opens)),
      (local.now::date - 1, closes <= opens and local.now::time < closes)
    ) as day (began, open)
    where day.open
      and (not hours ? 'days' or hours -> 'days' ? (array['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'])[extract(isodow from day.began)::integer])
  )
$$;

-- The moment at which the nth shift begins, at its local hour on the days the clocks change, too.
create function watchkeeper.handover(rotation watchkeeper.rotations, shift integer) returns timestamptz
language sql stable set search_path = '' as $$
  select (rotation.starts_at + make_interval(days => shift * rotation.shift_days)) at time zone rotation.time_zone
$$;

create function watchkeeper.on_call(rotation watchkeeper.rotations, at timestamptz) returns text
language sql stable set search_path = '' as $$
  select coalesce(
    (
      select o.person from watchkeeper.rotation_overrides as o
      where o.rotation_id = rotation.id and o.starts_at <= at and at < o.ends_at
      order by o.starts_at desc limit 1
    ),
    (
      select rotation.people[1 + mod(mod(n.shift, cardinality(rotation.people)) + cardinality(rotation.people), cardinality(rotation.people))]
      from (
        select floor(extract(epoch from (at at time zone rotation.time_zone) - rotation.starts_at) / (rotation.shift_days * 86400))::integer as near
      ) as s
      -- Local time goes back once a year, and nobody is on call again for half an hour because of it.
      cross join lateral (
        select case when watchkeeper.handover(rotation, s.near) > at then s.near - 1
          when watchkeeper.handover(rotation, s.near + 1) <= at then s.near + 1 else s.near end as shift
      ) as n
    )
  )
$$;
