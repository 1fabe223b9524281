"""What is kept, table by table."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)


class Moment(TypeDecorator[datetime]):
    """A time in UTC, which SQLite would give back without saying so."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """In UTC; without a time zone where the database keeps none."""
        if value is None:
            return None
        moment = value.astimezone(timezone.utc)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """In UTC, saying so."""
        if value is None:
            return None
        found: datetime = value
        if found.tzinfo is None:
            return found.replace(tzinfo=timezone.utc)
        return found.astimezone(timezone.utc)


# SQLite counts rows in a type that has to be called exactly so.
Number = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()


def _of_analysis(**about: Any) -> Column[int]:
    """The number of the analysis that a row belongs to, and with which it goes."""
    return Column("analysis", Number, ForeignKey("analyses.number", ondelete="CASCADE"), **about)


analyses = Table(
    "analyses",
    metadata,
    # In the order in which they came, never used again: pages of a list go by it.
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("owner", String(100), nullable=False),
    Column("name", Text, nullable=False),
    Column("notes", Text, nullable=False),
    # Name and notes as `search` takes them apart; and the name as its parts are looked for.
    Column("words", Text, nullable=False),
    Column("folded", Text, nullable=False, server_default=""),
    Column("state", String(10), nullable=False),
    Column("model", Text, nullable=False),
    Column("options", JSON, nullable=False),
    Column("progress", Float),
    Column("heard_s", Float, nullable=False),
    Column("duration_s", Float),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("expires_at", Moment),
    Column("error", JSON(none_as_null=True)),
    Column("warnings", JSON, nullable=False),
    # With what people said in place of the model's answers, and without; how many of these differ
    # from the model's; and a count that every correction moves on.
    Column("summary", JSON(none_as_null=True)),
    Column("model_summary", JSON(none_as_null=True)),
    Column("corrected", Integer, nullable=False, server_default="0"),
    Column("revision", Integer, nullable=False, server_default="0"),
    # Whether the recording stays when it is analysed, whether it is there to be heard, and what it
    # is.
    Column("keep_audio", Boolean, nullable=False),
    Column("has_audio", Boolean, nullable=False),
    Column("media_type", String(40)),
    # The service whose folder has the recording. None but this can analyse it.
    Column("node", String(36), nullable=False),
    # Who works on it: a result of any other run comes too late and is not taken.
    Column("run", String(36)),
    Column("crashes", Integer, nullable=False),
    Column("request_key", String(200)),
    Column("request_digest", String(64)),
    UniqueConstraint("owner", "request_key", name="one_analysis_per_request_key"),
    Index("analyses_of_owner", "owner", "created_at", "id"),
    Index("analyses_to_do", "node", "state", "number"),
    Index("analyses_expiring", "expires_at"),
    sqlite_autoincrement=True,
)

results = Table(
    "results",
    metadata,
    _of_analysis(primary_key=True, autoincrement=False),
    # The timeline but for its segments and measurements, see `emotone.server.packing`; what of that
    # corrections changed; how many of both are in pieces; and pictures of the sound.
    Column("head", LargeBinary, nullable=False),
    Column("changed", JSON(none_as_null=True)),
    Column("segment_count", Integer, nullable=False, server_default="0"),
    Column("measurement_count", Integer, nullable=False, server_default="0"),
    Column("tracks", LargeBinary, nullable=False),
)

pieces = Table(
    "pieces",
    metadata,
    _of_analysis(primary_key=True, autoincrement=False),
    Column("part", String(12), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("first", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

# Emotions of the segments, with what people said in place of the model's answers.
heard = Table(
    "heard",
    metadata,
    _of_analysis(primary_key=True, autoincrement=False),
    Column("emotion", String(100), primary_key=True),
    Index("heard_emotion", "emotion", "analysis"),
)

corrections = Table(
    "corrections",
    metadata,
    _of_analysis(primary_key=True, autoincrement=False),
    Column("segment", Integer, primary_key=True, autoincrement=False),
    # What a person says it is; None where there is a note alone.
    Column("label", String(100)),
    Column("note", Text, nullable=False),
    Column("labelled_at", Moment, nullable=False),
    # Of the segment: lists of corrections need not open timelines.
    Column("start_s", Float, nullable=False),
    Column("end_s", Float, nullable=False),
    Column("channel", Integer),
    Column("speaker", Text),
    Column("emotion", String(100)),
    Column("confidence", Float),
    Index("corrections_label", "label", "analysis"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("owner", String(100), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("per_minute", Integer),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    Column("used_at", Moment),
)
