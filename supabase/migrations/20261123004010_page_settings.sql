-- What the page's forms need: what can be watched, whether a draft would be accepted, and a check tried out before it
-- is saved.

create function watchkeeper.get_catalog() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return watchkeeper.catalog_document();
end
$$;

-- The target as save_target takes it. list_targets tells how it is.
create function watchkeeper.get_target(target_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  target watchkeeper.targets;
begin
  perform watchkeeper.require_role('viewer');
  select t.* into target from watchkeeper.targets as t where t.id = get_target.target_id;
  if target.id is null then
    raise sqlstate 'PT404' using message = format('target_id: no target %s', coalesce(get_target.target_id::text, 'null'));
  end if;
  return watchkeeper.target_document(target);
end
$$;

-- What storing it would refuse, beyond what the draft alone shows. Without an id it is a new one, and must not replace
-- another by its name.
create function watchkeeper.need_place(document jsonb) returns void
language plpgsql stable security definer set search_path = '' as $$
declare
  own_id constant uuid := (document ->> 'id')::uuid;
  parent text;
  parent_id uuid;
begin
  if own_id is not null and not exists (select from watchkeeper.targets as t where t.id = own_id) then
    perform watchkeeper.refuse('target.id', 'the target was deleted meanwhile');
  elsif exists (select from watchkeeper.targets as t where t.name = document ->> 'name' and t.id is distinct from own_id) then
    perform watchkeeper.refuse('target.name', format('another target is called %s', document ->> 'name'));
  end if;
  for parent in select d from jsonb_array_elements_text(document -> 'depends_on') as d loop
    parent_id := (select t.id from watchkeeper.targets as t where t.name = parent);
    if parent = document ->> 'name' or parent_id = own_id then
      perform watchkeeper.refuse('target.depends_on', 'a target cannot depend on itself');
    elsif parent_id is null then
      perform watchkeeper.refuse('target.depends_on', format('there is no target %s', parent));
    elsif own_id in (select watchkeeper.ancestors(parent_id)) then
      perform watchkeeper.refuse('target.depends_on', format('%s would depend on itself, through %s', document ->> 'name', parent));
    end if;
  end loop;
end
$$;

-- Writes nothing: {ok, problem}, the problem as save_target would word it.
create function watchkeeper.validate_target(target jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  perform watchkeeper.need_json('target', target, 'object', 100000);
  perform watchkeeper.need_place(watchkeeper.normal_target('target', target - 'paused' - 'version', watchkeeper.catalog_document()));
  perform watchkeeper.need_version('target', 'target', target);
  return '{"ok": true, "problem": null}';
exception when invalid_parameter_value or sqlstate 'PT409' then
  return jsonb_build_object('ok', false, 'problem', sqlerrm);
end
$$;

-- Trying a check out --------------------------------------------------------------------------------------------

-- A check of a target that is not saved yet. The next tick hands it to a worker like any other check; what comes of it
-- is written here and nowhere else. After ten minutes it is forgotten.
create table watchkeeper.probes (
  id uuid primary key default gen_random_uuid(),
  target jsonb not null check (jsonb_typeof(target) = 'object'),
  kind text not null check (length(kind) between 1 and 40),
  requested_at timestamptz not null,
  requested_by uuid,
  claimed_at timestamptz,
  settled_at timestamptz,
  result jsonb check (jsonb_typeof(result) = 'object'),
  check ((result is null) = (settled_at is null)),
  check (settled_at is null or claimed_at is not null)
);
alter table watchkeeper.probes enable row level security;
create index probes_requested_at on watchkeeper.probes (requested_at);

create function watchkeeper.probe_life() returns interval
language sql immutable set search_path = '' as $$select interval '10 minutes'$$;

-- `lost`: claimed, and its message or its function died. A worker has the check's timeout, and SQS some seconds.
create function watchkeeper.probe_document(probe watchkeeper.probes, at timestamptz) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('id', probe.id, 'kind', probe.kind, 'requested_at', probe.requested_at, 'claimed_at', probe.claimed_at,
    'settled_at', probe.settled_at, 'result', probe.result, 'status', case
      when probe.settled_at is not null then 'settled'
      when probe.claimed_at is null then 'waiting'
      when probe.claimed_at < at - make_interval(secs => 45 + (probe.target #>> array['checks', probe.kind, 'timeout_s'])::numeric::integer) then 'lost'
      else 'running' end)
$$;

create function watchkeeper.request_probe(target jsonb, kind text, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  document jsonb;
  probe watchkeeper.probes;
begin
  perform watchkeeper.require_role('admin');
  perform watchkeeper.need_json('target', target, 'object', 100000);
  document := watchkeeper.normal_target('target', target - 'paused', watchkeeper.catalog_document());
  perform watchkeeper.need_text('kind', kind, 40);
  if not document -> 'checks' ? kind then
    perform watchkeeper.refuse('kind', format('the target has no check %s', kind));
  end if;
  -- Two at once must not both be the twentieth.
  perform pg_advisory_xact_lock(hashtextextended('watchkeeper.probes', 0));
  if (select count(*) from watchkeeper.probes as p where p.settled_at is null and p.requested_at > at - watchkeeper.probe_life()) >= 20 then
    raise sqlstate 'PT409' using message = 'kind: 20 tests are waiting for their results already; try again in a minute';
  end if;
  insert into watchkeeper.probes as p (target, kind, requested_at, requested_by)
  values (document, request_probe.kind, at, watchkeeper.caller_id()) returning p.* into probe;
  return watchkeeper.probe_document(probe, at);
end
$$;

create function watchkeeper.get_probe(probe_id uuid, at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  probe watchkeeper.probes;
begin
  perform watchkeeper.require_role('admin');
  select p.* into probe from watchkeeper.probes as p where p.id = get_probe.probe_id and p.requested_at > at - watchkeeper.probe_life();
  if probe.id is null then
    raise sqlstate 'PT404' using message = format('probe_id: no test %s; each is forgotten after ten minutes', coalesce(probe_id::text, 'null'));
  end if;
  return watchkeeper.probe_document(probe, at);
end
$$;

-- The probes that wait, as tasks. `check_id` and `target_id` are the probe's own: no check and no target has them, so
-- that a worker which does not know of probes records nothing.
create function watchkeeper.claim_probes(at timestamptz) returns jsonb
language sql security definer set search_path = '' as $$
  delete from watchkeeper.probes as p where p.requested_at <= at - watchkeeper.probe_life();
  with waiting as (
    select p.id from watchkeeper.probes as p
    where p.claimed_at is null and p.requested_at > at - watchkeeper.probe_life()
    order by p.requested_at for update skip locked
  ),
  claimed as (
    update watchkeeper.probes as p set claimed_at = at from waiting as w where p.id = w.id returning p.*
  )
  select coalesce(jsonb_agg(jsonb_build_object(
    'probe_id', p.id, 'check_id', p.id, 'target_id', p.id, 'target', p.target -> 'name', 'kind', p.kind, 'due_at', at, 'delay_s', 0,
    'interval_s', c.given -> 'interval_s', 'timeout_s', c.given -> 'timeout_s', 'chain', p.target -> 'chain', 'network', p.target -> 'network',
    'endpoint', p.target -> 'endpoint', 'settings', p.target -> 'settings', 'params', c.given -> 'params'
  ) order by p.requested_at), '[]')
  from claimed as p cross join lateral (select p.target -> 'checks' -> p.kind as given) as c
$$;

-- A repeat, or a result that comes after the probe was forgotten, settles nothing and is no error.
create function watchkeeper.settle_probe(probe_id uuid, result jsonb, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.need_json('result', result, 'object', 1000000);
  perform watchkeeper.need_result('result', result, at);
  update watchkeeper.probes as p set settled_at = at, result = settle_probe.result - 'check_id' - 'due_at'
  where p.id = settle_probe.probe_id and p.claimed_at is not null and p.settled_at is null
    and p.requested_at > at - watchkeeper.probe_life();
  return jsonb_build_object('settled', found);
end
$$;

-- Who stands in for whom ----------------------------------------------------------------------------------------

-- Overrides that are not over.
create function watchkeeper.list_overrides(at timestamptz) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('viewer');
  return (
    select coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'rotation', r.name, 'person', o.person, 'from_time', o.starts_at,
      'to_time', o.ends_at, 'active', o.starts_at <= at) order by o.starts_at, o.id), '[]')
    from watchkeeper.rotation_overrides as o join watchkeeper.rotations as r on r.id = o.rotation_id
    where o.ends_at > at
  );
end
$$;

create function watchkeeper.delete_override(override_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin', 'responder');
  delete from watchkeeper.rotation_overrides as o where o.id = override_id;
  if not found then
    perform watchkeeper.not_found('override_id', 'override', override_id::text);
  end if;
end
$$;

create function public.get_catalog() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_catalog()';
create function public.get_target(target_id uuid) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_target(target_id)';
create function public.validate_target(target jsonb) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.validate_target(target)';
create function public.request_probe(target jsonb, kind text) returns jsonb
language sql set search_path = '' as 'select watchkeeper.request_probe(target, kind, now())';
create function public.get_probe(probe_id uuid) returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.get_probe(probe_id, now())';
create function public.settle_probe(probe_id uuid, result jsonb) returns jsonb
language sql set search_path = '' as 'select watchkeeper.settle_probe(probe_id, result, now())';
create function public.list_overrides() returns jsonb
language sql stable set search_path = '' as 'select watchkeeper.list_overrides(now())';
create function public.delete_override(override_id uuid) returns void
language sql set search_path = '' as 'select watchkeeper.delete_override(override_id)';

grant execute on function
  watchkeeper.get_catalog(), public.get_catalog(), watchkeeper.get_target(uuid), public.get_target(uuid),
  watchkeeper.validate_target(jsonb), public.validate_target(jsonb),
  watchkeeper.request_probe(jsonb, text, timestamptz), public.request_probe(jsonb, text),
  watchkeeper.get_probe(uuid, timestamptz), public.get_probe(uuid),
  watchkeeper.list_overrides(timestamptz), public.list_overrides(),
  watchkeeper.delete_override(uuid), public.delete_override(uuid)
to authenticated, service_role;
grant execute on function watchkeeper.settle_probe(uuid, jsonb, timestamptz), public.settle_probe(uuid, jsonb) to service_role;
