-- Recorded late: a result that could not be recorded when it was made, and is when the database is back. Its run, its
-- samples and its look at a service have their own time. Alerts move by the newest evidence only, and only while it
-- still speaks. Availability becomes what it would have been, as far as no month is closed.

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
