-- Performance benchmarks: recorded one by one or in batches, compared with the window before, and rules that say when
-- slower is too slow. Our own pipeline records itself, in the transactions it makes anyway.

create table public.performance_benchmarks (
  id uuid primary key default gen_random_uuid(),
  benchmark_name text not null check (length(benchmark_name) between 1 and 100),
  operation_type text not null check (length(operation_type) between 1 and 100),
  duration_ms numeric not null check (duration_ms >= 0 and duration_ms < 1e12),
  throughput numeric check (throughput >= 0 and throughput < 1e15),
  success_rate numeric check (success_rate between 0 and 100),
  metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
  recorded_at timestamptz not null default now() check (recorded_at between '2020-01-01' and now() + interval '5 minutes')
);
alter table public.performance_benchmarks enable row level security;
grant select on public.performance_benchmarks to authenticated, service_role;
create policy "members read benchmarks" on public.performance_benchmarks
  for select to authenticated using ((select watchkeeper.has_role('viewer')));
create index performance_benchmarks_of_operation
  on public.performance_benchmarks (operation_type, benchmark_name, recorded_at desc);

create index performance_benchmarks_newest on public.performance_benchmarks (recorded_at);

-- An operation has become slower when its percentile is that much above the one of the window before.
create table watchkeeper.benchmark_rules (
  id uuid primary key default gen_random_uuid(),
  name text not null unique check (length(name) between 1 and 100),
  benchmark_name text not null check (length(benchmark_name) between 1 and 100),
  operation_type text not null check (length(operation_type) between 1 and 100),
  percentile integer not null default 95 check (percentile in (50, 95, 99)),
  max_increase_percent numeric not null default 50 check (max_increase_percent between 0 and 100000),
  window_s integer not null default 3600 check (window_s between 60 and 604800),
  min_samples integer not null default 20 check (min_samples between 1 and 100000),
  severity text not null default 'warning' check (severity in ('info', 'warning', 'error', 'critical')),
  enabled boolean not null default true,
  judged_at timestamptz
);
alter table watchkeeper.benchmark_rules enable row level security;
create trigger audit after insert or delete
  or update of name, benchmark_name, operation_type, percentile, max_increase_percent, window_s, min_samples, severity, enabled
  on watchkeeper.benchmark_rules for each row execute function watchkeeper.audit('judged_at');

-- Recording -----------------------------------------------------------------------------------------------------

create function watchkeeper.record_benchmark(
  benchmark_name text, operation_type text, duration_ms numeric, throughput numeric, success_rate numeric, metadata jsonb, at timestamptz
) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  benchmark_id uuid;
begin
  perform watchkeeper.require_recorder();
  perform watchkeeper.need_text('benchmark_name', benchmark_name, 100);
  perform watchkeeper.need_text('operation_type', operation_type, 100);
  perform watchkeeper.need_between('duration_ms', watchkeeper.need_finite('duration_ms', duration_ms), 0, 999999999999);
  if throughput is not null then
    perform watchkeeper.need_between('throughput', watchkeeper.need_finite('throughput', throughput), 0, 999999999999999);
  end if;
  if success_rate is not null then
    perform watchkeeper.need_between('success_rate', watchkeeper.need_finite('success_rate', success_rate), 0, 100);
  end if;
  perform watchkeeper.need_json('metadata', metadata, 'object', 10000);
  insert into public.performance_benchmarks as b (benchmark_name, operation_type, duration_ms, throughput, success_rate, metadata, recorded_at)
  values (benchmark_name, operation_type, duration_ms, throughput, success_rate, metadata, at)
  returning b.id into benchmark_id;
  return benchmark_id;
end
$$;

create function watchkeeper.need_benchmark(argument text, given jsonb, at timestamptz) returns void
language plpgsql stable set search_path = '' as $$
begin
  perform watchkeeper.need_fit(argument, given, '{"type": "object", "additionalProperties": false,
    "required": ["benchmark_name", "operation_type", "duration_ms"], "properties": {
      "benchmark_name": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "\\S"},
      "operation_type": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "\\S"},
      "duration_ms": {"type": "number", "minimum": 0, "maximum": 999999999999},
      "throughput": {"type": ["number", "null"], "minimum": 0, "maximum": 999999999999999},
      "success_rate": {"type": ["number", "null"], "minimum": 0, "maximum": 100},
      "metadata": {"type": "object"},
      "recorded_at": {"type": "string", "maxLength": 40,
        "pattern": "^20[2-9]\\d-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,9})?(Z|[+-]\\d\\d:?\\d\\d)$"}}}');
  perform watchkeeper.need_finite(format('%s.%s', argument, n.name), (given ->> n.name)::numeric)
  from unnest(array['duration_ms', 'throughput', 'success_rate']) as n (name) where given ->> n.name is not null;
  if given ? 'metadata' then
    perform watchkeeper.need_json(argument || '.metadata', given -> 'metadata', 'object', 10000);
  end if;
  -- Two minutes: the tool's clock is not ours.
  if watchkeeper.need_time(argument || '.recorded_at', given ->> 'recorded_at', at + interval '2 minutes') < '2020-01-01' then
    perform watchkeeper.refuse(argument || '.recorded_at', 'must not be before 2020-01-01');
  end if;
end
$$;

-- All or none. A tool that collects may say when each was measured.
create function watchkeeper.record_benchmarks(benchmarks jsonb, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_recorder();
  perform watchkeeper.need_list('benchmarks', benchmarks, 1000, 8000000);
  perform watchkeeper.need_benchmark(format('benchmarks[%s]', e.n - 1), e.given, at)
  from jsonb_array_elements(benchmarks) with ordinality as e (given, n) order by e.n;
  insert into public.performance_benchmarks (benchmark_name, operation_type, duration_ms, throughput, success_rate, metadata, recorded_at)
  select b ->> 'benchmark_name', b ->> 'operation_type', (b ->> 'duration_ms')::numeric, (b ->> 'throughput')::numeric,
    (b ->> 'success_rate')::numeric, coalesce(b -> 'metadata', '{}'), least((b ->> 'recorded_at')::timestamptz, at)
  from jsonb_array_elements(benchmarks) as b;
  return jsonb_build_object('recorded', jsonb_array_length(benchmarks));
end
$$;

-- Our own pipeline ----------------------------------------------------------------------------------------------

-- A clock that was set back takes no time.
create function watchkeeper.elapsed_ms(from_time timestamptz, to_time timestamptz) returns numeric
language sql immutable set search_path = '' as $$
  select greatest(0, round(extract(epoch from to_time - from_time) * 1000, 3))
$$;

-- One row for each check, and one for the recording of them all. A check succeeded if it could judge, whatever it found.
create function watchkeeper.benchmark_recording(results jsonb[], began timestamptz, at timestamptz) returns void
language sql set search_path = '' as $$
  insert into public.performance_benchmarks (benchmark_name, operation_type, duration_ms, throughput, success_rate, recorded_at)
  select 'watchkeeper', 'check.' || c.kind,
    watchkeeper.elapsed_ms((r ->> 'started_at')::timestamptz, least((r ->> 'finished_at')::timestamptz, at)),
    null::numeric, case r ->> 'outcome' when 'unknown' then 0 else 100 end, least((r ->> 'finished_at')::timestamptz, at)
  from unnest(results) as r join watchkeeper.checks as c on c.id = (r ->> 'check_id')::uuid
  union all
  select 'watchkeeper', 'record', took.ms, round(cardinality(results) * 1000 / nullif(took.ms, 0), 3), null, at
  from watchkeeper.elapsed_ms(began, clock_timestamp()) as took (ms) where cardinality(results) > 0
$$;

-- Comparing -----------------------------------------------------------------------------------------------------

-- The last `window_s` seconds of each operation, and as many before. Planned for the arguments at hand: a plan for any
-- of them would read the operations that are not asked for, too.
create function watchkeeper.benchmark_windows(window_s integer, benchmark_name text, operation_type text, at timestamptz)
returns table (benchmark text, operation text, this_window jsonb, window_before jsonb)
language plpgsql stable set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
  return query
  with measured as (
    select b.benchmark_name, b.operation_type, b.recorded_at > at - make_interval(secs => window_s) as now, count(*) as n,
      percentile_cont(array[0.5, 0.95, 0.99]) within group (order by b.duration_ms) as p, avg(b.duration_ms) as mean,
      avg(b.throughput) as throughput, avg(b.success_rate) as success_rate
    from public.performance_benchmarks as b
    where b.recorded_at > at - make_interval(secs => 2.0 * window_s) and b.recorded_at <= at
      and (benchmark_windows.benchmark_name is null or b.benchmark_name = benchmark_windows.benchmark_name)
      and (benchmark_windows.operation_type is null or b.operation_type = benchmark_windows.operation_type)
    group by 1, 2, 3
  ),
  documents as (
    select m.benchmark_name, m.operation_type, m.now, jsonb_build_object('n', m.n, 'p50_ms', round(m.p[1]::numeric, 3),
      'p95_ms', round(m.p[2]::numeric, 3), 'p99_ms', round(m.p[3]::numeric, 3), 'mean_ms', round(m.mean, 3),
      'throughput', round(m.throughput, 3), 'success_rate', round(m.success_rate, 3)) as document
    from measured as m
  )
  select d.benchmark_name, d.operation_type,
    coalesce((array_agg(d.document) filter (where d.now))[1],
      '{"n": 0, "p50_ms": null, "p95_ms": null, "p99_ms": null, "mean_ms": null, "throughput": null, "success_rate": null}'),
    (array_agg(d.document) filter (where not d.now))[1]
  from documents as d group by 1, 2;
end
$$;

-- Null where too little was measured to tell.
create function watchkeeper.has_regressed(rule watchkeeper.benchmark_rules, this_window jsonb, window_before jsonb) returns boolean
language sql immutable set search_path = '' as $$
  select case when least((this_window ->> 'n')::bigint, coalesce((window_before ->> 'n')::bigint, 0)) >= rule.min_samples then
    (this_window ->> p.key)::numeric > (window_before ->> p.key)::numeric * (1 + rule.max_increase_percent / 100) end
  from format('p%s_ms', rule.percentile) as p (key)
$$;

create function watchkeeper.change_percent(key text, this_window jsonb, window_before jsonb) returns numeric
language sql immutable set search_path = '' as $$
  select round(100 * (this_window ->> key)::numeric / nullif((window_before ->> key)::numeric, 0) - 100, 1)
$$;

-- `regression` is what the rules of the operation say of these windows: null without one, or with too few samples.
create function watchkeeper.get_benchmarks(window_s integer, benchmark_name text, operation_type text, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  perform watchkeeper.need_between('window_s', window_s, 60, 31622400);
  return (
    select coalesce(jsonb_agg(jsonb_build_object('benchmark_name', w.benchmark, 'operation_type', w.operation,
      'now', w.this_window, 'before', w.window_before,
      'change_percent', jsonb_build_object('p50', watchkeeper.change_percent('p50_ms', w.this_window, w.window_before),
        'p95', watchkeeper.change_percent('p95_ms', w.this_window, w.window_before),
        'p99', watchkeeper.change_percent('p99_ms', w.this_window, w.window_before)),
      'regression', (
        select bool_or(watchkeeper.has_regressed(r, w.this_window, w.window_before)) from watchkeeper.benchmark_rules as r
        where r.enabled and r.benchmark_name = w.benchmark and r.operation_type = w.operation)
    ) order by w.benchmark, w.operation), '[]')
    from watchkeeper.benchmark_windows(window_s, benchmark_name, operation_type, at) as w
  );
end
$$;

-- At most `points` equal buckets; one in which nothing was measured has null values.
create function watchkeeper.get_benchmark_series(
  benchmark_name text, operation_type text, from_time timestamptz, to_time timestamptz, points integer
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  width interval;
begin
  perform watchkeeper.require_role('viewer');
  perform watchkeeper.need_text('benchmark_name', benchmark_name, 100);
  perform watchkeeper.need_text('operation_type', operation_type, 100);
  perform watchkeeper.need_between('points', points, 1, 2000);
  perform watchkeeper.need_period(from_time, to_time);
  if to_time - from_time < points * interval '1 millisecond' then
    perform watchkeeper.refuse('points', 'must leave each point a millisecond at least');
  end if;
  width := (to_time - from_time) / points;
  return (
    with bucketed as (
      select
        least(points - 1, floor(extract(epoch from b.recorded_at - from_time) / extract(epoch from width)))::integer as n,
        percentile_cont(array[0.5, 0.95]) within group (order by b.duration_ms) as p, count(*) as samples
      from public.performance_benchmarks as b
      where b.benchmark_name = get_benchmark_series.benchmark_name and b.operation_type = get_benchmark_series.operation_type
        and b.recorded_at >= from_time and b.recorded_at < to_time
      group by 1
    )
    select jsonb_agg(jsonb_build_object('at', from_time + width * n, 'p50_ms', round(b.p[1]::numeric, 3),
      'p95_ms', round(b.p[2]::numeric, 3), 'n', coalesce(b.samples, 0)) order by n)
    from generate_series(0, points - 1) as n left join bucketed as b using (n)
  );
end
$$;

-- Rules ---------------------------------------------------------------------------------------------------------

create function watchkeeper.benchmark_rule_document(rule watchkeeper.benchmark_rules) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(rule) - 'id' - 'judged_at'
$$;

create function watchkeeper.store_benchmark_rule(argument text, given jsonb, at timestamptz) returns watchkeeper.benchmark_rules
language plpgsql security definer set search_path = '' as $$
declare
  was watchkeeper.benchmark_rules;
  rule watchkeeper.benchmark_rules;
begin
  perform watchkeeper.need_shape(argument, given, '{"type": "object", "additionalProperties": false,
    "required": ["name", "benchmark_name", "operation_type"], "properties": {
    "name": {"$ref": "#/$defs/name"}, "benchmark_name": {"$ref": "#/$defs/name"}, "operation_type": {"$ref": "#/$defs/name"},
    "percentile": {"enum": [50, 95, 99]}, "max_increase_percent": {"type": "number", "minimum": 0, "maximum": 100000},
    "window_s": {"type": "integer", "minimum": 60, "maximum": 604800}, "min_samples": {"type": "integer", "minimum": 1, "maximum": 100000},
    "severity": {"enum": ["info", "warning", "error", "critical"]}, "enabled": {"type": "boolean"}},
    "$defs": {"name": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "\\S"}}}');
  select r.* into was from watchkeeper.benchmark_rules as r where r.name = given ->> 'name' for no key update;
  insert into watchkeeper.benchmark_rules as r
    (name, benchmark_name, operation_type, percentile, max_increase_percent, window_s, min_samples, severity, enabled)
  values (given ->> 'name', given ->> 'benchmark_name', given ->> 'operation_type', coalesce((given ->> 'percentile')::numeric::integer, 95),
    coalesce((given ->> 'max_increase_percent')::numeric, 50), coalesce((given ->> 'window_s')::numeric::integer, 3600),
    coalesce((given ->> 'min_samples')::numeric::integer, 20), coalesce(given ->> 'severity', 'warning'),
    coalesce((given ->> 'enabled')::boolean, true))
  on conflict on constraint benchmark_rules_name_key do update set benchmark_name = excluded.benchmark_name,
    operation_type = excluded.operation_type, percentile = excluded.percentile, max_increase_percent = excluded.max_increase_percent,
    window_s = excluded.window_s, min_samples = excluded.min_samples, severity = excluded.severity, enabled = excluded.enabled,
    judged_at = null
  returning r.* into rule;
  if not rule.enabled then
    perform watchkeeper.close_alert('benchmark:' || rule.id, 'the rule was switched off', at);
  elsif (was.benchmark_name, was.operation_type) is distinct from (rule.benchmark_name, rule.operation_type) then
    perform watchkeeper.close_alert('benchmark:' || rule.id, 'the rule is about another operation now', at);
  end if;
  return rule;
end
$$;

create function watchkeeper.save_benchmark_rule(rule jsonb, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  return watchkeeper.benchmark_rule_document(watchkeeper.store_benchmark_rule('rule', rule, at));
end
$$;

create function watchkeeper.drop_benchmark_rule(name text, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  dropped uuid;
begin
  delete from watchkeeper.benchmark_rules as r where r.name = drop_benchmark_rule.name returning r.id into dropped;
  if dropped is null then
    perform watchkeeper.not_found('name', 'benchmark rule', name);
  end if;
  perform watchkeeper.close_alert('benchmark:' || dropped, 'the rule was deleted', at);
end
$$;

create function watchkeeper.delete_benchmark_rule(name text, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  perform watchkeeper.need_text('name', name, 100);
  perform watchkeeper.drop_benchmark_rule(name, at);
end
$$;

create function watchkeeper.list_benchmark_rules(at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return (
    select coalesce(jsonb_agg(watchkeeper.benchmark_rule_document(r) || jsonb_build_object('id', r.id, 'now', w.this_window, 'before', w.window_before,
      'regression', case when r.enabled then watchkeeper.has_regressed(r, w.this_window, w.window_before) end) order by r.name), '[]')
    from watchkeeper.benchmark_rules as r
    left join lateral watchkeeper.benchmark_windows(r.window_s, r.benchmark_name, r.operation_type, at) as w on true
  );
end
$$;

create function watchkeeper.regression_message(rule watchkeeper.benchmark_rules, this_window jsonb, window_before jsonb) returns text
language sql immutable set search_path = '' as $$
  select format('%s %s is slower: p%s %s ms in the last %s s, %s ms in the %s s before (%s; at most %s %% more is allowed)',
    rule.benchmark_name, rule.operation_type, rule.percentile, trim_scale((this_window ->> p.key)::numeric), rule.window_s,
    trim_scale((window_before ->> p.key)::numeric), rule.window_s,
    coalesce('+' || trim_scale(watchkeeper.change_percent(p.key, this_window, window_before)) || ' %', 'from nothing'),
    trim_scale(rule.max_increase_percent))
  from format('p%s_ms', rule.percentile) as p (key)
$$;

-- A long window is judged less often, because reading it takes longer and it moves more slowly.
create function watchkeeper.tend_benchmarks(at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  rule watchkeeper.benchmark_rules;
  windows record;
begin
  for rule in
    select r.* from watchkeeper.benchmark_rules as r
    where r.enabled and (r.judged_at is null or r.judged_at <= at - make_interval(secs => r.window_s / 60))
    order by r.id for no key update skip locked
  loop
    update watchkeeper.benchmark_rules as r set judged_at = at where r.id = rule.id;
    select w.* into windows from watchkeeper.benchmark_windows(rule.window_s, rule.benchmark_name, rule.operation_type, at) as w;
    case watchkeeper.has_regressed(rule, windows.this_window, windows.window_before)
      when true then
        perform watchkeeper.raise_alert('benchmark:' || rule.id, null, rule.name, 'performance_regression', rule.severity,
          watchkeeper.regression_message(rule, windows.this_window, windows.window_before),
          jsonb_build_object('kind', 'benchmark', 'benchmark_name', rule.benchmark_name, 'operation_type', rule.operation_type), 1, at, at);
      when false then
        perform watchkeeper.close_alert('benchmark:' || rule.id, 'as fast as the window before', at);
      else
        -- Too few samples are no evidence.
    end case;
  end loop;
end
$$;

-- The API -------------------------------------------------------------------------------------------------------

create function public.record_benchmark(
  benchmark_name text, operation_type text, duration_ms numeric, throughput numeric default null, success_rate numeric default null,
  metadata jsonb default '{}'
) returns uuid
language sql set search_path = ''
as 'select watchkeeper.record_benchmark(benchmark_name, operation_type, duration_ms, throughput, success_rate, metadata, now())';
create function public.record_benchmarks(benchmarks jsonb) returns jsonb
language sql set search_path = '' as 'select watchkeeper.record_benchmarks(benchmarks, now())';
create function public.get_benchmarks(window_s integer default 3600, benchmark_name text default null, operation_type text default null) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_benchmarks(window_s, benchmark_name, operation_type, now())';
create function public.get_benchmark_series(
  benchmark_name text, operation_type text, from_time timestamptz, to_time timestamptz, points integer default 200
) returns jsonb
language sql stable set search_path = ''
as 'select watchkeeper.get_benchmark_series(benchmark_name, operation_type, from_time, to_time, points)';
create function public.list_benchmark_rules() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.list_benchmark_rules(now())';
create function public.save_benchmark_rule(rule jsonb) returns jsonb
language sql set search_path = '' as 'select watchkeeper.save_benchmark_rule(rule, now())';
create function public.delete_benchmark_rule(name text) returns void
language sql set search_path = '' as 'select watchkeeper.delete_benchmark_rule(name, now())';

grant execute on function
  watchkeeper.record_benchmark(text, text, numeric, numeric, numeric, jsonb, timestamptz),
  public.record_benchmark(text, text, numeric, numeric, numeric, jsonb),
  watchkeeper.record_benchmarks(jsonb, timestamptz), public.record_benchmarks(jsonb)
to authenticated, service_role, watchkeeper_ingest;
grant execute on function
  watchkeeper.get_benchmarks(integer, text, text, timestamptz), public.get_benchmarks(integer, text, text),
  watchkeeper.get_benchmark_series(text, text, timestamptz, timestamptz, integer),
  public.get_benchmark_series(text, text, timestamptz, timestamptz, integer),
  watchkeeper.list_benchmark_rules(timestamptz), public.list_benchmark_rules(),
  watchkeeper.save_benchmark_rule(jsonb, timestamptz), public.save_benchmark_rule(jsonb),
  watchkeeper.delete_benchmark_rule(text, timestamptz), public.delete_benchmark_rule(text)
to authenticated, service_role;
