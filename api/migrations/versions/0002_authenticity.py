"""Authenticity beside the verdict, so that lists can show it without reading reports"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("analyses", sa.Column("authenticity", sa.Double(), nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("analyses", "authenticity")
