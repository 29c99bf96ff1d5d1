"""Runs everything: assets, checks, schedules, sensors and the ``grounded`` command line.

ingestion -> dbt -> checks -> serving, as one Dagster lineage graph

Run alone: ``dagster dev``, or ``grounded run``.
"""
