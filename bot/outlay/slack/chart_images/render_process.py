"""Worker process that renders Vega-Lite to PNG. Run as a file, so that nothing of the bot is loaded in it.

The library behind it holds the interpreter's lock for a quarter of a second a chart, which in the bot's process would
stop everything else.

Read from stdin: four bytes of length and a specification as JSON. Written to stdout: one byte (0: an image, 1: an error
text), four bytes of length, and that. It exits at the end of stdin. It uses no network: a specification that points to
data elsewhere is refused.
"""

import os
import struct
import sys
from typing import BinaryIO

SCALE = 2.0
NICE = 10  # processes that answer people have priority


def main(source: BinaryIO, sink: BinaryIO) -> None:
    """Render each specification of `source` and write the result to `sink`, until the input ends."""
    import vl_convert

    while len(head := source.read(4)) == 4:
        (length,) = struct.unpack(">I", head)
        specification = source.read(length).decode()
        try:
            status, found = 0, vl_convert.vegalite_to_png(specification, scale=SCALE, allowed_base_urls=[])
        except ValueError as error:
            status, found = 1, str(error).encode()[:2_000]
        sink.write(struct.pack(">BI", status, len(found)) + found)
        sink.flush()


if __name__ == "__main__":
    os.nice(NICE)
    main(sys.stdin.buffer, sys.stdout.buffer)
