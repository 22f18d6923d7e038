-- Incidents: a record that people act on and can trust afterwards. Its row says how it stands; its entries say how it
-- came to be so, and neither is ever removed.

create table watchkeeper.incident_entries (
  id bigint generated always as identity primary key,
  incident_id uuid not null references public.incident_logs (id),
  at timestamptz not null,
  kind text not null check (kind in
    ('opened', 'status', 'severity', 'note', 'assigned', 'systems', 'linked', 'postmortem', 'remediation', 'settled')),
  actor_id uuid,
  actor_email text not null,
  text text check (length(text) <= 20000),
  details jsonb not null default '{}' check (jsonb_typeof(details) = 'object')
);
alter table watchkeeper.incident_entries enable row level security;
create index incident_entries_of_incident on watchkeeper.incident_entries (incident_id, at desc, id desc);
create index incident_entries_settled on watchkeeper.incident_entries (incident_id, at desc) where kind = 'settled';

create table watchkeeper.incident_alerts (
  incident_id uuid not null references public.incident_logs (id),
  alert_id uuid not null references public.system_alerts (id),
  linked_at timestamptz not null,
  linked_by_email text not null,
  primary key (incident_id, alert_id)
);
alter table watchkeeper.incident_alerts enable row level security;
create index incident_alerts_of_alert on watchkeeper.incident_alerts (alert_id);

-- Nobody deletes an incident, and nobody rewrites what was said about it: not even the owner.
create trigger keep before delete or truncate on public.incident_logs
  for each statement execute function watchkeeper.refuse_rewriting();
create trigger keep before update or delete or truncate on watchkeeper.incident_entries
  for each statement execute function watchkeeper.refuse_rewriting();
create trigger keep before update or delete or truncate on watchkeeper.incident_alerts
  for each statement execute function watchkeeper.refuse_rewriting();

-- (incident_logs is audited since there is an audit log; which alerts were linked is in the entries.)
create trigger audit after insert or update or delete on watchkeeper.incident_entries
  for each row execute function watchkeeper.audit();

-- Words ---------------------------------------------------------------------------------------------------------

-- One line that can stand anywhere: in a list, in the subject of a mail.
create function watchkeeper.need_line(argument text, value text, longest integer) returns text
language plpgsql immutable set search_path = '' as $$
begin
  perform watchkeeper.need_text(argument, value, longest);
  if value ~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029]' then
    perform watchkeeper.refuse(argument, 'must be one line without control characters');
  end if;
  return value;
end
$$;

create function watchkeeper.need_lines(argument text, value text, longest integer) returns text
language plpgsql immutable set search_path = '' as $$
begin
  perform watchkeeper.need_text(argument, value, longest);
  if translate(value, E'\n\r\t', '') ~ '[\u0001-\u001f\u007f-\u009f]' then
    perform watchkeeper.refuse(argument, 'must not have control characters');
  end if;
  return value;
end
$$;

create function watchkeeper.need_systems(argument text, systems text[]) returns text[]
language plpgsql immutable set search_path = '' as $$
declare
  system text;
begin
  if systems is null then
    perform watchkeeper.refuse(argument, 'must be a list of names (is null)');
  elsif cardinality(systems) > 200 then
    perform watchkeeper.refuse(argument, format('must have at most 200 names (has %s)', cardinality(systems)));
  end if;
  foreach system in array systems loop
    perform watchkeeper.need_line(argument, system, 100);
  end loop;
  return watchkeeper.joined_systems('{}', systems);
end
$$;

-- Each once, in the order in which they came, as many as an incident keeps.
create function watchkeeper.joined_systems(systems text[], more text[]) returns text[]
language sql immutable set search_path = '' as $$
  select coalesce(array_agg(s.system order by s.n), '{}')
  from (
    select u.system, min(u.n) as n from unnest(systems || more) with ordinality as u (system, n)
    group by u.system order by min(u.n) limit 200
  ) as s
$$;

create function watchkeeper.utc_text(at timestamptz) returns text
language sql stable set search_path = '' as $$
  select to_char(at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
$$;

-- What an entry says, for people.
create function watchkeeper.entry_text(kind text, text text, details jsonb) returns text
language sql immutable set search_path = '' as $$
  select case kind
    when 'status' then concat_ws(': ', format('%s -> %s', details ->> 'from', details ->> 'to'), text)
    when 'severity' then format('severity %s -> %s', details ->> 'from', details ->> 'to')
    when 'assigned' then 'assigned to ' || coalesce(details ->> 'to', 'nobody')
    when 'systems' then 'affected systems: ' || coalesce((select string_agg(s, ', ') from jsonb_array_elements_text(details -> 'to') as s), 'none')
    else text
  end
$$;

-- Changing ------------------------------------------------------------------------------------------------------

create function watchkeeper.incident_of(incident_id uuid) returns public.incident_logs
language plpgsql security definer set search_path = '' as $$
declare
  incident public.incident_logs;
begin
  select i.* into incident from public.incident_logs as i where i.id = incident_of.incident_id for no key update;
  if incident.id is null then
    perform watchkeeper.not_found('incident_id', 'incident', incident_id::text);
  end if;
  return incident;
end
$$;

-- Two people who have seen the same state cannot overwrite each other: the second is told by whom and when.
create function watchkeeper.incident_as_seen(incident_id uuid, version integer) returns public.incident_logs
language plpgsql security definer set search_path = '' as $$
declare
  incident public.incident_logs;
begin
  perform watchkeeper.need_between('version', version, 1, 2147483647);
  incident := watchkeeper.incident_of(incident_id);
  if incident.version <> incident_as_seen.version then
    raise sqlstate 'PT409' using
      message = format('version: %s changed the incident at %s; it is version %s now, not %s',
        coalesce(incident.updated_by_email, 'somebody'), watchkeeper.utc_text(incident.updated_at), incident.version, incident_as_seen.version),
      hint = 'read it again, then decide';
  end if;
  return incident;
end
$$;

-- Closing what was resolved changes nothing for those who were told that it is over.
create function watchkeeper.note_incident(
  incident public.incident_logs, kind text, text text, details jsonb, at timestamptz
) returns void
language plpgsql security definer set search_path = '' as $$
declare
  entry_id bigint;
  change text := watchkeeper.entry_text(kind, text, details);
begin
  insert into watchkeeper.incident_entries (incident_id, at, kind, actor_id, actor_email, text, details)
  values (incident.id, at, kind, watchkeeper.caller_id(), watchkeeper.actor_name(), text, details)
  returning id into entry_id;
  if kind = 'status' and details ->> 'to' = 'resolved' then
    perform watchkeeper.tell_of_change(incident, 'resolve', 'entry-' || entry_id, change, at);
  elsif kind in ('severity', 'assigned') or (kind = 'status' and details ->> 'to' <> 'closed') then
    perform watchkeeper.tell_of_change(incident, 'update', 'entry-' || entry_id, change, at);
  end if;
  if incident.status in ('open', 'investigating') and kind in ('opened', 'severity', 'status') then
    perform watchkeeper.trigger_incident(incident, change, at);
  end if;
end
$$;

create function watchkeeper.store_incident(incident public.incident_logs) returns public.incident_logs
language plpgsql security definer set search_path = '' as $$
declare
  stored public.incident_logs;
begin
  update public.incident_logs as i
  set severity = incident.severity, affected_systems = incident.affected_systems, network = incident.network,
    status = incident.status, investigating_at = incident.investigating_at, resolved_at = incident.resolved_at,
    resolution_notes = incident.resolution_notes, closed_at = incident.closed_at, resolves_itself = incident.resolves_itself,
    assigned_to = incident.assigned_to, assigned_to_email = incident.assigned_to_email,
    postmortem = incident.postmortem, postmortem_updated_at = incident.postmortem_updated_at,
    postmortem_updated_by_email = incident.postmortem_updated_by_email,
    version = i.version + 1, updated_by_email = watchkeeper.actor_name()
  where i.id = incident.id
  returning i.* into stored;
  return stored;
exception when unique_violation then
  raise sqlstate 'PT409' using message = format('status: another incident about %s is open already', incident.key);
end
$$;

create function watchkeeper.open_incident(incident public.incident_logs, alert_ids uuid[], at timestamptz) returns public.incident_logs
language plpgsql security definer set search_path = '' as $$
declare
  opened public.incident_logs;
begin
  insert into public.incident_logs as i (key, incident_type, severity, title, description, affected_systems, network, opened_by,
    resolves_itself, created_by, created_by_email, updated_by_email, created_at, updated_at)
  select incident.key, incident.incident_type, incident.severity, incident.title, incident.description,
    watchkeeper.joined_systems(coalesce(incident.affected_systems, '{}'), array_agg(a.source order by a.created_at, a.source, a.id) filter (where a.id is not null)),
    coalesce(incident.network, min(a.metadata ->> 'network')), incident.opened_by, incident.resolves_itself,
    watchkeeper.caller_id(), watchkeeper.actor_name(), watchkeeper.actor_name(), at, at
  from (select) as one left join public.system_alerts as a on a.id = any (alert_ids)
  on conflict (key) where status in ('open', 'investigating') do nothing
  returning i.* into opened;
  if opened.id is null then
    return null;
  end if;
  perform watchkeeper.note_incident(opened, 'opened', opened.title,
    jsonb_build_object('severity', opened.severity, 'affected_systems', opened.affected_systems, 'opened_by', opened.opened_by), at);
  return watchkeeper.link_alerts(opened, alert_ids, at);
end
$$;

-- Links those that are not linked yet, in one entry; what they are about is affected.
create function watchkeeper.link_alerts(incident public.incident_logs, alert_ids uuid[], at timestamptz) returns public.incident_logs
language plpgsql security definer set search_path = '' as $$
declare
  linked record;
  was public.incident_logs := incident;
begin
  with new as (
    insert into watchkeeper.incident_alerts as l (incident_id, alert_id, linked_at, linked_by_email)
    select incident.id, a.id, link_alerts.at, watchkeeper.actor_name() from public.system_alerts as a where a.id = any (alert_ids)
    on conflict on constraint incident_alerts_pkey do nothing
    returning l.alert_id
  )
  select array_agg(a.id order by a.created_at, a.source, a.id) as ids, array_agg(a.source order by a.created_at, a.source, a.id) as sources,
    array_agg(format('%s %s', a.source, a.alert_type) order by a.created_at, a.source, a.id) as names,
    min(a.metadata ->> 'network') as network
  into linked
  from public.system_alerts as a join new as n on n.alert_id = a.id;
  if linked.ids is null then
    return incident;
  end if;
  perform watchkeeper.note_incident(incident, 'linked', array_to_string(linked.names[:10], ', ')
    || coalesce(' and ' || nullif(greatest(cardinality(linked.names) - 10, 0), 0) || ' more', ''),
    jsonb_build_object('alert_ids', linked.ids), at);
  incident.affected_systems := watchkeeper.joined_systems(incident.affected_systems, linked.sources);
  incident.network := coalesce(incident.network, linked.network);
  return case when incident is distinct from was then watchkeeper.store_incident(incident) else incident end;
end
$$;

-- open -> investigating -> resolved -> closed; what is resolved or closed may be reopened. `moment` is when it was over.
create function watchkeeper.move_incident(
  incident public.incident_logs, status text, notes text, moment timestamptz, at timestamptz
) returns public.incident_logs
language plpgsql security definer set search_path = '' as $$
declare
  was text := incident.status;
  moved public.incident_logs;
begin
  if (was, status) not in (('open', 'investigating'), ('open', 'resolved'), ('investigating', 'resolved'),
    ('resolved', 'closed'), ('resolved', 'open'), ('closed', 'open')) then
    raise sqlstate 'PT409' using message = format('status: an incident that is %s cannot become %s', was, status);
  elsif notes is null and status <> 'investigating' then
    perform watchkeeper.refuse('notes', format('must say why it becomes %s', status));
  end if;
  incident.status := status;
  case status
    when 'investigating' then
      incident.investigating_at := coalesce(incident.investigating_at, at);
    when 'resolved' then
      incident.resolved_at := greatest(moment, incident.created_at);
      incident.resolution_notes := notes;
    when 'closed' then
      incident.closed_at := at;
    when 'open' then
      incident.resolved_at := null;
      incident.resolution_notes := null;
      incident.closed_at := null;
      -- Who says that it is not over says when it is.
      incident.resolves_itself := false;
  end case;
  moved := watchkeeper.store_incident(incident);
  perform watchkeeper.note_incident(moved, 'status', notes, jsonb_build_object('from', was, 'to', status), at);
  return moved;
end
$$;

-- Documents -----------------------------------------------------------------------------------------------------

-- Without the postmortem, which may be long.
create function watchkeeper.incident_document(incident public.incident_logs) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(incident) - 'postmortem'
$$;

-- The messages that are about the incident.
create function watchkeeper.deliveries_of_incident(incident_id uuid) returns setof watchkeeper.deliveries
language sql stable set search_path = '' as $$
  select d.* from watchkeeper.deliveries as d where d.subject_id = deliveries_of_incident.incident_id
  union all
  select d.* from watchkeeper.deliveries as d join watchkeeper.incident_alerts as l on l.alert_id = d.subject_id
  where l.incident_id = deliveries_of_incident.incident_id
$$;

-- What people and the policy wrote, what its alerts did, and who was told: put together when asked, so nothing is written twice.
create function watchkeeper.incident_timeline(incident_id uuid)
returns table (at timestamptz, rank integer, n bigint, kind text, actor text, text text, details jsonb)
language sql stable set search_path = '' as $$
  select t.at, 1, t.id, 'alert_' || t.transition,
    case t.transition when 'acknowledged' then a.acknowledged_by_email when 'resolved' then a.resolved_by_email end,
    concat_ws(': ', a.source || ' ' || a.alert_type, case t.transition when 'resolved' then a.resolution when 'fired' then a.message end),
    jsonb_build_object('alert_id', a.id, 'source', a.source, 'alert_type', a.alert_type, 'severity', t.severity)
  from watchkeeper.incident_alerts as l
  join public.system_alerts as a on a.id = l.alert_id
  join watchkeeper.alert_transitions as t on t.alert_id = a.id
  where l.incident_id = incident_timeline.incident_id
  union all
  select e.at, 2, e.id, e.kind, e.actor_email, e.text, e.details
  from watchkeeper.incident_entries as e where e.incident_id = incident_timeline.incident_id
  union all
  select d.settled_at, 3, d.seq, 'delivery_' || d.status, null,
    concat_ws(': ', format('%s to %s', d.event, c.name), case d.status when 'dead' then d.last_error end),
    jsonb_build_object('delivery_id', d.id, 'channel', c.name, 'event', d.event, 'alert_id', d.alert_id)
  from watchkeeper.deliveries_of_incident(incident_id) as d join watchkeeper.channels as c on c.id = d.channel_id
  where d.status in ('sent', 'dead')
$$;

-- RPCs ----------------------------------------------------------------------------------------------------------

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

-- The draft of a postmortem -------------------------------------------------------------------------------------

-- Texts of others on one line, so that none of them can pose as a heading or as HTML.
create function watchkeeper.markdown_line(value text, longest integer) returns text
language sql immutable set search_path = '' as $$
  select replace(case when length(l.line) > longest then left(l.line, longest - 1) || '…' else l.line end, '<', '&lt;')
  from (select btrim(regexp_replace(value, '\s+', ' ', 'g')) as line) as l
$$;

-- As many lines of the timeline as leave room for people's own words.
create function watchkeeper.timeline_markdown(incident_id uuid) returns text
language sql stable set search_path = '' as $$
  select coalesce(string_agg(l.line, E'\n' order by l.n) filter (where l.bytes <= 60000), '- (nothing yet)')
    || coalesce(E'\n- … and ' || nullif(count(*) filter (where l.bytes > 60000), 0) || ' more', '')
  from (
    select x.n, x.line, sum(octet_length(x.line) + 1) over (order by x.n) as bytes
    from (
      select row_number() over (order by t.at, t.rank, t.n) as n, format('- %s: %s (%s)', watchkeeper.utc_text(t.at),
        coalesce(watchkeeper.markdown_line(watchkeeper.entry_text(t.kind, t.text, t.details), 300), t.kind),
        concat_ws(', ', replace(t.kind, '_', ' '), t.actor)) as line
      from watchkeeper.incident_timeline(incident_id) as t
    ) as x
  ) as l
$$;

create function watchkeeper.draft_postmortem(incident_id uuid) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  incident public.incident_logs;
  causes text;
  done text;
  alerts bigint;
begin
  perform watchkeeper.require_role('viewer');
  select i.* into incident from public.incident_logs as i where i.id = draft_postmortem.incident_id;
  if incident.id is null then
    perform watchkeeper.not_found('incident_id', 'incident', incident_id::text);
  end if;
  select count(*) into alerts from watchkeeper.incident_alerts as l where l.incident_id = incident.id;
  causes := (
    select string_agg(c.line, E'\n' order by c.created_at, c.id)
    from (
      select a.created_at, a.id, format('- %s, %s: %s', watchkeeper.markdown_line(a.source, 100), a.alert_type, watchkeeper.markdown_line(a.message, 300)) as line
      from watchkeeper.incident_alerts as l join public.system_alerts as a on a.id = l.alert_id
      where l.incident_id = incident.id order by a.created_at, a.id limit 10
    ) as c
  );
  done := (
    select string_agg(r.line, E'\n' order by r.id)
    from (
      select e.id, format('- [x] %s (%s)', watchkeeper.markdown_line(e.text, 300), e.actor_email) as line
      from watchkeeper.incident_entries as e where e.incident_id = incident.id and e.kind = 'remediation' order by e.id limit 20
    ) as r
  );
  return concat_ws(E'\n\n',
    '# ' || watchkeeper.markdown_line(incident.title, 200),
    '## Summary',
    watchkeeper.markdown_line(incident.description, 2000),
    format('Severity %s, %s. Opened by %s at %s%s.', incident.severity, incident.status,
      coalesce(incident.created_by_email, 'somebody'), watchkeeper.utc_text(incident.created_at),
      coalesce(', resolved at ' || watchkeeper.utc_text(incident.resolved_at), ', not resolved yet')),
    'Resolution: ' || watchkeeper.markdown_line(incident.resolution_notes, 2000),
    '## Impact',
    format(E'- Affected: %s\n- Network: %s\n- Duration: %s\n- Alerts: %s',
      coalesce((select watchkeeper.markdown_line(string_agg(s, ', '), 2000) from unnest(incident.affected_systems) as s), 'not said'),
      coalesce(watchkeeper.markdown_line(incident.network, 100), 'not said'),
      coalesce(justify_hours(date_trunc('second', incident.resolved_at - incident.created_at))::text, 'still going on'), alerts),
    '_Who noticed, and what could they not do?_',
    '## Timeline',
    watchkeeper.timeline_markdown(incident.id),
    '## Causes',
    E'What the alerts said first:\n\n' || causes,
    '_What made it possible, and why was it not noticed earlier?_',
    '## Actions',
    done,
    '- [ ] _What will be done so that it does not happen again, by whom, until when?_') || E'\n';
end
$$;

create function watchkeeper.save_postmortem(incident_id uuid, postmortem text, version integer, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  incident public.incident_logs;
begin
  perform watchkeeper.require_role('responder');
  perform watchkeeper.need_lines('postmortem', postmortem, 100000);
  if octet_length(postmortem) > 100000 then
    perform watchkeeper.refuse('postmortem', format('must have at most 100000 bytes (has %s)', octet_length(postmortem)));
  end if;
  incident := watchkeeper.incident_as_seen(incident_id, version);
  incident.postmortem := save_postmortem.postmortem;
  incident.postmortem_updated_at := at;
  incident.postmortem_updated_by_email := watchkeeper.actor_name();
  incident := watchkeeper.store_incident(incident);
  perform watchkeeper.note_incident(incident, 'postmortem', 'the postmortem was saved',
    jsonb_build_object('bytes', octet_length(postmortem)), at);
  return watchkeeper.incident_document(incident);
end
$$;

-- The API -------------------------------------------------------------------------------------------------------

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
create function public.draft_postmortem(incident_id uuid) returns text
language sql stable set search_path = '' as 'select watchkeeper.draft_postmortem(incident_id)';
create function public.save_postmortem(incident_id uuid, postmortem text, version integer) returns jsonb
language sql set search_path = '' as 'select watchkeeper.save_postmortem(incident_id, postmortem, version, now())';

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
  public.list_incidents(text, text, text, text, text, timestamptz, timestamptz, timestamptz, uuid, integer),
  watchkeeper.draft_postmortem(uuid), public.draft_postmortem(uuid),
  watchkeeper.save_postmortem(uuid, text, integer, timestamptz), public.save_postmortem(uuid, text, integer)
to authenticated, service_role;
