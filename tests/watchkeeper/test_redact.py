import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.redact import redact, scrub, secrets_of

KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("https://example.com/health/live", "https://example.com/health/live"),
        (f"https://mainnet.infura.io/v3/{KEY}", "https://mainnet.infura.io/v3/***"),
        (f"https://a.quiknode.pro/{KEY}/ext/bc", "https://a.quiknode.pro/***/ext/bc"),
        ("https://eth-mainnet.g.alchemy.com/v2/abcDEFghiJKLmnoPQRstuVWXyzabcdef", "https://eth-mainnet.g.alchemy.com/v2/***"),
        ("https://user:hunter2@example.com/", "https://example.com/"),
        ("https://x.io/rpc?apikey=abc&chain=1#frag", "https://x.io/rpc?apikey=***&chain=***"),
        ("tcp://[::1]:5432", "tcp://[::1]:5432"),
        ("http://[::1", "(not a URL)"),
        ("http://x:notaport/", "(not a URL)"),
    ],
)  # fmt: skip
def test_an_endpoint_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert redact(url) == shown


@given(st.text())
def test_any_text_can_be_redacted(text: str) -> None:
    redact(text)
    secrets_of(text)


@given(st.from_regex(r"[0-9a-f]{32}", fullmatch=True))
def test_no_key_is_shown_wherever_it_stands(key: str) -> None:
    for url in (f"https://x/{key}", f"https://x/v3/{key}/y", f"https://{key}@x/", f"https://x/?k={key}"):
        assert key not in redact(url)
        assert key not in scrub(f"project {key} is over its limit", secrets_of(url))


def test_what_is_no_url_is_a_secret_as_a_whole() -> None:
    assert scrub("cannot parse http://[k3y", secrets_of("http://[k3y")) == "cannot parse ***"


def test_a_secret_is_scrubbed_however_it_is_escaped() -> None:
    secrets = secrets_of("https://user:p%40ss%2Fword@x/")
    assert scrub("refused p%40ss%2Fword and p@ss/word", secrets) == "refused *** and ***"


def test_very_short_values_do_not_tear_a_message_apart() -> None:
    assert scrub("error 1 of 1", secrets_of("https://x/?chain=1")) == "error 1 of 1"
