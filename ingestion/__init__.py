"""Moves rows from sources into their raw schemas, and loses none.

sources.yaml -> load_source(name) -> dlt -> warehouse.duckdb, schema = source name

Run alone: ``python -m ingestion shop``.
"""
