"""All that an operator asks of the database: a method per RPC, with its name and its arguments, a file per concern.

The functions have no use for these, so they are not in the zip. What they call is in `watchkeeper.store`, and so is
how a call is made.
"""

from infra.cli.api.alerts import Alerts
from infra.cli.api.audit import Audit
from infra.cli.api.benchmarks import Benchmarks
from infra.cli.api.channels import Channels
from infra.cli.api.heartbeats import Heartbeats
from infra.cli.api.incidents import Incidents
from infra.cli.api.levels import Levels
from infra.cli.api.members import Members
from infra.cli.api.oncall import OnCall
from infra.cli.api.reports import Reports
from infra.cli.api.routes import Routes
from infra.cli.api.settings import Settings
from infra.cli.api.status import Status
from infra.cli.api.targets import Targets


class OperatorStore(
    Status, Targets, Alerts, Incidents, Channels, Routes, OnCall, Heartbeats, Levels, Reports, Benchmarks,
    Settings, Members, Audit,
):  # fmt: skip
    """A store that can do all that an operator does. Ids are UUIDs as text; times are ISO 8601 with a zone.

    Every method raises StoreError when the database refuses, and `argument` names what is wrong: `code` 22023 for an
    argument, 42501 for a right that is missing, PT404 for what does not exist, PT409 for what the present state does
    not allow. StoreUnreachable: there was no answer, and unless `never_sent` it may have been done.
    """
