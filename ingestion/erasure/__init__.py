"""Erased people stay erased: keyed marks, and one filter that all ways into raw pass.

relations (from dbt's YAML) + marks (keyed hashes) -> Withholding -> rows that may enter raw
"""
