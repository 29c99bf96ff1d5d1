"""The errors of orchestration.

OrchestrationError
├── SettingsError       an environment variable or a secret is missing or wrong
├── SubjectError        dbt's YAML declares a person, or whose rows are whose, wrongly
├── ForgetError         a person was not erased, or not everywhere; says what to do
├── RotationError       the privacy key was not changed over, or not everywhere; says what to do
├── TransformFailed     dbt did not build or test every model; what is published stays
└── PublicationRefused  nothing was built, as a check that comes first has failed
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestration.checks import Findings


class OrchestrationError(Exception):
    """Base of every error of this package."""


class SettingsError(OrchestrationError):
    """A setting is missing or wrong; the message says which variable to set and how."""


class SubjectError(OrchestrationError):
    """``config.meta.subject`` is wrong; the message names the YAML file and what to write."""


class ForgetError(OrchestrationError):
    """A person was not erased, or not everywhere; the message says how far it came."""


class RotationError(OrchestrationError):
    """The privacy key was not changed over, or not everywhere; the message says how far it came."""


class TransformFailed(OrchestrationError):
    """dbt did not build or test every model; the message names nodes, never rows."""


class PublicationRefused(OrchestrationError):
    """A check that comes before any data is published has failed; ``findings`` tell which."""

    def __init__(self, findings: "Findings") -> None:
        self.findings = findings
        problems = [problem for finding in findings.values() for problem in finding.problems]
        super().__init__("nothing is published: " + "; ".join(problems))
