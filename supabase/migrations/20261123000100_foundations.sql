-- What everything else stands on: schemas, default privileges, roles, who asks, and the words of a refusal.
--
-- `public` is the API: five tables and the RPCs. `watchkeeper` is private: never add it to the exposed schemas.
-- An RPC is a thin `security invoker` function in `public`; the work is done by a `security definer` namesake in
-- `watchkeeper` that takes the moment as data (so that tests can move it) and checks the caller's role first.

-- Without `in schema`: the per-schema form cannot take away what PUBLIC has by default.
alter default privileges revoke execute on functions from public;
alter default privileges in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from anon, authenticated, service_role;
alter default privileges in schema public revoke execute on functions from anon, authenticated, service_role;

-- External tools carry a minted JWT for one of these, and can execute the few RPCs granted to it.
do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'watchkeeper_ingest') then
    create role watchkeeper_ingest nologin;
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = 'watchkeeper_metrics') then
    create role watchkeeper_metrics nologin;
  end if;
end
$$;
grant watchkeeper_ingest, watchkeeper_metrics to authenticator;
grant usage on schema public to watchkeeper_ingest, watchkeeper_metrics;

create schema watchkeeper;
grant usage on schema watchkeeper to authenticated, service_role, watchkeeper_ingest, watchkeeper_metrics;

-- Who asks -----------------------------------------------------------------------------------------------------

-- The role the request runs as. `security definer` changes current_user but not this setting.
create function watchkeeper.caller_role() returns text
language sql stable set search_path = '' as $$
  select coalesce(nullif(pg_catalog.current_setting('role', true), 'none'), session_user::text)
$$;

-- The operator: the secret key, or a direct connection of the owner. Any other login, however it came by the rights of
-- `authenticated`, is nobody.
create function watchkeeper.is_operator() returns boolean
language sql stable set search_path = '' as $$
  select watchkeeper.caller_role() = 'service_role'
    or pg_has_role(watchkeeper.caller_role(), (select n.nspowner from pg_namespace as n where n.nspname = 'watchkeeper'), 'member')
$$;

-- The person who is signed in; null for keys and tools, whose tokens may carry any text as their subject.
create function watchkeeper.caller_id() returns uuid
language sql stable set search_path = '' as $$
  select case watchkeeper.caller_role() when 'authenticated' then auth.uid() end
$$;

-- The words of a refusal ----------------------------------------------------------------------------------------

-- 22023 becomes HTTP 400; PT404 and PT409 become what they say. The message starts with the argument's name.
create function watchkeeper.refuse(argument text, problem text) returns void
language plpgsql immutable set search_path = '' as $$
begin
  raise invalid_parameter_value using message = format('%s: %s', argument, problem);
end
$$;

create function watchkeeper.need_text(argument text, value text, longest integer) returns text
language plpgsql immutable set search_path = '' as $$
begin
  if value is null or btrim(value) = '' then
    perform watchkeeper.refuse(argument, 'must not be empty');
  elsif length(value) > longest then
    perform watchkeeper.refuse(argument, format('must have at most %s characters (has %s)', longest, length(value)));
  end if;
  return value;
end
$$;

create function watchkeeper.need_one_of(argument text, value text, allowed text[]) returns text
language plpgsql immutable set search_path = '' as $$
begin
  if value is null or value <> all (coalesce(allowed, '{}')) then
    perform watchkeeper.refuse(argument, format('must be one of %s (is %s)',
      array_to_string(allowed, ', '), coalesce(quote_literal(left(value, 40)), 'null')));
  end if;
  return value;
end
$$;

create function watchkeeper.need_finite(argument text, value numeric) returns numeric
language plpgsql immutable set search_path = '' as $$
begin
  if value is null or value in ('NaN', 'Infinity', '-Infinity') or abs(value) >= 1e40 or scale(value) > 40 then
    perform watchkeeper.refuse(argument, 'must be a finite number below 1e40 with at most 40 decimals');
  end if;
  return value;
end
$$;

create function watchkeeper.need_between(argument text, value numeric, lowest numeric, highest numeric) returns numeric
language plpgsql immutable set search_path = '' as $$
begin
  if value is null or value = 'NaN' or value not between lowest and highest then
    perform watchkeeper.refuse(argument, format('must be from %s to %s (is %s)',
      lowest, highest, coalesce(left(value::text, 40), 'null')));
  end if;
  return value;
end
$$;

create function watchkeeper.need_json(argument text, value jsonb, kind text, most_bytes integer) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  if value is null or jsonb_typeof(value) <> kind then
    perform watchkeeper.refuse(argument, format('must be a JSON %s (is %s)', kind, coalesce(jsonb_typeof(value), 'null')));
  elsif pg_column_size(value) > most_bytes then
    perform watchkeeper.refuse(argument, format('must have at most %s bytes', most_bytes));
  end if;
  return value;
end
$$;

create function watchkeeper.need_list(argument text, value jsonb, most_items integer, most_bytes integer) returns jsonb
language plpgsql immutable set search_path = '' as $$
begin
  perform watchkeeper.need_json(argument, value, 'array', most_bytes);
  if jsonb_array_length(value) > most_items then
    perform watchkeeper.refuse(argument, format('must have at most %s items (has %s)', most_items, jsonb_array_length(value)));
  end if;
  return value;
end
$$;

-- Severities, worst last; also the order in which an alert may rise.
create function watchkeeper.severity_rank(severity text) returns integer
language sql immutable set search_path = '' as $$
  select array_position(array['info', 'warning', 'error', 'critical'], severity)
$$;
