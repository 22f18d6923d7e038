-- Several regions: the same stack in n places, on one database. A slot is claimed once, by whichever region's tick comes
-- first. A target may demand that k regions agree: then each of them looks at each slot, and what they say together is the
-- slot's one result, which is recorded as any other. A region that went quiet says nothing: unknown, never ok.

create table watchkeeper.regions (
  name text primary key check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'),
  first_seen_at timestamptz not null,
  last_tick_at timestamptz not null
);
alter table watchkeeper.regions enable row level security;

-- One region's look at one slot.
create table watchkeeper.votes (
  check_id uuid not null,
  due_at timestamptz not null,
  -- '': a stack that does not say where it is
  region text not null check (length(region) <= 40),
  claimed_at timestamptz not null,
  finished_at timestamptz,
  recorded_at timestamptz,
  outcome text check (outcome in ('ok', 'fail', 'unknown')),
  reason text check (length(reason) <= 2000),
  response_ms numeric check (response_ms >= 0 and response_ms < 1000000000),
  -- what it said in full, until the slot is decided
  result jsonb check (jsonb_typeof(result) = 'object'),
  primary key (check_id, due_at, region),
  foreign key (check_id, due_at) references watchkeeper.runs (check_id, due_at) on delete cascade,
  check ((outcome is null) = (recorded_at is null) and (outcome is null) = (finished_at is null))
);
alter table watchkeeper.votes enable row level security;
create index votes_newest on watchkeeper.votes (check_id, region, due_at desc) where recorded_at is not null;

-- Who is there ----------------------------------------------------------------------------------------------------------

-- A tick is due every minute.
create function watchkeeper.is_quiet(last_tick_at timestamptz, at timestamptz) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(last_tick_at < at - interval '150 seconds', true)
$$;

-- The regions whose word the target wants.
create function watchkeeper.wanted_regions(regions jsonb) returns table (name text, last_tick_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select w.name, r.last_tick_at
  from jsonb_array_elements_text(regions -> 'names') as w (name) left join watchkeeper.regions as r on r.name = w.name
  union all
  select r.name, r.last_tick_at from watchkeeper.regions as r where not regions ? 'names'
$$;

-- How long after it is due a slot may be recorded. The other regions learn of it at their next tick, a minute later.
create function watchkeeper.slot_time(timeout_s integer, regions jsonb) returns interval
language sql immutable set search_path = '' as $$
  select make_interval(secs => timeout_s + case when regions is null then 45 else 105 end)
$$;

-- Deciding --------------------------------------------------------------------------------------------------------------

-- What the regions say together, once it is certain whatever those say whose look is still awaited: breach if k say so,
-- clear if k could tell and not even with those that could not k might say breach, else unknown. Null: not certain yet.
create function watchkeeper.agreed(agree integer, breach bigint, clear bigint, untold bigint, awaited bigint) returns text
language sql immutable set search_path = '' as $$
  select case
    when breach >= agree then 'breach'
    when breach + untold + awaited < agree and breach + clear >= agree then 'clear'
    when breach + awaited < agree and not (breach + untold < agree and breach + clear + awaited >= agree) then 'unknown'
  end
$$;

-- Each wanted region with its look at the slot. `awaited`: it may still come. After the slot's time only a look that was
-- begun may: its result waits in a spool.
create function watchkeeper.votes_on(
  target watchkeeper.targets, check_id uuid, due_at timestamptz, is_over boolean, at timestamptz
) returns table (region text, outcome text, result jsonb, awaited boolean)
language sql stable security definer set search_path = '' as $$
  select coalesce(w.name, v.region), v.outcome, v.result,
    v.recorded_at is null and case when is_over then v.region is not null
      when w.name is null then true else not watchkeeper.is_quiet(w.last_tick_at, at) end
  from watchkeeper.wanted_regions(target.regions) as w
  full join (
    select x.* from watchkeeper.votes as x where x.check_id = votes_on.check_id and x.due_at = votes_on.due_at
  ) as v on v.region = w.name
  where w.name is not null or not target.regions ? 'names'
$$;

-- "1 of 2 regions answered, no word from eu-central-1; us-east-1 says fail: HTTP 503"
create function watchkeeper.who_answered(target watchkeeper.targets, check_id uuid, due_at timestamptz) returns text
language sql stable security definer set search_path = '' as $$
  select left(format('%s of %s regions answered', count(*) filter (where v.outcome <> 'unknown'),
      greatest(count(*), (target.regions ->> 'agree')::integer))
    || coalesce(', no word from ' || string_agg(v.region, ', ' order by v.region) filter (where v.outcome is null), '')
    || coalesce('; ' || string_agg(format('%s says %s', v.region, v.outcome || coalesce(': ' || left(v.result ->> 'reason', 200), '')), ', ' order by v.region)
      filter (where v.outcome is not null), ''), 1900)
  from watchkeeper.votes_on(target, who_answered.check_id, who_answered.due_at, true, null) as v
$$;

-- The regions' findings as one each, or null if one is not certain yet. Each rule is counted by itself. A rule of which
-- fewer than k regions speak, as while a new version is deployed, is left out.
create function watchkeeper.agreed_findings(agree integer, results jsonb, regions bigint, awaited bigint) returns jsonb
language sql immutable set search_path = '' as $$
  with said as (
    select r.region, f.finding, f.finding ->> 'alert_type' as alert_type, f.finding ->> 'state' as state
    from jsonb_each(results) as r (region, result)
    cross join jsonb_array_elements(coalesce(r.result -> 'findings', '[]')) as f (finding)
  ),
  counted as (
    select s.alert_type, count(*) as told, count(*) filter (where s.state = 'breach') as breach,
      string_agg(s.region, ', ' order by s.region) filter (where s.state = 'breach') as breaching,
      watchkeeper.agreed(agree, count(*) filter (where s.state = 'breach'), count(*) filter (where s.state = 'clear'),
        regions - awaited - count(*) filter (where s.state <> 'unknown'), awaited) as state
    from said as s group by s.alert_type
  ),
  agreed as (
    select c.*, word.finding from counted as c
    cross join lateral (
      select s.finding from said as s where s.alert_type = c.alert_type
      order by s.state = c.state desc, watchkeeper.severity_rank(s.finding ->> 'severity') desc, s.region limit 1
    ) as word
    where c.told >= agree
  )
  select case
    when exists (select from counted as c where c.told + awaited >= agree and (c.told < agree or c.state is null) and awaited > 0) then null
    else (
      select coalesce(jsonb_agg(a.finding || jsonb_build_object('state', a.state, 'message', case a.state
        when 'breach' then format('%s (%s of %s regions: %s)', left(a.finding ->> 'message', 1500), a.breach, regions, a.breaching)
        when 'clear' then a.finding ->> 'message' else 'the regions do not agree' end) order by a.alert_type), '[]')
      from agreed as a
    ) end
$$;

-- The slot's one result, or null while it depends on looks that are awaited. Whatever the order in which they come, it is
-- the same: with k looks still awaited these might speak of a rule that nobody spoke of yet, so it is not certain before.
-- Samples are those of one region, the first by name of those that say what all say together.
create function watchkeeper.agreed_result(
  target watchkeeper.targets, check_id uuid, due_at timestamptz, is_over boolean, final boolean, at timestamptz
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  agree constant integer := target.regions ->> 'agree';
  votes record;
  findings jsonb;
  outcome text;
  reason text;
  spokesman jsonb;
begin
  select count(*) as regions, count(*) filter (where v.awaited and not final) as awaited,
    count(*) filter (where v.outcome = 'fail') as fail, count(*) filter (where v.outcome = 'ok') as ok,
    string_agg(v.region, ', ' order by v.region) filter (where v.outcome = 'fail') as failing,
    coalesce(jsonb_object_agg(v.region, v.result) filter (where v.result is not null), '{}') as results
  into votes
  from watchkeeper.votes_on(target, agreed_result.check_id, agreed_result.due_at, is_over, at) as v;
  if votes.awaited >= agree then
    return null;
  end if;
  outcome := case watchkeeper.agreed(agree, votes.fail, votes.ok, votes.regions - votes.awaited - votes.fail - votes.ok, votes.awaited)
    when 'breach' then 'fail' when 'clear' then 'ok' when 'unknown' then 'unknown' end;
  findings := watchkeeper.agreed_findings(agree, votes.results, votes.regions, votes.awaited);
  -- Nothing is won by being certain early that it is unknown, and another may still bring numbers.
  if outcome is null or findings is null or (outcome = 'unknown' and votes.awaited > 0) then
    return null;
  end if;

  select r.result || jsonb_build_object('region', r.region) into spokesman from jsonb_each(votes.results) as r (region, result)
  order by r.result ->> 'outcome' <> 'unknown' desc, r.result ->> 'outcome' = outcome desc, r.region limit 1;
  reason := case outcome when 'fail' then format('%s (%s of %s regions: %s)', left(spokesman ->> 'reason', 1500), votes.fail, votes.regions, votes.failing)
    when 'unknown' then watchkeeper.who_answered(target, check_id, due_at) end;
  if spokesman ->> 'outcome' <> outcome and jsonb_typeof(spokesman -> 'uptime') = 'object' then
    spokesman := jsonb_set(spokesman, '{uptime}', spokesman -> 'uptime' || jsonb_build_object('is_up', null, 'error_message', reason));
  end if;
  return spokesman || jsonb_build_object('outcome', outcome, 'reason', reason, 'findings', findings);
end
$$;

-- Recording -------------------------------------------------------------------------------------------------------------

-- The slot is decided: what each region said in full has done its work. The target's row is locked by the caller.
create function watchkeeper.record_agreed(agreed jsonb, at timestamptz) returns watchkeeper.recording
language plpgsql security definer set search_path = '' as $$
declare
  recording watchkeeper.recording := watchkeeper.record_run(agreed, at);
begin
  update watchkeeper.votes as v set result = null
  where v.check_id = (agreed ->> 'check_id')::uuid and v.due_at = (agreed ->> 'due_at')::timestamptz and v.result is not null;
  update watchkeeper.runs as r set region = nullif(agreed ->> 'region', '')
  where r.check_id = (agreed ->> 'check_id')::uuid and r.due_at = (agreed ->> 'due_at')::timestamptz;
  return recording;
end
$$;

-- A run's result, or one region's look at it: that moves nothing until the slot can be decided.
-- verdict: recorded | late | repeated | dropped. The target's row is locked by the caller.
create function watchkeeper.record_one(result jsonb, at timestamptz) returns watchkeeper.recording
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_variable
declare
  target watchkeeper.targets;
  run watchkeeper.runs;
  place text;
  finished_at timestamptz := least((result ->> 'finished_at')::timestamptz, at);
  agreed jsonb;
begin
  select t.* into target from watchkeeper.checks as c join watchkeeper.targets as t on t.id = c.target_id
  where c.id = (result ->> 'check_id')::uuid and t.regions is not null;
  if target.id is null or not exists (
    select from watchkeeper.votes as v where v.check_id = (result ->> 'check_id')::uuid and v.due_at = (result ->> 'due_at')::timestamptz
  ) then
    return watchkeeper.record_run(result, at);
  end if;
  select r.* into run from watchkeeper.runs as r
  where r.check_id = (result ->> 'check_id')::uuid and r.due_at = (result ->> 'due_at')::timestamptz;
  place := coalesce(result ->> 'region', run.region, '');
  if result ->> 'region' is null then
    -- Claimed before the target demanded agreement: whoever claimed it looks.
    insert into watchkeeper.votes (check_id, due_at, region, claimed_at) values (run.check_id, run.due_at, place, run.claimed_at) on conflict do nothing;
  end if;

  update watchkeeper.votes as v
  set outcome = result ->> 'outcome', reason = left(result ->> 'reason', 2000), recorded_at = at, finished_at = finished_at,
    response_ms = coalesce((result #>> '{uptime,response_time_ms}')::numeric, (
      select (s ->> 'value')::numeric from jsonb_array_elements(coalesce(result -> 'samples', '[]')) as s
      where s ->> 'name' = 'response_time' and s ->> 'unit' = 'ms' and (s ->> 'value')::numeric between 0 and 999999999 limit 1)),
    result = case when run.outcome is null or run.missed then result - 'region' end
  where v.check_id = run.check_id and v.due_at = run.due_at and v.region = place and v.recorded_at is null;
  if not found then
    return (case when exists (
      select from watchkeeper.votes as v where v.check_id = run.check_id and v.due_at = run.due_at and v.region = place
    ) then 'repeated' else 'dropped' end, '[]'::jsonb, null)::watchkeeper.recording;
  elsif run.outcome is not null and not run.missed then
    return ('late', '[]'::jsonb, null)::watchkeeper.recording;
  end if;
  agreed := watchkeeper.agreed_result(target, run.check_id, run.due_at, run.missed, false, at);
  if agreed is null then
    return ('recorded', '[]'::jsonb, null)::watchkeeper.recording;
  end if;
  return watchkeeper.record_agreed(agreed, at);
end
$$;

-- Slots whose time is over and of which the looks that did come say enough. The others are missed.
create function watchkeeper.settle_votes(at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  slots jsonb;
  slot jsonb;
  target watchkeeper.targets;
  agreed jsonb;
  recording watchkeeper.recording;
  rewritten jsonb := '[]';
begin
  select coalesce(jsonb_agg(s.slot order by s.target_id, s.due_at), '[]') into slots
  from (
    select c.target_id, r.due_at, jsonb_build_object('target_id', c.target_id, 'check_id', c.id, 'due_at', r.due_at, 'finished_at', min(v.finished_at)) as slot
    from watchkeeper.targets as t
    join watchkeeper.checks as c on c.target_id = t.id
    join watchkeeper.runs as r on r.check_id = c.id and r.outcome is null and r.due_at < at - watchkeeper.slot_time(c.timeout_s, t.regions)
    join watchkeeper.votes as v on v.check_id = r.check_id and v.due_at = r.due_at and v.recorded_at is not null
    where t.regions is not null
    group by c.id, r.due_at order by c.target_id, r.due_at limit 5000
  ) as s;
  -- Nobody closes a month or rolls up a day while it is rewritten.
  if watchkeeper.tells_of_the_past(slots, at) then
    perform pg_advisory_xact_lock_shared(hashtext('watchkeeper.close_months'));
    perform from watchkeeper.roll_ups for share;
  end if;
  for slot in select s from jsonb_array_elements(slots) as s loop
    -- Whoever holds the target is recording it now; the next tick looks again.
    select t.* into target from watchkeeper.targets as t where t.id = (slot ->> 'target_id')::uuid and t.regions is not null for no key update skip locked;
    continue when target.id is null or not exists (
      select from watchkeeper.runs as r
      where r.check_id = (slot ->> 'check_id')::uuid and r.due_at = (slot ->> 'due_at')::timestamptz and r.outcome is null
    );
    agreed := watchkeeper.agreed_result(target, (slot ->> 'check_id')::uuid, (slot ->> 'due_at')::timestamptz, true, true, at);
    continue when agreed ->> 'outcome' = 'unknown';
    recording := watchkeeper.record_agreed(agreed, at);
    if recording.rewrote is not null then
      rewritten := rewritten || jsonb_build_object('check_id', slot -> 'check_id', 'from', lower(recording.rewrote), 'to', upper(recording.rewrote));
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
end
$$;

-- Claiming --------------------------------------------------------------------------------------------------------------

-- The open slots that this region has not looked at yet, as tasks. Of those that are due already only the newest of a
-- check: a region that comes back must not hammer the target.
create function watchkeeper.claim_votes(at timestamptz, most integer, region text) returns jsonb
language sql security definer set search_path = '' as $$
  with opened as (
    select r.check_id, r.due_at
    from watchkeeper.targets as t
    join watchkeeper.checks as c on c.target_id = t.id
    join watchkeeper.runs as r on r.check_id = c.id and r.outcome is null and r.due_at > at - make_interval(secs => least(75, c.interval_s))
    where t.regions is not null and not t.paused and c.enabled
      and (not t.regions ? 'names' or t.regions -> 'names' ? claim_votes.region)
      and not exists (
        select from watchkeeper.votes as v
        where v.check_id = r.check_id and v.due_at = r.due_at and v.region = coalesce(claim_votes.region, '')
      )
    order by r.due_at, r.check_id
    limit most
    -- Not what is being deleted.
    for key share of r skip locked
  ),
  claimed as (
    insert into watchkeeper.votes (check_id, due_at, region, claimed_at)
    select o.check_id, o.due_at, coalesce(claim_votes.region, ''), at from opened as o
    on conflict do nothing
    returning check_id, due_at
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'check_id', c.id, 'target_id', t.id, 'target', t.name, 'kind', c.kind, 'due_at', v.due_at, 'region', claim_votes.region,
    'delay_s', greatest(0, extract(epoch from v.due_at - at)),
    'interval_s', c.interval_s, 'timeout_s', c.timeout_s, 'chain', t.chain, 'network', t.network,
    'endpoint', t.endpoint, 'settings', t.settings, 'params', c.params
  ) order by v.due_at, c.id), '[]')
  from claimed as v
  join watchkeeper.checks as c on c.id = v.check_id
  join watchkeeper.targets as t on t.id = c.target_id
$$;

-- What is seen of it ----------------------------------------------------------------------------------------------------

create function watchkeeper.region_documents(at timestamptz) returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('name', r.name, 'first_seen_at', r.first_seen_at, 'last_tick_at', r.last_tick_at,
    'status', case when watchkeeper.is_quiet(r.last_tick_at, at) then 'unknown' else 'ok' end) order by r.name), '[]')
  from watchkeeper.regions as r
$$;

create function watchkeeper.list_regions(at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return watchkeeper.region_documents(at);
end
$$;

-- Of a region whose stack was deleted. One that still ticks would be back in a minute.
create function watchkeeper.forget_region(name text, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  region watchkeeper.regions;
begin
  perform watchkeeper.require_role('admin');
  select r.* into region from watchkeeper.regions as r where r.name = forget_region.name for update;
  if region.name is null then
    perform watchkeeper.not_found('name', 'region', forget_region.name);
  elsif not watchkeeper.is_quiet(region.last_tick_at, at) then
    raise sqlstate 'PT409' using message = format('name: %s still ticks; delete its stack first', region.name);
  end if;
  delete from watchkeeper.regions as r where r.name = region.name;
end
$$;

create function public.list_regions() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.list_regions(now())';
create function public.forget_region(name text) returns void
language sql set search_path = '' as 'select watchkeeper.forget_region(name, now())';

grant execute on function
  watchkeeper.list_regions(timestamptz), public.list_regions(),
  watchkeeper.forget_region(text, timestamptz), public.forget_region(text)
to authenticated, service_role;
