"""The tables of inspection. Versions of a batch, a master or a pipeline are rows of their own and never change."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from imageflow_clients.database.metadata import metadata
from imageflow_domain.inspection import MOST_DETAILS_BYTES

_NOW = func.now()
_VERDICTS = "verdict IN ('pass', 'fail', 'undecided')"


def _name(column: str, *, name: str) -> CheckConstraint:
    return CheckConstraint(f"{column} ~ '^[a-z0-9_]{{1,64}}$'", name=name)


def _short(column: str, most: int) -> CheckConstraint:
    return CheckConstraint(f"char_length({column}) <= {most}", name=f"{column}_short")


def _small(column: str, most_bytes: int) -> CheckConstraint:
    return CheckConstraint(f"octet_length({column}::text) <= {most_bytes}", name=f"{column}_small")


def _moment(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=_NOW)


products = Table(
    "products",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    _moment("created_at"),
    _name("code", name="code"),
    _short("name", 255),
    _short("description", 10_000),
)

pipelines = Table(
    "pipelines",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("spec", JSONB, nullable=False),
    Column("digest", Text, nullable=False),
    _moment("created_at"),
    _name("name", name="name"),
    CheckConstraint("version >= 1", name="version"),
    _small("spec", 4_000_000),
)

masters = Table(
    "masters",
    metadata,
    Column("product", Text, ForeignKey("products.code"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("revision", Integer, nullable=False, server_default="1"),
    _moment("created_at"),
    _moment("updated_at"),
    Column("published_at", DateTime(timezone=True), nullable=True),
    CheckConstraint("state IN ('draft', 'published')", name="state"),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint("(state = 'published') = (published_at IS NOT NULL)", name="published"),
    Index("ix_masters_draft", "product", unique=True, postgresql_where=text("state = 'draft'")),
)

master_items = Table(
    "master_items",
    metadata,
    Column("product", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("place", SmallInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("pipeline", Text, nullable=False),  # name@version
    Column("required", Boolean, nullable=False),
    Column("criteria", JSONB, nullable=False),
    ForeignKeyConstraint(["product", "version"], ["masters.product", "masters.version"], ondelete="CASCADE"),
    UniqueConstraint("product", "version", "place"),
    _name("code", name="code"),
    _short("name", 255),
    CheckConstraint("type IN ('VISUAL', 'DIMENSION', 'FUNCTION', 'TEXT')", name="type"),
    _small("criteria", 65_536),
    Index("ix_master_items_pipeline", "pipeline"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("product", Text, ForeignKey("products.code"), nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("folder", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="closed"),
    Column("reason", Text, nullable=True),
    Column("listing", Text, nullable=False),
    Column("source_digest", Text, nullable=True),
    Column("pictures", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("retry_at", DateTime(timezone=True), nullable=True),
    Column("report_tries", SmallInteger, nullable=False, server_default="0"),
    Column("inspection_id", BigInteger, nullable=True),  # no foreign key: inspections name their batch
    Column("switches", Integer, nullable=False, server_default="0"),
    _moment("closed_at"),
    UniqueConstraint("product", "name", "version"),
    _name("name", name="name"),
    CheckConstraint("state IN ('closed', 'taken', 'inspected', 'failed')", name="state"),
    CheckConstraint("pictures BETWEEN 1 AND 20000", name="pictures"),
    CheckConstraint("bytes >= 0", name="bytes"),
    Index("ix_batches_waiting", "id", postgresql_where=text("state IN ('closed', 'taken')")),
    Index("ix_batches_failed", "id", postgresql_where=text("state = 'failed'")),
    Index("ix_batches_product_closed_at", "product", "closed_at"),
    Index("ix_batches_closed_at", "closed_at"),
    Index("ix_batches_inspection_id", "inspection_id"),
)

manifests = Table(
    "manifests",
    metadata,
    Column("key", Text, primary_key=True),
    Column("batch_id", BigInteger, ForeignKey("batches.id", ondelete="CASCADE"), nullable=True),
    Column("reason", Text, nullable=True),  # why it closed no batch
    _moment("noticed_at"),
    _short("key", 200),
    _short("reason", 2_000),
)

batch_pictures = Table(
    "batch_pictures",
    metadata,
    Column("batch_id", BigInteger, ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    UniqueConstraint("batch_id", "name"),
    _short("name", 1024),
    CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name="digest"),
    CheckConstraint("bytes >= 0", name="bytes"),
)

inspections = Table(
    "inspections",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("batch_id", BigInteger, ForeignKey("batches.id", ondelete="CASCADE"), nullable=False),
    Column("identity", Text, nullable=False),
    Column("master_version", Integer, nullable=False),
    Column("code_version", Integer, nullable=False),
    Column("judged_by", JSONB, nullable=False),
    Column("providers", ARRAY(Text), nullable=False, server_default="{}"),  # who computed its models
    Column("pictures", Integer, nullable=False, server_default="0"),
    Column("passed", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("undecided", Integer, nullable=False, server_default="0"),
    Column("seconds", Double, nullable=False, server_default="0"),
    _moment("begun_at"),
    Column("done_at", DateTime(timezone=True), nullable=True),
    Column("reported_at", DateTime(timezone=True), nullable=True),
    UniqueConstraint("batch_id", "identity"),
    CheckConstraint("passed + failed + undecided = pictures", name="counts"),
    Index("ix_inspections_unreported", "id", postgresql_where=text("done_at IS NOT NULL AND reported_at IS NULL")),
)

picture_results = Table(
    "picture_results",
    metadata,
    Column("inspection_id", BigInteger, ForeignKey("inspections.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("verdict", Text, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("drawn_key", Text, nullable=True),
    _moment("judged_at"),
    CheckConstraint(_VERDICTS, name="verdict"),
    CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence"),
    Index("ix_picture_results_verdict", "inspection_id", "verdict", "place"),
    Index("ix_picture_results_judged_at", "judged_at"),
)

item_results = Table(
    "item_results",
    metadata,
    Column("inspection_id", BigInteger, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("item", Text, primary_key=True),
    Column("verdict", Text, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("details", JSONB, nullable=False),
    ForeignKeyConstraint(
        ["inspection_id", "place"], ["picture_results.inspection_id", "picture_results.place"], ondelete="CASCADE"
    ),
    CheckConstraint(_VERDICTS, name="verdict"),
    CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence"),
    _small("details", MOST_DETAILS_BYTES),
)

verifications = Table(
    "verifications",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("inspection_id", BigInteger, nullable=False),
    Column("place", Integer, nullable=False),
    Column("item", Text, nullable=False, server_default=""),  # empty: the picture as a whole
    Column("verdict", Text, nullable=False),
    Column("inspector", Text, nullable=False),
    Column("notes", Text, nullable=False, server_default=""),
    Column("seconds", Double, nullable=False, server_default="0"),
    Column("request_id", Text, nullable=True, unique=True),
    _moment("created_at"),
    ForeignKeyConstraint(
        ["inspection_id", "place"], ["picture_results.inspection_id", "picture_results.place"], ondelete="CASCADE"
    ),
    CheckConstraint("verdict IN ('pass', 'fail')", name="verdict"),
    CheckConstraint("char_length(inspector) BETWEEN 1 AND 100", name="inspector"),
    CheckConstraint("seconds BETWEEN 0 AND 86400", name="seconds"),
    _short("notes", 2_000),
    _short("request_id", 200),
    Index("ix_verifications_latest", "inspection_id", "place", "item", "id"),
    Index("ix_verifications_created_at", "created_at"),
    Index("ix_verifications_inspector", "inspector", "created_at"),
)

verification_events = Table(
    "verification_events",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("batch_id", BigInteger, ForeignKey("batches.id", ondelete="CASCADE"), nullable=False),
    Column("verifications", Integer, nullable=False),
    Column("verified_pictures", Integer, nullable=False),
    Column("pictures", Integer, nullable=False),
    Column("disagreements", Integer, nullable=False),
    _moment("created_at"),
    Column("reported_at", DateTime(timezone=True), nullable=True),
    Index("ix_verification_events_waiting", "id", postgresql_where=text("reported_at IS NULL")),
)

outbox = Table(
    "outbox",
    metadata,
    Column("verification_id", BigInteger, ForeignKey("verifications.id", ondelete="CASCADE"), primary_key=True),
    Column("batch_id", BigInteger, ForeignKey("batches.id", ondelete="CASCADE"), nullable=False),
    Column("event_id", BigInteger, ForeignKey("verification_events.id", ondelete="CASCADE"), nullable=True),
    _moment("created_at"),
    Index("ix_outbox_waiting", "batch_id", "created_at", postgresql_where=text("event_id IS NULL")),
)

statistic_touches = Table(
    "statistic_touches",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("day", Date, nullable=False),
    Column("product", Text, ForeignKey("products.code"), nullable=False),
)

statistics = Table(
    "statistics",
    metadata,
    Column("day", Date, primary_key=True),
    Column("product", Text, ForeignKey("products.code"), primary_key=True),
    Column("item", Text, primary_key=True),
    Column("inspector", Text, primary_key=True),
    Column("judged", Integer, nullable=False),
    Column("passed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("undecided", Integer, nullable=False),
    Column("corrected", Integer, nullable=False),
    Column("seconds", Double, nullable=False),
    CheckConstraint("passed + failed + undecided = judged", name="counts"),
    Index("ix_statistics_product_day", "product", "day"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("product", Text, ForeignKey("products.code"), nullable=False),
    Column("batch_id", BigInteger, ForeignKey("batches.id", ondelete="CASCADE"), nullable=False),
    Column("cause", Text, nullable=False),  # the inspection or attempt: one alert of a kind for each
    Column("message", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    _moment("created_at"),
    UniqueConstraint("kind", "batch_id", "cause"),
    CheckConstraint("kind IN ('inspection_failed', 'pictures_failed', 'quality_drift')", name="kind"),
    _short("message", 4_000),
    _small("details", 65_536),
    Index("ix_alerts_product_id", "product", "id"),
)

alert_deliveries = Table(
    "alert_deliveries",
    metadata,
    Column("alert_id", BigInteger, ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True),
    Column("address", Text, primary_key=True),
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("next_at", DateTime(timezone=True), nullable=True, server_default=_NOW),  # null: delivered, or given up
    Column("delivered_at", DateTime(timezone=True), nullable=True),
    Column("error", Text, nullable=True),
    _short("error", 1_000),
    Index("ix_alert_deliveries_due", "next_at", postgresql_where=text("next_at IS NOT NULL")),
)
