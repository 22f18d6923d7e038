-- Tokens of external tools: each is registered by its `jti`, ends by itself, and can be revoked alone.
--
-- A token is a JWT for one of the two roles of tools, signed by whoever has the project's JWT secret or signing key; it is
-- not kept here, and cannot be read anywhere again. One without a jti, or with one that is not here, is refused.

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

-- All that tools may call asks is_tool or use_token.
create function watchkeeper.require_recorder() returns void
language plpgsql volatile set search_path = '' as $$
begin
  if not watchkeeper.use_token('watchkeeper_ingest') then
    perform watchkeeper.require_role('admin');
  end if;
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
