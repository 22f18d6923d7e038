-- Recorded late: a result that could not be recorded when it was made, and is when the database is back. Its run, its
-- samples and its look at a service have their own time. Alerts move by the newest evidence only, and only while it
-- still speaks. Availability becomes what it would have been, as far as no month is closed.

-- Late news about a target counts since its check speaks for it: before, another one did.
alter table watchkeeper.services add column speaker text, add column speaks_since timestamptz;
update watchkeeper.services as s set speaker = watchkeeper.availability_kind(s.target_id), speaks_since = now() where s.watched_until is null;

-- For how long a result speaks is settled when it is made, not by what its check became since.
alter table watchkeeper.runs add column speaks_s integer check (speaks_s > 0);

create index runs_not_in_time on watchkeeper.runs (due_at) where missed or late;

create or replace function watchkeeper.save_checks(target_id uuid, checks jsonb, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_column
declare
  speaks text;
begin
  delete from watchkeeper.checks as c where c.target_id = save_checks.target_id and not checks ? c.kind;
  insert into watchkeeper.checks as c (target_id, kind, enabled, interval_s, timeout_s, params, next_due_at, watched_since)
  select save_checks.target_id, e.kind, (e.given ->> 'enabled')::boolean, (e.given ->> 'interval_s')::numeric::integer,
    (e.given ->> 'timeout_s')::numeric::integer, e.given -> 'params', at, at
  from jsonb_each(checks) as e (kind, given)
  on conflict (target_id, kind) do update set
    enabled = excluded.enabled, interval_s = excluded.interval_s, timeout_s = excluded.timeout_s, params = excluded.params,
    next_due_at = case
      when c.interval_s <> excluded.interval_s or c.enabled <> excluded.enabled then at
      else c.next_due_at end,
    watched_since = case when c.enabled <> excluded.enabled then at else c.watched_since end;
  delete from watchkeeper.rule_states as r using watchkeeper.checks as c
  where c.id = r.check_id and c.target_id = save_checks.target_id and not c.enabled;
  speaks := watchkeeper.availability_kind(save_checks.target_id);
  update watchkeeper.services as s set speaker = speaks, speaks_since = at
  where s.target_id = save_checks.target_id and s.speaker is distinct from speaks;
  if speaks is null then
    perform watchkeeper.end_availability(save_checks.target_id, at);
  end if;
end
$$;

-- Availability -------------------------------------------------------------------------------------------------------

-- The end of the newest closed month: what lies before is never written again.
create function watchkeeper.open_since() returns timestamptz
language sql stable security definer set search_path = '' as $$
  select coalesce((select watchkeeper.utc_midnight((h.month + interval '1 month')::date) from watchkeeper.sla_close_head as h), '-infinity')
$$;

create function watchkeeper.span_end(span watchkeeper.availability_spans) returns timestamptz
language sql immutable set search_path = '' as $$
  select coalesce(span.until_at, span.last_seen_at + make_interval(secs => span.holds_s))
$$;

-- Makes [from_at, to_at) of the record that state; what was there gives way.
create function watchkeeper.paint_availability(target_id uuid, state text, from_at timestamptz, to_at timestamptz, holds_s integer) returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  span watchkeeper.availability_spans;
  before watchkeeper.availability_spans;
  after watchkeeper.availability_spans;
begin
  if from_at >= to_at or exists (
    select from watchkeeper.availability_spans as a
    where a.target_id = target_id and a.state = state and a.from_at <= from_at and watchkeeper.span_end(a) >= to_at
  ) then
    return;
  end if;
  for span in
    select a.* from watchkeeper.availability_spans as a
    where a.target_id = target_id and a.from_at < to_at and watchkeeper.span_end(a) > from_at
  loop
    if watchkeeper.span_end(span) > to_at then
      if span.from_at < from_at then
        insert into watchkeeper.availability_spans (target_id, state, from_at, last_seen_at, holds_s, until_at)
        values (target_id, span.state, span.from_at, least(span.last_seen_at, from_at), span.holds_s, from_at);
      end if;
      update watchkeeper.availability_spans as a set from_at = to_at, last_seen_at = greatest(a.last_seen_at, to_at) where a.id = span.id;
    elsif span.from_at < from_at then
      update watchkeeper.availability_spans as a set until_at = from_at, last_seen_at = least(a.last_seen_at, from_at) where a.id = span.id;
    else
      delete from watchkeeper.availability_spans as a where a.id = span.id;
    end if;
  end loop;

  -- One span with its neighbours of the same state, so that "since" is when it began.
  select a.* into before from watchkeeper.availability_spans as a
  where a.target_id = target_id and a.state = state and a.until_at = from_at and a.from_at < a.until_at;
  select a.* into after from watchkeeper.availability_spans as a
  where a.target_id = target_id and a.state = state and a.from_at = to_at order by a.id desc limit 1;
  if after.id is not null then
    delete from watchkeeper.availability_spans as a where a.id = before.id;
    update watchkeeper.availability_spans as a set from_at = coalesce(before.from_at, from_at) where a.id = after.id;
  elsif before.id is not null then
    update watchkeeper.availability_spans as a set until_at = to_at where a.id = before.id;
  else
    insert into watchkeeper.availability_spans (target_id, state, from_at, last_seen_at, holds_s, until_at)
    values (target_id, state, from_at, from_at, holds_s, to_at);
  end if;
end
$$;

create function watchkeeper.availability_state(outcome text) returns text
language sql immutable set search_path = '' as $$
  select case outcome when 'ok' then 'up' when 'fail' then 'down' else 'unknown' end
$$;

-- An observation that is not simply the newest word on its target. Slots around it that are missed give way to what it
-- and the one before it say. Not taken: what was seen before the check spoke for the target, or before it was paused, as
-- nobody knows any more from when to when it was. The target's row is locked by the caller, and the run is recorded.
-- Returns the time of which the record may have changed; null: of none.
create function watchkeeper.note_late_availability(check_row watchkeeper.checks, outcome text, observed_at timestamptz) returns tstzrange
language plpgsql security definer set search_path = '' as $$
declare
  speaks interval := watchkeeper.stale_after(check_row.interval_s, check_row.timeout_s);
  held_s integer := extract(epoch from speaks);
  seen text := watchkeeper.availability_state(outcome);
  spoke_since timestamptz;
  open_since timestamptz := watchkeeper.open_since();
  earlier watchkeeper.runs;
  -- until when the record went on as if this observation had not been
  went_on timestamptz;
  resumed_at timestamptz;
  newest watchkeeper.availability_spans;
  next_at timestamptz;
begin
  select greatest(check_row.watched_since, s.speaks_since) into spoke_since
  from watchkeeper.services as s where s.target_id = check_row.target_id and s.speaker = check_row.kind;
  if spoke_since is null or observed_at < spoke_since or observed_at + speaks <= open_since then
    return null;
  end if;
  -- By the moment they were made. A function runs for minutes, so an hour finds the slots they may be of.
  select r.* into earlier from watchkeeper.runs as r
  where r.check_id = check_row.id and r.due_at between observed_at - speaks - interval '1 hour' and observed_at + interval '2 minutes'
    and r.outcome is not null and not r.missed
    and r.finished_at < observed_at and r.finished_at >= greatest(spoke_since, observed_at - speaks)
  order by r.finished_at desc, r.recorded_at desc limit 1;
  select min(r.finished_at) into next_at from watchkeeper.runs as r
  where r.check_id = check_row.id and r.due_at between observed_at - interval '1 hour' and observed_at + speaks + interval '2 minutes'
    and r.outcome is not null and not r.missed and r.finished_at > observed_at;

  -- With nothing after it but missed slots, it is the newest word, and those are as if they had not been.
  if next_at is null then
    delete from watchkeeper.availability_spans as a
    where a.target_id = check_row.target_id and a.state = 'unknown' and a.from_at >= greatest(observed_at, open_since);
    update watchkeeper.availability_spans as a
    set until_at = greatest(observed_at, open_since), last_seen_at = least(a.last_seen_at, greatest(observed_at, open_since))
    where a.target_id = check_row.target_id and a.state = 'unknown' and watchkeeper.span_end(a) > greatest(observed_at, open_since);
  end if;

  -- The one before it may speak for longer, as its check looked less often then: that ends here.
  select watchkeeper.span_end(a) into went_on from watchkeeper.availability_spans as a
  where a.target_id = check_row.target_id and a.from_at < observed_at and watchkeeper.span_end(a) > observed_at + speaks;
  if next_at is null and went_on > open_since then
    select min(n.finished_at) into resumed_at from (
      select r.finished_at from watchkeeper.runs as r
      where r.check_id = check_row.id and r.due_at > observed_at - interval '1 hour'
        and r.outcome is not null and not r.missed and r.finished_at > observed_at
      order by r.due_at limit 100
    ) as n;
    if resumed_at is null then
      update watchkeeper.availability_spans as a
      set until_at = greatest(observed_at, open_since), last_seen_at = least(a.last_seen_at, greatest(observed_at, open_since))
      where a.target_id = check_row.target_id and a.from_at < observed_at and watchkeeper.span_end(a) = went_on;
    else
      perform watchkeeper.paint_availability(check_row.target_id, 'unknown',
        greatest(observed_at + speaks, open_since), least(went_on, resumed_at), held_s);
    end if;
  end if;
  perform watchkeeper.paint_availability(check_row.target_id, watchkeeper.availability_state(earlier.outcome),
    greatest(earlier.finished_at, open_since),
    least(earlier.finished_at + coalesce(make_interval(secs => earlier.speaks_s), speaks), observed_at), held_s)
  where earlier.check_id is not null;
  perform watchkeeper.paint_availability(check_row.target_id, seen, greatest(observed_at, open_since), least(observed_at + speaks, next_at), held_s);
  -- The next observation carries it on.
  select a.* into newest from watchkeeper.availability_spans as a where a.target_id = check_row.target_id order by a.from_at desc, a.id desc limit 1;
  if next_at is null and newest.state = seen and newest.until_at = observed_at + speaks then
    perform watchkeeper.end_availability(check_row.target_id, observed_at);
    update watchkeeper.availability_spans as a set until_at = null, last_seen_at = greatest(a.from_at, observed_at), holds_s = held_s where a.id = newest.id;
  end if;
  return tstzrange(greatest(open_since, coalesce(earlier.finished_at, observed_at)), greatest(observed_at + speaks, went_on));
end
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

create or replace function watchkeeper.roll_up_day(day date, at timestamptz) returns void
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

create or replace function watchkeeper.availability_rules() returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(
    'observation', 'One check speaks for a target: uptime, else blockchain, else its first. Each result speaks from its moment until the next one, '
      'but no longer than two intervals, its timeout and 30 seconds. A result that is recorded late counts at its own moment until the month is closed.',
    'unknown', 'Time of which no result speaks, or in which the check could not tell, is unknown: neither up nor down, and reported apart.',
    'maintenance', 'Time in a maintenance window counts as maintenance, whatever was seen in it.',
    'paused', 'While a target is paused, or has no enabled check, its time is unknown.',
    'percent', 'Up divided by up and down. It is rounded to four decimals and is 100 only if there was no downtime; without a measurement there is none.')
$$;

-- Recording ----------------------------------------------------------------------------------------------------------

-- Of what time the record of availability may have changed.
alter type watchkeeper.recording add attribute rewrote tstzrange;

-- verdict: recorded | late | repeated | dropped. The target's row is locked by the caller.
create or replace function watchkeeper.record_one(result jsonb, at timestamptz) returns watchkeeper.recording
language plpgsql security definer set search_path = '' as $$
declare
  check_row watchkeeper.checks;
  target watchkeeper.targets;
  run watchkeeper.runs;
  slot timestamptz := (result ->> 'due_at')::timestamptz;
  observed_at timestamptz := least((result ->> 'finished_at')::timestamptz, at);
  newest boolean;
  rewrote tstzrange;
  transitions jsonb := '[]';
begin
  select c.* into check_row from watchkeeper.checks as c where c.id = (result ->> 'check_id')::uuid;
  select r.* into run from watchkeeper.runs as r where r.check_id = check_row.id and r.due_at = slot;
  if run.check_id is null then
    return ('dropped', '[]'::jsonb, null)::watchkeeper.recording;
  elsif run.outcome is not null and not run.missed then
    return ('repeated', '[]'::jsonb, null)::watchkeeper.recording;
  end if;
  select t.* into target from watchkeeper.targets as t where t.id = check_row.target_id;
  -- A missed slot did not move last_due_at, so its own result, though late, may still be the newest evidence; but what
  -- was seen so long ago that it says nothing of now opens and closes no alert.
  newest := slot > watchkeeper.last_due_at(check_row.id) and check_row.enabled and not target.paused
    and observed_at > at - watchkeeper.stale_after(check_row.interval_s, check_row.timeout_s);

  update watchkeeper.runs as r
  set outcome = result ->> 'outcome', reason = left(result ->> 'reason', 2000), missed = false, late = run.missed or not newest,
    started_at = least((result ->> 'started_at')::timestamptz, observed_at), finished_at = observed_at, recorded_at = at,
    speaks_s = extract(epoch from watchkeeper.stale_after(check_row.interval_s, check_row.timeout_s))
  where r.check_id = run.check_id and r.due_at = run.due_at;
  perform watchkeeper.record_samples(check_row, result, observed_at, newest);
  if not target.paused and (run.missed or not newest or observed_at < at - interval '30 minutes' or observed_at < (
    select coalesce(a.until_at, a.last_seen_at) from watchkeeper.availability_spans as a
    where a.target_id = target.id order by a.from_at desc, a.id desc limit 1
  )) then
    rewrote := watchkeeper.note_late_availability(check_row, result ->> 'outcome', observed_at);
  end if;
  if newest then
    transitions := watchkeeper.apply_outcome(target, check_row, result, observed_at, at);
    update watchkeeper.check_states as s set last_due_at = slot, last_run_at = observed_at where s.check_id = check_row.id;
  end if;
  return (case when newest then 'recorded' else 'late' end, transitions, rewrote)::watchkeeper.recording;
end
$$;

-- May one of the results concern a day that is rolled up? A day is, an hour after its end.
create function watchkeeper.tells_of_the_past(results jsonb, at timestamptz) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select from jsonb_array_elements(results) as r join watchkeeper.checks as c on c.id = (r ->> 'check_id')::uuid
    where (r ->> 'finished_at')::timestamptz - watchkeeper.stale_after(c.interval_s, c.timeout_s) < tells_of_the_past.at - interval '30 minutes'
  )
$$;

create or replace function watchkeeper.record_check_results(results jsonb, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  began timestamptz := clock_timestamp();
  recording watchkeeper.recording;
  transitions jsonb := '[]';
  counts jsonb := '{"recorded": 0, "late": 0, "repeated": 0, "dropped": 0}';
  result jsonb;
  kept jsonb[] := '{}';
  rewritten jsonb := '[]';
begin
  perform watchkeeper.need_list('results', results, 1000, 8000000);
  perform watchkeeper.need_result(format('results[%s]', e.n - 1), e.result, at)
  from jsonb_array_elements(results) with ordinality as e (result, n) order by e.n;

  -- Nobody closes a month or rolls up a day while it is rewritten.
  if watchkeeper.tells_of_the_past(results, at) then
    perform pg_advisory_xact_lock_shared(hashtext('watchkeeper.close_months'));
    perform from watchkeeper.roll_ups for share;
  end if;
  perform watchkeeper.lock_targets(array(select (r ->> 'check_id')::uuid from jsonb_array_elements(results) as r));
  for result in select r from jsonb_array_elements(results) as r order by (r ->> 'due_at')::timestamptz loop
    recording := watchkeeper.record_one(result, at);
    transitions := transitions || recording.transitions;
    counts := jsonb_set(counts, array[recording.verdict], to_jsonb((counts ->> recording.verdict)::integer + 1));
    if recording.verdict in ('recorded', 'late') then
      kept := array_append(kept, result);
    end if;
    if recording.rewrote is not null then
      rewritten := rewritten || jsonb_build_object('check_id', result -> 'check_id', 'from', lower(recording.rewrote), 'to', upper(recording.rewrote));
    end if;
  end loop;
  perform watchkeeper.roll_up_again(d.target_id, d.day, at)
  from (
    select distinct c.target_id, day::date as day
    from jsonb_to_recordset(rewritten) as w (check_id uuid, "from" timestamptz, "to" timestamptz)
    join watchkeeper.checks as c on c.id = w.check_id
    cross join lateral generate_series(date_trunc('day', w."from" at time zone 'UTC'), w."to" at time zone 'UTC', interval '1 day') as day
    where day::date < watchkeeper.rolled_up_to() and watchkeeper.utc_midnight(day::date) >= watchkeeper.open_since()
  ) as d;
  perform watchkeeper.benchmark_recording(kept, began, at);
  return counts || jsonb_build_object('transitions', transitions);
end
$$;

-- What is seen of it ---------------------------------------------------------------------------------------------------

-- The monitor itself: a tick is due every minute, so two and a half minutes without one is blindness.
create or replace function watchkeeper.monitoring(at timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'status', case when p.last_tick_at is not null and p.blind_since is null and p.overdue = 0 then 'ok' else 'unknown' end,
    'last_tick_at', p.last_tick_at, 'last_run_at', p.last_run_at, 'last_delivery_at', p.last_delivery_at,
    'blind_since', p.blind_since, 'checks', p.checks, 'checks_overdue', p.overdue, 'missed_24h', p.missed, 'late_24h', p.late)
  from (
    select m.last_tick_at, m.last_delivery_at, c.*, r.*,
      case
        when m.last_tick_at is null or m.last_tick_at < at - interval '150 seconds' then coalesce(m.last_tick_at, c.watched_since)
        when c.checks > 0 and c.overdue = c.checks then c.last_seen_at
      end as blind_since
    from watchkeeper.monitor as m
    cross join (
      select count(*) as checks, max(newest.last_run_at) as last_run_at, min(k.watched_since) as watched_since,
        max(greatest(newest.last_run_at, k.watched_since)) as last_seen_at,
        count(*) filter (where
          greatest(newest.last_due_at, k.watched_since) < at - watchkeeper.stale_after(k.interval_s, k.timeout_s)) as overdue
      from watchkeeper.checks as k
      join watchkeeper.targets as t on t.id = k.target_id
      left join watchkeeper.check_states as newest on newest.check_id = k.id
      where k.enabled and not t.paused
    ) as c
    cross join (
      select count(*) filter (where x.missed) as missed, count(*) filter (where x.late) as late
      from watchkeeper.runs as x where (x.missed or x.late) and x.due_at > at - interval '24 hours' and x.due_at <= at
    ) as r
  ) as p
$$;
