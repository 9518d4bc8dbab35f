"""The report as a page: it parses, holds what the PDF holds, refers to nothing outside, and answers clicks."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from reports import hover
from reports.document import document
from reports.figures import draw_plots
from reports.loaded import load
from reports.make import build_report
from reports.page import web_page
from reports.tables import all_tables
from tests.reports.synthetic import Synthetic

VOID = {"meta", "br", "img", "link", "input", "hr", "wbr"}
CHROMIUM = shutil.which("chromium")


class Page(HTMLParser):
    """A page's text, rows of tables and references; it fails where a tag is not closed as it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.rows: list[list[str]] = []
        self.references: list[str] = []
        self.ids: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [
            value or "" for key, value in attrs if key in ("href", "src", "xlink:href", "action", "data")
        ]
        self.ids += [value or "" for key, value in attrs if key == "id"]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text.append(data)
        if self.rows and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def words(self) -> str:
        return plain("".join(self.text))


def plain(text: str) -> str:
    """A text as it is compared: Typst sets quotes and blanks of its own."""
    return " ".join(text.replace("\u00a0", " ").replace("’", "'").split())


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    made = Synthetic(tmp_path_factory.mktemp("page"))
    made.images, made.status = 20, {("no_jsd", 1): "diverged"}
    made.write()
    return made


@pytest.fixture(scope="module")
def page(synthetic: Synthetic) -> str:
    synthetic.write_arrays()
    return build_report(synthetic.folder, synthetic.data).with_suffix(".html").read_text(encoding="utf-8")


def test_the_page_says_what_the_pdf_says(page: str, synthetic: Synthetic) -> None:
    parsed = Page(page)
    results = load(synthetic.folder, synthetic.data)
    figures = {name: list(draw_plots(results, synthetic.folder / "figures", name)) for name in results.datasets}
    content = document(results, all_tables(results), figures)
    words = parsed.words()
    sentences = [content["title"], *content["abstract"], *content["warnings"], content["direction"], *content["limits"]]
    sentences += [text for _, said in content["findings"] for _, text in said]
    sentences += [figure["caption"] for drawn in content["figures"].values() for figure in drawn]
    for sentence in sentences:
        assert plain(sentence) in words
    rows = [[plain(cell) for cell in row] for row in parsed.rows]
    for name in ("main", "differences", "calibration", "corruptions", "perturbations", "datasets", "testsets", "runs"):
        for row in (row for block in content["tables"][name]["blocks"] for row in block["rows"]):
            cells = [row["label"], *(cell.get("text", cell.get("word")) for cell in row["cells"])]
            expected = [plain(cell) for cell in cells]
            found = [all(map(str.startswith, cells, expected)) for cells in rows if len(cells) == len(expected)]
            assert any(found), (name, expected)
    mce = next(row for row in parsed.rows if "mCE" in row[0] and len(row) == 4)
    assert re.match(r"\d+\.\d", mce[1])


def test_the_page_refers_to_nothing_outside(page: str) -> None:
    parsed = Page(page)
    assert parsed.references
    for reference in parsed.references:
        assert reference.startswith(("#", "data:")), reference
        assert not reference.startswith("#") or reference[1:] in parsed.ids, reference
    assert "<img" not in page
    assert not re.search(r"url\((?!#)|@import|fetch\(|https?://(?!www\.w3\.org/)", page)
    assert len(parsed.ids) == len(set(parsed.ids))
    for name in re.findall(r"url\(#([^)]*)\)", page):
        assert name in parsed.ids


def test_every_bar_and_point_says_its_value(tmp_path: Path) -> None:
    with mpl.rc_context(mpl.rcParamsDefault):
        figure = Figure(figsize=(4, 3))
        bars, lines, dots = figure.subplots(1, 3)
        bars.bar([0, 1], [12.5, 3.25], color="#d55e00", label="AugMix & co")
        bars.set_xticks([0, 1], ["fog", "snow"])
        bars.set_ylabel("Error (%)")
        bars.legend()
        lines.plot([1, 2], [0.5, np.nan], "o-", color="#0072b2")
        lines.text(2, 0.5, "Cutout", color="#0072b2")
        lines.set_xlabel("Epoch")
        lines.plot([1, 2], [5, 6], color="#0072b2")  # no points of its own
        dots.scatter([3], [4], color="#d55e00")
        for name in ("a.svg", "again/a.svg"):
            hover.write_svg(figure, tmp_path / name)
    text = (tmp_path / "a.svg").read_text()
    tips = re.findall(r'data-tip="([^"]*)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', text)
    assert [tip[0] for tip in tips] == [
        "AugMix &amp; co, fog: 12.5 %", "AugMix &amp; co, snow: 3.25 %", "Cutout, Epoch 1: 0.5",
        "AugMix &amp; co, 3.0: 4",
    ]  # fmt: skip
    (_, x, y, width, height), (_, _, y_low, _, height_low) = tips[:2]
    box = bars.patches[0].get_window_extent()
    scale = 72 / figure.dpi
    assert float(x) == pytest.approx(box.x0 * scale, abs=0.01)
    assert float(y) == pytest.approx(3 * 72 - box.y1 * scale, abs=0.01)
    assert (float(width), float(height)) == (
        pytest.approx(box.width * scale, abs=0.01),
        pytest.approx(box.height * scale, abs=0.01),
    )
    assert float(y) + float(height) == pytest.approx(float(y_low) + float(height_low), abs=0.02)
    assert text == (tmp_path / "again/a.svg").read_text()


PROBE = """<script>
const out = {}, said = row => row.cells[0].textContent + "=" + (row.cells[1] || {}).textContent;
const labels = rows => [...rows].map(said);
const found = [...document.querySelectorAll("figure")].find(one => one.textContent.includes("Differences between"));
const table = found.querySelector("table");
const head = table.querySelectorAll("th.sorts")[1];
head.click(); out.up = labels(table.tBodies[0].rows).join(";"); out.sorted = head.getAttribute("aria-sort");
head.click(); out.down = labels(table.tBodies[0].rows).join(";");
const bar = document.querySelector("[id^=figure-corruptions_digits] rect.tip");
bar.dispatchEvent(new MouseEvent("mousemove", {bubbles: true, clientX: 50, clientY: 50}));
out.tip = document.getElementById("tip").textContent; out.hidden = document.getElementById("tip").hidden;
document.body.textContent = JSON.stringify(out);
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.slow
def test_in_a_browser_tables_sort_and_bars_answer(page: str, synthetic: Synthetic, tmp_path: Path) -> None:
    probe = tmp_path / "probe.html"
    probe.write_text(page.replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run([*command, "--dump-dom", probe.as_uri()], capture_output=True, text=True, check=True)
    out = json.loads(re.search(r"<body>(.*?)</body>", done.stdout, re.DOTALL)[1])  # type: ignore[index]
    assert out["sorted"] == "ascending"
    for key, sign in (("up", 1), ("down", -1)):
        blocks = re.split(r"[^;]*=undefined;?", out[key])
        values = [re.findall(r"=(−?[\d.]+)", block) for block in blocks]
        assert any(len(block) > 1 for block in values)
        for block in values:
            numbers = [sign * float(value.replace("−", "-")) for value in block]
            assert numbers == sorted(numbers)
    [*_, value] = re.findall(r"[\d.]+", out["tip"])
    expected = [
        100 * synthetic.value(method="standard", seed=s, shift="gaussian_noise", severity="", metric="error")
        for s in (0, 1)
    ]
    assert float(value) == pytest.approx(sum(expected) / 2, rel=0.01)
    assert out["hidden"] is False


def test_what_lies_in_containers_of_layout_alone_is_on_the_page(tmp_path: Path) -> None:
    kinds = ["pad(x: 1em)", "align(center)", "block", "columns(2)", "place(top, float: true)", "rotate(9deg)", "rect"]
    said = "\n".join(f"#{kind}[kept {i}]" for i, kind in enumerate(kinds))
    (tmp_path / "report.typ").write_text(f"{said}\n#grid(columns: 2, [left], [right])#stack(1em, [top])\n= Last")
    words = Page(web_page(tmp_path, tmp_path, [], 0)).words()
    for expected in (*(f"kept {i}" for i in range(len(kinds))), "left", "right", "top", "Last"):
        assert expected in words
