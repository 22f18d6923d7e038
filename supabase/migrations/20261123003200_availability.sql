-- Availability: when each target was up, down or unknown, and in maintenance, exact to the microsecond, kept for ever.
--
-- The rule: an observation speaks from its moment until the next one, but no longer than stale_after(interval, timeout);
-- after that the time is unknown. A paused target, or one without an enabled check, is unknown. One check speaks for the
-- target: uptime, else blockchain, else its first. What arrives more than half an hour after its moment does not simply
-- move the newest word: note_late_availability writes it where it belongs, as far as its month is open.

-- One row per target ever watched; it outlives its target.
create table watchkeeper.services (
  target_id uuid primary key,
  name text not null,
  chain text,
  network text,
  labels jsonb not null,
  watched_from timestamptz not null,
  -- null while the target is there
  watched_until timestamptz,
  -- Late news about a target counts since its check speaks for it: before, another one did.
  speaker text,
  speaks_since timestamptz,
  check (watched_until >= watched_from)
);
alter table watchkeeper.services enable row level security;

-- They never overlap. The current one, which the next observation moves, has no end.
create table watchkeeper.availability_spans (
  id bigint generated always as identity primary key,
  target_id uuid not null references watchkeeper.services (target_id),
  state text not null check (state in ('up', 'down', 'unknown')),
  from_at timestamptz not null,
  last_seen_at timestamptz not null,
  -- how long its last observation speaks
  holds_s integer not null check (holds_s > 0),
  until_at timestamptz,
  check (last_seen_at >= from_at),
  check (until_at >= from_at)
) with (fillfactor = 90);
alter table watchkeeper.availability_spans enable row level security;
create unique index availability_spans_current on watchkeeper.availability_spans (target_id) where until_at is null;
create index availability_spans_of_target on watchkeeper.availability_spans (target_id, from_at);

-- Maintenance that has passed. A silence that is edited or deleted later changes nothing in here.
create table watchkeeper.maintenance_spans (
  id bigint generated always as identity primary key,
  target_id uuid not null references watchkeeper.services (target_id),
  -- Not a foreign key: it outlives its silence.
  silence_id uuid not null,
  from_at timestamptz not null,
  to_at timestamptz not null,
  check (to_at > from_at)
);
alter table watchkeeper.maintenance_spans enable row level security;
create index maintenance_spans_of_target on watchkeeper.maintenance_spans (target_id, to_at);

-- Up to when maintenance is noted. Not a column of `monitor`: who records and who sweeps lock that row in other orders.
create table watchkeeper.maintenance_clock (
  only_row boolean primary key default true check (only_row),
  noted_at timestamptz
);
alter table watchkeeper.maintenance_clock enable row level security;
insert into watchkeeper.maintenance_clock default values;

-- Services ------------------------------------------------------------------------------------------------------

-- Nobody looks any more: what was seen last says nothing about later.
create function watchkeeper.end_availability(target_id uuid, at timestamptz) returns void
language sql security definer set search_path = '' as $$
  update watchkeeper.availability_spans as a
  set until_at = greatest(a.from_at, least(end_availability.at, a.last_seen_at + make_interval(secs => a.holds_s)))
  where a.target_id = end_availability.target_id and a.until_at is null
$$;

-- On update, because a target is inserted with its name alone and then filled in, at the moment the caller means.
create function watchkeeper.keep_service() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  insert into watchkeeper.services as s (target_id, name, chain, network, labels, watched_from)
  values (new.id, new.name, new.chain, new.network, new.labels, new.updated_at)
  on conflict (target_id) do update set name = excluded.name, chain = excluded.chain, network = excluded.network, labels = excluded.labels;
  if new.paused then
    perform watchkeeper.end_availability(new.id, new.updated_at);
  end if;
  return null;
end
$$;
create trigger keep_service after update on watchkeeper.targets for each row execute function watchkeeper.keep_service();

-- Observations --------------------------------------------------------------------------------------------------

-- The check that speaks for the target; null if it has no enabled one.
create function watchkeeper.availability_kind(target_id uuid) returns text
language sql stable security definer set search_path = '' as $$
  select c.kind from watchkeeper.checks as c
  where c.target_id = availability_kind.target_id and c.enabled
  order by c.kind = 'uptime' desc, c.kind = 'blockchain' desc, c.kind
  limit 1
$$;

-- The target's row is locked by the caller.
create function watchkeeper.note_availability(
  check_row watchkeeper.checks, outcome text, observed_at timestamptz, at timestamptz
) returns void
language plpgsql set search_path = '' as $$
declare
  newest watchkeeper.availability_spans;
  seen text := case outcome when 'ok' then 'up' when 'fail' then 'down' else 'unknown' end;
  speaks_s integer := extract(epoch from watchkeeper.stale_after(check_row.interval_s, check_row.timeout_s));
begin
  if observed_at < greatest(check_row.watched_since, at - interval '30 minutes')
    or (check_row.kind <> 'uptime' and check_row.kind is distinct from watchkeeper.availability_kind(check_row.target_id)) then
    return;
  end if;
  -- What it nearly always is: the same as before.
  update watchkeeper.availability_spans as a set last_seen_at = observed_at, holds_s = speaks_s
  where a.target_id = check_row.target_id and a.until_at is null and a.state = seen
    and observed_at >= a.last_seen_at and observed_at <= a.last_seen_at + make_interval(secs => a.holds_s);
  if found then
    return;
  end if;

  select a.* into newest from watchkeeper.availability_spans as a
  where a.target_id = check_row.target_id order by a.from_at desc, a.id desc limit 1;
  if observed_at < coalesce(newest.until_at, newest.last_seen_at) then
    return;
  end if;
  perform watchkeeper.end_availability(check_row.target_id, observed_at);
  insert into watchkeeper.availability_spans (target_id, state, from_at, last_seen_at, holds_s)
  values (check_row.target_id, seen, observed_at, observed_at, speaks_s);
end
$$;

-- Maintenance ---------------------------------------------------------------------------------------------------

-- The windows that reach into [from_at, to_at), whole. One that the clocks' change leaves no time for is none.
create function watchkeeper.silence_windows(silence watchkeeper.silences, from_at timestamptz, to_at timestamptz) returns setof tstzrange
language sql stable set search_path = '' as $$
  select tstzrange(w.starts_at, w.ends_at)
  from (select silence.starts_at::date as first, silence.ends_at - silence.starts_at as lasts, watchkeeper.rrule_parts(silence.rrule) as parts) as s
  cross join lateral (
    select n::date as day
    from generate_series(
      greatest(s.first, ((from_at at time zone silence.time_zone) - s.lasts)::date - 1)::timestamp,
      case when silence.rrule is null then s.first else (to_at at time zone silence.time_zone)::date + 1 end::timestamp, interval '1 day') as n
  ) as d
  cross join lateral (select d.day + silence.starts_at::time as began) as local
  cross join lateral (select local.began at time zone silence.time_zone as starts_at,
    (local.began + s.lasts) at time zone silence.time_zone as ends_at) as w
  where w.starts_at < w.ends_at and w.starts_at < to_at and w.ends_at > from_at
    and case
      when silence.rrule is null then d.day = s.first
      else watchkeeper.rrule_names(s.parts, s.first, d.day)
        and (not s.parts ? 'UNTIL' or local.began <= watchkeeper.rrule_until(s.parts ->> 'UNTIL', silence.time_zone))
        and (not s.parts ? 'COUNT' or (s.parts ->> 'COUNT')::integer >= (
          select count(*) from generate_series(s.first::timestamp, d.day::timestamp, interval '1 day') as e
          where watchkeeper.rrule_names(s.parts, s.first, e::date)))
    end
$$;

-- Does the window mean the target as a whole? Asked of the worst alert that the check which speaks for it could open; a
-- window for some types of alert only is none.
create function watchkeeper.in_maintenance(silence watchkeeper.silences, service watchkeeper.services) returns boolean
language sql stable set search_path = '' as $$
  select coalesce(silence.kind = 'maintenance' and watchkeeper.matches(silence.match, a), false)
  from jsonb_populate_record(null::public.system_alerts, jsonb_build_object('source', service.name, 'severity', 'critical',
    'metadata', jsonb_build_object('chain', service.chain, 'network', service.network, 'labels', service.labels,
      'kind', watchkeeper.availability_kind(service.target_id)))) as a
$$;

-- What the silences, as they are now, put into maintenance within [from_at, to_at).
create function watchkeeper.maintenance_within(only_silence uuid, from_at timestamptz, to_at timestamptz)
returns table (target_id uuid, silence_id uuid, span tstzrange)
language sql stable set search_path = '' as $$
  select s.target_id, w.silence_id, w.span * tstzrange(s.watched_from, s.watched_until)
  from (
    select m as silence, m.id as silence_id, windows * tstzrange(from_at, to_at) as span
    from watchkeeper.silences as m cross join lateral watchkeeper.silence_windows(m, from_at, to_at) as windows
    where m.kind = 'maintenance' and (only_silence is null or m.id = only_silence)
  ) as w
  join watchkeeper.services as s on w.span && tstzrange(s.watched_from, s.watched_until)
  where watchkeeper.in_maintenance(w.silence, s)
$$;

-- From then on maintenance is not noted yet: the last time it was, else the first time there was something to watch.
create function watchkeeper.maintenance_noted_at() returns timestamptz
language sql stable set search_path = '' as $$
  select coalesce((select c.noted_at from watchkeeper.maintenance_clock as c), (select min(s.watched_from) from watchkeeper.services as s))
$$;

-- Writes down the maintenance since the last time. A window that runs on grows by a piece each time.
create function watchkeeper.note_maintenance(at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  noted_at timestamptz;
begin
  perform from watchkeeper.maintenance_clock for update;
  noted_at := watchkeeper.maintenance_noted_at();
  if noted_at >= at then
    return;
  end if;
  with pieces as materialized (
    select m.target_id, m.silence_id, m.span from watchkeeper.maintenance_within(null, noted_at, at) as m
  ),
  grown as (
    update watchkeeper.maintenance_spans as m set to_at = upper(p.span)
    from pieces as p
    where m.target_id = p.target_id and m.silence_id = p.silence_id and m.to_at = lower(p.span)
    returning p.target_id, p.silence_id, p.span
  )
  insert into watchkeeper.maintenance_spans (target_id, silence_id, from_at, to_at)
  select p.target_id, p.silence_id, lower(p.span), upper(p.span) from pieces as p
  where not exists (
    select from grown as g where g.target_id = p.target_id and g.silence_id = p.silence_id and g.span = p.span
  );
  update watchkeeper.maintenance_clock as c set noted_at = at;
end
$$;

-- A silence that goes counts to its last moment. Rows of its own, and no lock on the clock: whoever deletes settings may
-- hold locks that the sweep wants.
create function watchkeeper.note_last_maintenance(silence_id uuid, at timestamptz) returns void
language sql security definer set search_path = '' as $$
  insert into watchkeeper.maintenance_spans (target_id, silence_id, from_at, to_at)
  select m.target_id, m.silence_id, lower(m.span), upper(m.span)
  from watchkeeper.maintenance_within(note_last_maintenance.silence_id, watchkeeper.maintenance_noted_at(),
    greatest(note_last_maintenance.at, watchkeeper.maintenance_noted_at())) as m
$$;

-- Arithmetic ----------------------------------------------------------------------------------------------------

-- 100 means that nothing was lost; null that nothing was measured.
create function watchkeeper.percent(good numeric, bad numeric) returns numeric
language sql immutable set search_path = '' as $$
  select case when good + bad > 0 then least(round(100 * good / (good + bad), 4), case when bad > 0 then 99.9999 else 100 end) end
$$;

-- Each target in each of the periods between neighbouring bounds, as far as the target was watched and time has passed.
-- Maintenance counts first, then down, then up; the rest is unknown.
create function watchkeeper.availability_parts(target_ids uuid[], bounds timestamptz[], at timestamptz)
returns table (target_id uuid, n integer, from_at timestamptz, to_at timestamptz,
  watched_s numeric, up_s numeric, down_s numeric, unknown_s numeric, maintenance_s numeric, downtimes tstzmultirange)
language sql stable security definer set search_path = '' as $$
  with lives as materialized (
    select s.target_id, tstzrange(s.watched_from, s.watched_until)
      * tstzrange(bounds[1], greatest(bounds[1], least(bounds[cardinality(bounds)], availability_parts.at))) as life
    from watchkeeper.services as s where s.target_id = any (target_ids)
  ),
  seen as (
    select l.target_id, range_agg(a.span) filter (where a.state = 'up') as up, range_agg(a.span) filter (where a.state = 'down') as down
    from lives as l
    cross join lateral (
      select x.state, tstzrange(x.from_at, coalesce(x.until_at, x.last_seen_at + make_interval(secs => x.holds_s))) as span
      from watchkeeper.availability_spans as x
      where x.target_id = l.target_id and x.state <> 'unknown' and x.from_at < upper(l.life) and x.from_at >= coalesce((
        -- the last one that began before, and may reach into it
        select max(b.from_at) from watchkeeper.availability_spans as b where b.target_id = l.target_id and b.from_at <= lower(l.life)
      ), '-infinity')
    ) as a
    group by l.target_id
  ),
  worked_on as (
    select l.target_id, range_agg(tstzrange(m.from_at, m.to_at)) as windows
    from lives as l
    join watchkeeper.maintenance_spans as m on m.target_id = l.target_id and m.to_at > lower(l.life) and m.from_at < upper(l.life)
    group by l.target_id
  ),
  judged as (
    select l.target_id, l.life::tstzmultirange as life, coalesce(w.windows, '{}') * l.life::tstzmultirange as maintenance,
      coalesce(s.up, '{}') as up, coalesce(s.down, '{}') as down
    from lives as l left join seen as s using (target_id) left join worked_on as w using (target_id)
  ),
  pieces as (
    select j.target_id, k.state, piece
    from judged as j
    cross join lateral (values ('watched', j.life), ('maintenance', j.maintenance),
      ('down', j.down * (j.life - j.maintenance)), ('up', j.up * (j.life - j.maintenance) - j.down)) as k (state, pieces)
    cross join lateral unnest(k.pieces) as piece
  ),
  cut as (
    select p.target_id, n, p.state, tstzrange(greatest(lower(p.piece), bounds[n]), least(upper(p.piece), bounds[n + 1])) as piece
    from pieces as p
    cross join lateral generate_series(width_bucket(lower(p.piece), bounds),
      least(width_bucket(upper(p.piece), bounds), cardinality(bounds) - 1)) as n
  ),
  sums as (
    select c.target_id, c.n,
      coalesce(sum(c.seconds) filter (where c.state = 'watched'), 0) as watched_s, coalesce(sum(c.seconds) filter (where c.state = 'up'), 0) as up_s,
      coalesce(sum(c.seconds) filter (where c.state = 'down'), 0) as down_s,
      coalesce(sum(c.seconds) filter (where c.state = 'maintenance'), 0) as maintenance_s,
      range_agg(c.piece) filter (where c.state = 'down') as downtimes
    from (select x.*, extract(epoch from upper(x.piece) - lower(x.piece)) as seconds from cut as x where not isempty(x.piece)) as c
    group by c.target_id, c.n
  )
  select l.target_id, n, bounds[n], bounds[n + 1], coalesce(s.watched_s, 0), coalesce(s.up_s, 0), coalesce(s.down_s, 0),
    coalesce(s.watched_s - s.up_s - s.down_s - s.maintenance_s, 0), coalesce(s.maintenance_s, 0), coalesce(s.downtimes, '{}')
  from lives as l cross join generate_series(1, cardinality(bounds) - 1) as n left join sums as s using (target_id, n)
$$;

-- Many targets over one period. A target that was never watched has no row.
create function watchkeeper.availabilities(target_ids uuid[], from_at timestamptz, to_at timestamptz, at timestamptz)
returns table (target_id uuid, watched_s numeric, up_s numeric, down_s numeric, unknown_s numeric, maintenance_s numeric, downtimes tstzmultirange)
language sql stable security definer set search_path = '' as $$
  select p.target_id, p.watched_s, p.up_s, p.down_s, p.unknown_s, p.maintenance_s, p.downtimes
  from watchkeeper.availability_parts(target_ids, array[availabilities.from_at, availabilities.to_at], availabilities.at) as p
$$;

create function watchkeeper.availability(target_id uuid, from_at timestamptz, to_at timestamptz, at timestamptz,
  out watched_s numeric, out up_s numeric, out down_s numeric, out unknown_s numeric, out maintenance_s numeric, out downtimes tstzmultirange)
language sql stable security definer set search_path = '' as $$
  select coalesce(sum(a.watched_s), 0), coalesce(sum(a.up_s), 0), coalesce(sum(a.down_s), 0), coalesce(sum(a.unknown_s), 0),
    coalesce(sum(a.maintenance_s), 0), coalesce(range_agg(a.downtimes), '{}')
  from watchkeeper.availabilities(array[availability.target_id], availability.from_at, availability.to_at, availability.at) as a
$$;
