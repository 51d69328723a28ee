"""`python -m bench.llama_server FILE PORT SLOTS THREADS`: llama.cpp's own server."""

import signal
import sys

from xllamacpp import CommonParams, Server


def main() -> None:
    file, port, slots, threads = sys.argv[1], *map(int, sys.argv[2:])
    params = CommonParams()
    params.model.path = file
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_parallel = slots
    params.n_ctx = 1024 * slots
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.use_jinja = True
    server = Server(params)
    print(server.listening_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
