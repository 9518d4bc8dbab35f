"""The tables hold what the metrics hold, and say so where they cannot."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from augmix.corruptions import CORRUPTIONS
from augmix.perturbations import perturbations_of
from augmix.suite.config import experiment
from augmix.suite.evaluate.measures import MEASURES
from augmix.suite.evaluate.paper import paper_results
from reports.compute import time_in_print
from reports.latex import as_latex, escape_latex
from reports.layout import Table, as_csv, as_data, as_markdown, escape_markdown
from reports.loaded import load
from reports.tables import all_tables, main_table, printed_runs
from tests.reports.synthetic import NATURAL, Synthetic


def tables_of(synthetic: Synthetic) -> dict[str, Table]:
    return {table.name: table for table in all_tables(load(synthetic.write(), synthetic.data))}


def read(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(table))))


def mce(synthetic: Synthetic, **key: object) -> list[float]:
    """The mCE of each seed in percent, from the cells of the metrics rather than from their means."""
    return [
        100
        * mean(
            row["value"]
            for row in synthetic.metrics
            if row["metric"] == "error"
            and row["testset"] == "C"
            and row["shift"] in CORRUPTIONS
            and row["severity"] != ""
            and row["seed"] == seed
            and all(row[name] == value for name, value in key.items())
        )
        for seed in synthetic.seeds
    ]


def test_mce_is_the_mean_over_the_cells_and_seeds(synthetic: Synthetic) -> None:
    (row,) = read(tables_of(synthetic)["mce"])
    for method in ("standard", "augmix", "no_jsd"):
        values = mce(synthetic, method=method)
        assert float(row[method]) == pytest.approx(mean(values), abs=1e-4)
        assert float(row[f"{method}_sd"]) == pytest.approx(stdev(values), abs=1e-4)


def test_every_figure_of_the_tables_by_shift_is_in_the_metrics(synthetic: Synthetic) -> None:
    tables = tables_of(synthetic)
    for name, testset, metric in (("corruptions", "C", "error"), ("perturbations", "P", "flip_probability")):
        for row in read(tables[name]):
            for shift in set(row) & ({*CORRUPTIONS, "rotate", "mCE", "mFP"}):
                values = [
                    synthetic.value(
                        method=row["method"], seed=seed, testset=testset, shift=shift, metric=metric, severity=""
                    )
                    for seed in synthetic.seeds
                ]
                assert float(row[shift]) == pytest.approx(100 * mean(values), abs=1e-4)
    assert list(read(tables["corruptions"])[0])[3:19] == ["mCE", *CORRUPTIONS]


def test_the_mean_row_averages_architectures_within_a_seed(synthetic: Synthetic) -> None:
    synthetic.architectures = ("allconv", "wideresnet")
    rows = {row["architecture"]: row for row in read(tables_of(synthetic)["mce"])}
    assert list(rows) == ["allconv", "wideresnet", "mean"]
    per = [mce(synthetic, method="augmix", arch=name) for name in synthetic.architectures]
    seeds = [mean(values) for values in zip(*per, strict=True)]
    assert float(rows["mean"]["augmix"]) == pytest.approx(mean(seeds), abs=1e-4)
    assert float(rows["mean"]["augmix_sd"]) == pytest.approx(stdev(seeds), abs=1e-4)


def test_cells_without_a_result_say_why(synthetic: Synthetic) -> None:
    synthetic.seeds = (0, 1)
    synthetic.status = {("standard", 0): "failed", ("standard", 1): "diverged", ("augmix", 1): "diverged"}
    synthetic.status |= {("no_jsd", 0): "missing", ("no_jsd", 1): "missing"}
    table = tables_of(synthetic)["mce"]
    (row,) = read(table)
    assert (row["standard"], row["no_jsd"]) == ("diverged", "missing")
    assert float(row["augmix"]) == pytest.approx(100 * synthetic.value(method="augmix", shift="mCE"), abs=1e-4)
    assert row["remarks"] == "augmix: 1 of 2 seeds"
    for text in (as_markdown(table), as_latex(table)):
        assert "(1 of 2)" in text
        assert "diverged" in text
        assert "missing" in text
        assert "(k of n)" in text


def test_a_mean_over_architectures_is_not_taken_over_some_of_them(synthetic: Synthetic) -> None:
    synthetic.architectures = ("allconv", "wideresnet")
    synthetic.run_changes = {row: {"status": "missing"} for row in (2, 3)}
    synthetic.write()
    synthetic.metrics = [r for r in synthetic.metrics if (r["arch"], r["method"]) != ("allconv", "augmix")]
    synthetic.rewrite_metrics()
    results = load(synthetic.folder, synthetic.data)
    rows = {row["architecture"]: row for row in read(all_tables(results)[0])}
    assert [rows[name]["augmix"] for name in ("allconv", "mean")] == ["missing", "incomplete"]
    assert float(rows["wideresnet"]["augmix"]) > 0


def with_mce(synthetic: Synthetic, figures: dict[str, list[float]]) -> Table:
    """The table of these mCEs, by method and seed, as fractions."""
    synthetic.write()
    for row in synthetic.metrics:
        if row["shift"] == "mCE":
            row["value"] = figures[row["method"]][synthetic.seeds.index(row["seed"])]
    synthetic.rewrite_metrics()
    return all_tables(load(synthetic.folder, synthetic.data))[0]


def test_all_that_are_not_told_apart_from_the_best_are_bold(synthetic: Synthetic) -> None:
    table = with_mce(synthetic, {"standard": [0.31, 0.32], "augmix": [0.124, 0.12], "no_jsd": [0.123, 0.122]})
    assert "| 31.5 ± 0.7 | **12.2** ± 0.3 | **12.2** ± 0.1 |" in as_markdown(table)
    assert r"\textbf{12.2} $\pm$ 0.3 & \textbf{12.2} $\pm$ 0.1 \\" in as_latex(table)
    assert [cell.get("best") for cell in as_data(table)["blocks"][0]["rows"][0]["cells"]] == [False, True, True]
    assert any(note.startswith("Bold: not told apart from the best of its row") for note in table.all_notes())


def test_one_seed_makes_nothing_bold(synthetic: Synthetic) -> None:
    synthetic.seeds = (0,)
    table = with_mce(synthetic, {"standard": [0.31], "augmix": [0.12], "no_jsd": [0.2]})
    assert "**" not in as_markdown(table).split("\n", 1)[1]
    assert "None is bold: none is told apart from the best of its row." in table.all_notes()


def test_bold_follows_the_direction_of_the_measure(synthetic: Synthetic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MEASURES, "error", replace(MEASURES["error"], lower_is_better=False))
    table = with_mce(synthetic, {"standard": [0.31, 0.32], "augmix": [0.124, 0.12], "no_jsd": [0.123, 0.122]})
    assert table.bold.to_numpy().tolist() == [[True, False, False]]


def test_a_measure_is_printed_in_its_own_unit(synthetic: Synthetic) -> None:
    synthetic.seeds = (0,)
    synthetic.write()
    nll = {"standard": 2.345, "augmix": 0.67, "no_jsd": 0.0421}
    for row in synthetic.metrics:
        row["value"] = nll[row["method"]] if row["metric"] == "nll" else row["value"]
    synthetic.rewrite_metrics()
    table = {table.name: table for table in all_tables(load(synthetic.folder, synthetic.data))}["calibration"]
    assert "| Negative log-likelihood, clean | 2.345 | 0.670 | 0.042 |" in as_markdown(table)
    assert "negative log-likelihood (nats)" in table.caption
    row = next(row for row in read(table) if row["measure"] == "Negative log-likelihood, clean")
    assert [float(row[method]) for method in nll] == list(nll.values())


def test_a_natural_test_set_is_in_the_tables(synthetic: Synthetic) -> None:
    synthetic.testsets["writers"] = NATURAL
    tables = tables_of(synthetic)
    [row] = read(tables["writers_error"])
    seeds = [synthetic.value(method="augmix", seed=s, testset="writers", metric="error") for s in synthetic.seeds]
    assert float(row["augmix"]) == pytest.approx(100 * mean(seeds), abs=1e-4)
    results = load(synthetic.folder, synthetic.data)
    assert list(main_table(results).cells.index.get_level_values(1)) == [
        "mCE on Digits-C",
        "Clean error on Digits",
        "mFP on Digits-P",
        "Error on Digits-writers",
    ]
    labels = tables["calibration"].cells.index.get_level_values(1)
    assert {f"{title}, writers" for title in ("Brier score", "RMS calibration error")} <= set(labels)
    assert "shifts" not in tables


def test_one_method_alone_is_not_the_best(synthetic: Synthetic) -> None:
    synthetic.methods = synthetic.methods[:1]
    assert "**" not in as_markdown(tables_of(synthetic)["mce"]).split("\n", 1)[1]


def test_small_figures_keep_two_decimals(synthetic: Synthetic) -> None:
    synthetic.write()
    for row in synthetic.metrics:
        row["value"] = 0.00283 if row["shift"] == "mFP" else row["value"]
    synthetic.rewrite_metrics()
    tables = {table.name: table for table in all_tables(load(synthetic.folder, synthetic.data))}
    assert "0.28" in as_markdown(tables["mfp"])


def test_held_out_corruptions_stand_apart(synthetic: Synthetic) -> None:
    synthetic.testsets["C"] = {**(synthetic.testsets["C"] or {}), "shifts": ["saturate", *CORRUPTIONS]}
    synthetic.write()
    synthetic.metrics = [row for row in synthetic.metrics if row["shift"] != "saturate"]
    synthetic.metrics += [
        {**row, "shift": "saturate", "value": 0.9} for row in synthetic.metrics if row["shift"] == "fog"
    ]
    synthetic.rewrite_metrics()
    table = {t.name: t for t in all_tables(load(synthetic.folder, synthetic.data))}["corruptions"]
    assert table.cells.columns[-1] == ("Held out", "Saturate", "saturate")
    assert any("do not enter the mCE" in note for note in table.notes)


def test_published_figures_stand_beside_ours_where_they_match(synthetic: Synthetic) -> None:
    synthetic.datasets = {"c10": {"loader": "cifar10", "title": "CIFAR-10", "flip": True}}
    synthetic.testsets["C"] = {**(synthetic.testsets["C"] or {}), "images": 500}
    synthetic.architectures = ("wideresnet", "smallnet")
    synthetic.methods.append({"name": "augmix_wide", "preset": "augmix", "parameters": {"width": 5}})
    rows = read(tables_of(synthetic)["published"])
    assert {row["architecture"] for row in rows} == {"wideresnet"}
    assert {row["method"] for row in rows} == {"standard", "augmix", "no_jsd"}
    row = next(row for row in rows if row["method"] == "augmix" and "Table 1" in row["source"])
    paper = paper_results()["augmix_iclr2020"]["table1_cifar10c"]
    published = dict(zip(paper["columns"], paper["wideresnet"], strict=True))["augmix"]
    ours = mean(mce(synthetic, method="augmix", arch="wideresnet"))
    assert float(row["published"]) == published
    assert float(row["reproduced"]) == pytest.approx(ours, abs=1e-4)
    assert float(row["difference"].replace("−", "-")) == pytest.approx(ours - published, abs=0.051)
    assert row["differs"] == "generated -C; -C of 500 images; 4 epochs, not 100"
    synthetic.methods.append({"name": "adversarial", "preset": "adversarial"})
    [note] = tables_of(synthetic)["published"].notes
    assert note == (
        "The sources do not print, and so it is not compared: the ε, step and number of steps of adversarial training."
    )
    clean = next(row for row in rows if row["measure"] == "clean error")
    assert (clean["published"], clean["source"]) == ("4.9", "RobustBench")


def test_imagenet_is_normalised_by_alexnet(synthetic: Synthetic) -> None:
    synthetic.datasets = {"imagenet": {"loader": "imagenet", "title": "ImageNet"}}
    synthetic.architectures = ("resnet50",)
    synthetic.source = "published"
    synthetic.testsets["P"] = {**(synthetic.testsets["P"] or {}), "shifts": list(perturbations_of("imagenet"))}
    tables = tables_of(synthetic)
    means = [r for r in read(tables["published"]) if r["method"] == "augmix" and r["measure"].startswith("mCE")]
    assert {r["source"]: r["published"] for r in means} == {
        "AugMix paper, Table 2": "68.4", "RobustBench, 5,000 images": "64.2",
    }  # fmt: skip
    row = next(r for r in means if r["source"].startswith("AugMix"))
    alexnet = paper_results()["alexnet_imagenetc_error"]
    seeds = [
        mean(
            100 * synthetic.value(method="augmix", seed=seed, shift=c, severity="", metric="error") / alexnet[c]
            for c in CORRUPTIONS
        )
        for seed in synthetic.seeds
    ]
    assert float(row["reproduced"]) == pytest.approx(mean(seeds), abs=1e-4)
    flips = [r for r in read(tables["published"]) if (r["method"], r["measure"][:3]) == ("augmix", "mFR")]
    rates = {k: v for k, v in paper_results()["alexnet_imagenetp_flip_rate"].items() if k != "checked"}
    seeds = [
        mean(10_000 * synthetic.value(method="augmix", seed=seed, testset="P", shift=p) / rates[p] for p in rates)
        for seed in synthetic.seeds
    ]
    assert [float(r["reproduced"]) for r in flips] == [pytest.approx(mean(seeds), abs=1e-4)]
    assert any("AlexNet denominators" in note for note in tables["published"].notes)
    assert "Not divided by AlexNet's error." in tables["mce"].notes


def test_the_imagenet_grid_stands_beside_the_papers(synthetic: Synthetic) -> None:
    synthetic.datasets = {"imagenet": {"loader": "imagenet", "title": "ImageNet"}}
    synthetic.architectures = ("resnet50", "resnet50_maxblur")
    synthetic.methods = experiment.load(Path(__file__).parents[2] / "config" / "imagenet.yaml").config["methods"]
    rows = [row for row in read(tables_of(synthetic)["published"]) if row["measure"] == "clean error"]
    paper = paper_results()["augmix_iclr2020"]["table2_imagenetc_resnet50"]
    wanted = {("resnet50", entry["name"]): paper[entry["name"]][0] for entry in synthetic.methods}
    wanted["resnet50_maxblur", "standard"] = paper["maxblur_pool"][0]
    assert {(row["architecture"], row["method"]): float(row["published"]) for row in rows} == wanted


def test_the_summary_has_a_line_per_method_and_loads_as_numbers(synthetic: Synthetic) -> None:
    synthetic.testsets["writers"] = NATURAL
    rows = {row["method"]: row for row in read(tables_of(synthetic)["summary"])}
    assert list(rows) == ["standard", "augmix", "no_jsd"]
    for name, key in {
        "clean_error": {"testset": "clean", "metric": "error"},
        "mfp": {"shift": "mFP"},
        "rms_calibration_c": {"testset": "C", "shift": "mean", "severity": "", "metric": "rms_calibration"},
        "brier_clean": {"testset": "clean", "metric": "brier"},
        "nll_c": {"testset": "C", "shift": "mean", "severity": "", "metric": "nll"},
        "ece_writers": {"testset": "writers", "metric": "ece"},
        "writers_error": {"testset": "writers", "metric": "error"},
    }.items():
        values = [
            (1 if name == "nll_c" else 100) * synthetic.value(method="augmix", seed=seed, **key)
            for seed in synthetic.seeds
        ]
        assert float(rows["augmix"][name]) == pytest.approx(mean(values), abs=1e-4)
        assert float(rows["augmix"][f"{name}_sd"]) == pytest.approx(stdev(values), abs=1e-4)


def test_nothing_published_no_such_table(synthetic: Synthetic) -> None:
    assert "published" not in tables_of(synthetic)


def test_calibration_on_few_bins_is_left_out(synthetic: Synthetic) -> None:
    synthetic.write()
    synthetic.write_arrays()  # six test images: fewer than ten bins, also pooled
    tables = {table.name: table for table in all_tables(load(synthetic.folder, synthetic.data))}
    labels = set(tables["calibration"].cells.index.get_level_values(1))
    left = ("Brier score", "Negative log-likelihood", "Expected calibration error")
    assert labels == {f"{title}, {where}" for title in left for where in ("clean", "-C")}
    assert any("fewer than 10 bins" in note for note in tables["calibration"].notes)


def test_pooled_calibration_rests_on_the_corruptions_that_were_asked_for(synthetic: Synthetic) -> None:
    synthetic.testsets["C"] = {**(synthetic.testsets["C"] or {}), "images": 20}
    label = "RMS calibration error, -C pooled"
    assert label in tables_of(synthetic)["calibration"].cells.index.get_level_values(1)
    path = synthetic.folder / "experiment.yaml"
    config = yaml.safe_load(path.read_text())
    config["datasets"]["digits"]["testsets"]["C"]["shifts"] = ["fog"]
    path.write_text(yaml.safe_dump(config))
    tables = {table.name: table for table in all_tables(load(synthetic.folder, synthetic.data))}
    assert label not in tables["calibration"].cells.index.get_level_values(1)


def test_without_figures_on_a_test_set_its_tables_are_absent(synthetic: Synthetic) -> None:
    synthetic.evaluated = ("clean",)
    tables = tables_of(synthetic)
    assert set(tables) == {"clean_error", "differences", "calibration", "summary", "runs", "verdict"}
    assert list(main_table(load(synthetic.folder, synthetic.data)).cells.index.get_level_values(1)) == [
        "Clean error on Digits"
    ]


def test_methods_without_a_control_have_no_table_of_differences(synthetic: Synthetic) -> None:
    synthetic.methods = [{"name": f"m{i}", "preset": f"m{i}"} for i in range(3)]
    assert "differences" not in tables_of(synthetic)


def test_figures_of_a_column_have_the_same_decimals(synthetic: Synthetic) -> None:
    synthetic.write()
    for row in synthetic.metrics:
        if row["shift"] == "rotate" and row["method"] == "augmix":
            row["value"] = 0.0028
    synthetic.rewrite_metrics()
    table = {t.name: t for t in all_tables(load(synthetic.folder, synthetic.data))}["perturbations"]
    columns = list(table.cells.columns.get_level_values("name"))
    texts = [[cell["text"] for cell in row["cells"]] for row in as_data(table)["blocks"][0]["rows"]]
    decimals = [{len(row[i].partition(".")[2]) for row in texts} for i in range(len(columns))]
    assert decimals[columns.index("rotate")] == {2}
    assert all(len(found) == 1 for found in decimals)


def test_the_mean_over_several_architectures_is_in_the_tables_by_shift(synthetic: Synthetic) -> None:
    synthetic.architectures = ("allconv", "wideresnet")
    rows = [row for row in read(tables_of(synthetic)["corruptions"]) if row["method"] == "augmix"]
    assert [row["architecture"] for row in rows] == ["allconv", "wideresnet", "mean"]
    fog = [float(row["fog"]) for row in rows]
    assert fog[2] == pytest.approx(mean(fog[:2]), abs=1e-4)


def test_a_wide_table_is_turned_for_print_only(synthetic: Synthetic) -> None:
    synthetic.methods = [{"name": f"m{i}", "preset": f"m{i}"} for i in range(15)]
    synthetic.evaluated = ("clean",)
    table = tables_of(synthetic)["clean_error"]
    data = as_data(table)
    assert (len(data["columns"]), len(data["blocks"][0]["rows"])) == (1, 15)
    assert 1 < sum(row["cells"][0]["best"] for row in data["blocks"][0]["rows"]) < 15
    assert as_markdown(table).count("M14") == 1


def test_a_long_list_of_runs_prints_the_unfinished(synthetic: Synthetic) -> None:
    synthetic.seeds = tuple(range(21))
    synthetic.status = {("augmix", 3): "diverged"}
    runs = tables_of(synthetic)["runs"]
    assert len(runs.cells) == 63
    assert [key[2:] for key in printed_runs(runs).cells.index] == [("digits", "smallnet", "augmix", "3")]


def test_hostile_names_are_escaped(synthetic: Synthetic) -> None:
    synthetic.datasets = {"digits": {"loader": "digits", "title": r"a_b & #1 | $x$ 50% ~{^}\ `c` <d> *e*"}}
    table = tables_of(synthetic)["mce"]
    escaped = (
        r"\emph{a\_b \& \#1 $|$ \$x\$ 50\% \textasciitilde{}\{\textasciicircum{}\}\textbackslash{} `c` $<$d$>$ *e*-C}"
    )
    assert as_latex(table).count(escaped) == 1
    assert r"*a\_b & \#1 \| \$x\$ 50% \~\{\^\}\\ \`c\` \<d\> \*e\*-C*" in as_markdown(table)


@given(st.text())
def test_escaped_text_cannot_leave_its_cell(text: str) -> None:
    bare = escape_latex(text).replace(r"\textbackslash{}", "").replace(r"\textasciitilde{}", "")
    bare = re.sub(r"\$(\\[a-z]+|[-<>|])\$|\\textasciicircum\{\}|\\allowbreak\{\}", "", bare)
    for special in "#$%&_{}":
        assert bare.count(special) == bare.count("\\" + special)
    assert "\n" not in bare
    markdown = escape_markdown(text)
    assert markdown.count("|") == markdown.count(r"\|")
    assert "\n" not in markdown


def test_every_latex_row_has_as_many_columns(synthetic: Synthetic) -> None:
    for table in tables_of(synthetic).values():
        body = as_latex(table).split(r"\toprule")[1].split(r"\bottomrule")[0]
        for line in body.splitlines():
            if line.endswith(r"\\") and "multicolumn" not in line:
                assert line.count("& ") == len(table.cells.columns), line


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (99, "1 min 39 s"), (float("nan"), "–")])
def test_durations(seconds: float, text: str) -> None:
    assert time_in_print(seconds) == text


def test_the_same_runs_on_published_and_generated_images(synthetic: Synthetic) -> None:
    synthetic.testsets["C_generated"] = synthetic.testsets["C"]
    synthetic.status = {("no_jsd", 0): "failed", ("no_jsd", 1): "failed"}
    synthetic.write()
    synthetic.metrics = [row | ({"source": "published"} if row["testset"] == "C" else {}) for row in synthetic.metrics]
    synthetic.rewrite_metrics()
    tables = {table.name: table for table in all_tables(load(synthetic.folder, synthetic.data))}
    rows = {row["method"]: row for row in read(tables["sources_C_generated_C"])}
    for shift in ("fog", "mCE"):
        generated, published = (
            [
                synthetic.value(method="augmix", seed=seed, testset=name, shift=shift, severity="", metric="error")
                for seed in synthetic.seeds
            ]
            for name in ("C_generated", "C")
        )
        assert float(rows["augmix"][shift]) == pytest.approx(100 * (mean(generated) - mean(published)), abs=1e-4)
        assert rows["no_jsd"][shift] == "one source"
    assert list(rows["augmix"])[3:19] == ["mCE", *CORRUPTIONS]
    assert {"mce", "mce_C_generated", "corruptions", "corruptions_C_generated"} <= set(tables)


def test_one_source_no_such_table(synthetic: Synthetic) -> None:
    assert not any(name.startswith("sources") for name in tables_of(synthetic))


def test_imagenet_has_its_own_measures_and_refuses_what_it_cannot_divide(synthetic: Synthetic) -> None:
    synthetic.datasets = {"imagenet": {"loader": "imagenet", "title": "ImageNet"}}
    synthetic.testsets["P"] = {**(synthetic.testsets["P"] or {}), "shifts": list(perturbations_of("imagenet"))}
    table = tables_of(synthetic)["alexnet"]
    rows = {row["measure"]: row for row in read(table)}
    alexnet = paper_results()["alexnet_imagenetc_error"]
    ratios = [
        100 * synthetic.value(method="no_jsd", seed=seed, shift=c, severity="", metric="error") / alexnet[c]
        for c in CORRUPTIONS
        for seed in synthetic.seeds
    ]
    assert float(rows["mCE"]["no_jsd"]) == pytest.approx(mean(ratios), abs=1e-4)
    assert rows["relative_mce"]["augmix"] == rows["mt5d"]["augmix"] == "refused"
    assert "(unchecked)" in as_markdown(table).split("mFR")[1].split("|")[0].replace("\\", "")
    assert any("refused: AlexNet's clean error" in note for note in table.notes)


@pytest.mark.parametrize("images", [0, 20])
def test_every_column_of_every_csv_is_documented(synthetic: Synthetic, images: int) -> None:
    said = set(re.findall(r"`([^`]+)`", (Path(__file__).parents[2] / "docs" / "tables.md").read_text()))
    synthetic.images = images
    synthetic.testsets["writers"] = NATURAL
    tables = tables_of(synthetic)
    named = {*CORRUPTIONS, *synthetic.shifts("P"), "writers", "mCE", "mFP", *(m["name"] for m in synthetic.methods)}
    for name, table in tables.items():
        assert any(re.fullmatch(pattern.replace("…", ".*"), name) for pattern in said), name
        for column in read(table)[0] if name != "summary" else ["dataset", "architecture", "method"]:
            assert {column, re.sub("_(sd|low|high)$", "", column)} & (said | named) or name == "differences", column
    differences = read(tables["differences"])
    if tables["differences"].full is not None:
        assert set(differences[0]) <= said
