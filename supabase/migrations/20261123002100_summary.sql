-- What is known now, and how old it is. Unknown is not green: a silent source, an old value or a dead scheduler
-- shows as unknown with its age, never as 0 and never as ok.

-- ok < warning < unknown < critical
create function watchkeeper.status_rank(status text) returns integer
language sql immutable set search_path = '' as $$
  select array_position(array['paused', 'ok', 'warning', 'unknown', 'critical'], status)
$$;

create function watchkeeper.worst_status(statuses text[]) returns text
language sql immutable set search_path = '' as $$
  select s from unnest(statuses) as s where s is not null order by watchkeeper.status_rank(s) desc limit 1
$$;

create function watchkeeper.ago(moment timestamptz, at timestamptz) returns text
language sql immutable set search_path = '' as $$
  select case
    when moment is null then 'never'
    when at - moment < interval '2 minutes' then greatest(0, round(extract(epoch from at - moment))) || ' s ago'
    when at - moment < interval '2 hours' then round(extract(epoch from at - moment) / 60) || ' min ago'
    when at - moment < interval '2 days' then round(extract(epoch from at - moment) / 3600) || ' h ago'
    else round(extract(epoch from at - moment) / 86400) || ' days ago'
  end
$$;

-- One row per check: its status and the reason in words.
create type watchkeeper.check_status as (check_id uuid, target_id uuid, kind text, status text, reason text, stale boolean);

create function watchkeeper.check_statuses(at timestamptz) returns setof watchkeeper.check_status
language sql stable set search_path = '' as $$
  with looked_at as (
    select c.id, c.target_id, c.kind, c.enabled, t.paused, newest.outcome, newest.reason, newest.last_run_at,
      coalesce(newest.last_due_at < at - watchkeeper.stale_after(c.interval_s, c.timeout_s), true) as is_stale,
      firing.severity as firing_severity, firing.message as firing_message,
      shown.severity as shown_severity, shown.metric_name as shown_metric
    from watchkeeper.checks as c
    join watchkeeper.targets as t on t.id = c.target_id
    left join watchkeeper.check_states as newest on newest.check_id = c.id
    left join lateral (
      select a.severity, a.message
      from watchkeeper.rule_states as r
      join public.system_alerts as a
        on a.fingerprint = watchkeeper.fingerprint(c.target_id, r.alert_type) and a.status = 'firing'
      where r.check_id = c.id and r.state = 'firing' and r.alert_type <> 'blind'
      order by watchkeeper.severity_rank(a.severity) desc limit 1
    ) as firing on true
    left join lateral (
      select l.severity, l.metric_name from watchkeeper.latest_values as l
      where l.check_id = c.id and l.known and l.severity <> 'info'
      order by watchkeeper.severity_rank(l.severity) desc limit 1
    ) as shown on true
  )
  -- Both lists in the same order: the first that applies speaks. (As rows of a `values` list: 180 us a check.)
  select c.id, c.target_id, c.kind,
    case
      when c.paused or not c.enabled then 'paused'
      when c.firing_severity in ('critical', 'error') then 'critical'
      when c.outcome is null or c.outcome = 'unknown' or c.is_stale then 'unknown'
      when c.firing_severity is not null or c.outcome = 'fail' then 'warning'
      when c.shown_severity is not null then c.shown_severity
      else 'ok'
    end,
    case
      when c.paused or not c.enabled then null
      when c.firing_severity in ('critical', 'error') then c.firing_message
      when c.outcome is null then 'not measured yet'
      when c.outcome = 'unknown' then c.reason
      when c.is_stale then 'no result since ' || watchkeeper.ago(c.last_run_at, at)
      when c.firing_severity is not null then c.firing_message
      when c.outcome = 'fail' then c.reason
      when c.shown_severity = 'critical' then c.shown_metric || ' is critical'
      when c.shown_severity = 'warning' then c.shown_metric || ' is outside its range'
    end,
    c.is_stale
  from looked_at as c
$$;

-- One row per target. A target without an enabled check measures nothing, so nothing is known of it.
create function watchkeeper.target_statuses(checks watchkeeper.check_status[])
returns table (target_id uuid, status text, reason text)
language sql stable set search_path = '' as $$
  select t.id,
    case when t.paused then 'paused' else coalesce(worst.status, 'unknown') end,
    case when t.paused then null when worst.status is null then 'it has no enabled check' else worst.reason end
  from watchkeeper.targets as t
  left join (
    select distinct on (s.target_id) s.target_id, s.status, s.kind || ': ' || s.reason as reason
    from unnest(checks) as s where s.status <> 'paused'
    order by s.target_id, watchkeeper.status_rank(s.status) desc, s.kind
  ) as worst on worst.target_id = t.id
$$;

-- The monitor itself: a tick is due every minute, so two and a half minutes without one is blindness.
create function watchkeeper.pulse(at timestamptz) returns jsonb
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

create function watchkeeper.monitoring(at timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select watchkeeper.pulse(monitoring.at)
    || jsonb_build_object('watchdog', watchkeeper.watchdog_state(), 'regions', watchkeeper.region_documents(monitoring.at))
$$;

-- Does anybody hear of it? An alert that no route sends anywhere, or a message that waits, is itself worth a warning.
create function watchkeeper.deliveries_summary(at timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'status', case when u.unrouted + q.overdue = 0 then 'ok' else 'warning' end,
    'reason', case when u.unrouted > 0 then format('%s firing alerts reach nobody: no route matches', u.unrouted)
      when q.overdue > 0 then format('%s notifications wait, the oldest since %s', q.overdue, watchkeeper.ago(q.oldest_at, at)) end,
    'unrouted', u.unrouted, 'pending', q.pending, 'overdue', q.overdue, 'oldest_pending_at', q.oldest_at, 'dead_24h', d.dead)
  from (
    select count(*) as unrouted from public.system_alerts as a
    where a.status = 'firing' and a.routed_at is null and a.held_by = 'no route matches'
  ) as u
  cross join (
    select count(*) as pending, count(*) filter (where x.next_attempt_at < at - interval '1 minute') as overdue, min(x.created_at) as oldest_at
    from watchkeeper.deliveries as x where x.status = 'pending'
  ) as q
  cross join (
    select count(*) as dead from watchkeeper.deliveries as x where x.status = 'dead' and x.settled_at > at - interval '1 day'
  ) as d
$$;

-- The values of one kind of check, as the summary shows them. Numbers come from one target: the one labelled
-- `primary`, else the oldest. The status is the worst of all targets that have the check.
create function watchkeeper.group_summary(wanted_kind text, metrics jsonb, checks watchkeeper.check_status[]) returns jsonb
language sql stable set search_path = '' as $$
  with statuses as (
    select s.*, t.name, t.labels, t.created_at,
      (select max(l.observed_at) from watchkeeper.latest_values as l where l.check_id = s.check_id) as observed_at,
      not s.stale and exists (select from watchkeeper.latest_values as l where l.check_id = s.check_id and l.known) as known,
      exists (select from unnest(checks) as o where o.target_id = s.target_id and o.status = 'critical') as target_critical
    from unnest(checks) as s join watchkeeper.targets as t on t.id = s.target_id
    where s.kind = wanted_kind and s.status <> 'paused'
  ),
  shown as (
    -- A silent source tells nothing of the chain: what it would have told is unknown. That its silence is known to be
    -- critical, by this check or by another of its target, is said beside it.
    select *, case when known then status else 'unknown' end as shown_status,
      case when known or status = 'critical' then reason
        else coalesce(reason, 'no value is known') || case when target_critical then '; the target is critical' else '' end end as shown_reason
    from statuses
  ),
  chosen as (
    select * from shown order by labels ->> 'primary' = 'true' desc nulls last, created_at, name limit 1
  ),
  worst as (
    select shown_status, case when count(*) over () > 1 then name || ': ' else '' end || shown_reason as reason
    from shown order by watchkeeper.status_rank(shown_status) desc, watchkeeper.status_rank(status) desc, created_at limit 1
  )
  select jsonb_build_object(
    'status', coalesce((select w.shown_status from worst as w), 'unknown'),
    'reason', case when exists (select from worst) then (select w.reason from worst as w)
      else format('no target has the check %s', wanted_kind) end,
    'firing', (select watchkeeper.worst_status(array_agg(f.status)) from statuses as f where f.status in ('critical', 'warning')),
    'target', (select c.name from chosen as c),
    'targets', (select count(*) from shown),
    'observed_at', (select c.observed_at from chosen as c),
    'stale', coalesce((select not c.known from chosen as c), true)
  ) || (
    select jsonb_object_agg(m.key, (
      select l.value from watchkeeper.latest_values as l join chosen as c on c.check_id = l.check_id
      where l.metric_name = m.value and l.known and c.known
    ))
    from jsonb_each_text(metrics) as m
  )
$$;

create function watchkeeper.uptime_summary(checks watchkeeper.check_status[]) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'status', coalesce(watchkeeper.worst_status(array_agg(u.status)), 'unknown'),
    'reason', case when count(*) = 0 then 'no target has the check uptime' else
      (array_agg(case when u.reason is not null then u.name || ': ' || u.reason end order by watchkeeper.status_rank(u.status) desc, u.created_at, u.name))[1] end,
    'observed_at', max(u.last_run_at),
    'stale', coalesce(bool_or(u.state = 'unknown'), true),
    'services', count(*),
    'up', count(*) filter (where u.state = 'up'),
    'down', count(*) filter (where u.state = 'down'),
    'unknown', count(*) filter (where u.state = 'unknown'))
  from (
    select s.status, s.reason, t.name, t.created_at, newest.last_run_at,
      case when s.stale or newest.outcome = 'unknown' or last_look.is_up is null then 'unknown' when last_look.is_up then 'up' else 'down' end as state
    from unnest(checks) as s
    join watchkeeper.targets as t on t.id = s.target_id
    left join watchkeeper.check_states as newest on newest.check_id = s.check_id
    left join lateral (
      select k.is_up from public.uptime_checks as k where k.target_id = s.target_id order by k.checked_at desc limit 1
    ) as last_look on true
    where s.kind = 'uptime' and s.status <> 'paused'
  ) as u
$$;

-- {target: {region: {outcome, at, reason, response_ms}}} of the targets that demand agreement. A region sees the worst of
-- what it saw last with the target's checks; one that is quiet, or has not looked for long, sees nothing.
create function watchkeeper.region_looks(at timestamptz) returns jsonb
language sql stable security definer set search_path = '' as $$
  with looks as (
    select t.id, w.name, v.finished_at, v.response_ms,
      case when watchkeeper.is_quiet(w.last_tick_at, at) or v.due_at is null or v.due_at < at - watchkeeper.stale_after(c.interval_s, c.timeout_s)
        then 'unknown' else v.outcome end as outcome,
      case when watchkeeper.is_quiet(w.last_tick_at, at) then 'no tick: ' || watchkeeper.ago(w.last_tick_at, at)
        when v.due_at is null or v.due_at < at - watchkeeper.stale_after(c.interval_s, c.timeout_s) then c.kind || ': no look: ' || watchkeeper.ago(v.finished_at, at)
        else c.kind || ': ' || v.reason end as reason
    from watchkeeper.targets as t
    join watchkeeper.checks as c on c.target_id = t.id and c.enabled
    cross join lateral watchkeeper.wanted_regions(t.regions) as w
    left join lateral (
      select x.* from watchkeeper.votes as x
      where x.check_id = c.id and x.region = w.name and x.recorded_at is not null order by x.due_at desc limit 1
    ) as v on true
    where t.regions is not null
  ),
  worst as (
    select distinct on (l.id, l.name) l.id, l.name, l.outcome, l.reason, l.response_ms, max(l.finished_at) over (partition by l.id, l.name) as seen_at
    from looks as l
    order by l.id, l.name, array_position(array['fail', 'unknown', 'ok'], l.outcome), l.response_ms desc nulls last
  )
  select coalesce(jsonb_object_agg(e.id, e.regions), '{}')
  from (
    select x.id, jsonb_object_agg(x.name, jsonb_build_object('outcome', x.outcome, 'at', x.seen_at, 'reason', x.reason, 'response_ms', x.response_ms)) as regions
    from worst as x group by x.id
  ) as e
$$;

create function watchkeeper.health_summary(at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  checks watchkeeper.check_status[];
  monitoring jsonb;
  deliveries jsonb;
  targets jsonb;
  verdicts jsonb;
  verdict jsonb;
begin
  if not watchkeeper.is_tool('watchkeeper_metrics') then
    perform watchkeeper.require_role('viewer');
  end if;
  checks := array(select s from watchkeeper.check_statuses(at) as s);
  monitoring := watchkeeper.monitoring(at);
  deliveries := watchkeeper.deliveries_summary(at);
  select coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'name', t.name, 'chain', t.chain, 'network', t.network,
    'status', s.status, 'reason', s.reason) order by t.name), '[]')
  into targets
  from watchkeeper.targets as t join watchkeeper.target_statuses(checks) as s on s.target_id = t.id;

  -- The verdict is the worst of: each target, alerts that belong to none, whether we see at all, and whether anybody hears.
  select jsonb_agg(jsonb_build_object('status', v.status, 'reason', v.reason) order by watchkeeper.status_rank(v.status) desc, v.n, v.reason)
  into verdicts
  from (
    select 1 as n, t ->> 'status' as status, (t ->> 'name') || ': ' || coalesce(t ->> 'reason', 'ok') as reason
    from jsonb_array_elements(targets) as t where t ->> 'status' <> 'paused'
    union all
    select 2, case when a.severity in ('error', 'critical') then 'critical' else 'warning' end, a.message
    from public.system_alerts as a where a.status = 'firing' and a.target_id is null
    union all
    select 0, 'unknown', 'blind since ' || watchkeeper.ago((monitoring ->> 'blind_since')::timestamptz, at)
      || ': no check has run; is schedule_checks alive?'
    where monitoring ->> 'blind_since' is not null
    union all
    select 3, 'warning', (deliveries ->> 'reason') where deliveries ->> 'status' <> 'ok'
  ) as v;
  verdict := coalesce(verdicts -> 0, jsonb_build_object('status', 'unknown', 'reason',
    case when targets = '[]' then 'nothing is watched yet: add a target' else 'every target is paused' end));

  return jsonb_build_object(
    'status', verdict ->> 'status',
    'reason', case when verdict ->> 'status' = 'ok' then 'all is well' else verdict ->> 'reason' end,
    'generated_at', at,
    'blockchain', watchkeeper.group_summary('blockchain',
      '{"total_blocks": "total_blocks", "latest_block": "height", "avg_block_time": "avg_block_time"}', checks),
    'p2p_network', watchkeeper.group_summary('p2p',
      '{"active_peers": "active_peers", "avg_reputation": "avg_reputation", "total_peers": "total_peers"}', checks),
    'mempool', watchkeeper.group_summary('mempool',
      '{"pending_transactions": "pending_transactions", "total_fees": "total_fees"}', checks),
    'quantum_security', watchkeeper.group_summary('quantum',
      '{"active_keys": "active_keys", "cache_hit_rate": "cache_hit_rate"}', checks),
    'economics', watchkeeper.group_summary('economics',
      '{"supply": "supply", "locked": "locked", "earned": "earned", "spent": "spent", "active_accounts": "active_accounts"}', checks),
    'uptime', watchkeeper.uptime_summary(checks),
    'alerts', (
      select jsonb_build_object(
        'status', coalesce(watchkeeper.worst_status(array_agg(
          case when a.severity in ('error', 'critical') then 'critical' when a.severity = 'warning' then 'warning' else 'ok' end)), 'ok'),
        'observed_at', at, 'stale', false,
        'firing', count(*), 'unacknowledged', count(*) filter (where not a.acknowledged),
        'critical', count(*) filter (where a.severity = 'critical'))
      from public.system_alerts as a where a.status = 'firing'
    ),
    'incidents', (
      select jsonb_build_object('open', count(*) filter (where i.status = 'open'),
        'investigating', count(*) filter (where i.status = 'investigating'))
      from public.incident_logs as i where i.status in ('open', 'investigating')
    ),
    'deliveries', deliveries,
    'monitoring', monitoring,
    'targets', targets
  );
end
$$;

-- Which region sees what; and all is not well while one of them is quiet.
create function watchkeeper.get_system_health_summary(at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  summary jsonb := watchkeeper.health_summary(at);
  looks jsonb;
  quiet text;
begin
  if exists (select from watchkeeper.targets as t where t.regions is not null) then
    looks := watchkeeper.region_looks(at);
    summary := jsonb_set(summary, '{targets}', (
      select coalesce(jsonb_agg(case when looks ? (e.target ->> 'id') then e.target || jsonb_build_object('regions', looks -> (e.target ->> 'id'))
        else e.target end order by e.n), '[]')
      from jsonb_array_elements(summary -> 'targets') with ordinality as e (target, n)
    ));
  end if;
  select string_agg(format('region %s is quiet: no tick since %s', r.name, watchkeeper.ago(r.last_tick_at, at)), '; ' order by r.name) into quiet
  from watchkeeper.regions as r where watchkeeper.is_quiet(r.last_tick_at, at);
  if quiet is not null and summary ->> 'status' = 'ok' then
    summary := summary || jsonb_build_object('status', 'warning', 'reason', quiet);
  end if;
  return summary;
end
$$;

create function watchkeeper.target_list(at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  checks watchkeeper.check_status[];
begin
  perform watchkeeper.require_role('viewer');
  checks := array(select s from watchkeeper.check_statuses(at) as s);
  return (
    with readings as (
      select l.check_id, jsonb_object_agg(l.metric_name, jsonb_build_object('value', l.value, 'unit', l.unit,
        'severity', l.severity, 'observed_at', l.observed_at, 'known', l.known and not k.stale)) as values
      from watchkeeper.latest_values as l join unnest(checks) as k on k.check_id = l.check_id
      group by l.check_id
    ),
    checks_of as (
      select c.target_id, jsonb_object_agg(c.kind, jsonb_build_object(
        'check_id', c.id, 'interval_s', c.interval_s, 'timeout_s', c.timeout_s, 'enabled', c.enabled, 'params', c.params,
        'status', k.status, 'reason', k.reason, 'stale', k.stale, 'outcome', newest.outcome,
        'last_run_at', newest.last_run_at, 'next_due_at', c.next_due_at, 'values', coalesce(r.values, '{}'))) as checks
      from watchkeeper.checks as c
      join unnest(checks) as k on k.check_id = c.id
      left join watchkeeper.check_states as newest on newest.check_id = c.id
      left join readings as r on r.check_id = c.id
      group by c.target_id
    )
    select coalesce(jsonb_agg(jsonb_build_object('id', t.id, 'name', t.name, 'chain', t.chain, 'network', t.network,
      'endpoint', t.endpoint, 'settings', t.settings, 'labels', t.labels, 'paused', t.paused,
      'status', s.status, 'reason', s.reason, 'created_at', t.created_at, 'updated_at', t.updated_at,
      'checks', coalesce(c.checks, '{}')) order by t.name), '[]')
    from watchkeeper.targets as t
    join watchkeeper.target_statuses(checks) as s on s.target_id = t.id
    left join checks_of as c on c.target_id = t.id
  );
end
$$;

-- Where agreement is demanded: `regions`, as it was saved, and `looks`, what each of them sees.
create function watchkeeper.list_targets(at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  list jsonb := watchkeeper.target_list(at);
  looks jsonb;
begin
  if exists (select from watchkeeper.targets as t where t.regions is not null) then
    looks := watchkeeper.region_looks(at);
    list := (
      select jsonb_agg(case when t.regions is null then e.target
        else e.target || jsonb_build_object('regions', t.regions, 'looks', coalesce(looks -> (e.target ->> 'id'), '{}')) end order by e.n)
      from jsonb_array_elements(list) with ordinality as e (target, n) join watchkeeper.targets as t on t.id = (e.target ->> 'id')::uuid
    );
  end if;
  return list;
end
$$;

create function public.get_system_health_summary() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_system_health_summary(now())';
create function public.list_targets() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.list_targets(now())';

grant execute on function
  watchkeeper.get_system_health_summary(timestamptz), public.get_system_health_summary()
to authenticated, service_role, watchkeeper_metrics;
grant execute on function watchkeeper.list_targets(timestamptz), public.list_targets() to authenticated, service_role;
