"""The one place that spells object keys. Every part is checked before it is joined."""

import re
import uuid

from imageflow_domain.backup import check_backup_name
from imageflow_domain.errors import BadFile, BadFileNames, InvalidInput
from imageflow_domain.file_names import (
    LIST_TYPE,
    PICTURE_TYPES,
    bad_picture,
    check_file_name,
    shown,
    why_no_map_file,
)
from imageflow_domain.grid import Cell
from imageflow_domain.ids import check_name, check_survey_id
from imageflow_domain.inference import ModelId

_DIGEST = re.compile(r"[0-9a-f]{32,64}")

_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_ENDING = re.compile(r"(\.[a-z]{1,5})?")
_RUN = re.compile(r"[0-9A-Za-z-]{1,64}")
_STEP = re.compile(r"[0-9A-Za-z_]+([.?0-9A-Za-z_\[\]]*[0-9A-Za-z_\]?])?")

SURVEYS = "surveys"
EXECUTIONS = "executions"
STEP_VALUES = "runs"
MODELS = "models"
MAP_UPLOADS = "uploads/maps"
INSPECTION_UPLOADS = "uploads/inspection"
INBOX = "uploads/inbox"
DONE_MARKER = "_DONE"
POSITIONS_FILE = "positions.csv"
MAP_UPLOAD_TYPES = (*PICTURE_TYPES, LIST_TYPE)


def _digest(value: str) -> str:
    if not _DIGEST.fullmatch(value):
        raise InvalidInput(f"'{value}' is not a digest.")
    return value


def _ending(value: str) -> str:
    if not _ENDING.fullmatch(value):
        raise InvalidInput(f"'{value}' is not the ending of a file's name.")
    return value


def survey_prefix(survey: str) -> str:
    """Everything that belongs to one survey alone."""
    return f"{SURVEYS}/{check_survey_id(survey)}"


def screenshot(survey: str, cell: Cell) -> str:
    """What was captured or uploaded for one area."""
    return f"{survey_prefix(survey)}/screenshots/{cell}.webp"


def thumbnail(survey: str, revision: str) -> str:
    """A small picture of the whole map, for lists; each revision has its own."""
    return f"{survey_prefix(survey)}/{_digest(revision)}/thumbnail.webp"


def no_map(survey: str) -> str:
    """What a game showed last that is no map: PNG, for a person to look at."""
    return f"{survey_prefix(survey)}/no_map.png"


def game_file(survey: str, digest: str) -> str:
    """A file beside its game's YAML, such as a savegame, by the digest of its bytes."""
    return f"{survey_prefix(survey)}/game/{_digest(digest)}"


def lineage(survey: str) -> str:
    """The sealed record of placement, confidence and lineage."""
    return f"{survey_prefix(survey)}/lineage.json.gz"


def execution(month: str, execution_id: uuid.UUID) -> str:
    """Everything of one execution, in the folder of the month in which it was made."""
    if not _MONTH.fullmatch(month):
        raise InvalidInput(f"'{month}' is no month.")
    return f"{EXECUTIONS}/{month}/{execution_id}"


def execution_input(month: str, execution_id: uuid.UUID, name: str, ending: str) -> str:
    """What a client sent for one input of the pipeline."""
    return f"{execution(month, execution_id)}/inputs/{check_name(name)}{_ending(ending)}"


def execution_output(month: str, execution_id: uuid.UUID, attempt: int, name: str, ending: str) -> str:
    """What one attempt at an execution made for one output of the pipeline."""
    return f"{execution(month, execution_id)}/{attempt}/{check_name(name)}{_ending(ending)}"


def execution_log(month: str, execution_id: uuid.UUID, attempt: int, first: int) -> str:
    """Log lines of one attempt at an execution, from the line of a number on."""
    # No output has such a name.
    return f"{execution(month, execution_id)}/{attempt}/log-lines/{first:07d}.json.gz"


def tile(digest: str) -> str:
    """Tiles are stored once by the digest of their pixels and encoder settings."""
    return f"tiles/{_digest(digest)[:2]}/{digest}.webp"


def lossless(digest: str) -> str:
    """The same pixels as a tile that is encoded with loss, kept to average the levels above from."""
    return f"lossless/{_digest(digest)[:2]}/{digest}.webp"


def map_upload(game: str, save: str, batch: str) -> str:
    """The folder of one uploaded set of frames."""
    return f"{MAP_UPLOADS}/{check_name(game)}/{check_name(save)}/{check_name(batch)}"


def map_upload_file(game: str, save: str, batch: str, name: str) -> str:
    """One file of such a folder: a picture, positions, or the marker that closes the folder."""
    if name != DONE_MARKER and why_no_map_file(check_file_name(name)) is not None:
        taken = f"upload {', '.join(MAP_UPLOAD_TYPES)} or {DONE_MARKER}"
        raise BadFileNames([BadFile(name=shown(name), reason=f"is not taken: {taken}")])
    return f"{map_upload(game, save, batch)}/{name}"


def models(name: str) -> str:
    """The folder of all versions of a model."""
    return f"{MODELS}/{check_name(name)}"


def model(model: ModelId) -> str:
    """The folder of one registered model."""
    return f"{models(model.name)}/{model.version}"


def model_file(model_id: ModelId) -> str:
    """The network itself, in ONNX."""
    return f"{model(model_id)}/model.onnx"


def model_sample(model_id: ModelId) -> str:
    """A few pictures as tensors, and the model's answers."""
    return f"{model(model_id)}/sample.npz"


def model_card(model_id: ModelId) -> str:
    """Written last: a model with a card is registered."""
    return f"{model(model_id)}/model.json"


def inspection_upload(product: str, batch: str) -> str:
    """The folder of one uploaded batch of pictures."""
    return f"{INSPECTION_UPLOADS}/{check_name(product)}/{check_name(batch)}"


def inspection_upload_file(product: str, batch: str, name: str) -> str:
    """One picture of such a folder."""
    if (bad := bad_picture(name)) is not None:
        raise BadFileNames([bad])
    return f"{inspection_upload(product, batch)}/{name}"


def inspection_upload_closed_by(key: str) -> tuple[str, str] | None:
    """Return product and batch of the folder that the marker at a key closes; `None` for every other key."""
    match key.split("/"):
        case [*folder, product, batch, marker] if "/".join(folder) == INSPECTION_UPLOADS and marker == DONE_MARKER:
            try:
                return check_name(product), check_name(batch)
            except InvalidInput:
                return None
    return None


def manifest(utc_ms: int, unique: str) -> str:
    """Says that a batch is closed. In the order of time.

    Args:
        utc_ms: Milliseconds since 1970.
        unique: A UUID.
    """
    return f"{inbox_since(utc_ms)}-{unique}.json"


def inbox_since(utc_ms: int) -> str:
    """Every manifest from then on sorts behind it."""
    return f"{INBOX}/{utc_ms:013d}"


def inspected_picture(digest: str) -> str:
    """Pictures of batches are kept once, by the digest of their bytes."""
    return f"inspection/pictures/{_digest(digest)[:2]}/{digest}"


def drawn_picture(inspection: int, place: int) -> str:
    """A picture with what was found drawn on it."""
    return f"inspection/drawn/{inspection}/{place:05d}.jpg"


def step_values_of(run: str) -> str:
    """The folder of what the steps of one of Dagster's runs handed to one another."""
    if not _RUN.fullmatch(run):
        raise InvalidInput(f"'{run}' is not a run's id.")
    return f"{STEP_VALUES}/{run}"


def step_value(run: str, step: str, output: str, mapping_key: str | None = None) -> str:
    """One such value.

    Args:
        run: Dagster's id of it.
        step: Dagster's key of it, such as `tiles.tiles_share[s001]`.
        output: Its name.
        mapping_key: Of a dynamic output.
    """
    parts = (step, output) if mapping_key is None else (step, output, mapping_key)
    for part in parts:
        if not _STEP.fullmatch(part):
            raise InvalidInput(f"'{part}' is not the name of a step or output.")
    return f"{step_values_of(run)}/{'/'.join(parts)}.json"


BACKUPS = "database"
REPLICA = "objects"
REPLACED = "replaced"
"""Folders of the backup store: dumps of the database, the replica of the objects, and what was deleted or overwritten
there since."""


def backup(name: str) -> str:
    """The folder of one backup of the database."""
    return f"{BACKUPS}/{check_backup_name(name)}"


def backup_manifest(name: str) -> str:
    """Written last."""
    return f"{backup(name)}/manifest.json"


def backup_part(name: str, database: str, number: int) -> str:
    """One part of an encrypted dump, from 0 on."""
    return f"{backup(name)}/{check_name(database)}.{number:05d}.age"


def replaced(name: str) -> str:
    """What one replication deleted from or overwrote in the replica, under the keys that it had there."""
    return f"{REPLACED}/{check_backup_name(name)}"
