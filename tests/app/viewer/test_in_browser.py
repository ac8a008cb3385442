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
