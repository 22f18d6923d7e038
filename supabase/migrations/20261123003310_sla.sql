-- Service levels: the facts of a period, and the report that is made of facts alone.

-- Texts that hashes depend on must not depend on a session's settings.
create function watchkeeper.iso_utc(moment timestamptz) returns text
language sql immutable set search_path = '' as $$
  select to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- Facts: what the tables know at a moment -----------------------------------------------------------------------

create function watchkeeper.time_document(watched_s numeric, up_s numeric, down_s numeric, unknown_s numeric, maintenance_s numeric) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('watched_s', trim_scale(watched_s), 'up_s', trim_scale(up_s), 'down_s', trim_scale(down_s),
    'unknown_s', trim_scale(unknown_s), 'maintenance_s', trim_scale(maintenance_s))
$$;

-- The first 500: [{from, to, seconds}].
create function watchkeeper.downtime_list(downtimes tstzmultirange) returns jsonb
language sql immutable set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('from', watchkeeper.iso_utc(lower(d.span)), 'to', watchkeeper.iso_utc(upper(d.span)),
    'seconds', trim_scale(extract(epoch from upper(d.span) - lower(d.span)))) order by d.span), '[]')
  from (select span from unnest(downtimes) as span order by span limit 500) as d
$$;

-- The period cut at each midnight.
create function watchkeeper.utc_days(from_at timestamptz, to_at timestamptz) returns timestamptz[]
language sql immutable set search_path = '' as $$
  select array[from_at] || array(
    select m at time zone 'UTC' from generate_series(date_trunc('day', from_at at time zone 'UTC') + interval '1 day', to_at at time zone 'UTC', interval '1 day') as m
    where m < to_at at time zone 'UTC' order by m
  ) || to_at
$$;

-- The days that lie within the period as a whole, are over, and rolled up: first, and next after the last.
create function watchkeeper.whole_days(from_at timestamptz, to_at timestamptz, out first date, out next date)
language sql stable set search_path = '' as $$
  select e.first, greatest(e.first, least((whole_days.to_at at time zone 'UTC')::date, watchkeeper.rolled_up_to()))
  from (select ((whole_days.from_at + interval '1 day' - interval '1 microsecond') at time zone 'UTC')::date as first) as e
$$;

-- How often each target was looked at in the period, and how fast it answered: whole days as they were rolled up, the
-- rest as far as the single looks are still there.
create function watchkeeper.look_facts(target_ids uuid[], from_at timestamptz, to_at timestamptz)
returns table (target_id uuid, checks bigint, failures bigint, latency jsonb)
language sql stable set search_path = '' as $$
  with whole as (
    select d.first, d.next, watchkeeper.utc_midnight(d.first) as from_at, watchkeeper.utc_midnight(d.next) as to_at
    from watchkeeper.whole_days(look_facts.from_at, look_facts.to_at) as d
  ),
  days as materialized (
    select u.* from whole as w join watchkeeper.uptime_days as u on u.day >= w.first and u.day < w.next where u.target_id = any (look_facts.target_ids)
  ),
  single as materialized (
    select l.* from whole as w cross join lateral watchkeeper.looks(target_ids, look_facts.from_at, least(w.from_at, look_facts.to_at)) as l
    union all
    select l.* from whole as w cross join lateral watchkeeper.looks(target_ids, greatest(w.to_at, look_facts.from_at), look_facts.to_at) as l
  ),
  counted as (
    select c.target_id, sum(c.checks)::bigint as checks, sum(c.failures)::bigint as failures
    from (
      select d.target_id, d.checks, d.failures from days as d
      union all
      select x.target_id, 1, x.failed::integer from single as x
    ) as c
    group by c.target_id
  ),
  steps as (
    select b.target_id, b.bucket, sum(b.n) as n
    from (
      select d.target_id, e.key::integer as bucket, e.value::bigint as n from days as d cross join lateral jsonb_each_text(d.latency_buckets) as e
      union all
      select x.target_id, watchkeeper.latency_bucket(x.up_ms), 1 from single as x where x.up_ms is not null
    ) as b
    group by b.target_id, b.bucket
  ),
  ranked as (
    select s.target_id, s.bucket, sum(s.n) over (partition by s.target_id order by s.bucket) as up_to_here, sum(s.n) over (partition by s.target_id) as ups
    from steps as s
  )
  select c.target_id, c.checks, c.failures, l.latency
  from counted as c
  left join (
    select r.target_id, jsonb_build_object('p50_ms', watchkeeper.bucket_ms(min(r.bucket) filter (where r.up_to_here >= 0.5 * r.ups)),
      'p95_ms', watchkeeper.bucket_ms(min(r.bucket) filter (where r.up_to_here >= 0.95 * r.ups)),
      'p99_ms', watchkeeper.bucket_ms(min(r.bucket) filter (where r.up_to_here >= 0.99 * r.ups))) as latency
    from ranked as r group by r.target_id
  ) as l on l.target_id = c.target_id
$$;

-- {target id: what it is called, its time, its downtimes, its looks}, of those that were watched in the period.
create function watchkeeper.target_facts(target_ids uuid[], from_at timestamptz, to_at timestamptz, at timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(s.target_id, watchkeeper.time_document(a.watched_s, a.up_s, a.down_s, a.unknown_s, a.maintenance_s)
    || jsonb_build_object('name', s.name, 'chain', s.chain, 'network', s.network, 'labels', s.labels,
      'watched_from', watchkeeper.iso_utc(s.watched_from),
      'watched_until', case when s.watched_until <= target_facts.at then watchkeeper.iso_utc(s.watched_until) end,
      'downtimes', watchkeeper.downtime_list(a.downtimes), 'downtimes_count', (select count(*) from unnest(a.downtimes)),
      'checks', coalesce(l.checks, 0), 'failures', coalesce(l.failures, 0),
      'latency', coalesce(l.latency, '{"p50_ms": null, "p95_ms": null, "p99_ms": null}'))), '{}')
  from watchkeeper.availabilities(target_ids, from_at, to_at, target_facts.at) as a
  join watchkeeper.services as s on s.target_id = a.target_id
  left join watchkeeper.look_facts(target_ids, from_at, to_at) as l on l.target_id = a.target_id
  where a.watched_s > 0
$$;

-- {target id: {day: ...}} as it was rolled up.
create function watchkeeper.day_facts(first date, last date) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(t.target_id, t.days), '{}')
  from (
    select d.target_id, jsonb_object_agg(to_char(d.day, 'YYYY-MM-DD'), watchkeeper.time_document(d.watched_s, d.up_s, d.down_s, d.unknown_s, d.maintenance_s)
      || jsonb_build_object('checks', d.checks, 'failures', d.failures, 'p50_ms', trim_scale(d.p50_ms), 'p95_ms', trim_scale(d.p95_ms),
        'p99_ms', trim_scale(d.p99_ms), 'latency_buckets', encode(sha256(convert_to(d.latency_buckets::text, 'UTF8')), 'hex'))) as days
    from watchkeeper.uptime_days as d where d.day between first and last and d.watched_s > 0
    group by d.target_id
  ) as t
$$;

-- The same from the spans themselves: {target id: {day: {watched_s, ...}}}.
create function watchkeeper.span_facts(from_at timestamptz, to_at timestamptz, at timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(t.target_id, t.days), '{}')
  from (
    select p.target_id, jsonb_object_agg(to_char(p.from_at at time zone 'UTC', 'YYYY-MM-DD'),
      watchkeeper.time_document(p.watched_s, p.up_s, p.down_s, p.unknown_s, p.maintenance_s)) as days
    from watchkeeper.availability_parts(array(select s.target_id from watchkeeper.services as s), watchkeeper.utc_days(span_facts.from_at, span_facts.to_at), span_facts.at) as p
    where p.watched_s > 0
    group by p.target_id
  ) as t
$$;

-- Alerts that opened in the period, as they stood at that moment. Null: of all targets, and of none.
create function watchkeeper.alert_facts(target_ids uuid[], from_at timestamptz, to_at timestamptz, at timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(a.id, jsonb_build_object('alert_type', a.alert_type, 'source', a.source, 'target_id', a.target_id,
    'severity', coalesce(r.severity, a.severity),
    'created_at', watchkeeper.iso_utc(a.created_at),
    'acknowledged_at', case when a.acknowledged_at <= alert_facts.at then watchkeeper.iso_utc(a.acknowledged_at) end,
    'resolved_at', case when a.resolved_at <= alert_facts.at then watchkeeper.iso_utc(a.resolved_at) end,
    'told_at', watchkeeper.iso_utc(d.told_at), 'delivered_at', watchkeeper.iso_utc(d.delivered_at))), '{}')
  from public.system_alerts as a
  -- What it rose from later is what it was then.
  left join lateral (
    select (select t.severity from watchkeeper.alert_transitions as t
      where t.alert_id = a.id and t.transition in ('fired', 'escalated') and t.at <= alert_facts.at order by t.id desc limit 1) as severity
    where exists (select from watchkeeper.alert_transitions as t where t.alert_id = a.id and t.transition = 'escalated' and t.at > alert_facts.at)
  ) as r on true
  left join lateral (
    select min(x.created_at) filter (where x.created_at <= alert_facts.at) as told_at,
      min(x.settled_at) filter (where x.status = 'sent' and x.settled_at <= alert_facts.at) as delivered_at
    from watchkeeper.deliveries as x where x.alert_id = a.id and x.event = 'trigger'
  ) as d on true
  where a.created_at >= alert_facts.from_at and a.created_at < alert_facts.to_at
    and (alert_facts.target_ids is null or a.target_id = any (alert_facts.target_ids))
$$;

-- What a person changed later says what it was before.
create function watchkeeper.incident_value(incident_id uuid, kind text, value jsonb, at timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce((
    select e.details -> 'from' from watchkeeper.incident_entries as e
    where e.incident_id = incident_value.incident_id and e.kind = incident_value.kind and e.at > incident_value.at order by e.at, e.id limit 1
  ), value)
$$;

create function watchkeeper.incident_facts(from_at timestamptz, to_at timestamptz, at timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select coalesce(jsonb_object_agg(i.id, jsonb_build_object('title', i.title, 'network', i.network,
    'severity', watchkeeper.incident_value(i.id, 'severity', to_jsonb(i.severity), incident_facts.at), 'status', s.status,
    'created_at', watchkeeper.iso_utc(i.created_at),
    'resolved_at', case when s.status in ('"resolved"', '"closed"') then watchkeeper.iso_utc(i.resolved_at) end,
    'affected_systems', watchkeeper.incident_value(i.id, 'systems', to_jsonb(i.affected_systems), incident_facts.at),
    'target_ids', (
      select coalesce(jsonb_agg(distinct a.target_id), '[]') from watchkeeper.incident_alerts as l join public.system_alerts as a on a.id = l.alert_id
      where l.incident_id = i.id and l.linked_at <= incident_facts.at and a.target_id is not null
    ))), '{}')
  from public.incident_logs as i
  cross join lateral (select watchkeeper.incident_value(i.id, 'status', to_jsonb(i.status), incident_facts.at) as status) as s
  where i.created_at >= incident_facts.from_at and i.created_at < incident_facts.to_at
$$;

-- Is the incident about the group: one of its targets, or the network of one?
create function watchkeeper.concerns(incident jsonb, targets jsonb) returns boolean
language sql immutable set search_path = '' as $$
  select exists (
    select from jsonb_each(targets) as t (id, fact)
    where incident -> 'affected_systems' ? (t.fact ->> 'name') or incident -> 'target_ids' ? t.id or incident ->> 'network' = t.fact ->> 'network'
  )
$$;

-- [{day, ...}], sums over the group: of whole days as they were rolled up, the rest from the spans.
create function watchkeeper.group_days(target_ids uuid[], from_at timestamptz, to_at timestamptz, at timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with whole as (
    select w.first, w.next, watchkeeper.utc_midnight(w.first) as from_at, watchkeeper.utc_midnight(w.next) as to_at
    from watchkeeper.whole_days(group_days.from_at, least(group_days.to_at, group_days.at)) as w
  ),
  parts as (
    select d.day, d.watched_s, d.up_s, d.down_s, d.unknown_s, d.maintenance_s
    from whole as w join watchkeeper.uptime_days as d on d.day >= w.first and d.day < w.next
    where d.target_id = any (group_days.target_ids)
    union all
    select (p.from_at at time zone 'UTC')::date, p.watched_s, p.up_s, p.down_s, p.unknown_s, p.maintenance_s
    from whole as w
    cross join lateral watchkeeper.availability_parts(target_ids, array(
      select m from unnest(watchkeeper.utc_days(group_days.from_at, group_days.to_at)) as m where m <= w.from_at or m >= w.to_at order by m), group_days.at) as p
    where p.from_at < w.from_at or p.from_at >= w.to_at
  )
  select coalesce(jsonb_agg(jsonb_build_object('day', to_char(d.day, 'YYYY-MM-DD')) || d.sums order by d.day), '[]')
  from (
    select p.day, watchkeeper.time_document(sum(p.watched_s), sum(p.up_s), sum(p.down_s), sum(p.unknown_s), sum(p.maintenance_s)) as sums
    from parts as p where p.watched_s > 0 group by p.day
  ) as d
$$;

-- How it is counted, in words that are part of the report.
create function watchkeeper.sla_rules() returns jsonb
language sql immutable set search_path = '' as $$
  select watchkeeper.availability_rules() || jsonb_build_object(
    'group', 'A group is the sum of its targets. A target counts from its creation to its deletion.',
    'budget', 'The bad time that the objective allows in the time that counts: up and down, and unknown where the objective counts unknown as down.',
    'looks', 'Checks, failures and latency of whole UTC days are rolled up and kept; of a part of a day they are known as long as its single looks are.',
    'response', 'Acknowledged within 5 minutes: of the alerts that somebody acknowledged, or was told of at once and left for 5 minutes. '
      'Delivered within 30 seconds: of the alerts that somebody was told of at once. Silenced ones wait by intent.')
$$;

-- The report, of facts alone -----------------------------------------------------------------------------------

-- Version 1. A closed month is recomputed by the version it was closed with: whoever changes what these functions give
-- adds a version beside them.

create function watchkeeper.level_document(facts jsonb, objective jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select watchkeeper.time_document(n.watched_s, n.up_s, n.down_s, n.unknown_s, n.maintenance_s)
    || jsonb_build_object('measured_percent', watchkeeper.percent(n.up_s + n.down_s, n.unknown_s))
    || watchkeeper.budget_document((objective ->> 'percent')::numeric, objective ->> 'counts_unknown', n.up_s, n.down_s, n.unknown_s)
  from (
    select (facts ->> 'watched_s')::numeric as watched_s, (facts ->> 'up_s')::numeric as up_s, (facts ->> 'down_s')::numeric as down_s,
      (facts ->> 'unknown_s')::numeric as unknown_s, (facts ->> 'maintenance_s')::numeric as maintenance_s
  ) as n
$$;

create function watchkeeper.sum_document(facts jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select watchkeeper.time_document(coalesce(sum((f ->> 'watched_s')::numeric), 0), coalesce(sum((f ->> 'up_s')::numeric), 0),
    coalesce(sum((f ->> 'down_s')::numeric), 0), coalesce(sum((f ->> 'unknown_s')::numeric), 0), coalesce(sum((f ->> 'maintenance_s')::numeric), 0))
  from jsonb_path_query(facts, '$.*') as f
$$;

create function watchkeeper.seconds_between(facts jsonb, first text, second text) returns numeric
language sql stable set search_path = '' as $$
  select extract(epoch from (facts ->> second)::timestamptz - (facts ->> first)::timestamptz)
$$;

create function watchkeeper.share_document(within_name text, within bigint, of bigint) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object(within_name, within, 'of', of, 'percent', watchkeeper.percent(within, of - within))
$$;

-- `as_of`: the moment at which the facts were taken; what was not decided by then is not counted against anybody.
create function watchkeeper.alerts_document(alerts jsonb, as_of text) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('count', count(*),
    'by_severity', jsonb_build_object('info', count(*) filter (where a.severity = 'info'), 'warning', count(*) filter (where a.severity = 'warning'),
      'error', count(*) filter (where a.severity = 'error'), 'critical', count(*) filter (where a.severity = 'critical')),
    'mtta_s', trim_scale(round(avg(a.ack_s), 3)), 'mttr_s', trim_scale(round(avg(a.end_s), 3)),
    'acknowledged', watchkeeper.share_document('within_5_min', count(*) filter (where a.ack_s <= 300),
      count(*) filter (where a.ack_s is not null or (a.told_s = 0 and coalesce(a.end_s, a.age_s) > 300))),
    'delivered', watchkeeper.share_document('within_30_s', count(*) filter (where a.told_s = 0 and a.delivered_s <= 30),
      count(*) filter (where a.told_s = 0 and (a.delivered_s is not null or a.age_s > 30))))
  from (
    select f ->> 'severity' as severity, watchkeeper.seconds_between(f, 'created_at', 'acknowledged_at') as ack_s,
      watchkeeper.seconds_between(f, 'created_at', 'resolved_at') as end_s, watchkeeper.seconds_between(f, 'created_at', 'told_at') as told_s,
      watchkeeper.seconds_between(f, 'created_at', 'delivered_at') as delivered_s,
      extract(epoch from as_of::timestamptz - (f ->> 'created_at')::timestamptz) as age_s
    from jsonb_path_query(alerts, '$.*') as f
  ) as a
$$;

create function watchkeeper.incidents_document(incidents jsonb) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('count', count(*),
    'by_severity', jsonb_build_object('low', count(*) filter (where i.fact ->> 'severity' = 'low'), 'medium', count(*) filter (where i.fact ->> 'severity' = 'medium'),
      'high', count(*) filter (where i.fact ->> 'severity' = 'high'), 'critical', count(*) filter (where i.fact ->> 'severity' = 'critical')),
    'open', count(*) filter (where i.fact ->> 'status' in ('open', 'investigating')),
    'mttr_s', trim_scale(round(avg(watchkeeper.seconds_between(i.fact, 'created_at', 'resolved_at')), 3)),
    'list', coalesce(jsonb_agg(jsonb_build_object('id', i.id, 'title', i.fact -> 'title', 'severity', i.fact -> 'severity', 'status', i.fact -> 'status',
      'created_at', i.fact -> 'created_at', 'resolved_at', i.fact -> 'resolved_at') order by i.n) filter (where i.n <= 200), '[]'))
  from (
    select e.id, e.fact, row_number() over (order by e.fact ->> 'created_at', e.id) as n from jsonb_each(incidents) as e (id, fact)
  ) as i
$$;

-- {from, to, as_of, generated_at, rules, objective, targets, days, alerts, incidents} -> the report.
create function watchkeeper.sla_document(facts jsonb) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('from', facts -> 'from', 'to', facts -> 'to', 'as_of', facts -> 'as_of', 'generated_at', facts -> 'generated_at',
    'rules', facts -> 'rules', 'objective', facts -> 'objective',
    'totals', watchkeeper.level_document(watchkeeper.sum_document(facts -> 'targets'), facts -> 'objective'),
    'targets', (
      select coalesce(jsonb_agg(jsonb_build_object('target_id', t.id, 'name', t.fact -> 'name', 'network', t.fact -> 'network',
        'watched_from', t.fact -> 'watched_from', 'watched_until', t.fact -> 'watched_until', 'downtimes', t.fact -> 'downtimes',
        'downtimes_count', t.fact -> 'downtimes_count', 'latency', t.fact -> 'latency', 'checks', t.fact -> 'checks', 'failures', t.fact -> 'failures')
        || watchkeeper.level_document(t.fact, facts -> 'objective') order by t.fact ->> 'name' collate "C", t.id), '[]')
      from jsonb_each(facts -> 'targets') as t (id, fact)
    ),
    'days', facts -> 'days',
    'incidents', watchkeeper.incidents_document(facts -> 'incidents'),
    'alerts', watchkeeper.alerts_document(facts -> 'alerts', facts ->> 'generated_at'))
$$;

-- The report of any period -------------------------------------------------------------------------------------

create function watchkeeper.objective_named(argument text, name text) returns watchkeeper.objectives
language plpgsql stable security definer set search_path = '' as $$
declare
  objective watchkeeper.objectives;
begin
  if name is null then
    return watchkeeper.default_objective();
  end if;
  select o.* into objective from watchkeeper.objectives as o where o.name = objective_named.name;
  if objective.id is null then
    perform watchkeeper.not_found(argument, 'objective', name);
  end if;
  return objective;
end
$$;

create function watchkeeper.level_of(objective watchkeeper.objectives) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('name', objective.name, 'percent', objective.percent, 'counts_unknown', objective.counts_unknown)
$$;

create function watchkeeper.get_sla_report(
  from_time timestamptz, to_time timestamptz, match jsonb, objective text, at timestamptz
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  level watchkeeper.objectives;
  target_ids uuid[];
  targets jsonb;
  everything boolean;
begin
  perform watchkeeper.require_role('viewer');
  perform watchkeeper.need_period(from_time, to_time);
  perform watchkeeper.need_group('match', match);
  level := watchkeeper.objective_named('objective', objective);
  everything := match = '{}' and level.match = '{}';
  target_ids := array(select s.target_id from watchkeeper.services as s
    where watchkeeper.fits(level.match, s) and watchkeeper.fits(get_sla_report.match, s));
  targets := watchkeeper.target_facts(target_ids, from_time, to_time, at);
  return watchkeeper.sla_document(jsonb_build_object(
    'from', watchkeeper.iso_utc(from_time), 'to', watchkeeper.iso_utc(to_time), 'as_of', watchkeeper.iso_utc(least(to_time, at)),
    'generated_at', watchkeeper.iso_utc(at), 'rules', watchkeeper.sla_rules(), 'objective', watchkeeper.level_of(level), 'targets', targets,
    'days', watchkeeper.group_days(target_ids, from_time, to_time, at),
    'alerts', watchkeeper.alert_facts(case when not everything then target_ids end, from_time, to_time, at),
    'incidents', (
      select coalesce(jsonb_object_agg(i.key, i.value), '{}') from jsonb_each(watchkeeper.incident_facts(from_time, to_time, at)) as i
      where everything or watchkeeper.concerns(i.value, targets)
    )));
end
$$;

create function public.get_sla_report(from_time timestamptz, to_time timestamptz, match jsonb default '{}', objective text default null) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_sla_report(from_time, to_time, match, objective, now())';

grant execute on function
  watchkeeper.get_sla_report(timestamptz, timestamptz, jsonb, text, timestamptz), public.get_sla_report(timestamptz, timestamptz, jsonb, text)
to authenticated, service_role;
