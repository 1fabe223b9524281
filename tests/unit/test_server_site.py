"""The page's files as the service sends them."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'server'")

from fastapi import FastAPI
from fastapi.testclient import TestClient

from emotone.server import errors, site


@pytest.fixture
def client(tmp_path):
    folder = tmp_path / "page"
    (folder / "assets").mkdir(parents=True)
    for name in ("index.html", "theme.js", "mark.svg", "assets/index-a1.js", "assets/x.css"):
        (folder / name).write_text(name)
    (tmp_path / "secret.txt").write_text("secret")
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    errors.install(app)
    site.install(app, folder)
    return TestClient(app)


@pytest.mark.parametrize(
    ("path", "name", "kind"),
    [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/theme.js", "theme.js", "text/javascript; charset=utf-8"),
        ("/mark.svg", "mark.svg", "image/svg+xml"),
        ("/assets/x.css", "assets/x.css", "text/css; charset=utf-8"),
    ],
)
def test_each_file_has_its_address_and_type(client, path, name, kind):
    answer = client.get(path)
    assert (answer.status_code, answer.text) == (200, name)
    assert answer.headers["content-type"] == kind
    assert client.head(path).status_code == 200


def test_only_what_never_changes_is_kept_by_browsers(client):
    assert "immutable" in client.get("/assets/index-a1.js").headers["cache-control"]
    assert client.get("/").headers["cache-control"] == "no-cache"
    assert client.get("/theme.js").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["/index.html", "/nothing", "/assets/", "/%2e%2e/secret.txt", "/assets/../../secret.txt"],
)
def test_what_is_not_there_is_an_error_of_the_one_shape(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


def test_the_package_has_a_page():
    assert (site.FOLDER / "index.html").is_file()
    assert list((site.FOLDER / "assets").glob("index-*.js"))
