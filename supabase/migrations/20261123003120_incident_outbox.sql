-- Deliveries that are about an incident or a report, in the same outbox: what was told to whom is one ledger.

-- The table is rewritten once: a ledger has as many rows as people were sent messages.
alter table watchkeeper.deliveries
  -- squawk-ignore adding-foreign-key-constraint
  add column incident_id uuid references public.incident_logs (id),
  add column report_id uuid,
  -- what only this message says: of an incident {change}, of a report what it is
  add column payload jsonb check (pg_column_size(payload) <= 100000);
alter table watchkeeper.deliveries
  -- what a channel hears of in order
  -- squawk-ignore adding-field-with-default
  add column subject_id uuid generated always as (coalesce(alert_id, incident_id, report_id)) stored,
  -- squawk-ignore constraint-missing-not-valid
  add constraint deliveries_one_subject check (num_nonnulls(alert_id, incident_id, report_id) <= 1),
  -- squawk-ignore ban-drop-constraint
  drop constraint deliveries_event_check,
  -- squawk-ignore constraint-missing-not-valid
  add constraint deliveries_event_check
    check (event in ('trigger', 'escalate', 'remind', 'acknowledge', 'resolve', 'update', 'report', 'test'));
create index deliveries_of_subject on watchkeeper.deliveries (subject_id, channel_id, seq);
create index deliveries_of_incident on watchkeeper.deliveries (incident_id) where incident_id is not null;
create index deliveries_of_report on watchkeeper.deliveries (report_id) where report_id is not null;

-- Choosing the channels -----------------------------------------------------------------------------------------

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

-- Closing what was resolved changes nothing for those who were told that it is over.
create or replace function watchkeeper.note_incident(
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

create or replace function watchkeeper.deliveries_of_incident(incident_id uuid) returns setof watchkeeper.deliveries
language sql stable set search_path = '' as $$
  select d.* from watchkeeper.deliveries as d where d.subject_id = deliveries_of_incident.incident_id
  union all
  select d.* from watchkeeper.deliveries as d join watchkeeper.incident_alerts as l on l.alert_id = d.subject_id
  where l.incident_id = deliveries_of_incident.incident_id
$$;

-- Claiming ------------------------------------------------------------------------------------------------------

-- Only alerts merge.
create or replace function watchkeeper.message_key(
  delivery watchkeeper.deliveries, alert public.system_alerts, merges boolean, waiting bigint, storm_alerts integer
) returns text
language sql immutable set search_path = '' as $$
  select case
    when not merges or delivery.alert_id is null or delivery.event = 'acknowledge' then delivery.id::text
    when waiting > storm_alerts then delivery.event
    when watchkeeper.severity_rank(alert.severity) < 3 and alert.metadata ->> 'network' is not null
      then delivery.event || ':' || (alert.metadata ->> 'network')
    else delivery.id::text
  end
$$;

create or replace function watchkeeper.claim_ready(at timestamptz, most integer, lease_s integer) returns uuid[]
language sql set search_path = '' as $$
  -- A channel with a rate is claimed by one worker at a time, so that together they keep to it.
  with limited as materialized (
    select c.id from watchkeeper.channels as c
    where c.enabled and c.deleted_at is null and c.rate_per_minute is not null for no key update skip locked
  ),
  lanes as materialized (
    select c.id, watchkeeper.rate_left(c, at) as rate_left from watchkeeper.channels as c
    where c.enabled and c.deleted_at is null and (c.rate_per_minute is null or c.id in (select l.id from limited as l))
  ),
  -- From each channel some, so that one that waits for its rate does not stand before the others.
  ready as (
    select r.id, r.seq
    from lanes as l
    cross join lateral (
      select d.id, d.seq
      from watchkeeper.deliveries as d
      where d.channel_id = l.id and d.status = 'pending' and d.next_attempt_at <= at and (d.leased_until is null or d.leased_until <= at)
        -- In order: what came before for this subject and channel goes first, however long it takes.
        and not exists (
          select from watchkeeper.deliveries as earlier
          where earlier.subject_id = d.subject_id and earlier.channel_id = d.channel_id and earlier.seq < d.seq and earlier.status = 'pending'
        )
      order by d.next_attempt_at, d.seq
      limit 500
      for no key update of d skip locked
    ) as r
    where l.rate_left > 0
  ),
  keyed as (
    select d.id, d.channel_id, r.seq,
      watchkeeper.message_key(d, a, coalesce((catalog.document #>> array['notifiers', c.kind, 'merges'])::boolean, false),
        count(d.alert_id) over (partition by d.channel_id, d.event), s.storm_alerts) as key
    from ready as r
    join watchkeeper.deliveries as d on d.id = r.id
    join watchkeeper.channels as c on c.id = d.channel_id
    left join public.system_alerts as a on a.id = d.alert_id
    cross join watchkeeper.delivery_settings as s
    left join watchkeeper.catalog as catalog on true
  ),
  paged as (
    select k.*, (row_number() over (partition by k.channel_id, k.key order by k.seq) - 1) / 50 as page from keyed as k
  ),
  messages as (
    select p.channel_id, min(p.seq) as seq, array_agg(p.id) as ids, gen_random_uuid() as lease_id
    from paged as p group by p.channel_id, p.key, p.page
  ),
  in_channel as (
    select m.*, row_number() over (partition by m.channel_id order by m.seq) as place from messages as m
  ),
  -- One of each channel before the second of any.
  placed as (
    select c.ids, c.lease_id, row_number() over (order by c.place, c.seq) as place
    from in_channel as c join lanes as l on l.id = c.channel_id where c.place <= l.rate_left
  ),
  taken as (
    update watchkeeper.deliveries as d
    set attempts = d.attempts + 1, lease_id = p.lease_id, leased_until = at + make_interval(secs => lease_s),
      first_attempt_at = coalesce(d.first_attempt_at, at), last_attempt_at = at
    from placed as p
    where d.id = any (p.ids) and p.place <= most
    returning d.id
  )
  select coalesce(array_agg(t.id), '{}') from taken as t
$$;

create function watchkeeper.incident_message(incident public.incident_logs, delivery watchkeeper.deliveries) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('id', incident.id, 'title', incident.title, 'severity', incident.severity, 'status', incident.status,
    'description', incident.description, 'affected_systems', incident.affected_systems, 'network', incident.network,
    'assigned_to_email', incident.assigned_to_email, 'created_at', incident.created_at, 'updated_at', incident.updated_at,
    'resolved_at', incident.resolved_at, 'resolution_notes', incident.resolution_notes, 'incident_type', incident.incident_type,
    'change', delivery.payload -> 'change')
$$;

-- One message: its channel, and the deliveries it settles, each about an alert, an incident, a report or nothing (a test).
-- Secrets are references; the worker reads them.
create or replace function watchkeeper.message_documents(delivery_ids uuid[]) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(m.document order by m.seq), '[]')
  from (
    select min(d.seq) as seq, jsonb_build_object(
      'lease_id', d.lease_id, 'event', min(d.event),
      'channel', jsonb_build_object('id', c.id, 'name', c.name, 'kind', c.kind, 'config', c.config, 'secrets', c.secrets),
      'deliveries', jsonb_agg(jsonb_build_object(
        'id', d.id, 'dedup_key', d.dedup_key, 'attempt', d.attempts, 'why', d.why, 'created_at', d.created_at,
        'alert', case when a.id is not null then watchkeeper.alert_document(a) || jsonb_build_object('values', watchkeeper.last_values(a)) end,
        'incident', case when i.id is not null then watchkeeper.incident_message(i, d) end,
        'report', case when d.report_id is not null then d.payload end,
        'thread', (
          select t.thread from watchkeeper.deliveries as t
          where t.subject_id = d.subject_id and t.channel_id = d.channel_id and t.thread is not null order by t.seq limit 1
        )
      ) order by d.seq)
    ) as document
    from watchkeeper.deliveries as d
    join watchkeeper.channels as c on c.id = d.channel_id
    left join public.system_alerts as a on a.id = d.alert_id
    left join public.incident_logs as i on i.id = d.incident_id
    where d.id = any (delivery_ids)
    group by d.lease_id, c.id
  ) as m
$$;

-- The trigger never arrived, so nothing about its subject follows it there; and others must hear of it.
create or replace function watchkeeper.bury(delivery watchkeeper.deliveries, error text, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  channel watchkeeper.channels;
begin
  update watchkeeper.deliveries as d set status = 'dead', settled_at = at, leased_until = null, last_error = left(error, 500)
  where d.id = delivery.id and d.status = 'pending';
  if not found then
    return;
  end if;
  if delivery.event = 'trigger' then
    update watchkeeper.deliveries as d set status = 'cancelled', settled_at = at, leased_until = null, last_error = 'its trigger was not delivered'
    where d.subject_id = delivery.subject_id and d.channel_id = delivery.channel_id and d.seq > delivery.seq and d.status = 'pending';
  end if;
  if delivery.event <> 'test' then
    select c.* into channel from watchkeeper.channels as c where c.id = delivery.channel_id;
    perform watchkeeper.raise_alert('channel:' || channel.id, null, channel.name, 'delivery_dead', 'error',
      format('channel %s could not deliver: %s', channel.name, coalesce(error, 'no reason given')),
      jsonb_build_object('kind', 'delivery', 'channel_id', channel.id), 1, at, at);
  end if;
end
$$;

-- The ledger ----------------------------------------------------------------------------------------------------

create or replace function watchkeeper.delivery_document(delivery watchkeeper.deliveries) returns jsonb
language sql stable security definer set search_path = '' as $$
  select to_jsonb(delivery) - 'lease_id' - 'thread' - 'subject_id' || jsonb_build_object('channel', c.name, 'kind', c.kind,
    'alert_type', a.alert_type, 'severity', coalesce(a.severity, i.severity),
    'source', coalesce(a.source, i.title, delivery.payload ->> 'title'))
  from watchkeeper.channels as c
  left join public.system_alerts as a on a.id = delivery.alert_id
  left join public.incident_logs as i on i.id = delivery.incident_id
  where c.id = delivery.channel_id
$$;

-- A dead letter, once more: as a new row, because the ledger is not rewritten.
create or replace function watchkeeper.retry_delivery(delivery_id uuid, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  old watchkeeper.deliveries;
  again watchkeeper.deliveries;
  alert public.system_alerts;
  incident public.incident_logs;
begin
  perform watchkeeper.require_role('admin', 'responder');
  -- The subject first, as everywhere.
  select a.* into alert from public.system_alerts as a
  where a.id = (select d.alert_id from watchkeeper.deliveries as d where d.id = delivery_id) for no key update;
  select i.* into incident from public.incident_logs as i
  where i.id = (select d.incident_id from watchkeeper.deliveries as d where d.id = delivery_id) for no key update;
  select d.* into old from watchkeeper.deliveries as d where d.id = delivery_id for no key update;
  if old.id is null then
    perform watchkeeper.not_found('delivery_id', 'delivery', delivery_id::text);
  elsif old.status = 'cancelled' then
    raise sqlstate 'PT409' using message = format('delivery_id: it was cancelled: %s', old.last_error);
  elsif exists (select from watchkeeper.channels as c where c.id = old.channel_id and c.deleted_at is not null) then
    raise sqlstate 'PT409' using message = 'delivery_id: the channel was deleted';
  elsif exists (
    select from watchkeeper.deliveries as d where d.dedup_key like old.dedup_key || ':again-%' and d.status in ('pending', 'sent')
  ) then
    raise sqlstate 'PT409' using message = 'delivery_id: it is being tried again already';
  elsif old.status = 'pending' then
    update watchkeeper.deliveries as d set next_attempt_at = at where d.id = old.id returning d.* into again;
  elsif old.status = 'sent' then
    raise sqlstate 'PT409' using message = 'delivery_id: it was sent already';
  else
    insert into watchkeeper.deliveries as d (alert_id, incident_id, report_id, payload, channel_id, event, dedup_key, why, next_attempt_at, created_at)
    values (old.alert_id, old.incident_id, old.report_id, old.payload, old.channel_id, old.event, old.dedup_key || ':again-' || extract(epoch from at), 'tried again by hand', at, at)
    returning d.* into again;
    -- Whoever is told gets the end.
    if old.event = 'trigger' and alert.status = 'resolved' then
      perform watchkeeper.enqueue(alert, old.channel_id, 'resolve', 'resolved:again-' || extract(epoch from at), 'follows the trigger', 0, at);
    elsif old.event = 'trigger' and incident.status in ('resolved', 'closed') then
      perform watchkeeper.enqueue_incident(incident, old.channel_id, 'resolve', 'resolve:again-' || extract(epoch from at),
        'follows the trigger', incident.resolution_notes, at);
    end if;
  end if;
  return watchkeeper.delivery_document(again);
end
$$;
