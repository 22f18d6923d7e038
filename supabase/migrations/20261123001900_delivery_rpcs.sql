-- Saving, listing and trying out channels, routes, silences, rotations, escalations and heartbeats.

-- Where a secret may be kept. The prefixes keep a channel from naming a secret that is not its own.
create function watchkeeper.need_secret_refs(argument text, refs jsonb, known jsonb) returns void
language plpgsql immutable set search_path = '' as $$
declare
  field text;
  ref text;
begin
  perform watchkeeper.need_json(argument, refs, 'object', 10000);
  for field, ref in select key, value from jsonb_each_text(refs) loop
    if not coalesce(known, '[]') ? field then
      perform watchkeeper.refuse(argument || '.' || left(field, 40), format('is not known; known are %s',
        coalesce((select string_agg(k, ', ') from jsonb_array_elements_text(known) as k), 'none')));
    elsif ref is null or ref !~ '^(env:CHANNEL_[A-Z0-9_]{1,100}|ssm:/watchkeeper/channels/[A-Za-z0-9_./-]{1,200}|secretsmanager:watchkeeper/channels/[A-Za-z0-9_/.-]{1,200})$' then
      perform watchkeeper.refuse(argument || '.' || field, 'must say where the secret is kept, not what it is: '
        || 'ssm:/watchkeeper/channels/NAME, secretsmanager:watchkeeper/channels/NAME or env:CHANNEL_NAME');
    end if;
  end loop;
end
$$;

create function watchkeeper.need_time_zone(argument text, name text) returns text
language plpgsql stable set search_path = '' as $$
begin
  if name is null or not exists (select from pg_catalog.pg_timezone_names as z where z.name = need_time_zone.name) then
    perform watchkeeper.refuse(argument, format('must be a time zone such as Europe/Berlin (is %s)', coalesce(quote_literal(left(name, 60)), 'null')));
  end if;
  return name;
end
$$;

create function watchkeeper.need_shape(argument text, given jsonb, shape jsonb) returns void
language plpgsql immutable set search_path = '' as $$
begin
  perform watchkeeper.need_json(argument, given, 'object', 100000);
  perform watchkeeper.need_fit(argument, given, shape);
end
$$;

create function watchkeeper.not_found(argument text, what text, name text) returns void
language plpgsql immutable set search_path = '' as $$
begin
  raise sqlstate 'PT404' using message = format('%s: there is no %s %s', argument, what, coalesce(left(name, 100), 'null'));
end
$$;

-- Channels ------------------------------------------------------------------------------------------------------

create function watchkeeper.channel_document(channel watchkeeper.channels) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('name', channel.name, 'kind', channel.kind, 'config', channel.config, 'secrets', channel.secrets,
    'person', channel.person, 'enabled', channel.enabled, 'rate_per_minute', channel.rate_per_minute)
$$;

create function watchkeeper.store_channel(argument text, given jsonb, at timestamptz) returns watchkeeper.channels
language plpgsql security definer set search_path = '' as $$
declare
  notifiers jsonb := coalesce(watchkeeper.catalog_document() -> 'notifiers', '{}');
  notifier jsonb;
  channel watchkeeper.channels;
  required text;
begin
  perform watchkeeper.need_shape(argument, given, '{"type": "object", "additionalProperties": false, "required": ["name", "kind"], "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 100}, "kind": {"type": "string"}, "config": {"type": "object"},
    "secrets": {"type": "object"}, "person": {"type": ["string", "null"], "minLength": 3, "maxLength": 320}, "enabled": {"type": "boolean"},
    "rate_per_minute": {"type": ["integer", "null"], "minimum": 1, "maximum": 6000}}}');
  perform watchkeeper.need_one_of(argument || '.kind', given ->> 'kind', (select array_agg(k order by k) from jsonb_object_keys(notifiers) as k));
  notifier := notifiers -> (given ->> 'kind');
  perform watchkeeper.need_shape(argument || '.config', coalesce(given -> 'config', '{}'), notifier -> 'config_schema');
  perform watchkeeper.need_secret_refs(argument || '.secrets', coalesce(given -> 'secrets', '{}'), notifier -> 'secrets');
  for required in select r from jsonb_array_elements_text(coalesce(notifier -> 'required_secrets', '[]')) as r loop
    if not coalesce(given -> 'secrets', '{}') ? required then
      perform watchkeeper.refuse(argument || '.secrets.' || required, 'is missing');
    end if;
  end loop;
  insert into watchkeeper.channels as c (name, kind, config, secrets, person, enabled, rate_per_minute)
  values (given ->> 'name', given ->> 'kind', coalesce(given -> 'config', '{}'), coalesce(given -> 'secrets', '{}'), given ->> 'person',
    coalesce((given ->> 'enabled')::boolean, true), (given ->> 'rate_per_minute')::numeric::integer)
  on conflict (name) where deleted_at is null do update set kind = excluded.kind, config = excluded.config, secrets = excluded.secrets,
    person = excluded.person, enabled = excluded.enabled, rate_per_minute = excluded.rate_per_minute, updated_at = at
  returning c.* into channel;
  return channel;
end
$$;

create function watchkeeper.channel_named(argument text, name text) returns watchkeeper.channels
language plpgsql security definer set search_path = '' as $$
declare
  channel watchkeeper.channels;
begin
  select c.* into channel from watchkeeper.channels as c where c.name = channel_named.name and c.deleted_at is null for no key update;
  if channel.id is null then
    perform watchkeeper.not_found(argument, 'channel', name);
  end if;
  return channel;
end
$$;

-- What it was to be sent goes another way.
create function watchkeeper.drop_channel(name text, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  channel watchkeeper.channels := watchkeeper.channel_named('name', name);
  user_of_it text := (
    select string_agg(distinct e.name, ', ') from watchkeeper.escalations as e, jsonb_array_elements(e.steps) as s where s -> 'channels' ? channel.name);
begin
  if user_of_it is not null then
    raise sqlstate 'PT409' using message = format('name: escalation %s still uses the channel %s', user_of_it, channel.name);
  end if;
  update watchkeeper.channels as c set deleted_at = at where c.id = channel.id;
  delete from watchkeeper.route_channels as rc where rc.channel_id = channel.id;
  -- First, as it waits for who holds that alert, and the rest waits for nobody.
  perform watchkeeper.close_alert('channel:' || channel.id, 'the channel was deleted', at);
  perform watchkeeper.cancel_deleted(at);
end
$$;

-- Who was on one of its ladders is routed anew.
create function watchkeeper.drop_escalation(name text, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  dropped uuid := (select e.id from watchkeeper.escalations as e where e.name = drop_escalation.name);
  alert public.system_alerts;
  climbing uuid[] := array(select l.alert_id from watchkeeper.ladders as l where l.escalation_id = dropped);
begin
  if dropped is null then
    perform watchkeeper.not_found('name', 'escalation', name);
  end if;
  perform watchkeeper.lock_targets_of(climbing);
  perform from public.system_alerts as a where a.id = any (climbing) order by a.created_at, a.id for no key update;
  delete from watchkeeper.escalations as e where e.id = dropped;
  for alert in select a.* from public.system_alerts as a where a.id = any (climbing) and a.status = 'firing' order by a.created_at loop
    perform watchkeeper.route_alert(alert, at);
  end loop;
end
$$;

-- Rotations, escalations, routes --------------------------------------------------------------------------------

create function watchkeeper.rotation_document(rotation watchkeeper.rotations) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('name', rotation.name, 'time_zone', rotation.time_zone, 'shift_days', rotation.shift_days,
    'starts_at', to_char(rotation.starts_at, 'YYYY-MM-DD"T"HH24:MI'), 'people', to_jsonb(rotation.people))
$$;

create function watchkeeper.store_rotation(argument text, given jsonb) returns watchkeeper.rotations
language plpgsql security definer set search_path = '' as $$
declare
  rotation watchkeeper.rotations;
begin
  perform watchkeeper.need_shape(argument, given, '{"type": "object", "additionalProperties": false, "required": ["name", "people", "starts_at"], "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 100}, "time_zone": {"type": "string"},
    "starts_at": {"type": "string", "pattern": "^20\\d\\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T([01]\\d|2[0-3]):[0-5]\\d$"},
    "shift_days": {"type": "integer", "minimum": 1, "maximum": 366},
    "people": {"type": "array", "minItems": 1, "maxItems": 100, "items": {"type": "string", "minLength": 3, "maxLength": 320}}}}');
  insert into watchkeeper.rotations as r (name, time_zone, starts_at, shift_days, people)
  values (given ->> 'name', watchkeeper.need_time_zone(argument || '.time_zone', coalesce(given ->> 'time_zone', 'UTC')),
    (given ->> 'starts_at')::timestamp, coalesce((given ->> 'shift_days')::numeric::integer, 7),
    array(select p from jsonb_array_elements_text(given -> 'people') as p))
  on conflict (name) do update set time_zone = excluded.time_zone, starts_at = excluded.starts_at, shift_days = excluded.shift_days, people = excluded.people
  returning r.* into rotation;
  return rotation;
exception when datetime_field_overflow or invalid_datetime_format then
  perform watchkeeper.refuse(argument || '.starts_at', 'is no day of the calendar');
end
$$;

create function watchkeeper.escalation_document(escalation watchkeeper.escalations) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('name', escalation.name, 'steps', escalation.steps, 'repeats', escalation.repeats)
$$;

create function watchkeeper.store_escalation(argument text, given jsonb) returns watchkeeper.escalations
language plpgsql security definer set search_path = '' as $$
declare
  escalation watchkeeper.escalations;
  step jsonb;
  wanted text;
  n integer;
begin
  perform watchkeeper.need_shape(argument, given, '{"type": "object", "additionalProperties": false, "required": ["name", "steps"], "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 100}, "repeats": {"type": "integer", "minimum": 0, "maximum": 100},
    "steps": {"type": "array", "minItems": 1, "maxItems": 20, "items": {"type": "object", "additionalProperties": false, "required": ["after_s"], "properties": {
      "after_s": {"type": "integer", "minimum": 0, "maximum": 604800},
      "channels": {"type": "array", "maxItems": 50, "items": {"type": "string"}}, "on_call": {"type": "array", "maxItems": 50, "items": {"type": "string"}}}}}}}');
  for step, n in select e.s, e.n - 1 from jsonb_array_elements(given -> 'steps') with ordinality as e (s, n) loop
    for wanted in select c from jsonb_array_elements_text(coalesce(step -> 'channels', '[]')) as c loop
      perform watchkeeper.channel_named(format('%s.steps[%s].channels', argument, n), wanted);
    end loop;
    for wanted in select c from jsonb_array_elements_text(coalesce(step -> 'on_call', '[]')) as c loop
      if not exists (select from watchkeeper.rotations as r where r.name = wanted) then
        perform watchkeeper.not_found(format('%s.steps[%s].on_call', argument, n), 'rotation', wanted);
      end if;
    end loop;
  end loop;
  insert into watchkeeper.escalations as e (name, steps, repeats)
  values (given ->> 'name', given -> 'steps', coalesce((given ->> 'repeats')::numeric::integer, 0))
  on conflict on constraint escalations_name_key do update set steps = excluded.steps, repeats = excluded.repeats
  returning e.* into escalation;
  return escalation;
end
$$;

create function watchkeeper.route_document(route watchkeeper.routes) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('name', route.name, 'position', route.position, 'match', route.match, 'hours', route.hours,
    'channels', (
      select coalesce(jsonb_agg(c.name order by c.name), '[]')
      from watchkeeper.route_channels as rc join watchkeeper.channels as c on c.id = rc.channel_id where rc.route_id = route.id
    ),
    'escalation', (select e.name from watchkeeper.escalations as e where e.id = route.escalation_id),
    'continue', route.goes_on, 'group_wait_s', route.group_wait_s, 'remind_every_s', route.remind_every_s, 'enabled', route.enabled)
$$;

create function watchkeeper.store_route(argument text, given jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  route watchkeeper.routes;
  escalation uuid := (select e.id from watchkeeper.escalations as e where e.name = given ->> 'escalation');
  wanted text;
  chosen uuid[] := '{}';
begin
  perform watchkeeper.need_shape(argument, given, '{"type": "object", "additionalProperties": false, "required": ["name"], "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 100}, "position": {"type": "integer", "minimum": 0, "maximum": 1000000},
    "match": {"type": "object"},
    "hours": {"type": ["object", "null"], "additionalProperties": false, "properties": {"time_zone": {"type": "string"},
      "days": {"type": "array", "minItems": 1, "maxItems": 7, "items": {"enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}},
      "from": {"type": "string", "pattern": "^([01]\\d|2[0-3]):[0-5]\\d$"}, "to": {"type": "string", "pattern": "^(([01]\\d|2[0-3]):[0-5]\\d|24:00)$"}}},
    "channels": {"type": "array", "maxItems": 100, "items": {"type": "string"}}, "escalation": {"type": ["string", "null"]},
    "continue": {"type": "boolean"}, "group_wait_s": {"type": "integer", "minimum": 0, "maximum": 3600},
    "remind_every_s": {"type": ["integer", "null"], "minimum": 60, "maximum": 604800}, "enabled": {"type": "boolean"}}}');
  perform watchkeeper.need_shape(argument || '.match', coalesce(given -> 'match', '{}'), watchkeeper.matcher_schema());
  if given #>> '{hours,time_zone}' is not null then
    perform watchkeeper.need_time_zone(argument || '.hours.time_zone', given #>> '{hours,time_zone}');
  end if;
  if given ->> 'escalation' is not null and escalation is null then
    perform watchkeeper.not_found(argument || '.escalation', 'escalation', given ->> 'escalation');
  end if;
  for wanted in select c from jsonb_array_elements_text(coalesce(given -> 'channels', '[]')) as c loop
    chosen := chosen || (watchkeeper.channel_named(argument || '.channels', wanted)).id;
  end loop;
  if cardinality(chosen) = 0 and escalation is null then
    perform watchkeeper.refuse(argument || '.channels', 'must name a channel, or the route an escalation');
  end if;
  insert into watchkeeper.routes as r (name, position, match, hours, escalation_id, goes_on, group_wait_s, remind_every_s, enabled)
  values (given ->> 'name', coalesce((given ->> 'position')::numeric::integer, 100), coalesce(given -> 'match', '{}'), nullif(given -> 'hours', 'null'),
    escalation, coalesce((given ->> 'continue')::boolean, false), coalesce((given ->> 'group_wait_s')::numeric::integer, 10),
    (given ->> 'remind_every_s')::numeric::integer, coalesce((given ->> 'enabled')::boolean, true))
  on conflict on constraint routes_name_key do update set position = excluded.position, match = excluded.match, hours = excluded.hours,
    escalation_id = excluded.escalation_id, goes_on = excluded.goes_on, group_wait_s = excluded.group_wait_s,
    remind_every_s = excluded.remind_every_s, enabled = excluded.enabled
  returning r.* into route;
  delete from watchkeeper.route_channels as rc where rc.route_id = route.id;
  insert into watchkeeper.route_channels (route_id, channel_id) select distinct route.id, c from unnest(chosen) as c;
  return watchkeeper.route_document(route);
end
$$;

-- Silences ------------------------------------------------------------------------------------------------------

create function watchkeeper.silence_document(silence watchkeeper.silences) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('id', silence.id, 'kind', silence.kind, 'comment', silence.comment, 'match', silence.match,
    'starts_at', to_char(silence.starts_at, 'YYYY-MM-DD"T"HH24:MI:SS'), 'ends_at', to_char(silence.ends_at, 'YYYY-MM-DD"T"HH24:MI:SS'),
    'time_zone', silence.time_zone, 'rrule', silence.rrule)
$$;

create function watchkeeper.normal_silence(argument text, given jsonb) returns watchkeeper.silences
language plpgsql stable security definer set search_path = '' as $$
declare
  silence watchkeeper.silences;
  moment constant text := '{"type": "string", "pattern": "^20\\d\\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T([01]\\d|2[0-3]):[0-5]\\d(:[0-5]\\d)?$"}';
begin
  perform watchkeeper.need_shape(argument, given, format('{"type": "object", "additionalProperties": false,
    "required": ["comment", "starts_at", "ends_at"], "properties": {
    "id": {"type": "string", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"},
    "kind": {"enum": ["silence", "maintenance"]}, "comment": {"type": "string", "minLength": 1, "maxLength": 1000}, "match": {"type": "object"},
    "starts_at": %1$s, "ends_at": %1$s, "time_zone": {"type": "string"}, "rrule": {"type": ["string", "null"], "minLength": 1, "maxLength": 500}}}', moment)::jsonb);
  perform watchkeeper.need_shape(argument || '.match', coalesce(given -> 'match', '{}'), watchkeeper.matcher_schema());
  if given ->> 'rrule' is not null then
    perform watchkeeper.need_rrule(argument || '.rrule', given ->> 'rrule');
  end if;
  silence := (coalesce((given ->> 'id')::uuid, gen_random_uuid()), coalesce(given ->> 'kind', 'silence'), given ->> 'comment',
    coalesce(given -> 'match', '{}'), (given ->> 'starts_at')::timestamp, (given ->> 'ends_at')::timestamp,
    watchkeeper.need_time_zone(argument || '.time_zone', coalesce(given ->> 'time_zone', 'UTC')), given ->> 'rrule', watchkeeper.caller_id(), now());
  if silence.ends_at <= silence.starts_at or silence.ends_at > silence.starts_at + interval '366 days' then
    perform watchkeeper.refuse(argument || '.ends_at', 'must be after starts_at, and at most 366 days later');
  end if;
  return silence;
exception when datetime_field_overflow or invalid_datetime_format then
  perform watchkeeper.refuse(argument || '.starts_at', 'is no day of the calendar');
end
$$;

create function watchkeeper.store_silence(argument text, given jsonb) returns watchkeeper.silences
language plpgsql security definer set search_path = '' as $$
declare
  silence watchkeeper.silences := watchkeeper.normal_silence(argument, given);
begin
  insert into watchkeeper.silences as s select (silence).*
  on conflict (id) do update set kind = excluded.kind, comment = excluded.comment, match = excluded.match, starts_at = excluded.starts_at,
    ends_at = excluded.ends_at, time_zone = excluded.time_zone, rrule = excluded.rrule
  returning s.* into silence;
  return silence;
end
$$;

-- Heartbeats ----------------------------------------------------------------------------------------------------

create function watchkeeper.heartbeat_document(heartbeat watchkeeper.heartbeats) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('name', heartbeat.name, 'period_s', heartbeat.period_s, 'cron', heartbeat.cron, 'time_zone', heartbeat.time_zone,
    'grace_s', heartbeat.grace_s, 'severity', heartbeat.severity, 'labels', heartbeat.labels, 'paused', heartbeat.paused)
$$;

-- Returns the heartbeat, and its token when it is new: it is not kept, so it is shown this once.
create function watchkeeper.store_heartbeat(argument text, given jsonb, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  heartbeat watchkeeper.heartbeats;
  old watchkeeper.heartbeats;
  token text;
  cron text := given ->> 'cron';
  fields jsonb;
begin
  perform watchkeeper.need_shape(argument, given, '{"type": "object", "additionalProperties": false, "required": ["name"], "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 100}, "period_s": {"type": ["integer", "null"], "minimum": 30, "maximum": 31622400},
    "cron": {"type": ["string", "null"], "minLength": 9, "maxLength": 200}, "time_zone": {"type": "string"},
    "grace_s": {"type": "integer", "minimum": 0, "maximum": 2592000}, "severity": {"enum": ["warning", "error", "critical"]},
    "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 200}}, "paused": {"type": "boolean"}}}');
  if (given ->> 'period_s' is null) = (cron is null) then
    perform watchkeeper.refuse(argument, 'needs either period_s or cron');
  end if;
  perform watchkeeper.need_time_zone(argument || '.time_zone', coalesce(given ->> 'time_zone', 'UTC'));
  if cron is not null then
    fields := watchkeeper.cron_fields(cron);
    if fields is null or fields @> any (array['{"minutes": null}', '{"hours": null}', '{"days": null}', '{"months": null}', '{"weekdays": null}']::jsonb[])
      or watchkeeper.cron_next(cron, coalesce(given ->> 'time_zone', 'UTC'), at) is null then
      perform watchkeeper.refuse(argument || '.cron', format('must be five fields such as "30 2 * * 1-5" that name a day that exists (is %s)', quote_literal(left(cron, 60))));
    end if;
  end if;
  select h.* into heartbeat from watchkeeper.heartbeats as h where h.name = given ->> 'name' for no key update;
  old := heartbeat;
  if heartbeat.id is null then
    token := replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
    insert into watchkeeper.heartbeats as h (name, token_hash, period_s, cron)
    values (given ->> 'name', sha256(convert_to(token, 'UTF8')), (given ->> 'period_s')::numeric::integer, cron)
    returning h.* into heartbeat;
  end if;
  update watchkeeper.heartbeats as h
  set period_s = (given ->> 'period_s')::numeric::integer, cron = store_heartbeat.given ->> 'cron', time_zone = coalesce(given ->> 'time_zone', 'UTC'),
    grace_s = coalesce((given ->> 'grace_s')::numeric::integer, 300), severity = coalesce(given ->> 'severity', 'critical'),
    labels = coalesce(given -> 'labels', '{}'), paused = coalesce((given ->> 'paused')::boolean, false)
  where h.id = heartbeat.id returning h.* into heartbeat;
  -- The first success is due a period from now: a job that never reports is late as well. Saving the same again does
  -- not put it off.
  if heartbeat.due_at is null or (old.period_s, old.cron, old.time_zone, old.paused) is distinct from
    (heartbeat.period_s, heartbeat.cron, heartbeat.time_zone, heartbeat.paused) then
    update watchkeeper.heartbeats as h set due_at = watchkeeper.next_beat(h, at) where h.id = heartbeat.id returning h.* into heartbeat;
  end if;
  if heartbeat.paused then
    perform watchkeeper.close_alert('heartbeat:' || heartbeat.id, 'the heartbeat was paused', at);
  end if;
  return watchkeeper.heartbeat_document(heartbeat) || case when token is null then '{}' else jsonb_build_object('token', token) end;
end
$$;

-- Delivery settings --------------------------------------------------------------------------------------------

-- What is not given stays.
create function watchkeeper.store_delivery_settings(argument text, given jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  stored watchkeeper.delivery_settings;
begin
  perform watchkeeper.need_shape(argument, given, '{"type": "object", "additionalProperties": false, "properties": {
    "storm_alerts": {"type": "integer", "minimum": 2, "maximum": 1000}, "flapping_changes": {"type": "integer", "minimum": 3, "maximum": 1000},
    "flapping_window_s": {"type": "integer", "minimum": 60, "maximum": 86400}, "dead_after_s": {"type": "integer", "minimum": 60, "maximum": 1209600}}}');
  update watchkeeper.delivery_settings as s
  set storm_alerts = coalesce((given ->> 'storm_alerts')::numeric::integer, s.storm_alerts),
    flapping_changes = coalesce((given ->> 'flapping_changes')::numeric::integer, s.flapping_changes),
    flapping_window_s = coalesce((given ->> 'flapping_window_s')::numeric::integer, s.flapping_window_s),
    dead_after_s = coalesce((given ->> 'dead_after_s')::numeric::integer, s.dead_after_s)
  returning s.* into stored;
  return to_jsonb(stored) - 'only_row';
end
$$;
