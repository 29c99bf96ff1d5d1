"""What the leak scan searches for here and where: the home's artefacts, our keys, the sources.

settings + manifest + warehouse -> scan -> ScanReport
"""

import base64
from functools import partial
from pathlib import Path

from ingestion.connection import credentials
from ingestion.warehouse import warehouse_path, writing
from orchestration.dbt_plugin import hmac_pads
from orchestration.errors import SettingsError
from orchestration.manifest import ensure_manifest
from orchestration.resources import PROJECT_ROOT, Settings, privacy_key
from serving.declarations import read_declarations
from serving.leak_scan.report import ScanReport
from serving.leak_scan.scan import scan
from serving.leak_scan.targets import home_targets
from serving.leak_scan.values import personal_values

_PROJECT_TEXTS = frozenset({".sql", ".yml", ".md", ".csv"})


def scan_home(settings: Settings, snapshot_id: str | None = None) -> ScanReport:
    """Search one snapshot, or every artefact of the home, while nobody writes to the warehouse."""
    declarations = read_declarations(ensure_manifest(settings))
    if not warehouse_path(settings.home).exists():
        raise SettingsError("there is no warehouse yet, so nothing to look for; run `grounded run`")
    targets = home_targets(settings.home, snapshot_id)
    hold = partial(writing, settings.home)
    with hold() as warehouse:
        values = personal_values(warehouse, declarations, hold)
    return scan(targets, values, keys=scan_keys(settings), project_texts=project_texts())


def scan_keys(settings: Settings) -> dict[str, bytes]:
    """Return every secret of ours in the forms in which it could show."""
    key = privacy_key(settings)
    inner, outer = hmac_pads(key)
    secrets = {"privacy key": key.encode(), "inner pad": inner, "outer pad": outer}
    for name, spec in settings.sources.items():
        for number, secret in enumerate(credentials(name, spec, settings.home)):
            secrets[f"{name} {number}"] = secret.get_secret_value().encode()
    encoded = {f"{name} in base64": base64.b64encode(secret) for name, secret in secrets.items()}
    return {**secrets, **encoded}


def project_texts(folder: Path = PROJECT_ROOT / "dbt_project") -> list[str]:
    """Return the project's own files, which dbt's artefacts repeat."""
    return [
        path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.suffix in _PROJECT_TEXTS and path.is_file()
    ]
