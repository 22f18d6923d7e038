-- Who may do what: members and their roles, and the second factor that can be demanded of them.

create table watchkeeper.members (
  user_id uuid primary key references auth.users (id) on delete cascade,
  role text not null check (role in ('admin', 'responder', 'viewer', 'auditor')),
  granted_at timestamptz not null default now(),
  -- Kept with the member, because when an account is deleted its address is gone before we hear of it.
  email text
);
alter table watchkeeper.members enable row level security;

create function watchkeeper.keep_email() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  new.email := (select u.email from auth.users as u where u.id = new.user_id);
  return new;
end
$$;

create trigger keep_email before insert or update on watchkeeper.members
  for each row execute function watchkeeper.keep_email();

-- A second factor ----------------------------------------------------------------------------------------------

create table watchkeeper.access_settings (
  only_row boolean primary key default true check (only_row),
  -- whether a person's role counts only in a session with a second factor
  require_mfa boolean not null default false
);
alter table watchkeeper.access_settings enable row level security;
insert into watchkeeper.access_settings default values;

-- How sure Supabase Auth is of who it is: aal1, or aal2 with a second factor. In one of two places, as other claims are.
create function watchkeeper.caller_aal() returns text
language sql stable set search_path = '' as $$
  select coalesce(nullif(current_setting('request.jwt.claim.aal', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'aal')
$$;

-- Keys and tools are no people: nobody could ask them for a code.
create function watchkeeper.lacks_factor() returns boolean
language sql stable set search_path = '' as $$
  select (select s.require_mfa from watchkeeper.access_settings as s)
    and watchkeeper.caller_role() = 'authenticated' and watchkeeper.caller_aal() is distinct from 'aal2'
$$;

-- Somebody who has a role that does not count.
create function watchkeeper.needs_factor() returns boolean
language sql stable security definer set search_path = '' as $$
  select watchkeeper.lacks_factor() and exists (select from watchkeeper.members as m where m.user_id = watchkeeper.caller_id())
$$;

-- Who may ------------------------------------------------------------------------------------------------------

-- admin > responder > viewer; auditor > viewer. Policies must call it as (select watchkeeper.has_role('viewer')),
-- so that it runs once a query and not once a row.
create function watchkeeper.has_role(wanted text) returns boolean
language sql stable security definer set search_path = '' as $$
  select watchkeeper.is_operator() or exists (
    select from watchkeeper.members as m
    where m.user_id = watchkeeper.caller_id()
      and (m.role = 'admin' or m.role = wanted or wanted = 'viewer')
  ) and not watchkeeper.lacks_factor()
$$;

create function watchkeeper.require_role(variadic wanted text[]) returns void
language plpgsql stable set search_path = '' as $$
begin
  if exists (select from unnest(wanted) as w (role) where watchkeeper.has_role(w.role)) then
    return;
  elsif watchkeeper.needs_factor() then
    raise insufficient_privilege using
      message = 'this project demands a second factor',
      hint = 'set it up under Account on the page, and sign in with its code';
  end if;
  raise insufficient_privilege using
    message = format('this needs the role %s', array_to_string(wanted, ' or ')),
    hint = 'an admin grants it with: watchkeeper members grant EMAIL ROLE';
end
$$;

-- RPCs ---------------------------------------------------------------------------------------------------------

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
    ),
    'aal', watchkeeper.caller_aal(),
    'needs_mfa', watchkeeper.needs_factor(),
    'require_mfa', (select s.require_mfa from watchkeeper.access_settings as s)
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

-- Who demands it of others has one himself: else he would be the first whom it shuts out. The operator's key always works.
create function watchkeeper.store_access_settings(argument text, given jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  stored watchkeeper.access_settings;
begin
  perform watchkeeper.need_shape(argument, given, '{"type": "object", "additionalProperties": false, "properties": {
    "require_mfa": {"type": "boolean"}}}');
  if (given ->> 'require_mfa')::boolean and not watchkeeper.is_operator() and watchkeeper.caller_aal() is distinct from 'aal2' then
    raise sqlstate 'PT409' using
      message = format('%s.require_mfa: sign in with a second factor of your own first', argument),
      hint = 'set it up under Account on the page';
  end if;
  update watchkeeper.access_settings as s
  set require_mfa = coalesce((given ->> 'require_mfa')::boolean, s.require_mfa)
  returning s.* into stored;
  return to_jsonb(stored) - 'only_row';
end
$$;

create function watchkeeper.save_access_settings(settings jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  return watchkeeper.store_seen('access_settings', settings, now());
end
$$;

create function watchkeeper.get_access_settings() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return (select to_jsonb(s) - 'only_row' from watchkeeper.access_settings as s);
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

create function public.get_access_settings() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_access_settings()';
create function public.save_access_settings(settings jsonb) returns jsonb
language sql set search_path = '' as 'select watchkeeper.save_access_settings(settings)';

grant execute on function
  watchkeeper.has_role(text),
  watchkeeper.whoami(), public.whoami(),
  watchkeeper.grant_role(text, text), public.grant_role(text, text),
  watchkeeper.revoke_role(text), public.revoke_role(text),
  watchkeeper.list_members(), public.list_members(),
  watchkeeper.get_access_settings(), public.get_access_settings(),
  watchkeeper.save_access_settings(jsonb), public.save_access_settings(jsonb)
to authenticated, service_role;
