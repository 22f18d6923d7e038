-- Deliveries that are about an incident, in the same outbox as those about alerts: what was told to whom is one ledger.

create function watchkeeper.alert_severity(incident_severity text) returns text
language sql immutable set search_path = '' as $$
  select case incident_severity when 'low' then 'info' when 'medium' then 'warning' when 'high' then 'error' else 'critical' end
$$;

-- A route takes incidents when its match names the kind `incident`: their alerts have paged already. `targets` fits when
-- one of the affected systems is named.
create function watchkeeper.matches_incident(matcher jsonb, incident public.incident_logs) returns boolean
language plpgsql immutable set search_path = '' as $$
declare
  alert public.system_alerts;
begin
  alert.severity := watchkeeper.alert_severity(incident.severity);
  alert.alert_type := incident.incident_type;
  alert.metadata := jsonb_build_object('kind', 'incident', 'network', incident.network);
  return coalesce(matcher -> 'kinds' ? 'incident', false)
    and watchkeeper.matches(matcher - 'targets', alert)
    and (not matcher ? 'targets' or matcher -> 'targets' ?| incident.affected_systems);
end
$$;

create function watchkeeper.incident_routings(incident public.incident_logs, at timestamptz) returns table (channel_id uuid, why text)
language plpgsql stable set search_path = '' as $$
declare
  route watchkeeper.routes;
begin
  for route in select r.* from watchkeeper.routes as r where r.enabled order by r.position, r.name loop
    continue when not (watchkeeper.matches_incident(route.match, incident) and watchkeeper.within_hours(route.hours, at));
    return query select c.id, 'route: ' || route.name
      from watchkeeper.route_channels as rc join watchkeeper.channels as c on c.id = rc.channel_id
      where rc.route_id = route.id and c.enabled and c.deleted_at is null;
    exit when not route.goes_on;
  end loop;
end
$$;

create function watchkeeper.enqueue_incident(
  incident public.incident_logs, channel_id uuid, event text, occasion text, why text, change text, at timestamptz
) returns void
language sql set search_path = '' as $$
  insert into watchkeeper.deliveries (incident_id, channel_id, event, dedup_key, why, payload, next_attempt_at, created_at)
  values (incident.id, channel_id, event, incident.id || ':' || channel_id || ':' || occasion, left(why, 200),
    jsonb_build_object('change', left(change, 2000)), at, at)
  on conflict (dedup_key) do nothing
$$;

-- To every channel that got the trigger, whatever has changed since.
create function watchkeeper.tell_of_change(incident public.incident_logs, event text, occasion text, change text, at timestamptz) returns void
language sql set search_path = '' as $$
  select watchkeeper.enqueue_incident(incident, d.channel_id, tell_of_change.event, occasion, 'follows the trigger', change, at)
  from watchkeeper.deliveries as d join watchkeeper.channels as c on c.id = d.channel_id and c.deleted_at is null
  where d.subject_id = incident.id and d.event = 'trigger' and d.status in ('pending', 'sent')
$$;

-- To the channels that have not been told yet: of a new incident all, of one that rose or is reopened the rest.
create function watchkeeper.trigger_incident(incident public.incident_logs, change text, at timestamptz) returns void
language sql set search_path = '' as $$
  select watchkeeper.enqueue_incident(incident, r.channel_id, 'trigger', 'trigger', r.why, change, at)
  from (select distinct on (x.channel_id) x.* from watchkeeper.incident_routings(incident, at) as x order by x.channel_id, x.why) as r
  where not exists (
    select from watchkeeper.deliveries as d
    where d.subject_id = incident.id and d.channel_id = r.channel_id and d.event = 'trigger' and d.status in ('pending', 'sent')
  )
$$;
