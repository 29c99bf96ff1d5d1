"""The guards of ingestion, each with the test that fails when it is switched off."""
