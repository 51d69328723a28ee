"""`python -m app.engines.worker FD PARENT_PID`: load one model, answer its canary, generate.

Three threads: this one loads and decodes, one reads frames, one renders and tokenizes prompts.
"""

import os
import socket
import sys

from app.engines.protocol import (
    VERSION,
    Hello,
    Load,
    LoadFailed,
)
from app.engines.worker.channel import Channel
from app.engines.worker.parentage import die_with_parent


def main() -> None:
    fd, parent_pid = int(sys.argv[1]), int(sys.argv[2])
    die_with_parent(parent_pid)
    channel = Channel(socket.socket(fileno=fd))
    channel.send([Hello(VERSION, os.getpid())])
    (spec,) = channel.receive()
    if not isinstance(spec, Load) or spec.version != VERSION:
        channel.send([LoadFailed("the worker and the server are of different versions", False)])
        os._exit(2)
    # MLX is imported from here on: the supervisor knows already that the process is alive.
    from app.engines.worker.serving import Serving

    serving = Serving(spec, channel.send)
    channel.read_forever(serving.handle)
    serving.serve()
    # Skips the tear-down of an ML runtime: slow, and nothing of it outlives the process.
    os._exit(0)


if __name__ == "__main__":
    main()
