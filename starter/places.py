"""Where the starter model's files lie in the repository."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
TEXT = Path(__file__).resolve().parent / "text"
HELD_OUT = Path(__file__).resolve().parent / "questions.yaml"
PRACTICE = Path(__file__).resolve().parent / "practice.yaml"
MODEL_ID = "lmx/starter"
MODEL_PATH = "models/lmx/starter"
MODEL = REPOSITORY / MODEL_PATH
KNOWN_MODELS = REPOSITORY / "config" / "models.yaml"
