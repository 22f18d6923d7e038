-- What was looked at stays counted when another check speaks for its target; who asks the audit log about a table of which
-- it keeps nothing is told so; and each shift begins once, also in the night in which an hour comes twice.

-- Looks of a check that speaks no more ---------------------------------------------------------------------------------

-- Two checks may have looked at one moment of the grid. Rows from before have no name of their check. They are few, those
-- of deleted targets of the last days, so that the lock of the new key is a moment.
alter table watchkeeper.last_looks add column kind text not null default '';
-- squawk-ignore ban-drop-constraint
alter table watchkeeper.last_looks drop constraint last_looks_pkey;
-- squawk-ignore constraint-missing-not-valid, adding-serial-primary-key-field
alter table watchkeeper.last_looks add primary key (target_id, at, kind);

-- Since a target's checks were saved for the first time with 005000, it is known which one speaks and since when. What
-- was counted before stays counted.
insert into watchkeeper.last_looks (target_id, at, failed, up_ms, kind)
select r.target_id, r.at, r.failed, r.up_ms, s.speaker
from watchkeeper.services as s
cross join watchkeeper.run_looks(array[s.target_id],
  least(watchkeeper.utc_midnight(watchkeeper.rolled_up_to()), now() - interval '24 hours'), 'infinity') as r
join watchkeeper.checks as c on c.target_id = s.target_id and c.kind = s.speaker
join watchkeeper.runs as seen on seen.check_id = c.id and seen.due_at = r.at
where s.watched_until is null and seen.finished_at < s.speaks_since
on conflict do nothing;

-- Of the check that speaks, since it does.
create or replace function watchkeeper.run_looks(target_ids uuid[], from_at timestamptz, to_at timestamptz)
returns table (target_id uuid, at timestamptz, failed boolean, up_ms numeric)
language sql stable set search_path = '' as $$
  select s.target_id, r.due_at, r.outcome = 'fail', case when r.outcome = 'ok' then 1000 * extract(epoch from r.finished_at - r.started_at) end
  from watchkeeper.services as s
  join watchkeeper.checks as c on c.target_id = s.target_id and c.kind = s.speaker
  join watchkeeper.runs as r on r.check_id = c.id
  where s.target_id = any (target_ids) and s.speaker <> 'uptime' and r.finished_at >= s.speaks_since
    and r.due_at >= run_looks.from_at and r.due_at < run_looks.to_at and r.outcome is not null and not r.missed
$$;

-- The page shows the last 24 hours look by look, and days that are not rolled up.
create function watchkeeper.keep_looks(target_id uuid, at timestamptz) returns void
language sql security definer set search_path = '' as $$
  insert into watchkeeper.last_looks (target_id, at, failed, up_ms, kind)
  select r.target_id, r.at, r.failed, r.up_ms, s.speaker
  from watchkeeper.services as s
  cross join watchkeeper.run_looks(array[s.target_id],
    least(watchkeeper.utc_midnight(watchkeeper.rolled_up_to()), keep_looks.at - interval '24 hours'), keep_looks.at) as r
  where s.target_id = keep_looks.target_id
  on conflict do nothing
$$;

create or replace function watchkeeper.drop_target(target_id uuid, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.target_of(target_id);
  perform watchkeeper.end_availability(target_id, at);
  update watchkeeper.services as s set watched_until = greatest(s.watched_from, at) where s.target_id = drop_target.target_id;
  perform watchkeeper.keep_looks(target_id, at);
  delete from watchkeeper.checks as c where c.target_id = drop_target.target_id;
  perform watchkeeper.close_orphaned_alerts(target_id, 'the target was deleted', at);
  delete from watchkeeper.targets as t where t.id = drop_target.target_id;
end
$$;

create or replace function watchkeeper.save_checks(target_id uuid, checks jsonb, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_column
declare
  spoke text := (select s.speaker from watchkeeper.services as s where s.target_id = save_checks.target_id);
  speaks text;
begin
  if not checks ? spoke then
    perform watchkeeper.keep_looks(save_checks.target_id, at);  -- its runs go with it
  end if;
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
  if speaks is distinct from spoke then
    perform watchkeeper.keep_looks(save_checks.target_id, at);
    update watchkeeper.services as s set speaker = speaks, speaks_since = at where s.target_id = save_checks.target_id;
  end if;
  if speaks is null then
    perform watchkeeper.end_availability(save_checks.target_id, at);
  end if;
end
$$;

-- The audit log by table -----------------------------------------------------------------------------------------------

-- "No changes" would be an answer about a table, and there may be none of that name.
create function watchkeeper.need_audited(argument text, value text) returns void
language plpgsql stable set search_path = '' as $$
begin
  if not exists (select from watchkeeper.audit_log as l where l.table_name = value) then
    perform watchkeeper.need_one_of(argument, value, array(
      select distinct c.relname::text
      from pg_catalog.pg_trigger as t join pg_catalog.pg_class as c on c.oid = t.tgrelid
      where t.tgfoid = 'watchkeeper.audit()'::regprocedure
      order by 1
    ));
  end if;
end
$$;

create or replace function watchkeeper.list_audit_log(
  table_name text, actor text, row_key text, from_time timestamptz, to_time timestamptz, before_seq bigint, max_rows integer
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('auditor');
  perform watchkeeper.need_text(given.argument, given.value, 400)
  from (values ('table_name', table_name), ('actor', actor), ('row_key', row_key)) as given (argument, value) where given.value is not null;
  if table_name is not null then
    perform watchkeeper.need_audited('table_name', table_name);
  end if;
  perform watchkeeper.need_period(from_time, to_time, true);
  if before_seq is not null then
    perform watchkeeper.need_between('before_seq', before_seq, 1, 9e18);
  end if;
  perform watchkeeper.need_between('max_rows', max_rows, 1, 200);
  return (
    select coalesce(jsonb_agg(watchkeeper.audit_document(e) order by e.seq desc), '[]')
    from (
      select l.* from watchkeeper.audit_log as l
      where (list_audit_log.table_name is null or l.table_name = list_audit_log.table_name)
        and (list_audit_log.actor is null or l.actor = list_audit_log.actor)
        and (list_audit_log.row_key is null or l.row_key = list_audit_log.row_key)
        and (from_time is null or l.at >= from_time) and (to_time is null or l.at < to_time)
        and (before_seq is null or l.seq < before_seq)
      order by l.seq desc limit max_rows
    ) as e
  );
end
$$;

-- Hand-overs -----------------------------------------------------------------------------------------------------------

-- The moment at which the nth shift begins, at its local hour on the days the clocks change, too.
create function watchkeeper.handover(rotation watchkeeper.rotations, shift integer) returns timestamptz
language sql stable set search_path = '' as $$
  select (rotation.starts_at + make_interval(days => shift * rotation.shift_days)) at time zone rotation.time_zone
$$;

create or replace function watchkeeper.on_call(rotation watchkeeper.rotations, at timestamptz) returns text
language sql stable set search_path = '' as $$
  select coalesce(
    (
      select o.person from watchkeeper.rotation_overrides as o
      where o.rotation_id = rotation.id and o.starts_at <= at and at < o.ends_at
      order by o.starts_at desc limit 1
    ),
    (
      select rotation.people[1 + mod(mod(n.shift, cardinality(rotation.people)) + cardinality(rotation.people), cardinality(rotation.people))]
      from (
        select floor(extract(epoch from (at at time zone rotation.time_zone) - rotation.starts_at) / (rotation.shift_days * 86400))::integer as near
      ) as s
      -- Local time goes back once a year, and nobody is on call again for half an hour because of it.
      cross join lateral (
        select case when watchkeeper.handover(rotation, s.near) > at then s.near - 1
          when watchkeeper.handover(rotation, s.near + 1) <= at then s.near + 1 else s.near end as shift
      ) as n
    )
  )
$$;
