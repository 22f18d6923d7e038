-- Samples: the history, the latest value of each metric, and series for charts.

-- History outlives what it is about, so target_id is not a foreign key: deleting a target rewrites no history.
create table public.system_health_metrics (
  id uuid primary key default gen_random_uuid(),
  metric_name text not null check (length(metric_name) between 1 and 100),
  metric_value numeric not null check (metric_value not in ('NaN', 'Infinity', '-Infinity') and abs(metric_value) < 1e40),
  metric_unit text check (length(metric_unit) between 1 and 40),
  severity text not null default 'info' check (severity in ('info', 'warning', 'critical')),
  metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
  recorded_at timestamptz not null default now() check (recorded_at between '2020-01-01' and now() + interval '5 minutes'),
  target_id uuid
);
alter table public.system_health_metrics enable row level security;
grant select on public.system_health_metrics to authenticated, service_role;
create policy "members read metrics" on public.system_health_metrics
  for select to authenticated using ((select watchkeeper.has_role('viewer')));
create index system_health_metrics_series
  on public.system_health_metrics (target_id, metric_name, recorded_at desc);
create index system_health_metrics_by_name on public.system_health_metrics (metric_name, recorded_at desc);

create index system_health_metrics_oldest on public.system_health_metrics (recorded_at);

-- Kept current in the recording transaction, so that nobody scans history to know what is now.
-- `known` turns false when the source's newest result did not give the value; the value and its age stay.
create table watchkeeper.latest_values (
  id bigint generated always as identity primary key,
  check_id uuid references watchkeeper.checks (id) on delete cascade,
  metric_name text not null,
  value numeric not null,
  unit text,
  severity text not null,
  observed_at timestamptz not null,
  known boolean not null,
  unique nulls not distinct (check_id, metric_name)
);
alter table watchkeeper.latest_values enable row level security;

create function watchkeeper.keep_latest_value(
  check_id uuid, metric_name text, value numeric, unit text, severity text, observed_at timestamptz
) returns void
language sql security definer set search_path = '' as $$
  insert into watchkeeper.latest_values as l (check_id, metric_name, value, unit, severity, observed_at, known)
  values (check_id, metric_name, value, unit, severity, observed_at, true)
  on conflict (check_id, metric_name) do update set value = excluded.value, unit = excluded.unit,
    severity = excluded.severity, observed_at = excluded.observed_at, known = true
$$;

-- At most `points` equal buckets; one without a sample has null values: a gap is a gap, not a line drawn across it.
create function watchkeeper.get_metric_series(
  target_id uuid, metric_name text, from_time timestamptz, to_time timestamptz, points integer
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  width interval;
begin
  perform watchkeeper.require_role('viewer');
  perform watchkeeper.need_text('metric_name', metric_name, 100);
  perform watchkeeper.need_between('points', points, 1, 2000);
  if from_time is null or from_time not between '2020-01-01' and '2200-01-01' then
    perform watchkeeper.refuse('from_time', 'must be a time from 2020-01-01 to 2200-01-01');
  elsif to_time is null or to_time <= from_time or to_time > from_time + interval '10 years' then
    perform watchkeeper.refuse('to_time', 'must be after from_time and at most 10 years later');
  elsif to_time - from_time < points * interval '1 millisecond' then
    perform watchkeeper.refuse('points', 'must leave each point a millisecond at least');
  end if;
  width := (to_time - from_time) / points;
  return (
    with bucketed as (
      select
        least(points - 1, floor(extract(epoch from m.recorded_at - from_time) / extract(epoch from width)))::integer as n,
        avg(m.metric_value) as avg, min(m.metric_value) as min, max(m.metric_value) as max, count(*) as samples
      from public.system_health_metrics as m
      -- Not `is not distinct from`: no index can answer that.
      where (m.target_id = get_metric_series.target_id or (get_metric_series.target_id is null and m.target_id is null))
        and m.metric_name = get_metric_series.metric_name
        and m.recorded_at >= from_time and m.recorded_at < to_time
      group by 1
    )
    select jsonb_agg(jsonb_build_object('at', from_time + width * n, 'avg', b.avg, 'min', b.min, 'max', b.max,
      'n', coalesce(b.samples, 0)) order by n)
    from generate_series(0, points - 1) as n left join bucketed as b using (n)
  );
end
$$;

create function public.get_metric_series(
  target_id uuid, metric_name text, from_time timestamptz, to_time timestamptz, points integer default 200
) returns jsonb
language sql stable set search_path = ''
as 'select watchkeeper.get_metric_series(target_id, metric_name, from_time, to_time, points)';

grant execute on function
  watchkeeper.get_metric_series(uuid, text, timestamptz, timestamptz, integer),
  public.get_metric_series(uuid, text, timestamptz, timestamptz, integer)
to authenticated, service_role;
