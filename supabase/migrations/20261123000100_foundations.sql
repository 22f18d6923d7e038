-- Who may do what: schemas, default privileges, roles, members, and the few words every later migration speaks.
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

-- Members -------------------------------------------------------------------------------------------------------

create table watchkeeper.members (
  user_id uuid primary key references auth.users (id) on delete cascade,
  role text not null check (role in ('admin', 'responder', 'viewer', 'auditor')),
  granted_at timestamptz not null default now()
);
alter table watchkeeper.members enable row level security;

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

-- admin > responder > viewer; auditor > viewer. Policies must call it as (select watchkeeper.has_role('viewer')),
-- so that it runs once a query and not once a row.
create function watchkeeper.has_role(wanted text) returns boolean
language sql stable security definer set search_path = '' as $$
  select watchkeeper.is_operator() or exists (
    select from watchkeeper.members as m
    where m.user_id = watchkeeper.caller_id()
      and (m.role = 'admin' or m.role = wanted or wanted = 'viewer')
  )
$$;

create function watchkeeper.require_role(variadic wanted text[]) returns void
language plpgsql stable set search_path = '' as $$
begin
  if not exists (select from unnest(wanted) as w (role) where watchkeeper.has_role(w.role)) then
    raise insufficient_privilege using
      message = format('this needs the role %s', array_to_string(wanted, ' or ')),
      hint = 'an admin grants it with: watchkeeper members grant EMAIL ROLE';
  end if;
end
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

-- Members' RPCs -------------------------------------------------------------------------------------------------

create function watchkeeper.whoami() returns jsonb
language sql stable security definer set search_path = '' as $$
  select jsonb_build_object(
    'user_id', watchkeeper.caller_id(),
    'email', (select u.email from auth.users as u where u.id = watchkeeper.caller_id()),
    'role', case when watchkeeper.is_operator() then 'operator'
      else (select m.role from watchkeeper.members as m where m.user_id = watchkeeper.caller_id()) end,
    'rights', (
      select coalesce(jsonb_agg(r.name order by r.n), '[]')
      from (values (1, 'read', 'viewer'), (2, 'respond', 'responder'), (3, 'audit', 'auditor'), (4, 'manage', 'admin'))
        as r (n, name, role)
      where watchkeeper.has_role(r.role)
    )
  )
$$;

create function watchkeeper.user_id_of(email text) returns uuid
language plpgsql stable security definer set search_path = '' as $$
declare
  ids uuid[];
begin
  perform watchkeeper.need_text('email', email, 320);
  ids := array(select u.id from auth.users as u where lower(u.email) = lower(btrim(user_id_of.email)) limit 2);
  if cardinality(ids) = 0 then
    raise sqlstate 'PT404' using message = format('email: nobody has signed up as %s', left(email, 80));
  elsif cardinality(ids) > 1 then
    -- Single sign-on allows it: guessing would hand the role to the wrong one.
    raise sqlstate 'PT409' using message = format('email: more than one account has the address %s', left(email, 80));
  end if;
  return ids[1];
end
$$;

-- An installation without an admin could be repaired only with the secret key.
create function watchkeeper.keep_an_admin() returns void
language plpgsql stable security definer set search_path = '' as $$
begin
  if not exists (select from watchkeeper.members as m where m.role = 'admin') then
    raise sqlstate 'PT409' using message = 'this is the last admin: grant the role to somebody else first';
  end if;
end
$$;

create function watchkeeper.grant_role(email text, role text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  member watchkeeper.members;
  target_id uuid;
  was text;
begin
  perform watchkeeper.require_role('admin');
  perform watchkeeper.need_one_of('role', role, array['admin', 'responder', 'viewer', 'auditor']);
  target_id := watchkeeper.user_id_of(email);
  lock table watchkeeper.members in share row exclusive mode;
  was := (select m.role from watchkeeper.members as m where m.user_id = target_id);
  insert into watchkeeper.members as m (user_id, role)
  values (target_id, grant_role.role)
  on conflict (user_id) do update set role = excluded.role, granted_at = now()
  returning * into member;
  if was = 'admin' then
    perform watchkeeper.keep_an_admin();
  end if;
  return to_jsonb(member);
end
$$;

create function watchkeeper.revoke_role(email text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  member watchkeeper.members;
  target_id uuid;
begin
  perform watchkeeper.require_role('admin');
  target_id := watchkeeper.user_id_of(email);
  lock table watchkeeper.members in share row exclusive mode;
  delete from watchkeeper.members as m where m.user_id = target_id returning m.* into member;
  if member.user_id is null then
    raise sqlstate 'PT404' using message = format('email: %s has no role', left(email, 80));
  elsif member.role = 'admin' then
    perform watchkeeper.keep_an_admin();
  end if;
  return to_jsonb(member);
end
$$;

create function watchkeeper.list_members() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  return (
    select coalesce(jsonb_agg(to_jsonb(m) || jsonb_build_object('email', u.email) order by u.email), '[]')
    from watchkeeper.members as m join auth.users as u on u.id = m.user_id
  );
end
$$;

create function public.whoami() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.whoami()';
create function public.grant_role(email text, role text) returns jsonb
language sql set search_path = '' as 'select watchkeeper.grant_role(email, role)';
create function public.revoke_role(email text) returns jsonb
language sql set search_path = '' as 'select watchkeeper.revoke_role(email)';
create function public.list_members() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.list_members()';

grant execute on function
  watchkeeper.has_role(text),
  watchkeeper.whoami(), public.whoami(),
  watchkeeper.grant_role(text, text), public.grant_role(text, text),
  watchkeeper.revoke_role(text), public.revoke_role(text),
  watchkeeper.list_members(), public.list_members()
to authenticated, service_role;
