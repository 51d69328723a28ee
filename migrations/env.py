"""How a revision runs: on the connection that `app.database.upgrade` hands over, and no other."""

from alembic import context


def run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is None or context.is_offline_mode():
        raise SystemExit("Migrations run when the server starts (app.database.migrate), not here.")
    # One transaction per revision, the revision's number included: a crash leaves the old schema.
    context.configure(connection=connection, transactional_ddl=True, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


run()
