"""The child's program: reads its order, walls itself in, and only then loads an advisor."""

import os

from app.walled.frames import Pipes
from app.walled.limits import Allowance
from app.walled.preloaded import load_the_rest
from app.walled.pump import carry_out
from app.walled.sources import Sources, files_loaded, forget_the_rest
from app.walled.telltale import importable, listening
from app.walled.walls import raise_all


def main() -> None:
    parent = os.getppid()
    leave = os._exit
    pipes = Pipes()
    order = pipes.order()
    load_the_rest()
    hear, untold = listening(files_loaded())
    Sources.bundled().take_over()
    forget_the_rest(importable)
    pipes.tell_walls(raise_all(Allowance.read(order), parent, hear))
    ended = carry_out(order, pipes)
    if untold():
        pipes.tell("untold", untold())
    pipes.tell_done(ended)
    leave(0)


if __name__ == "__main__":
    main()
