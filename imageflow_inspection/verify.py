"""What people say of pictures, kept beside what the pipelines said, and reported to Dagster as one event a batch."""

from collections.abc import Callable
from datetime import timedelta

from imageflow_clients.database import Connection
from imageflow_clients.database.core import event_positions
from imageflow_clients.database.core.event_reading import Reader, read_on
from imageflow_clients.database.inspection import inspections, statistics, verification_events
from imageflow_clients.database.inspection import verifications as rows
from imageflow_clients.stores import Stores
from imageflow_domain.batch_events import Kind, batch_of
from imageflow_domain.errors import InvalidInput, NotFound
from imageflow_domain.events import LoggedEvent
from imageflow_domain.inspection import Verdict, Verification, VerificationEvent
from imageflow_domain.texts import check_text
from imageflow_inspection.results import get_result

QUIET = timedelta(seconds=60)
_EVENTS = 100


def verify(
    stores: Stores,
    inspection_id: int,
    place: int,
    verdict: Verdict,
    *,
    inspector: str,
    item: str = "",
    notes: str = "",
    seconds: float = 0.0,
    request_id: str | None = None,
) -> Verification:
    """Keep a person's verdict on a picture, or on one item of it. The latest one counts; all are kept.

    Args:
        stores: Where it is kept.
        inspection_id: The inspection whose result the person saw.
        place: Of the picture.
        verdict: Pass or fail.
        inspector: Who judged, 1 to 100 characters.
        item: Its code; empty for the picture as a whole.
        notes: Up to 2,000 characters.
        seconds: How long the person looked, at most a day.
        request_id: The same one again keeps nothing twice.

    Raises:
        InvalidInput: For what is out of these bounds.
        NotFound: Where there is no such result.
        Conflict: Where `request_id` stands for another verdict.
    """
    _check(verdict, inspector, notes, seconds, request_id)
    found = get_result(stores, inspection_id, place)
    batch, codes = found.batch, [judgement.item for judgement in found.result.items]
    if item and item not in codes:
        raise NotFound(f"Inspection {inspection_id} judged no item '{item}': it judged {', '.join(codes)}.")
    with stores.database.begin() as connection:
        if not inspections.hold_result(connection, inspection_id, place):
            raise NotFound(
                f"Picture {place} of inspection {inspection_id} is being judged again: verify it after that."
            )
        verification, is_new = rows.add(
            connection,
            batch=batch.id,
            inspection=inspection_id,
            place=place,
            item=item,
            verdict=verdict,
            inspector=inspector,
            notes=notes,
            seconds=seconds,
            request_id=request_id,
        )
        if is_new:
            statistics.touch(connection, verification.created_at, batch.product)
            if (former := rows.replaced_by(connection, verification)) is not None:
                statistics.touch(connection, former.created_at, batch.product)
    return verification


def events_to_report(stores: Stores, *, quiet: timedelta = QUIET) -> tuple[VerificationEvent, ...]:
    """Return the events that are to be reported, oldest first; the same ones until they are `reported`.

    A batch's verdicts become one event once all its pictures are verified, or when none came for `quiet`. They are read
    from the event log; whoever dies on the way leaves them to the next call.
    """
    read_on(stores.database, Reader.VERDICTS, _gather)
    with stores.database.begin() as connection:
        event_positions.position_of(connection, Reader.VERDICTS)  # else two processes could lock rows in a circle
        verification_events.seal_due(connection, quiet)
    with stores.database.begin() as connection:
        return verification_events.unreported(connection, _EVENTS)


def _gather(connection: Connection, logged: LoggedEvent) -> None:
    batch = batch_of(logged.event)
    if batch is not None and logged.event.kind == Kind.VERDICT:
        verification_events.add_verdict(connection, batch, logged.created_at)


def report_events(
    stores: Stores,
    report: Callable[[VerificationEvent], None],
    is_there: Callable[[VerificationEvent], bool],
    *,
    quiet: timedelta = QUIET,
) -> tuple[VerificationEvent, ...]:
    """Report each event once, whoever died while reporting; return those that were reported now.

    Args:
        stores: Where they wait.
        report: Tells an event, with its id, to whoever keeps events.
        is_there: Tells whether an event of that id was told before. It is asked of every event: one may have been
            told by somebody who died before it could be noted.
        quiet: See `events_to_report`.
    """
    reported = []
    for event in events_to_report(stores, quiet=quiet):
        if not is_there(event):
            report(event)
            reported.append(event)
        with stores.database.begin() as connection:
            verification_events.set_reported(connection, event.id)
    return tuple(reported)


def _check(verdict: Verdict, inspector: str, notes: str, seconds: float, request_id: str | None) -> None:
    if verdict is Verdict.UNDECIDED:
        raise InvalidInput("A person says pass or fail: leave the picture unverified if neither can be said.")
    check_text(inspector, "The inspector's name", least=1, most=100)
    check_text(notes, "A note", most=2_000)
    if not 0 <= seconds <= 86_400:
        raise InvalidInput("A verification takes between 0 seconds and a day.")
    if request_id is not None:
        check_text(request_id, "A request's id", least=1, most=200)
