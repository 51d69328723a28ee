"""What may be asked on /v1/responses, and how a request becomes the domain's."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.domain.generation import (
    ChatPrompt,
    Constraint,
    InferenceRequest,
    Sampling,
    Sequence,
    ToolUse,
)
from app.domain.refusals import InvalidRequest
from app.routers.openai.formats import format_of, named_schema
from app.routers.openai.responses.fields import LOGPROBS, RESPONSES
from app.routers.openai.responses.items import messages_of
from app.routers.openai.schemas import Effort
from app.routers.openai.tools import constraint_beside, tool_use
from app.routers.openai.unsupported import refuse_unsupported

AnyInput = Annotated[Any, Field(json_schema_extra={"type": ["string", "array"]})]
AnyList = Annotated[Any, Field(json_schema_extra={"type": ["array", "null"]})]
AnyChoice = Annotated[Any, Field(json_schema_extra={"type": ["string", "object", "null"]})]


class Reasoning(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    effort: Effort | None = None


class TextOptions(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    format: dict[str, Any] | None = None


class ResponseRequest(BaseModel):
    """POST /v1/responses. Null means the default; extra fields are kept to be judged."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    model: Annotated[str, Field(min_length=1, max_length=512)]
    input: AnyInput
    instructions: str | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    text: TextOptions | None = None
    tools: AnyList = None
    tool_choice: AnyChoice = None
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    store: bool | None = None
    previous_response_id: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    metadata: Annotated[dict[str, str], Field(max_length=16)] | None = None
    include: list[str] | None = None
    truncation: str | None = None

    @property
    def told_logprobs(self) -> int | None:
        """How many alternatives are told with each token; None: no log probabilities."""
        if LOGPROBS in (self.include or ()):
            return self.top_logprobs or 0
        return self.top_logprobs or None

    def repeated(self) -> dict[str, Any]:
        """What a response repeats of its request."""
        effort = self.reasoning.effort if self.reasoning else None
        asked = self.text.format if self.text else None
        return {
            "instructions": self.instructions,
            "max_output_tokens": self.max_output_tokens,
            "metadata": self.metadata or {},
            "parallel_tool_calls": self.parallel_tool_calls is not False,
            "previous_response_id": self.previous_response_id,
            "reasoning": {"effort": effort, "summary": None},
            "temperature": self.temperature,
            "text": {"format": asked or {"type": "text"}},
            "tool_choice": "auto" if self.tool_choice is None else self.tool_choice,
            "tools": self.tools or [],
            "top_logprobs": self.told_logprobs or 0,
            "top_p": self.top_p,
            "truncation": "disabled",
            "background": False,
        }

    def messages(self) -> tuple[Mapping[str, Any], ...]:
        """What this request adds to a conversation. Raises InvalidRequest."""
        return messages_of(self.input)

    def to_domain(
        self, request_id: str, before: tuple[Mapping[str, Any], ...] = ()
    ) -> InferenceRequest:
        """`before` is the conversation so far, without instructions. Raises InvalidRequest."""
        refuse_unsupported(RESPONSES, self.model_extra)
        if self.truncation not in (None, "disabled"):
            raise InvalidRequest(
                "truncation must be 'disabled': nothing of an input is left out in silence.",
                param="truncation",
            )
        use = self._use()
        constraint = constraint_beside(use, self._constraint(), "text.format")
        said = [{"role": "system", "content": self.instructions}] if self.instructions else []
        prompt = ChatPrompt((*said, *before, *self.messages()), use, self._options())
        sampling = Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_output_tokens,
            logprobs=self.told_logprobs,
            constraint=constraint,
        )
        sequence = Sequence(f"{request_id}-0", prompt, sampling)
        return InferenceRequest(request_id=request_id, model=self.model, sequences=(sequence,))

    def _use(self) -> ToolUse:
        tools = self.tools
        if isinstance(tools, list):
            tools = [_nested(tool) for tool in tools]
        choice = self.tool_choice
        if isinstance(choice, dict) and "name" in choice:
            choice = {"type": choice.get("type"), "function": {"name": choice["name"]}}
        return tool_use(tools, choice, parallel=self.parallel_tool_calls)

    def _constraint(self) -> Constraint | None:
        asked = self.text.format if self.text else None
        if asked is not None and asked.get("type") == "json_schema":
            return named_schema(asked, "text.format")
        return format_of(asked, "text.format")

    def _options(self) -> Mapping[str, Any]:
        effort = self.reasoning.effort if self.reasoning else None
        if effort is None:
            return {}
        asked: dict[str, Any] = {"reasoning_effort": effort}
        return {**asked, "enable_thinking": False} if effort == "none" else asked


def _nested(tool: Any) -> Any:
    """Responses write a function flat; chat completions nest it."""
    if not isinstance(tool, dict) or tool.get("type") != "function":
        return tool
    return {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}
