-- Saving, pausing and deleting targets: what happens to their alerts on the way.

create function watchkeeper.save_checks(target_id uuid, checks jsonb, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
#variable_conflict use_column
declare
  spoke text := (select s.speaker from watchkeeper.services as s where s.target_id = save_checks.target_id);
  speaks text;
begin
  if not checks ? spoke then
    perform watchkeeper.keep_looks(save_checks.target_id, at);  -- its runs go with it
  end if;
  delete from watchkeeper.checks as c where c.target_id = save_checks.target_id and not checks ? c.kind;
  insert into watchkeeper.checks as c (target_id, kind, enabled, interval_s, timeout_s, params, next_due_at, watched_since)
  select save_checks.target_id, e.kind, (e.given ->> 'enabled')::boolean, (e.given ->> 'interval_s')::numeric::integer,
    (e.given ->> 'timeout_s')::numeric::integer, e.given -> 'params', at, at
  from jsonb_each(checks) as e (kind, given)
  on conflict (target_id, kind) do update set
    enabled = excluded.enabled, interval_s = excluded.interval_s, timeout_s = excluded.timeout_s, params = excluded.params,
    next_due_at = case
      when c.interval_s <> excluded.interval_s or c.enabled <> excluded.enabled then at
      else c.next_due_at end,
    watched_since = case when c.enabled <> excluded.enabled then at else c.watched_since end;
  delete from watchkeeper.rule_states as r using watchkeeper.checks as c
  where c.id = r.check_id and c.target_id = save_checks.target_id and not c.enabled;
  speaks := watchkeeper.availability_kind(save_checks.target_id);
  if speaks is distinct from spoke then
    perform watchkeeper.keep_looks(save_checks.target_id, at);
    update watchkeeper.services as s set speaker = speaks, speaks_since = at where s.target_id = save_checks.target_id;
  end if;
  if speaks is null then
    perform watchkeeper.end_availability(save_checks.target_id, at);
  end if;
end
$$;

create function watchkeeper.store_target(document jsonb, at timestamptz) returns watchkeeper.targets
language plpgsql security definer set search_path = '' as $$
declare
  target watchkeeper.targets;
begin
  if document ->> 'id' is not null then
    target := watchkeeper.target_of((document ->> 'id')::uuid, 'target.id');
    if exists (select from watchkeeper.targets as t where t.name = document ->> 'name' and t.id <> target.id) then
      raise sqlstate 'PT409' using message = format('target.name: another target is called %s', document ->> 'name');
    end if;
  else
    insert into watchkeeper.targets (name) values (document ->> 'name') on conflict (name) do nothing;
    select t.* into target from watchkeeper.targets as t where t.name = document ->> 'name' for no key update;
  end if;
  update watchkeeper.targets as t
  set name = document ->> 'name', chain = document ->> 'chain', network = document ->> 'network',
    endpoint = document ->> 'endpoint', settings = document -> 'settings', labels = document -> 'labels', regions = document -> 'regions',
    updated_at = at
  where t.id = target.id
  returning t.* into target;
  perform watchkeeper.save_checks(target.id, document -> 'checks', at);
  perform watchkeeper.close_orphaned_alerts(target.id, 'the check was removed or switched off', at);
  return target;
end
$$;

-- After all targets of a file are stored, because it may name them in any order.
create function watchkeeper.store_dependencies(argument text, document jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
  child uuid := (select t.id from watchkeeper.targets as t where t.name = document ->> 'name');
  unknown text;
begin
  select d into unknown from jsonb_array_elements_text(document -> 'depends_on') as d
  where not exists (select from watchkeeper.targets as t where t.name = d) limit 1;
  if unknown is not null then
    raise sqlstate 'PT404' using message = format('%s.depends_on: there is no target %s', argument, unknown);
  end if;
  delete from watchkeeper.dependencies as d where d.target_id = child;
  if document -> 'depends_on' ? (document ->> 'name') then
    perform watchkeeper.refuse(argument || '.depends_on', 'a target cannot depend on itself');
  end if;
  insert into watchkeeper.dependencies (target_id, parent_id)
  select child, t.id from watchkeeper.targets as t where document -> 'depends_on' ? t.name;
  if child in (select watchkeeper.ancestors(child)) then
    perform watchkeeper.refuse(argument || '.depends_on', format('%s would depend on itself, through %s', document ->> 'name', document -> 'depends_on'));
  end if;
end
$$;

create function watchkeeper.save_target(target jsonb, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  document jsonb;
  stored watchkeeper.targets;
begin
  perform watchkeeper.require_role('admin');
  perform watchkeeper.need_json('target', target, 'object', 100000);
  document := watchkeeper.normal_target('target', target - 'paused' - 'version', watchkeeper.catalog_document());
  -- Dependencies are one graph: two people must not close a cycle from both ends. All who save targets wait here.
  lock table watchkeeper.dependencies in share row exclusive mode;
  perform watchkeeper.need_version('target', 'target', target);
  stored := watchkeeper.store_target(document, at);
  perform watchkeeper.store_dependencies('target', document);
  return watchkeeper.target_document(stored);
end
$$;

create function watchkeeper.drop_target(target_id uuid, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.target_of(target_id);
  perform watchkeeper.end_availability(target_id, at);
  update watchkeeper.services as s set watched_until = greatest(s.watched_from, at) where s.target_id = drop_target.target_id;
  perform watchkeeper.keep_looks(target_id, at);
  delete from watchkeeper.checks as c where c.target_id = drop_target.target_id;
  perform watchkeeper.close_orphaned_alerts(target_id, 'the target was deleted', at);
  delete from watchkeeper.targets as t where t.id = drop_target.target_id;
end
$$;

create function watchkeeper.delete_target(target_id uuid, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  lock table watchkeeper.dependencies in share row exclusive mode;
  perform watchkeeper.drop_target(target_id, at);
end
$$;

-- All targets of a file in one transaction. `prune` deletes the targets that are not mentioned. A dry run does it all
-- and takes it back, so that what it says is what would happen.
create function watchkeeper.apply_targets(targets jsonb, prune boolean, dry_run boolean, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  catalog jsonb := watchkeeper.catalog_document();
  -- Names, each list in order.
  created text[] := '{}';
  changed text[] := '{}';
  unchanged text[] := '{}';
  deleted text[] := '{}';
  wanted jsonb;
  stored watchkeeper.targets;
  old jsonb;
  edges jsonb[] := '{}';
  n integer;
begin
  perform watchkeeper.require_role('admin');
  perform watchkeeper.need_list('targets', targets, 10000, 8000000);
  perform watchkeeper.refuse(format('targets[%s].name', e.n), format('%s is there twice', e.name))
  from (
    select w.n - 1 as n, w.t ->> 'name' as name, row_number() over (partition by w.t ->> 'name' order by w.n) as nth
    from jsonb_array_elements(targets) with ordinality as w (t, n)
  ) as e
  where e.nth > 1 and e.name is not null;

  lock table watchkeeper.dependencies in share row exclusive mode;
  -- In the order in which recording locks them.
  perform from (select from watchkeeper.targets as t order by t.id for no key update) as locked;
  begin
    for wanted, n in select e.t, e.n - 1 from jsonb_array_elements(targets) with ordinality as e (t, n) order by e.t ->> 'name' loop
      perform watchkeeper.need_json(format('targets[%s]', n), wanted, 'object', 100000);
      wanted := watchkeeper.normal_target(format('targets[%s]', n), wanted - 'paused', catalog) - 'id';
      select t.* into stored from watchkeeper.targets as t where t.name = wanted ->> 'name';
      old := case when stored.id is not null then watchkeeper.target_document(stored) - 'id' - 'paused' end;
      if old = wanted then
        unchanged := unchanged || (wanted ->> 'name');
        continue;
      elsif old is null then
        created := created || (wanted ->> 'name');
      else
        changed := changed || (wanted ->> 'name');
      end if;
      perform watchkeeper.store_target(wanted - 'depends_on', at);
      edges := edges || jsonb_build_object('argument', format('targets[%s]', n), 'document', wanted);
    end loop;
    perform watchkeeper.store_dependencies(e ->> 'argument', e -> 'document') from unnest(edges) as e;

    if coalesce(prune, false) then
      for stored in
        select t.* from watchkeeper.targets as t
        where t.name not in (select w ->> 'name' from jsonb_array_elements(targets) as w) order by t.name
      loop
        deleted := deleted || stored.name;
        perform watchkeeper.drop_target(stored.id, at);
      end loop;
    end if;
    if dry_run then
      raise exception using errcode = 'WK000';
    end if;
  exception when sqlstate 'WK000' then
    null;
  end;
  return jsonb_build_object('created', created, 'changed', changed, 'unchanged', unchanged, 'deleted', deleted);
end
$$;

-- A paused target is neither probed nor judged: its alerts end, and it says `paused`, not `ok`.
create function watchkeeper.pause_target(target_id uuid, paused boolean, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  target watchkeeper.targets;
begin
  perform watchkeeper.require_role('admin');
  if paused is null then
    perform watchkeeper.refuse('paused', 'must be true or false');
  end if;
  target := watchkeeper.target_of(target_id);
  if target.paused <> paused then
    update watchkeeper.targets as t set paused = pause_target.paused, updated_at = at where t.id = target.id returning t.* into target;
    delete from watchkeeper.rule_states as r using watchkeeper.checks as c where c.id = r.check_id and c.target_id = target.id;
    perform watchkeeper.close_orphaned_alerts(target.id, 'the target was paused', at);
    update watchkeeper.checks as c set next_due_at = at, watched_since = at where c.target_id = target.id and not paused;
  end if;
  return watchkeeper.target_document(target);
end
$$;

create function watchkeeper.run_check_now(target_id uuid, kind text, at timestamptz) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  target watchkeeper.targets;
  due integer;
begin
  perform watchkeeper.require_role('admin', 'responder');
  target := watchkeeper.target_of(target_id);
  if target.paused then
    raise sqlstate 'PT409' using message = format('target_id: %s is paused', target.name);
  end if;
  update watchkeeper.checks as c set next_due_at = at
  where c.target_id = target.id and c.enabled and (run_check_now.kind is null or c.kind = run_check_now.kind);
  get diagnostics due = row_count;
  if due = 0 then
    raise sqlstate 'PT404' using message = format('kind: %s has no enabled check%s', target.name, coalesce(' ' || left(kind, 40), ''));
  end if;
  return jsonb_build_object('due', due);
end
$$;

create function public.save_target(target jsonb) returns jsonb
language sql set search_path = '' as 'select watchkeeper.save_target(target, now())';
create function public.apply_targets(targets jsonb, prune boolean default false, dry_run boolean default false) returns jsonb
language sql set search_path = '' as 'select watchkeeper.apply_targets(targets, prune, dry_run, now())';
create function public.pause_target(target_id uuid, paused boolean default true) returns jsonb
language sql set search_path = '' as 'select watchkeeper.pause_target(target_id, paused, now())';
create function public.delete_target(target_id uuid) returns void
language sql set search_path = '' as 'select watchkeeper.delete_target(target_id, now())';
create function public.run_check_now(target_id uuid, kind text default null) returns jsonb
language sql set search_path = '' as 'select watchkeeper.run_check_now(target_id, kind, now())';

grant execute on function
  watchkeeper.save_target(jsonb, timestamptz), public.save_target(jsonb),
  watchkeeper.apply_targets(jsonb, boolean, boolean, timestamptz), public.apply_targets(jsonb, boolean, boolean),
  watchkeeper.pause_target(uuid, boolean, timestamptz), public.pause_target(uuid, boolean),
  watchkeeper.delete_target(uuid, timestamptz), public.delete_target(uuid),
  watchkeeper.run_check_now(uuid, text, timestamptz), public.run_check_now(uuid, text)
to authenticated, service_role;
