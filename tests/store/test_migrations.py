"""New stores, older ones and newer ones."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from penchant.errors import BadStore
from penchant.store import migrations
from penchant.store.log import Event
from penchant.store.schema import metadata
from penchant.store.store import Store


@pytest.fixture
def store_url(empty_url: str) -> str:
    """The address of an empty store whose tables may be changed: no other test will have it."""
    Store.open(empty_url).close()
    return empty_url


def test_a_new_store_has_the_tables_that_the_code_knows(empty_url):
    with Store.open(empty_url) as made, made.reading() as connection:
        options = {"compare_type": True, "version_table": migrations.VERSION}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        assert migrations.level(connection, "here") == migrations.NEWEST
        assert len(made.salt) == 32


DESCRIBED = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '%schema' ORDER BY name",
    "postgresql": """
        SELECT table_name || '.' || column_name,
               data_type || is_nullable || coalesce(collation_name, '')
        FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1
    """,
}


def test_migrating_makes_what_the_tables_as_they_are_today_would_make(store):
    """Collations, partial indexes and tables without row ids too: Alembic compares none of them."""

    def described(connection: sa.Connection) -> list[tuple[str, str]]:
        rows = connection.exec_driver_sql(DESCRIBED[store.kind])
        return [tuple(row) for row in rows if migrations.VERSION not in row[0]]

    with store.writing() as connection:
        migrated = described(connection)
        metadata.drop_all(connection)
        metadata.create_all(connection)
        assert described(connection) == migrated
    assert len(migrated) > 20


def test_the_newest_is_the_last_file():
    script = ScriptDirectory(str(migrations.FOLDER))
    assert script.get_heads() == [f"{migrations.NEWEST:04}"]
    assert [one.revision for one in script.walk_revisions()] == [
        f"{number:04}" for number in range(migrations.NEWEST, 0, -1)
    ]


def set_level(url: str, level: str) -> None:
    with Store.open(url) as opened, opened.writing() as connection:
        connection.exec_driver_sql(f"UPDATE {migrations.VERSION} SET version_num = '{level}'")


def test_a_newer_store_is_refused(store_url):
    set_level(store_url, "0099")
    with pytest.raises(BadStore, match="has schema 99, this penchant knows up to"):
        Store.open(store_url)


LATER = '''
"""A later migration."""
import sqlalchemy as sa
from alembic import op
revision = "{level:04}"
down_revision = "{before:04}"
def upgrade():
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("colour", sa.Text))
    {fail}
'''


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Pretends that this penchant knows one more schema; its migration ends with ``fail``."""

    def pretend(fail: str = "") -> None:
        folder = tmp_path / "migrations"
        shutil.copytree(migrations.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
        level = migrations.NEWEST + 1
        text = LATER.format(level=level, before=migrations.NEWEST, fail=fail)
        (folder / "versions" / f"{level:04}_later.py").write_text(text)
        monkeypatch.setattr(migrations, "FOLDER", folder)
        monkeypatch.setattr(migrations, "NEWEST", level)

    return pretend


def columns(store: Store) -> list[str]:
    with store.reading() as connection:
        return list(connection.exec_driver_sql("SELECT * FROM users").keys())


def test_an_older_store_is_brought_up_to_date_with_what_it_holds(store_url, later):
    with Store.open(store_url) as before:
        before.events.append([Event("e1", "uann", None, "i1", "view", None, 1)], now=5)
        assert "colour" not in columns(before)
    later()
    with Store.open(store_url) as after:
        assert "colour" in columns(after)
        assert after.events.history(["uann"]).item_id == ["i1"]
    with Store.open(store_url, create=False) as again:
        assert again.events.last() == 1


def test_a_migration_that_fails_changes_nothing(store_url, later, monkeypatch):
    with monkeypatch.context():
        later(fail="raise OSError('half way')")
        with pytest.raises(OSError, match="half way"):
            Store.open(store_url)
    monkeypatch.undo()
    with Store.open(store_url, create=False) as before:
        assert "colour" not in columns(before)


def test_threads_make_stores_at_once(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda n: Store.open(f"{tmp_path}/{n % 3}.db"), range(6)))
    salts = [one.salt for one in stores]
    for one in stores:
        one.close()
    assert salts[:3] == salts[3:]
    assert len(set(salts)) == 3


OPENING = """
import sys
from penchant.store.store import Store
print("ready", flush=True)
sys.stdin.readline()
with Store.open(sys.argv[1]) as store:
    print(store.salt.hex())
"""


def test_processes_that_open_a_new_store_at_once_find_one(empty_url):
    command = [sys.executable, "-c", OPENING, empty_url]
    running = [subprocess.Popen(command, stdin=-1, stdout=-1, text=True) for _ in range(2)]
    for one in running:
        assert one.stdout.readline() == "ready\n"
    for one in running:
        one.stdin.write("\n")
        one.stdin.flush()
    salts = [one.communicate(timeout=120)[0] for one in running]
    assert [one.returncode for one in running] == [0, 0]
    assert len(salts[0]) == 65
    assert salts[0] == salts[1]
