"""Products, masters, pipelines, batches, what was judged of them by pipelines and people, statistics and alerts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "pipelines",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("name ~ '^[a-z0-9_]{1,64}$'", name=op.f("ck_pipelines_name")),
        sa.CheckConstraint("octet_length(spec::text) <= 4000000", name=op.f("ck_pipelines_spec_small")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_pipelines_version")),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_pipelines")),
    )
    op.create_table(
        "products",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("code ~ '^[a-z0-9_]{1,64}$'", name=op.f("ck_products_code")),
        sa.CheckConstraint("char_length(description) <= 10000", name=op.f("ck_products_description_short")),
        sa.CheckConstraint("char_length(name) <= 255", name=op.f("ck_products_name_short")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_products")),
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="closed", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("listing", sa.Text(), nullable=False),
        sa.Column("source_digest", sa.Text(), nullable=True),
        sa.Column("pictures", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("report_tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("inspection_id", sa.BigInteger(), nullable=True),
        sa.Column("switches", sa.Integer(), server_default="0", nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("name ~ '^[a-z0-9_]{1,64}$'", name=op.f("ck_batches_name")),
        sa.CheckConstraint("state IN ('closed', 'taken', 'inspected', 'failed')", name=op.f("ck_batches_state")),
        sa.CheckConstraint("bytes >= 0", name=op.f("ck_batches_bytes")),
        sa.CheckConstraint("pictures BETWEEN 1 AND 20000", name=op.f("ck_batches_pictures")),
        sa.ForeignKeyConstraint(["product"], ["products.code"], name=op.f("fk_batches_product")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        sa.UniqueConstraint("product", "name", "version", name=op.f("uq_batches_product_name_version")),
    )
    op.create_index("ix_batches_closed_at", "batches", ["closed_at"], unique=False)
    op.create_index("ix_batches_inspection_id", "batches", ["inspection_id"], unique=False)
    op.create_index("ix_batches_product_closed_at", "batches", ["product", "closed_at"], unique=False)
    op.create_index(
        "ix_batches_waiting", "batches", ["id"], unique=False, postgresql_where=sa.text("state IN ('closed', 'taken')")
    )
    op.create_index("ix_batches_failed", "batches", ["id"], unique=False, postgresql_where=sa.text("state = 'failed'"))
    op.create_table(
        "masters",
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'published') = (published_at IS NOT NULL)", name=op.f("ck_masters_published")),
        sa.CheckConstraint("state IN ('draft', 'published')", name=op.f("ck_masters_state")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_masters_version")),
        sa.ForeignKeyConstraint(["product"], ["products.code"], name=op.f("fk_masters_product")),
        sa.PrimaryKeyConstraint("product", "version", name=op.f("pk_masters")),
    )
    op.create_index(
        "ix_masters_draft", "masters", ["product"], unique=True, postgresql_where=sa.text("state = 'draft'")
    )
    op.create_table(
        "statistic_touches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["product"], ["products.code"], name=op.f("fk_statistic_touches_product")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statistic_touches")),
    )
    op.create_table(
        "statistics",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("inspector", sa.Text(), nullable=False),
        sa.Column("judged", sa.Integer(), nullable=False),
        sa.Column("passed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("undecided", sa.Integer(), nullable=False),
        sa.Column("corrected", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.CheckConstraint("passed + failed + undecided = judged", name=op.f("ck_statistics_counts")),
        sa.ForeignKeyConstraint(["product"], ["products.code"], name=op.f("fk_statistics_product")),
        sa.PrimaryKeyConstraint("day", "product", "item", "inspector", name=op.f("pk_statistics")),
    )
    op.create_index("ix_statistics_product_day", "statistics", ["product", "day"], unique=False)
    op.create_table(
        "alerts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('inspection_failed', 'pictures_failed', 'quality_drift')", name=op.f("ck_alerts_kind")
        ),
        sa.CheckConstraint("char_length(message) <= 4000", name=op.f("ck_alerts_message_short")),
        sa.CheckConstraint("octet_length(details::text) <= 65536", name=op.f("ck_alerts_details_small")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_alerts_batch_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["product"], ["products.code"], name=op.f("fk_alerts_product")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("kind", "batch_id", "cause", name=op.f("uq_alerts_kind_batch_id_cause")),
    )
    op.create_index("ix_alerts_product_id", "alerts", ["product", "id"], unique=False)
    op.create_table(
        "batch_pictures",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name=op.f("ck_batch_pictures_digest")),
        sa.CheckConstraint("bytes >= 0", name=op.f("ck_batch_pictures_bytes")),
        sa.CheckConstraint("char_length(name) <= 1024", name=op.f("ck_batch_pictures_name_short")),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name=op.f("fk_batch_pictures_batch_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("batch_id", "place", name=op.f("pk_batch_pictures")),
        sa.UniqueConstraint("batch_id", "name", name=op.f("uq_batch_pictures_batch_id_name")),
    )
    op.create_table(
        "inspections",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("master_version", sa.Integer(), nullable=False),
        sa.Column("code_version", sa.Integer(), nullable=False),
        sa.Column("judged_by", postgresql.JSONB(), nullable=False),
        sa.Column("providers", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("pictures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("passed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("undecided", sa.Integer(), server_default="0", nullable=False),
        sa.Column("seconds", sa.Double(), server_default="0", nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("passed + failed + undecided = pictures", name=op.f("ck_inspections_counts")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_inspections_batch_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inspections")),
        sa.UniqueConstraint("batch_id", "identity", name=op.f("uq_inspections_batch_id_identity")),
    )
    op.create_index(
        "ix_inspections_unreported",
        "inspections",
        ["id"],
        unique=False,
        postgresql_where=sa.text("done_at IS NOT NULL AND reported_at IS NULL"),
    )
    op.create_table(
        "manifests",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("noticed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("char_length(key) <= 200", name=op.f("ck_manifests_key_short")),
        sa.CheckConstraint("char_length(reason) <= 2000", name=op.f("ck_manifests_reason_short")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_manifests_batch_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_manifests")),
    )
    op.create_table(
        "master_items",
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("criteria", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("code ~ '^[a-z0-9_]{1,64}$'", name=op.f("ck_master_items_code")),
        sa.CheckConstraint("type IN ('VISUAL', 'DIMENSION', 'FUNCTION', 'TEXT')", name=op.f("ck_master_items_type")),
        sa.CheckConstraint("char_length(name) <= 255", name=op.f("ck_master_items_name_short")),
        sa.CheckConstraint("octet_length(criteria::text) <= 65536", name=op.f("ck_master_items_criteria_small")),
        sa.ForeignKeyConstraint(
            ["product", "version"],
            ["masters.product", "masters.version"],
            name=op.f("fk_master_items_product_version"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("product", "version", "code", name=op.f("pk_master_items")),
        sa.UniqueConstraint("product", "version", "place", name=op.f("uq_master_items_product_version_place")),
    )
    op.create_index("ix_master_items_pipeline", "master_items", ["pipeline"], unique=False)
    op.create_table(
        "verification_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("verifications", sa.Integer(), nullable=False),
        sa.Column("verified_pictures", sa.Integer(), nullable=False),
        sa.Column("pictures", sa.Integer(), nullable=False),
        sa.Column("disagreements", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name=op.f("fk_verification_events_batch_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verification_events")),
    )
    op.create_index(
        "ix_verification_events_waiting",
        "verification_events",
        ["id"],
        unique=False,
        postgresql_where=sa.text("reported_at IS NULL"),
    )
    op.create_table(
        "alert_deliveries",
        sa.Column("alert_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("char_length(error) <= 1000", name=op.f("ck_alert_deliveries_error_short")),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_alert_deliveries_alert_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("alert_id", "address", name=op.f("pk_alert_deliveries")),
    )
    op.create_index(
        "ix_alert_deliveries_due",
        "alert_deliveries",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_table(
        "picture_results",
        sa.Column("inspection_id", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("drawn_key", sa.Text(), nullable=True),
        sa.Column("judged_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("verdict IN ('pass', 'fail', 'undecided')", name=op.f("ck_picture_results_verdict")),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name=op.f("ck_picture_results_confidence")),
        sa.ForeignKeyConstraint(
            ["inspection_id"], ["inspections.id"], name=op.f("fk_picture_results_inspection_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("inspection_id", "place", name=op.f("pk_picture_results")),
    )
    op.create_index(
        "ix_picture_results_verdict", "picture_results", ["inspection_id", "verdict", "place"], unique=False
    )
    op.create_index("ix_picture_results_judged_at", "picture_results", ["judged_at"], unique=False)
    op.create_table(
        "item_results",
        sa.Column("inspection_id", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("verdict IN ('pass', 'fail', 'undecided')", name=op.f("ck_item_results_verdict")),
        sa.CheckConstraint("confidence BETWEEN 0 AND 1", name=op.f("ck_item_results_confidence")),
        sa.CheckConstraint("octet_length(details::text) <= 262144", name=op.f("ck_item_results_details_small")),
        sa.ForeignKeyConstraint(
            ["inspection_id", "place"],
            ["picture_results.inspection_id", "picture_results.place"],
            name=op.f("fk_item_results_inspection_id_place"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("inspection_id", "place", "item", name=op.f("pk_item_results")),
    )
    op.create_table(
        "verifications",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("inspection_id", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("item", sa.Text(), server_default="", nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("inspector", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), server_default="", nullable=False),
        sa.Column("seconds", sa.Double(), server_default="0", nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("verdict IN ('pass', 'fail')", name=op.f("ck_verifications_verdict")),
        sa.CheckConstraint("char_length(inspector) BETWEEN 1 AND 100", name=op.f("ck_verifications_inspector")),
        sa.CheckConstraint("char_length(notes) <= 2000", name=op.f("ck_verifications_notes_short")),
        sa.CheckConstraint("char_length(request_id) <= 200", name=op.f("ck_verifications_request_id_short")),
        sa.CheckConstraint("seconds BETWEEN 0 AND 86400", name=op.f("ck_verifications_seconds")),
        sa.ForeignKeyConstraint(
            ["inspection_id", "place"],
            ["picture_results.inspection_id", "picture_results.place"],
            name=op.f("fk_verifications_inspection_id_place"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verifications")),
        sa.UniqueConstraint("request_id", name=op.f("uq_verifications_request_id")),
    )
    op.create_index("ix_verifications_created_at", "verifications", ["created_at"], unique=False)
    op.create_index("ix_verifications_inspector", "verifications", ["inspector", "created_at"], unique=False)
    op.create_index("ix_verifications_latest", "verifications", ["inspection_id", "place", "item", "id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("verification_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_outbox_batch_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["event_id"], ["verification_events.id"], name=op.f("fk_outbox_event_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["verification_id"], ["verifications.id"], name=op.f("fk_outbox_verification_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("verification_id", name=op.f("pk_outbox")),
    )
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["batch_id", "created_at"],
        unique=False,
        postgresql_where=sa.text("event_id IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_outbox_waiting", table_name="outbox", postgresql_where=sa.text("event_id IS NULL"))
    op.drop_table("outbox")
    op.drop_index("ix_verifications_latest", table_name="verifications")
    op.drop_index("ix_verifications_inspector", table_name="verifications")
    op.drop_index("ix_verifications_created_at", table_name="verifications")
    op.drop_table("verifications")
    op.drop_table("item_results")
    op.drop_index("ix_picture_results_judged_at", table_name="picture_results")
    op.drop_index("ix_picture_results_verdict", table_name="picture_results")
    op.drop_table("picture_results")
    op.drop_index(
        "ix_alert_deliveries_due", table_name="alert_deliveries", postgresql_where=sa.text("next_at IS NOT NULL")
    )
    op.drop_table("alert_deliveries")
    op.drop_index(
        "ix_verification_events_waiting",
        table_name="verification_events",
        postgresql_where=sa.text("reported_at IS NULL"),
    )
    op.drop_table("verification_events")
    op.drop_index("ix_master_items_pipeline", table_name="master_items")
    op.drop_table("master_items")
    op.drop_table("manifests")
    op.drop_index(
        "ix_inspections_unreported",
        table_name="inspections",
        postgresql_where=sa.text("done_at IS NOT NULL AND reported_at IS NULL"),
    )
    op.drop_table("inspections")
    op.drop_table("batch_pictures")
    op.drop_index("ix_alerts_product_id", table_name="alerts")
    op.drop_table("alerts")
    op.drop_index("ix_statistics_product_day", table_name="statistics")
    op.drop_table("statistics")
    op.drop_table("statistic_touches")
    op.drop_index("ix_masters_draft", table_name="masters", postgresql_where=sa.text("state = 'draft'"))
    op.drop_table("masters")
    op.drop_index("ix_batches_failed", table_name="batches", postgresql_where=sa.text("state = 'failed'"))
    op.drop_index("ix_batches_waiting", table_name="batches", postgresql_where=sa.text("state IN ('closed', 'taken')"))
    op.drop_index("ix_batches_product_closed_at", table_name="batches")
    op.drop_index("ix_batches_inspection_id", table_name="batches")
    op.drop_index("ix_batches_closed_at", table_name="batches")
    op.drop_table("batches")
    op.drop_table("products")
    op.drop_table("pipelines")
