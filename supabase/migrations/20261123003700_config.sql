-- The file of settings: applied in one transaction, planned, exported.

create function watchkeeper.setting_kinds() returns table (n integer, kind text, plural text)
language sql immutable set search_path = '' as $$
  values (1, 'channel', 'channels'), (2, 'rotation', 'rotations'), (3, 'escalation', 'escalations'), (4, 'route', 'routes'),
    (5, 'silence', 'silences'), (6, 'heartbeat', 'heartbeats'), (7, 'objective', 'objectives'), (8, 'report_plan', 'report_plans'),
    (9, 'benchmark_rule', 'benchmark_rules')
$$;

-- {plural: {name: document}}
create function watchkeeper.settings_now() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'channels', (select coalesce(jsonb_object_agg(c.name, watchkeeper.channel_document(c)), '{}') from watchkeeper.channels as c where c.deleted_at is null),
    'rotations', (select coalesce(jsonb_object_agg(r.name, watchkeeper.rotation_document(r)), '{}') from watchkeeper.rotations as r),
    'escalations', (select coalesce(jsonb_object_agg(e.name, watchkeeper.escalation_document(e)), '{}') from watchkeeper.escalations as e),
    'routes', (select coalesce(jsonb_object_agg(r.name, watchkeeper.route_document(r)), '{}') from watchkeeper.routes as r),
    'silences', (select coalesce(jsonb_object_agg(s.comment, watchkeeper.silence_document(s) - 'id'), '{}') from watchkeeper.silences as s),
    'heartbeats', (select coalesce(jsonb_object_agg(h.name, watchkeeper.heartbeat_document(h)), '{}') from watchkeeper.heartbeats as h),
    'objectives', (select coalesce(jsonb_object_agg(o.name, watchkeeper.objective_document(o)), '{}') from watchkeeper.objectives as o),
    'report_plans', (select coalesce(jsonb_object_agg(p.name, watchkeeper.report_plan_document(p)), '{}') from watchkeeper.report_plans as p),
    'benchmark_rules', (select coalesce(jsonb_object_agg(b.name, watchkeeper.benchmark_rule_document(b)), '{}') from watchkeeper.benchmark_rules as b))
$$;

-- One writer of settings at a time, from the look at the version to the commit. Whoever saves takes this lock first.
create function watchkeeper.lock_settings() returns void
language sql set search_path = '' as $$
  select pg_advisory_xact_lock(hashtextextended('watchkeeper.settings', 0))
$$;

-- `kind` is the singular word that the refusals begin with, too.
create function watchkeeper.store_setting(kind text, argument text, given jsonb, at timestamptz) returns jsonb
language sql security definer set search_path = '' as $$
  select watchkeeper.lock_settings();
  select case kind
    when 'channel' then watchkeeper.channel_document(watchkeeper.store_channel(argument, given, at))
    when 'rotation' then watchkeeper.rotation_document(watchkeeper.store_rotation(argument, given))
    when 'escalation' then watchkeeper.escalation_document(watchkeeper.store_escalation(argument, given))
    when 'route' then watchkeeper.store_route(argument, given)
    when 'silence' then watchkeeper.silence_document(watchkeeper.store_silence(argument, given))
    when 'heartbeat' then watchkeeper.store_heartbeat(argument, given, at)
    when 'objective' then watchkeeper.objective_document(watchkeeper.store_objective(argument, given, at))
    when 'report_plan' then watchkeeper.store_report_plan(argument, given, at)
    when 'benchmark_rule' then watchkeeper.benchmark_rule_document(watchkeeper.store_benchmark_rule(argument, given, at))
  end
$$;

-- A document with its defaults, as it would be stored: stored and looked at, and undone by the caller's savepoint.
create function watchkeeper.apply_setting(kind text, argument text, given jsonb, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  -- Silences have no name of their own: in a file the comment is the name.
  if kind = 'silence' then
    given := given || coalesce((select jsonb_build_object('id', s.id) from watchkeeper.silences as s
      where s.comment = given ->> 'comment' order by s.created_at limit 1), '{}');
  end if;
  return watchkeeper.store_setting(kind, argument, given, at);
end
$$;

create function watchkeeper.drop_setting(kind text, name text, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
begin
  case kind
    when 'silence' then
      perform watchkeeper.note_last_maintenance(s.id, at) from watchkeeper.silences as s where s.comment = drop_setting.name;
      delete from watchkeeper.silences as s where s.comment = drop_setting.name;
    when 'objective' then perform watchkeeper.drop_objective(name, at);
    when 'report_plan' then perform watchkeeper.drop_report_plan(name);
    when 'benchmark_rule' then perform watchkeeper.drop_benchmark_rule(name, at);
    else perform watchkeeper.delete_setting(kind, name, at);
  end case;
end
$$;

-- Settings of which there is one -------------------------------------------------------------------------------

-- {section: {setting: value}}
create function watchkeeper.single_settings_now() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object('delivery_settings', to_jsonb(d) - 'only_row', 'incident_settings', to_jsonb(i) - 'only_row',
    'access_settings', to_jsonb(a) - 'only_row')
  from watchkeeper.delivery_settings as d cross join watchkeeper.incident_settings as i cross join watchkeeper.access_settings as a
$$;

create function watchkeeper.store_single_settings(section text, given jsonb) returns jsonb
language sql security definer set search_path = '' as $$
  select case section
    when 'delivery_settings' then watchkeeper.store_delivery_settings(section, given)
    when 'incident_settings' then watchkeeper.store_incident_settings(section, given)
    when 'access_settings' then watchkeeper.store_access_settings(section, given)
  end
$$;

-- Which of the given ones changed.
create function watchkeeper.apply_single_settings(section text, given jsonb, before jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  stored jsonb := watchkeeper.store_single_settings(section, given);
begin
  return '{"created": [], "deleted": []}' || (
    select jsonb_build_object('changed', coalesce(jsonb_agg(g order by g) filter (where before -> g <> stored -> g), '[]'),
      'unchanged', coalesce(jsonb_agg(g order by g) filter (where before -> g = stored -> g), '[]'))
    from jsonb_object_keys(given) as g
  );
end
$$;

-- Applying -----------------------------------------------------------------------------------------------------

create function watchkeeper.need_config(config jsonb) returns void
language plpgsql stable security definer set search_path = '' as $$
declare
  lists text[] := array['targets'] || array(select k.plural from watchkeeper.setting_kinds() as k order by k.n);
  singles text[] := array(select s from jsonb_object_keys(watchkeeper.single_settings_now()) as s order by s);
  section text;
begin
  perform watchkeeper.need_json('config', config, 'object', 4000000);
  for section in select c from jsonb_object_keys(config) as c loop
    if section = any (singles) then
      perform watchkeeper.need_json('config.' || section, config -> section, 'object', 100000);
    elsif section = any (lists) then
      perform watchkeeper.need_list('config.' || section, config -> section, 1000, 4000000);
    else
      perform watchkeeper.refuse('config.' || left(section, 60),
        format('is not known; known are %s', array_to_string(lists || singles, ', ')));
    end if;
  end loop;
end
$$;

-- {targets, channels, rotations, ..., delivery_settings, incident_settings}: what is not mentioned is left alone; within
-- what is mentioned, `prune` deletes the rest. Returns the plan, and the tokens of new heartbeats.
create function watchkeeper.apply_config(config jsonb, prune boolean, dry_run boolean, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  plan jsonb := '{}';
  tokens jsonb := '{}';
  before jsonb := watchkeeper.settings_now();
  section record;
  lines jsonb;
  given jsonb;
  stored jsonb;
  name text;
  n integer;
begin
  perform watchkeeper.require_role('admin');
  perform watchkeeper.need_config(config);
  if config ? 'targets' then
    plan := jsonb_build_object('targets', watchkeeper.apply_targets(config -> 'targets', prune, false, at));
  end if;

  for section in select k.* from watchkeeper.setting_kinds() as k where config ? k.plural order by k.n loop
    lines := '{"created": [], "changed": [], "unchanged": [], "deleted": []}';
    for given, n in select e.g, e.n - 1 from jsonb_array_elements(config -> section.plural) with ordinality as e (g, n) order by e.n loop
      stored := watchkeeper.apply_setting(section.kind, format('%s[%s]', section.plural, n), given, at);
      name := coalesce(stored ->> 'name', stored ->> 'comment');
      if exists (select from jsonb_each(lines) as l where l.value ? name) then
        perform watchkeeper.refuse(format('%s[%s]', section.plural, n), format('%s is there twice', name));
      end if;
      if stored ? 'token' then
        tokens := tokens || jsonb_build_object(name, stored -> 'token');
      end if;
      stored := stored - 'token' - 'id';
      lines := jsonb_insert(lines, array[case when not before -> section.plural ? name then 'created'
        when before -> section.plural -> name = stored then 'unchanged' else 'changed' end, '-1'], to_jsonb(name), true);
    end loop;
    plan := plan || jsonb_build_object(section.plural, lines);
  end loop;

  for section in select s.key, s.value from jsonb_each(watchkeeper.single_settings_now()) as s where config ? s.key order by s.key loop
    plan := plan || jsonb_build_object(section.key, watchkeeper.apply_single_settings(section.key, config -> section.key, section.value));
  end loop;

  if coalesce(prune, false) then
    -- Users before what they use.
    for section in select k.* from watchkeeper.setting_kinds() as k where config ? k.plural order by k.n desc loop
      for name in
        select o from jsonb_object_keys(before -> section.plural) as o
        where not exists (select from jsonb_each(plan -> section.plural) as l where l.value ? o) order by o
      loop
        perform watchkeeper.drop_setting(section.kind, name, at);
        plan := jsonb_insert(plan, array[section.plural, 'deleted', '-1'], to_jsonb(name), true);
      end loop;
    end loop;
  end if;
  return jsonb_build_object('plan', plan, 'tokens', tokens);
end
$$;

-- A dry run does it all and takes it back: what it says is what would happen.
create function watchkeeper.plan_config(config jsonb, prune boolean, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  outcome jsonb;
begin
  begin
    outcome := watchkeeper.apply_config(config, prune, true, at);
    raise exception using errcode = 'WK000';
  exception when sqlstate 'WK000' then
    return outcome - 'tokens';
  end;
end
$$;

create function watchkeeper.export_config() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return jsonb_build_object('targets', (
    select coalesce(jsonb_agg(watchkeeper.target_document(t) - 'id' - 'paused' order by t.name), '[]') from watchkeeper.targets as t
  )) || (
    select jsonb_object_agg(s.key, (select coalesce(jsonb_agg(d.value order by d.key), '[]') from jsonb_each(s.value) as d))
    from jsonb_each(watchkeeper.settings_now()) as s
  ) || watchkeeper.single_settings_now();
end
$$;

create function public.apply_config(config jsonb, prune boolean default false, dry_run boolean default false) returns jsonb
language sql set search_path = '' as $$
  select case when dry_run then watchkeeper.plan_config(config, prune, now()) else watchkeeper.apply_config(config, prune, false, now()) end
$$;
create function public.export_config() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.export_config()';

grant execute on function
  watchkeeper.apply_config(jsonb, boolean, boolean, timestamptz), watchkeeper.plan_config(jsonb, boolean, timestamptz),
  public.apply_config(jsonb, boolean, boolean), watchkeeper.export_config(), public.export_config()
to authenticated, service_role;
