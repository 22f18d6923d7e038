"""The AWS account a stage lives in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy.settings import Deployment
from infra.local.steps import LocalError

AwsError = (BotoCoreError, ClientError)
# A stack of which the creation failed holds nothing, and can only be made anew.
STILLBORN = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "REVIEW_IN_PROGRESS", "DELETE_FAILED"}


class Account:
    """What of AWS the deploy talks to. Clients are typed Any: which methods there are depends on the name."""

    def __init__(self, deployment: Deployment) -> None:
        self._stack = deployment.stack
        self._session = boto3.Session(profile_name=deployment.profile, region_name=deployment.region)
        self.client = cache(self._client)

    def _client(self, service: str) -> Any:
        return self._session.client(
            service, config=Config(connect_timeout=5, retries={"total_max_attempts": 4})
        )

    @property
    def region(self) -> str | None:
        """Where, by setting, profile or environment."""
        return self._session.region_name

    def identity(self) -> Mapping[str, str]:
        """Who we are there."""
        found: Mapping[str, str] = self.client("sts").get_caller_identity()
        return found

    def environment(self) -> dict[str, str]:
        """For the programs that are run: same account, same region."""
        env = {**os.environ, "AWS_REGION": self.region or "", "AWS_DEFAULT_REGION": self.region or ""}
        if self._session.profile_name != "default":
            env["AWS_PROFILE"] = self._session.profile_name
        return env

    def stack_status(self) -> str | None:
        """None: there is no stack."""
        try:
            found = self.client("cloudformation").describe_stacks(StackName=self._stack)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        status = found[0]["StackStatus"]
        return None if status == "DELETE_COMPLETE" else str(status)

    def failures(self) -> list[str]:
        """Why the last attempt failed, the first reason first."""
        try:
            events = self.client("cloudformation").describe_stack_events(StackName=self._stack)["StackEvents"]
        except ClientError:
            return []
        last = next((n for n, event in enumerate(events) if _begins(event)), len(events))
        return [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', event['ResourceStatus'])}"
            for event in reversed(events[:last])
            if event["ResourceStatus"].endswith("_FAILED")
            and "cancelled" not in event.get("ResourceStatusReason", "")
        ]

    def outputs(self) -> dict[str, str]:
        """The stack's outputs."""
        (stack,) = self.client("cloudformation").describe_stacks(StackName=self._stack)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}

    def output(self, name: str) -> str:
        """One of them."""
        found = self.outputs()
        if name not in found:
            raise LocalError(f"the stack {self._stack} has no output {name}: deploy it first")
        return found[name]

    def make_ready(self) -> str | None:
        """Clears away what a failed attempt left, so that the next one can begin; tells what it did."""
        status = self.stack_status()
        cloudformation = self.client("cloudformation")
        if status in STILLBORN:
            self.delete_stack()
            return f"the stack of a failed attempt ({status}) removed"
        if status == "UPDATE_ROLLBACK_FAILED":
            cloudformation.continue_update_rollback(StackName=self._stack)
            cloudformation.get_waiter("stack_rollback_complete").wait(StackName=self._stack)
            return "an unfinished rollback finished"
        return None

    def delete_stack(self) -> None:
        """Removes the stack and waits until it is gone."""
        cloudformation = self.client("cloudformation")
        cloudformation.delete_stack(StackName=self._stack)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=self._stack, WaiterConfig={"Delay": 2, "MaxAttempts": 900}
        )


def _begins(event: Mapping[str, Any]) -> bool:
    """Whether it is the first of an attempt; events come the newest first."""
    return event["ResourceType"] == "AWS::CloudFormation::Stack" and event["ResourceStatus"] in (
        "CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS",
    )  # fmt: skip
