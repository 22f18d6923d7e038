-- The alert state machine: pending -> firing -> resolved.
--
-- A fingerprint is target + alert type. Several checks of one target may report the same fingerprint (each finds
-- the node unreachable): each keeps its own counters in rule_states, the first that crosses its threshold opens the
-- alert, and it resolves when none of them fires any more: who reported it takes it back.
-- All of it runs in the transaction that records the result, with the target's row locked.

create table public.system_alerts (
  id uuid primary key default gen_random_uuid(),
  alert_type text not null check (length(alert_type) between 1 and 60),
  severity text not null check (severity in ('info', 'warning', 'error', 'critical')),
  message text not null check (length(message) between 1 and 2000),
  source text not null check (length(source) between 1 and 100),
  acknowledged boolean not null default false,
  -- Not a foreign key: removing a user must stay possible, and who acknowledged must stay readable.
  acknowledged_by uuid,
  acknowledged_by_email text,
  acknowledged_at timestamptz,
  metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
  created_at timestamptz not null default now(),
  fingerprint text not null,
  target_id uuid,
  status text not null default 'firing' check (status in ('firing', 'resolved')),
  occurrences integer not null default 1 check (occurrences > 0),
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  resolved_at timestamptz,
  resolved_by uuid,
  -- Who resolved it by hand stays readable, too.
  resolved_by_email text,
  resolution text check (length(resolution) <= 2000),
  -- the slot and the moment of the evidence that opened it
  due_at timestamptz,
  observed_at timestamptz,
  -- when its channels were chosen; null while it is held back, and why
  routed_at timestamptz,
  held_by text check (length(held_by) <= 200),
  correlation_id text default watchkeeper.correlation_id() check (length(correlation_id) <= 100),
  check (acknowledged = (acknowledged_at is not null and acknowledged_by is not null)),
  check ((status = 'resolved') = (resolved_at is not null)),
  check (first_seen_at <= last_seen_at)
);
alter table public.system_alerts enable row level security;
grant select on public.system_alerts to authenticated, service_role;
create policy "members read alerts" on public.system_alerts
  for select to authenticated using ((select watchkeeper.has_role('viewer')));
create unique index system_alerts_one_firing on public.system_alerts (fingerprint) where status = 'firing';
create index system_alerts_newest on public.system_alerts (created_at desc, id desc);
create index system_alerts_of_target on public.system_alerts (target_id, created_at desc);

create index system_alerts_of_fingerprint on public.system_alerts (fingerprint, created_at desc);
create index system_alerts_held on public.system_alerts (created_at) where status = 'firing' and routed_at is null;

create table watchkeeper.rule_states (
  check_id uuid not null references watchkeeper.checks (id) on delete cascade,
  alert_type text not null,
  state text not null default 'clear' check (state in ('clear', 'pending', 'firing')),
  severity text not null,
  failures integer not null default 0 check (failures >= 0),
  successes integer not null default 0 check (successes >= 0),
  first_breach_at timestamptz,
  primary key (check_id, alert_type)
);
alter table watchkeeper.rule_states enable row level security;

-- What happened to each alert, in order.
create table watchkeeper.alert_transitions (
  id bigint generated always as identity primary key,
  alert_id uuid not null references public.system_alerts (id) on delete cascade,
  transition text not null check (transition in ('fired', 'escalated', 'acknowledged', 'resolved')),
  severity text not null,
  at timestamptz not null
);
alter table watchkeeper.alert_transitions enable row level security;
create index alert_transitions_of_alert on watchkeeper.alert_transitions (alert_id, id);

-- The one place every transition passes. Returns what the caller reports.
create function watchkeeper.note_transition(alert public.system_alerts, transition text, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  insert into watchkeeper.alert_transitions (alert_id, transition, severity, at) values (alert.id, transition, alert.severity, at);
  if transition = 'fired' then
    perform watchkeeper.note_flapping(alert, at);
    perform watchkeeper.route_alert(alert, at);
  elsif transition = 'escalated' then
    perform watchkeeper.route_alert(alert, at);
  else
    delete from watchkeeper.ladders as l where l.alert_id = alert.id;
    perform watchkeeper.tell_the_told(alert, case transition when 'acknowledged' then 'acknowledge' else 'resolve' end, transition, at);
  end if;
  return jsonb_build_object('alert_id', alert.id, 'target', alert.source, 'alert_type', alert.alert_type,
    'severity', alert.severity, 'transition', transition);
end
$$;

-- Opens the alert of a fingerprint, or joins the one already firing. Returns the transition, null if there was none.
create function watchkeeper.raise_alert(
  fingerprint text, target_id uuid, source text, alert_type text, severity text, message text, metadata jsonb,
  occurrences integer, first_seen_at timestamptz, at timestamptz
) returns jsonb
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_column
declare
  alert public.system_alerts;
  was text;
begin
  insert into public.system_alerts as a
    (fingerprint, target_id, source, alert_type, severity, message, metadata, occurrences, first_seen_at, last_seen_at, created_at)
  values (fingerprint, target_id, source, alert_type, severity, left(message, 2000), metadata, occurrences,
    least(first_seen_at, at), at, at)
  on conflict (fingerprint) where status = 'firing' do nothing
  returning a.* into alert;
  if alert.id is not null then
    return watchkeeper.note_transition(alert, 'fired', at);
  end if;

  select a.severity into was from public.system_alerts as a
  where a.fingerprint = raise_alert.fingerprint and a.status = 'firing' for no key update;
  update public.system_alerts as a
  set occurrences = a.occurrences + raise_alert.occurrences,
    first_seen_at = least(a.first_seen_at, raise_alert.first_seen_at),
    last_seen_at = greatest(a.last_seen_at, at),
    message = case when watchkeeper.severity_rank(raise_alert.severity) >= watchkeeper.severity_rank(was)
      then left(raise_alert.message, 2000) else a.message end,
    severity = case when watchkeeper.severity_rank(raise_alert.severity) > watchkeeper.severity_rank(was)
      then raise_alert.severity else was end
  where a.fingerprint = raise_alert.fingerprint and a.status = 'firing'
  returning a.* into alert;
  if alert.severity <> was then
    return watchkeeper.note_transition(alert, 'escalated', at);
  end if;
  return null;
end
$$;

create function watchkeeper.close_alert(fingerprint text, resolution text, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  alert public.system_alerts;
begin
  update public.system_alerts as a
  set status = 'resolved', resolved_at = greatest(at, a.created_at), resolved_by = watchkeeper.caller_id(),
    resolved_by_email = (select u.email from auth.users as u where u.id = watchkeeper.caller_id()),
    resolution = left(close_alert.resolution, 2000)
  where a.fingerprint = close_alert.fingerprint and a.status = 'firing'
  returning a.* into alert;
  return case when alert.id is not null then watchkeeper.note_transition(alert, 'resolved', at) end;
end
$$;

create function watchkeeper.fingerprint(target_id uuid, alert_type text) returns text
language sql immutable set search_path = '' as $$
  select target_id || ':' || alert_type
$$;

-- Resolves the target's alerts that no rule reports any more. `flapping` is reported by none and ends by itself.
create function watchkeeper.close_orphaned_alerts(target_id uuid, resolution text, at timestamptz) returns jsonb
language sql security definer set search_path = '' as $$
  select coalesce(jsonb_agg(watchkeeper.close_alert(a.fingerprint, close_orphaned_alerts.resolution, at)), '[]')
  from public.system_alerts as a
  where a.target_id = close_orphaned_alerts.target_id
    and a.status = 'firing'
    and a.alert_type <> 'flapping'
    and not exists (
      select from watchkeeper.rule_states as r join watchkeeper.checks as c on c.id = r.check_id
      where c.target_id = a.target_id and r.alert_type = a.alert_type and r.state = 'firing'
    )
$$;

-- One piece of evidence about one rule: {alert_type, state: breach | clear | unknown, severity, message,
-- failure_threshold, success_threshold}. `unknown` is no evidence: it neither opens nor closes.
create function watchkeeper.apply_finding(
  target watchkeeper.targets, check_row watchkeeper.checks, finding jsonb, observed_at timestamptz, at timestamptz
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  rule watchkeeper.rule_states;
  breach boolean := finding ->> 'state' = 'breach';
  was text;
begin
  if finding ->> 'state' = 'unknown' then
    return null;
  end if;
  insert into watchkeeper.rule_states as r (check_id, alert_type, severity)
  values (check_row.id, finding ->> 'alert_type', finding ->> 'severity')
  on conflict (check_id, alert_type) do update set severity = excluded.severity
  returning r.* into rule;
  was := rule.state;

  if breach then
    rule.first_breach_at := case when rule.failures = 0 and was <> 'firing' then observed_at else rule.first_breach_at end;
    rule.failures := rule.failures + 1;
    rule.successes := 0;
    rule.state := case when was = 'firing' or rule.failures >= coalesce((finding ->> 'failure_threshold')::numeric, 1)
      then 'firing' else 'pending' end;
  else
    rule.failures := 0;
    rule.successes := least(rule.successes + 1, 1000000);
    rule.state := case when was = 'firing' and rule.successes < coalesce((finding ->> 'success_threshold')::numeric, 1)
      then 'firing' else 'clear' end;
  end if;
  update watchkeeper.rule_states as r
  set state = rule.state, failures = rule.failures, successes = rule.successes, first_breach_at = rule.first_breach_at
  where r.check_id = rule.check_id and r.alert_type = rule.alert_type;

  if breach and rule.state = 'firing' then
    return watchkeeper.raise_alert(
      watchkeeper.fingerprint(target.id, rule.alert_type), target.id, target.name, rule.alert_type,
      finding ->> 'severity', finding ->> 'message',
      jsonb_build_object('chain', target.chain, 'network', target.network, 'labels', target.labels, 'kind', check_row.kind),
      case when was = 'firing' then 1 else rule.failures end, rule.first_breach_at, at);
  elsif was = 'firing' and rule.state = 'clear' and not exists (
    select from watchkeeper.rule_states as r join watchkeeper.checks as c on c.id = r.check_id
    where c.target_id = target.id and r.alert_type = rule.alert_type and r.state = 'firing'
  ) then
    return watchkeeper.close_alert(watchkeeper.fingerprint(target.id, rule.alert_type), 'recovered', at);
  end if;
  return null;
end
$$;

-- Being blind for n runs is an alert of its own, and the first known outcome ends it.
create function watchkeeper.blind_finding(outcome text, reason text, threshold integer) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('alert_type', 'blind', 'severity', 'error', 'failure_threshold', threshold, 'success_threshold', 1,
    'state', case outcome when 'unknown' then 'breach' else 'clear' end,
    'message', format('blind: %s intervals without an answer we could judge: %s', threshold, coalesce(reason, 'no reason given')))
$$;

-- RPCs ----------------------------------------------------------------------------------------------------------

create function watchkeeper.alert_document(alert public.system_alerts) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(alert) - 'fingerprint' || jsonb_build_object('target', case when alert.target_id is not null then alert.source end)
$$;

-- `before` alone pages by time; alerts of one call share it, so `before_id` names the last one seen of that moment.
create function watchkeeper.list_alerts(
  status text, severity text, target_id uuid, before timestamptz, max_rows integer, before_id uuid
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  if status is not null then
    perform watchkeeper.need_one_of('status', status, array['firing', 'resolved']);
  end if;
  if severity is not null then
    perform watchkeeper.need_one_of('severity', severity, array['info', 'warning', 'error', 'critical']);
  end if;
  perform watchkeeper.need_between('max_rows', max_rows, 1, 200);
  if before_id is not null and before is null then
    perform watchkeeper.refuse('before_id', 'needs before');
  end if;
  return (
    select coalesce(jsonb_agg(watchkeeper.alert_document(a) order by a.created_at desc, a.id desc), '[]')
    from (
      select found.* from public.system_alerts as found
      where (list_alerts.status is null or found.status = list_alerts.status)
        and (list_alerts.severity is null or found.severity = list_alerts.severity)
        and (list_alerts.target_id is null or found.target_id = list_alerts.target_id)
        and (before is null or found.created_at < before or (found.created_at = before and found.id < before_id))
      order by found.created_at desc, found.id desc
      limit max_rows
    ) as a
  );
end
$$;

create function watchkeeper.alert_of(alert_id uuid) returns public.system_alerts
language plpgsql security definer set search_path = '' as $$
declare
  alert public.system_alerts;
begin
  select a.* into alert from public.system_alerts as a where a.id = alert_of.alert_id for no key update;
  if alert.id is null then
    raise sqlstate 'PT404' using message = format('alert_id: no alert %s', coalesce(alert_id::text, 'null'));
  end if;
  return alert;
end
$$;

-- Once, by the caller, at the database's time, never again.
create function watchkeeper.acknowledge_alert(alert_id uuid, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  alert public.system_alerts;
begin
  perform watchkeeper.require_role('responder');
  if watchkeeper.caller_id() is null then
    raise insufficient_privilege using message = 'only a signed-in person can acknowledge an alert';
  end if;
  alert := watchkeeper.alert_of(alert_id);
  if alert.acknowledged then
    raise sqlstate 'PT409' using message = format('alert_id: already acknowledged by %s at %s',
      coalesce(alert.acknowledged_by_email, alert.acknowledged_by::text), alert.acknowledged_at);
  end if;
  update public.system_alerts as a
  set acknowledged = true, acknowledged_by = watchkeeper.caller_id(), acknowledged_at = at,
    acknowledged_by_email = (select u.email from auth.users as u where u.id = watchkeeper.caller_id())
  where a.id = alert.id
  returning a.* into alert;
  perform watchkeeper.note_transition(alert, 'acknowledged', at);
  return watchkeeper.alert_document(alert);
end
$$;

-- By hand; if the trouble is still there, the next evidence opens a new alert at its threshold.
create function watchkeeper.resolve_alert(alert_id uuid, note text, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  alert public.system_alerts;
begin
  perform watchkeeper.require_role('responder');
  if note is not null then
    perform watchkeeper.need_text('note', note, 2000);
  end if;
  -- The target first, then its alert: the order in which recording locks them.
  perform from watchkeeper.targets as t
  where t.id = (select a.target_id from public.system_alerts as a where a.id = resolve_alert.alert_id) for no key update;
  alert := watchkeeper.alert_of(alert_id);
  if alert.status = 'resolved' then
    raise sqlstate 'PT409' using message = format('alert_id: already resolved at %s', alert.resolved_at);
  end if;
  update watchkeeper.rule_states as r
  set state = 'clear', failures = 0, successes = 0
  from watchkeeper.checks as c
  where c.id = r.check_id and c.target_id = alert.target_id and r.alert_type = alert.alert_type;
  perform watchkeeper.close_alert(alert.fingerprint, coalesce(note, 'resolved by hand'), at);
  return watchkeeper.alert_document(watchkeeper.alert_of(alert_id));
end
$$;

create function watchkeeper.record_system_metric(
  metric_name_param text, metric_value_param numeric, metric_unit_param text, severity_param text, metadata_param jsonb, at timestamptz
) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  metric_id uuid;
  fingerprint text := 'metric:' || metric_name_param;
begin
  perform watchkeeper.require_recorder();
  perform watchkeeper.need_text('metric_name_param', metric_name_param, 100);
  perform watchkeeper.need_finite('metric_value_param', metric_value_param);
  if metric_unit_param is not null then
    perform watchkeeper.need_text('metric_unit_param', metric_unit_param, 40);
  end if;
  perform watchkeeper.need_one_of('severity_param', severity_param, array['info', 'warning', 'critical']);
  perform watchkeeper.need_json('metadata_param', metadata_param, 'object', 10000);

  insert into public.system_health_metrics (metric_name, metric_value, metric_unit, severity, metadata, recorded_at)
  values (metric_name_param, metric_value_param, metric_unit_param, severity_param, metadata_param, at)
  returning id into metric_id;
  perform watchkeeper.keep_latest_value(null, metric_name_param, metric_value_param, metric_unit_param, severity_param, at);
  if severity_param = 'critical' then
    perform watchkeeper.raise_alert(fingerprint, null, metric_name_param, 'critical_metric', 'critical',
      format('%s = %s', metric_name_param, concat_ws(' ', metric_value_param, metric_unit_param)),
      -- Under a key of its own: what a tool sends must not choose labels, and with them routes and silences.
      jsonb_build_object('kind', 'metric', 'given', metadata_param), 1, at, at);
  else
    perform watchkeeper.close_alert(fingerprint, 'recovered', at);
  end if;
  return metric_id;
end
$$;

create function public.list_alerts(
  status text default null, severity text default null, target_id uuid default null,
  before timestamptz default null, max_rows integer default 50, before_id uuid default null
) returns jsonb
language sql stable set search_path = ''
as 'select watchkeeper.list_alerts(status, severity, target_id, before, max_rows, before_id)';

create function public.acknowledge_alert(alert_id uuid) returns jsonb
language sql set search_path = '' as 'select watchkeeper.acknowledge_alert(alert_id, now())';

create function public.resolve_alert(alert_id uuid, note text default null) returns jsonb
language sql set search_path = '' as 'select watchkeeper.resolve_alert(alert_id, note, now())';

create function public.record_system_metric(
  metric_name_param text, metric_value_param numeric, metric_unit_param text default null,
  severity_param text default 'info', metadata_param jsonb default '{}'
) returns uuid
language sql set search_path = ''
as 'select watchkeeper.record_system_metric(metric_name_param, metric_value_param, metric_unit_param, severity_param, metadata_param, now())';

grant execute on function
  watchkeeper.list_alerts(text, text, uuid, timestamptz, integer, uuid), public.list_alerts(text, text, uuid, timestamptz, integer, uuid),
  watchkeeper.acknowledge_alert(uuid, timestamptz), public.acknowledge_alert(uuid),
  watchkeeper.resolve_alert(uuid, text, timestamptz), public.resolve_alert(uuid, text)
to authenticated, service_role;
grant execute on function
  watchkeeper.record_system_metric(text, numeric, text, text, jsonb, timestamptz),
  public.record_system_metric(text, numeric, text, text, jsonb)
to authenticated, service_role, watchkeeper_ingest;
