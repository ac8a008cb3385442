"""each delivery has its own state"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

DELIVERY = sa.table(
    "delivery", sa.column("state", sa.String), sa.column("due", sa.Double), sa.column("outcome", sa.String)
)


def upgrade() -> None:
    op.add_column("delivery", sa.Column("state", sa.String(length=9), nullable=False, server_default="waiting"))
    op.add_column("delivery", sa.Column("busy_until", sa.Double(), nullable=True))
    op.create_index(op.f("ix_delivery_state"), "delivery", ["state"], unique=False)
    over = DELIVERY.update().where(DELIVERY.c.due.is_(None))
    op.execute(over.values(state="dead"))
    op.execute(over.where(DELIVERY.c.outcome == "delivered").values(state="delivered"))


def downgrade() -> None:
    op.drop_index(op.f("ix_delivery_state"), table_name="delivery")
    op.drop_column("delivery", "busy_until")
    op.drop_column("delivery", "state")
