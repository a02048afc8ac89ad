"""The tables of inspection. Versions of a batch or a master are rows of their own and never change.

`doc` says what a column holds where Dagster shows the rows of an asset.
"""

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

from imageflow_clients.database.core.columns import is_name, is_short, is_small, moment
from imageflow_clients.database.core.metadata import metadata
from imageflow_domain.inspection import MOST_DETAILS_BYTES

_NOW = func.now()
_VERDICTS = "verdict IN ('pass', 'fail', 'undecided')"


products = Table(
    "products",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    moment("created_at"),
    is_name("code", name="code"),
    is_short("name", 255),
    is_short("description", 10_000),
)

masters = Table(
    "masters",
    metadata,
    Column("product", Text, ForeignKey("products.code"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("revision", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    moment("updated_at"),
    Column("published_at", DateTime(timezone=True), nullable=True),
    CheckConstraint("state IN ('draft', 'published')", name="state"),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint("(state = 'published') = (published_at IS NOT NULL)", name="published"),
    Index("ix_masters_draft", "product", unique=True, postgresql_where=text("state = 'draft'")),
)

master_items = Table(
    "master_items",
    metadata,
    Column("product", Text, primary_key=True, doc="Code of the product."),
    Column("version", Integer, primary_key=True, doc="Of the master."),
    Column("code", Text, primary_key=True, doc="Of the item."),
    Column("place", SmallInteger, nullable=False, doc="In the order of the master's items, from 0."),
    Column("name", Text, nullable=False, doc="For people."),
    Column("type", Text, nullable=False, doc="VISUAL, DIMENSION, FUNCTION or TEXT."),
    Column("pipeline", Text, nullable=False, doc="name@version of the pipeline whose output is judged."),
    Column("required", Boolean, nullable=False, doc="Whether a picture fails where the item does."),
    Column("criteria", JSONB, nullable=False, doc="What the pipeline's output must be."),
    ForeignKeyConstraint(["product", "version"], ["masters.product", "masters.version"], ondelete="CASCADE"),
    UniqueConstraint("product", "version", "place"),
    is_name("code", name="code"),
    is_short("name", 255),
    CheckConstraint("type IN ('VISUAL', 'DIMENSION', 'FUNCTION', 'TEXT')", name="type"),
    is_small("criteria", 65_536),
    Index("ix_master_items_pipeline", "pipeline"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True, doc="Number of the version of the batch."),
    Column("product", Text, ForeignKey("products.code"), nullable=False, doc="Code of the product."),
    Column("name", Text, nullable=False, doc="Of the batch."),
    Column("version", Integer, nullable=False, doc="Other pictures under the same name are another version."),
    Column("folder", Text, nullable=False, doc="In the object store."),
    Column("state", Text, nullable=False, server_default="closed", doc="closed, taken, inspected or failed."),
    Column("reason", Text, nullable=True, doc="Why it failed."),
    Column("listing", Text, nullable=False, doc="Digest of names, sizes and etags of the upload."),
    Column("source_digest", Text, nullable=True, doc="Digest of names and contents, once the pictures were taken in."),
    Column("pictures", Integer, nullable=False, doc="How many there are."),
    Column("bytes", BigInteger, nullable=False, doc="Of all pictures together."),
    Column("attempts", SmallInteger, nullable=False, server_default="0", doc="Runs that gave up on it."),
    Column("retry_at", DateTime(timezone=True), nullable=True, doc="No other run is requested before then."),
    Column(
        "report_tries",
        SmallInteger,
        nullable=False,
        server_default="0",
        doc="Runs that failed to report it to Dagster.",
    ),
    # no foreign key: inspections name their batch
    Column("inspection_id", BigInteger, nullable=True, doc="The inspection that counts."),
    Column("switches", Integer, nullable=False, server_default="0", doc="How often an inspection came to count."),
    moment("closed_at", doc="When the upload was closed."),
    UniqueConstraint("product", "name", "version"),
    is_name("name", name="name"),
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
    moment("noticed_at"),
    is_short("key", 200),
    is_short("reason", 2_000),
)

batch_pictures = Table(
    "batch_pictures",
    metadata,
    Column(
        "batch_id",
        BigInteger,
        ForeignKey("batches.id", ondelete="CASCADE"),
        primary_key=True,
        doc="The version of the batch.",
    ),
    Column("place", Integer, primary_key=True, doc="From 0, in the order of names."),
    Column("name", Text, nullable=False, doc="In the uploaded folder."),
    Column("key", Text, nullable=False, doc="Of the kept picture in the object store."),
    Column("digest", Text, nullable=False, doc="SHA-256 of its bytes."),
    Column("bytes", BigInteger, nullable=False, doc="Size of the file."),
    UniqueConstraint("batch_id", "name"),
    is_short("name", 1024),
    CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name="digest"),
    CheckConstraint("bytes >= 0", name="bytes"),
)

inspections = Table(
    "inspections",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True, doc="Number of the inspection."),
    Column(
        "batch_id",
        BigInteger,
        ForeignKey("batches.id", ondelete="CASCADE"),
        nullable=False,
        doc="The version of the batch.",
    ),
    Column(
        "identity", Text, nullable=False, doc="Digest of criteria, pipelines, models and code: equal ones judge alike."
    ),
    Column("master_version", Integer, nullable=False, doc="Of the product's master."),
    Column("code_version", Integer, nullable=False, doc="Of the code that judges."),
    Column("judged_by", JSONB, nullable=False, doc="Criteria, pipeline and models of each item."),
    Column("providers", ARRAY(Text), nullable=False, server_default="{}", doc="What computed the models."),
    Column("pictures", Integer, nullable=False, server_default="0", doc="How many were judged."),
    Column("passed", Integer, nullable=False, server_default="0", doc="Of them, those that passed."),
    Column("failed", Integer, nullable=False, server_default="0", doc="Those that failed."),
    Column("undecided", Integer, nullable=False, server_default="0", doc="Those that could not be judged."),
    Column("seconds", Double, nullable=False, server_default="0", doc="Of computing."),
    moment("begun_at", doc="When it began."),
    Column("done_at", DateTime(timezone=True), nullable=True, doc="When all pictures were judged."),
    Column("reported_at", DateTime(timezone=True), nullable=True, doc="When Dagster got its report."),
    UniqueConstraint("batch_id", "identity"),
    CheckConstraint("passed + failed + undecided = pictures", name="counts"),
    Index("ix_inspections_unreported", "id", postgresql_where=text("done_at IS NOT NULL AND reported_at IS NULL")),
)

picture_results = Table(
    "picture_results",
    metadata,
    Column(
        "inspection_id",
        BigInteger,
        ForeignKey("inspections.id", ondelete="CASCADE"),
        primary_key=True,
        doc="The inspection.",
    ),
    Column("place", Integer, primary_key=True, doc="Of the picture in its batch."),
    Column("verdict", Text, nullable=False, doc="pass, fail or undecided."),
    Column("confidence", Double, nullable=False, doc="In the verdict, 0 to 1."),
    Column("seconds", Double, nullable=False, doc="Of computing."),
    Column("drawn_key", Text, nullable=True, doc="Of the picture with its defects drawn; none where it passed."),
    moment("judged_at", doc="When it was judged."),
    CheckConstraint(_VERDICTS, name="verdict"),
    CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence"),
    Index("ix_picture_results_verdict", "inspection_id", "verdict", "place"),
    Index("ix_picture_results_judged_at", "judged_at"),
)

item_results = Table(
    "item_results",
    metadata,
    Column("inspection_id", BigInteger, primary_key=True, doc="The inspection."),
    Column("place", Integer, primary_key=True, doc="Of the picture in its batch."),
    Column("item", Text, primary_key=True, doc="Code of the master's item."),
    Column("verdict", Text, nullable=False, doc="pass, fail or undecided."),
    Column("confidence", Double, nullable=False, doc="In the verdict, 0 to 1."),
    Column("seconds", Double, nullable=False, doc="Of computing."),
    Column("details", JSONB, nullable=False, doc="What was measured or found, and the reason."),
    ForeignKeyConstraint(
        ["inspection_id", "place"], ["picture_results.inspection_id", "picture_results.place"], ondelete="CASCADE"
    ),
    CheckConstraint(_VERDICTS, name="verdict"),
    CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence"),
    is_small("details", MOST_DETAILS_BYTES),
)

verifications = Table(
    "verifications",
    metadata,
    Column(
        "id",
        BigInteger,
        Identity(),
        primary_key=True,
        doc="Number of the verdict; the latest on a picture or item counts.",
    ),
    Column("inspection_id", BigInteger, nullable=False, doc="The inspection whose result the person saw."),
    Column("place", Integer, nullable=False, doc="Of the picture in its batch."),
    Column(
        "item", Text, nullable=False, server_default="", doc="Code of the master's item; empty: the picture as a whole."
    ),
    Column("verdict", Text, nullable=False, doc="pass or fail."),
    Column("inspector", Text, nullable=False, doc="Who judged."),
    Column("notes", Text, nullable=False, server_default="", doc="What the person wrote."),
    Column("seconds", Double, nullable=False, server_default="0", doc="For which the person looked."),
    Column("request_id", Text, nullable=True, unique=True, doc="The same one again keeps nothing twice."),
    moment("created_at", doc="When the verdict was given."),
    ForeignKeyConstraint(
        ["inspection_id", "place"], ["picture_results.inspection_id", "picture_results.place"], ondelete="CASCADE"
    ),
    CheckConstraint("verdict IN ('pass', 'fail')", name="verdict"),
    CheckConstraint("char_length(inspector) BETWEEN 1 AND 100", name="inspector"),
    CheckConstraint("seconds BETWEEN 0 AND 86400", name="seconds"),
    is_short("notes", 2_000),
    is_short("request_id", 200),
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
    Column("newest_at", DateTime(timezone=True), nullable=False),  # when the latest of its verdicts was given
    Column("sealed_at", DateTime(timezone=True), nullable=True),  # no verdict is added from then on
    Column("verified_pictures", Integer, nullable=True),
    Column("pictures", Integer, nullable=True),
    Column("disagreements", Integer, nullable=True),
    moment("created_at"),
    Column("reported_at", DateTime(timezone=True), nullable=True),
    CheckConstraint(
        "(sealed_at IS NOT NULL) = (num_nonnulls(verified_pictures, pictures, disagreements) = 3)", name="sealed"
    ),
    CheckConstraint("sealed_at IS NOT NULL OR reported_at IS NULL", name="reported"),
    Index("ix_verification_events_open", "batch_id", unique=True, postgresql_where=text("sealed_at IS NULL")),
    Index("ix_verification_events_waiting", "id", postgresql_where=text("reported_at IS NULL")),
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
    Column("day", Date, primary_key=True, doc="In UTC."),
    Column("product", Text, ForeignKey("products.code"), primary_key=True, doc="Code of the product."),
    Column("item", Text, primary_key=True, doc="Code of the master's item; empty: pictures as a whole."),
    Column("inspector", Text, primary_key=True, doc="Who judged; empty: the pipelines."),
    Column("judged", Integer, nullable=False, doc="Pictures that were judged."),
    Column("passed", Integer, nullable=False, doc="Of them, those that passed."),
    Column("failed", Integer, nullable=False, doc="Those that failed."),
    Column("undecided", Integer, nullable=False, doc="Those that could not be judged."),
    Column("corrected", Integer, nullable=False, doc="Verdicts of people that are not the pipelines'."),
    Column("seconds", Double, nullable=False, doc="Of computing, or of looking."),
    CheckConstraint("passed + failed + undecided = judged", name="counts"),
    Index("ix_statistics_product_day", "product", "day"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("product", Text, ForeignKey("products.code"), nullable=True),
    Column("batch_id", BigInteger, ForeignKey("batches.id", ondelete="CASCADE"), nullable=True),
    Column("cause", Text, nullable=False),  # the inspection, attempt or run: one alert of a kind for each
    Column("message", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    moment("created_at"),
    UniqueConstraint("kind", "batch_id", "cause"),
    CheckConstraint("kind IN ('inspection_failed', 'pictures_failed', 'quality_drift', 'run_failed')", name="kind"),
    CheckConstraint("kind = 'run_failed' OR (product IS NOT NULL AND batch_id IS NOT NULL)", name="batch"),
    is_short("message", 4_000),
    is_small("details", 65_536),
    Index("ix_alerts_product_id", "product", "id"),
    Index("ix_alerts_run", "cause", unique=True, postgresql_where=text("kind = 'run_failed'")),
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
    is_short("error", 1_000),
    Index("ix_alert_deliveries_due", "next_at", postgresql_where=text("next_at IS NOT NULL")),
)
