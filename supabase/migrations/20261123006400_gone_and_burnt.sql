-- What is left of a target that is gone, and of a budget that burns while its cause is being worked on.

-- Looks of a deleted target --------------------------------------------------------------------------------------------

-- A target's runs go with it. Where they were its record, what they said is kept until their day is rolled up, or it
-- would have been watched on its last day and never looked at.
create table watchkeeper.last_looks (
  target_id uuid not null references watchkeeper.services (target_id),
  at timestamptz not null,
  failed boolean not null,
  up_ms numeric,
  primary key (target_id, at)
);
alter table watchkeeper.last_looks enable row level security;
create index last_looks_by_time on watchkeeper.last_looks (at);

create function watchkeeper.run_looks(target_ids uuid[], from_at timestamptz, to_at timestamptz)
returns table (target_id uuid, at timestamptz, failed boolean, up_ms numeric)
language sql stable set search_path = '' as $$
  select c.target_id, r.due_at, r.outcome = 'fail', case when r.outcome = 'ok' then 1000 * extract(epoch from r.finished_at - r.started_at) end
  from watchkeeper.checks as c join watchkeeper.runs as r on r.check_id = c.id
  where c.target_id = any (target_ids) and c.kind <> 'uptime' and c.kind = watchkeeper.availability_kind(c.target_id)
    and r.due_at >= run_looks.from_at and r.due_at < run_looks.to_at and r.outcome is not null and not r.missed
$$;

create or replace function watchkeeper.looks(target_ids uuid[], from_at timestamptz, to_at timestamptz)
returns table (target_id uuid, at timestamptz, failed boolean, up_ms numeric)
language sql stable set search_path = '' as $$
  select u.target_id, u.checked_at, u.is_up is false, case when u.is_up then u.response_time_ms end
  from public.uptime_checks as u
  where u.target_id = any (target_ids) and u.checked_at >= looks.from_at and u.checked_at < looks.to_at
  union all
  select r.target_id, r.at, r.failed, r.up_ms from watchkeeper.run_looks(target_ids, looks.from_at, looks.to_at) as r
  union all
  select l.target_id, l.at, l.failed, l.up_ms
  from watchkeeper.last_looks as l
  where l.target_id = any (target_ids) and l.at >= looks.from_at and l.at < looks.to_at
$$;

create or replace function watchkeeper.drop_target(target_id uuid, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.target_of(target_id);
  perform watchkeeper.end_availability(target_id, at);
  update watchkeeper.services as s set watched_until = greatest(s.watched_from, at) where s.target_id = drop_target.target_id;
  -- The page shows the last 24 hours look by look, and days that are not rolled up.
  insert into watchkeeper.last_looks (target_id, at, failed, up_ms)
  select r.target_id, r.at, r.failed, r.up_ms
  from watchkeeper.run_looks(array[drop_target.target_id],
    least(watchkeeper.utc_midnight(watchkeeper.rolled_up_to()), drop_target.at - interval '24 hours'), drop_target.at) as r;
  delete from watchkeeper.checks as c where c.target_id = drop_target.target_id;
  perform watchkeeper.close_orphaned_alerts(target_id, 'the target was deleted', at);
  delete from watchkeeper.targets as t where t.id = drop_target.target_id;
end
$$;

-- History of a day that is not rolled up stays, however old it is.
create or replace function watchkeeper.prune_history(at timestamptz, keep_days integer, most integer) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  until timestamptz;
  rolled_until timestamptz;
  metrics bigint;
  uptime bigint;
  runs bigint;
  last_looks bigint;
  benchmarks bigint;
begin
  perform watchkeeper.need_between('keep_days', keep_days, 1, 3650);
  perform watchkeeper.need_between('most', most, 1, 1000000);
  until := at - make_interval(days => keep_days);
  rolled_until := least(until, watchkeeper.rolled_up_to()::timestamp at time zone 'UTC');

  with old as (
    select m.id from public.system_health_metrics as m where m.recorded_at < rolled_until
    order by m.recorded_at limit most for update skip locked
  )
  delete from public.system_health_metrics as m using old where m.id = old.id;
  get diagnostics metrics = row_count;

  with old as (
    select u.id from public.uptime_checks as u where u.checked_at < rolled_until
    order by u.checked_at limit most for update skip locked
  )
  delete from public.uptime_checks as u using old where u.id = old.id;
  get diagnostics uptime = row_count;

  with old as (
    select r.check_id, r.due_at from watchkeeper.runs as r where r.due_at < rolled_until
    order by r.due_at limit most for update skip locked
  )
  delete from watchkeeper.runs as r using old where r.check_id = old.check_id and r.due_at = old.due_at;
  get diagnostics runs = row_count;

  with old as (
    select l.target_id, l.at from watchkeeper.last_looks as l where l.at < rolled_until
    order by l.at limit most for update skip locked
  )
  delete from watchkeeper.last_looks as l using old where l.target_id = old.target_id and l.at = old.at;
  get diagnostics last_looks = row_count;

  with old as (
    select b.id from public.performance_benchmarks as b where b.recorded_at < until
    order by b.recorded_at limit most for update skip locked
  )
  delete from public.performance_benchmarks as b using old where b.id = old.id;
  get diagnostics benchmarks = row_count;

  return jsonb_build_object('system_health_metrics', metrics, 'uptime_checks', uptime, 'runs', runs + last_looks,
    'performance_benchmarks', benchmarks, 'more', greatest(metrics, uptime, runs, last_looks, benchmarks) = most);
end
$$;

-- A budget that burns --------------------------------------------------------------------------------------------------

-- It says what an outage costs, not that there is another one.
create function watchkeeper.is_burn(alert public.system_alerts) returns boolean
language sql immutable set search_path = '' as $$
  select alert.alert_type = 'error_budget_burn' and alert.fingerprint like 'objective:%'
$$;

-- Does it burn for a target of which an open incident tells? Then it belongs there, now or, while somebody changes that
-- incident, at the next sweep.
create function watchkeeper.join_burn(alert public.system_alerts, at timestamptz) returns boolean
language plpgsql set search_path = '' as $$
declare
  its_id uuid;
  incident public.incident_logs;
begin
  select i.id into its_id
  from watchkeeper.objectives as o
  join watchkeeper.services as s on watchkeeper.fits(o.match, s)
  join public.system_alerts as a on a.target_id = s.target_id
  join watchkeeper.incident_alerts as l on l.alert_id = a.id
  join public.incident_logs as i on i.id = l.incident_id and i.status in ('open', 'investigating')
  where alert.fingerprint = 'objective:' || o.id
  order by i.created_at, i.id limit 1;
  if its_id is null then
    return false;
  end if;
  select i.* into incident from public.incident_logs as i
  where i.id = its_id and i.status in ('open', 'investigating') for no key update skip locked;
  if incident.id is not null then
    perform watchkeeper.link_alerts(incident, array[alert.id], at);
  end if;
  return true;
end
$$;

create function watchkeeper.join_burns(settings watchkeeper.incident_settings, at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  alert public.system_alerts;
begin
  for alert in
    select a.* from public.system_alerts as a
    where a.status = 'firing' and watchkeeper.is_burn(a) and watchkeeper.severity_rank(a.severity) >= 3
      and not exists (select from watchkeeper.incident_alerts as l where l.alert_id = a.id)
    order by a.created_at, a.id
  loop
    if watchkeeper.counts_for_incidents(alert, settings.match, at) then
      perform watchkeeper.join_burn(alert, at);
    end if;
  end loop;
end
$$;

create or replace function watchkeeper.open_for_unacknowledged(settings watchkeeper.incident_settings, at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  alert public.system_alerts;
begin
  for alert in
    with candidates as materialized (
      select a as alert from public.system_alerts as a
      where a.status = 'firing' and a.severity = 'critical' and not a.acknowledged
        and a.created_at <= at - make_interval(secs => settings.critical_unacknowledged_s)
        and not exists (select from watchkeeper.incident_alerts as l where l.alert_id = a.id)
      -- Whoever holds it may be acknowledging it; who has just done so is seen by locking.
      for no key update of a skip locked
    )
    select (c.alert).* from candidates as c
    where watchkeeper.critical_since(c.alert) <= at - make_interval(secs => settings.critical_unacknowledged_s)
      and watchkeeper.counts_for_incidents(c.alert, settings.match, at)
    -- Causes before what they cost.
    order by watchkeeper.is_burn(c.alert), (c.alert).created_at, (c.alert).id
  loop
    continue when watchkeeper.is_burn(alert) and watchkeeper.join_burn(alert, at);
    perform watchkeeper.open_by_policy(settings, 'alert:' || alert.fingerprint, 'unacknowledged',
      format('%s: %s', alert.source, watchkeeper.markdown_line(alert.message, 120)),
      format('A critical alert was not acknowledged within %s s.', settings.critical_unacknowledged_s),
      alert.metadata ->> 'network', array[alert.id], at);
  end loop;
end
$$;

-- When the last of an incident's alerts is over it says so, once each time; what opened by policy may end with it. A
-- budget goes on burning for hours after the outage is over, and keeps no incident open that tells of the outage.
create or replace function watchkeeper.settle_incidents(at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  incident public.incident_logs;
  over record;
  said text;
begin
  for incident in
    select i.* from public.incident_logs as i
    where i.status in ('open', 'investigating') and exists (select from watchkeeper.incident_alerts as l where l.incident_id = i.id)
    order by i.id for no key update skip locked
  loop
    with linked as (
      select a as alert, l.linked_at, watchkeeper.is_burn(a) as burns
      from watchkeeper.incident_alerts as l join public.system_alerts as a on a.id = l.alert_id where l.incident_id = incident.id
    ),
    telling as (
      select (x.alert).*, x.linked_at from linked as x where not x.burns or not exists (select from linked as other where not other.burns)
    )
    select count(*) as alerts, bool_and(t.status = 'resolved') as resolved, max(t.resolved_at) as last_at,
      max(greatest(t.linked_at, t.resolved_at)) as since,
      (array_agg(t.source || ' ' || t.alert_type order by t.resolved_at desc, t.id))[1] as last
    into over
    from telling as t;
    continue when not over.resolved or exists (
      select from watchkeeper.incident_entries as e where e.incident_id = incident.id and e.kind = 'settled' and e.at >= over.since
    );
    said := case over.alerts when 1 then format('its alert is resolved: %s at %s', over.last, watchkeeper.utc_text(over.last_at))
      else format('all %s alerts are resolved; the last was %s at %s', over.alerts, over.last, watchkeeper.utc_text(over.last_at)) end;
    perform watchkeeper.note_incident(incident, 'settled', said, jsonb_build_object('alerts', over.alerts, 'last_at', over.last_at), at);
    if incident.resolves_itself then
      perform watchkeeper.move_incident(incident, 'resolved', said, over.last_at, at);
    end if;
  end loop;
end
$$;

create or replace function watchkeeper.tend_incidents(at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  settings watchkeeper.incident_settings;
begin
  select s.* into settings from watchkeeper.incident_settings as s;
  if settings.enabled then
    perform watchkeeper.join_incidents(settings, at);
    perform watchkeeper.join_burns(settings, at);
    if settings.network_targets is not null then
      perform watchkeeper.open_for_networks(settings, at);
    end if;
    if settings.critical_unacknowledged_s is not null then
      perform watchkeeper.open_for_unacknowledged(settings, at);
    end if;
  end if;
  perform watchkeeper.settle_incidents(at);
end
$$;
