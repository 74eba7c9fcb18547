"""What a machine reaches of others. Stands alone, so that any Python can run it from its input.

Arguments: `ports ADDRESS...` prints the open TCP ports of each address as JSON; `status CA ADDRESS
HOST PATH` prints the HTTP status of a request by HTTPS.
"""

import asyncio
import http.client
import json
import ssl
import sys

PORTS = sorted(
    {
        *(7, 9, 13, 19, 20, 21, 22, 23, 25, 26, 37, 49, 53, 69, 70, 79, 80, 81, 82, 88, 106, 110),
        *(111, 113, 119, 123, 135, 139, 143, 144, 161, 179, 199, 389, 427, 443, 444, 445, 465),
        *(513, 514, 515, 543, 544, 548, 554, 587, 623, 631, 636, 646, 666, 853, 873, 902, 990, 993),
        *(995, 1025, 1080, 1110, 1194, 1433, 1521, 1720, 1723, 1755, 1883, 1900, 2000, 2019, 2020),
        *(2049, 2082, 2121, 2222, 2375, 2376, 2377, 2379, 2380, 2717, 3000, 3001, 3100, 3128, 3306),
        *(3389, 3986, 4000, 4243, 4444, 4789, 5000, 5001, 5009, 5051, 5060, 5101, 5190, 5357, 5601),
        *range(5430, 5441),
        *(5555, 5631, 5666, 5672, 5800, 5900, 5984, 6000, 6001, 6379, 6432, 6443, 6646, 7000, 7070),
        *(7333, 7443, 7946, 8000, 8008, 8009, 8080, 8081, 8082, 8086, 8088, 8089, 8123, 8181, 8200),
        *(8333, 8443, 8500, 8888, 8978, 9000, 9001, 9002, 9090, 9091, 9093, 9094, 9100, 9115, 9187),
        *(9200, 9300, 9323, 9333, 9392, 9443, 9999, 10000, 10250, 11211, 15672, 18080, 19333),
        *(27017, 32768, 49152, 50000, 51820),
    }
)  # fmt: skip
TIMEOUT = 1
"""Seconds for a connection. Each port is tried twice."""
AT_ONCE = 300


async def open_ports(addresses: list[str]) -> dict[str, list[int]]:
    """The open TCP ports of each address."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def is_open(address: str, port: int) -> bool:
        for _ in range(2):
            try:
                async with turn, asyncio.timeout(TIMEOUT):
                    _, writer = await asyncio.open_connection(address, port)
            except OSError:  # also a timeout
                continue
            writer.close()
            return True
        return False

    tried = [(address, port) for address in addresses for port in PORTS]
    found = await asyncio.gather(*(is_open(*one) for one in tried))
    return {
        address: [
            port
            for (there, port), yes in zip(tried, found, strict=True)
            if yes and there == address
        ]
        for address in addresses
    }


def status(ca: str, address: str, host: str, path: str) -> int:
    """The HTTP status of `GET https://host/path`, asked at an address of the certificate."""
    context = ssl.create_default_context(cafile=ca)
    connection = http.client.HTTPSConnection(address, context=context, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()


def main(command: str, *arguments: str) -> None:
    """Prints the answer."""
    if command == "ports":
        print(json.dumps(asyncio.run(open_ports(list(arguments)))))
    else:
        ca, address, host, path = arguments
        print(status(ca, address, host, path))


if __name__ == "__main__":
    main(*sys.argv[1:])
