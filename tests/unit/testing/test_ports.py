"""Ports for servers of tests: free ones, and none that another process or an earlier call was given."""

from __future__ import annotations

import socket
import subprocess
import sys

from monoskope.testing.parts import free_port

MANY = 50
"""More than a test uses, and fewer than a process has."""

ASKS = f"""
import sys
from monoskope.testing.parts import free_port
print(*(free_port() for _ in range({MANY})), flush=True)
sys.stdin.readline()
"""


def test_no_port_is_given_twice_while_its_server_has_not_begun_to_listen() -> None:
    given = [free_port() for _ in range(MANY)]
    assert len(set(given)) == MANY


def test_processes_that_run_at_once_are_given_ports_of_their_own() -> None:
    command = [sys.executable, "-c", ASKS]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    given = [port for process in running for port in _line(process).split()]
    for process in running:
        process.communicate("over\n")
    given += [str(free_port()) for _ in range(MANY)]
    assert len(set(given)) == 4 * MANY


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_port_that_something_listens_on_is_not_given() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert port not in {free_port() for _ in range(2 * MANY)}


def test_the_port_after_it_is_free_too_where_that_is_asked_for() -> None:
    port = free_port(with_next=True)
    with socket.create_server(("127.0.0.1", port + 1)):
        assert port not in {free_port(with_next=True) for _ in range(2 * MANY)}
