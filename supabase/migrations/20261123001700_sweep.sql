-- The duties of the clock: what was held back and may go now, the next step of a ladder, reminders, flapping's end.

create function watchkeeper.release_held(at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  alert public.system_alerts;
begin
  for alert in
    select a.* from public.system_alerts as a
    where a.status = 'firing' and a.routed_at is null order by a.created_at for no key update skip locked
  loop
    perform watchkeeper.route_alert(alert, at);
  end loop;
end
$$;

create function watchkeeper.end_flapping(at timestamptz) returns void
language sql set search_path = '' as $$
  select watchkeeper.close_alert(a.fingerprint, 'no longer flapping', at)
  from public.system_alerts as a cross join watchkeeper.delivery_settings as s
  where a.status = 'firing' and a.alert_type = 'flapping'
    and watchkeeper.recent_changes(left(a.fingerprint, -length(':flapping')), at) <= s.flapping_changes / 2
$$;

-- The channels of a step, and those of the people on call.
create function watchkeeper.step_channels(step jsonb, at timestamptz) returns table (channel_id uuid, why text)
language sql stable set search_path = '' as $$
  select c.id, 'escalation: ' || c.name
  from watchkeeper.channels as c
  where c.enabled and c.deleted_at is null and coalesce(step -> 'channels', '[]') ? c.name
  union
  select c.id, 'on call: ' || r.name || ', ' || c.person
  from watchkeeper.rotations as r
  join watchkeeper.channels as c on lower(c.person) = lower(watchkeeper.on_call(r, at))
  where c.enabled and c.deleted_at is null and coalesce(step -> 'on_call', '[]') ? r.name
$$;

create function watchkeeper.climb_ladders(at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  rung record;
  alert public.system_alerts;
  way record;
begin
  -- The alert's lock is the one that counts, as in acknowledging: whoever holds it is ending the ladder.
  for alert in
    select a.* from public.system_alerts as a
    where a.id in (select l.alert_id from watchkeeper.ladders as l where l.next_at <= at) order by a.created_at for no key update skip locked
  loop
    select l.*, e.steps, e.repeats, e.name into rung
    from watchkeeper.ladders as l join watchkeeper.escalations as e on e.id = l.escalation_id where l.alert_id = alert.id;
    if alert.status <> 'firing' or alert.acknowledged then
      delete from watchkeeper.ladders as l where l.alert_id = rung.alert_id;
      continue;
    end if;
    continue when rung.alert_id is null or rung.next_at > at or watchkeeper.reason_to_hold(alert, at) is not null;
    for way in
      select distinct on (s.channel_id) s.channel_id, s.why from watchkeeper.step_channels(rung.steps -> rung.step, at) as s
      where s.channel_id is distinct from watchkeeper.dead_channel(alert) order by s.channel_id, s.why
    loop
      if watchkeeper.told(alert.id, way.channel_id) then
        perform watchkeeper.enqueue(alert, way.channel_id, 'remind', format('step-%s-%s-%s', left(rung.escalation_id::text, 8), rung.round, rung.step), way.why, 0, at);
      else
        perform watchkeeper.enqueue(alert, way.channel_id, 'trigger', 'trigger', way.why, 0, at);
      end if;
    end loop;
    if rung.step + 1 < jsonb_array_length(rung.steps) then
      update watchkeeper.ladders as l
      set step = rung.step + 1, next_at = at + make_interval(secs => (rung.steps -> (rung.step + 1) ->> 'after_s')::integer)
      where l.alert_id = rung.alert_id;
    elsif rung.round < rung.repeats then
      update watchkeeper.ladders as l
      set step = 0, round = rung.round + 1, next_at = at + make_interval(secs => greatest(60, (rung.steps -> 0 ->> 'after_s')::integer))
      where l.alert_id = rung.alert_id;
    else
      update watchkeeper.ladders as l set next_at = 'infinity' where l.alert_id = rung.alert_id;
      -- A ladder that led to nobody is as good as no route, and is tried again.
      update public.system_alerts as a set routed_at = null, held_by = 'no route matches'
      where a.id = alert.id
        and not exists (select from watchkeeper.deliveries as d where d.alert_id = alert.id and d.event = 'trigger' and d.status <> 'cancelled');
      if found then
        delete from watchkeeper.ladders as l where l.alert_id = rung.alert_id;
      end if;
    end if;
  end loop;
end
$$;

create function watchkeeper.remind(at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  late record;
begin
  for late in
    select a as alert, d.channel_id, max(r.remind_every_s) as every_s, max(d.created_at) as last_at
    from public.system_alerts as a
    join watchkeeper.deliveries as d on d.alert_id = a.id and d.event in ('trigger', 'remind', 'escalate')
    join watchkeeper.route_channels as rc on rc.channel_id = d.channel_id
    join watchkeeper.routes as r on r.id = rc.route_id and r.enabled and r.remind_every_s is not null
    where a.status = 'firing' and not a.acknowledged and a.routed_at is not null and watchkeeper.matches(r.match, a)
    group by a, d.channel_id
    having max(d.created_at) <= at - make_interval(secs => max(r.remind_every_s)) and bool_and(d.status <> 'pending')
  loop
    -- Whoever holds it may be resolving it, and nothing comes after a resolve.
    perform from public.system_alerts as a
    where a.id = (late.alert).id and a.status = 'firing' and not a.acknowledged for no key update skip locked;
    if found and watchkeeper.reason_to_hold(late.alert, at) is null and watchkeeper.told((late.alert).id, late.channel_id) then
      perform watchkeeper.enqueue(late.alert, late.channel_id, 'remind', 'remind-' || extract(epoch from late.last_at), 'not acknowledged yet', 0, at);
    end if;
  end loop;
end
$$;

-- What waits for a channel that was deleted goes another way: alerts that still fire are routed anew, without it. What
-- somebody holds at this moment is left to the next sweep, because whoever waits for many alerts waits in a circle.
create function watchkeeper.cancel_deleted(at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  alert public.system_alerts;
  untold boolean;
  reason constant text := 'the channel was deleted';
begin
  update watchkeeper.deliveries as d set status = 'cancelled', settled_at = at, leased_until = null, last_error = reason
  where d.id in (
    select x.id from watchkeeper.deliveries as x join watchkeeper.channels as c on c.id = x.channel_id
    where x.status = 'pending' and x.alert_id is null and c.deleted_at is not null for no key update of x skip locked);
  for alert in
    select a.* from public.system_alerts as a
    where a.id in (
      select d.alert_id from watchkeeper.deliveries as d join watchkeeper.channels as c on c.id = d.channel_id
      where d.status = 'pending' and c.deleted_at is not null)
    order by a.created_at for no key update skip locked
  loop
    with cancelled as (
      update watchkeeper.deliveries as d set status = 'cancelled', settled_at = at, leased_until = null, last_error = reason
      where d.id in (
        select x.id from watchkeeper.deliveries as x join watchkeeper.channels as c on c.id = x.channel_id
        where x.alert_id = alert.id and x.status = 'pending' and c.deleted_at is not null for no key update of x skip locked)
      returning d.event
    )
    select count(*) filter (where c.event in ('trigger', 'escalate')) > 0 into untold from cancelled as c;
    if untold and alert.status = 'firing' then
      perform watchkeeper.route_alert(alert, at);
    end if;
  end loop;
end
$$;

-- A row of its own: settling locks alerts and then the monitor, and the sweep would lock them the other way round.
create table watchkeeper.sweep_clock (
  only_row boolean primary key default true check (only_row),
  tended_at timestamptz not null default '-infinity'
);
alter table watchkeeper.sweep_clock enable row level security;
insert into watchkeeper.sweep_clock default values;

-- What looks at whole windows needs no more than a look a minute.
create function watchkeeper.tend_each_minute(at timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  update watchkeeper.sweep_clock as c set tended_at = at where c.tended_at <= at - interval '1 minute';
  if found then
    perform watchkeeper.tend_objectives(at);
    perform watchkeeper.tend_benchmarks(at);
  end if;
end
$$;

-- It waits for nobody: with alerts in its hands, it would wait in a circle with whoever wants these. A duty that finds
-- something held gives back what it took and is left to the next sweep.
create function watchkeeper.sweep(at timestamptz) returns void
language plpgsql security definer set search_path = '' set lock_timeout = '100ms' as $$
declare
  duty text;
begin
  -- One sweeper at a time; whoever else comes has nothing to add.
  if not pg_try_advisory_xact_lock(hashtext('watchkeeper.sweep')) then
    return;
  end if;
  foreach duty in array array['end_flapping', 'mark_late_heartbeats', 'release_held', 'climb_ladders', 'remind', 'bury_expired',
    'cancel_deleted', 'note_maintenance', 'tend_incidents', 'tend_each_minute']
  loop
    begin
      execute format('select watchkeeper.%I($1)', duty) using at;
    exception when lock_not_available or deadlock_detected then
      raise log 'watchkeeper.sweep: % is left to the next sweep: %', duty, sqlerrm;
    end;
  end loop;
end
$$;
