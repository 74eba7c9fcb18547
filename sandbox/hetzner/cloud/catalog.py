"""What Hetzner sells: locations, server types, images and prices.

Names and sizes are Hetzner's. Prices are examples of the right order of magnitude in euros
without VAT, not those of the day.
"""

from ipaddress import IPv4Network
from typing import Any, Final

from cloud.store import Record

PRIVATE_RANGES: Final = [
    IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
]

VAT_RATE: Final = 19
HOURS_PER_MONTH: Final = 624  # Hetzner caps a month at the price of so many hours

_LOCATIONS = [  # name, city, country, network zone, latitude, longitude
    ("fsn1", "Falkenstein", "DE", "eu-central", 50.47612, 12.370071),
    ("nbg1", "Nuremberg", "DE", "eu-central", 49.452102, 11.076665),
    ("hel1", "Helsinki", "FI", "eu-central", 60.169855, 24.938379),
    ("ash", "Ashburn, VA", "US", "us-east", 39.045821, -77.487073),
    ("hil", "Hillsboro, OR", "US", "us-west", 45.54222, -122.951924),
    ("sin", "Singapore", "SG", "ap-southeast", 1.283333, 103.833333),
]
LOCATIONS: Final[list[Record]] = [
    {
        "id": number,
        "name": name,
        "description": f"{city} DC Park 1",
        "city": city,
        "country": country,
        "latitude": latitude,
        "longitude": longitude,
        "network_zone": zone,
    }
    for number, (name, city, country, zone, latitude, longitude) in enumerate(_LOCATIONS, 1)
]
NETWORK_ZONES: Final = {location["network_zone"] for location in LOCATIONS}
_EUROPE = {"fsn1", "nbg1", "hel1"}

_SERVER_TYPES = [  # id, name, cores, memory in GB, disk in GB, euros a month
    (114, "cx23", 2, 4, 40, 3.49),
    (115, "cx33", 4, 8, 80, 5.49),
    (116, "cx43", 8, 16, 160, 9.49),
    (117, "cx53", 16, 32, 320, 17.49),
    (108, "cpx22", 2, 4, 80, 6.49),
    (109, "cpx32", 4, 8, 160, 10.99),
    (110, "cpx42", 8, 16, 320, 19.99),
    (111, "cpx52", 12, 24, 480, 28.49),
    (112, "cpx62", 16, 32, 640, 38.99),
    (45, "cax11", 2, 4, 40, 3.79),
    (93, "cax21", 4, 8, 80, 6.49),
    (94, "cax31", 8, 16, 160, 12.49),
    (95, "cax41", 16, 32, 320, 24.49),
    (96, "ccx13", 2, 8, 80, 12.49),
    (97, "ccx23", 4, 16, 160, 24.49),
    (98, "ccx33", 8, 32, 240, 48.49),
    (99, "ccx43", 16, 64, 360, 96.49),
    (100, "ccx53", 32, 128, 600, 192.49),
]


def price(net: float, digits: int = 4) -> Record:
    """A price without and with VAT, as the API writes it."""
    gross = net * (100 + VAT_RATE) / 100
    return {"net": f"{net:.{digits}f}", "gross": f"{gross:.{digits}f}"}


def _prices(monthly: float, locations: list[str]) -> list[Record]:
    return [
        {
            "location": location,
            "price_hourly": price(monthly / HOURS_PER_MONTH),
            "price_monthly": price(monthly),
            "included_traffic": 20 * 1024**4 if location in _EUROPE else 1024**4,
            "price_per_tb_traffic": price(1.0),
        }
        for location in locations
    ]


def _server_type(number: int, name: str, cores: int, memory: int, disk: int, cost: float) -> Record:
    arm, dedicated = name.startswith("cax"), name.startswith("ccx")
    everywhere = name.startswith(("cpx", "ccx"))
    sold = [place for place in LOCATIONS if everywhere or place["name"] in _EUROPE]
    return {
        "id": number,
        "name": name,
        "description": name.upper(),
        "category": "General Purpose" if dedicated else "Cost-Optimized",
        "cores": cores,
        "memory": float(memory),
        "disk": disk,
        "cpu_type": "dedicated" if dedicated else "shared",
        "storage_type": "local",
        "architecture": "arm" if arm else "x86",
        "deprecated": False,
        "deprecation": None,
        "prices": _prices(cost, [place["name"] for place in sold]),
        "locations": [
            {
                "id": place["id"],
                "name": place["name"],
                "available": True,
                "recommended": True,
                "deprecation": None,
            }
            for place in sold
        ],
    }


SERVER_TYPES: Final[list[Record]] = [_server_type(*row) for row in _SERVER_TYPES]


def _image(number: int, name: str, flavor: str, version: str, architecture: str) -> Record:
    return {
        "id": number,
        "type": "system",
        "status": "available",
        "name": name,
        "description": f"{flavor.title()} {version}",
        "image_size": None,
        "disk_size": 5,
        "created": "2024-01-01T00:00:00+00:00",
        "created_from": None,
        "bound_to": None,
        "os_flavor": flavor,
        "os_version": version,
        "rapid_deploy": True,
        "protection": {"delete": False},
        "deprecated": None,
        "deleted": None,
        "labels": {},
        "architecture": architecture,
    }


IMAGES: Final[list[Record]] = [
    _image(114690387, "debian-12", "debian", "12", "x86"),
    _image(114690389, "debian-12", "debian", "12", "arm"),
    _image(161547269, "ubuntu-24.04", "ubuntu", "24.04", "x86"),
    _image(161547270, "ubuntu-24.04", "ubuntu", "24.04", "arm"),
]

PRICING: Final[dict[str, Any]] = {
    "currency": "EUR",
    "vat_rate": f"{VAT_RATE:.6f}",
    "image": {"price_per_gb_month": price(0.0119)},
    "volume": {"price_per_gb_month": price(0.044)},
    "server_backup": {"percentage": "20.0000000000"},
    "server_types": [
        {"id": kind["id"], "name": kind["name"], "prices": kind["prices"]} for kind in SERVER_TYPES
    ],
    "primary_ips": [
        {
            "type": family,
            "prices": [
                {
                    "location": place["name"],
                    "price_hourly": price(cost / HOURS_PER_MONTH),
                    "price_monthly": price(cost),
                }
                for place in LOCATIONS
            ],
        }
        for family, cost in (("ipv4", 0.5), ("ipv6", 0.0))
    ],
    "floating_ip": {"price_monthly": price(3.0)},
    "floating_ips": [],
    "load_balancer_types": [],
}


def sell_out(server_type: str, location: str) -> None:
    """Makes a server type unavailable in a location.

    Raises:
        ValueError: when it is not offered there anyway.
    """
    for kind in SERVER_TYPES:
        for place in kind["locations"]:
            if (kind["name"], place["name"]) == (server_type, location):
                place.update(available=False, recommended=False)
                return
    raise ValueError(f"{server_type} is not offered in {location}")


def by_id_or_name(records: list[Record], key: int | str, **more: Any) -> Record | None:
    """The record of that id or name, and of the other fields' values."""
    for record in records:
        if key in (record["id"], record["name"], str(record["id"])) and all(
            record[name] == value for name, value in more.items()
        ):
            return record
    return None
