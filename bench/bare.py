"""What the product is measured against: mlx-lm's own generators, in-process and bare."""

import sys
import time
from typing import Any

from mlx_lm import load, stream_generate
from mlx_lm.generate import BatchGenerator

from bench.child import Json, answer_questions


class Bare:
    """The loaded model; every question is one greedy generation."""

    def __init__(self, directory: str) -> None:
        self._model: Any
        self._model, self._tokenizer, *_ = load(directory)
        ends = [[token] for token in self._tokenizer.eos_token_ids]
        # One generator for all questions, as a server keeps it.
        self._generator = BatchGenerator(self._model, stop_tokens=ends)

    def answer(self, question: Json) -> Json:
        if question["how"] == "together":
            return self._together(question["prompts"], question["max_tokens"])
        run = {"batch": self._batch, "stream": self._stream}[question["how"]]
        times = run(self._ids(question["prompt"]), question["max_tokens"])
        return {"tokens": len(times), "decode_s": times[-1] - times[0]}

    def _ids(self, prompt: str) -> list[int]:
        messages = [{"role": "user", "content": prompt}]
        return list(self._tokenizer.apply_chat_template(messages, add_generation_prompt=True))

    def _together(self, prompts: list[str], max_tokens: int) -> Json:
        """All prompts in one batch, from the first one's reading to the last one's end."""
        started = time.perf_counter()
        self._generator.insert(
            [self._ids(prompt) for prompt in prompts], [max_tokens] * len(prompts)
        )
        tokens, ended = 0, 0
        while ended < len(prompts):
            responses = self._generator.next_generated()
            tokens += len(responses)
            ended += sum(response.finish_reason is not None for response in responses)
        return {"tokens": tokens, "wall_s": time.perf_counter() - started}

    def _batch(self, ids: list[int], max_tokens: int) -> list[float]:
        self._generator.insert([ids], [max_tokens])
        times = []
        while responses := self._generator.next_generated():
            times.append(time.perf_counter())
            if responses[0].finish_reason is not None:
                break
        return times

    def _stream(self, ids: list[int], max_tokens: int) -> list[float]:
        return [
            time.perf_counter()
            for _ in stream_generate(self._model, self._tokenizer, ids, max_tokens=max_tokens)
        ]


if __name__ == "__main__":
    answer_questions(Bare(sys.argv[1]).answer)
