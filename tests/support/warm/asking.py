"""What a shell finds as `m8` and `monoctl` where `warm.on_the_path` says so: it asks for a copy, and ends as that does.

This is copied beside `asking.json` with a first line that names Python, and it imports next to nothing: it is as quick
to start as a program in Python can be.
"""

import json
import os
import socket
import sys

ENDED_BY_A_SIGNAL = 128
NO_ANSWER = 70
"""The code if the loaded process ended before it told one. No program of ours ends with it."""


def main() -> None:
    """Be the program, or have a copy be it. Never returns."""
    folder, name = os.path.split(sys.argv[0])
    with open(f"{folder}/asking.json", encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes longer to load
        given = json.load(file)
    arguments = [given["programs"][name], *sys.argv[1:]]
    if set(given["anew"]) & set(arguments) or any(one.startswith(tuple(given["own_start"])) for one in os.environ):
        os.execv(arguments[0], arguments)
    request = json.dumps(
        {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ), "leads": False}  # noqa: PTH109
    ).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(given["address"])
        socket.send_fds(connection, [len(request).to_bytes(4, "big")], (0, 1, 2))
        connection.sendall(request)
        told = connection.recv(8, socket.MSG_WAITALL)
    if len(told) < 8:
        os.write(2, b"the loaded process ended\n")
        os._exit(NO_ANSWER)
    code = int.from_bytes(told[4:], "big", signed=True)
    os._exit(code if code >= 0 else ENDED_BY_A_SIGNAL - code)


if __name__ == "__main__":
    main()
