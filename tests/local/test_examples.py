"""The documentation's examples on a stack: uploads in a browser, and tables of two projects."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright

from ops.stack import REPOSITORY
from tests.local.storage import client
from tests.stack import LiveStack, Ports, live_stack, real

PORTS = Ports(api=24100, console=24101, postgres=24102)
SERVICE, SHORT_LIVED = 24103, 24104
EXAMPLES = REPOSITORY / "docs" / "examples"
UPLOADS = EXAMPLES / "presigned-upload"
SQL = EXAMPLES / "multi-project"
PROJECTS = {"shop": {"buckets": {"uploads": {"versioning": True}}}, "blog": {}}
MIB = 1024**2
LARGEST = 32 * MIB

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

in_browser = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium, and none is on PATH")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    directory = tmp_path_factory.mktemp("examples")
    # Only the page's own origin may call the storage.
    minio = {"cors_origins": [f"http://127.0.0.1:{SERVICE}"]}
    with live_stack("test-ex", directory, PORTS, projects=PROJECTS, minio=minio) as stack:
        stack.up()
        yield stack


@pytest.fixture(scope="module")
def shop(stack: LiveStack) -> dict[str, Any]:
    return dict(stack.outputs()["projects"]["shop"])


@pytest.fixture(scope="module")
def blog(stack: LiveStack) -> dict[str, Any]:
    return dict(stack.outputs()["projects"]["blog"])


# -- Uploads -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Service:
    """The example's service while it runs."""

    url: str
    log: Path

    def ask(self, path: str, **body: Any) -> requests.Response:
        return requests.post(f"{self.url}/{path}", json=body, timeout=30)

    def begin(self, size: int, **file: str) -> Any:
        return self.ask("uploads", **{"name": "a.png", "type": "image/png", "size": size, **file})

    def part(self, ticket: str, part: int = 1) -> str:
        return str(self.ask("uploads/part", ticket=ticket, part=part).json()["url"])


@contextmanager
def serving(shop: dict[str, Any], port: int, log: Path, **settings: str) -> Iterator[Service]:
    """The service as its README starts it."""
    environment = {**os.environ, "UPLOADS_PROJECT": json.dumps(shop), **settings}
    command = (*("-m", "uvicorn", "service:app", "--no-access-log"), "--port", str(port))
    service = Service(f"http://127.0.0.1:{port}", log)
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=UPLOADS, env=environment, stderr=output
        )
        try:
            eventually(lambda: "running on" in log.read_text() or process.poll(), within=30)
            assert process.poll() is None, log.read_text()
            yield service
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture(scope="module")
def service(shop: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("service") / "log"
    settings = {"UPLOADS_MAX_BYTES": str(LARGEST), "UPLOADS_PART_BYTES": str(5 * MIB)}
    with serving(shop, SERVICE, log, **settings) as service:
        yield service


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, service: Service) -> Iterator[Page]:
    """The upload page, on a phone."""
    with browser.new_context(viewport={"width": 360, "height": 640}) as context:
        page = context.new_page()
        page.goto(service.url)
        expect(page.get_by_text("up to 32.0 MiB")).to_be_visible()
        yield page


def eventually(what: Callable[[], Any], *, within: float) -> None:
    end = time.monotonic() + within
    while not what():
        assert time.monotonic() < end, f"not after {within} s"
        time.sleep(0.1)


def choose(page: Page, file: Path | dict[str, Any]) -> Locator:
    """Chooses a file as a user does; its line in the list."""
    page.get_by_label("Choose files").set_input_files(file)  # type: ignore[arg-type]
    return page.get_by_role("listitem")


def file_of(directory: Path, size: int, name: str = "photo.png") -> Path:
    file = directory / name
    file.write_bytes(os.urandom(size))
    return file


def objects(shop: dict[str, Any]) -> dict[str, str]:
    """The SHA-256 of each object in the bucket."""
    s3, bucket = client(shop), shop["buckets"]["uploads"]
    return {
        found["Key"]: sha256(
            s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
        ).hexdigest()
        for found in s3.list_objects_v2(Bucket=bucket).get("Contents", ())
    }


def unfinished(shop: dict[str, Any]) -> list[Any]:
    uploads = client(shop).list_multipart_uploads(Bucket=shop["buckets"]["uploads"])
    return list(uploads.get("Uploads", ()))


@in_browser
@pytest.mark.parametrize("size", [100_000, 5 * MIB, 27 * MIB + 1])
def test_a_file_goes_from_the_page_to_the_storage(
    page: Page, service: Service, shop: dict[str, Any], tmp_path: Path, size: int
) -> None:
    file = file_of(tmp_path, size, 'año 1; "a".png')
    before, logged = objects(shop), service.log.stat().st_size
    line = choose(page, file)
    expect(line.get_by_role("status")).to_have_text("Stored", timeout=60_000)
    progress = line.get_by_role("progressbar", name=f"Progress of {file.name}")
    assert progress.evaluate("bar => bar.value === bar.max && bar.max") == size

    checksum = sha256(file.read_bytes()).hexdigest()
    (key,) = objects(shop).keys() - before.keys()
    assert objects(shop)[key] == checksum
    head = client(shop).head_object(Bucket=shop["buckets"]["uploads"], Key=key)
    assert head["ContentType"] == "image/png"

    with page.expect_download() as downloading:
        line.get_by_role("button", name=f"Download {file.name}").click()
    download = downloading.value
    assert download.suggested_filename.replace("_", '"') == file.name
    assert sha256(Path(download.path()).read_bytes()).hexdigest() == checksum

    # What the service was sent: a few lines of JSON, and never the file.
    log = service.log.read_text()[logged:]
    bodies = [int(count) for count in re.findall(r"(\d+) bytes in", log)]
    assert "POST /uploads/complete 200" in log
    assert len(bodies) >= 4
    assert sum(bodies) < 10_000


@in_browser
def test_the_page_fits_on_a_phone(page: Page, tmp_path: Path) -> None:
    line = choose(page, file_of(tmp_path, 1, f"{'long' * 40}.png"))
    expect(line.get_by_role("status")).to_have_text("Stored")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


@in_browser
def test_the_page_says_what_is_not_taken(page: Page, shop: dict[str, Any], tmp_path: Path) -> None:
    before = objects(shop)
    for name, size, message in (
        ("page.html", 10, "text/html is not taken, only image/jpeg"),
        ("none.png", 0, "An empty file cannot be taken"),
        ("large.png", LARGEST + 1, f"{LARGEST + 1} bytes cannot be taken, at most {LARGEST} bytes"),
    ):
        choose(page, file_of(tmp_path, size, name))
        line = page.get_by_role("listitem").filter(has_text=name)
        expect(line.get_by_role("status")).to_contain_text(message)
    assert objects(shop) == before
    assert unfinished(shop) == []


@in_browser
def test_a_part_that_fails_is_sent_again(page: Page, shop: dict[str, Any], tmp_path: Path) -> None:
    failures: list[str] = []

    def fail_once(route: Route) -> None:
        if failures:
            route.continue_()
        else:
            failures.append(route.request.url)
            route.abort()

    page.route(re.compile("partNumber=2"), fail_once)
    before, file = objects(shop), file_of(tmp_path, 11 * MIB)
    line = choose(page, file)
    expect(line.get_by_role("status")).to_have_text("Stored", timeout=60_000)
    assert len(failures) == 1
    (key,) = objects(shop).keys() - before.keys()
    assert objects(shop)[key] == sha256(file.read_bytes()).hexdigest()


@in_browser
def test_a_cancelled_upload_leaves_nothing(
    page: Page, shop: dict[str, Any], tmp_path: Path
) -> None:
    before = objects(shop)
    held: list[Route] = []
    page.route(re.compile("partNumber=3"), lambda route: held.append(route))
    line = choose(page, file_of(tmp_path, 11 * MIB))
    end = time.monotonic() + 30
    while not held:
        assert time.monotonic() < end
        page.wait_for_timeout(50)  # lets the page's events in
    assert len(unfinished(shop)) == 1
    line.get_by_role("button", name="Cancel photo.png").click()
    expect(line.get_by_role("status")).to_have_text("Cancelled")
    assert unfinished(shop) == []
    assert objects(shop) == before


@in_browser
def test_another_page_cannot_send(page: Page, shop: dict[str, Any], service: Service) -> None:
    url = service.part(service.begin(3).json()["ticket"])
    send = "url => fetch(url, {method: 'PUT', body: 'abc'}).then(a => a.status, e => String(e))"
    page.goto(service.url.replace("127.0.0.1", "localhost"))
    assert "Failed to fetch" in page.evaluate(send, url)
    page.goto(service.url)
    assert page.evaluate(send, url) == 200


def test_the_storage_takes_no_other_size(service: Service, shop: dict[str, Any]) -> None:
    begun = service.begin(5 * MIB + 3).json()
    assert begun["parts"] == 2
    url = service.part(begun["ticket"], 2)
    for body in (b"12", b"1234", iter([b"1234"])):
        # 411: MinIO wants a length before it looks at the signature.
        assert requests.put(url, data=body, timeout=30).status_code in (403, 411)
    incomplete = service.ask("uploads/complete", ticket=begun["ticket"])
    assert (incomplete.status_code, incomplete.json()["detail"]) == (
        409,
        "Part 1 of 2 was not sent as announced.",
    )
    assert service.ask("uploads/cancel", ticket=begun["ticket"]).status_code == 204


def test_nothing_changes_a_stored_file(service: Service, shop: dict[str, Any]) -> None:
    ticket = service.begin(3).json()["ticket"]
    url = service.part(ticket)
    before = objects(shop)
    assert requests.put(url, data=b"one", timeout=30).status_code == 200
    assert objects(shop) == before
    first = service.ask("uploads/complete", ticket=ticket).json()["ticket"]
    assert requests.put(url, data=b"two", timeout=30).status_code == 404
    assert requests.put(service.part(ticket), data=b"two", timeout=30).status_code == 404
    assert service.ask("uploads/cancel", ticket=ticket).status_code == 204
    # The answer may have been lost: asked again, it is given again.
    again = service.ask("uploads/complete", ticket=ticket).json()["ticket"]
    for file in (first, again):
        link = service.ask("downloads", ticket=file).json()["url"]
        assert requests.get(link, timeout=30).content == b"one"


def test_a_ticket_cannot_be_made_up(service: Service) -> None:
    ticket = service.begin(3).json()["ticket"]
    for path in ("uploads/complete", "uploads/cancel", "downloads"):
        assert service.ask(path, ticket=f"{ticket[:-2]}xx").status_code == 403
    assert service.ask("downloads", ticket=ticket).status_code == 403


def test_the_service_takes_no_file(service: Service) -> None:
    answer = requests.post(f"{service.url}/uploads", data=b"x" * MIB, timeout=30)
    assert answer.status_code == 413
    assert answer.json() == {"detail": "files go to the storage, not through this service"}


def test_a_url_expires(shop: dict[str, Any], tmp_path: Path) -> None:
    short = {"UPLOADS_EXPIRES_SECONDS": "1"}
    with serving(shop, SHORT_LIVED, tmp_path / "log", **short) as service:
        ticket = service.begin(3).json()["ticket"]
        url = service.part(ticket)
        signed = time.monotonic()
        eventually(lambda: time.monotonic() > signed + 2, within=5)
        late = requests.put(url, data=b"abc", timeout=30)
        assert late.status_code == 403
        assert "expired" in late.text
        assert requests.put(service.part(ticket), data=b"abc", timeout=30).status_code == 200
        file = service.ask("uploads/complete", ticket=ticket).json()["ticket"]
        link = service.ask("downloads", ticket=file).json()["url"]
        eventually(lambda: requests.get(link, timeout=30).status_code == 403, within=5)


# -- Tables --------------------------------------------------------------------------------------


def statements(file: str) -> list[str]:
    return [text for text in (SQL / file).read_text().split(";\n") if text.strip()]


def run(url: str, file: str) -> list[Any]:
    """Runs each statement of a file as psql does; the rows of those that give some."""
    answers = []
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements(file):
            cursor = connection.execute(statement.encode())
            answers.append(cursor.fetchall() if cursor.description else None)
    return answers


def rows(url: str, query: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


@pytest.fixture(scope="module")
def tables(shop: dict[str, Any], blog: dict[str, Any]) -> None:
    run(shop["database_url"], "shop.sql")
    run(blog["database_url"], "blog.sql")


@pytest.mark.usefixtures("tables")
def test_a_tenants_tables_lie_together(shop: dict[str, Any]) -> None:
    kinds = rows(
        shop["database_url"],
        "SELECT table_name::text, citus_table_type, distribution_column, colocation_id "
        "FROM citus_tables ORDER BY 1",
    )
    assert [kind[:3] for kind in kinds] == [
        ("countries", "reference", "<none>"),
        ("order_lines", "distributed", "tenant_id"),
        ("orders", "distributed", "tenant_id"),
        ("tenants", "distributed", "id"),
    ]
    assert len({colocation for *_, kind, _, colocation in kinds if kind == "distributed"}) == 1


@pytest.mark.usefixtures("tables")
def test_the_queries_answer(shop: dict[str, Any]) -> None:
    one_tenant, all_tenants = run(shop["database_url"], "shop-queries.sql")
    assert len(one_tenant) == 100
    assert {cents for _, cents in one_tenant} == {600}
    assert all_tenants == [
        ("España", 10, 600_000),
        ("France", 10, 600_000),
        ("Portugal", 10, 600_000),
    ]


@pytest.mark.usefixtures("tables")
def test_each_tenant_of_the_blog_is_a_schema(blog: dict[str, Any]) -> None:
    url = blog["database_url"]
    schemas = rows(url, "SELECT schema_name::text, colocation_id FROM citus_schemas ORDER BY 1")
    assert [name for name, _ in schemas] == ["acme", "umbrella"]
    assert len({colocation for _, colocation in schemas}) == 2
    together = rows(
        url,
        "SELECT split_part(table_name::text, '.', 1), count(DISTINCT nodename), count(*) "
        "FROM citus_shards GROUP BY 1 ORDER BY 1",
    )
    assert together == [("acme", 1, 2), ("umbrella", 1, 2)]
    assert rows(url, "SELECT title FROM umbrella.posts") == [("Hello",)]


@pytest.mark.usefixtures("tables")
def test_a_project_sees_nothing_of_another(shop: dict[str, Any], blog: dict[str, Any]) -> None:
    assert rows(blog["database_url"], "SELECT to_regclass('orders')") == [(None,)]
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        rows(shop["database_url"].rpartition("/")[0] + "/blog", "SELECT 1")


@pytest.mark.usefixtures("tables")
def test_a_key_without_the_tenant_is_refused(shop: dict[str, Any]) -> None:
    with psycopg.connect(shop["database_url"]) as connection:
        connection.execute("CREATE TABLE payments (id bigint PRIMARY KEY, tenant_id bigint)")
        with pytest.raises(psycopg.Error, match="cannot create constraint on"):
            connection.execute("SELECT create_distributed_table('payments', 'tenant_id')")


# A schema as most applications have it: nothing but surrogate keys.
SALES = """
CREATE TABLE products AS SELECT n::bigint AS id FROM generate_series(1, 40) n;
CREATE TABLE customers AS SELECT n::bigint AS id FROM generate_series(1, 500) n;
CREATE TABLE sales AS
SELECT n::bigint AS id, (1 + n % 500)::bigint AS customer_id, (1 + n % 40)::bigint AS product_id
FROM generate_series(1, 1050000) n;
CREATE TABLE refunds AS SELECT id, customer_id, id AS sale_id FROM sales WHERE id <= 700;
ALTER TABLE products ADD PRIMARY KEY (id);
ALTER TABLE customers ADD PRIMARY KEY (id);
ALTER TABLE sales ADD PRIMARY KEY (id), ADD FOREIGN KEY (customer_id) REFERENCES customers,
    ADD FOREIGN KEY (product_id) REFERENCES products;
ALTER TABLE refunds ADD PRIMARY KEY (id), ADD FOREIGN KEY (customer_id) REFERENCES customers,
    ADD FOREIGN KEY (sale_id) REFERENCES sales ON DELETE CASCADE;
ANALYZE
"""


def advice(stack: LiveStack, project: str) -> str:
    """What `make citus-advice` prints."""
    return subprocess.run(
        [sys.executable, "-m", "ops.citus_advice", stack.name, project],
        cwd=REPOSITORY,
        env={**os.environ, **stack.environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


@pytest.mark.usefixtures("tables")
def test_advice_that_is_followed_distributes_the_tables(
    stack: LiveStack, blog: dict[str, Any]
) -> None:
    assert "blog: nothing to distribute" in advice(stack, "blog")
    with psycopg.connect(blog["database_url"], autocommit=True) as connection:
        for statement in SALES.split(";\n"):
            connection.execute(statement.encode())
        said = advice(stack, "blog")
        assert "blog: 1 table with 1,000,000 rows or more" in said
        assert re.search(r"^sales, about 1,0\d\d,\d{3} rows, \d\d+ MiB$", said, re.MULTILINE)
        assert "by customer_id: 3 tables have it (customers, refunds, sales)" in said
        for statement in re.findall(r"^    (?!--)(.+)$", said, re.MULTILINE):
            connection.execute(statement.encode())
    kinds = rows(
        blog["database_url"],
        "SELECT table_name::text, citus_table_type, distribution_column FROM citus_tables "
        "WHERE citus_table_type <> 'schema' ORDER BY 1",
    )
    assert kinds == [
        ("customers", "distributed", "id"),
        ("products", "reference", "<none>"),
        ("refunds", "distributed", "customer_id"),
        ("sales", "distributed", "customer_id"),
    ]
    assert "blog: nothing to distribute" in advice(stack, "blog")
    cascading = "SELECT conrelid::regclass::text FROM pg_constraint WHERE confdeltype = 'c'"
    assert ("refunds",) in rows(blog["database_url"], cascading)


@pytest.mark.real_citus
@pytest.mark.skipif(not real("citus"), reason="the stand-in for Citus plans nothing")
@pytest.mark.usefixtures("tables")
def test_one_tenant_is_asked_of_one_worker(shop: dict[str, Any]) -> None:
    one_tenant, all_tenants = (
        "\n".join(line for (line,) in rows(shop["database_url"], f"EXPLAIN {query}"))
        for query in statements("shop-queries.sql")
    )
    assert "Task Count: 1\n" in one_tenant
    assert "Task Count: 32\n" in all_tenants


@pytest.mark.real_citus
@pytest.mark.skipif(not real("citus"), reason="the stand-in for Citus refuses no query")
@pytest.mark.usefixtures("tables")
def test_a_join_across_tenants_is_refused(shop: dict[str, Any]) -> None:
    with pytest.raises(psycopg.Error, match="a join that requires repartitioning"):
        rows(
            shop["database_url"],
            "SELECT count(*) FROM orders o JOIN order_lines l ON l.order_id = o.id",
        )
