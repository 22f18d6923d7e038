-- Uptime by day: rolled up once a day is over, so that it outlives the single looks; and the page that shows it.

create table watchkeeper.uptime_days (
  target_id uuid not null references watchkeeper.services (target_id),
  -- of UTC
  day date not null,
  watched_s numeric not null,
  up_s numeric not null,
  down_s numeric not null,
  unknown_s numeric not null,
  maintenance_s numeric not null,
  checks integer not null,
  failures integer not null,
  -- of the looks that found it up; null if there was none
  p50_ms numeric,
  p95_ms numeric,
  p99_ms numeric,
  -- how many fell into each of the steps of 2 %: what percentiles of many days are made from
  latency_buckets jsonb not null default '{}' check (jsonb_typeof(latency_buckets) = 'object'),
  primary key (target_id, day),
  check (up_s + down_s + unknown_s + maintenance_s = watched_s)
);
alter table watchkeeper.uptime_days enable row level security;

-- All days before this one are rolled up.
create table watchkeeper.roll_ups (
  only_row boolean primary key default true check (only_row),
  up_to date
);
alter table watchkeeper.roll_ups enable row level security;
insert into watchkeeper.roll_ups default values;

-- Runs go with their target or their check. Where they were the target's record, what they said is kept until their day is
-- rolled up, or it would have been watched on its last day and never looked at.
create table watchkeeper.last_looks (
  target_id uuid not null references watchkeeper.services (target_id),
  at timestamptz not null,
  failed boolean not null,
  up_ms numeric,
  -- of the check: two may have looked at one moment of the grid
  kind text not null default '',
  primary key (target_id, at, kind)
);
alter table watchkeeper.last_looks enable row level security;
create index last_looks_by_time on watchkeeper.last_looks (at);

create function watchkeeper.utc_midnight(day date) returns timestamptz
language sql immutable set search_path = '' as $$
  select day::timestamp at time zone 'UTC'
$$;

-- The first day that is not rolled up; infinity while there is nothing to watch.
create function watchkeeper.rolled_up_to() returns date
language sql stable security definer set search_path = '' as $$
  select coalesce((select r.up_to from watchkeeper.roll_ups as r),
    (select (min(s.watched_from) at time zone 'UTC')::date from watchkeeper.services as s), 'infinity')
$$;

-- Looks --------------------------------------------------------------------------------------------------------

-- Of the check that speaks, since it does.
create function watchkeeper.run_looks(target_ids uuid[], from_at timestamptz, to_at timestamptz)
returns table (target_id uuid, at timestamptz, failed boolean, up_ms numeric)
language sql stable set search_path = '' as $$
  select s.target_id, r.due_at, r.outcome = 'fail', case when r.outcome = 'ok' then 1000 * extract(epoch from r.finished_at - r.started_at) end
  from watchkeeper.services as s
  join watchkeeper.checks as c on c.target_id = s.target_id and c.kind = s.speaker
  join watchkeeper.runs as r on r.check_id = c.id
  where s.target_id = any (target_ids) and s.speaker <> 'uptime' and r.finished_at >= s.speaks_since
    and r.due_at >= run_looks.from_at and r.due_at < run_looks.to_at and r.outcome is not null and not r.missed
$$;

-- Each look at the targets in [from_at, to_at). Where no check of uptime keeps a record of its own, the runs of the check
-- that speaks for the target are the record.
create function watchkeeper.looks(target_ids uuid[], from_at timestamptz, to_at timestamptz)
returns table (target_id uuid, at timestamptz, failed boolean, up_ms numeric)
language sql stable set search_path = '' as $$
  select u.target_id, u.checked_at, u.is_up is false, case when u.is_up then u.response_time_ms end
  from public.uptime_checks as u
  where u.target_id = any (target_ids) and u.checked_at >= looks.from_at and u.checked_at < looks.to_at
  union all
  select r.target_id, r.at, r.failed, r.up_ms from watchkeeper.run_looks(target_ids, looks.from_at, looks.to_at) as r
  union all
  select l.target_id, l.at, l.failed, l.up_ms
  from watchkeeper.last_looks as l
  where l.target_id = any (target_ids) and l.at >= looks.from_at and l.at < looks.to_at
$$;

-- The page shows the last 24 hours look by look, and days that are not rolled up.
create function watchkeeper.keep_looks(target_id uuid, at timestamptz) returns void
language sql security definer set search_path = '' as $$
  insert into watchkeeper.last_looks (target_id, at, failed, up_ms, kind)
  select r.target_id, r.at, r.failed, r.up_ms, s.speaker
  from watchkeeper.services as s
  cross join watchkeeper.run_looks(array[s.target_id],
    least(watchkeeper.utc_midnight(watchkeeper.rolled_up_to()), keep_looks.at - interval '24 hours'), keep_looks.at) as r
  where s.target_id = keep_looks.target_id
  on conflict do nothing
$$;

-- Rolling up ----------------------------------------------------------------------------------------------------

create function watchkeeper.latency_bucket(ms numeric) returns integer
language sql immutable strict set search_path = '' as $$
  select floor(ln(greatest(ms, 0.001)::double precision) / ln(1.02::double precision))::integer
$$;

-- The middle of the step.
create function watchkeeper.bucket_ms(bucket integer) returns numeric
language sql immutable set search_path = '' as $$
  select round((1.02::double precision ^ (bucket + 0.5))::numeric, 3)
$$;

create function watchkeeper.roll_up_targets(target_ids uuid[], day date, at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  begins timestamptz := watchkeeper.utc_midnight(day);
  ends timestamptz := watchkeeper.utc_midnight(day + 1);
begin
  with looks as materialized (
    select l.target_id, l.failed, l.up_ms from watchkeeper.looks(target_ids, begins, ends) as l
  ),
  counted as (
    select l.target_id, count(*) as checks, count(*) filter (where l.failed) as failures,
      percentile_disc(array[0.5, 0.95, 0.99]) within group (order by l.up_ms) as ms
    from looks as l group by l.target_id
  ),
  stepped as (
    select b.target_id, jsonb_object_agg(b.bucket, b.n) as buckets
    from (
      select l.target_id, watchkeeper.latency_bucket(l.up_ms) as bucket, count(*) as n
      from looks as l where l.up_ms is not null group by 1, 2
    ) as b
    group by b.target_id
  )
  insert into watchkeeper.uptime_days (target_id, day, watched_s, up_s, down_s, unknown_s, maintenance_s,
    checks, failures, p50_ms, p95_ms, p99_ms, latency_buckets)
  select a.target_id, roll_up_targets.day, a.watched_s, a.up_s, a.down_s, a.unknown_s, a.maintenance_s,
    coalesce(c.checks, 0), coalesce(c.failures, 0), round(c.ms[1], 3), round(c.ms[2], 3), round(c.ms[3], 3), coalesce(s.buckets, '{}')
  from watchkeeper.availabilities(target_ids, begins, ends, at) as a
  left join counted as c using (target_id) left join stepped as s using (target_id)
  on conflict on constraint uptime_days_pkey do nothing;
end
$$;

create function watchkeeper.roll_up_day(day date, at timestamptz) returns void
language sql set search_path = '' as $$
  select watchkeeper.roll_up_targets(array(select s.target_id from watchkeeper.services as s
    where s.watched_from < watchkeeper.utc_midnight(day + 1) and coalesce(s.watched_until, 'infinity') > watchkeeper.utc_midnight(day)), day, at)
$$;

-- A day that was rolled up before, anew. What its single looks say counts as long as none of them is pruned.
create function watchkeeper.roll_up_again(target_id uuid, day date, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  was watchkeeper.uptime_days;
begin
  delete from watchkeeper.uptime_days as d where d.target_id = target_id and d.day = day returning d.* into was;
  perform watchkeeper.roll_up_targets(array[target_id], day, at);
  update watchkeeper.uptime_days as d
  set checks = was.checks, failures = was.failures, p50_ms = was.p50_ms, p95_ms = was.p95_ms, p99_ms = was.p99_ms, latency_buckets = was.latency_buckets
  where d.target_id = target_id and d.day = day and d.checks < was.checks;
end
$$;

-- An hour after its end a day is rolled up; what is recorded later than that rolls it up again.
create function watchkeeper.roll_up_days(at timestamptz, most integer) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  day date;
  ended date := ((at - interval '1 hour') at time zone 'UTC')::date;
  days integer := 0;
begin
  perform watchkeeper.need_between('most', most, 1, 1000);
  perform from watchkeeper.roll_ups for update;
  perform watchkeeper.note_maintenance(at);
  day := watchkeeper.rolled_up_to();
  while day < ended and days < most loop
    perform watchkeeper.roll_up_day(day, at);
    day := day + 1;
    days := days + 1;
  end loop;
  update watchkeeper.roll_ups as r set up_to = day where days > 0;
  return jsonb_build_object('days', days, 'more', day < ended);
end
$$;

-- The page ------------------------------------------------------------------------------------------------------

-- How the seconds are counted, for every report that shows them.
create function watchkeeper.availability_rules() returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'observation', 'One check speaks for a target: uptime, else blockchain, else its first. Each result speaks from its moment until the next one, '
      'but no longer than two intervals, its timeout and 30 seconds. A result that is recorded late counts at its own moment until the month is closed.',
    'unknown', 'Time of which no result speaks, or in which the check could not tell, is unknown: neither up nor down, and reported apart.',
    'maintenance', 'Time in a maintenance window counts as maintenance, whatever was seen in it.',
    'paused', 'While a target is paused, or has no enabled check, its time is unknown.',
    'percent', 'Up divided by up and down. It is rounded to four decimals and is 100 only if there was no downtime; without a measurement there is none.')
$$;

-- The midnights of so many days, the last one that of the end of `last`.
create function watchkeeper.midnights(last date, days integer, time_zone text) returns timestamptz[]
language sql stable set search_path = '' as $$
  select array_agg((last - days + n)::timestamp at time zone midnights.time_zone order by n) from generate_series(1, days + 1) as n
$$;

-- What is known of each target now, and since when.
create function watchkeeper.availability_states(target_ids uuid[], at timestamptz)
returns table (target_id uuid, state text, since timestamptz)
language sql stable security definer set search_path = '' as $$
  select s.target_id,
    case when t.paused then 'paused' when a.speaks_until > availability_states.at then a.state else 'unknown' end,
    case when a.speaks_until > availability_states.at and t.paused is not true then a.from_at else coalesce(a.speaks_until, s.watched_from) end
  from watchkeeper.services as s
  left join watchkeeper.targets as t on t.id = s.target_id
  left join lateral (
    select x.state, x.from_at, coalesce(x.until_at, x.last_seen_at + make_interval(secs => x.holds_s)) as speaks_until
    from watchkeeper.availability_spans as x where x.target_id = s.target_id order by x.from_at desc, x.id desc limit 1
  ) as a on true
  where s.target_id = any (target_ids)
$$;

-- Looks that are not rolled up, or of the last 24 hours, counted by step of latency (null: not up).
create type watchkeeper.look_count as (target_id uuid, day date, recent boolean, bucket integer, looks bigint, failures bigint);

create function watchkeeper.fresh_looks(target_ids uuid[], at timestamptz) returns setof watchkeeper.look_count
language sql stable set search_path = '' as $$
  select l.target_id, (l.at at time zone 'UTC')::date, l.at >= fresh_looks.at - interval '24 hours', watchkeeper.latency_bucket(l.up_ms),
    count(*), count(*) filter (where l.failed)
  from watchkeeper.looks(target_ids, least(watchkeeper.rolled_up_to()::timestamp at time zone 'UTC', fresh_looks.at - interval '24 hours'), fresh_looks.at) as l
  group by 1, 2, 3, 4
$$;

-- Failures and p95 of each UTC day.
create function watchkeeper.look_days(target_ids uuid[], fresh watchkeeper.look_count[], first date)
returns table (target_id uuid, day date, failures bigint, p95_ms numeric)
language sql stable set search_path = '' as $$
  select d.target_id, d.day, d.failures, d.p95_ms
  from watchkeeper.uptime_days as d where d.target_id = any (target_ids) and d.day >= look_days.first
  union all
  select f.target_id, f.day, sum(f.total_failures)::bigint, watchkeeper.bucket_ms(min(f.bucket) filter (where f.up_to_here >= 0.95 * f.ups))
  from (
    select c.target_id, c.day, c.bucket, sum(c.failures) as total_failures,
      sum(sum(c.looks) filter (where c.bucket is not null)) over (partition by c.target_id, c.day order by c.bucket) as up_to_here,
      sum(sum(c.looks) filter (where c.bucket is not null)) over (partition by c.target_id, c.day) as ups
    from unnest(fresh) as c where c.day >= watchkeeper.rolled_up_to() and c.day >= look_days.first
    group by c.target_id, c.day, c.bucket
  ) as f
  group by f.target_id, f.day
$$;

create function watchkeeper.uptime_windows(target_ids uuid[], fresh watchkeeper.look_count[], at timestamptz)
returns table (target_id uuid, windows jsonb)
language sql stable set search_path = '' as $$
  with spans (name, days, n) as (values ('24h', 1, 4), ('7d', 7, 3), ('30d', 30, 2), ('90d', 90, 1)),
  spent as (
    select p.target_id, w.name, sum(p.watched_s) as watched_s, sum(p.up_s) as up_s, sum(p.down_s) as down_s,
      sum(p.unknown_s) as unknown_s, sum(p.maintenance_s) as maintenance_s
    from watchkeeper.availability_parts(target_ids, array(
      select uptime_windows.at - make_interval(hours => 24 * b) from unnest(array[90, 30, 7, 1, 0]) with ordinality as x (b, i) order by x.i), uptime_windows.at) as p
    join spans as w on p.n >= w.n
    group by p.target_id, w.name
  ),
  today as (select (uptime_windows.at at time zone 'UTC')::date as day, watchkeeper.rolled_up_to() as rolled_up_to),
  -- by days ago: of the last 24 hours, and of whole days
  counts as materialized (
    select f.target_id, f.bucket, f.looks, f.failures, 0 as ago, true as recent from unnest(fresh) as f where f.recent
    union all
    select f.target_id, f.bucket, f.looks, f.failures, t.day - f.day, false from unnest(fresh) as f cross join today as t where f.day >= t.rolled_up_to
    union all
    select d.target_id, null, 0, d.failures, t.day - d.day, false
    from watchkeeper.uptime_days as d cross join today as t where d.target_id = any (target_ids) and d.day > t.day - 90
    union all
    select d.target_id, b.key::integer, b.value::bigint, 0, t.day - d.day, false
    from watchkeeper.uptime_days as d cross join today as t cross join lateral jsonb_each_text(d.latency_buckets) as b
    where d.target_id = any (target_ids) and d.day > t.day - 90
  ),
  steps as (
    select c.target_id, c.bucket, w.name, w.looks, w.failures
    from (
      select x.target_id, x.bucket,
        sum(x.looks) filter (where x.recent) as n1, sum(x.failures) filter (where x.recent) as f1,
        sum(x.looks) filter (where not x.recent and x.ago < 7) as n7, sum(x.failures) filter (where not x.recent and x.ago < 7) as f7,
        sum(x.looks) filter (where not x.recent and x.ago < 30) as n30, sum(x.failures) filter (where not x.recent and x.ago < 30) as f30,
        sum(x.looks) filter (where not x.recent and x.ago < 90) as n90, sum(x.failures) filter (where not x.recent and x.ago < 90) as f90
      from counts as x group by x.target_id, x.bucket
    ) as c
    cross join lateral (values ('24h', c.n1, c.f1), ('7d', c.n7, c.f7), ('30d', c.n30, c.f30), ('90d', c.n90, c.f90)) as w (name, looks, failures)
  ),
  ranked as (
    select s.target_id, s.name, s.bucket, s.failures,
      sum(s.looks) filter (where s.bucket is not null) over (partition by s.target_id, s.name order by s.bucket) as up_to_here,
      sum(s.looks) filter (where s.bucket is not null) over (partition by s.target_id, s.name) as ups
    from steps as s
  ),
  looked as (
    select r.target_id, r.name, sum(r.failures) as failures,
      watchkeeper.bucket_ms(min(r.bucket) filter (where r.up_to_here >= 0.50 * r.ups)) as p50_ms,
      watchkeeper.bucket_ms(min(r.bucket) filter (where r.up_to_here >= 0.95 * r.ups)) as p95_ms,
      watchkeeper.bucket_ms(min(r.bucket) filter (where r.up_to_here >= 0.99 * r.ups)) as p99_ms
    from ranked as r group by r.target_id, r.name
  )
  select s.target_id, jsonb_object_agg(s.name, jsonb_build_object(
    'watched_s', trim_scale(s.watched_s), 'up_s', trim_scale(s.up_s), 'down_s', trim_scale(s.down_s),
    'unknown_s', trim_scale(s.unknown_s), 'maintenance_s', trim_scale(s.maintenance_s),
    'uptime_percent', watchkeeper.percent(s.up_s, s.down_s), 'measured_percent', watchkeeper.percent(s.up_s + s.down_s, s.unknown_s),
    'failures', coalesce(l.failures, 0), 'p50_ms', l.p50_ms, 'p95_ms', l.p95_ms, 'p99_ms', l.p99_ms))
  from spent as s left join looked as l using (target_id, name)
  group by s.target_id
$$;

-- A day of the time zone a bar, the last one today.
create function watchkeeper.uptime_bars(target_ids uuid[], fresh watchkeeper.look_count[], days integer, time_zone text, at timestamptz)
returns table (target_id uuid, bars jsonb)
language sql stable set search_path = '' as $$
  select p.target_id, jsonb_agg(jsonb_build_object('day', d.day, 'up_s', trim_scale(p.up_s), 'down_s', trim_scale(p.down_s),
    'unknown_s', trim_scale(p.unknown_s), 'maintenance_s', trim_scale(p.maintenance_s),
    'uptime_percent', watchkeeper.percent(p.up_s, p.down_s), 'failures', coalesce(l.failures, 0), 'p95_ms', l.p95_ms) order by p.n)
  from (select (uptime_bars.at at time zone uptime_bars.time_zone)::date as day) as today
  cross join lateral watchkeeper.availability_parts(target_ids, watchkeeper.midnights(today.day, uptime_bars.days, uptime_bars.time_zone), uptime_bars.at) as p
  cross join lateral (select today.day - uptime_bars.days + p.n as day) as d
  left join watchkeeper.look_days(target_ids, fresh, today.day - uptime_bars.days) as l on l.target_id = p.target_id and l.day = d.day
  group by p.target_id
$$;

create function watchkeeper.get_uptime_summary(target_id uuid, days integer, time_zone text, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  ids uuid[];
  fresh watchkeeper.look_count[];
begin
  perform watchkeeper.require_role('viewer');
  perform watchkeeper.need_between('days', days, 1, 366);
  perform watchkeeper.need_time_zone('time_zone', time_zone);
  ids := array(select s.target_id from watchkeeper.services as s
    where case when get_uptime_summary.target_id is null then s.watched_until is null else s.target_id = get_uptime_summary.target_id end);
  if target_id is not null and cardinality(ids) = 0 then
    raise sqlstate 'PT404' using message = format('target_id: no target %s', target_id);
  end if;
  fresh := array(select f from watchkeeper.fresh_looks(ids, at) as f);
  return jsonb_build_object('generated_at', at, 'time_zone', time_zone,
    'rule', jsonb_build_object('unknown', 'apart',
      'text', (select string_agg(r.value, ' ' order by r.n) from watchkeeper.availability_rules() as rules
        cross join unnest(array['observation', 'unknown', 'maintenance', 'paused', 'percent']) with ordinality as k (key, n)
        cross join lateral (select rules ->> k.key as value, k.n) as r),
      'looks', 'Failures and latency of a day, and of the windows longer than 24 hours, are of whole UTC days.'),
    'targets', (
      with maintained as materialized (
        select distinct m.target_id from watchkeeper.maintenance_within(null, get_uptime_summary.at, get_uptime_summary.at + interval '1 microsecond') as m
      )
      select coalesce(jsonb_agg(jsonb_build_object('target_id', s.target_id, 'name', s.name, 'chain', s.chain, 'network', s.network,
        'watched_from', s.watched_from, 'watched_until', s.watched_until, 'state', n.state, 'since', n.since,
        'in_maintenance', s.target_id in (select m.target_id from maintained as m),
        'windows', w.windows, 'days', b.bars) order by s.name, s.watched_from), '[]')
      from watchkeeper.services as s
      join watchkeeper.availability_states(ids, get_uptime_summary.at) as n using (target_id)
      join watchkeeper.uptime_windows(ids, fresh, get_uptime_summary.at) as w using (target_id)
      join watchkeeper.uptime_bars(ids, fresh, get_uptime_summary.days, get_uptime_summary.time_zone, get_uptime_summary.at) as b using (target_id)
    ));
end
$$;

create function public.roll_up_days() returns jsonb
language sql set search_path = '' as 'select watchkeeper.roll_up_days(now(), 3)';
create function public.get_uptime_summary(target_id uuid default null, days integer default 90, time_zone text default 'UTC') returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_uptime_summary(target_id, days, time_zone, now())';

grant execute on function watchkeeper.roll_up_days(timestamptz, integer), public.roll_up_days() to service_role;
grant execute on function
  watchkeeper.get_uptime_summary(uuid, integer, text, timestamptz), public.get_uptime_summary(uuid, integer, text)
to authenticated, service_role;
