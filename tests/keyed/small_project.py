"""A dbt project of a few models that reads every kind of input that a keyed model can follow."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest

KEYED = Path(__file__).parents[2] / "dbt_project" / "macros" / "keyed"
KEY = "canary-key-0123456789-0123456789-0123456789"

PROJECT = """
name: grounded
version: "1.0"
profile: small
on-run-start: ["{{ create_change_log() }}"]
models: {grounded: {+materialized: keyed}}
# Of a dozen rows each change would be a large share.
vars: {share: 9}
flags: {send_anonymous_usage_stats: false}
"""
PROFILES = """
small:
  target: local
  outputs:
    local:
      type: duckdb
      path: "HOME/warehouse.duckdb"
      threads: 2
      settings: {TimeZone: UTC}
      plugins: [{module: orchestration.dbt_plugin, config: {key: KEY, home: HOME}}]
"""
MACROS = """
{% macro generate_schema_name(custom, node) %}{{ custom or target.schema }}{% endmacro %}
{% macro test_not_negative(model, column_name) %}
select 1 from {{ model }} where {{ column_name }} < 0
{% endmacro %}
"""
YAML = """
sources:
  - name: shop
    tables: [{name: customers}, {name: orders}, {name: lines}, {name: notes}, {name: regions}]
models:
  - {name: stg_customers, config: {materialized: view, meta: {raw_key: {customer_id: id}}}}
  - {name: stg_orders, config: {materialized: view, meta: {raw_key: {order_id: id}}}}
  - {name: stg_lines, config: {materialized: view, meta: {raw_key: {order_id: order_id}}}}
  - {name: stg_regions, config: {materialized: view, meta: {raw_key: {region_id: id}}}}
  - name: orders
    columns:
      - {name: order_id, data_tests: [unique, not_null]}
      - name: amount
        data_tests:
          - not_negative
          - relationships: {arguments: {to: ref('notes'), field: note_id}, config: {enabled: false}}
"""
MODELS = {
    "stg_customers": "select id as customer_id, region_id, name "
    "from {{ source('shop', 'customers') }} where _deleted_at is null",
    "stg_orders": """
        with numbered as (
            select *, row_number() over (partition by id order by updated_at desc) as recency
            from {{ source('shop', 'orders') }}
        )
        select id as order_id, customer_id, updated_at from numbered
        where recency = 1 and _deleted_at is null
    """,
    "stg_lines": "select order_id, no, amount from {{ source('shop', 'lines') }} "
    "where _deleted_at is null",
    "stg_regions": "select id as region_id, title from {{ source('shop', 'regions') }} "
    "where _deleted_at is null",
    # A tombstone has lost the order that its note was of.
    "notes": """
        {{ config(unique_key='note_id', meta={'changes': {
            'most_keys': var('share'), 'by': 'id', 'inputs': {'shop.notes': 'id'},
        }}) }}
        select id as note_id, order_id, body from {{ source('shop', 'notes') }} as notes
        where notes._deleted_at is null
    """,
    "customers": """
        {{ config(unique_key='customer_id', meta={'changes': {'most_keys': var('share'), 'inputs': {
            'stg_customers': 'customer_id', 'stg_regions': 'stg_customers.region_id',
        }}}) }}
        select customer_id, name, region_id, stg_regions.title
        from {{ ref('stg_customers') }} left join {{ ref('stg_regions') }} using (region_id)
    """,
    "orders": """
        {{ config(unique_key='order_id', meta={'changes': {'most_keys': var('share'), 'inputs': {
            'stg_orders': 'order_id', 'stg_lines': 'order_id', 'notes': 'order_id',
            'customers': 'stg_orders.customer_id',
        }}}) }}
        with lines as (
            select order_id, sum(amount) as amount from {{ ref('stg_lines') }} group by all
        ),
        texts as (
            select order_id, string_agg(body, ' ' order by note_id) as text
            from {{ ref('notes') }} group by all
        )
        select
            stg_orders.order_id, stg_orders.customer_id, customers.name, customers.title,
            lines.amount, texts.text, stg_orders.updated_at
        from {{ ref('stg_orders') }}
        left join lines using (order_id)
        left join texts using (order_id)
        left join {{ ref('customers') }} as customers using (customer_id)
    """,
    "buyers": """
        {{ config(unique_key='buyer', meta={'changes': {
            'most_keys': var('share'), 'by': 'customer_id', 'key': "'c' || customer_id",
            'inputs': {'customers': 'customer_id', 'orders': 'customer_id'},
        }}) }}
        with totals as (
            select customer_id, count(*) as orders, sum(amount) as amount
            from {{ ref('orders') }} group by all
        )
        select 'c' || customer_id as buyer, name, coalesce(orders, 0) as orders, amount
        from {{ ref('customers') }} left join totals using (customer_id)
    """,
    "regions": """
        {{ config(unique_key='title') }}
        select coalesce(title, 'none') as title, count(*) as buyers, sum(amount) as amount
        from {{ ref('orders') }} group by 1
    """,
    # The key of nobody is a row of its own.
    "sizes": """
        {{ config(unique_key='region', meta={'changes': {
            'most_keys': var('share'), 'by': 'region_id', 'key': 'coalesce(region_id, -1)',
            'inputs': {'customers': 'region_id'},
        }}) }}
        select coalesce(region_id, -1) as region, count(*) as customers
        from {{ ref('customers') }} group by 1
    """,
    "mixed": """
        {{ config(unique_key='customer_id', meta={'changes': {
            'most_keys': var('share'), 'inputs': {'customers': 'customer_id'},
        }}) }}
        select customer_id, (select count(*) from {{ ref('notes') }}) as notes, current_date as day
        from {{ ref('customers') }}
    """,
}
RAW = {
    "customers": "id bigint, region_id bigint, name varchar",
    "orders": "id bigint, customer_id bigint, updated_at timestamptz",
    "lines": "order_id bigint, no bigint, amount bigint",
    "notes": "id bigint, order_id bigint, body varchar",
    "regions": "id bigint, title varchar",
}


@dataclass
class SmallProject:
    """The project and its warehouse."""

    folder: Path

    @property
    def warehouse(self) -> Path:
        """The file that dbt builds in."""
        return self.folder / "warehouse.duckdb"

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Open the warehouse for writing, as a load does."""
        connection = duckdb.connect(str(self.warehouse))
        connection.execute("set timezone = 'UTC'")
        return connection

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of one query."""
        with self.connect() as connection:
            return connection.execute(query).fetchall()

    def write(self, model: str, sql: str) -> None:
        """Write one model's file."""
        (self.folder / "models" / f"{model}.sql").write_text(sql)

    def build(self, *arguments: str, manifest: Manifest | None = None) -> dict[str, str]:
        """Run the models and return how each ended; AssertionError where one failed."""
        result = self.try_build(*arguments, manifest=manifest)
        assert result.success, result.exception or [one.message for one in result.result]  # type: ignore[union-attr]
        return {
            one.node.name: str((one.adapter_response or {}).get("code", one.status))
            for one in result.result  # type: ignore[union-attr]
        }

    def parse(self) -> Manifest:
        """Read the project as it is now."""
        parsed = self._invoke(None, "parse").result
        assert isinstance(parsed, Manifest)
        return parsed

    def try_build(self, *arguments: str, manifest: Manifest | None = None) -> dbtRunnerResult:
        """Run the models, which may fail; a manifest is not parsed again."""
        return self._invoke(manifest, "run", *arguments)

    def _invoke(self, manifest: Manifest | None, *arguments: str) -> dbtRunnerResult:
        result = dbtRunner(manifest).invoke(
            [
                "--quiet",
                "--log-level-file=none",
                *arguments,
                f"--project-dir={self.folder}",
                f"--profiles-dir={self.folder}",
                f"--target-path={self.folder / 'target'}",
            ]
        )
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
        return result


def make(folder: Path) -> SmallProject:
    """Write the project and empty raw tables."""
    (folder / "models").mkdir(parents=True)
    shutil.copytree(KEYED, folder / "macros" / "keyed")
    (folder / "macros" / "small.sql").write_text(MACROS)
    (folder / "dbt_project.yml").write_text(PROJECT)
    profiles = PROFILES.replace("HOME", str(folder)).replace("KEY", KEY)
    (folder / "profiles.yml").write_text(profiles)
    (folder / "models" / "models.yml").write_text(YAML)
    project = SmallProject(folder)
    for name, sql in MODELS.items():
        project.write(name, sql)
    with project.connect() as connection:
        connection.execute("create schema shop")
        for table, columns in RAW.items():
            connection.execute(
                f"create table shop.{table} ({columns}, _deleted_at timestamptz, "
                "_dlt_load_id varchar)"
            )
    return project
