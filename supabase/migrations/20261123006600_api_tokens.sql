-- Tokens of external tools: each is registered by its `jti`, ends by itself, and can be revoked alone.
--
-- A token is a JWT for one of the two roles of tools, signed by whoever has the project's JWT secret or signing key; it is
-- not kept here, and cannot be read anywhere again. Until now a token without a jti would have been served: nothing of
-- Watchkeeper ever made one. One that somebody signed by hand stops working with this migration, and is to be made anew.

create table watchkeeper.api_tokens (
  -- the token's jti
  id uuid primary key default gen_random_uuid(),
  name text not null,
  role text not null check (role in ('watchkeeper_ingest', 'watchkeeper_metrics')),
  created_by text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  -- by the minute; null for watchkeeper_metrics, whose only RPC runs in a transaction that may not write
  last_used_at timestamptz
);
alter table watchkeeper.api_tokens enable row level security;
-- A name is free again when its token is revoked.
create unique index api_tokens_name on watchkeeper.api_tokens (name) where revoked_at is null;
-- Being used is no change.
create trigger audit after insert or delete or update of name, role, expires_at, revoked_at on watchkeeper.api_tokens
  for each row execute function watchkeeper.audit('last_used_at');

-- The check -----------------------------------------------------------------------------------------------------

create function watchkeeper.caller_jti() returns text
language sql stable set search_path = '' as $$
  select coalesce(nullif(current_setting('request.jwt.claim.jti', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'jti')
$$;

-- Whether the caller is this tool; with a token that does not hold it is refused here. Against the clock, and not the
-- moment that the work is about: nobody may choose a moment at which an old token still held.
create function watchkeeper.is_tool(wanted text) returns boolean
language plpgsql stable security definer set search_path = '' as $$
declare
  token watchkeeper.api_tokens;
  problem text;
begin
  if watchkeeper.caller_role() <> wanted then
    return false;
  end if;
  select t.* into token from watchkeeper.api_tokens as t where t.id::text = watchkeeper.caller_jti() and t.role = wanted;
  problem := case
    when watchkeeper.caller_jti() is null then 'has no jti'
    when token.id is null then 'is not registered for ' || wanted
    when token.revoked_at is not null then 'was revoked at ' || watchkeeper.utc_text(token.revoked_at)
    when token.expires_at <= now() then 'expired at ' || watchkeeper.utc_text(token.expires_at)
  end;
  if problem is not null then
    raise insufficient_privilege using
      message = format('this token %s', problem),
      hint = format('an admin makes a new one with: watchkeeper tokens create NAME --role %s', replace(wanted, 'watchkeeper_', ''));
  end if;
  return true;
end
$$;

-- The same, for what writes: notes that the token was used. Who finds the row taken leaves that to the other.
create function watchkeeper.use_token(wanted text) returns boolean
language plpgsql security definer set search_path = '' as $$
begin
  if not watchkeeper.is_tool(wanted) then
    return false;
  end if;
  update watchkeeper.api_tokens as t set last_used_at = now()
  where t.id = (
    select u.id from watchkeeper.api_tokens as u
    where u.id::text = watchkeeper.caller_jti() and coalesce(u.last_used_at < now() - interval '1 minute', true)
    for no key update skip locked
  );
  return true;
end
$$;

-- All that tools may call asks one of the two. From here on each is as it was but for that.

create or replace function watchkeeper.require_recorder() returns void
language plpgsql volatile set search_path = '' as $$
begin
  if not watchkeeper.use_token('watchkeeper_ingest') then
    perform watchkeeper.require_role('admin');
  end if;
end
$$;

create or replace function watchkeeper.record_system_metric(
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

create or replace function watchkeeper.record_heartbeat(token text, event text, body text, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  heartbeat watchkeeper.heartbeats;
begin
  perform watchkeeper.use_token('watchkeeper_ingest');
  perform watchkeeper.need_text('token', token, 200);
  perform watchkeeper.need_one_of('event', event, array['success', 'start', 'fail']);
  select h.* into heartbeat from watchkeeper.heartbeats as h
  where h.token_hash = sha256(convert_to(record_heartbeat.token, 'UTF8')) for no key update;
  if heartbeat.id is null then
    raise sqlstate 'PT404' using message = 'token: no heartbeat has this token';
  end if;
  update watchkeeper.heartbeats as h
  set last_event = record_heartbeat.event, last_event_at = at, last_body = left(body, 10000),
    started_at = case event when 'start' then at end,
    last_duration_s = case when event <> 'start' and h.started_at is not null then extract(epoch from at - h.started_at) else h.last_duration_s end,
    due_at = case event when 'start' then h.due_at else watchkeeper.next_beat(h, at) end
  where h.id = heartbeat.id
  returning h.* into heartbeat;
  if heartbeat.paused then
    null;
  elsif event = 'success' then
    perform watchkeeper.close_alert('heartbeat:' || heartbeat.id, 'it is back', at);
  elsif event = 'fail' then
    perform watchkeeper.heartbeat_alert(heartbeat, format('%s reported failure: %s', heartbeat.name,
      coalesce(nullif(left(btrim(body), 500), ''), 'no details given')), at);
  end if;
  return jsonb_build_object('heartbeat', heartbeat.name, 'due_at', heartbeat.due_at);
end
$$;

create or replace function watchkeeper.health_summary(at timestamptz) returns jsonb
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

-- Making and revoking ---------------------------------------------------------------------------------------------

create function watchkeeper.create_api_token(name text, role text, expires_in_days integer, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  token watchkeeper.api_tokens;
begin
  perform watchkeeper.require_role('admin');
  perform watchkeeper.need_text('name', name, 100);
  perform watchkeeper.need_one_of('role', role, array['watchkeeper_ingest', 'watchkeeper_metrics']);
  perform watchkeeper.need_between('expires_in_days', expires_in_days, 1, 3650);
  insert into watchkeeper.api_tokens as t (name, role, created_by, created_at, expires_at)
  values (create_api_token.name, create_api_token.role, watchkeeper.actor_name(), at, at + make_interval(days => expires_in_days))
  on conflict do nothing
  returning t.* into token;
  if token.id is null then
    raise sqlstate 'PT409' using
      message = 'name: there is a token of this name',
      hint = 'revoke it first with: watchkeeper tokens revoke NAME';
  end if;
  -- What is to be signed; nobody else needs the jti.
  return jsonb_build_object('jti', token.id, 'name', token.name, 'role', token.role, 'created_at', token.created_at,
    'expires_at', token.expires_at);
end
$$;

-- The row stays: who had a token is part of who had access.
create function watchkeeper.revoke_api_token(name text, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  perform watchkeeper.need_text('name', name, 100);
  update watchkeeper.api_tokens as t set revoked_at = at where t.name = revoke_api_token.name and t.revoked_at is null;
  if not found then
    raise sqlstate 'PT404' using message = 'name: there is no such token, or it is revoked already';
  end if;
end
$$;

create function watchkeeper.list_api_tokens(at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  return (
    select coalesce(jsonb_agg(to_jsonb(t) || jsonb_build_object('status',
      case when t.revoked_at is not null then 'revoked' when t.expires_at <= at then 'expired' else 'active' end)
      order by t.revoked_at desc nulls first, t.name), '[]')
    from watchkeeper.api_tokens as t
  );
end
$$;

create function public.create_api_token(name text, role text, expires_in_days integer default 90) returns jsonb
language sql set search_path = '' as 'select watchkeeper.create_api_token(name, role, expires_in_days, now())';
create function public.revoke_api_token(name text) returns void
language sql set search_path = '' as 'select watchkeeper.revoke_api_token(name, now())';
create function public.list_api_tokens() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.list_api_tokens(now())';

grant execute on function
  watchkeeper.create_api_token(text, text, integer, timestamptz), public.create_api_token(text, text, integer),
  watchkeeper.revoke_api_token(text, timestamptz), public.revoke_api_token(text),
  watchkeeper.list_api_tokens(timestamptz), public.list_api_tokens()
to authenticated, service_role;
