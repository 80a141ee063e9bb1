"""The pages in a real Chromium, against a service that runs: each page, each button."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from penchant.serving.pages.overview import quantile
from penchant.serving.pages.site import ago
from penchant.store.catalogue import Item
from penchant.store.store import Store
from serving.conftest import NOW, Asking, copied

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
HOSTILE = "<script>document.title='taken'</script>{{7*7}}"
ALL = ["/", "/overview", "/pipeline?user=u00", "/models", "/data", "/data/users",
       "/data/items/i01", "/data/users/u00"]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium. To run these tests: apt-get install chromium")
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def address(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service over the small shop, in a process of its own."""
    folder = tmp_path_factory.mktemp("pages")
    with copied(templates, "filled", folder) as store:
        odd = Item(item_id='i"><b>/..', title=HOSTILE, categories=["<i>odd</i>"])
        store.items.put([odd], now=NOW)
    command = [sys.executable, "-m", "penchant", "serve", "--store", str(folder / "shop.db")]
    with subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as service:
        assert service.stdout is not None
        told = next((line for line in service.stdout if "http://" in line), "")
        yield re.search(r"http://[\d.]+:\d+", told)[0]
        service.terminate()
        service.stdout.read()
        assert service.wait() == 0


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page of a new visitor; it must end without errors, and ask nobody else."""
    context = browser.new_context(base_url=address, reduced_motion="reduce")
    one, wrong = context.new_page(), []
    one.set_default_timeout(10_000)
    one.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
    one.on("pageerror", lambda error: wrong.append(str(error)))
    one.on("request", lambda r: None if r.url.startswith(address) else wrong.append(r.url))
    yield one
    context.close()
    assert wrong == []


def recommended(page: Page) -> list[str]:
    return page.locator("[data-list='1'] .title").all_inner_texts()


def test_try_it(page: Page):
    page.goto("/")
    first = recommended(page)
    assert len(first) == 10
    expect(page.get_by_text("Nothing is known of this person yet")).to_be_visible()

    page.get_by_role("searchbox").fill("item 3")
    page.locator("#found").get_by_role("button", name="Item 3").click()
    expect(page.get_by_role("button", name="Remove Item 3")).to_be_visible()
    page.get_by_role("button", name="I like Item 5").click()
    expect(page.get_by_role("button", name="Remove Item 5")).to_be_visible()
    second = recommended(page)
    assert second != first
    assert "Item 3" not in second
    assert all(int(one.split()[1]) % 2 for one in second[:3])  # odd, as what is liked
    expect(page.locator(".reason").first).to_contain_text("ecause you liked")

    page.locator("label.chip", has_text="even").click()
    expect(page.locator("[data-list='1'] .facts").first).to_contain_text("even")
    assert all(int(one.split()[1]) % 2 == 0 for one in recommended(page))
    page.locator("label.chip", has_text="even").click()
    expect(page.locator("[data-list='1'] .facts").first).to_contain_text("odd")

    page.get_by_role("button", name="Remove Item 5").click()
    expect(page.get_by_role("button", name="Remove Item 5")).to_have_count(0)
    page.get_by_role("button", name="Start again").click()
    expect(page.get_by_text("Nothing yet")).to_be_visible()
    assert recommended(page) == first


def test_two_models_and_another_person(page: Page):
    page.goto("/")
    page.get_by_text("More: diversity").click()
    page.get_by_label("Beside it").select_option("m00000001")
    expect(page.locator("[data-list]")).to_have_count(2)
    page.get_by_label("Length").select_option("5")
    expect(page.locator("[data-list='1'] > li")).to_have_count(5)
    page.get_by_label("As this person").fill("u00")
    page.get_by_label("As this person").press("Enter")
    expect(page.get_by_text("The stored history of")).to_be_visible()
    expect(page.locator("[data-list='2'] > li").first).to_be_visible()
    page.get_by_label("Diversity").fill("0.5")
    expect(page.get_by_label("Diversity")).to_have_value("0.5")


def test_by_keyboard_alone(page: Page):
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('tile')"):
            break
    name = page.evaluate("document.activeElement.querySelector('strong').textContent")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px"
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=f"Remove {name}")).to_be_visible()


def test_nothing_found(page: Page):
    page.goto("/")
    page.get_by_role("searchbox").fill("zebra")
    expect(page.get_by_text("Nothing in the catalogue has “zebra”")).to_be_visible()


def test_what_is_hostile_is_text(page: Page):
    page.goto("/")
    page.get_by_role("searchbox").fill("script")
    tile = page.locator("#found").get_by_role("button")
    expect(tile).to_have_count(1)
    expect(tile).to_contain_text(HOSTILE)
    tile.click()
    expect(page.get_by_role("button", name=f"Remove {HOSTILE}")).to_be_visible()
    page.goto("/data")
    page.get_by_role("link", name='i"><b>/..').click()
    expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    expect(page.get_by_text("<i>odd</i>")).to_be_visible()
    assert page.title() == "Data · penchant"


def test_overview_refreshes_itself(page: Page):
    page.clock.install()
    page.goto("/overview")
    expect(page.get_by_text("Lists a minute")).to_be_visible()
    expect(page.locator(".uplot")).to_have_count(3)
    with page.expect_response("**/overview/live"):
        page.clock.fast_forward(6000)
    expect(page.locator(".uplot")).to_have_count(3)


def test_pipeline(page: Page):
    page.goto("/pipeline")
    page.get_by_label("User").fill("u00")
    page.get_by_role("button", name="Show the pipeline").click()
    expect(page.get_by_role("heading", name="EASE")).to_be_visible()
    expect(page.get_by_role("heading", name="The list")).to_be_visible()
    expect(page.get_by_text(re.compile(r"seen \d"))).to_be_visible()
    page.get_by_label("Only category").select_option("even")
    page.get_by_role("button", name="Show the pipeline").click()
    expect(page.locator("li.gone").first).to_contain_text("filters.categories")
    item = page.locator("[data-follow]").first
    item.hover()
    expect(item).to_have_class(re.compile("follow"))
    same = page.locator(f"tr[data-follow='{item.get_attribute('data-follow')}']")
    expect(same).to_have_class(re.compile("follow"))
    page.get_by_label("User").fill("nobody")
    page.get_by_role("button", name="Show the pipeline").click()
    expect(page.get_by_text("the fallback")).to_be_visible()


def test_models_are_promoted_and_rolled_back(page: Page):
    page.goto("/models")
    used = page.locator("tr", has=page.locator(".badge.use"))
    expect(used).to_contain_text("m00000002")
    used.get_by_text("accepted").click()
    expect(used.get_by_text("not broken: it answers")).to_be_visible()
    page.get_by_role("button", name="Promote m00000001").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Promote m00000001").click()
    page.get_by_role("dialog").get_by_role("button", name="Promote").click()
    expect(page.get_by_text("m00000001 is in use from the next request on")).to_be_visible()
    expect(used).to_contain_text("m00000001")
    page.get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("m00000002 is in use again")).to_be_visible()
    expect(page.locator(".uplot")).to_have_count(1)


def test_data(page: Page):
    page.goto("/data")
    page.get_by_role("searchbox").fill("Item 7")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="i07").click()
    expect(page.get_by_role("heading", name="Item 7")).to_be_visible()
    expect(page.get_by_text("Most like it")).to_be_visible()
    page.get_by_role("link", name="People").click()
    page.get_by_role("searchbox").fill("u03")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="u03").click()
    expect(page.locator("tbody tr")).to_have_count(4)


def test_a_person_is_erased_when_their_id_is_typed(page: Page):
    page.goto("/data/users/u04")
    page.get_by_role("button", name="Erase this person").click()
    erase = page.get_by_role("dialog").get_by_role("button", name="Erase")
    expect(erase).to_be_disabled()
    page.get_by_label("Type the id").fill("u0")
    expect(erase).to_be_disabled()
    page.get_by_label("Type the id").fill("u04")
    erase.click()
    expect(page.get_by_text("Erased: 4 events")).to_be_visible()
    expect(page.get_by_text("None.").first).to_be_visible()


@pytest.mark.parametrize("path", ALL)
def test_on_a_telephone(page: Page, path: str):
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    unnamed = "[...document.querySelectorAll('input:not([type=hidden]), select, button, a')]"
    name = "e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)"
    assert page.evaluate(f"{unnamed}.filter({name}).map(e => e.outerHTML)") == []
    assert page.locator("main").count() == page.locator("h1").count() == 1


CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgb = (colour) => { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3); };
  const light = (colour) => { const [r, g, b] = rgb(colour).map(
    (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const style = getComputedStyle(document.documentElement);
  const token = (name) => light(style.getPropertyValue(name).trim());
  const against = (a, b) => { const [x, y] = [token(a), token(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05); };
  return [["--ink", "--paper"], ["--ink", "--card"], ["--quiet", "--paper"], ["--quiet", "--card"],
    ["--accent", "--card"], ["--accent", "--paper"], ["--accent-ink", "--accent"],
    ["--ink", "--accent-wash"], ["--good", "--card"], ["--bad", "--card"]]
    .map(([a, b]) => [a, b, against(a, b)]);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_legible(page: Page, scheme: str):
    page.emulate_media(color_scheme=scheme)
    page.goto("/models")
    turn = page.get_by_role("button", name="Dark")
    expect(turn).to_have_attribute("aria-pressed", str(scheme == "dark").lower())
    poor = [(a, b, found) for a, b, found in page.evaluate(CONTRAST) if found < 4.5]
    assert poor == []
    turn.click()
    expect(turn).to_have_attribute("aria-pressed", str(scheme != "dark").lower())
    page.goto("/data")
    expect(page.get_by_role("button", name="Dark")).to_have_attribute(
        "aria-pressed", str(scheme != "dark").lower()
    )


# Without a browser.


def test_pages_need_a_key_where_there_are_keys(shop: Store, asking: Asking):
    _, reading = shop.keys.create("reader", ["read"], now=NOW)
    _, admin = shop.keys.create("chief", ["admin"], now=NOW)
    with asking(shop) as client:
        away = client.get("/models", follow_redirects=False)
        assert (away.status_code, away.headers["location"]) == (303, "/signin?next=/models")
        part = client.post("/try/work", headers={"HX-Request": "true"}, data={})
        assert (part.status_code, part.headers["hx-redirect"]) == (401, "/signin")
        assert client.get("/static/app.css").status_code == 200
        wrong = client.post("/signin", data={"key": "pk_no_no"})
        assert wrong.status_code == 401
        assert "unknown, revoked or expired" in wrong.text
        form = {"key": reading, "next": "/models"}
        entered = client.post("/signin", data=form, follow_redirects=False)
        assert entered.headers["location"] == "/models"
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        shown = client.get("/models").text
        assert "m00000002" in shown
        assert "Promote" not in shown
        chosen = client.post("/try/work", data={"left": "m00000001"}).text
        assert "m00000001" not in chosen  # other versions are for admins, here as by the API
        moved = client.post("/models/promote", data={"version": "m00000001"})
        assert moved.status_code == 403
        client.post("/signin", data={"key": admin})
        assert "Promote m00000001" in client.get("/models").text
        client.post("/signout", follow_redirects=False)
        assert client.get("/models", follow_redirects=False).status_code == 303


@pytest.mark.parametrize("onto", ["//evil.example", "https://evil.example", "/\\evil", "x"])
def test_signing_in_leads_nowhere_else(shop: Store, asking: Asking, onto: str):
    _, key = shop.keys.create("reader", ["read"], now=NOW)
    with asking(shop) as client:
        sent = {"key": key, "next": onto}
        found = client.post("/signin", data=sent, follow_redirects=False)
        assert found.headers["location"] == "/"


def test_foreign_pages_cannot_post(shop: Store, asking: Asking):
    with asking(shop) as client:
        for path in ("/data/users/u00/erase", "/models/promote", "/models/rollback"):
            sent = client.post(
                path, data={"typed": "u00"}, headers={"Origin": "http://evil.example"}
            )
            assert sent.status_code == 403, path
    assert shop.users.get("u00") is not None


def test_pages_bring_no_foreign_scripts(shop: Store, asking: Asking):
    with asking(shop) as client:
        for path in ALL:
            found = client.get(path)
            assert found.status_code == 200, path
            assert "default-src 'none'" in found.headers["content-security-policy"]
            assert "script-src 'self';" in found.headers["content-security-policy"]
            assert not re.search(r"(src|href)=.(https?:)?//", found.text)


def test_no_template_names_the_word_unsafe():
    templates = (Path(Store.__module__ and sys.modules["penchant"].__file__).parent
                 / "serving/ui/templates")  # fmt: skip
    for one in templates.glob("*.html"):
        assert "|safe" not in one.read_text().replace(" ", ""), one


def test_quantiles_lie_in_their_buckets():
    counts = [0.0] * 14
    assert quantile(counts, 0.5) is None
    counts[3] = 100  # 5 to 10 ms
    assert quantile(counts, 0.5) == pytest.approx(7.5)
    counts[4] = 100  # 10 to 25 ms
    assert quantile(counts, 0.5) == pytest.approx(10)
    assert quantile(counts, 0.99) == pytest.approx(10 + 15 * 0.98)


def test_ago():
    assert [ago(0, n * 10**6) for n in (5, 61, 7300, 90_000)] == ["5 s", "1 min", "2 h", "1 d"]
    assert ago(10, 0) == "0 s"
