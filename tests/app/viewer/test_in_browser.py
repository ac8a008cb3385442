import pytest

from tests.loopback import served

pytestmark = pytest.mark.slow


def test_dark_by_default_and_light_on_request_for_good(answered, page):
    with served(answered[0].application) as origin:
        page.goto(origin)
        ground = "getComputedStyle(document.body).backgroundColor"
        dark = page.evaluate(ground)
        page.get_by_role("button", name="Light page").click()
        light = page.evaluate(ground)
        page.reload()
        assert dark != light == page.evaluate(ground)
        page.get_by_role("button", name="Light page", pressed=True).click()
        assert page.evaluate(ground) == dark


@pytest.mark.parametrize("path", ["", "/login", f"/studies/{'0' * 32}"])
def test_every_module_is_asked_for_at_once(path, answered, page):
    """The page itself names all of them; otherwise each import would wait for the module that holds it."""
    with served(answered[0].application) as origin:
        page.goto(f"{origin}{path}", wait_until="networkidle")
        loaded = page.evaluate('performance.getEntriesByType("resource").map((one) => one.name)')
        named = page.evaluate(
            '[...document.querySelectorAll("link[rel=modulepreload], script")].map((one) => one.href ?? one.src)'
        )
    assert {name for name in loaded if name.endswith(".js")} == set(named)
