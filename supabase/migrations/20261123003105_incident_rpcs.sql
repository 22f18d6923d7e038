-- What people do with incidents, and what they see of them.

create function watchkeeper.create_incident(
  title text, severity text, description text, affected_systems text[], incident_type text, alert_ids uuid[], at timestamptz
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  incident public.incident_logs;
  unknown uuid;
begin
  perform watchkeeper.require_role('responder');
  incident.title := watchkeeper.need_line('title', title, 200);
  incident.severity := watchkeeper.need_one_of('severity', severity, array['low', 'medium', 'high', 'critical']);
  if description is not null then
    incident.description := watchkeeper.need_lines('description', description, 20000);
  end if;
  incident.affected_systems := watchkeeper.need_systems('affected_systems', affected_systems);
  incident.incident_type := watchkeeper.need_line('incident_type', incident_type, 60);
  incident.opened_by := 'person';
  incident.resolves_itself := false;
  if alert_ids is null or cardinality(alert_ids) > 200 or exists (select from unnest(alert_ids) as u where u is null) then
    perform watchkeeper.refuse('alert_ids', 'must be a list of at most 200 ids');
  end if;
  unknown := (select u from unnest(alert_ids) as u where not exists (select from public.system_alerts as a where a.id = u) limit 1);
  if unknown is not null then
    perform watchkeeper.not_found('alert_ids', 'alert', unknown::text);
  end if;
  return watchkeeper.incident_document(watchkeeper.open_incident(incident, alert_ids, at));
end
$$;

create function watchkeeper.update_incident_status(incident_id uuid, status text, notes text, version integer, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('responder');
  perform watchkeeper.need_one_of('status', status, array['open', 'investigating', 'resolved', 'closed']);
  if notes is not null then
    perform watchkeeper.need_lines('notes', notes, 20000);
  end if;
  return watchkeeper.incident_document(watchkeeper.move_incident(
    watchkeeper.incident_as_seen(incident_id, version), status, notes, at, at));
end
$$;

-- In any state: what was learnt afterwards belongs to it as well.
create function watchkeeper.add_incident_note(incident_id uuid, note text, kind text, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  incident public.incident_logs;
begin
  perform watchkeeper.require_role('responder');
  perform watchkeeper.need_lines('note', note, 20000);
  perform watchkeeper.need_one_of('kind', kind, array['note', 'remediation']);
  incident := watchkeeper.incident_of(incident_id);
  perform watchkeeper.note_incident(incident, kind, note, '{}', at);
  return watchkeeper.incident_document(incident);
end
$$;

create function watchkeeper.assign_incident(incident_id uuid, email text, version integer, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  incident public.incident_logs;
  was text;
  person uuid;
begin
  perform watchkeeper.require_role('responder');
  if email is not null then
    person := watchkeeper.user_id_of(email);
    if not exists (select from watchkeeper.members as m where m.user_id = person) then
      perform watchkeeper.not_found('email', 'member', email);
    end if;
  end if;
  incident := watchkeeper.incident_as_seen(incident_id, version);
  if incident.assigned_to is not distinct from person then
    return watchkeeper.incident_document(incident);
  end if;
  was := incident.assigned_to_email;
  incident.assigned_to := person;
  incident.assigned_to_email := (select u.email from auth.users as u where u.id = person);
  incident := watchkeeper.store_incident(incident);
  perform watchkeeper.note_incident(incident, 'assigned', null, jsonb_build_object('from', was, 'to', incident.assigned_to_email), at);
  return watchkeeper.incident_document(incident);
end
$$;

create function watchkeeper.change_incident_severity(incident_id uuid, severity text, version integer, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  incident public.incident_logs;
  was text;
begin
  perform watchkeeper.require_role('responder');
  perform watchkeeper.need_one_of('severity', severity, array['low', 'medium', 'high', 'critical']);
  incident := watchkeeper.incident_as_seen(incident_id, version);
  was := incident.severity;
  if was <> change_incident_severity.severity then
    incident.severity := change_incident_severity.severity;
    incident := watchkeeper.store_incident(incident);
    perform watchkeeper.note_incident(incident, 'severity', null, jsonb_build_object('from', was, 'to', incident.severity), at);
  end if;
  return watchkeeper.incident_document(incident);
end
$$;

create function watchkeeper.set_affected_systems(incident_id uuid, affected_systems text[], version integer, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  incident public.incident_logs;
  was text[];
begin
  perform watchkeeper.require_role('responder');
  affected_systems := watchkeeper.need_systems('affected_systems', affected_systems);
  incident := watchkeeper.incident_as_seen(incident_id, version);
  was := incident.affected_systems;
  if was <> set_affected_systems.affected_systems then
    incident.affected_systems := set_affected_systems.affected_systems;
    incident := watchkeeper.store_incident(incident);
    perform watchkeeper.note_incident(incident, 'systems', null, jsonb_build_object('from', was, 'to', incident.affected_systems), at);
  end if;
  return watchkeeper.incident_document(incident);
end
$$;

create function watchkeeper.link_alert(incident_id uuid, alert_id uuid, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('responder');
  if alert_id is null or not exists (select from public.system_alerts as a where a.id = link_alert.alert_id) then
    perform watchkeeper.not_found('alert_id', 'alert', alert_id::text);
  end if;
  return watchkeeper.incident_document(watchkeeper.link_alerts(
    watchkeeper.incident_of(incident_id), array[alert_id], at));
end
$$;

-- The newest 5,000 of what happened, in its order; `timeline_count` says how many there are.
create function watchkeeper.get_incident(incident_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  incident public.incident_logs;
  answer jsonb;
begin
  perform watchkeeper.require_role('viewer');
  select i.* into incident from public.incident_logs as i where i.id = get_incident.incident_id;
  if incident.id is null then
    perform watchkeeper.not_found('incident_id', 'incident', incident_id::text);
  end if;
  select jsonb_build_object('timeline_count', coalesce(max(t.total), 0), 'timeline', coalesce(jsonb_agg(jsonb_build_object(
    'at', t.at, 'kind', t.kind, 'actor', t.actor, 'text', t.text, 'details', t.details) order by t.at, t.rank, t.n), '[]'))
  into answer
  from (
    select x.*, count(*) over () as total from watchkeeper.incident_timeline(incident_id) as x
    order by x.at desc, x.rank desc, x.n desc limit 5000
  ) as t;
  return to_jsonb(incident) || answer || (
    select jsonb_build_object('alerts_count', coalesce(max(a.total), 0), 'alerts', coalesce(jsonb_agg(a.document order by a.created_at, a.id), '[]'))
    from (
      select x.id, x.created_at, count(*) over () as total,
        watchkeeper.alert_document(x) || jsonb_build_object('linked_at', l.linked_at, 'linked_by_email', l.linked_by_email) as document
      from watchkeeper.incident_alerts as l join public.system_alerts as x on x.id = l.alert_id
      where l.incident_id = incident.id order by x.created_at desc, x.id desc limit 1000
    ) as a
  );
end
$$;

-- Newest first; `before` and `before_id` are the created_at and the id of the last one seen.
create function watchkeeper.list_incidents(
  status text, severity text, assigned_to text, network text, search text, from_time timestamptz, to_time timestamptz,
  before timestamptz, before_id uuid, max_rows integer
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  pattern text;
begin
  perform watchkeeper.require_role('viewer');
  if status is not null then
    perform watchkeeper.need_one_of('status', status, array['open', 'investigating', 'resolved', 'closed']);
  end if;
  if severity is not null then
    perform watchkeeper.need_one_of('severity', severity, array['low', 'medium', 'high', 'critical']);
  end if;
  if assigned_to is not null then
    perform watchkeeper.need_text('assigned_to', assigned_to, 320);
  end if;
  if network is not null then
    perform watchkeeper.need_text('network', network, 100);
  end if;
  if search is not null then
    perform watchkeeper.need_text('search', search, 200);
    pattern := '%' || regexp_replace(search, '([\\%_])', '\\\1', 'g') || '%';
  end if;
  perform watchkeeper.need_period(from_time, to_time, true);
  if before_id is not null and before is null then
    perform watchkeeper.refuse('before_id', 'needs before');
  end if;
  perform watchkeeper.need_between('max_rows', max_rows, 1, 200);
  return (
    select coalesce(jsonb_agg(watchkeeper.incident_document(i) order by i.created_at desc, i.id desc), '[]')
    from (
      select found.* from public.incident_logs as found
      -- One comparison of rows, so that the index leads to any page.
      where (found.created_at, found.id) < (coalesce(before, 'infinity'), coalesce(before_id, '00000000-0000-0000-0000-000000000000'))
        and found.created_at >= coalesce(from_time, '-infinity') and found.created_at < coalesce(to_time, 'infinity')
        and (list_incidents.status is null or found.status = list_incidents.status)
        and (list_incidents.severity is null or found.severity = list_incidents.severity)
        and (list_incidents.assigned_to is null or lower(found.assigned_to_email) = lower(list_incidents.assigned_to))
        and (list_incidents.network is null or found.network = list_incidents.network)
        and (pattern is null or found.title ilike pattern or found.description ilike pattern)
      order by found.created_at desc, found.id desc
      limit max_rows
    ) as i
  );
end
$$;

create function public.create_incident(
  title text, severity text, description text default null, affected_systems text[] default '{}',
  incident_type text default 'manual', alert_ids uuid[] default '{}'
) returns jsonb
language sql set search_path = ''
as 'select watchkeeper.create_incident(title, severity, description, affected_systems, incident_type, alert_ids, now())';
create function public.update_incident_status(incident_id uuid, status text, notes text default null, version integer default null) returns jsonb
language sql set search_path = '' as 'select watchkeeper.update_incident_status(incident_id, status, notes, version, now())';
create function public.add_incident_note(incident_id uuid, note text, kind text default 'note') returns jsonb
language sql set search_path = '' as 'select watchkeeper.add_incident_note(incident_id, note, kind, now())';
create function public.assign_incident(incident_id uuid, email text, version integer) returns jsonb
language sql set search_path = '' as 'select watchkeeper.assign_incident(incident_id, email, version, now())';
create function public.change_incident_severity(incident_id uuid, severity text, version integer) returns jsonb
language sql set search_path = '' as 'select watchkeeper.change_incident_severity(incident_id, severity, version, now())';
create function public.set_affected_systems(incident_id uuid, affected_systems text[], version integer) returns jsonb
language sql set search_path = '' as 'select watchkeeper.set_affected_systems(incident_id, affected_systems, version, now())';
create function public.link_alert(incident_id uuid, alert_id uuid) returns jsonb
language sql set search_path = '' as 'select watchkeeper.link_alert(incident_id, alert_id, now())';
create function public.get_incident(incident_id uuid) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_incident(incident_id)';
create function public.list_incidents(
  status text default null, severity text default null, assigned_to text default null, network text default null, search text default null,
  from_time timestamptz default null, to_time timestamptz default null, before timestamptz default null, before_id uuid default null,
  max_rows integer default 50
) returns jsonb
language sql stable set search_path = ''
as 'select watchkeeper.list_incidents(status, severity, assigned_to, network, search, from_time, to_time, before, before_id, max_rows)';

grant execute on function
  watchkeeper.create_incident(text, text, text, text[], text, uuid[], timestamptz), public.create_incident(text, text, text, text[], text, uuid[]),
  watchkeeper.update_incident_status(uuid, text, text, integer, timestamptz), public.update_incident_status(uuid, text, text, integer),
  watchkeeper.add_incident_note(uuid, text, text, timestamptz), public.add_incident_note(uuid, text, text),
  watchkeeper.assign_incident(uuid, text, integer, timestamptz), public.assign_incident(uuid, text, integer),
  watchkeeper.change_incident_severity(uuid, text, integer, timestamptz), public.change_incident_severity(uuid, text, integer),
  watchkeeper.set_affected_systems(uuid, text[], integer, timestamptz), public.set_affected_systems(uuid, text[], integer),
  watchkeeper.link_alert(uuid, uuid, timestamptz), public.link_alert(uuid, uuid),
  watchkeeper.get_incident(uuid), public.get_incident(uuid),
  watchkeeper.list_incidents(text, text, text, text, text, timestamptz, timestamptz, timestamptz, uuid, integer),
  public.list_incidents(text, text, text, text, text, timestamptz, timestamptz, timestamptz, uuid, integer)
to authenticated, service_role;
