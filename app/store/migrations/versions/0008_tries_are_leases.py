"""the try of a delivery is a number that its process changes, no longer a time"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

DELIVERY = sa.table("delivery", sa.column("busy_until", sa.Double))


def upgrade() -> None:
    op.execute(DELIVERY.update().values(busy_until=None))
    op.alter_column("delivery", "busy_until", new_column_name="trying")


def downgrade() -> None:
    op.alter_column("delivery", "trying", new_column_name="busy_until")
    op.execute(DELIVERY.update().values(busy_until=None))
