"""Domain errors become Dagster's failures in their own words, and are tried again only where that can help."""

import dagster as dg
import pytest

from imageflow_assets.failures import PICTURE, explained
from imageflow_clients.settings import Settings
from imageflow_domain.errors import (
    BadFile,
    BadFrames,
    CaptureError,
    Conflict,
    DatabaseUnavailable,
    GameDied,
    GameMissing,
    GameNeverSettled,
    ImageFlowError,
    InvalidInput,
    NotFound,
    NotReady,
    ObjectMissing,
    PositionUnreachable,
    StoreUnavailable,
)

MAY_PASS = [StoreUnavailable, DatabaseUnavailable, GameDied, GameNeverSettled, CaptureError]
WILL_NOT_PASS = [GameMissing, PositionUnreachable, InvalidInput, NotFound, NotReady, Conflict]


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMAGEFLOW_RETRY_WAITS", raising=False)


@pytest.mark.parametrize("kind", MAY_PASS)
def test_what_may_pass_by_itself_is_tried_again_three_times_ever_later(kind: type[ImageFlowError]) -> None:
    waited = []
    for attempt in range(3):
        with pytest.raises(dg.RetryRequested) as caught, explained(attempt, Settings().retry_waits):
            raise kind("what happened and what to do")
        assert caught.value.max_retries == 3
        waited.append(caught.value.seconds_to_wait)
    assert waited == [30, 60, 120]


def test_how_often_a_step_is_tried_again_and_when_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEFLOW_RETRY_WAITS", "1 2.5")
    with pytest.raises(dg.RetryRequested) as caught, explained(1, Settings().retry_waits):
        raise StoreUnavailable("what happened and what to do")
    assert (caught.value.max_retries, caught.value.seconds_to_wait) == (2, 2.5)
    monkeypatch.setenv("IMAGEFLOW_RETRY_WAITS", "")
    with pytest.raises(dg.Failure), explained(0, Settings().retry_waits):
        raise StoreUnavailable("what happened and what to do")


@pytest.mark.parametrize("wrong", ["0", "-1", "soon", "1,2"])
def test_waits_that_are_no_times_are_refused_with_the_variables_name(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEFLOW_RETRY_WAITS", wrong)
    with pytest.raises(InvalidInput, match="IMAGEFLOW_RETRY_WAITS"):
        Settings()


@pytest.mark.parametrize("kind", MAY_PASS)
def test_the_last_attempt_fails_in_its_own_words(kind: type[ImageFlowError]) -> None:
    with pytest.raises(dg.Failure) as caught, explained(3, Settings().retry_waits):
        raise kind("what happened and what to do")
    assert not caught.value.allow_retries
    assert caught.value.description == "what happened and what to do"


@pytest.mark.parametrize("kind", WILL_NOT_PASS)
def test_what_cannot_pass_fails_at_once(kind: type[ImageFlowError]) -> None:
    with pytest.raises(dg.Failure) as caught, explained(0, Settings().retry_waits):
        raise kind("what happened and what to do")
    assert not caught.value.allow_retries
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize(
    "error",
    [
        BadFrames([BadFile(name="r00_c00.png", reason="is empty")], source="frames"),
        ObjectMissing("surveys/x", next_step="materialise screenshots again"),
    ],
)
def test_errors_that_name_files_and_objects_keep_their_text(error: ImageFlowError) -> None:
    with pytest.raises(dg.Failure) as caught, explained():
        raise error
    assert caught.value.description == str(error)
    assert not caught.value.allow_retries


def test_an_error_that_nobody_foresaw_is_left_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), explained():
        raise ZeroDivisionError


def test_what_goes_well_is_left_alone() -> None:
    with explained():
        pass


def test_the_key_of_a_kept_picture_goes_with_the_failure() -> None:
    error = GameDied("it died")
    error.kept_as = "surveys/one-0001/no_map.png"
    with pytest.raises(dg.Failure) as caught, explained():
        raise error
    assert caught.value.metadata[PICTURE].value == "surveys/one-0001/no_map.png"
    with pytest.raises(dg.Failure) as caught, explained():
        raise GameDied("it died before anything was shown")
    assert PICTURE not in caught.value.metadata
