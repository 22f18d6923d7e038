-- Reading, exporting and verifying the audit log.

create function watchkeeper.audit_document(entry watchkeeper.audit_log) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(entry) || jsonb_build_object('hash', encode(entry.hash, 'hex'), 'previous_hash', encode(entry.previous_hash, 'hex'))
$$;

-- A period that a caller gives. Where it may be open, null is from the beginning, or to the end.
create function watchkeeper.need_period(from_time timestamptz, to_time timestamptz, may_be_open boolean default false) returns void
language plpgsql stable set search_path = '' as $$
begin
  if coalesce(from_time not between '2020-01-01T00:00:00Z' and '2200-01-01T00:00:00Z', not may_be_open) then
    perform watchkeeper.refuse('from_time', 'must be a time from 2020-01-01 to 2200-01-01');
  elsif coalesce(to_time not between '2020-01-01T00:00:00Z' and '2200-01-01T00:00:00Z', not may_be_open) then
    perform watchkeeper.refuse('to_time', 'must be a time from 2020-01-01 to 2200-01-01');
  elsif to_time <= from_time or to_time > from_time + interval '10 years' then
    perform watchkeeper.refuse('to_time', 'must be after from_time and at most 10 years later');
  end if;
end
$$;

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

-- Newest first; page on with before_seq.
create function watchkeeper.list_audit_log(
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

-- A page of the log as it was written, about 8 MB at most; ask again with after_seq = next_seq until that is null.
create function watchkeeper.export_audit_log(from_time timestamptz, to_time timestamptz, after_seq bigint, max_rows integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('auditor');
  perform watchkeeper.need_period(from_time, to_time, true);
  perform watchkeeper.need_between('after_seq', after_seq, 0, 9e18);
  perform watchkeeper.need_between('max_rows', max_rows, 1, 5000);
  return (
    with wanted as (
      select l as entry, l.seq, octet_length(concat(l.before::text, l.after::text)) as bytes
      from watchkeeper.audit_log as l
      where l.seq > after_seq and (from_time is null or l.at >= from_time) and (to_time is null or l.at < to_time)
      order by l.seq limit max_rows + 1
    ),
    page as (
      select c.entry, c.seq from (
        select w.*, row_number() over up as n, sum(w.bytes) over up - w.bytes as bytes_before from wanted as w window up as (order by w.seq)
      ) as c
      where c.n <= max_rows and c.bytes_before < 8000000
    )
    select jsonb_build_object('rows', coalesce(jsonb_agg(watchkeeper.audit_document(p.entry) order by p.seq), '[]'),
      'next_seq', case when count(*) < (select count(*) from wanted) then max(p.seq) end)
    from page as p
  );
end
$$;

create function watchkeeper.audit_head() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('auditor');
  return (select jsonb_build_object('seq', h.seq, 'hash', encode(h.hash, 'hex'), 'at', h.at) from watchkeeper.audit_head as h);
end
$$;

-- What is wrong with the rows from `begins` to `ends`. A row that still is what its own hash says proves what hash the
-- row before it had.
create function watchkeeper.broken_links(begins bigint, ends bigint) returns table (seq bigint, reason text)
language sql stable security definer set search_path = '' as $$
  select w.seq, w.reason
  from (
    select l.seq, l.previous_hash, l.hash = watchkeeper.audit_hash(l) as whole, coalesce(lag(l.seq) over w, begins - 1) as prior_seq,
      coalesce(lag(l.hash) over w, case when l.seq = 1 then decode(repeat('00', 32), 'hex') else l.previous_hash end) as prior_hash
    from watchkeeper.audit_log as l where l.seq between begins and ends window w as (order by l.seq)
  ) as e
  cross join lateral (values
    (e.prior_seq + 1, 'it is missing', e.seq > e.prior_seq + 1),
    (e.seq, 'its content is not what its hash says', not e.whole),
    (greatest(e.prior_seq, 1), format('it was rewritten: row %s was chained to another hash', e.seq), e.whole and e.seq = e.prior_seq + 1 and e.previous_hash <> e.prior_hash)
  ) as w (seq, reason, is_wrong)
  where w.is_wrong
$$;

-- Which of these heads ([{seq, hash}]) the log does not have.
create function watchkeeper.broken_heads(heads jsonb) returns table (seq bigint, reason text)
language sql stable security definer set search_path = '' as $$
  select least(h.seq, coalesce((select max(e.seq) from watchkeeper.audit_log as e), 0) + 1),
    case when l.seq is null then format('it is missing: the log once reached row %s', h.seq) else 'it was rewritten: its hash was noted, and was another' end
  from (select (x ->> 'seq')::numeric::bigint as seq, x ->> 'hash' as hash from jsonb_array_elements(heads) as x) as h
  left join watchkeeper.audit_log as l on l.seq = h.seq
  where h.seq > 0 and h.hash is distinct from encode(l.hash, 'hex')
$$;

-- Is each row what its hash says, and chained to the one before? `expected` are heads noted outside earlier
-- ([{seq, hash}]): only they can tell of an end that was cut off, or of a chain that was made anew as a whole.
-- Returns the first row that is broken; with max_rows, `next_seq` says where to go on.
create function watchkeeper.verify_audit_log(from_seq bigint, expected jsonb, max_rows integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  head watchkeeper.audit_head;
  begins bigint;
  ends bigint;
  broken jsonb;
begin
  perform watchkeeper.require_role('auditor');
  select h.* into head from watchkeeper.audit_head as h;
  perform watchkeeper.need_between('from_seq', from_seq, 1, head.seq + 1);
  if max_rows is not null then
    perform watchkeeper.need_between('max_rows', max_rows, 1, 1000000);
  end if;
  if expected is not null then
    perform watchkeeper.need_list('expected', expected, 1000, 1000000);
    perform watchkeeper.need_fit('expected', expected, '{"type": "array", "items": {"type": "object", "additionalProperties": false,
      "required": ["seq", "hash"], "properties": {"seq": {"type": "integer", "minimum": 0, "maximum": 1000000000000000000},
      "hash": {"type": "string", "pattern": "^[0-9a-f]{64}$"}, "at": {"type": ["string", "null"]}}}}');
  end if;
  -- One row more, to hang the first one on.
  begins := greatest(from_seq - 1, 1);
  ends := coalesce(from_seq + max_rows - 1, 9000000000000000000);
  select to_jsonb(problem) into broken
  from (
    select * from watchkeeper.broken_links(begins, ends)
    union all
    select * from watchkeeper.broken_heads(coalesce(expected, '[]') || jsonb_build_object('seq', head.seq, 'hash', encode(head.hash, 'hex')))
  ) as problem
  order by problem.seq limit 1;
  return jsonb_build_object('ok', broken is null, 'first_broken', broken,
    'rows', (select count(*) from watchkeeper.audit_log as l where l.seq between from_seq and ends),
    'head', watchkeeper.audit_head(), 'next_seq', case when ends < head.seq then ends + 1 end);
end
$$;

create function public.list_audit_log(
  table_name text default null, actor text default null, row_key text default null, from_time timestamptz default null,
  to_time timestamptz default null, before_seq bigint default null, max_rows integer default 50
) returns jsonb
language sql stable set search_path = ''
as 'select watchkeeper.list_audit_log(table_name, actor, row_key, from_time, to_time, before_seq, max_rows)';
create function public.export_audit_log(
  from_time timestamptz default null, to_time timestamptz default null, after_seq bigint default 0, max_rows integer default 1000
) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.export_audit_log(from_time, to_time, after_seq, max_rows)';
create function public.audit_head() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.audit_head()';
create function public.verify_audit_log(from_seq bigint default 1, expected jsonb default null, max_rows integer default null) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.verify_audit_log(from_seq, expected, max_rows)';

grant execute on function
  watchkeeper.list_audit_log(text, text, text, timestamptz, timestamptz, bigint, integer),
  public.list_audit_log(text, text, text, timestamptz, timestamptz, bigint, integer),
  watchkeeper.export_audit_log(timestamptz, timestamptz, bigint, integer), public.export_audit_log(timestamptz, timestamptz, bigint, integer),
  watchkeeper.audit_head(), public.audit_head(),
  watchkeeper.verify_audit_log(bigint, jsonb, integer), public.verify_audit_log(bigint, jsonb, integer)
to authenticated, service_role;
