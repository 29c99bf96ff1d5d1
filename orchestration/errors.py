"""The errors of orchestration.

OrchestrationError
├── SettingsError   an environment variable or a secret is missing or wrong
└── TransformFailed dbt did not build or test every model; what is published stays
"""


class OrchestrationError(Exception):
    """Base of every error of this package."""


class SettingsError(OrchestrationError):
    """A setting is missing or wrong; the message says which variable to set and how."""


class TransformFailed(OrchestrationError):
    """dbt did not build or test every model; the message names nodes, never rows."""
