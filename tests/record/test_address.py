import pytest

from introsearch.record.address import without_password


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "run a --tracking-uri=https://u:pw@host",
            "run a --tracking-uri=https://***@host",
        ),
        ("postgresql://me:se:cret@db/x", "postgresql://***@db/x"),
        ("http://me:s@cr@t@host:5000/path", "http://***@host:5000/path"),
        ("sqlite:////a/b@c.db", "sqlite:////a/b@c.db"),
        ("http://host:5000/path", "http://host:5000/path"),
    ],
)
def test_passwords_are_not_shown(text: str, shown: str) -> None:
    assert without_password(text) == shown
