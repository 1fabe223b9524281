"""Analyses with their results, search and corrections; keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "first"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "analyses",
        sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("notes", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("progress", sa.Float),
        sa.Column("heard_s", sa.Float, nullable=False),
        sa.Column("duration_s", sa.Float),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("started_at", _MOMENT),
        sa.Column("finished_at", _MOMENT),
        sa.Column("expires_at", _MOMENT),
        sa.Column("error", sa.JSON),
        sa.Column("warnings", sa.JSON, nullable=False),
        sa.Column("summary", sa.JSON),
        sa.Column("keep_audio", sa.Boolean, nullable=False),
        sa.Column("has_audio", sa.Boolean, nullable=False),
        sa.Column("media_type", sa.String(40)),
        sa.Column("node", sa.String(36), nullable=False),
        sa.Column("run", sa.String(36)),
        sa.Column("crashes", sa.Integer, nullable=False),
        sa.Column("request_key", sa.String(200)),
        sa.Column("request_digest", sa.String(64)),
        sa.UniqueConstraint("owner", "request_key", name="one_analysis_per_request_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("analyses_of_owner", "analyses", ["owner", "created_at", "id"])
    op.create_index("analyses_to_do", "analyses", ["node", "state", "number"])
    op.create_index("analyses_expiring", "analyses", ["expires_at"])
    op.create_table(
        "results",
        _of_analysis(),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.Column("measurements", sa.LargeBinary, nullable=False),
        sa.Column("tracks", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "heard",
        _of_analysis(),
        sa.Column("emotion", sa.String(100), primary_key=True),
    )
    op.create_index("heard_emotion", "heard", ["emotion", "analysis"])
    op.create_table(
        "corrections",
        _of_analysis(),
        sa.Column("segment", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("label", sa.String(100)),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("labelled_at", _MOMENT, nullable=False),
        sa.Column("start_s", sa.Float, nullable=False),
        sa.Column("end_s", sa.Float, nullable=False),
        sa.Column("channel", sa.Integer),
        sa.Column("speaker", sa.Text),
        sa.Column("emotion", sa.String(100)),
        sa.Column("confidence", sa.Float),
    )
    op.create_index("corrections_label", "corrections", ["label", "analysis"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("per_minute", sa.Integer),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT),
        sa.Column("revoked_at", _MOMENT),
        sa.Column("used_at", _MOMENT),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE analyses_words USING fts5"
            "(words, tokenize = 'unicode61 remove_diacritics 0')"
        )
    else:
        op.execute(
            "CREATE INDEX analyses_words ON analyses USING gin (to_tsvector('simple', words))"
        )


def downgrade() -> None:
    """Take it back."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE analyses_words")
    for name in ("api_keys", "corrections", "heard", "results", "analyses"):
        op.drop_table(name)


def _of_analysis() -> sa.Column[int]:
    return sa.Column(
        "analysis",
        _NUMBER,
        sa.ForeignKey("analyses.number", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    )
