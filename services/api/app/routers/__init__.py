"""The HTTP edge: parse, call one use case, shape the answer. No rule lives here."""

from pydantic import BaseModel

BaseModel.model_config["defer_build"] = True
try:  # FastAPI's models of OpenAPI are used by /openapi.json alone: 0.1 s of every start
    import fastapi  # noqa: F401
finally:
    del BaseModel.model_config["defer_build"]
