"""The guards of ingestion and of serving, each with the test that fails when it is switched off."""
