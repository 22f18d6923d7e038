-- What the page's forms need to save: a save that knows what its writer had read, every draft judged as saving it would,
-- routes moved in one step, and the settings of which there is one.

-- Versions ------------------------------------------------------------------------------------------------------

-- A digest of what was read, not a count: what was changed and changed back is what was read.
create function watchkeeper.version_of(document jsonb) returns text
language sql immutable set search_path = '' as $$
  select left(encode(sha256(convert_to(document::text, 'UTF8')), 'hex'), 32)
$$;

create function watchkeeper.kinds_of_settings() returns text[]
language sql stable set search_path = '' as $$
  select array(select k.kind from watchkeeper.setting_kinds() as k order by k.n)
    || array(select s from jsonb_object_keys(watchkeeper.single_settings_now()) as s order by s)
$$;

-- As it is stored now, without what others than its form move: null if it is not there.
create function watchkeeper.setting_now(kind text, given jsonb) returns jsonb
language sql volatile security definer set search_path = '' as $$
  select case kind
    when 'target' then (select watchkeeper.target_document(t) - 'paused' from watchkeeper.targets as t
      where case when given ->> 'id' is null then t.name = given ->> 'name' else t.id::text = given ->> 'id' end)
    when 'channel' then (select watchkeeper.channel_document(c) from watchkeeper.channels as c where c.name = given ->> 'name' and c.deleted_at is null)
    when 'rotation' then (select watchkeeper.rotation_document(r) from watchkeeper.rotations as r where r.name = given ->> 'name')
    when 'escalation' then (select watchkeeper.escalation_document(e) from watchkeeper.escalations as e where e.name = given ->> 'name')
    when 'route' then (select watchkeeper.route_document(r) from watchkeeper.routes as r where r.name = given ->> 'name')
    when 'silence' then (select watchkeeper.silence_document(s) from watchkeeper.silences as s where s.id::text = given ->> 'id')
    when 'heartbeat' then (select watchkeeper.heartbeat_document(h) from watchkeeper.heartbeats as h where h.name = given ->> 'name')
    when 'objective' then (select watchkeeper.objective_document(o) from watchkeeper.objectives as o where o.name = given ->> 'name')
    when 'report_plan' then (select watchkeeper.report_plan_document(p) from watchkeeper.report_plans as p where p.name = given ->> 'name')
    else watchkeeper.single_settings_now() -> kind
  end
$$;

-- The newest entry of the audit log about it, or about what belongs to it.
create function watchkeeper.last_change(kind text, given jsonb) returns watchkeeper.audit_log
language sql stable security definer set search_path = '' as $$
  select l.* from watchkeeper.audit_log as l
  cross join (select case kind
    when 'target' then coalesce((select t.name from watchkeeper.targets as t where t.id::text = given ->> 'id'), given ->> 'name')
    when 'silence' then given ->> 'id'
    else coalesce(given ->> 'name', 'only') end as key) as k
  where l.table_name = any (case kind
      when 'target' then array['targets', 'checks', 'dependencies'] when 'route' then array['routes', 'route_channels']
      else array[coalesce((select s.plural from watchkeeper.setting_kinds() as s where s.kind = last_change.kind), kind)] end)
    and (l.row_key = k.key or starts_with(l.row_key, k.key || '/'))
  order by l.seq desc limit 1
$$;

-- Whoever names no version overwrites, as the settings file does. `null` says: it is new, and replaces nothing.
create function watchkeeper.need_version(kind text, argument text, given jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
  stored jsonb;
  change watchkeeper.audit_log;
begin
  if jsonb_typeof(given) is distinct from 'object' or not given ? 'version' then
    return;
  end if;
  stored := watchkeeper.setting_now(kind, given);
  if given -> 'version' = 'null' and given ? 'name' then
    if stored is not null then
      perform watchkeeper.refuse(argument || '.name', format('another is called %s', left(given ->> 'name', 100)));
    end if;
  elsif jsonb_typeof(given -> 'version') <> 'string' and (given -> 'version' <> 'null' or stored is not null) then
    perform watchkeeper.refuse(argument || '.version', 'must be the version that was read');
  elsif given ->> 'version' is distinct from watchkeeper.version_of(stored) then
    change := watchkeeper.last_change(kind, given);
    raise sqlstate 'PT409' using message = format('%s.version: %s %s it%s, after you read it', argument, coalesce(change.actor, 'somebody'),
      case when stored is null then 'deleted' else 'changed' end, coalesce(' at ' || watchkeeper.utc_text(change.at), ''));
  end if;
end
$$;

create function watchkeeper.without_version(given jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select case when jsonb_typeof(given) = 'object' then given - 'version' else given end
$$;

-- The word that the refusals of its RPC begin with.
create function watchkeeper.setting_argument(kind text) returns text
language sql immutable set search_path = '' as $$
  select case kind when 'report_plan' then 'plan' when 'benchmark_rule' then 'rule'
    when 'delivery_settings' then 'settings' when 'incident_settings' then 'settings' when 'access_settings' then 'settings' else kind end
$$;

-- Saving --------------------------------------------------------------------------------------------------------

-- With the version that its writer had read, if he says so.
create function watchkeeper.store_seen(kind text, given jsonb, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  argument constant text := watchkeeper.setting_argument(kind);
  document constant jsonb := watchkeeper.without_version(given);
begin
  perform watchkeeper.lock_settings();
  -- The file of settings changes these without that lock, last of all.
  perform from watchkeeper.delivery_settings as s where kind = 'delivery_settings' for no key update;
  perform from watchkeeper.incident_settings as s where kind = 'incident_settings' for no key update;
  perform from watchkeeper.access_settings as s where kind = 'access_settings' for no key update;
  perform watchkeeper.need_version(kind, argument, given);
  return case kind
    when 'delivery_settings' then watchkeeper.store_delivery_settings(argument, document)
    when 'incident_settings' then watchkeeper.store_incident_settings(argument, document)
    when 'access_settings' then watchkeeper.store_access_settings(argument, document)
    else watchkeeper.store_setting(kind, argument, document, at) end;
end
$$;

-- Reading -------------------------------------------------------------------------------------------------------

-- {document, version}, both null if it is not there. `key` is the id of a target or a silence, else the name. The lists
-- and what saving returns carry no version: they may be put into a file of settings as they are.
create function watchkeeper.get_setting(kind text, key text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  document jsonb;
begin
  perform watchkeeper.require_role('viewer');
  perform watchkeeper.need_one_of('kind', kind, array['target'] || watchkeeper.kinds_of_settings());
  document := watchkeeper.setting_now(kind, jsonb_build_object(case when kind in ('target', 'silence') then 'id' else 'name' end, key));
  return jsonb_build_object('document', document, 'version', watchkeeper.version_of(document));
end
$$;

-- What holds when nobody said otherwise: as the columns have it, numbers, words and documents alike.
create function watchkeeper.column_defaults(table_name text) returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_object_agg(a.attname, trim(both '''' from split_part(pg_get_expr(d.adbin, d.adrelid), '::', 1))::jsonb)
  from pg_attribute as a join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = to_regclass('watchkeeper.' || table_name) and a.attname <> 'only_row'
$$;

-- {section: {values, defaults, version}}
create function watchkeeper.get_settings() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return (
    select jsonb_object_agg(s.key, jsonb_build_object('values', s.value, 'defaults', watchkeeper.column_defaults(s.key),
      'version', watchkeeper.version_of(s.value)))
    from jsonb_each(watchkeeper.single_settings_now()) as s
  );
end
$$;

-- Drafts --------------------------------------------------------------------------------------------------------

-- Saves it and takes that back: {ok, problem}, the problem as saving would word it.
create function watchkeeper.validate_setting(kind text, document jsonb, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  if kind = 'silence' then
    perform watchkeeper.require_role('admin', 'responder');
  else
    perform watchkeeper.require_role('admin');
  end if;
  perform watchkeeper.need_one_of('kind', kind, watchkeeper.kinds_of_settings());
  begin
    perform watchkeeper.store_seen(kind, document, at);
    raise exception using errcode = 'WK000';
  exception
    when sqlstate 'WK000' then return '{"ok": true, "problem": null}';
    when invalid_parameter_value or sqlstate 'PT404' or sqlstate 'PT409' then
      return jsonb_build_object('ok', false, 'problem', sqlerrm);
  end;
end
$$;

-- The order of routes -------------------------------------------------------------------------------------------

-- Puts a route before another; before none is last. The positions stay what they were, as far as each can be its own,
-- so moving it back restores them.
create function watchkeeper.move_route(name text, before text, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  moved uuid;
  next_one uuid;
  ordered uuid[];
  positions integer[];
  place integer := -1;
  n integer;
begin
  perform watchkeeper.require_role('admin');
  perform watchkeeper.lock_settings();
  moved := (select r.id from watchkeeper.routes as r where r.name = move_route.name);
  next_one := (select r.id from watchkeeper.routes as r where r.name = move_route.before);
  if moved is null then
    perform watchkeeper.not_found('name', 'route', name);
  elsif before is not null and next_one is null then
    perform watchkeeper.not_found('before', 'route', before);
  elsif moved = next_one then
    perform watchkeeper.refuse('before', 'must be another route');
  end if;
  ordered := array(select r.id from watchkeeper.routes as r where r.id <> moved order by r.position, r.name);
  n := coalesce(array_position(ordered, next_one), cardinality(ordered) + 1);
  ordered := ordered[:n - 1] || moved || ordered[n:];
  positions := array(select r.position from watchkeeper.routes as r order by r.position);
  if positions[cardinality(positions)] + cardinality(positions) > 1000000 then
    positions := array(select 10 * g from generate_series(1, cardinality(ordered)) as g);
  end if;
  for n in 1..cardinality(ordered) loop
    place := greatest(place + 1, positions[n]);
    update watchkeeper.routes as r set position = place where r.id = ordered[n] and r.position <> place;
  end loop;
  return watchkeeper.list_settings('routes', at);
end
$$;

-- The API -------------------------------------------------------------------------------------------------------

create function public.get_setting(kind text, key text default null) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_setting(kind, key)';
create function public.get_settings() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_settings()';
create function public.validate_setting(kind text, document jsonb) returns jsonb
language sql set search_path = '' as 'select watchkeeper.validate_setting(kind, document, now())';
create function public.move_route(name text, before text default null) returns jsonb
language sql set search_path = '' as 'select watchkeeper.move_route(name, before, now())';

grant execute on function
  watchkeeper.get_setting(text, text), public.get_setting(text, text), watchkeeper.get_settings(), public.get_settings(),
  watchkeeper.validate_setting(text, jsonb, timestamptz), public.validate_setting(text, jsonb),
  watchkeeper.move_route(text, text, timestamptz), public.move_route(text, text)
to authenticated, service_role;
