"""The service and nginx with the settings of deploy/compose.yaml: which address does the audit trail name?

    python -m tests.app.server.behind_nginx BUNDLE FOLDER

It runs in a network of its own with the addresses below.
"""

import json
import re
import socket
import ssl
import sys
from pathlib import Path

from app.client import serving
from tests.app.server.raw import answer
from tests.app.server.test_nginx import started
from tests.app.trail_lines import trail_lines
from tests.conftest import ROOT

COMPOSE = ROOT / "deploy" / "compose.yaml"
# Of a container in one of Docker's networks, and of a client.
CONTAINER, CLIENT = "172.18.0.2", "192.0.2.7"
KEY = "a key of this test that is long enough"


def environment(service: str) -> dict[str, str]:
    """The environment of a service in the compose file, with its defaults filled in."""
    text = re.search(rf"^  {service}:\n(.*?)(?=^  \S|^\S|\Z)", COMPOSE.read_text(), re.MULTILINE | re.DOTALL)[1]
    block = re.search(r"^    environment:\n((?:      .*\n)+)", text, re.MULTILINE)[1]
    found = dict(re.findall(r"^      (\w+): \"?(.*?)\"?$", block, re.MULTILINE))
    return {name: re.sub(r"\$\{\w+(?::-(.*?)|:\?.*?)\}", r"\1", value) for name, value in found.items()}


def main(bundle: Path, folder: Path) -> None:
    """Print the addresses that the audit trail names."""
    variables = environment("service") | {"CRUCIATE_API_KEYS": KEY, "CRUCIATE_HOST": "0.0.0.0"}
    with serving(bundle, folder, **variables) as service:
        service.wait_until_ready()
        ours = {"CRUCIATE_TLS", "CRUCIATE_TLS_PORT"}  # nginx runs in a folder of this test
        changed = {name: value for name, value in environment("nginx").items() if name not in ours}
        changed["CRUCIATE_UPSTREAM"] = f"{CONTAINER}:{service.port}"
        nginx, process = started(folder, service.port, **changed)
        trusted = ssl.create_default_context(cafile=str(nginx.tls / "fullchain.pem"))
        plain = socket.create_connection(("127.0.0.1", nginx.port), 20, (CLIENT, 0))
        with trusted.wrap_socket(plain, server_hostname="localhost") as client:
            head = f"GET /v1/predictions HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nConnection: close\r\n"
            client.sendall(f"{head}X-Forwarded-For: 203.0.113.9\r\n\r\n".encode())
            status = answer(client).status
        process.terminate()
        process.communicate()
    print(json.dumps({"status": status, "addresses": [line.get("address") for line in trail_lines(folder / "var")]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
