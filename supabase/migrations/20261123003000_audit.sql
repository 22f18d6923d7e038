-- The audit log: who changed what and when, each row chained to the one before by its hash.
--
-- A trigger writes what changed to audit_pending, in the transaction of the change; at its commit a deferred trigger
-- chains the lot. So the one lock that all changes share is taken last, and for as short as can be: nobody who holds it
-- waits for anything else.

create table watchkeeper.audit_log (
  -- 1, 2, 3 … without gaps
  seq bigint primary key check (seq > 0),
  -- when it was chained, never earlier than the row before: what was exported up to a moment stays all there is
  at timestamptz not null,
  -- Not a foreign key: removing a user must stay possible, and who it was must stay readable.
  actor_id uuid,
  actor text not null,
  action text not null check (action in ('insert', 'update', 'delete')),
  table_name text not null,
  row_key text not null,
  before jsonb,
  after jsonb,
  hash bytea not null check (length(hash) = 32),
  previous_hash bytea not null check (length(previous_hash) = 32),
  check ((action <> 'insert') = (before is not null) and (action <> 'delete') = (after is not null))
);
alter table watchkeeper.audit_log enable row level security;
create index audit_log_at on watchkeeper.audit_log (at, seq);
create index audit_log_of_row on watchkeeper.audit_log (table_name, row_key, seq);
create index audit_log_of_actor on watchkeeper.audit_log (actor, seq);

-- The end of the chain. Its row lock is what changes wait for.
create table watchkeeper.audit_head (
  only_row boolean primary key default true check (only_row),
  seq bigint not null,
  hash bytea not null check (length(hash) = 32),
  at timestamptz
);
alter table watchkeeper.audit_head enable row level security;
insert into watchkeeper.audit_head (seq, hash) values (0, decode(repeat('00', 32), 'hex'));

-- Empty outside of transactions.
create table watchkeeper.audit_pending (
  id bigint generated always as identity primary key,
  actor_id uuid,
  actor text not null,
  table_name text not null,
  row_id text not null,
  row_key text not null,
  before jsonb,
  after jsonb,
  -- digests of the documents before redaction: a changed secret is a change
  was bytea,
  becomes bytea
);
alter table watchkeeper.audit_pending enable row level security;

-- Secrets -------------------------------------------------------------------------------------------------------

-- As functions/watchkeeper/redact.py: without userinfo, query values, fragment and path parts that look like a key.
create function watchkeeper.redact_url(url text) returns text
language sql immutable set search_path = '' as $$
  select p[1] || p[2] || coalesce((
    select string_agg(case when part ~ '^(?=.*[0-9])[A-Za-z0-9_~.=-]{16,}$|^[A-Za-z0-9_-]{24,}$' then '***' else part end, '/' order by n)
    from unnest(string_to_array(p[3], '/')) with ordinality as s (part, n)
  ), '') || coalesce(regexp_replace(p[4], '([?&][^=&]*)=[^&]*', '\1=***', 'g'), '')
  from regexp_match(url, '^([A-Za-z][A-Za-z0-9+.-]*://)(?:[^/?#]*@)?([^/?#]*)([^?#]*)(\?[^#]*)?') as p
$$;

create function watchkeeper.redact_text(words text) returns text
language plpgsql immutable set search_path = '' as $$
declare
  url text;
begin
  if words ~ '://' then
    for url in
      select distinct m[1] from regexp_matches(words, '([A-Za-z][A-Za-z0-9+.-]*://[^\s"''<>]+)', 'g') as m order by 1 desc
    loop
      words := replace(words, url, watchkeeper.redact_url(url));
    end loop;
  end if;
  return words;
end
$$;

-- What is under a key that names a secret is hidden; a reference says where a secret is kept, and may be seen.
create function watchkeeper.redact(document jsonb, hidden boolean default false, depth integer default 0) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  secret constant text := '(secret|token|passw|passphrase|api[_-]?key|authorization|credential|private[_-]?key|cookie)';
begin
  if document is null or (not hidden and document::text !~* (secret || '|://')) then
    return document;
  elsif depth = 100 then
    return '"***"';
  end if;
  case jsonb_typeof(document)
    when 'object' then
      return (select coalesce(jsonb_object_agg(e.key, watchkeeper.redact(e.value, hidden or e.key ~* secret, depth + 1)), '{}') from jsonb_each(document) as e);
    when 'array' then
      return (select coalesce(jsonb_agg(watchkeeper.redact(e.item, hidden, depth + 1) order by e.n), '[]')
        from jsonb_array_elements(document) with ordinality as e (item, n));
    when 'string' then
      return case when not hidden then to_jsonb(watchkeeper.redact_text(document #>> '{}'))
        when document #>> '{}' ~ '^(env|ssm|secretsmanager):' then document else '"***"' end;
    when 'number' then
      return case when hidden then '"***"' else document end;
    else
      return document;
  end case;
end
$$;

-- Who and what ---------------------------------------------------------------------------------------------------

-- Is one of these functions of ours (a pattern of names) running? A setting could be forged, the stack cannot.
create function watchkeeper.called_from(names text) returns boolean
language plpgsql volatile set search_path = '' as $$
declare
  stack text;
begin
  get diagnostics stack = pg_context;
  return stack ~ format('\mwatchkeeper\.(%s)\(', names);
end
$$;

create function watchkeeper.actor_name() returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  person uuid := watchkeeper.caller_id();
begin
  if person is not null then
    return coalesce((select u.email from auth.users as u where u.id = person), person::text);
  elsif watchkeeper.called_from('sweep|tend_\w+|claim_due_checks|record_check_results|close_months') then
    return 'watchkeeper';
  end if;
  return case when watchkeeper.is_operator() then 'operator' else watchkeeper.caller_role() end;
end
$$;

-- An id, or the ids that the row ties together.
create function watchkeeper.row_id(document jsonb) returns text
language sql immutable set search_path = '' as $$
  select coalesce(document ->> 'id', (select string_agg(e.value, '/' order by e.key) from jsonb_each_text(document) as e where e.key like '%\_id'), 'only')
$$;

-- What people call the row.
create function watchkeeper.row_key(table_name text, document jsonb) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  name text;
begin
  case table_name
    when 'members' then
      name := document ->> 'email';
    when 'checks' then
      name := (select t.name || '/' || (document ->> 'kind') from watchkeeper.targets as t where t.id = (document ->> 'target_id')::uuid);
    when 'dependencies' then
      name := (select t.name || '/' || p.name from watchkeeper.targets as t, watchkeeper.targets as p
        where t.id = (document ->> 'target_id')::uuid and p.id = (document ->> 'parent_id')::uuid);
    when 'route_channels' then
      name := (select r.name || '/' || c.name from watchkeeper.routes as r, watchkeeper.channels as c
        where r.id = (document ->> 'route_id')::uuid and c.id = (document ->> 'channel_id')::uuid);
    when 'rotation_overrides' then
      name := (select r.name from watchkeeper.rotations as r where r.id = (document ->> 'rotation_id')::uuid);
    else
      name := document ->> 'name';
  end case;
  return coalesce(name, watchkeeper.row_id(document));
end
$$;

-- create trigger audit after insert or update or delete on T for each row execute function watchkeeper.audit(COLUMN, …)
--
-- The arguments are columns to leave out: what the machine moves by itself, such as updated_at. A change of nothing else
-- is no change. A row is known by its column `id`, else by all its columns that end in `_id`, else it is the only one of
-- its table; it is listed by its `name`, else by that id. Where the machine updates often, name the columns that people
-- change (`update of a, b`), so that the trigger does not even fire. Within a transaction only a row's state before and
-- after counts.
create function watchkeeper.audit() returns trigger
language plpgsql security definer set search_path = '' set timezone = 'UTC' as $$
declare
  left_out constant text[] := coalesce(tg_argv, '{}') || array['only_row'];
  was constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) - left_out end;
  becomes constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) - left_out end;
  entry watchkeeper.audit_pending;
begin
  if was is not distinct from becomes then
    return null;
  end if;
  -- One by one: within a transaction, what an assignment calls is planned once, what an insert calls each time.
  entry.actor_id := watchkeeper.caller_id();
  entry.actor := watchkeeper.actor_name();
  entry.row_id := watchkeeper.row_id(coalesce(becomes, was));
  entry.row_key := watchkeeper.row_key(tg_table_name, coalesce(becomes, was));
  entry.before := watchkeeper.redact(was);
  entry.after := watchkeeper.redact(becomes);
  insert into watchkeeper.audit_pending (actor_id, actor, table_name, row_id, row_key, before, after, was, becomes)
  values (entry.actor_id, entry.actor, tg_table_name, entry.row_id, entry.row_key, entry.before, entry.after,
    sha256(convert_to(was::text, 'UTF8')), sha256(convert_to(becomes::text, 'UTF8')));
  return null;
end
$$;

-- The chain -----------------------------------------------------------------------------------------------------

-- All of a row but its own hash, as text that depends on no setting of the session.
create function watchkeeper.audit_hash(entry watchkeeper.audit_log) returns bytea
language sql stable set search_path = '' as $$
  select sha256(entry.previous_hash || convert_to(jsonb_build_object('seq', entry.seq,
    'at', to_char(entry.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'actor_id', entry.actor_id, 'actor', entry.actor,
    'action', entry.action, 'table_name', entry.table_name, 'row_key', entry.row_key, 'before', entry.before, 'after', entry.after)::text, 'UTF8'))
$$;

-- The first one of a transaction takes all that is pending; a row that was changed more than once is one entry, and one
-- that is as it was is none.
create function watchkeeper.chain_audit() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  head watchkeeper.audit_head;
  entry watchkeeper.audit_log;
begin
  if not exists (select from watchkeeper.audit_pending as p where p.id = new.id) then
    return null;
  end if;
  select h.* into head from watchkeeper.audit_head as h for update;
  for entry in
    with taken as (delete from watchkeeper.audit_pending as p returning p.*),
    changes as (select min(t.id) as first_id, max(t.id) as last_id from taken as t group by t.table_name, t.row_id, t.actor)
    select null, null, l.actor_id, l.actor, case when f.was is null then 'insert' when l.becomes is null then 'delete' else 'update' end,
      l.table_name, l.row_key, f.before, l.after, null, null
    from changes as c join taken as f on f.id = c.first_id join taken as l on l.id = c.last_id
    where f.was is distinct from l.becomes
    order by l.id
  loop
    head.seq := head.seq + 1;
    head.at := greatest(head.at, clock_timestamp());
    entry.seq := head.seq;
    entry.at := head.at;
    entry.previous_hash := head.hash;
    entry.hash := watchkeeper.audit_hash(entry);
    head.hash := entry.hash;
    insert into watchkeeper.audit_log select (entry).*;
  end loop;
  update watchkeeper.audit_head as h set seq = head.seq, hash = head.hash, at = head.at where h.seq <> head.seq;
  return null;
end
$$;

create constraint trigger chain after insert on watchkeeper.audit_pending
  deferrable initially deferred for each row execute function watchkeeper.chain_audit();

-- Append-only, for everybody: whoever can get round this is found by verify_audit_log.
create function watchkeeper.refuse_rewriting() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise insufficient_privilege using message = format('%s is append-only', tg_table_name);
end
$$;

create trigger append_only before update or delete or truncate on watchkeeper.audit_log
  for each statement execute function watchkeeper.refuse_rewriting();
create trigger append_only before insert or delete or truncate on watchkeeper.audit_head
  for each statement execute function watchkeeper.refuse_rewriting();
create trigger append_only before update or truncate on watchkeeper.audit_pending
  for each statement execute function watchkeeper.refuse_rewriting();
-- Only chain_audit, which a trigger called, may take a pending row or write to the log.
create trigger only_chained before delete on watchkeeper.audit_pending
  for each statement when (pg_trigger_depth() = 0) execute function watchkeeper.refuse_rewriting();
create trigger only_chained before insert on watchkeeper.audit_log
  for each statement when (pg_trigger_depth() = 0) execute function watchkeeper.refuse_rewriting();
create trigger only_chained before update on watchkeeper.audit_head
  for each statement when (pg_trigger_depth() = 0) execute function watchkeeper.refuse_rewriting();

-- What is audited -----------------------------------------------------------------------------------------------

create trigger audit after insert or update or delete on watchkeeper.members
  for each row execute function watchkeeper.audit('granted_at');
create trigger audit after insert or update or delete on watchkeeper.access_settings
  for each row execute function watchkeeper.audit();
-- Being used is no change.
create trigger audit after insert or delete or update of name, role, expires_at, revoked_at on watchkeeper.api_tokens
  for each row execute function watchkeeper.audit('last_used_at');

create trigger audit after insert or update or delete on watchkeeper.targets
  for each row execute function watchkeeper.audit('updated_at');
create trigger audit after insert or delete or update of target_id, kind, enabled, interval_s, timeout_s, params on watchkeeper.checks
  for each row execute function watchkeeper.audit('next_due_at', 'watched_since');
create trigger audit after insert or update or delete on watchkeeper.dependencies
  for each row execute function watchkeeper.audit();
-- A region comes by itself; who forgets it is a person.
create trigger audit after delete on watchkeeper.regions for each row execute function watchkeeper.audit('last_tick_at');

create trigger audit after insert or update or delete on watchkeeper.channels
  for each row execute function watchkeeper.audit('updated_at');
create trigger audit after insert or update or delete on watchkeeper.routes
  for each row execute function watchkeeper.audit();
create trigger audit after insert or update or delete on watchkeeper.route_channels
  for each row execute function watchkeeper.audit();
create trigger audit after insert or update or delete on watchkeeper.rotations
  for each row execute function watchkeeper.audit();
create trigger audit after insert or update or delete on watchkeeper.rotation_overrides
  for each row execute function watchkeeper.audit();
create trigger audit after insert or update or delete on watchkeeper.escalations
  for each row execute function watchkeeper.audit();
create trigger audit after insert or update or delete on watchkeeper.silences
  for each row execute function watchkeeper.audit();
create trigger audit after insert or update or delete on watchkeeper.delivery_settings
  for each row execute function watchkeeper.audit();
-- A beat is no change.
create trigger audit after insert or delete or update of name, token_hash, period_s, cron, time_zone, grace_s, severity, labels, paused
  on watchkeeper.heartbeats for each row
  execute function watchkeeper.audit('last_event', 'last_event_at', 'started_at', 'last_duration_s', 'last_body', 'due_at');
create trigger audit after insert or update or delete on watchkeeper.watchdog
  for each row execute function watchkeeper.audit('url', 'silent_since');

create trigger audit after insert or update or delete on public.incident_logs
  for each row execute function watchkeeper.audit('updated_at');

-- Only what a person does to an alert: acknowledging and resolving it. The machine closes alerts in close_alert.
create function watchkeeper.resolved_by_hand() returns boolean
language sql volatile set search_path = '' as $$
  select watchkeeper.called_from('resolve_alert') or not watchkeeper.called_from('close_alert')
$$;
create trigger audit after update of acknowledged, status on public.system_alerts
  for each row when (old.acknowledged <> new.acknowledged or (old.status <> new.status and watchkeeper.resolved_by_hand()))
  execute function watchkeeper.audit();
create trigger audit_delete after delete on public.system_alerts
  for each row execute function watchkeeper.audit();
