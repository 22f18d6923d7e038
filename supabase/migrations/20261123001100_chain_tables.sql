-- The chain family `supabase`: a chain whose state is in tables of this project. Watchkeeper only reads them, and
-- aggregates here, because an API page ends at 1,000 rows. Names are settings: looked up in the catalog, then quoted.

create function watchkeeper.chain_table_defaults() returns jsonb
language sql immutable set search_path = '' as $$
  select '{
    "schema": "public",
    "tables": {"blocks": "blockchain_blocks", "peers": "p2p_peers", "mempool": "blockchain_mempool",
      "keys": "quantum_key_cache", "key_uses": "quantum_performance_metrics", "balances": "user_token_balances"},
    "columns": {
      "blocks": {"height": "block_index", "hash": "block_hash", "created_at": "created_at"},
      "peers": {"reputation": "reputation_score", "last_seen_at": "last_seen_at", "is_banned": "is_banned"},
      "mempool": {"fee": "transaction_fee", "size_bytes": "size_bytes", "received_at": "received_at", "status": "status"},
      "keys": {"expires_at": "expires_at", "is_active": "is_active"},
      "key_uses": {"cache_hit": "cache_hit", "created_at": "created_at"},
      "balances": {"balance": "balance", "locked": "locked_balance", "earned": "total_earned", "spent": "total_spent"}},
    "peer_active_within_s": 300, "cache_window_s": 3600, "block_window": 10
  }'::jsonb
$$;

-- Known keys only, and each of the type its default has: a misspelt setting must not silently mean the default.
create function watchkeeper.need_chain_settings(settings jsonb) returns void
language plpgsql immutable set search_path = '' as $$
declare
  defaults constant jsonb := watchkeeper.chain_table_defaults();
  name constant jsonb := '{"type": "string", "minLength": 1, "maxLength": 63}';
  shape jsonb;
begin
  select jsonb_build_object('type', 'object', 'additionalProperties', false, 'properties', jsonb_object_agg(d.key,
    case d.key
      when 'schema' then name
      when 'tables' then jsonb_build_object('type', 'object', 'additionalProperties', false, 'properties',
        (select jsonb_object_agg(t.key, name) from jsonb_each(d.value) as t))
      when 'columns' then jsonb_build_object('type', 'object', 'additionalProperties', false, 'properties', (
        select jsonb_object_agg(t.key, jsonb_build_object('type', 'object', 'additionalProperties', false, 'properties',
          (select jsonb_object_agg(c.key, name) from jsonb_each(t.value) as c)))
        from jsonb_each(d.value) as t))
      else '{"type": "integer"}'
    end)) into shape
  from jsonb_each(defaults) as d;
  perform watchkeeper.need_json('settings', settings, 'object', 20000);
  perform watchkeeper.need_fit('settings', settings, shape);
end
$$;

-- The quoted name of a table, with each of its columns proved to exist.
create function watchkeeper.chain_table(settings jsonb, part text) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  defaults jsonb := watchkeeper.chain_table_defaults();
  schema_name text := coalesce(settings ->> 'schema', defaults ->> 'schema');
  table_name text := coalesce(settings #>> array['tables', part], defaults #>> array['tables', part]);
  found_id oid;
  missing text;
begin
  if schema_name ~ '^pg_' or schema_name in ('auth', 'information_schema', 'storage', 'vault', 'watchkeeper') then
    perform watchkeeper.refuse('settings.schema', format('%s is not a schema of the application', left(schema_name, 63)));
  end if;
  select c.oid into found_id
  from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = schema_name and c.relname = table_name and c.relkind in ('r', 'p', 'v', 'm');
  if found_id is null then
    perform watchkeeper.refuse('settings.tables.' || part, format('there is no table %I.%I', left(schema_name, 63), left(table_name, 63)));
  end if;
  select e.value into missing
  from jsonb_each_text((defaults #> array['columns', part]) || coalesce(settings #> array['columns', part], '{}')) as e
  where not exists (
    select from pg_catalog.pg_attribute as a where a.attrelid = found_id and a.attname = e.value and a.attnum > 0 and not a.attisdropped
  ) limit 1;
  if missing is not null then
    perform watchkeeper.refuse('settings.columns.' || part, format('%I.%I has no column %I', schema_name, table_name, left(missing, 63)));
  end if;
  return format('%I.%I', schema_name, table_name);
end
$$;

create function watchkeeper.chain_column(settings jsonb, part text, name text) returns text
language sql stable set search_path = '' as $$
  select quote_ident(coalesce(settings #>> array['columns', part, name],
    watchkeeper.chain_table_defaults() #>> array['columns', part, name]))
$$;

create function watchkeeper.chain_window(settings jsonb, name text, lowest numeric, highest numeric) returns numeric
language plpgsql stable set search_path = '' as $$
begin
  return watchkeeper.need_between('settings.' || name,
    coalesce((settings ->> name)::numeric, (watchkeeper.chain_table_defaults() ->> name)::numeric), lowest, highest);
end
$$;

-- The height is the highest block, not the newest hour's: in a stall it stays what it is.
create function watchkeeper.observe_head(settings jsonb, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  reply jsonb;
begin
  execute format($q$
    with newest as (
      select %2$s as height, %3$s as hash, %4$s as created_at from %1$s order by %2$s desc limit $1
    )
    select jsonb_build_object(
      'total_blocks', (select count(*) from %1$s),
      'height', (select height from newest order by height desc limit 1),
      'hash', (select hash from newest order by height desc limit 1),
      'block_at', (select created_at from newest order by height desc limit 1),
      'avg_block_time_s', (select case when count(*) > 1
        then extract(epoch from max(created_at) - min(created_at)) / nullif(max(height) - min(height), 0) end from newest))
  $q$, watchkeeper.chain_table(settings, 'blocks'), watchkeeper.chain_column(settings, 'blocks', 'height'),
    watchkeeper.chain_column(settings, 'blocks', 'hash'), watchkeeper.chain_column(settings, 'blocks', 'created_at'))
  using watchkeeper.chain_window(settings, 'block_window', 1, 10000) + 1 into reply;
  return reply;
end
$$;

create function watchkeeper.observe_peers(settings jsonb, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  reply jsonb;
begin
  execute format($q$
    select jsonb_build_object(
      'total', count(*),
      'active', count(*) filter (where not coalesce(%4$s, false) and %3$s >= $1),
      'avg_reputation', avg(%2$s) filter (where not coalesce(%4$s, false)))
    from %1$s
  $q$, watchkeeper.chain_table(settings, 'peers'), watchkeeper.chain_column(settings, 'peers', 'reputation'),
    watchkeeper.chain_column(settings, 'peers', 'last_seen_at'), watchkeeper.chain_column(settings, 'peers', 'is_banned'))
  using at - make_interval(secs => watchkeeper.chain_window(settings, 'peer_active_within_s', 1, 604800)::double precision) into reply;
  return reply;
end
$$;

create function watchkeeper.observe_mempool(settings jsonb, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  reply jsonb;
begin
  execute format($q$
    select jsonb_build_object('pending', count(*), 'total_fees', coalesce(sum(%2$s), 0)::text,
      'size_bytes', coalesce(sum(%3$s), 0), 'oldest_at', min(%4$s))
    from %1$s where %5$s = 'pending'
  $q$, watchkeeper.chain_table(settings, 'mempool'), watchkeeper.chain_column(settings, 'mempool', 'fee'),
    watchkeeper.chain_column(settings, 'mempool', 'size_bytes'), watchkeeper.chain_column(settings, 'mempool', 'received_at'),
    watchkeeper.chain_column(settings, 'mempool', 'status'))
  into reply;
  return reply;
end
$$;

-- Expired keys are not active, and the hit rate comes from look-ups, hits and misses alike.
create function watchkeeper.observe_keys(settings jsonb, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  keys jsonb;
  uses jsonb;
begin
  execute format($q$
    select jsonb_build_object('total', count(*),
      'active', count(*) filter (where %2$s and (%3$s is null or %3$s > $1)),
      'expiring_7d', count(*) filter (where %2$s and %3$s > $1 and %3$s <= $1 + interval '7 days'))
    from %1$s
  $q$, watchkeeper.chain_table(settings, 'keys'), watchkeeper.chain_column(settings, 'keys', 'is_active'),
    watchkeeper.chain_column(settings, 'keys', 'expires_at'))
  using at into keys;
  execute format($q$
    select jsonb_build_object('cache_lookups', count(%2$s), 'cache_hits', count(*) filter (where %2$s))
    from %1$s where %3$s >= $1 and %3$s <= $2
  $q$, watchkeeper.chain_table(settings, 'key_uses'), watchkeeper.chain_column(settings, 'key_uses', 'cache_hit'),
    watchkeeper.chain_column(settings, 'key_uses', 'created_at'))
  using at - make_interval(secs => watchkeeper.chain_window(settings, 'cache_window_s', 60, 2592000)::double precision), at into uses;
  return keys || uses;
end
$$;

create function watchkeeper.observe_economy(settings jsonb, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  reply jsonb;
begin
  execute format($q$
    select jsonb_build_object('accounts', count(*),
      'active_accounts', count(*) filter (where %2$s > 0 or %3$s > 0),
      'negative_accounts', count(*) filter (where %2$s < 0 or %3$s < 0),
      'supply', coalesce(sum(%2$s), 0)::text, 'locked', coalesce(sum(%3$s), 0)::text,
      'earned', coalesce(sum(%4$s), 0)::text, 'spent', coalesce(sum(%5$s), 0)::text)
    from %1$s
  $q$, watchkeeper.chain_table(settings, 'balances'), watchkeeper.chain_column(settings, 'balances', 'balance'),
    watchkeeper.chain_column(settings, 'balances', 'locked'), watchkeeper.chain_column(settings, 'balances', 'earned'),
    watchkeeper.chain_column(settings, 'balances', 'spent'))
  into reply;
  return reply;
end
$$;

create function watchkeeper.observe_chain_tables(subject text, settings jsonb, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.need_one_of('subject', subject, array['head', 'peers', 'mempool', 'keys', 'economy']);
  perform watchkeeper.need_chain_settings(settings);
  return jsonb_build_object('observed_at', at) || case subject
    when 'head' then watchkeeper.observe_head(settings, at)
    when 'peers' then watchkeeper.observe_peers(settings, at)
    when 'mempool' then watchkeeper.observe_mempool(settings, at)
    when 'keys' then watchkeeper.observe_keys(settings, at)
    else watchkeeper.observe_economy(settings, at) end;
exception
  -- Names that exist and still cannot work: a text where a number belongs, a table we may not read.
  when syntax_error_or_access_rule_violation or invalid_text_representation then
    perform watchkeeper.refuse('settings.columns', format('the tables cannot be read as %s: %s', subject, sqlerrm));
end
$$;

create function public.observe_chain_tables(subject text, settings jsonb default '{}') returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.observe_chain_tables(subject, settings, now())';

grant execute on function
  watchkeeper.observe_chain_tables(text, jsonb, timestamptz), public.observe_chain_tables(text, jsonb)
to service_role;
