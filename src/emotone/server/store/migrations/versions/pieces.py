"""Timelines in pieces; summaries that follow corrections, and the model's own; folded names."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from emotone.server import packing
from emotone.server.store import counting, search

revision = "pieces"
down_revision = "first"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Take the step."""
    op.add_column("analyses", sa.Column("folded", sa.Text, nullable=False, server_default=""))
    op.add_column("analyses", sa.Column("model_summary", sa.JSON(none_as_null=True)))
    for name in ("corrected", "revision"):
        op.add_column("analyses", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "pieces",
        sa.Column(
            "analysis",
            _NUMBER,
            sa.ForeignKey("analyses.number", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("part", sa.String(12), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("first", sa.Integer, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.add_column("results", sa.Column("changed", sa.JSON(none_as_null=True)))
    for name in ("segment_count", "measurement_count"):
        op.add_column("results", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    numbers = op.get_bind().execute(sa.select(_RESULTS.c.analysis)).scalars().all()
    for number in numbers:
        _take_apart(number)
    with op.batch_alter_table("results") as batch:  # which nothing refers to
        batch.drop_column("measurements")
    for number, name in op.get_bind().execute(sa.text("SELECT number, name FROM analyses")).all():
        op.get_bind().execute(
            sa.text("UPDATE analyses SET folded = :folded, model_summary = summary "
                    "WHERE number = :number"),
            {"folded": search.folded(name), "number": number},
        )  # fmt: skip
    for number in numbers:
        counting.recount(op.get_bind(), number)


def _take_apart(number: int) -> None:
    """Put a timeline into pieces."""
    mine = _RESULTS.c.analysis == number
    row = op.get_bind().execute(sa.select(_RESULTS).where(mine)).one()
    head = packing.unpacked(row.head)
    segments = head.pop("segments")
    measurements = json.loads(f"[{packing.unzipped(row.measurements)}]")
    parts: tuple[tuple[packing.Part, list[Any]], ...] = (
        ("segments", segments),
        ("measurements", measurements),
    )
    for part, items in parts:
        for each in packing.cut(part, (json.dumps(item, ensure_ascii=False) for item in items)):
            op.get_bind().execute(
                _PIECES.insert().values(
                    analysis=number, part=part, number=each.number, first=each.first, data=each.data
                )
            )
    op.get_bind().execute(
        sa.update(_RESULTS)
        .where(mine)
        .values(
            head=packing.packed(head),
            segment_count=len(segments),
            measurement_count=len(measurements),
        )
    )


def downgrade() -> None:
    """Take it back."""
    nothing = sa.text("''")
    op.add_column(
        "results", sa.Column("measurements", sa.LargeBinary, nullable=False, server_default=nothing)
    )
    for number in op.get_bind().execute(sa.select(_RESULTS.c.analysis)).scalars().all():
        _put_together(number)
    with op.batch_alter_table("results") as batch:
        for name in ("measurement_count", "segment_count", "changed"):
            batch.drop_column(name)
        batch.alter_column("measurements", server_default=None)
    op.get_bind().execute(
        sa.text("UPDATE analyses SET summary = model_summary WHERE model_summary IS NOT NULL")
    )
    op.drop_table("pieces")
    # Not by a new table in place of the old one: with that, what refers to it would be deleted.
    for name in ("revision", "corrected", "model_summary", "folded"):
        op.drop_column("analyses", name)


def _put_together(number: int) -> None:
    """Put a timeline into one row again."""
    lines: dict[str, list[str]] = {"segments": [], "measurements": []}
    rows = op.get_bind().execute(
        sa.select(_PIECES).where(_PIECES.c.analysis == number).order_by(_PIECES.c.number)
    )
    for row in rows:
        lines[row.part] += packing.lines(row.data)
    mine = _RESULTS.c.analysis == number
    kept = op.get_bind().execute(sa.select(_RESULTS.c.head).where(mine)).scalar_one()
    head = packing.unpacked(kept) | {"segments": [json.loads(line) for line in lines["segments"]]}
    op.get_bind().execute(
        sa.update(_RESULTS)
        .where(mine)
        .values(
            head=packing.packed(head), measurements=packing.zipped(",".join(lines["measurements"]))
        )
    )


_RESULTS = sa.table(
    "results",
    sa.column("analysis", _NUMBER),
    sa.column("head", sa.LargeBinary),
    sa.column("measurements", sa.LargeBinary),
    sa.column("segment_count", sa.Integer),
    sa.column("measurement_count", sa.Integer),
)

_PIECES = sa.table(
    "pieces",
    sa.column("analysis", _NUMBER),
    sa.column("part", sa.String),
    sa.column("number", sa.Integer),
    sa.column("first", sa.Integer),
    sa.column("data", sa.LargeBinary),
)
