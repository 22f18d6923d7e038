-- Claim, send, settle. An attempt is counted when it is claimed, so a worker that dies has tried.

-- How many messages the channel may still send this minute. Volatile, in plpgsql: it must see what another worker, for
-- whose lock on the channel we did not have to wait, has just claimed.
create function watchkeeper.rate_left(channel watchkeeper.channels, at timestamptz) returns bigint
language plpgsql volatile set search_path = '' as $$
begin
  return case when channel.rate_per_minute is null then 1000000 else greatest(0, channel.rate_per_minute - (
    select count(distinct d.lease_id) from watchkeeper.deliveries as d
    where d.channel_id = channel.id and d.last_attempt_at > at - interval '1 minute'
  )) end;
end
$$;

-- Rows that go out as one message share a key: in a storm all of a channel's, else the non-critical ones of a network.
-- Only alerts merge.
create function watchkeeper.message_key(
  delivery watchkeeper.deliveries, alert public.system_alerts, merges boolean, waiting bigint, storm_alerts integer
) returns text
language sql immutable set search_path = '' as $$
  select case
    when not merges or delivery.alert_id is null or delivery.event = 'acknowledge' then delivery.id::text
    when waiting > storm_alerts then delivery.event
    when watchkeeper.severity_rank(alert.severity) < 3 and alert.metadata ->> 'network' is not null
      then delivery.event || ':' || (alert.metadata ->> 'network')
    else delivery.id::text
  end
$$;

create function watchkeeper.claim_ready(at timestamptz, most integer, lease_s integer) returns uuid[]
language sql set search_path = '' as $$
  -- A channel with a rate is claimed by one worker at a time, so that together they keep to it.
  with limited as materialized (
    select c.id from watchkeeper.channels as c
    where c.enabled and c.deleted_at is null and c.rate_per_minute is not null for no key update skip locked
  ),
  lanes as materialized (
    select c.id, watchkeeper.rate_left(c, at) as rate_left from watchkeeper.channels as c
    where c.enabled and c.deleted_at is null and (c.rate_per_minute is null or c.id in (select l.id from limited as l))
  ),
  -- From each channel some, so that one that waits for its rate does not stand before the others.
  ready as (
    select r.id, r.seq
    from lanes as l
    cross join lateral (
      select d.id, d.seq
      from watchkeeper.deliveries as d
      where d.channel_id = l.id and d.status = 'pending' and d.next_attempt_at <= at and (d.leased_until is null or d.leased_until <= at)
        -- In order: what came before for this subject and channel goes first, however long it takes.
        and not exists (
          select from watchkeeper.deliveries as earlier
          where earlier.subject_id = d.subject_id and earlier.channel_id = d.channel_id and earlier.seq < d.seq and earlier.status = 'pending'
        )
      order by d.next_attempt_at, d.seq
      limit 500
      for no key update of d skip locked
    ) as r
    where l.rate_left > 0
  ),
  keyed as (
    select d.id, d.channel_id, r.seq,
      watchkeeper.message_key(d, a, coalesce((catalog.document #>> array['notifiers', c.kind, 'merges'])::boolean, false),
        count(d.alert_id) over (partition by d.channel_id, d.event), s.storm_alerts) as key
    from ready as r
    join watchkeeper.deliveries as d on d.id = r.id
    join watchkeeper.channels as c on c.id = d.channel_id
    left join public.system_alerts as a on a.id = d.alert_id
    cross join watchkeeper.delivery_settings as s
    left join watchkeeper.catalog as catalog on true
  ),
  paged as (
    select k.*, (row_number() over (partition by k.channel_id, k.key order by k.seq) - 1) / 50 as page from keyed as k
  ),
  messages as (
    select p.channel_id, min(p.seq) as seq, array_agg(p.id) as ids, gen_random_uuid() as lease_id
    from paged as p group by p.channel_id, p.key, p.page
  ),
  in_channel as (
    select m.*, row_number() over (partition by m.channel_id order by m.seq) as place from messages as m
  ),
  -- One of each channel before the second of any.
  placed as (
    select c.ids, c.lease_id, row_number() over (order by c.place, c.seq) as place
    from in_channel as c join lanes as l on l.id = c.channel_id where c.place <= l.rate_left
  ),
  taken as (
    update watchkeeper.deliveries as d
    set attempts = d.attempts + 1, lease_id = p.lease_id, leased_until = at + make_interval(secs => lease_s),
      first_attempt_at = coalesce(d.first_attempt_at, at), last_attempt_at = at
    from placed as p
    where d.id = any (p.ids) and p.place <= most
    returning d.id
  )
  select coalesce(array_agg(t.id), '{}') from taken as t
$$;

create function watchkeeper.claim_deliveries(at timestamptz, most integer, lease_s integer) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  claimed uuid[];
begin
  perform watchkeeper.need_between('most', most, 1, 500);
  perform watchkeeper.need_between('lease_s', lease_s, 5, 900);
  perform watchkeeper.sweep(at);
  claimed := watchkeeper.claim_ready(at, most, lease_s);
  return watchkeeper.message_documents(claimed);
end
$$;

-- Settling ------------------------------------------------------------------------------------------------------

create function watchkeeper.backoff_s(attempts integer) returns double precision
language sql volatile set search_path = '' as $$
  select least(300, 2 ^ least(attempts, 20)) * (0.5 + random())
$$;

-- The trigger never arrived, so nothing about its subject follows it there; and others must hear of it.
create function watchkeeper.bury(delivery watchkeeper.deliveries, error text, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
  channel watchkeeper.channels;
begin
  update watchkeeper.deliveries as d set status = 'dead', settled_at = at, leased_until = null, last_error = left(error, 500)
  where d.id = delivery.id and d.status = 'pending';
  if not found then
    return;
  end if;
  if delivery.event = 'trigger' then
    update watchkeeper.deliveries as d set status = 'cancelled', settled_at = at, leased_until = null, last_error = 'its trigger was not delivered'
    where d.subject_id = delivery.subject_id and d.channel_id = delivery.channel_id and d.seq > delivery.seq and d.status = 'pending';
  end if;
  if delivery.event <> 'test' then
    select c.* into channel from watchkeeper.channels as c where c.id = delivery.channel_id;
    perform watchkeeper.raise_alert('channel:' || channel.id, null, channel.name, 'delivery_dead', 'error',
      format('channel %s could not deliver: %s', channel.name, coalesce(error, 'no reason given')),
      jsonb_build_object('kind', 'delivery', 'channel_id', channel.id), 1, at, at);
  end if;
end
$$;

-- The alerts that their deliveries may move. Whoever settles or buries takes them first, before any delivery, and in the
-- order in which everybody takes alerts: so nobody waits in a circle.
-- Without enable_seqscan, for the reason that stands at watchkeeper.ancestors.
create function watchkeeper.lock_channel_alerts(channel_ids uuid[]) returns void
language plpgsql security definer set search_path = '' set enable_seqscan = off as $$
begin
  perform from public.system_alerts as a
  where a.status = 'firing' and a.fingerprint = any (array(select 'channel:' || c from unnest(channel_ids) as c))
  order by a.created_at, a.id for no key update;
end
$$;

create function watchkeeper.bury_expired(at timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
  delivery watchkeeper.deliveries;
begin
  perform watchkeeper.lock_channel_alerts(array(
    select distinct d.channel_id from watchkeeper.deliveries as d cross join watchkeeper.delivery_settings as s
    where d.status = 'pending' and d.created_at < at - make_interval(secs => s.dead_after_s)));
  for delivery in
    select d.*
    from watchkeeper.deliveries as d cross join watchkeeper.delivery_settings as s
    join watchkeeper.channels as c on c.id = d.channel_id
    where d.status = 'pending' and d.created_at < at - make_interval(secs => s.dead_after_s)
      and (d.leased_until is null or d.leased_until <= at)
      -- A rate limit delays and never drops.
      and (d.attempts > 0 or not c.enabled)
    order by d.channel_id, d.seq
    for no key update of d skip locked
  loop
    perform watchkeeper.bury(delivery, format('gave up after %s attempts: %s', delivery.attempts,
      coalesce(delivery.last_error, case when delivery.attempts = 0 then 'the channel is switched off' else 'no answer' end)), at);
  end loop;
end
$$;

create function watchkeeper.settlement_schema() returns jsonb
language sql immutable set search_path = '' as $$
  select '{"type": "object", "additionalProperties": false, "required": ["delivery_id", "lease_id", "outcome"], "properties": {
    "delivery_id": {"$ref": "#/$defs/uuid"}, "lease_id": {"$ref": "#/$defs/uuid"},
    "outcome": {"enum": ["sent", "retry", "dead"]},
    "provider_id": {"type": ["string", "null"], "maxLength": 500}, "thread": {"type": ["object", "null"]},
    "error": {"type": ["string", "null"], "maxLength": 2000},
    "retry_after_s": {"type": ["number", "null"], "minimum": 0, "maximum": 86400}},
    "$defs": {"uuid": {"type": "string", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"}}}'::jsonb
$$;

-- False when the lease is over or somebody else's: then nothing changes, and who holds it now settles.
create function watchkeeper.settle_one(settlement jsonb, at timestamptz) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  delivery watchkeeper.deliveries;
begin
  select d.* into delivery from watchkeeper.deliveries as d
  where d.id = (settlement ->> 'delivery_id')::uuid and d.status = 'pending'
    and d.lease_id = (settlement ->> 'lease_id')::uuid and d.leased_until > at
  -- Who holds it has ended the lease, or sends it once more at somebody's wish.
  for no key update skip locked;
  if delivery.id is null then
    return false;
  end if;
  if settlement ->> 'outcome' = 'sent' then
    update watchkeeper.deliveries as d
    set status = 'sent', settled_at = at, leased_until = null, last_error = null,
      provider_id = settlement ->> 'provider_id',
      -- One too long to keep costs the threading and not the message.
      thread = case when pg_column_size(settlement -> 'thread') <= 4000 then nullif(settlement -> 'thread', 'null') end
    where d.id = delivery.id;
    perform watchkeeper.close_alert('channel:' || delivery.channel_id, 'it delivers again', at);
  elsif settlement ->> 'outcome' = 'retry' then
    update watchkeeper.deliveries as d
    set leased_until = null, last_error = left(settlement ->> 'error', 500),
      next_attempt_at = at + make_interval(secs => greatest(watchkeeper.backoff_s(delivery.attempts), (settlement ->> 'retry_after_s')::double precision))
    where d.id = delivery.id;
  else
    perform watchkeeper.bury(delivery, settlement ->> 'error', at);
  end if;
  return true;
end
$$;

create function watchkeeper.settle_deliveries(settlements jsonb, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  settlement jsonb;
  n integer;
  settled integer := 0;
  sent uuid[] := '{}';
begin
  perform watchkeeper.need_json('settlements', settlements, 'array', 4000000);
  perform watchkeeper.need_between('settlements', jsonb_array_length(settlements), 0, 5000);
  for settlement, n in select e.s, e.n - 1 from jsonb_array_elements(settlements) with ordinality as e (s, n) loop
    perform watchkeeper.need_fit(format('settlements[%s]', n), settlement, watchkeeper.settlement_schema());
  end loop;
  perform watchkeeper.lock_channel_alerts(array(
    select distinct d.channel_id from watchkeeper.deliveries as d
    where d.id in (select (s ->> 'delivery_id')::uuid from jsonb_array_elements(settlements) as s)));
  for settlement in
    select s from jsonb_array_elements(settlements) as s
    left join watchkeeper.deliveries as d on d.id = (s ->> 'delivery_id')::uuid order by d.channel_id, d.seq
  loop
    if watchkeeper.settle_one(settlement, at) then
      settled := settled + 1;
      if settlement ->> 'outcome' = 'sent' then
        sent := sent || (settlement ->> 'delivery_id')::uuid;
      end if;
    end if;
  end loop;
  insert into public.performance_benchmarks (benchmark_name, operation_type, duration_ms, recorded_at)
  select 'watchkeeper', 'deliver', watchkeeper.elapsed_ms(d.created_at, d.settled_at), at
  from watchkeeper.deliveries as d where d.id = any (sent) and d.event = 'trigger';
  update watchkeeper.monitor as m set last_delivery_at = greatest(m.last_delivery_at, at)
  where settled > 0 and exists (select from jsonb_array_elements(settlements) as s where s ->> 'outcome' = 'sent');
  return jsonb_build_object('settled', settled, 'stale', jsonb_array_length(settlements) - settled);
end
$$;

create function public.claim_deliveries(most integer default 100, lease_s integer default 60) returns jsonb
language sql set search_path = '' as 'select watchkeeper.claim_deliveries(now(), most, lease_s)';
create function public.settle_deliveries(settlements jsonb) returns jsonb
language sql set search_path = '' as 'select watchkeeper.settle_deliveries(settlements, now())';

grant execute on function
  watchkeeper.claim_deliveries(timestamptz, integer, integer), public.claim_deliveries(integer, integer),
  watchkeeper.settle_deliveries(jsonb, timestamptz), public.settle_deliveries(jsonb)
to service_role;
