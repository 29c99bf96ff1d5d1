"""The adapters of serving/README.md, run against the real frameworks with a scripted model."""

import re
from pathlib import Path

import pytest

from tests.clients.conftest import PYTHON, Client, Served
from tests.grounded import ROOT

SCRIPTED = Path(__file__).with_name("scripted.py")


def adapters() -> dict[str, str]:
    """The examples by the framework that each names in its first line."""
    section = (ROOT / "serving/README.md").read_text().partition("## In agent frameworks")[2]
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    return dict(blocks)


@pytest.mark.parametrize("framework", ["pydantic-ai", "openai-agents", "langchain"])
def test_a_framework_s_agent_asks_a_tool_and_reads_its_answer(
    client: Client, served: Served, framework: str
) -> None:
    example = client.folder / "example.py"
    example.write_text(adapters()[framework])
    done = client(PYTHON / "python", SCRIPTED, framework, example, served.url, served.token)
    assert done.returncode == 0, done.stderr[-3_000:]
    assert '"order_id":3' in done.stdout.replace(" ", "").replace("'", '"')
    assert '"masked_columns":["customer_key"]' in done.stdout.replace(" ", "").replace("'", '"')
