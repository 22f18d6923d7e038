-- What the page, the CLI and other tools may ask of deliveries.

-- Lists --------------------------------------------------------------------------------------------------------

create function watchkeeper.list_channels(at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return (
    select coalesce(jsonb_agg(watchkeeper.channel_document(c) || jsonb_build_object('id', c.id, 'created_at', c.created_at,
      'pending', coalesce(d.pending, 0), 'dead', coalesce(d.dead, 0), 'last_sent_at', d.last_sent_at, 'last_error', d.last_error,
      'status', case when not c.enabled then 'paused' when d.failing then 'critical' when d.retrying then 'warning'
        when d.last_sent_at is null then 'unknown' else 'ok' end
    ) order by c.name), '[]')
    from watchkeeper.channels as c
    left join lateral (
      select count(*) filter (where x.status = 'pending') as pending, count(*) filter (where x.status = 'dead') as dead,
        max(x.settled_at) filter (where x.status = 'sent') as last_sent_at,
        bool_or(x.status = 'pending' and x.attempts > 1) as retrying,
        exists (select from public.system_alerts as a where a.fingerprint = 'channel:' || c.id and a.status = 'firing') as failing,
        (array_agg(x.last_error order by x.seq desc) filter (where x.last_error is not null))[1] as last_error
      from watchkeeper.deliveries as x where x.channel_id = c.id and x.created_at > at - interval '7 days'
    ) as d on true
    where c.deleted_at is null
  );
end
$$;

create function watchkeeper.delivery_document(delivery watchkeeper.deliveries) returns jsonb
language sql stable security definer set search_path = '' as $$
  select to_jsonb(delivery) - 'lease_id' - 'thread' - 'subject_id' || jsonb_build_object('channel', c.name, 'kind', c.kind,
    'alert_type', a.alert_type, 'severity', coalesce(a.severity, i.severity),
    'source', coalesce(a.source, i.title, delivery.payload ->> 'title'))
  from watchkeeper.channels as c
  left join public.system_alerts as a on a.id = delivery.alert_id
  left join public.incident_logs as i on i.id = delivery.incident_id
  where c.id = delivery.channel_id
$$;

-- The ledger, newest first; page on with before_seq.
create function watchkeeper.list_deliveries(alert_id uuid, channel text, status text, before_seq bigint, max_rows integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  if status is not null then
    perform watchkeeper.need_one_of('status', status, array['pending', 'sent', 'dead', 'cancelled']);
  end if;
  perform watchkeeper.need_between('max_rows', max_rows, 1, 200);
  return (
    select coalesce(jsonb_agg(watchkeeper.delivery_document(d) order by d.seq desc), '[]')
    from (
      select x.* from watchkeeper.deliveries as x join watchkeeper.channels as c on c.id = x.channel_id
      where (list_deliveries.alert_id is null or x.alert_id = list_deliveries.alert_id)
        and (list_deliveries.channel is null or c.name = list_deliveries.channel)
        and (list_deliveries.status is null or x.status = list_deliveries.status)
        and (before_seq is null or x.seq < before_seq)
      order by x.seq desc limit max_rows
    ) as d
  );
end
$$;

create function watchkeeper.list_settings(kind text, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return case kind
    when 'routes' then (select coalesce(jsonb_agg(watchkeeper.route_document(r) order by r.position, r.name), '[]') from watchkeeper.routes as r)
    when 'escalations' then (select coalesce(jsonb_agg(watchkeeper.escalation_document(e) order by e.name), '[]') from watchkeeper.escalations as e)
    when 'rotations' then (
      select coalesce(jsonb_agg(watchkeeper.rotation_document(r) || jsonb_build_object('on_call', watchkeeper.on_call(r, at)) order by r.name), '[]')
      from watchkeeper.rotations as r)
    when 'silences' then (
      select coalesce(jsonb_agg(watchkeeper.silence_document(s) || jsonb_build_object('active', watchkeeper.silence_window(s, at) is not null,
        'until', upper(watchkeeper.silence_window(s, at))) order by s.starts_at, s.id), '[]')
      from watchkeeper.silences as s)
    when 'heartbeats' then (
      select coalesce(jsonb_agg(watchkeeper.heartbeat_document(h) || jsonb_build_object('last_event', h.last_event, 'last_event_at', h.last_event_at,
        'last_duration_s', h.last_duration_s, 'due_at', h.due_at, 'status', case
          when h.paused then 'paused'
          when exists (select from public.system_alerts as a where a.fingerprint = 'heartbeat:' || h.id and a.status = 'firing') then 'critical'
          when h.last_event is null then 'unknown' when h.due_at < at then 'warning' else 'ok' end) order by h.name), '[]')
      from watchkeeper.heartbeats as h)
  end;
end
$$;

create function watchkeeper.who_is_on_call(rotation text, moment timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('rotation', r.name, 'person', p.person, 'at', moment,
      'channels', (select coalesce(jsonb_agg(c.name order by c.name), '[]') from watchkeeper.channels as c
        where c.deleted_at is null and c.enabled and lower(c.person) = lower(p.person))) order by r.name), '[]')
    from watchkeeper.rotations as r cross join lateral (select watchkeeper.on_call(r, moment) as person) as p
    where who_is_on_call.rotation is null or r.name = who_is_on_call.rotation
  );
end
$$;

-- Changes ------------------------------------------------------------------------------------------------------

create function watchkeeper.save_setting(kind text, given jsonb, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  return watchkeeper.store_seen(kind, given, at);
end
$$;

-- Deleting waits for who saves, and the other way round: a save cannot bring back what it has just seen.
create function watchkeeper.delete_setting(kind text, name text, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  perform watchkeeper.need_text('name', name, 100);
  perform watchkeeper.lock_settings();
  case kind
    when 'channel' then perform watchkeeper.drop_channel(name, at); return;
    when 'escalation' then perform watchkeeper.drop_escalation(name, at); return;
    when 'rotation' then
      if exists (select from watchkeeper.escalations as e, jsonb_array_elements(e.steps) as s where s -> 'on_call' ? delete_setting.name) then
        raise sqlstate 'PT409' using message = format('name: an escalation still uses the rotation %s', name);
      end if;
      delete from watchkeeper.rotations as r where r.name = delete_setting.name;
    when 'route' then delete from watchkeeper.routes as r where r.name = delete_setting.name;
    when 'heartbeat' then
      perform watchkeeper.close_alert('heartbeat:' || h.id, 'the heartbeat was deleted', at) from watchkeeper.heartbeats as h where h.name = delete_setting.name;
      delete from watchkeeper.heartbeats as h where h.name = delete_setting.name;
  end case;
  if not found then
    perform watchkeeper.not_found('name', kind, name);
  end if;
exception when foreign_key_violation then
  raise sqlstate 'PT409' using message = format('name: a route still uses the %s %s', kind, left(name, 100));
end
$$;

-- What a silence would hold back if it were active now.
create function watchkeeper.preview_silence(silence jsonb, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  draft watchkeeper.silences;
  sample public.system_alerts;
begin
  perform watchkeeper.require_role('viewer');
  draft := watchkeeper.normal_silence('silence', silence);
  return jsonb_build_object(
    'active', watchkeeper.silence_window(draft, at) is not null,
    'alerts', (select coalesce(jsonb_agg(watchkeeper.alert_document(a) order by a.created_at desc), '[]')
      from public.system_alerts as a where a.status = 'firing' and watchkeeper.matches(draft.match, a)),
    'fired_in_30_days', (select count(*) from public.system_alerts as a
      where a.created_at > at - interval '30 days' and watchkeeper.matches(draft.match, a)));
end
$$;

create function watchkeeper.end_silence(silence_id uuid, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin', 'responder');
  perform watchkeeper.note_last_maintenance(silence_id, at);
  delete from watchkeeper.silences as s where s.id = silence_id;
  if not found then
    perform watchkeeper.not_found('silence_id', 'silence', silence_id::text);
  end if;
end
$$;

create function watchkeeper.save_silence(silence jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin', 'responder');
  return watchkeeper.store_seen('silence', silence, now());
end
$$;

create function watchkeeper.save_override(rotation text, person text, from_time timestamptz, to_time timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  found_id uuid := (select r.id from watchkeeper.rotations as r where r.name = save_override.rotation);
begin
  perform watchkeeper.require_role('admin', 'responder');
  perform watchkeeper.need_text('person', person, 320);
  if found_id is null then
    perform watchkeeper.not_found('rotation', 'rotation', rotation);
  elsif from_time is null or to_time is null or not isfinite(from_time) or not isfinite(to_time) or to_time <= from_time then
    perform watchkeeper.refuse('to_time', 'must be after from_time');
  end if;
  insert into watchkeeper.rotation_overrides (rotation_id, person, starts_at, ends_at) values (found_id, person, from_time, to_time);
  return jsonb_build_object('rotation', rotation, 'person', person, 'from_time', from_time, 'to_time', to_time);
end
$$;

create function watchkeeper.send_test(channel text, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  found_channel watchkeeper.channels;
  delivery watchkeeper.deliveries;
begin
  perform watchkeeper.require_role('admin');
  found_channel := watchkeeper.channel_named('channel', channel);
  if not found_channel.enabled then
    raise sqlstate 'PT409' using message = format('channel: %s is switched off', found_channel.name);
  end if;
  insert into watchkeeper.deliveries as d (channel_id, event, dedup_key, why, next_attempt_at, created_at)
  values (found_channel.id, 'test', 'test:' || gen_random_uuid(), 'a test', at, at) returning d.* into delivery;
  return watchkeeper.delivery_document(delivery);
end
$$;

-- A dead letter, once more: as a new row, because the ledger is not rewritten.
create function watchkeeper.retry_delivery(delivery_id uuid, at timestamptz) returns jsonb
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

create function watchkeeper.save_delivery_settings(settings jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  return watchkeeper.store_seen('delivery_settings', settings, now());
end
$$;

create function watchkeeper.get_delivery_settings() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return (select to_jsonb(s) - 'only_row' from watchkeeper.delivery_settings as s);
end
$$;

-- The API ------------------------------------------------------------------------------------------------------

create function public.list_channels() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.list_channels(now())';
create function public.list_deliveries(
  alert_id uuid default null, channel text default null, status text default null, before_seq bigint default null, max_rows integer default 50
) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.list_deliveries(alert_id, channel, status, before_seq, max_rows)';
create function public.list_routes() returns jsonb
language sql stable set search_path = '' as $$select watchkeeper.list_settings('routes', now())$$;
create function public.list_escalations() returns jsonb
language sql stable set search_path = '' as $$select watchkeeper.list_settings('escalations', now())$$;
create function public.list_rotations() returns jsonb
language sql stable set search_path = '' as $$select watchkeeper.list_settings('rotations', now())$$;
create function public.list_silences() returns jsonb
language sql stable set search_path = '' as $$select watchkeeper.list_settings('silences', now())$$;
create function public.list_heartbeats() returns jsonb
language sql stable set search_path = '' as $$select watchkeeper.list_settings('heartbeats', now())$$;
create function public.who_is_on_call(rotation text default null, moment timestamptz default now()) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.who_is_on_call(rotation, moment)';
create function public.save_channel(channel jsonb) returns jsonb
language sql set search_path = '' as $$select watchkeeper.save_setting('channel', channel, now())$$;
create function public.save_route(route jsonb) returns jsonb
language sql set search_path = '' as $$select watchkeeper.save_setting('route', route, now())$$;
create function public.save_escalation(escalation jsonb) returns jsonb
language sql set search_path = '' as $$select watchkeeper.save_setting('escalation', escalation, now())$$;
create function public.save_rotation(rotation jsonb) returns jsonb
language sql set search_path = '' as $$select watchkeeper.save_setting('rotation', rotation, now())$$;
create function public.save_heartbeat(heartbeat jsonb) returns jsonb
language sql set search_path = '' as $$select watchkeeper.save_setting('heartbeat', heartbeat, now())$$;
create function public.save_silence(silence jsonb) returns jsonb
language sql set search_path = '' as 'select watchkeeper.save_silence(silence)';
create function public.preview_silence(silence jsonb) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.preview_silence(silence, now())';
create function public.end_silence(silence_id uuid) returns void
language sql set search_path = '' as 'select watchkeeper.end_silence(silence_id, now())';
create function public.save_override(rotation text, person text, from_time timestamptz, to_time timestamptz) returns jsonb
language sql set search_path = '' as 'select watchkeeper.save_override(rotation, person, from_time, to_time)';
create function public.delete_channel(name text) returns void
language sql set search_path = '' as $$select watchkeeper.delete_setting('channel', name, now())$$;
create function public.delete_route(name text) returns void
language sql set search_path = '' as $$select watchkeeper.delete_setting('route', name, now())$$;
create function public.delete_escalation(name text) returns void
language sql set search_path = '' as $$select watchkeeper.delete_setting('escalation', name, now())$$;
create function public.delete_rotation(name text) returns void
language sql set search_path = '' as $$select watchkeeper.delete_setting('rotation', name, now())$$;
create function public.delete_heartbeat(name text) returns void
language sql set search_path = '' as $$select watchkeeper.delete_setting('heartbeat', name, now())$$;
create function public.send_test(channel text) returns jsonb
language sql set search_path = '' as 'select watchkeeper.send_test(channel, now())';
create function public.retry_delivery(delivery_id uuid) returns jsonb
language sql set search_path = '' as 'select watchkeeper.retry_delivery(delivery_id, now())';
create function public.save_delivery_settings(settings jsonb) returns jsonb
language sql set search_path = '' as 'select watchkeeper.save_delivery_settings(settings)';

create function public.get_delivery_settings() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_delivery_settings()';

grant execute on function
  watchkeeper.list_channels(timestamptz), watchkeeper.list_deliveries(uuid, text, text, bigint, integer),
  watchkeeper.list_settings(text, timestamptz), watchkeeper.who_is_on_call(text, timestamptz),
  watchkeeper.save_setting(text, jsonb, timestamptz), watchkeeper.save_silence(jsonb),
  watchkeeper.preview_silence(jsonb, timestamptz), watchkeeper.end_silence(uuid, timestamptz),
  watchkeeper.save_override(text, text, timestamptz, timestamptz),
  watchkeeper.delete_setting(text, text, timestamptz), watchkeeper.send_test(text, timestamptz),
  watchkeeper.retry_delivery(uuid, timestamptz), watchkeeper.save_delivery_settings(jsonb),
  watchkeeper.get_delivery_settings()
to authenticated, service_role;

grant execute on function
  public.list_channels(), public.list_deliveries(uuid, text, text, bigint, integer), public.list_routes(),
  public.list_escalations(), public.list_rotations(), public.list_silences(), public.list_heartbeats(),
  public.who_is_on_call(text, timestamptz), public.save_channel(jsonb), public.save_route(jsonb),
  public.save_escalation(jsonb), public.save_rotation(jsonb), public.save_heartbeat(jsonb),
  public.save_silence(jsonb), public.preview_silence(jsonb), public.end_silence(uuid),
  public.save_override(text, text, timestamptz, timestamptz), public.delete_channel(text), public.delete_route(text),
  public.delete_escalation(text), public.delete_rotation(text), public.delete_heartbeat(text), public.send_test(text),
  public.retry_delivery(uuid), public.save_delivery_settings(jsonb),
  public.get_delivery_settings()
to authenticated, service_role;
