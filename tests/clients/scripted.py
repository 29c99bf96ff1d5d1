"""Runs one example of serving/README.md with a model that follows a script.

It first calls ``lookup`` and then says what it was told. Run by the frameworks' own environment:
``python scripted.py FRAMEWORK EXAMPLE URL TOKEN``.
"""

import json
import sys
from pathlib import Path

ARGUMENTS = {"table": "agent_orders", "value": 3}


def pydantic_ai_model():
    from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
    from pydantic_ai.models.function import FunctionModel

    def follow(messages, info):
        assert "lookup" in [tool.name for tool in info.function_tools]
        if len(messages) == 1:
            return ModelResponse(parts=[ToolCallPart("lookup", ARGUMENTS)])
        return ModelResponse(parts=[TextPart(str(messages[-1].parts[0].content))])

    return FunctionModel(follow)


def openai_agents_model():
    from agents import Model, ModelResponse, Usage, set_tracing_disabled
    from openai.types.responses import (
        ResponseFunctionToolCall,
        ResponseOutputMessage,
        ResponseOutputText,
    )

    # Traces would be sent to a service.
    set_tracing_disabled(True)

    class Scripted(Model):
        async def get_response(self, system_instructions, input, *rest, **named):
            return ModelResponse(output=[self._next(input)], usage=Usage(), response_id=None)

        def stream_response(self, *rest, **named):
            raise NotImplementedError

        def _next(self, input):
            if isinstance(input, str) or len(input) == 1:
                return ResponseFunctionToolCall(
                    type="function_call",
                    call_id="1",
                    name="lookup",
                    arguments=json.dumps(ARGUMENTS),
                )
            told = input[-1]["output"]
            text = told if isinstance(told, str) else told[0]["text"]
            return ResponseOutputMessage(
                id="1",
                type="message",
                role="assistant",
                status="completed",
                content=[ResponseOutputText(type="output_text", text=text, annotations=[])],
            )

    return Scripted()


def langchain_model():
    from langchain_core.language_models import FakeMessagesListChatModel
    from langchain_core.messages import AIMessage

    class Scripted(FakeMessagesListChatModel):
        def bind_tools(self, tools, **named):
            assert "lookup" in [tool.name for tool in tools]
            return self

    call = {"name": "lookup", "args": ARGUMENTS, "id": "1", "type": "tool_call"}
    return Scripted(responses=[AIMessage(content="", tool_calls=[call])])


MODELS = {
    "pydantic-ai": pydantic_ai_model,
    "openai-agents": openai_agents_model,
    "langchain": langchain_model,
}

if __name__ == "__main__":
    framework, example, url, token = sys.argv[1:]
    given = {"MODEL": MODELS[framework](), "URL": f"{url}/mcp", "TOKEN": token}
    exec(compile(Path(example).read_text(), example, "exec"), given)
