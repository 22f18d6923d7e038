-- What is deleted, and a member's role, is as it was when somebody decided.

-- Deleting what was read ------------------------------------------------------------------------------------------

-- `key` and `version` are those of get_setting. Whoever deletes by the name alone deletes what is there now.
create function watchkeeper.delete_setting(kind text, key text, version text, at timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform watchkeeper.require_role('admin');
  perform watchkeeper.need_one_of('kind', kind,
    array['channel', 'escalation', 'heartbeat', 'objective', 'report_plan', 'rotation', 'route', 'target']);
  perform watchkeeper.need_text('key', key, 100);
  perform watchkeeper.need_text('version', version, 100);
  -- The lock that its save takes: nobody changes it between this look and the end.
  if kind = 'target' then
    lock table watchkeeper.dependencies in share row exclusive mode;
  else
    perform watchkeeper.lock_settings();
  end if;
  perform watchkeeper.need_version(kind, kind, jsonb_build_object(case kind when 'target' then 'id' else 'name' end, key, 'version', version));
  case kind
    when 'target' then perform watchkeeper.delete_target(key::uuid, at);
    when 'objective' then perform watchkeeper.delete_objective(key, at);
    when 'report_plan' then perform watchkeeper.delete_report_plan(key);
    else perform watchkeeper.delete_setting(kind, key, at);
  end case;
end
$$;

-- Roles -----------------------------------------------------------------------------------------------------------

-- Gives the role, or takes it away (null), if the person still has the role that the caller `saw`; null is none.
create function watchkeeper.change_role(email text, role text, saw text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  person uuid;
  stored text;
  change watchkeeper.audit_log;
begin
  perform watchkeeper.require_role('admin');
  person := watchkeeper.user_id_of(email);
  lock table watchkeeper.members in share row exclusive mode;
  stored := (select m.role from watchkeeper.members as m where m.user_id = person);
  if stored is distinct from saw then
    change := watchkeeper.last_change('members', (select jsonb_build_object('name', u.email) from auth.users as u where u.id = person));
    raise sqlstate 'PT409' using message = format('role: %s %s%s, after you read it', coalesce(change.actor, 'somebody'),
      coalesce('made it ' || stored, 'took it away'), coalesce(' at ' || watchkeeper.utc_text(change.at), ''));
  end if;
  if role is null then
    return watchkeeper.revoke_role(email);
  end if;
  return watchkeeper.grant_role(email, role);
end
$$;

create function public.delete_setting(kind text, key text, version text) returns void
language sql set search_path = '' as 'select watchkeeper.delete_setting(kind, key, version, now())';
create function public.change_role(email text, role text, saw text) returns jsonb
language sql set search_path = '' as 'select watchkeeper.change_role(email, role, saw)';

grant execute on function
  watchkeeper.delete_setting(text, text, text, timestamptz), public.delete_setting(text, text, text),
  watchkeeper.change_role(text, text, text), public.change_role(text, text, text)
to authenticated, service_role;
