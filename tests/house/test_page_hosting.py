"""The page on CloudFront: the same headers as on a laptop, the same addresses, and no other way to its files."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from infra.local.node import node_path
from infra.local.page import security_headers
from infra.local.paths import TEMPLATE

API = "https://abcdefghijkl.supabase.co"
SOURCE: dict[str, Any] = yaml_parse(TEMPLATE.read_text())
RESOURCES: dict[str, Any] = SOURCE["Resources"]
HOSTING = ["Page", "PageAccess", "PageFiles", "PageFilesPolicy", "PageHeaders", "PageRoutes"]


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = RESOURCES[name]["Properties"]
    return found


def headers_sent() -> dict[str, str]:
    """What the response headers policy sends, in an installation whose API is API."""
    config = properties("PageHeaders")["ResponseHeadersPolicyConfig"]
    security = config["SecurityHeadersConfig"]
    text, names = security["ContentSecurityPolicy"]["ContentSecurityPolicy"]["Fn::Sub"]
    assert names == {"Host": {"Fn::Select": [1, {"Fn::Split": ["://", {"Ref": "SupabaseUrl"}]}]}}
    policy = text.replace("${SupabaseUrl}", API).replace("${Host}", API.split("://")[1])
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": security["ReferrerPolicy"]["ReferrerPolicy"],
        "X-Content-Type-Options": "nosniff" if "ContentTypeOptions" in security else "",
        **{each["Header"]: each["Value"] for each in config["CustomHeadersConfig"]["Items"]},
    }


def test_a_browser_is_told_the_same_as_on_a_laptop() -> None:
    assert headers_sent() == security_headers(API)


def test_no_answer_of_the_bucket_goes_before_the_policy() -> None:
    config = properties("PageHeaders")["ResponseHeadersPolicyConfig"]
    every = [*config["SecurityHeadersConfig"].values(), *config["CustomHeadersConfig"]["Items"]]
    assert all(each["Override"] is True for each in every)


def test_https_is_asked_for_from_then_on() -> None:
    config = properties("PageHeaders")["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    assert config["StrictTransportSecurity"]["AccessControlMaxAgeSec"] >= 365 * 86_400
    assert (
        properties("Page")["DistributionConfig"]["DefaultCacheBehavior"]["ViewerProtocolPolicy"]
        == "redirect-to-https"
    )


def test_only_this_distribution_reads_the_files() -> None:
    allowed = [
        s for s in properties("PageFilesPolicy")["PolicyDocument"]["Statement"] if s.get("Effect") == "Allow"
    ]
    (statement,) = allowed
    assert statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert statement["Action"] == "s3:GetObject"
    assert "distribution/${Page}" in str(statement["Condition"]["StringEquals"]["aws:SourceArn"])
    (origin,) = properties("Page")["DistributionConfig"]["Origins"]
    assert origin["OriginAccessControlId"] == {"Fn::GetAtt": ["PageAccess", "Id"]}


def test_it_speaks_what_browsers_speak_now() -> None:
    config = properties("Page")["DistributionConfig"]
    assert (config["HttpVersion"], config["IPV6Enabled"]) == ("http2and3", True)
    assert config["DefaultCacheBehavior"]["Compress"] is True
    own = config["ViewerCertificate"]["Fn::If"][1]
    assert own["MinimumProtocolVersion"] == "TLSv1.2_2021"


def test_without_the_page_nothing_of_it_is_made() -> None:
    made = [name for name, resource in RESOURCES.items() if resource.get("Condition") == "HostsPage"]
    assert sorted(made) == HOSTING
    outputs = {name for name, output in SOURCE["Outputs"].items() if "Page" in str(output)}
    assert all(SOURCE["Outputs"][name]["Condition"] == "HostsPage" for name in outputs)


def routed(uri: str, accepted: str | None = None) -> str:
    """Where the function at CloudFront's edge sends an address."""
    headers = {"accept-encoding": {"value": accepted}} if accepted else {}
    request = {"uri": uri, "method": "GET", "headers": headers, "querystring": {}, "cookies": {}}
    ask = f"console.log(JSON.stringify(handler({{request: {json.dumps(request)}}})));"
    script = properties("PageRoutes")["FunctionCode"] + ask
    done = subprocess.run([node_path(), "-e", script], capture_output=True, text=True, check=True)
    return str(json.loads(done.stdout)["uri"])


@pytest.mark.parametrize(
    ("uri", "accepted", "file"),
    [
        ("/", None, "/index.html"),
        ("/", "gzip, deflate, br", "/index.html.br"),
        ("/index.html", "gzip", "/index.html.gz"),
        ("/alerts/6d1f", "br", "/index.html.br"),
        ("/targets/node.example/x", None, "/index.html"),
        ("/assets/main-AB12.js", "gzip, deflate, br, zstd", "/assets/main-AB12.js.br"),
        ("/assets/main-AB12.js", "identity", "/assets/main-AB12.js"),
        ("/config.json", "br", "/config.json"),
        ("/favicon.ico", "br", "/favicon.ico"),
        ("/alerts/v1.2", None, "/alerts/v1.2"),  # as on a laptop: a dot means a file
    ],
)
def test_an_address_is_the_file_that_a_laptop_would_send(uri: str, accepted: str | None, file: str) -> None:
    assert routed(uri, accepted) == file
