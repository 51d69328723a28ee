"""What may be asked on /v1/messages, and how a request becomes the domain's."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from app.domain.generation import (
    ChatPrompt,
    Constraint,
    Form,
    InferenceRequest,
    Sampling,
    Sequence,
    ToolMode,
    ToolUse,
)
from app.domain.refusals import InvalidRequest
from app.routers.anthropic.fields import COUNT_TOKENS, MESSAGES
from app.routers.anthropic.turns import Turn, messages_of, system_of
from app.routers.fields import Field as Row
from app.routers.openai.tools import constraint_beside
from app.routers.openai.unsupported import refuse_unsupported

MAX_STOPS = 16
MAX_TOOLS = 128

Text = Annotated[Any, Field(json_schema_extra={"type": ["string", "array", "null"]})]
Object = dict[str, Any]


class _Conversation(BaseModel):
    """What both routes share. Null means the default; extra fields are kept to be judged."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    model: Annotated[str, Field(min_length=1, max_length=512)]
    messages: Annotated[list[Turn], Field(min_length=1, max_length=100_000)]
    system: Text = None
    tools: Annotated[list[Object], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: Object | None = None
    thinking: Object | None = None

    table: ClassVar[tuple[Row, ...]]

    def prompt(self) -> ChatPrompt:
        """Raises InvalidRequest."""
        refuse_unsupported(self.table, self.model_extra)
        return ChatPrompt(
            messages=(*system_of(self.system), *messages_of(self.messages)),
            use=_use(self.tools or [], self.tool_choice),
            options=_thinking(self.thinking),
        )


class CountRequest(_Conversation):
    """POST /v1/messages/count_tokens."""

    table = COUNT_TOKENS


class MessagesRequest(_Conversation):
    """POST /v1/messages."""

    table = MESSAGES

    output_config: Object | None = None
    max_tokens: Annotated[int, Field(ge=1, le=2**31 - 1)]
    stream: bool | None = None
    stop_sequences: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=1024)]], Field(max_length=MAX_STOPS)
        ]
        | None
    ) = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None

    def to_domain(self, request_id: str) -> InferenceRequest:
        """Raises InvalidRequest."""
        prompt = self.prompt()
        constraint = constraint_beside(prompt.use, _constraint(self.output_config), "output_config")
        sampling = Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            max_tokens=self.max_tokens,
            stop=tuple(self.stop_sequences or ()),
            constraint=constraint,
        )
        return InferenceRequest(
            request_id=request_id,
            model=self.model,
            sequences=(Sequence(f"{request_id}-0", prompt, sampling),),
        )


def _use(tools: list[Object], choice: Object | None) -> ToolUse:
    declared = tuple(_tool(tool, f"tools[{at}]") for at, tool in enumerate(tools))
    names = [tool["function"]["name"] for tool in declared]
    if len(set(names)) != len(names):
        raise InvalidRequest("tools: every tool needs a name of its own.", param="tools")
    choice = choice or {"type": "auto"}
    mode = _MODES.get(str(choice.get("type")))
    if mode is None:
        raise InvalidRequest(
            "tool_choice.type must be auto, any, tool or none.", param="tool_choice"
        )
    if mode in (ToolMode.REQUIRED, ToolMode.NAMED) and not declared:
        raise InvalidRequest("tool_choice needs tools.", param="tool_choice")
    name = choice.get("name") if mode is ToolMode.NAMED else None
    if mode is ToolMode.NAMED and name not in names:
        raise InvalidRequest("tool_choice.name is none of the tools.", param="tool_choice")
    return ToolUse(declared, mode, name, parallel=not choice.get("disable_parallel_tool_use"))


_MODES: Mapping[str, ToolMode] = {
    "auto": ToolMode.AUTO,
    "any": ToolMode.REQUIRED,
    "tool": ToolMode.NAMED,
    "none": ToolMode.NONE,
}


def _tool(tool: Object, where: str) -> Object:
    """A tool as chat templates take it."""
    if tool.get("type") not in (None, "custom"):
        raise InvalidRequest(
            f"{where}.type: this server runs no tools of its own; declare yours with "
            "name and input_schema.",
            param=f"{where}.type",
        )
    name, schema = tool.get("name"), tool.get("input_schema")
    if not isinstance(name, str) or not 1 <= len(name) <= 128:
        raise InvalidRequest(f"{where}.name must be 1 to 128 characters.", param=f"{where}.name")
    if not isinstance(schema, dict):
        raise InvalidRequest(
            f"{where}.input_schema must be an object.", param=f"{where}.input_schema"
        )
    about = {"description": tool["description"]} if "description" in tool else {}
    return {"type": "function", "function": {"name": name, **about, "parameters": schema}}


def _thinking(thinking: Object | None) -> Object:
    """Templates of thinking models know one switch. The budget is the model's own affair."""
    if thinking is None:
        return {}
    if (kind := thinking.get("type")) not in ("enabled", "disabled", "adaptive"):
        raise InvalidRequest(
            "thinking.type must be enabled, adaptive or disabled.", param="thinking"
        )
    return {"enable_thinking": kind != "disabled"}


def _constraint(config: Object | None) -> Constraint | None:
    wanted = (config or {}).get("format")
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        raise InvalidRequest(
            "output_config.format.type must be json_schema.", param="output_config"
        )
    if not isinstance(wanted.get("schema"), dict):
        raise InvalidRequest(
            "output_config.format.schema must be an object.", param="output_config"
        )
    return Constraint(Form.SCHEMA, wanted["schema"])
