"""What is asked for each transition is looked up in an index, whatever the planner believes."""

from tests.supabase.world import Db, World, a_target, finding, result
from tests.support.parts import Cluster

TARGETS, RULES = 60, 5


def fails(db: Db) -> list[str]:
    """All targets fail in all their rules; returns how each alert changed."""
    world = World(db)
    targets = [a_target(f"t{n}", {"p2p": {"interval_s": 60}}) for n in range(TARGETS)]
    db.run("select watchkeeper.apply_targets(%s, false, false, %s)", targets, world.start)
    breaches = [finding("breach", f"rule_{n}") for n in range(RULES)]
    told = world.record(1, [result(task, "fail", *breaches) for task in world.tick(0)])
    return [transition["transition"] for transition in told["transitions"]]


def test_many_alerts_at_once_do_not_read_each_others_transitions(cluster: Cluster) -> None:
    """As after a mass of rows that is gone: the tables are long, and known to be empty."""
    with cluster.copy("migrated").connect() as connection:
        with connection.transaction(force_rollback=True):
            fails(Db(connection))
        connection.execute("analyze")
        with connection.transaction(force_rollback=True):
            db = Db(connection)
            assert fails(db) == ["fired"] * TARGETS * RULES
            read = dict(db.rows("select relname, seq_tup_read from pg_stat_xact_all_tables"))
    for table in ("alert_transitions", "system_alerts", "deliveries"):
        assert read[table] <= TARGETS * RULES, f"{table}: once through at most, and not once for each alert"
