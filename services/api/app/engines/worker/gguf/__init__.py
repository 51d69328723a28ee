"""Models in GGUF, run by llama.cpp."""
