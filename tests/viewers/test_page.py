"""The page is served as a web server would serve it, with our configuration."""

from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.viewers.page import serving_page


def test_files_our_script_and_the_page_for_every_other_path(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("the page")
    (tmp_path / "site" / "app-config.js").write_text("theirs")
    (tmp_path / "site" / "part.css").write_text("a {}")
    (tmp_path / "secret").write_text("outside")
    made = {"app-config.js": "too early"}
    with serving_page(tmp_path / "site", made) as origin:
        made["app-config.js"] = "ours"
        answers = {
            path: urlopen(f"{origin}/{path}", timeout=5) for path in ("", "viewer/1", "part.css", "app-config.js")
        }
        assert [answer.read() for answer in answers.values()] == [b"the page", b"the page", b"a {}", b"ours"]
        assert answers["part.css"].headers.get_content_type() == "text/css"
        assert answers["app-config.js"].headers.get_content_type() == "text/javascript"
        assert urlopen(f"{origin}/..%2fsecret", timeout=5).read() == b"the page"
        with pytest.raises(HTTPError, match="405"):
            urlopen(f"{origin}/", data=b"", timeout=5)
