-- Jobs that report to us: late is an alert, back is its end.

create table watchkeeper.heartbeats (
  id uuid primary key default gen_random_uuid(),
  name text not null unique check (length(name) between 1 and 100),
  -- sha256 of the token; the token itself is shown once, when it is made
  token_hash bytea not null unique,
  period_s integer check (period_s between 30 and 31622400),
  cron text check (length(cron) <= 200),
  time_zone text not null default 'UTC',
  grace_s integer not null default 300 check (grace_s between 0 and 2592000),
  severity text not null default 'critical' check (severity in ('warning', 'error', 'critical')),
  labels jsonb not null default '{}' check (jsonb_typeof(labels) = 'object'),
  paused boolean not null default false,
  created_at timestamptz not null default now(),
  last_event text check (last_event in ('success', 'start', 'fail')),
  last_event_at timestamptz,
  started_at timestamptz,
  last_duration_s numeric,
  last_body text check (length(last_body) <= 10000),
  -- when a success is due at the latest, grace not counted; null before the first one
  due_at timestamptz,
  check ((period_s is null) <> (cron is null))
);
alter table watchkeeper.heartbeats enable row level security;
create index heartbeats_due on watchkeeper.heartbeats (due_at) where not paused;

-- cron, five fields: minute hour day-of-month month day-of-week, with lists, ranges, steps and names --------------

create function watchkeeper.cron_field(field text, lowest integer, highest integer, names text[]) returns integer[]
language plpgsql immutable set search_path = '' as $$
declare
  item text;
  part text[];
  first integer;
  last integer;
  step integer;
  found integer[] := '{}';
  n integer;
begin
  field := upper(field);
  for n in 1 .. coalesce(cardinality(names), 0) loop
    field := regexp_replace(field, '\m' || names[n] || '\M', (n - 1 + lowest)::text, 'g');
  end loop;
  foreach item in array string_to_array(field, ',') loop
    part := regexp_match(item, '^(?:(\*)|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?$');
    if part is null then
      return null;
    end if;
    step := coalesce(part[4]::integer, 1);
    first := case when part[1] = '*' then lowest else part[2]::integer end;
    last := case when part[1] = '*' then highest else coalesce(part[3]::integer, case when part[4] is null then part[2]::integer else highest end) end;
    if step < 1 or first < lowest or last > highest or last < first then
      return null;
    end if;
    found := found || array(select generate_series(first, last, step));
  end loop;
  return array(select distinct f from unnest(found) as f order by f);
end
$$;

create function watchkeeper.cron_fields(cron text) returns jsonb
language sql immutable set search_path = '' as $$
  select case when cardinality(f) = 5 then jsonb_build_object(
    'minutes', watchkeeper.cron_field(f[1], 0, 59, null),
    'hours', watchkeeper.cron_field(f[2], 0, 23, null),
    'days', watchkeeper.cron_field(f[3], 1, 31, null),
    'months', watchkeeper.cron_field(f[4], 1, 12, array['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']),
    -- 7 is Sunday too, also as the end of a range; not as a step
    'weekdays', watchkeeper.cron_field(regexp_replace(regexp_replace(f[5], '-7(?![0-9/])', '-6,0', 'g'), '(?<![/0-9])7(?![0-9])', '0', 'g'), 0, 6, array['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']),
    'either', f[3] !~ '^\*' and f[5] !~ '^\*') end
  from (select regexp_split_to_array(btrim(cron), '\s+') as f) as s
$$;

create function watchkeeper.cron_names(fields jsonb, day date) returns boolean
language sql immutable set search_path = '' as $$
  select fields -> 'months' @> to_jsonb(extract(month from day)::integer)
    and case when (fields ->> 'either')::boolean then on_day or on_weekday else on_day and on_weekday end
  from (select fields -> 'days' @> to_jsonb(extract(day from day)::integer) as on_day,
    fields -> 'weekdays' @> to_jsonb(extract(dow from day)::integer) as on_weekday) as d
$$;

-- The first moment after `after` that the expression names, in local time; null if there is none within five years.
create function watchkeeper.cron_next(cron text, time_zone text, after timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
  select moment
  from (select watchkeeper.cron_fields(cron) as fields, after at time zone time_zone as local) as s
  cross join lateral (
    select d::date as day from generate_series(s.local::date, s.local::date + 1830, interval '1 day') as d
    where watchkeeper.cron_names(s.fields, d::date) order by d limit 3
  ) as days
  cross join lateral jsonb_array_elements_text(s.fields -> 'hours') as h
  cross join lateral jsonb_array_elements_text(s.fields -> 'minutes') as m
  cross join lateral (select (days.day + make_time(h::integer, m::integer, 0)) at time zone time_zone as moment) as t
  where moment > after
  order by moment limit 1
$$;

create function watchkeeper.next_beat(heartbeat watchkeeper.heartbeats, at timestamptz) returns timestamptz
language sql stable set search_path = '' as $$
  select case when heartbeat.cron is null then at + make_interval(secs => heartbeat.period_s)
    else watchkeeper.cron_next(heartbeat.cron, heartbeat.time_zone, at) end
$$;

create function watchkeeper.heartbeat_alert(heartbeat watchkeeper.heartbeats, message text, at timestamptz) returns void
language sql security definer set search_path = '' as $$
  select watchkeeper.raise_alert('heartbeat:' || heartbeat.id, null, heartbeat.name, 'heartbeat_missing', heartbeat.severity, message,
    jsonb_build_object('kind', 'heartbeat', 'labels', heartbeat.labels), 1, at, at)
$$;

create function watchkeeper.mark_late_heartbeats(at timestamptz) returns void
language sql security definer set search_path = '' as $$
  select watchkeeper.heartbeat_alert(h, format('%s: no success since %s; it was due at %s', h.name,
    coalesce(to_char(h.last_event_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), 'it was made'),
    to_char(h.due_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')), at)
  from (
    -- Whoever holds it is reporting now.
    select late.* from watchkeeper.heartbeats as late
    where not late.paused and late.due_at + make_interval(secs => late.grace_s) < at for no key update skip locked
  ) as h
  where not exists (select from public.system_alerts as a where a.fingerprint = 'heartbeat:' || h.id and a.status = 'firing')
$$;

create function watchkeeper.record_heartbeat(token text, event text, body text, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  heartbeat watchkeeper.heartbeats;
begin
  perform watchkeeper.use_token('watchkeeper_ingest');
  perform watchkeeper.need_text('token', token, 200);
  perform watchkeeper.need_one_of('event', event, array['success', 'start', 'fail']);
  select h.* into heartbeat from watchkeeper.heartbeats as h
  where h.token_hash = sha256(convert_to(record_heartbeat.token, 'UTF8')) for no key update;
  if heartbeat.id is null then
    raise sqlstate 'PT404' using message = 'token: no heartbeat has this token';
  end if;
  update watchkeeper.heartbeats as h
  set last_event = record_heartbeat.event, last_event_at = at, last_body = left(body, 10000),
    started_at = case event when 'start' then at end,
    last_duration_s = case when event <> 'start' and h.started_at is not null then extract(epoch from at - h.started_at) else h.last_duration_s end,
    due_at = case event when 'start' then h.due_at else watchkeeper.next_beat(h, at) end
  where h.id = heartbeat.id
  returning h.* into heartbeat;
  if heartbeat.paused then
    null;
  elsif event = 'success' then
    perform watchkeeper.close_alert('heartbeat:' || heartbeat.id, 'it is back', at);
  elsif event = 'fail' then
    perform watchkeeper.heartbeat_alert(heartbeat, format('%s reported failure: %s', heartbeat.name,
      coalesce(nullif(left(btrim(body), 500), ''), 'no details given')), at);
  end if;
  return jsonb_build_object('heartbeat', heartbeat.name, 'due_at', heartbeat.due_at);
end
$$;

create function public.record_heartbeat(token text, event text default 'success', body text default null) returns jsonb
language sql set search_path = '' as 'select watchkeeper.record_heartbeat(token, event, body, now())';

-- The token is the right to call it.
grant usage on schema watchkeeper to anon;
grant execute on function
  watchkeeper.record_heartbeat(text, text, text, timestamptz), public.record_heartbeat(text, text, text)
to anon, authenticated, service_role, watchkeeper_ingest;
