-- One walk, one name: the tick that claimed a check gives its id to the run, the alert and the deliveries that come of it,
-- and to every log line on the way. What comes in by another way has none.

create function watchkeeper.correlation_id() returns text
language sql stable set search_path = '' as $$
  select nullif(pg_catalog.current_setting('watchkeeper.correlation_id', true), '')
$$;

alter table watchkeeper.runs add column correlation_id text check (length(correlation_id) <= 100);
alter table public.system_alerts add column correlation_id text check (length(correlation_id) <= 100);
alter table public.system_alerts alter column correlation_id set default watchkeeper.correlation_id();
alter table watchkeeper.deliveries add column correlation_id text check (length(correlation_id) <= 100);

create function watchkeeper.keep_correlation() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.correlation_id := watchkeeper.correlation_id();
  return new;
end
$$;
create trigger keep_correlation before update of outcome on watchkeeper.runs for each row execute function watchkeeper.keep_correlation();

-- What a person or the clock makes of an alert later (a reminder, an acknowledgement) belongs to the walk that opened it.
create function watchkeeper.keep_delivery_correlation() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.correlation_id := coalesce(watchkeeper.correlation_id(), (select a.correlation_id from public.system_alerts as a where a.id = new.alert_id));
  return new;
end
$$;
create trigger keep_correlation before insert on watchkeeper.deliveries for each row execute function watchkeeper.keep_delivery_correlation();

-- As in 005000, but a result may say of which walk it is. That is no part of what was measured: whatever it is, it
-- costs no result.
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
  perform watchkeeper.need_result(format('results[%s]', e.n - 1),
    case when jsonb_typeof(e.result) = 'object' then e.result - 'correlation_id' else e.result end, at)
  from jsonb_array_elements(results) with ordinality as e (result, n) order by e.n;

  -- Nobody closes a month or rolls up a day while it is rewritten.
  if watchkeeper.tells_of_the_past(results, at) then
    perform pg_advisory_xact_lock_shared(hashtext('watchkeeper.close_months'));
    perform from watchkeeper.roll_ups for share;
  end if;
  perform watchkeeper.lock_targets(array(select (r ->> 'check_id')::uuid from jsonb_array_elements(results) as r));
  for result in select r from jsonb_array_elements(results) as r order by (r ->> 'due_at')::timestamptz loop
    perform set_config('watchkeeper.correlation_id', left(coalesce(result ->> 'correlation_id', ''), 100), true);
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
  perform set_config('watchkeeper.correlation_id', '', true);
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

-- As in 003500, but a delivery says of which walk it is, for the log of who sends it.
create or replace function watchkeeper.message_documents(delivery_ids uuid[]) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_agg(m.document order by m.seq), '[]')
  from (
    select min(d.seq) as seq, jsonb_build_object(
      'lease_id', d.lease_id, 'event', min(d.event),
      'channel', jsonb_build_object('id', c.id, 'name', c.name, 'kind', c.kind, 'config', c.config, 'secrets', c.secrets),
      'deliveries', jsonb_agg(jsonb_build_object(
        'id', d.id, 'dedup_key', d.dedup_key, 'attempt', d.attempts, 'why', d.why, 'created_at', d.created_at, 'correlation_id', d.correlation_id,
        'alert', case when a.id is not null then watchkeeper.alert_document(a) || jsonb_build_object('values', watchkeeper.last_values(a)) end,
        'incident', case when i.id is not null then watchkeeper.incident_message(i, d) end,
        'report', watchkeeper.report_message(d),
        'thread', (
          select t.thread from watchkeeper.deliveries as t
          where t.subject_id = d.subject_id and t.channel_id = d.channel_id and t.thread is not null order by t.seq limit 1
        )
      ) order by d.seq)
    ) as document
    from watchkeeper.deliveries as d
    join watchkeeper.channels as c on c.id = d.channel_id
    left join public.system_alerts as a on a.id = d.alert_id
    left join public.incident_logs as i on i.id = d.incident_id
    where d.id = any (delivery_ids)
    group by d.lease_id, c.id
  ) as m
$$;

-- One grid ------------------------------------------------------------------------------------------------------------

-- Checks that fall due in the same second share a message and an invocation; saved at different moments they would each
-- pay for their own. So every check falls due on one grid, of at most 15 s, that its interval is a multiple of.
create function watchkeeper.grid_s(interval_s integer) returns integer
language sql immutable set search_path = '' as $$
  select gcd(interval_s, 15)
$$;

-- The newest moment on the grid that is not after this one.
create function watchkeeper.on_grid(moment timestamptz, interval_s integer) returns timestamptz
language sql immutable set search_path = '' as $$
  select to_timestamp(floor(extract(epoch from moment) / watchkeeper.grid_s(interval_s)) * watchkeeper.grid_s(interval_s))
$$;

-- As in 006200, but what is beside the grid (just saved, asked for by somebody, from before there was one) comes to it: its
-- slot is the one that has just begun, unless that one or a newer one was claimed; then the next one is, a little early once.
create or replace function watchkeeper.claim_slots(at timestamptz, horizon_s integer, most integer, region text) returns jsonb
language sql security definer set search_path = '' as $$
  with due as (
    select c.id, c.interval_s,
      case when exists (select from watchkeeper.runs as r where r.check_id = c.id and r.due_at >= s.on_grid) then s.slot else s.on_grid end as first_at
    from watchkeeper.checks as c
    cross join lateral (select watchkeeper.first_slot(c.next_due_at, c.interval_s, at) as slot,
      watchkeeper.first_slot(watchkeeper.on_grid(c.next_due_at, c.interval_s), c.interval_s, at) as on_grid) as s
    where c.enabled
      and c.next_due_at < at + make_interval(secs => horizon_s)
      and exists (select from watchkeeper.targets as t where t.id = c.target_id and not t.paused)
    order by c.next_due_at, c.id
    limit most
    for no key update of c skip locked
  ),
  slots as (
    select d.id, d.interval_s, s.due_at
    from due as d
    cross join generate_series(0, (horizon_s - 1) / d.interval_s + 1) as n
    cross join lateral (
      select case n when 0 then d.first_at
        else watchkeeper.on_grid(d.first_at + make_interval(secs => d.interval_s), d.interval_s) + make_interval(secs => (n - 1) * d.interval_s)
        end as due_at
    ) as s
    where s.due_at < at + make_interval(secs => horizon_s)
  ),
  moved as (
    update watchkeeper.checks as c
    set next_due_at = watchkeeper.on_grid(s.last_at + make_interval(secs => s.interval_s), s.interval_s)
    from (select id, interval_s, max(due_at) as last_at from slots group by id, interval_s) as s
    where c.id = s.id
  ),
  claimed as (
    insert into watchkeeper.runs (check_id, due_at, claimed_at, region)
    select s.id, s.due_at, at, claim_slots.region from slots as s
    on conflict do nothing
    returning check_id, due_at
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'check_id', c.id, 'target_id', t.id, 'target', t.name, 'kind', c.kind, 'due_at', r.due_at,
    'delay_s', greatest(0, extract(epoch from r.due_at - at)),
    'interval_s', c.interval_s, 'timeout_s', c.timeout_s, 'chain', t.chain, 'network', t.network,
    'endpoint', t.endpoint, 'settings', t.settings, 'params', c.params
  ) order by r.due_at, c.id), '[]')
  from claimed as r
  join watchkeeper.checks as c on c.id = r.check_id
  join watchkeeper.targets as t on t.id = c.target_id
  where t.regions is null
$$;
