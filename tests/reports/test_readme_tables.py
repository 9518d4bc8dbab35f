"""The tables of results are what the command writes from the figures of record."""

import csv
import json
import re
from pathlib import Path

import pytest

from augmix.errors import UserError
from reports import readme
from reports.loaded import load
from tests.reports.synthetic import NATURAL, Synthetic

TEXT = "before\n<!-- results: trial -->\nold\n<!-- end of results -->\nafter\n"


@pytest.fixture
def recorded(synthetic: Synthetic, tmp_path: Path) -> Path:
    """Figures of record of three methods on 60 images in three seeds."""
    synthetic.images, synthetic.seeds = 60, (0, 1, 2)
    synthetic.write()
    readme.record(load(synthetic.folder, synthetic.data), tmp_path / "records" / "trial")
    return tmp_path / "records"


def rows(recorded: Path) -> dict[str, dict[str, str]]:
    """The rows of record of the mCE, by method."""
    with (recorded / "trial" / readme.FIGURES).open(encoding="utf-8") as file:
        return {row["method"]: row for row in csv.DictReader(file) if row["figure"] == "mCE"}


def test_the_recorded_figures_are_those_of_the_runs(synthetic: Synthetic, recorded: Path) -> None:
    found = rows(recorded)
    mces = [100 * synthetic.value(method="standard", shift="mCE", seed=seed) for seed in (0, 1, 2)]
    assert float(found["Standard training"]["mean"]) == pytest.approx(sum(mces) / 3, abs=1e-4)
    assert found["AugMix"]["against"] == ""
    row = found["Standard training"]
    difference = float(row["mean"]) - float(found["AugMix"]["mean"])
    assert float(row["difference"]) == pytest.approx(difference, abs=2e-4)
    assert float(row["low"]) < difference < float(row["high"])
    assert row["interval_over"] == "seeds and images"


def test_a_table_has_the_figures_their_intervals_and_where_they_were_made(recorded: Path) -> None:
    text = readme.printed(recorded / "trial", recorded)
    head, _, *lines = text.splitlines()
    assert head == "| Digits | mCE, % | minus AugMix | Clean error, % | minus AugMix | mFP, % | minus AugMix |"
    cells = [cell.strip() for cell in lines[0].split("|")[1:-1]]
    row = rows(recorded)["Standard training"]
    assert cells[0] == "Standard training"
    assert cells[1] == f"{float(row['mean']):.1f} ± {float(row['deviation']):.1f}"
    star = r"\*" if row["significant"] == "true" else ""
    low, high, points = (float(row[key]) for key in ("low", "high", "difference"))
    assert cells[2] == f"+{points:.1f} [{low:.1f}, {high:.1f}]{star}".replace("-", "−")
    assert "Means over three seeds ± their standard deviation." in text
    assert "over other seeds and other test images" in text
    assert re.search(r"9 runs of four epochs, nets of 136,282 parameters.*torch 2\.9\.0, Linux-x86_64", text)
    assert "Another machine gives other bits, and figures that differ from these within that spread" in text


def test_bold_are_all_that_are_not_told_apart_from_the_best(recorded: Path) -> None:
    bold = {method for method, row in rows(recorded).items() if row["best"] == "true"}
    assert "AugMix" in bold
    assert "Standard training" not in bold
    lines = readme.printed(recorded / "trial", recorded).splitlines()[2:5]
    assert {line.split("|")[1].strip() for line in lines if line.split("|")[2].strip().startswith("**")} == bold


def test_the_command_writes_between_the_marks_and_the_same_again(recorded: Path, tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(TEXT, encoding="utf-8")
    other = tmp_path / "docs" / "results.md"
    other.parent.mkdir()
    other.write_text("no place\n", encoding="utf-8")
    assert readme.write([other, page], recorded) == ["trial"]
    first = page.read_text(encoding="utf-8")
    assert first == TEXT.replace("old", readme.printed(recorded / "trial", page))
    assert "[All figures](records/trial/figures.csv)" in first
    assert other.read_text(encoding="utf-8") == "no place\n"
    other.write_text(TEXT, encoding="utf-8")
    readme.write([other, page], recorded)
    assert "[All figures](../records/trial/figures.csv)" in other.read_text(encoding="utf-8")
    assert page.read_text(encoding="utf-8") == first


def test_nets_of_another_experiment_and_longer_trainings_are_said(synthetic: Synthetic, tmp_path: Path) -> None:
    synthetic.methods.append({"name": "long", "preset": "standard", "training": {"epochs": 12}})
    synthetic.write()
    results = load(synthetic.folder, synthetic.data)
    readme.record(results, tmp_path / "one")
    text = readme.printed(tmp_path / "one", tmp_path)
    assert "runs of four epochs (Long 12)" in text
    assert "another experiment" not in text
    for run in results.runs.to_dict("records"):
        job = {"began": 0.0, "ended": 9.0, "spent": {"training": 0.0, "evaluation": 9.0}}
        (results.run_folder(run) / "train.time.json").write_text(json.dumps(job))
    readme.record(results, tmp_path / "one")
    assert ", all of them trained in another experiment" in readme.printed(tmp_path / "one", tmp_path)


def test_a_page_without_the_marks_is_refused_and_left_as_it_is(recorded: Path, tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("nothing\n", encoding="utf-8")
    with pytest.raises(UserError, match="have no place for the figures of trial"):
        readme.write([page], recorded)
    assert page.read_text(encoding="utf-8") == "nothing\n"


def test_answers_to_questions_stand_in_place_of_the_figures(synthetic: Synthetic, tmp_path: Path) -> None:
    synthetic.images, synthetic.seeds = 40, (0, 1, 2)
    synthetic.testsets["writers"] = NATURAL
    synthetic.write()
    readme.record(load(synthetic.folder, synthetic.data), tmp_path / "one")
    text = readme.printed(tmp_path / "one", tmp_path)
    assert text.startswith(
        "### Does AugMix help on natural shifts?\n\nOn Digits, SmallNet, AugMix's error, beside that of "
    )
    assert " on writers (95 % interval " in text
    assert "| Standard training |" in text
    assert "They are 9 runs of four epochs" in text
    assert "minus AugMix" not in text
    del synthetic.testsets["writers"]
    synthetic.write()
    readme.record(load(synthetic.folder, synthetic.data), tmp_path / "one")
    assert "minus AugMix" in readme.printed(tmp_path / "one", tmp_path)


def test_fewer_seeds_of_a_method_are_said_in_a_sentence(synthetic: Synthetic, tmp_path: Path) -> None:
    synthetic.seeds, synthetic.images = (0, 1, 2), 40
    synthetic.status = {("augmix", 1): "failed"} | {("no_jsd", seed): "diverged" for seed in synthetic.seeds}
    synthetic.write()
    readme.record(load(synthetic.folder, synthetic.data), tmp_path / "one")
    text = readme.printed(tmp_path / "one", tmp_path)
    assert "Not all methods have three seeds: AugMix has two and No JSD has none. They are 5 of 9 runs" in text
    assert text.splitlines()[4].startswith("| No JSD | – |  | – |  |")


def test_one_seed_says_so(synthetic: Synthetic, tmp_path: Path) -> None:
    synthetic.seeds = (0,)
    synthetic.write()
    readme.record(load(synthetic.folder, synthetic.data), tmp_path / "one")
    text = readme.printed(tmp_path / "one", tmp_path)
    assert "Of one seed." in text
    assert "±" not in text
    assert "In brackets" not in text


def test_the_tables_are_those_of_the_figures_of_record() -> None:
    found = set()
    for page in readme.PAGES:
        text = page.read_text(encoding="utf-8")
        for name, block in re.findall(rf"<!-- results: (\S+) -->\n(.*?){re.escape(readme.END)}", text, re.DOTALL):
            found.add(name)
            assert block == readme.printed(readme.RECORDS / name, page) + "\n"
            assert json.loads((readme.RECORDS / name / readme.MADE).read_text())["experiment"] == name
    assert found == {path.parent.name for path in readme.RECORDS.glob(f"*/{readme.FIGURES}")}


def test_the_answers_on_the_first_page_have_the_figures_of_record() -> None:
    recorded = {
        re.sub(r"[^\w\- ]", "", answer["title"].lower()).replace(" ", "-"): " ".join(answer["text"])
        for path in readme.RECORDS.glob(f"*/{readme.ANSWERS}")
        for answer in json.loads(path.read_text(encoding="utf-8"))
    }
    page = readme.PAGES[0].read_text(encoding="utf-8")
    answers = re.findall(r"^- \[[^]]+\]\(docs/results\.md#(\S+)\)(.*?)(?=\n- |\n\n)", page, re.DOTALL | re.MULTILINE)
    assert len(answers) >= 6
    for anchor, text in answers:
        figures = re.findall(r"\d+\.\d+", text)
        assert figures, anchor
        for figure in figures:
            assert figure in re.findall(r"\d+\.\d+", recorded[anchor]), f"{anchor}: {figure}"
