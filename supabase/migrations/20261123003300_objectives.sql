-- Objectives: what share of its time a group of targets shall be up, how much of the error budget is left, and alerts
-- while it burns too fast (several windows at once: a long one says that it matters, a short one that it goes on).

create table watchkeeper.objectives (
  id uuid primary key default gen_random_uuid(),
  name text not null unique check (length(name) between 1 and 100),
  -- the group: all that is watched and fits; {} is everything
  match jsonb not null default '{}' check (jsonb_typeof(match) = 'object'),
  percent numeric not null default 99.9 check (percent between 50 and 99.9999),
  window_days integer not null default 30 check (window_days between 1 and 366),
  -- Time of which we know nothing: kept apart, or as bad as time in which the target was down.
  counts_unknown text not null default 'apart' check (counts_unknown in ('apart', 'down')),
  burn_alerts boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
alter table watchkeeper.objectives enable row level security;
create trigger audit after insert or update or delete on watchkeeper.objectives
for each row execute function watchkeeper.audit('updated_at');

-- Groups --------------------------------------------------------------------------------------------------------

-- A matcher without the parts that only alerts have.
create function watchkeeper.group_schema() returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_set(s.schema, '{properties}', (s.schema -> 'properties') - array['min_severity', 'kinds', 'alert_types'])
  from (select watchkeeper.matcher_schema() as schema) as s
$$;

create function watchkeeper.fits(match jsonb, service watchkeeper.services) returns boolean
language sql immutable set search_path = '' as $$
  select
    (not match ? 'targets' or match -> 'targets' ? service.name)
    and (not match ? 'networks' or coalesce(match -> 'networks' ? service.network, false))
    and (not match ? 'chains' or coalesce(match -> 'chains' ? service.chain, false))
    and (not match ? 'labels' or coalesce(service.labels @> (match -> 'labels'), false))
$$;

-- What a target has that is in no objective. It raises no alert: its own alerts do.
create function watchkeeper.default_objective() returns watchkeeper.objectives
language sql stable set search_path = '' as $$
  select (null::uuid, null::text, '{}'::jsonb, 99.9, 30, 'apart', false, null::timestamptz, null::timestamptz)::watchkeeper.objectives
$$;

-- Arithmetic ----------------------------------------------------------------------------------------------------

-- The time that was bad, and all the time that counts.
create function watchkeeper.bad_s(down_s numeric, unknown_s numeric, counts_unknown text) returns numeric
language sql immutable set search_path = '' as $$
  select down_s + case counts_unknown when 'down' then unknown_s else 0 end
$$;

create function watchkeeper.counted_s(up_s numeric, down_s numeric, unknown_s numeric, counts_unknown text) returns numeric
language sql immutable set search_path = '' as $$
  select up_s + watchkeeper.bad_s(down_s, unknown_s, counts_unknown)
$$;

-- The budget is the bad time that the objective allows in the time that counted. All of it is null where nothing was
-- measured: that is neither met nor missed.
create function watchkeeper.budget_document(
  percent numeric, counts_unknown text, up_s numeric, down_s numeric, unknown_s numeric
) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'availability_percent', watchkeeper.percent(t.counted - t.spent, t.spent),
    'budget_s', b.budget, 'spent_s', case when t.counted > 0 then t.spent end, 'left_s', b.budget - t.spent,
    'left_percent', trunc(100 * (b.budget - t.spent) / b.budget, 2),
    'met', t.spent <= b.budget)
  from (
    select watchkeeper.counted_s(up_s, down_s, unknown_s, counts_unknown) as counted, watchkeeper.bad_s(down_s, unknown_s, counts_unknown) as spent
  ) as t
  cross join lateral (select case when t.counted > 0 then trim_scale(t.counted * (100 - percent) / 100) end as budget) as b
$$;

-- How many times faster than the objective allows the budget is spent; null where nothing was measured.
create function watchkeeper.burn_rate(
  percent numeric, counts_unknown text, up_s numeric, down_s numeric, unknown_s numeric
) returns numeric
language sql immutable set search_path = '' as $$
  select round(watchkeeper.bad_s(down_s, unknown_s, counts_unknown)
    / nullif(watchkeeper.counted_s(up_s, down_s, unknown_s, counts_unknown), 0) / ((100 - percent) / 100), 3)
$$;

-- In seconds, because a day of a session's time zone may have 23 hours.
create function watchkeeper.burn_windows() returns table (name text, lasts_s integer)
language sql immutable set search_path = '' as $$
  values ('5m', 300), ('30m', 1800), ('1h', 3600), ('6h', 21600), ('3d', 259200)
$$;

create type watchkeeper.objective_time as (
  objective_id uuid, lasts_s integer, targets bigint, up_s numeric, down_s numeric, unknown_s numeric
);

-- The sums over each objective's group, for each of the windows that end now. An objective without an id is the default
-- one: its group is what no objective names.
create function watchkeeper.objective_times(
  objectives watchkeeper.objectives[], windows_s integer[], at timestamptz
) returns setof watchkeeper.objective_time
language sql stable set search_path = '' as $$
  with grouped as materialized (
    select o.id as objective_id, s.target_id
    from unnest(objectives) as o
    join watchkeeper.services as s on watchkeeper.fits(o.match, s)
      and (o.id is not null or not exists (select from watchkeeper.objectives as other where watchkeeper.fits(other.match, s)))
  ),
  windows as (select distinct u.lasts_s, at - make_interval(secs => u.lasts_s) as from_at from unnest(windows_s) as u (lasts_s)),
  -- All windows in one pass: they are cut where any of them begins, and each is the sum of its pieces.
  measured as materialized (
    select p.* from watchkeeper.availability_parts(
      array(select distinct g.target_id from grouped as g), array(select w.from_at from windows as w order by 1) || at, at) as p
    where p.watched_s > 0
  )
  select g.objective_id, w.lasts_s, count(distinct m.target_id), sum(m.up_s), sum(m.down_s), sum(m.unknown_s)
  from grouped as g
  join measured as m on m.target_id = g.target_id
  join windows as w on m.from_at >= w.from_at
  group by g.objective_id, w.lasts_s
$$;

-- Burn alerts ---------------------------------------------------------------------------------------------------

-- The severity that the burn rates call for: 'none' if they call for none, null if too little was measured to tell.
-- At these rates a 30-day budget is gone in 2 days, in 5 days, or just at its end.
create function watchkeeper.burn_severity(burn jsonb) returns text
language sql immutable set search_path = '' as $$
  select case
    when fast then 'critical' when brisk then 'error' when slow then 'warning'
    when not fast and not brisk and not slow then 'none'
  end
  from (
    select
      (burn ->> '1h')::numeric >= 14.4 and (burn ->> '5m')::numeric >= 14.4 as fast,
      (burn ->> '6h')::numeric >= 6 and (burn ->> '30m')::numeric >= 6 as brisk,
      (burn ->> '3d')::numeric >= 1 and (burn ->> '6h')::numeric >= 1 as slow
  ) as r
$$;

-- {objective id: {5m: rate, ...}}; the default objective, which has none, is under its empty name.
create function watchkeeper.burn_rates(objectives watchkeeper.objectives[], at timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(coalesce(b.id::text, ''), b.burn), '{}')
  from (
    select o.id, jsonb_object_agg(w.name, watchkeeper.burn_rate(o.percent, o.counts_unknown, t.up_s, t.down_s, t.unknown_s)) as burn
    from unnest(objectives) as o
    cross join watchkeeper.burn_windows() as w
    left join watchkeeper.objective_times(objectives, array(select b.lasts_s from watchkeeper.burn_windows() as b), at) as t
      on t.objective_id is not distinct from o.id and t.lasts_s = w.lasts_s
    group by o.id
  ) as b
$$;

create function watchkeeper.burn_message(objective watchkeeper.objectives, burn jsonb, severity text) returns text
language sql immutable set search_path = '' as $$
  select format('%s: the error budget of %s %% over %s days burns %s times too fast in the last %s and %s in the last %s',
    objective.name, objective.percent, objective.window_days, coalesce(burn ->> w.long, 'unknown'), w.long, coalesce(burn ->> w.short, 'unknown'), w.short)
  from (values ('critical', '1h', '5m'), ('error', '6h', '30m'), ('warning', '3d', '6h')) as w (severity, long, short)
  where w.severity = burn_message.severity
$$;

-- What routes and silences can match: all labels of the group, and its network and chain where it names one.
create function watchkeeper.burn_metadata(objective watchkeeper.objectives) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('kind', 'objective', 'labels', coalesce(objective.match -> 'labels', '{}'),
    'network', case when jsonb_array_length(objective.match -> 'networks') = 1 then objective.match #> '{networks,0}' end,
    'chain', case when jsonb_array_length(objective.match -> 'chains') = 1 then objective.match #> '{chains,0}' end)
$$;

create function watchkeeper.tend_objectives(at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  objectives watchkeeper.objectives[] := array(select o from watchkeeper.objectives as o where o.burn_alerts order by o.id);
  rates jsonb := watchkeeper.burn_rates(objectives, at);
  objective watchkeeper.objectives;
  severity text;
begin
  foreach objective in array objectives loop
    severity := watchkeeper.burn_severity(rates -> objective.id::text);
    if severity = 'none' then
      perform watchkeeper.close_alert('objective:' || objective.id, 'the error budget does not burn too fast any more', at);
    elsif severity is not null then
      perform watchkeeper.raise_alert('objective:' || objective.id, null, objective.name, 'error_budget_burn', severity,
        watchkeeper.burn_message(objective, rates -> objective.id::text, severity), watchkeeper.burn_metadata(objective), 1, at, at);
    end if;
  end loop;
end
$$;

-- RPCs ----------------------------------------------------------------------------------------------------------

create function watchkeeper.objective_document(objective watchkeeper.objectives) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('name', objective.name, 'match', objective.match, 'percent', objective.percent, 'window_days', objective.window_days,
    'counts_unknown', objective.counts_unknown, 'burn_alerts', objective.burn_alerts)
$$;

create function watchkeeper.need_group(argument text, match jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  perform watchkeeper.need_shape(argument, match, watchkeeper.group_schema());
  return match;
end
$$;

create function watchkeeper.store_objective(argument text, given jsonb, at timestamptz) returns watchkeeper.objectives
language plpgsql security definer set search_path = '' as $$
declare
  objective watchkeeper.objectives;
begin
  perform watchkeeper.need_shape(argument, given, '{"type": "object", "additionalProperties": false, "required": ["name"], "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^\\S(.*\\S)?$"}, "match": {"type": "object"},
    "percent": {"type": "number", "minimum": 50, "maximum": 99.9999}, "window_days": {"type": "integer", "minimum": 1, "maximum": 366},
    "counts_unknown": {"enum": ["apart", "down"]}, "burn_alerts": {"type": "boolean"}}}');
  if scale((given ->> 'percent')::numeric) > 10 then
    perform watchkeeper.refuse(argument || '.percent', 'must have at most 10 decimals');
  end if;
  insert into watchkeeper.objectives as o (name, match, percent, window_days, counts_unknown, burn_alerts, created_at, updated_at)
  values (given ->> 'name', watchkeeper.need_group(argument || '.match', coalesce(given -> 'match', '{}')), coalesce(trim_scale((given ->> 'percent')::numeric), 99.9),
    coalesce((given ->> 'window_days')::numeric::integer, 30), coalesce(given ->> 'counts_unknown', 'apart'), coalesce((given ->> 'burn_alerts')::boolean, true), at, at)
  on conflict on constraint objectives_name_key do update set match = excluded.match, percent = excluded.percent, window_days = excluded.window_days,
    counts_unknown = excluded.counts_unknown, burn_alerts = excluded.burn_alerts, updated_at = at
  returning o.* into objective;
  if not objective.burn_alerts then
    perform watchkeeper.close_alert('objective:' || objective.id, 'the objective alerts no more', at);
  end if;
  return objective;
end
$$;

create function watchkeeper.drop_objective(name text, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  dropped uuid;
begin
  delete from watchkeeper.objectives as o where o.name = drop_objective.name returning o.id into dropped;
  if dropped is null then
    perform watchkeeper.not_found('name', 'objective', name);
  end if;
  perform watchkeeper.close_alert('objective:' || dropped, 'the objective was deleted', at);
end
$$;

create function watchkeeper.save_objective(objective jsonb, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  return watchkeeper.store_seen('objective', objective, at);
end
$$;

create function watchkeeper.delete_objective(name text, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  perform watchkeeper.need_text('name', name, 100);
  perform watchkeeper.drop_objective(name, at);
end
$$;

-- Each objective as it stands, by name; last, without a name, what is in none, if anything is.
create function watchkeeper.list_objectives(at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  objectives watchkeeper.objectives[];
  rates jsonb;
begin
  perform watchkeeper.require_role('viewer');
  objectives := array(select o from watchkeeper.objectives as o) || watchkeeper.default_objective();
  rates := watchkeeper.burn_rates(objectives, at);
  return (
    select coalesce(jsonb_agg(watchkeeper.objective_document(o) || b.budget || jsonb_build_object('id', o.id, 'targets', coalesce(t.targets, 0),
      'burn', r.burn, 'status', case
        when b.budget ->> 'met' is null then 'unknown'
        when b.budget ->> 'met' = 'false' or r.severity = 'critical' then 'critical'
        when r.severity in ('error', 'warning') then 'warning'
        else 'ok' end) order by o.name nulls last), '[]')
    from unnest(objectives) as o
    left join watchkeeper.objective_times(objectives, array(select u.window_days * 86400 from unnest(objectives) as u), at) as t
      on t.objective_id is not distinct from o.id and t.lasts_s = o.window_days * 86400
    cross join lateral (select watchkeeper.budget_document(o.percent, o.counts_unknown, coalesce(t.up_s, 0), coalesce(t.down_s, 0), coalesce(t.unknown_s, 0)) as budget) as b
    cross join lateral (select rates -> coalesce(o.id::text, '') as burn, watchkeeper.burn_severity(rates -> coalesce(o.id::text, '')) as severity) as r
    where o.id is not null or t.targets > 0
  );
end
$$;

create function public.save_objective(objective jsonb) returns jsonb
language sql set search_path = '' as 'select watchkeeper.save_objective(objective, now())';
create function public.delete_objective(name text) returns void
language sql set search_path = '' as 'select watchkeeper.delete_objective(name, now())';
create function public.list_objectives() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.list_objectives(now())';

grant execute on function
  watchkeeper.save_objective(jsonb, timestamptz), public.save_objective(jsonb),
  watchkeeper.delete_objective(text, timestamptz), public.delete_objective(text),
  watchkeeper.list_objectives(timestamptz), public.list_objectives()
to authenticated, service_role;
