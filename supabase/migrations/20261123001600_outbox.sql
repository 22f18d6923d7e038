-- The duty to notify is a row, written in the transaction that changed the alert. Whoever got the trigger gets the
-- acknowledgement and the resolve, in order; a row waits until a worker says sent, and every attempt is counted.

create table watchkeeper.deliveries (
  id uuid primary key default gen_random_uuid(),
  seq bigint generated always as identity unique,
  -- What it is about: one of these three, or none for a test message.
  alert_id uuid references public.system_alerts (id) on delete cascade,
  incident_id uuid references public.incident_logs (id),
  report_id uuid,
  -- what a channel hears of in order
  subject_id uuid generated always as (coalesce(alert_id, incident_id, report_id)) stored,
  channel_id uuid not null references watchkeeper.channels (id),
  event text not null check (event in ('trigger', 'escalate', 'remind', 'acknowledge', 'resolve', 'update', 'report', 'test')),
  -- the same for every attempt: a receiver that keeps it sees each event once
  dedup_key text not null unique,
  why text not null check (length(why) <= 200),
  -- what only this message says: of an incident {change}, of a report what it is
  payload jsonb check (pg_column_size(payload) <= 100000),
  status text not null default 'pending' check (status in ('pending', 'sent', 'dead', 'cancelled')),
  attempts integer not null default 0,
  next_attempt_at timestamptz not null,
  lease_id uuid,
  leased_until timestamptz,
  first_attempt_at timestamptz,
  last_attempt_at timestamptz,
  settled_at timestamptz,
  provider_id text check (length(provider_id) <= 500),
  -- what the notifier needs to thread the later messages of its subject under this one
  thread jsonb check (pg_column_size(thread) <= 4000),
  last_error text check (length(last_error) <= 500),
  created_at timestamptz not null,
  correlation_id text check (length(correlation_id) <= 100),
  check ((status = 'pending') = (settled_at is null)),
  constraint deliveries_one_subject check (num_nonnulls(alert_id, incident_id, report_id) <= 1)
);
alter table watchkeeper.deliveries enable row level security;
create index deliveries_pending on watchkeeper.deliveries (channel_id, next_attempt_at, seq) where status = 'pending';
create index deliveries_of_alert on watchkeeper.deliveries (alert_id, channel_id, seq);
create index deliveries_of_channel on watchkeeper.deliveries (channel_id, seq desc);
create index deliveries_recent_attempts on watchkeeper.deliveries (channel_id, last_attempt_at);
create index deliveries_of_subject on watchkeeper.deliveries (subject_id, channel_id, seq);
create index deliveries_of_incident on watchkeeper.deliveries (incident_id) where incident_id is not null;
create index deliveries_of_report on watchkeeper.deliveries (report_id) where report_id is not null;

-- One per alert that has an escalation policy; acknowledging or resolving stops it.
create table watchkeeper.ladders (
  alert_id uuid primary key references public.system_alerts (id) on delete cascade,
  escalation_id uuid not null references watchkeeper.escalations (id) on delete cascade,
  step integer not null default 0,
  round integer not null default 0,
  -- infinity: climbed to its end
  next_at timestamptz not null
);
alter table watchkeeper.ladders enable row level security;
create index ladders_due on watchkeeper.ladders (next_at);
create index ladders_of_escalation on watchkeeper.ladders (escalation_id);

-- What a person or the clock makes of an alert later (a reminder, an acknowledgement) belongs to the walk that opened it.
create function watchkeeper.keep_delivery_correlation() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.correlation_id := coalesce(watchkeeper.correlation_id(), (select a.correlation_id from public.system_alerts as a where a.id = new.alert_id));
  return new;
end
$$;
create trigger keep_correlation before insert on watchkeeper.deliveries for each row execute function watchkeeper.keep_delivery_correlation();

-- Holding back --------------------------------------------------------------------------------------------------

-- While the parent fires the child is shown and not paged. A child that noticed first waits, a minute at most, until
-- its parents have been looked at once more.
-- Without enable_seqscan, for the reason that stands at watchkeeper.ancestors.
create function watchkeeper.parent_of_trouble(alert public.system_alerts, at timestamptz) returns text
language plpgsql stable set search_path = '' set enable_seqscan = off as $$
begin
  return (select reason from (
    select 1 as n, 'parent: ' || a.source || ' is failing' as reason
    from watchkeeper.ancestors(alert.target_id) as p
    join public.system_alerts as a on a.target_id = p and a.status = 'firing'
      and watchkeeper.severity_rank(a.severity) >= 3 and a.alert_type not in ('blind', 'flapping')
    union all
    select 2, 'parent: waiting for a look at ' || t.name
    from watchkeeper.ancestors(alert.target_id) as p
    join watchkeeper.targets as t on t.id = p and not t.paused
    join watchkeeper.checks as c on c.target_id = p and c.enabled
    where at < alert.created_at + interval '60 seconds' and watchkeeper.last_due_at(c.id) < alert.created_at
  ) as r order by n, reason limit 1);
end
$$;

-- Without enable_seqscan, for the reason that stands at watchkeeper.ancestors.
create function watchkeeper.recent_changes(fingerprint text, moment timestamptz) returns bigint
language sql stable set search_path = '' set enable_seqscan = off as $$
  select count(*)
  from watchkeeper.delivery_settings as s
  join public.system_alerts as a on a.fingerprint = recent_changes.fingerprint
  join watchkeeper.alert_transitions as t on t.alert_id = a.id
  where t.transition in ('fired', 'resolved') and t.at > moment - make_interval(secs => s.flapping_window_s) and t.at <= moment
    and coalesce(a.resolved_at, moment) > moment - make_interval(secs => s.flapping_window_s)
$$;

-- Why the alert is not sent now, null if it may go. A named reason, so that a person can ask.
create function watchkeeper.reason_to_hold(alert public.system_alerts, at timestamptz) returns text
language plpgsql stable set search_path = '' as $$
declare
  silence watchkeeper.silences := watchkeeper.silence_of(alert, at);
begin
  if silence.id is not null then
    return left(silence.kind || ': ' || silence.comment, 200);
  end if;
  return left(coalesce(
    watchkeeper.parent_of_trouble(alert, at),
    case when alert.alert_type <> 'flapping' and exists (
      select from public.system_alerts as f where f.fingerprint = alert.fingerprint || ':flapping' and f.status = 'firing'
    ) then 'flapping' end
  ), 200);
end
$$;

-- Choosing the channels -----------------------------------------------------------------------------------------

create type watchkeeper.routing as (channel_id uuid, why text, group_wait_s integer, escalation_id uuid);

-- Of an alert that says that a channel does not deliver: that channel.
create function watchkeeper.dead_channel(alert public.system_alerts) returns uuid
language sql immutable set search_path = '' as $$
  select case when alert.metadata ->> 'kind' = 'delivery' then (alert.metadata ->> 'channel_id')::uuid end
$$;

-- The first route that fits, and on from there while routes say so. A dead letter never goes the way that died; if
-- no route knows another way, any other channel is better than none.
create function watchkeeper.routings(alert public.system_alerts, at timestamptz) returns setof watchkeeper.routing
language plpgsql stable set search_path = '' as $$
declare
  route watchkeeper.routes;
  dead_channel uuid := watchkeeper.dead_channel(alert);
  found_any boolean := false;
  routing watchkeeper.routing;
begin
  for route in select r.* from watchkeeper.routes as r where r.enabled order by r.position, r.name loop
    continue when not (watchkeeper.matches(route.match, alert) and watchkeeper.within_hours(route.hours, at));
    for routing in
      select c.id, 'route: ' || route.name, route.group_wait_s, route.escalation_id
      from watchkeeper.route_channels as rc join watchkeeper.channels as c on c.id = rc.channel_id
      where rc.route_id = route.id and c.enabled and c.deleted_at is null and c.id is distinct from dead_channel
    loop
      found_any := true;
      return next routing;
    end loop;
    if route.escalation_id is not null then
      found_any := found_any or dead_channel is null;
      return next (null, 'route: ' || route.name, route.group_wait_s, route.escalation_id)::watchkeeper.routing;
    end if;
    exit when not route.goes_on;
  end loop;
  if dead_channel is not null and not found_any then
    return query select c.id, 'fallback: no route without ' || alert.source, 0, null::uuid
      from watchkeeper.channels as c where c.enabled and c.deleted_at is null and c.id <> dead_channel;
  end if;
end
$$;

create function watchkeeper.told(alert_id uuid, channel_id uuid) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from watchkeeper.deliveries as d
    where d.alert_id = told.alert_id and d.channel_id = told.channel_id and d.event = 'trigger' and d.status in ('pending', 'sent')
  )
$$;

-- Non-criticals wait for company: what comes while a channel's first one of a network waits leaves together with it.
create function watchkeeper.enqueue(
  alert public.system_alerts, channel_id uuid, event text, occasion text, why text, wait_s integer, at timestamptz
) returns void
language sql set search_path = '' as $$
  insert into watchkeeper.deliveries (alert_id, channel_id, event, dedup_key, why, next_attempt_at, created_at)
  values (alert.id, channel_id, event, alert.id || ':' || channel_id || ':' || occasion, left(why, 200),
    case when watchkeeper.severity_rank(alert.severity) >= 3 or wait_s = 0 then at else least(at + make_interval(secs => wait_s), (
      select min(d.next_attempt_at)
      from watchkeeper.deliveries as d join public.system_alerts as a on a.id = d.alert_id
      where d.channel_id = enqueue.channel_id and d.status = 'pending' and d.attempts = 0 and d.event = enqueue.event
        and d.next_attempt_at > at and a.metadata ->> 'network' = alert.metadata ->> 'network'
    )) end, at)
  on conflict (dedup_key) do nothing
$$;

-- To every channel that got the trigger, whatever has changed since: silences, routes, the channel itself.
create function watchkeeper.tell_the_told(alert public.system_alerts, event text, occasion text, at timestamptz) returns void
language sql set search_path = '' as $$
  select watchkeeper.enqueue(alert, d.channel_id, tell_the_told.event, occasion, 'follows the trigger', 0, at)
  from watchkeeper.deliveries as d join watchkeeper.channels as c on c.id = d.channel_id
  where d.alert_id = alert.id and d.event = 'trigger' and d.status in ('pending', 'sent') and c.deleted_at is null
$$;

-- Those who were told before it rose hear that it rose, once.
-- Without enable_seqscan, for the reason that stands at watchkeeper.ancestors.
create function watchkeeper.tell_the_rise(alert public.system_alerts, at timestamptz) returns void
language plpgsql set search_path = '' set enable_seqscan = off as $$
begin
  perform watchkeeper.enqueue(alert, d.channel_id, 'escalate', 'escalate-' || t.id, 'follows the trigger', 0, tell_the_rise.at)
  from (
    select x.id, x.at from watchkeeper.alert_transitions as x
    where x.alert_id = alert.id and x.transition = 'escalated' order by x.id desc limit 1
  ) as t
  join watchkeeper.deliveries as d on d.alert_id = alert.id and d.event = 'trigger' and d.status in ('pending', 'sent') and d.created_at < t.at
  join watchkeeper.channels as c on c.id = d.channel_id and c.deleted_at is null;
end
$$;

-- Tells the channels that have not been told yet; or notes why it must wait. That is always the reason of today: a silence
-- that ended where no route matches holds nothing any more.
create function watchkeeper.route_alert(alert public.system_alerts, at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  reason text := watchkeeper.reason_to_hold(alert, at);
  routing watchkeeper.routing;
  routed boolean := false;
begin
  if reason is not null then
    -- Not routed any more: what it rose to is told when it may go.
    update public.system_alerts as a set held_by = reason, routed_at = null
    where a.id = alert.id and (a.held_by is distinct from reason or a.routed_at is not null);
    return;
  end if;
  perform watchkeeper.tell_the_rise(alert, at);
  for routing in select r.* from watchkeeper.routings(alert, at) as r loop
    routed := true;
    if routing.channel_id is not null and not watchkeeper.told(alert.id, routing.channel_id) then
      perform watchkeeper.enqueue(alert, routing.channel_id, 'trigger', 'trigger', routing.why, routing.group_wait_s, at);
    end if;
    if routing.escalation_id is not null then
      insert into watchkeeper.ladders (alert_id, escalation_id, next_at)
      select alert.id, e.id, at + make_interval(secs => (e.steps -> 0 ->> 'after_s')::integer)
      from watchkeeper.escalations as e where e.id = routing.escalation_id and not alert.acknowledged
      -- The same one is climbed once, however often the alert rises; after its end another may follow.
      on conflict (alert_id) do update
      set escalation_id = excluded.escalation_id, step = 0, round = 0, next_at = excluded.next_at
      where ladders.next_at = 'infinity' and ladders.escalation_id <> excluded.escalation_id;
    end if;
  end loop;
  update public.system_alerts as a
  set routed_at = case when routed then coalesce(a.routed_at, at) end, held_by = case when not routed then 'no route matches' end
  where a.id = alert.id and ((a.routed_at is null) = routed or a.held_by is distinct from case when not routed then 'no route matches' end);
end
$$;

-- More than so many changes in the window are one alert, not so many.
create function watchkeeper.note_flapping(alert public.system_alerts, at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  changes bigint := watchkeeper.recent_changes(alert.fingerprint, at);
  settings watchkeeper.delivery_settings;
begin
  select s.* into settings from watchkeeper.delivery_settings as s;
  if alert.alert_type <> 'flapping' and changes > settings.flapping_changes then
    perform watchkeeper.raise_alert(alert.fingerprint || ':flapping', alert.target_id, alert.source, 'flapping', alert.severity,
      format('%s is flapping: %s changes in %s s', alert.alert_type, changes, settings.flapping_window_s), alert.metadata, 1, at, at);
  end if;
end
$$;
