-- The compliance report: who had access, what was changed, what went wrong and how fast people were, and a checklist
-- that is filled from what the database itself shows now.

-- Who had which role when, as the audit log tells it. Who became a member before there was a log has no entry.
create function watchkeeper.access_periods() returns table (email text, role text, since timestamptz, until timestamptz)
language sql stable set search_path = '' as $$
  with entries as (
    select coalesce(l.after, l.before) ->> 'user_id' as user_id, l.before, l.after, l.at, row_number() over of_person as nth, lead(l.at) over of_person as next_at
    from watchkeeper.audit_log as l where l.table_name = 'members'
    window of_person as (partition by coalesce(l.after, l.before) ->> 'user_id' order by l.seq)
  )
  select e.before ->> 'email', e.before ->> 'role', null::timestamptz, e.at from entries as e where e.nth = 1 and e.before is not null
  union all
  select e.after ->> 'email', e.after ->> 'role', e.at, e.next_at from entries as e where e.after is not null
  union all
  select m.email, m.role, m.granted_at, null from watchkeeper.members as m
  where not exists (select from entries as e where e.user_id = m.user_id::text)
$$;

create function watchkeeper.access_document(from_time timestamptz, to_time timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object(
    'members', (
      select coalesce(jsonb_agg(jsonb_build_object('email', m.email, 'role', m.role, 'granted_at', watchkeeper.iso_utc(m.granted_at)) order by m.email), '[]')
      from watchkeeper.members as m
    ),
    'had_access', (
      select coalesce(jsonb_agg(jsonb_build_object('email', p.email, 'role', p.role, 'since', watchkeeper.iso_utc(p.since), 'until', watchkeeper.iso_utc(p.until))
        order by p.email, p.since nulls first), '[]')
      from watchkeeper.access_periods() as p
      where coalesce(p.since < to_time, true) and coalesce(p.until > from_time, true)
    ),
    -- `until` it expires, or was revoked before that. Their rows stay, so nothing has to be found in the log.
    'api_tokens', (
      select coalesce(jsonb_agg(jsonb_build_object('name', t.name, 'role', replace(t.role, 'watchkeeper_', ''), 'created_by', t.created_by,
        'since', watchkeeper.iso_utc(t.created_at), 'until', watchkeeper.iso_utc(least(t.expires_at, t.revoked_at)),
        'revoked_at', watchkeeper.iso_utc(t.revoked_at), 'last_used_at', watchkeeper.iso_utc(t.last_used_at)) order by t.name, t.created_at), '[]')
      from watchkeeper.api_tokens as t
      where t.created_at < to_time and least(t.expires_at, t.revoked_at) > from_time
    ),
    'access', (
      select coalesce(jsonb_agg(jsonb_build_object('at', watchkeeper.iso_utc(l.at), 'actor', l.actor, 'action',
        case l.action when 'insert' then 'granted' when 'delete' then 'revoked' else 'changed' end,
        'member', l.row_key, 'role', coalesce(l.after, l.before) ->> 'role') order by l.seq), '[]')
      from watchkeeper.audit_log as l where l.table_name = 'members' and l.at >= from_time and l.at < to_time
    ))
$$;

create function watchkeeper.changes_document(from_time timestamptz, to_time timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  with changes as (
    select l.table_name, l.actor, l.action from watchkeeper.audit_log as l where l.at >= from_time and l.at < to_time
  )
  select jsonb_build_object('count', (select count(*) from changes),
    'by_table', (
      select coalesce(jsonb_agg(to_jsonb(t) order by t.table_name), '[]')
      from (
        select c.table_name, count(*) filter (where c.action = 'insert') as insert, count(*) filter (where c.action = 'update') as update,
          count(*) filter (where c.action = 'delete') as delete
        from changes as c group by c.table_name
      ) as t
    ),
    'by_actor', (
      select coalesce(jsonb_agg(to_jsonb(a) order by a.changes desc, a.actor), '[]')
      from (select c.actor, count(*) as changes from changes as c group by c.actor) as a
    ))
$$;

-- Controls ------------------------------------------------------------------------------------------------------

create function watchkeeper.control(name text, holds boolean, evidence text) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('control', name, 'status', case holds when true then 'ok' when false then 'failed' else 'unknown' end, 'evidence', evidence)
$$;

create function watchkeeper.access_controls() returns setof jsonb
language sql stable set search_path = '' as $$
  select watchkeeper.control('Row-level security covers every table', count(*) filter (where not c.relrowsecurity) = 0,
    format('%s of %s tables', count(*) filter (where c.relrowsecurity), count(*))
    || coalesce('; not ' || string_agg(c.oid::regclass::text, ', ' order by c.oid::regclass::text) filter (where not c.relrowsecurity), ''))
  from pg_class as c where c.relnamespace in ('public'::regnamespace, 'watchkeeper'::regnamespace) and c.relkind in ('r', 'p')
  union all
  select watchkeeper.control('Nothing of the API runs with more rights than its caller has', count(*) = 0, case when count(*) = 0
    then 'no security definer function in public is executable by anon or authenticated'
    else 'security definer: ' || string_agg(p.oid::regprocedure::text, ', ' order by p.oid::regprocedure::text) end)
  from pg_proc as p
  where p.pronamespace = 'public'::regnamespace and p.prosecdef
    and (has_function_privilege('anon', p.oid, 'execute') or has_function_privilege('authenticated', p.oid, 'execute'))
$$;

-- The newest rows only, so that the report does not take longer each year.
create function watchkeeper.audit_controls() returns setof jsonb
language plpgsql stable set search_path = '' as $$
declare
  most constant integer := 100000;
  head watchkeeper.audit_head := (select h from watchkeeper.audit_head as h);
  first_seq bigint := greatest(1, head.seq - most + 1);
  verdict jsonb := watchkeeper.verify_audit_log(first_seq, null, null);
begin
  return next watchkeeper.control('The audit log is whole', (verdict ->> 'ok')::boolean, case
    when not (verdict ->> 'ok')::boolean then format('row %s: %s', verdict #>> '{first_broken,seq}', verdict #>> '{first_broken,reason}')
    else format('rows %s to %s, head %s', first_seq, head.seq, encode(head.hash, 'hex')) end);
  return query
    select watchkeeper.control('Every change of settings is audited', count(*) filter (where t.tgenabled <> 'O') = 0,
      format('triggers on %s tables', count(*) filter (where t.tgenabled = 'O'))
      || coalesce('; switched off on ' || string_agg(t.tgrelid::regclass::text, ', ' order by t.tgrelid::regclass::text) filter (where t.tgenabled <> 'O'), ''))
    from pg_trigger as t where t.tgfoid = 'watchkeeper.audit'::regproc;
end
$$;

-- Of the months that lie in the period, twelve at most.
create function watchkeeper.close_control(from_time timestamptz, to_time timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select watchkeeper.control('Closed months are as they were closed', bool_and((v.verdict ->> 'ok')::boolean), case when count(*) = 0
    then 'no month of this period is closed'
    else string_agg(format('%s %s', v.verdict ->> 'month', case when (v.verdict ->> 'ok')::boolean then 'equal'
      else 'differs at ' || (v.verdict #>> '{problems,0,where}') end), ', ' order by v.verdict ->> 'month') end)
  from (
    select watchkeeper.verify_sla_close(c.id) as verdict
    from watchkeeper.sla_closes as c
    where watchkeeper.utc_midnight(c.month) < to_time and watchkeeper.utc_midnight((c.month + interval '1 month')::date) > from_time
    order by c.month desc limit 12
  ) as v
$$;

-- A backup that reports is a heartbeat, so whether it is late is known already.
create function watchkeeper.backup_control(at timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select watchkeeper.control('Backups are recent', case when bool_or(not b.holds) then false when bool_and(b.holds is true) then true end, coalesce(string_agg(b.evidence, ', ' order by b.name),
    'no job tells of its backups: let it report to a heartbeat that has the label backup: "true"'))
  from (
    select h.name,
      case when h.paused or h.last_event is null then null
        else h.last_event <> 'fail' and h.due_at + make_interval(secs => h.grace_s) >= at end as holds,
      h.name || case when h.paused then ' is paused' when h.last_event is null then ' has never reported'
        else format(': %s at %s', h.last_event, watchkeeper.iso_utc(h.last_event_at)) end as evidence
    from watchkeeper.heartbeats as h where h.labels ->> 'backup' = 'true'
  ) as b
$$;

create function watchkeeper.alerting_controls(at timestamptz) returns setof jsonb
language sql stable set search_path = '' as $$
  select watchkeeper.control('Every firing alert reaches somebody', (d ->> 'unrouted')::integer = 0, format('%s reach nobody', d ->> 'unrouted'))
  from watchkeeper.deliveries_summary(at) as d
  union all
  select watchkeeper.control('Alerts that nobody acknowledges escalate', count(*) > 0,
    coalesce('routes with an escalation: ' || string_agg(r.name, ', ' order by r.name), 'no route has an escalation'))
  from watchkeeper.routes as r where r.enabled and r.escalation_id is not null
  union all
  select watchkeeper.control('Checks are scheduled', m.last_tick_at >= at - interval '5 minutes',
    coalesce('last tick at ' || watchkeeper.iso_utc(m.last_tick_at), 'no tick yet'))
  from watchkeeper.monitor as m
  union all
  select watchkeeper.control('Notifications go out', case when (d ->> 'overdue')::integer > 0 then false when m.last_delivery_at is not null then true end,
    coalesce('last delivery at ' || watchkeeper.iso_utc(m.last_delivery_at), 'nothing was delivered yet') || format(', %s overdue', d ->> 'overdue'))
  from watchkeeper.monitor as m cross join watchkeeper.deliveries_summary(at) as d
$$;

create function watchkeeper.get_compliance_report(from_time timestamptz, to_time timestamptz, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('auditor');
  perform watchkeeper.need_period(from_time, to_time);
  return jsonb_build_object('from', watchkeeper.iso_utc(from_time), 'to', watchkeeper.iso_utc(to_time), 'generated_at', watchkeeper.iso_utc(at),
    'changes', watchkeeper.changes_document(from_time, to_time),
    'incidents', watchkeeper.incidents_document(watchkeeper.incident_facts(from_time, to_time, at)),
    'alerts', watchkeeper.alerts_document(watchkeeper.alert_facts(null, from_time, to_time, at), watchkeeper.iso_utc(at)),
    'controls', (
      select jsonb_agg(c.control order by c.n) from (
        select a.control, 1 as n from watchkeeper.access_controls() as a (control)
        union all select a.control, 2 from watchkeeper.audit_controls() as a (control)
        union all select watchkeeper.close_control(from_time, to_time), 3
        union all select a.control, 4 from watchkeeper.alerting_controls(at) as a (control)
        union all select watchkeeper.backup_control(at), 5
      ) as c
    )) || watchkeeper.access_document(from_time, to_time);
end
$$;

create function public.get_compliance_report(from_time timestamptz, to_time timestamptz) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_compliance_report(from_time, to_time, now())';

grant execute on function
  watchkeeper.get_compliance_report(timestamptz, timestamptz, timestamptz), public.get_compliance_report(timestamptz, timestamptz)
to authenticated, service_role;
