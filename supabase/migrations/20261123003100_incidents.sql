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

-- (incident_logs is audited with the settings; which alerts were linked is in the entries.)
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

-- The one place every change passes. Closing what was resolved changes nothing for those who were told that it is over.
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
