"""Settings: what the environment may say, and what is said about mistakes in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definable.errors import UsageError
from definable.settings import Settings


def test_an_empty_environment_leaves_every_default() -> None:
    """Nothing set, nothing decided: foreign variables mean nothing here."""
    assert Settings.read({"PATH": "/bin", "HEX_API_TOKEN": "x"}) == Settings()


def test_each_variable_fills_its_field() -> None:
    """The four variables are read as paths, a level and a switch."""
    environ = {
        "DEFINABLE_HOME": "/var/state",
        "DEFINABLE_WORKSPACE": "~/ours",
        "DEFINABLE_LOG": "DEBUG",
        "DEFINABLE_OFFLINE": "1",
    }
    assert Settings.read(environ) == Settings(
        home=Path("/var/state"), workspace=Path("~/ours").expanduser(), log="debug", offline=True
    )


@pytest.mark.parametrize("value", ["0", "no", "False", " off "])
def test_offline_can_be_forced_off(value: str) -> None:
    """A false switch is an answer, not the absence of one."""
    assert Settings.read({"DEFINABLE_OFFLINE": value}).offline is False


@pytest.mark.parametrize(("value", "share"), [("0.5", 0.5), ("1", 1.0), ("OFF", 0.0)])
def test_a_share_of_the_quotas_is_a_part_or_off(value: str, share: float) -> None:
    """0 is what `off` means, and nothing else does."""
    assert Settings.read({"DEFINABLE_QUOTA_SHARE": value}).quota_share == share


@pytest.mark.parametrize("value", ["0", "1.5", "-1", "nan", "half"])
def test_no_part_of_a_quota_is_refused(value: str) -> None:
    """More than all of it, nothing of it, and what is no number."""
    with pytest.raises(UsageError) as caught:
        Settings.read({"DEFINABLE_QUOTA_SHARE": value})
    assert str(caught.value) == (
        f"DEFINABLE_QUOTA_SHARE={value!r} is no part of a quota\n"
        "  use a number above 0 and up to 1, such as 0.5, or off to send without looking at quotas"
    )


@pytest.mark.parametrize(("value", "seconds"), [("90d", 90 * 86400.0), ("12h", 43200.0), ("0.5d", 43200.0)])
def test_how_long_logs_are_kept_has_a_unit(value: str, seconds: float) -> None:
    """Unless it says so, they are kept for good."""
    assert Settings.read({"DEFINABLE_KEEP": value}).keep == seconds
    assert Settings.read({}).keep is None


@pytest.mark.parametrize("value", ["90", "-1d", "forever", "9s"])
def test_no_time_to_keep_logs_is_refused(value: str) -> None:
    """A number without a unit could mean anything."""
    with pytest.raises(UsageError, match="is no time"):
        Settings.read({"DEFINABLE_KEEP": value})


@pytest.mark.parametrize("name", ["HOME", "WORKSPACE", "LOG", "OFFLINE", "QUOTA_SHARE", "KEEP"])
def test_an_empty_value_is_as_good_as_none(name: str) -> None:
    """`DEFINABLE_LOG= definable run` does what it does without the variable."""
    assert Settings.read({f"DEFINABLE_{name}": ""}) == Settings()


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    """A misspelt variable would otherwise be ignored without a word."""
    with pytest.raises(UsageError) as caught:
        Settings.read({"DEFINABLE_OFLINE": "1"})
    assert str(caught.value) == (
        "the environment sets DEFINABLE_OFLINE, which means nothing\n  did you mean DEFINABLE_OFFLINE?"
    )


def test_a_name_like_no_other_gets_the_whole_list() -> None:
    """When nothing is near, all known names are shown."""
    with pytest.raises(UsageError, match="known are DEFINABLE_HOME, DEFINABLE_WORKSPACE, DEFINABLE_LOG"):
        Settings.read({"DEFINABLE_XQZ_TIMEOUT_MS": "1"})


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"DEFINABLE_LOG": "loud"},
            "DEFINABLE_LOG='loud' is not a level\n  use one of debug, info, warning, error",
        ),
        ({"DEFINABLE_OFFLINE": "maybe"}, "DEFINABLE_OFFLINE='maybe' is neither yes nor no\n  use 1 or 0"),
        (
            {"DEFINABLE_HOME": "~nobody-here/x"},
            "DEFINABLE_HOME='~nobody-here/x' has a home folder that is not known\n  write out the path",
        ),
    ],
)
def test_a_bad_value_is_named_with_what_to_do(environ: dict[str, str], message: str) -> None:
    """The message has the variable, its value and the remedy."""
    with pytest.raises(UsageError) as caught:
        Settings.read(environ)
    assert str(caught.value) == message


@given(st.dictionaries(st.text(), st.text()))
def test_any_environment_is_read_or_refused(environ: dict[str, str]) -> None:
    """Whatever the environment holds, the answer is Settings: names of others are none of our business."""
    assert Settings.read({f"X{name}": value for name, value in environ.items()}) == Settings()
