"""One fact about the node, checked with Python's websockets: `websockets_check.py FACT WS_URL`.

Prints one line on what was seen and exits 0, or says what was wrong and exits 1.
"""

import asyncio
import json
import struct
import sys
import time

from websockets.asyncio.client import connect

GIBIBYTE = 1 << 30
# Frames of a size that no buffer of the node's is a multiple of.
FRAME_BYTES = 1_000_003


async def ping(url):
    async with connect(url + "/ws/ping", compression=None) as socket:
        for sequence in range(20):
            sent_us = time.monotonic_ns() // 1000
            await socket.send(struct.pack("<B3xIQ", 1, sequence, sent_us))
            while isinstance(echo := await socket.recv(), str):
                pass
            kind, echoed, client_us, receive_us, send_us = struct.unpack("<B3xIQQQ", echo)
            assert (kind, echoed, client_us) == (2, sequence, sent_us), echo
            assert receive_us <= send_us, echo
        return "20 probes echoed"


async def download(url):
    wanted = 10 * FRAME_BYTES
    async with connect(f"{url}/ws/bulk-download?bytes={wanted}", compression=None) as socket:
        received = 0
        while received < wanted:
            message = await socket.recv()
            if isinstance(message, bytes):
                received += len(message)
        assert received == wanted, f"{received} bytes of {wanted}"
        return f"{received} bytes"


async def upload(url):
    payload = bytes(FRAME_BYTES)
    async with connect(url + "/ws/bulk-upload", compression=None) as socket:

        async def counted():
            async for text in socket:
                progress = json.loads(text)
                assert progress["type"] == "upload_progress", text
                assert progress["bytes"] <= GIBIBYTE, text
                if progress["bytes"] == GIBIBYTE:
                    return

        counting = asyncio.create_task(counted())
        left = GIBIBYTE
        while left > 0:
            size = min(left, FRAME_BYTES)
            await socket.send(payload[:size] if size < FRAME_BYTES else payload)
            left -= size
        await asyncio.wait_for(counting, 30)
        return f"{GIBIBYTE} bytes counted"


async def compression(url):
    async with connect(url + "/ws/bulk-upload", compression="deflate") as socket:
        assert socket.protocol.extensions == [], socket.protocol.extensions
        return "permessage-deflate was offered and refused"


FACTS = {"ping": ping, "download": download, "upload": upload, "compression": compression}


def main():
    _, fact, url = sys.argv
    print(asyncio.run(FACTS[fact](url)))


if __name__ == "__main__":
    main()
