"""Authenticity beside the verdict, so that lists need no reports; owner of rotated keys"""

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
    op.add_column("api_keys", sa.Column("owner", sa.String(length=40), nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("api_keys", "owner")
    op.drop_column("analyses", "authenticity")
