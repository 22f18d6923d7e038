"""The first admin. Users are Supabase's: we give the right, not the password."""

from __future__ import annotations

from infra.cli.api import OperatorStore
from infra.deploy.settings import Deployment
from watchkeeper.errors import StoreError


def grant(deployment: Deployment) -> str:
    """Makes ADMIN_EMAIL an admin, or says how to."""
    email = deployment.admin_email
    with OperatorStore(deployment.supabase_url, deployment.secret_key) as store:
        if any(each["email"] == email and each["role"] == "admin" for each in store.list_members()):
            return f"{email} is one"
        try:
            store.grant_role(email, "admin")
        except StoreError as error:
            if error.code != "PT404":
                raise
            return (
                f"TO DO: there is no user {email} yet. Invite them (Authentication > Users > Add user), "
                "and run this again, or: watchkeeper members grant " + f"{email} admin"
            )
    return f"{email} is one now"
