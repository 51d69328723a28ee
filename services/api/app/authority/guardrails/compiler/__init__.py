"""From an intent to what it means under one document: by a fixed procedure, with a trace. Pure."""
