-- Silences and maintenance windows: once, or by a recurrence rule; they end by themselves.

create table watchkeeper.silences (
  id uuid primary key default gen_random_uuid(),
  kind text not null default 'silence' check (kind in ('silence', 'maintenance')),
  comment text not null check (length(comment) between 1 and 1000),
  match jsonb not null default '{}' check (jsonb_typeof(match) = 'object'),
  -- the first window, in local time of time_zone
  -- squawk-ignore prefer-timestamp-tz
  starts_at timestamp not null,
  -- squawk-ignore prefer-timestamp-tz
  ends_at timestamp not null,
  time_zone text not null default 'UTC',
  rrule text check (length(rrule) <= 500),
  created_by uuid,
  created_at timestamptz not null default now(),
  check (ends_at > starts_at and ends_at <= starts_at + interval '366 days')
);
alter table watchkeeper.silences enable row level security;

-- RFC 5545, in as far as maintenance needs it: FREQ=DAILY|WEEKLY|MONTHLY with INTERVAL, BYDAY, BYMONTHDAY, COUNT, UNTIL.
create function watchkeeper.rrule_parts(rrule text) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_object_agg(upper(split_part(p, '=', 1)), upper(split_part(p, '=', 2))), '{}')
  from unnest(string_to_array(trim(trailing ';' from rrule), ';')) as p
$$;

-- The last local moment at which a window may begin: a day counts as a whole, and Z means UTC.
create function watchkeeper.rrule_until(until text, time_zone text) returns timestamp
language sql stable set search_path = '' as $$
  select case
    when length(until) = 8 then until::date + time '23:59:59'
    when right(until, 1) = 'Z' then (left(until, 15)::timestamp at time zone 'UTC') at time zone time_zone
    else until::timestamp
  end
$$;

create function watchkeeper.need_rrule(argument text, rrule text) returns void
language plpgsql immutable set search_path = '' as $$
declare
  part record;
  parts jsonb := watchkeeper.rrule_parts(rrule);
begin
  if parts ->> 'FREQ' is null or parts ->> 'FREQ' not in ('DAILY', 'WEEKLY', 'MONTHLY') then
    perform watchkeeper.refuse(argument, 'needs FREQ=DAILY, WEEKLY or MONTHLY');
  end if;
  for part in select key, value from jsonb_each_text(parts) loop
    if not (case part.key
      when 'FREQ' then true
      when 'INTERVAL' then part.value ~ '^[1-9]\d{0,2}$'
      when 'COUNT' then part.value ~ '^[1-9]\d{0,3}$'
      when 'UNTIL' then part.value ~ '^\d{8}(T([01]\d|2[0-3])[0-5]\d[0-5]\dZ?)?$'
      when 'BYDAY' then part.value ~ case parts ->> 'FREQ' when 'MONTHLY' then '^(-?[1-5])?(MO|TU|WE|TH|FR|SA|SU)(,(-?[1-5])?(MO|TU|WE|TH|FR|SA|SU))*$'
        else '^(MO|TU|WE|TH|FR|SA|SU)(,(MO|TU|WE|TH|FR|SA|SU))*$' end
      when 'BYMONTHDAY' then part.value ~ '^-?([1-9]|[12]\d|3[01])(,-?([1-9]|[12]\d|3[01]))*$' and parts ->> 'FREQ' <> 'WEEKLY'
      else false
    end) then
      perform watchkeeper.refuse(argument, format('%s=%s is not understood; known are FREQ, INTERVAL, BYDAY, BYMONTHDAY, COUNT, UNTIL',
        left(part.key, 20), left(part.value, 40)));
    end if;
  end loop;
  begin
    perform watchkeeper.rrule_until(parts ->> 'UNTIL', 'UTC');
  exception when data_exception then
    perform watchkeeper.refuse(argument, format('UNTIL=%s is no day of the calendar', parts ->> 'UNTIL'));
  end;
  if parts ?& array['COUNT', 'UNTIL'] then
    perform watchkeeper.refuse(argument, 'takes COUNT or UNTIL, not both');
  end if;
end
$$;

-- Does the rule, begun on `first`, name this day? (COUNT and UNTIL are for the caller.)
create function watchkeeper.rrule_names(parts jsonb, first date, day date) returns boolean
language sql immutable set search_path = '' as $$
  select case parts ->> 'FREQ'
    when 'DAILY' then mod(day - first, step) = 0
    when 'WEEKLY' then mod((date_trunc('week', day)::date - date_trunc('week', first)::date) / 7, step) = 0
    else mod((extract(year from day) * 12 + extract(month from day) - extract(year from first) * 12 - extract(month from first))::integer, step) = 0
  end
  and (not parts ? 'BYMONTHDAY' or extract(day from day)::text = any (monthdays) or (extract(day from day) - 1 - month_days)::text = any (monthdays))
  and case
    when parts ? 'BYDAY' then exists (
      select from unnest(string_to_array(parts ->> 'BYDAY', ',')) as d
      where right(d, 2) = weekday and (length(d) = 2
        or left(d, -2)::integer = ceil(extract(day from day) / 7)
        or left(d, -2)::integer = -ceil((month_days - extract(day from day) + 1) / 7))
    )
    when parts ->> 'FREQ' = 'WEEKLY' then extract(isodow from day) = extract(isodow from first)
    when parts ->> 'FREQ' = 'MONTHLY' and not parts ? 'BYMONTHDAY' then extract(day from day) = extract(day from first)
    else true
  end
  from (
    select coalesce((parts ->> 'INTERVAL')::integer, 1) as step,
      (array['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'])[extract(isodow from day)::integer] as weekday,
      extract(day from date_trunc('month', day) + interval '1 month - 1 day') as month_days,
      string_to_array(parts ->> 'BYMONTHDAY', ',') as monthdays
  ) as of_day
$$;

-- The window that covers the moment, null if none does.
create function watchkeeper.silence_window(silence watchkeeper.silences, at timestamptz) returns tstzrange
language sql stable set search_path = '' as $$
  select tstzrange(w.starts_at, w.ends_at, '[)')
  from (select silence.starts_at::date as first, silence.ends_at - silence.starts_at as lasts, watchkeeper.rrule_parts(silence.rrule) as parts) as s
  cross join lateral generate_series(
    greatest(s.first, ((at at time zone silence.time_zone) - s.lasts)::date - 1), (at at time zone silence.time_zone)::date + 1, interval '1 day') as d
  cross join lateral (select d::date + silence.starts_at::time as began) as local
  cross join lateral (select local.began at time zone silence.time_zone as starts_at,
    (local.began + s.lasts) at time zone silence.time_zone as ends_at) as w
  where w.starts_at <= at and at < w.ends_at
    and case
      when silence.rrule is null then d::date = s.first
      else watchkeeper.rrule_names(s.parts, s.first, d::date)
        and (not s.parts ? 'UNTIL' or local.began <= watchkeeper.rrule_until(s.parts ->> 'UNTIL', silence.time_zone))
        and (not s.parts ? 'COUNT' or (s.parts ->> 'COUNT')::integer >= (
          select count(*) from generate_series(s.first, d, interval '1 day') as e where watchkeeper.rrule_names(s.parts, s.first, e::date)))
    end
  order by w.ends_at desc limit 1
$$;

create function watchkeeper.silence_of(alert public.system_alerts, at timestamptz) returns watchkeeper.silences
language sql stable security definer set search_path = '' as $$
  select s from watchkeeper.silences as s
  where watchkeeper.matches(s.match, alert) and watchkeeper.silence_window(s, at) is not null
  order by s.created_at limit 1
$$;
