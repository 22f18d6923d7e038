-- Incidents that open, grow and settle by themselves.

create table watchkeeper.incident_settings (
  only_row boolean primary key default true check (only_row),
  enabled boolean not null default true,
  -- which alerts count
  match jsonb not null default '{}' check (jsonb_typeof(match) = 'object'),
  -- null: never for this reason
  critical_unacknowledged_s integer default 900 check (critical_unacknowledged_s between 0 and 604800),
  network_targets integer default 3 check (network_targets between 2 and 10000),
  resolves_itself boolean not null default true
);
alter table watchkeeper.incident_settings enable row level security;
insert into watchkeeper.incident_settings default values;
create trigger audit after insert or update or delete on watchkeeper.incident_settings
  for each row execute function watchkeeper.audit();

-- What is not given stays.
create function watchkeeper.store_incident_settings(argument text, given jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  stored watchkeeper.incident_settings;
begin
  perform watchkeeper.need_shape(argument, given, '{"type": "object", "additionalProperties": false, "properties": {
    "enabled": {"type": "boolean"}, "match": {"type": "object"}, "resolves_itself": {"type": "boolean"},
    "critical_unacknowledged_s": {"type": ["integer", "null"], "minimum": 0, "maximum": 604800},
    "network_targets": {"type": ["integer", "null"], "minimum": 2, "maximum": 10000}}}');
  perform watchkeeper.need_shape(argument || '.match', coalesce(given -> 'match', '{}'), watchkeeper.matcher_schema());
  update watchkeeper.incident_settings as s
  set enabled = coalesce((given ->> 'enabled')::boolean, s.enabled),
    match = coalesce(given -> 'match', s.match),
    resolves_itself = coalesce((given ->> 'resolves_itself')::boolean, s.resolves_itself),
    critical_unacknowledged_s = case when given ? 'critical_unacknowledged_s'
      then (given ->> 'critical_unacknowledged_s')::numeric::integer else s.critical_unacknowledged_s end,
    network_targets = case when given ? 'network_targets' then (given ->> 'network_targets')::numeric::integer else s.network_targets end
  returning s.* into stored;
  return to_jsonb(stored) - 'only_row';
end
$$;

create function watchkeeper.save_incident_settings(settings jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  return watchkeeper.store_seen('incident_settings', settings, now());
end
$$;

create function watchkeeper.get_incident_settings() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return (select to_jsonb(s) - 'only_row' from watchkeeper.incident_settings as s);
end
$$;

-- Which alerts count ----------------------------------------------------------------------------------------------

-- Not what is held back, by its row (cheap) and by what holds at this moment (a silence that began after it was sent).
-- That no route matches holds back no trouble, only its messages.
create function watchkeeper.counts_for_incidents(alert public.system_alerts, match jsonb, at timestamptz) returns boolean
language plpgsql stable set search_path = '' as $$
begin
  return coalesce(alert.held_by, 'no route matches') = 'no route matches'
    and watchkeeper.matches(match, alert)
    and watchkeeper.reason_to_hold(alert, at) is null;
end
$$;

-- Since when somebody could have acknowledged that it is critical.
create function watchkeeper.critical_since(alert public.system_alerts) returns timestamptz
language sql stable set search_path = '' as $$
  select greatest(min(t.at), alert.routed_at)
  from watchkeeper.alert_transitions as t
  where t.alert_id = alert.id and t.severity = 'critical' and t.transition in ('fired', 'escalated')
$$;

-- What was in an incident that is over was dealt with there, whether it still fires or not.
create function watchkeeper.is_in_incident(alert_id uuid, states text[]) returns boolean
language sql stable set search_path = '' as $$
  select exists (
    select from watchkeeper.incident_alerts as l join public.incident_logs as i on i.id = l.incident_id
    where l.alert_id = is_in_incident.alert_id and i.status = any (states)
  )
$$;

-- Joining -------------------------------------------------------------------------------------------------------

-- What fires now and is what an open incident is about belongs to it.
create function watchkeeper.join_incidents(settings watchkeeper.incident_settings, at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  incident public.incident_logs;
  joining uuid[];
begin
  for incident in
    select i.* from public.incident_logs as i
    where i.key is not null and i.status in ('open', 'investigating') order by i.id for no key update skip locked
  loop
    joining := array(
      with candidates as materialized (
        select a as alert from public.system_alerts as a
        where a.status = 'firing'
          and (incident.key = 'alert:' || a.fingerprint
            or (settings.network_targets is not null and incident.key = 'network:' || (a.metadata ->> 'network')
              and a.target_id is not null and watchkeeper.severity_rank(a.severity) >= 3))
          and not watchkeeper.is_in_incident(a.id, array['resolved', 'closed'])
          and not exists (select from watchkeeper.incident_alerts as l where l.incident_id = incident.id and l.alert_id = a.id)
      )
      select (c.alert).id from candidates as c where watchkeeper.counts_for_incidents(c.alert, settings.match, at)
    );
    if cardinality(joining) > 0 then
      perform watchkeeper.link_alerts(incident, joining, at);
    end if;
  end loop;
end
$$;

-- A budget that burns ------------------------------------------------------------------------------------------

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

-- Opening -------------------------------------------------------------------------------------------------------

create function watchkeeper.open_by_policy(
  settings watchkeeper.incident_settings, key text, incident_type text, title text, description text, network text, alert_ids uuid[], at timestamptz
) returns void
language plpgsql set search_path = '' as $$
declare
  incident public.incident_logs;
begin
  incident.key := key;
  incident.incident_type := incident_type;
  incident.severity := 'critical';
  incident.title := left(title, 200);
  incident.description := description;
  incident.network := network;
  incident.opened_by := 'policy';
  incident.resolves_itself := settings.resolves_itself;
  -- An alert may have been recorded since this sweep began: the incident begins after its evidence.
  perform watchkeeper.open_incident(incident, alert_ids,
    (select greatest(open_by_policy.at, max(a.created_at)) from public.system_alerts as a where a.id = any (alert_ids)));
end
$$;

create function watchkeeper.open_for_networks(settings watchkeeper.incident_settings, at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  trouble record;
begin
  for trouble in
    with candidates as materialized (
      select a as alert, a.metadata ->> 'network' as network
      from public.system_alerts as a
      where a.status = 'firing' and a.target_id is not null and a.metadata ->> 'network' is not null
        and watchkeeper.severity_rank(a.severity) >= 3
        and coalesce(a.held_by, 'no route matches') = 'no route matches'
        and not watchkeeper.is_in_incident(a.id, array['resolved', 'closed'])
        and not exists (
          select from public.incident_logs as i
          where i.key = 'network:' || (a.metadata ->> 'network') and i.status in ('open', 'investigating')
        )
    ),
    -- The dear question is asked only where there may be enough of them.
    enough as materialized (
      select c.network from candidates as c group by c.network
      having count(distinct (c.alert).target_id) >= settings.network_targets
    )
    select c.network, count(distinct (c.alert).target_id) as targets, array_agg((c.alert).id) as alert_ids
    from candidates as c
    where c.network in (select e.network from enough as e) and watchkeeper.counts_for_incidents(c.alert, settings.match, at)
    group by c.network
    having count(distinct (c.alert).target_id) >= settings.network_targets
    order by c.network
  loop
    perform watchkeeper.open_by_policy(settings, 'network:' || trouble.network, 'network',
      format('%s: %s targets are failing', trouble.network, trouble.targets),
      format('%s targets of the network %s had an alert of severity error or worse at the same time.', trouble.targets, trouble.network),
      trouble.network, trouble.alert_ids, at);
  end loop;
end
$$;

create function watchkeeper.open_for_unacknowledged(settings watchkeeper.incident_settings, at timestamptz) returns void
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

-- Settling ------------------------------------------------------------------------------------------------------

-- When the last of an incident's alerts is over it says so, once each time; what opened by policy may end with it. A
-- budget goes on burning for hours after the outage is over, and keeps no incident open that tells of the outage.
create function watchkeeper.settle_incidents(at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  incident public.incident_logs;
  over record;
  said text;
  moment timestamptz;
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
    -- The last of them may have ended since this sweep began.
    moment := greatest(at, over.last_at);
    perform watchkeeper.note_incident(incident, 'settled', said, jsonb_build_object('alerts', over.alerts, 'last_at', over.last_at), moment);
    if incident.resolves_itself then
      perform watchkeeper.move_incident(incident, 'resolved', said, over.last_at, moment);
    end if;
  end loop;
end
$$;

-- Only the sweeper does this, so nobody races it; what people do at the same time, it sees at the next sweep.
create function watchkeeper.tend_incidents(at timestamptz) returns void
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

-- The API ------------------------------------------------------------------------------------------------------

create function public.get_incident_settings() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_incident_settings()';
create function public.save_incident_settings(settings jsonb) returns jsonb
language sql set search_path = '' as 'select watchkeeper.save_incident_settings(settings)';

grant execute on function
  watchkeeper.get_incident_settings(), public.get_incident_settings(),
  watchkeeper.save_incident_settings(jsonb), public.save_incident_settings(jsonb)
to authenticated, service_role;
