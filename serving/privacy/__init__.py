"""Why no personal value can reach an agent: the proof over column lineage, and its report."""
