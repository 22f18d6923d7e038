-- Months that are closed, so that their service levels can be proven later.
--
-- A closed month keeps its inputs (what the tables said at that moment), the report made of them and nothing else, and
-- a hash of both that covers the month before. So it outlives retention, renamed and deleted targets and objectives
-- that change; and whatever is changed behind its back is found, and named.

-- Append-only.
create table watchkeeper.sla_closes (
  month date primary key check (extract(day from month) = 1),
  -- what the audit log knows it by: 2026-10
  id text not null unique generated always as (extract(year from month) || '-' || lpad(extract(month from month)::text, 2, '0')) stored,
  inputs jsonb not null,
  inputs_hash bytea not null,
  report jsonb not null,
  -- of the month before; empty for the first
  previous_hash bytea not null,
  hash bytea not null,
  closed_at timestamptz not null
);
alter table watchkeeper.sla_closes enable row level security;

create function watchkeeper.keep_closes() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise insufficient_privilege using message = 'a closed month is never changed';
end
$$;
create trigger keep_closes before update or delete on watchkeeper.sla_closes for each row execute function watchkeeper.keep_closes();
create trigger keep_all_closes before truncate on watchkeeper.sla_closes for each statement execute function watchkeeper.keep_closes();
-- The audit log's head is kept outside of this database, and with it each month's hash.
create trigger audit after insert on watchkeeper.sla_closes for each row execute function watchkeeper.audit('inputs', 'report');

-- The newest closed month: without it, a removed last month would not be missed.
create table watchkeeper.sla_close_head (
  only_row boolean primary key default true check (only_row),
  month date not null,
  hash bytea not null
);
alter table watchkeeper.sla_close_head enable row level security;

-- Closing months -----------------------------------------------------------------------------------------------

-- The end of the newest closed month: what lies before is never written again.
create function watchkeeper.open_since() returns timestamptz
language sql stable security definer set search_path = '' as $$
  select coalesce((select watchkeeper.utc_midnight((h.month + interval '1 month')::date) from watchkeeper.sla_close_head as h), '-infinity')
$$;

create function watchkeeper.close_inputs(month date, closed_at timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('version', 1, 'rules', watchkeeper.sla_rules(), 'from', watchkeeper.iso_utc(p.from_at), 'to', watchkeeper.iso_utc(p.to_at), 'closed_at', watchkeeper.iso_utc(close_inputs.closed_at),
    'targets', watchkeeper.target_facts(array(select s.target_id from watchkeeper.services as s), p.from_at, p.to_at, close_inputs.closed_at),
    'uptime_days', watchkeeper.day_facts(p.first, p.last),
    'alerts', watchkeeper.alert_facts(null, p.from_at, p.to_at, close_inputs.closed_at),
    'incidents', watchkeeper.incident_facts(p.from_at, p.to_at, close_inputs.closed_at))
  from (
    select m.first, m.last, watchkeeper.utc_midnight(m.first) as from_at, watchkeeper.utc_midnight(m.last + 1) as to_at
    from (select close_inputs.month as first, (close_inputs.month + interval '1 month')::date - 1 as last) as m
  ) as p
$$;

-- Objectives may change later, so what they were, and who was in their group, are inputs too. The first is for all.
create function watchkeeper.closing_objectives(targets jsonb) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_agg(watchkeeper.level_of(o) || jsonb_build_object('match', o.match, 'targets', (
    select coalesce(jsonb_agg(s.target_id order by s.target_id), '[]') from watchkeeper.services as s
    where targets ? s.target_id::text and watchkeeper.fits(o.match, s)
  )) order by o.name collate "C" nulls first)
  from (select d.* from watchkeeper.default_objective() as d union all select x.* from watchkeeper.objectives as x) as o
$$;

-- The report of one objective's group, of the month's inputs alone.
create function watchkeeper.closed_report(inputs jsonb, objective jsonb) returns jsonb
language sql stable set search_path = '' as $$
  with targets as materialized (
    select coalesce(jsonb_object_agg(t.key, t.value), '{}') as facts from jsonb_each(inputs -> 'targets') as t where objective -> 'targets' ? t.key
  )
  select watchkeeper.sla_document(jsonb_build_object(
    'from', inputs -> 'from', 'to', inputs -> 'to', 'as_of', inputs -> 'to', 'generated_at', inputs -> 'closed_at', 'rules', inputs -> 'rules',
    'objective', objective - 'targets' - 'match', 'targets', g.facts,
    'days', (
      select coalesce(jsonb_agg(jsonb_build_object('day', d.day) || d.sums order by d.day), '[]')
      from (
        select e.day, watchkeeper.sum_document(jsonb_object_agg(t.id, e.fact)) as sums
        from jsonb_each(inputs -> 'uptime_days') as t (id, days) cross join lateral jsonb_each(t.days) as e (day, fact)
        where objective -> 'targets' ? t.id
        group by e.day
      ) as d
    ),
    'alerts', (
      select coalesce(jsonb_object_agg(a.key, a.value), '{}') from jsonb_each(inputs -> 'alerts') as a
      where objective -> 'match' = '{}' or objective -> 'targets' ? (a.value ->> 'target_id')
    ),
    'incidents', (
      select coalesce(jsonb_object_agg(i.key, i.value), '{}') from jsonb_each(inputs -> 'incidents') as i
      where objective -> 'match' = '{}' or watchkeeper.concerns(i.value, g.facts)
    )))
  from targets as g
$$;

-- {all: report, objectives: [report]}
create function watchkeeper.closed_reports(inputs jsonb) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('all', watchkeeper.closed_report(inputs, inputs #> '{objectives,0}'),
    'objectives', (
      select coalesce(jsonb_agg(watchkeeper.closed_report(inputs, o.objective) order by o.n), '[]')
      from jsonb_array_elements(inputs -> 'objectives') with ordinality as o (objective, n) where o.n > 1
    ))
$$;

create function watchkeeper.inputs_hash(inputs jsonb) returns bytea
language sql immutable set search_path = '' as $$
  select sha256(convert_to(inputs::text, 'UTF8'))
$$;

create function watchkeeper.close_hash(previous_hash bytea, inputs_hash bytea, report jsonb) returns bytea
language sql immutable set search_path = '' as $$
  select sha256(previous_hash || inputs_hash || convert_to(report::text, 'UTF8'))
$$;

create function watchkeeper.month_text(month date) returns text
language sql immutable set search_path = '' as $$
  select to_char(month, 'YYYY-MM')
$$;

create function watchkeeper.close_month(month date, at timestamptz) returns watchkeeper.sla_closes
language plpgsql set search_path = '' as $$
#variable_conflict use_column
declare
  inputs jsonb := watchkeeper.close_inputs(month, at);
  closed watchkeeper.sla_closes;
begin
  inputs := inputs || jsonb_build_object('objectives', watchkeeper.closing_objectives(inputs -> 'targets'));
  closed.month := close_month.month;
  closed.inputs := inputs;
  closed.inputs_hash := watchkeeper.inputs_hash(inputs);
  closed.report := watchkeeper.closed_reports(inputs);
  closed.previous_hash := coalesce((select h.hash from watchkeeper.sla_close_head as h), '');
  closed.hash := watchkeeper.close_hash(closed.previous_hash, closed.inputs_hash, closed.report);
  closed.closed_at := at;
  insert into watchkeeper.sla_closes (month, inputs, inputs_hash, report, previous_hash, hash, closed_at)
  values (closed.month, closed.inputs, closed.inputs_hash, closed.report, closed.previous_hash, closed.hash, closed.closed_at);
  insert into watchkeeper.sla_close_head (month, hash) values (closed.month, closed.hash)
  on conflict (only_row) do update set month = excluded.month, hash = excluded.hash;
  return closed;
end
$$;

-- The first month in which something was watched, then one after the other, none left out.
create function watchkeeper.next_month_to_close() returns date
language sql stable set search_path = '' as $$
  select coalesce(
    (select (h.month + interval '1 month')::date from watchkeeper.sla_close_head as h),
    (select date_trunc('month', min(s.watched_from) at time zone 'UTC')::date from watchkeeper.services as s))
$$;

-- Why the month cannot be closed yet, null if it can.
create function watchkeeper.reason_not_to_close(month date, at timestamptz) returns text
language sql stable set search_path = '' as $$
  select case
    when month is null then 'nothing was ever watched'
    when at < watchkeeper.utc_midnight(p.next) + interval '24 hours' then 'it has not been over for 24 hours'
    when watchkeeper.rolled_up_to() < p.next then 'rolled up are only the days before ' || to_char(watchkeeper.rolled_up_to(), 'YYYY-MM-DD')
  end
  from (select (month + interval '1 month')::date as next) as p
$$;

-- Closes what can be closed, oldest first: {closed: [{month, hash}], next, reason}.
create function watchkeeper.close_months(at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  closed jsonb := '[]';
  month date;
  one watchkeeper.sla_closes;
begin
  perform pg_advisory_xact_lock(hashtext('watchkeeper.close_months'));
  month := watchkeeper.next_month_to_close();
  while watchkeeper.reason_not_to_close(month, at) is null loop
    one := watchkeeper.close_month(month, at);
    closed := closed || jsonb_build_object('month', watchkeeper.month_text(month), 'hash', encode(one.hash, 'hex'));
    month := watchkeeper.next_month_to_close();
  end loop;
  return jsonb_build_object('closed', closed, 'next', watchkeeper.month_text(month), 'reason', watchkeeper.reason_not_to_close(month, at));
end
$$;

-- Reading closed months ----------------------------------------------------------------------------------------

create function watchkeeper.close_line(closed watchkeeper.sla_closes) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('month', watchkeeper.month_text(closed.month), 'closed_at', watchkeeper.iso_utc(closed.closed_at),
    'hash', encode(closed.hash, 'hex'), 'previous_hash', encode(closed.previous_hash, 'hex'), 'inputs_hash', encode(closed.inputs_hash, 'hex'))
$$;

create function watchkeeper.level_line(report jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_object('objective', report -> 'objective', 'targets', jsonb_array_length(report -> 'targets'),
    'availability_percent', report #> '{totals,availability_percent}', 'down_s', report #> '{totals,down_s}', 'unknown_s', report #> '{totals,unknown_s}',
    'met', report #> '{totals,met}', 'incidents', report #> '{incidents,count}', 'alerts', report #> '{alerts,count}')
$$;

-- What the audit log has of the closing, if it has it.
create function watchkeeper.audited_close(month text, out hash bytea)
language sql stable set search_path = '' as $$
  select decode(substr(a.after ->> 'hash', 3), 'hex') from watchkeeper.audit_log as a
  where a.table_name = 'sla_closes' and a.row_key = audited_close.month and a.action = 'insert' order by a.seq limit 1
$$;

-- Every month that was closed, also those that are not there any more: the audit log has them, or the newest one was
-- later.
create function watchkeeper.months_closed() returns table (month date)
language sql stable set search_path = '' as $$
  select c.month from watchkeeper.sla_closes as c
  union
  select (a.row_key || '-01')::date from watchkeeper.audit_log as a where a.table_name = 'sla_closes' and a.action = 'insert'
  union
  select m::date
  from watchkeeper.sla_close_head as h
  cross join lateral generate_series(least(
    (select min(c.month) from watchkeeper.sla_closes as c),
    (select date_trunc('month', min(s.watched_from) at time zone 'UTC')::date from watchkeeper.services as s), h.month
  )::timestamp, h.month::timestamp, interval '1 month') as m
$$;

-- Newest first; what was closed and is not there any more is `missing`.
create function watchkeeper.list_sla_closes() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return (
    select coalesce(jsonb_agg(case
      when c.month is null then jsonb_build_object('month', watchkeeper.month_text(m.month), 'missing', true)
      else watchkeeper.close_line(c) || watchkeeper.level_line(c.report -> 'all') || jsonb_build_object('missing', false, 'objectives', (
        select coalesce(jsonb_agg(watchkeeper.level_line(o.report) order by o.n), '[]')
        from jsonb_array_elements(c.report -> 'objectives') with ordinality as o (report, n)
      )) end order by m.month desc), '[]')
    from watchkeeper.months_closed() as m left join watchkeeper.sla_closes as c on c.month = m.month
  );
end
$$;

create function watchkeeper.need_month(month text) returns date
language plpgsql immutable set search_path = '' as $$
begin
  if month is null or month !~ '^20[2-9]\d-(0[1-9]|1[0-2])$' then
    perform watchkeeper.refuse('month', format('must be a month such as 2026-10 (is %s)', coalesce(quote_literal(left(month, 40)), 'null')));
  end if;
  return (month || '-01')::date;
end
$$;

create function watchkeeper.get_sla_close(month text) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  closed watchkeeper.sla_closes;
begin
  perform watchkeeper.require_role('viewer');
  select c.* into closed from watchkeeper.sla_closes as c where c.month = watchkeeper.need_month(get_sla_close.month);
  if closed.month is null then
    raise sqlstate 'PT404' using message = format('month: %s is not closed', month);
  end if;
  return watchkeeper.close_line(closed) || jsonb_build_object('inputs', closed.inputs, 'report', closed.report);
end
$$;

create function public.close_months() returns jsonb
language sql set search_path = '' as 'select watchkeeper.close_months(now())';
create function public.list_sla_closes() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.list_sla_closes()';
create function public.get_sla_close(month text) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_sla_close(month)';

grant execute on function
  watchkeeper.list_sla_closes(), public.list_sla_closes(),
  watchkeeper.get_sla_close(text), public.get_sla_close(text)
to authenticated, service_role;
grant execute on function watchkeeper.close_months(timestamptz), public.close_months() to service_role;
