"""The digest finds what decides a result without running it: code, data that it names, package versions."""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from augmix.errors import UserError
from augmix.suite.io import digests
from augmix.suite.io.digests import NEUTRAL, PACKAGES, Code, code_of, differences, file_digest, json_digest

CHECKOUT = Path(__file__).parents[4]
TRAINING = "augmix.suite.train.training"
KINDS = "augmix.suite.testsets.kinds"
GENERATION = "augmix.suite.testsets.generation"
PUBLISHED = "augmix.suite.testsets.published"
PLAIN = 'import os\n\n\ndef rate(step, low=0.1):\n    total = low + step * 2\n    return f"{total:g}"\n'
"""A module that the tests write differently."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the project's packages."""
    for name in digests.PROJECT:
        shutil.copytree(CHECKOUT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def write(folder: Path, **files: str) -> Path:
    """Write files, whose names have `__` for a slash: `pkg__a` is `pkg/a.py`."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if path.parent != folder:
            (path.parent / "__init__.py").touch()
    return folder


def files_of(folder: Path, *roots: str) -> set[str]:
    return set(code_of(roots, path=[str(folder)]).files)


def digest_of(folder: Path, text: str) -> str:
    """The digest of a lone module."""
    # Rewriting one file at once, in the same size, may leave the time that it was changed at as it was.
    place = tempfile.mkdtemp(dir=folder)
    Path(place, "lone.py").write_text(text)
    return code_of(["lone"], path=[place]).files["lone.py"]


def test_a_training_is_decided_by_its_loop_its_data_and_its_method() -> None:
    loop = code_of([TRAINING])
    assert {
        "augmix/__init__.py", "augmix/crops.py", "augmix/suite/data/photographs.py", "augmix/suite/train/training.py",
        "augmix/suite/train/distributed.py", "augmix/suite/train/devices.py", "augmix/suite/io/processes.py",
    } <= set(loop.files)  # fmt: skip
    assert "augmix/mixing.py" not in loop.files
    assert not [file for file in loop.files if file.startswith(("augmix/suite/evaluate/", "augmix/suite/testsets/"))]
    assert {"torch", "numpy"} <= set(loop.packages)
    method = code_of([TRAINING, "ablations.no_jsd"])
    assert "numba" in method.packages
    assert {"augmix/mixing.py", "augmix/losses.py", "ablations/no_jsd.py", "ablations/__init__.py"} <= set(method.files)
    assert set(loop.files) < set(method.files)


def test_a_test_set_is_decided_by_the_corruptions_and_the_photographs_of_frost() -> None:
    code = code_of(["augmix.suite.testsets.kinds.corruptions"])
    assert {"augmix/corruptions/weather.py", "augmix/suite/testsets/generation.py", "augmix/checks.py"} <= set(
        code.files
    )
    sequences = code_of(["augmix.suite.testsets.kinds.perturbations"])
    assert {"augmix/perturbations.py", "augmix/corruptions/filters.py"} <= set(sequences.files)
    assert "augmix/corruptions/weather.py" not in sequences.files  # a neighbour of filters.py, which nothing asks for
    bar = code_of(["augmix.suite.testsets.kinds.corruptions_bar"])
    assert {"augmix/corruptions/bar/warps.py", "augmix/corruptions/noise.py"} <= set(bar.files)
    assert "augmix/corruptions/weather.py" not in bar.files
    assert not [file for file in code.files if "/bar/" in file]
    assert "torch" not in code.packages
    assert "numba" in code.packages
    # No statement imports the package that has the photographs: it is asked for by its name.
    installed = digests.installed_version("imagecorruptions-imaug") is not None
    assert ("imagecorruptions-imaug" in code.packages) == installed


def test_published_and_natural_test_sets_are_not_decided_by_corruptions() -> None:
    for root in (PUBLISHED, f"{KINDS}.natural"):
        code = code_of([root, "augmix.suite.data.loaders.digits"])
        assert not [file for file in code.files if "corruptions" in file or "perturbations" in file]
        assert "numba" not in code.packages


def test_data_files_beside_a_module_are_part_of_it() -> None:
    assert "baselines/policies/cifar10.yaml" in code_of(["baselines.autoaugment"]).files
    assert "baselines/policies/cifar10.yaml" not in code_of(["baselines.cutout"]).files
    assert {"reports/report.typ", "reports/references.yaml"} <= set(code_of(["reports.make"]).files)
    assert "augmix/suite/evaluate/paper_results.yaml" in code_of(["augmix.suite.evaluate.paper"]).files


def test_what_a_package_loads_on_first_use_is_followed_where_it_is_used() -> None:
    # `from augmix import AugMix`, which `augmix/__init__.py` takes from `augmix.mixing`.
    assert "augmix/mixing.py" in code_of(["reports.samples"]).files
    assert set(code_of(["augmix"]).files) == {"augmix/__init__.py"}


def test_neutral_modules_change_nothing_and_are_not_followed() -> None:
    code = code_of([TRAINING])
    assert not [file for file in code.files if file.removesuffix(".py").replace("/", ".") in NEUTRAL]
    assert "augmix/errors.py" in code_of([TRAINING], neutral=()).files
    assert "augmix/suite/io/progress.py" in code_of(["augmix.suite.io.progress"]).files
    for name in NEUTRAL:
        assert (CHECKOUT / name.replace(".", "/")).with_suffix(".py").exists()


def test_no_module_is_imported_and_all_stages_together_are_quick() -> None:
    script = """
import sys, time
from augmix.suite.io.digests import code_of
started = time.process_time()
methods = ["augmix.methods.augmix", *(f"baselines.{name}" for name in
           ("standard", "cutout", "mixup", "cutmix", "autoaugment", "adversarial", "fmix", "patch_uniform")),
           *(f"ablations.{name}" for name in ("no_jsd", "kl_only", "single_chain"))]
for roots in (["augmix.suite.data.datasets", "augmix.suite.data.loaders.cifar10"], ["augmix.suite.testsets.generation"],
              *(["augmix.suite.train.training", "augmix.models.smallnet", method] for method in methods),
              ["augmix.suite.evaluate.evaluation"], ["augmix.suite.evaluate.results"], ["reports.make"]):
    assert code_of(roots).files
print(time.process_time() - started)
for name in ("torch", "numpy", "numba", "cv2", "pandas", "reports", "baselines", "augmix.mixing"):
    assert name not in sys.modules, name
"""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    # It takes a quarter of a second of one core; twice that and more is left to slow machines.
    assert float(done.stdout) < 1


def test_a_comment_changes_nothing_and_a_constant_does(tree: Path) -> None:
    roots = [TRAINING, "augmix.models.smallnet", "ablations.no_jsd"]
    before = code_of(roots, path=[str(tree)])
    assert before == code_of(roots, path=[str(CHECKOUT)])
    path = tree / "ablations" / "no_jsd.py"
    text = path.read_text()
    path.write_text(text.replace('"""No JSD', '"""No loss, or no JSD').replace("    views =", "    # one\n    views ="))
    assert path.read_text() != text
    assert code_of(roots, path=[str(tree)]).digest == before.digest
    path.write_text(text.replace("alpha: float = 1.0", "alpha: float = 0.95"))
    now = code_of(roots, path=[str(tree)])
    assert now.digest != before.digest
    assert differences(before, now) == ["ablations/no_jsd.py"]
    path.write_text(text)
    assert code_of(roots, path=[str(tree)]) == before


def test_layout_changes_nothing_in_any_module(tree: Path) -> None:
    roots = [TRAINING, GENERATION, "augmix.methods.augmix", "augmix.suite.evaluate.evaluation", "reports.make"]
    before = code_of(roots, path=[str(tree)])
    for path in tree.glob("**/*.py"):
        path.write_text(ast.unparse(ast.parse(path.read_text())) + "\n\n# the end\n")
    assert differences(before, code_of(roots, path=[str(tree)])) == []


def test_a_data_file_and_a_release_alone(tree: Path) -> None:
    before = code_of(["baselines.autoaugment"], path=[str(tree)])
    policy = tree / "baselines" / "policies" / "cifar10.yaml"
    policy.write_text(policy.read_text() + "# more\n")
    (tree / "baselines" / "policies" / "README.md").write_text("Policies.")
    (tree / "baselines" / "policies" / "own.yaml").write_text("magnitudes: autoaugment\n")
    # The next release has the same code.
    init = tree / "augmix" / "__init__.py"
    init.write_text(init.read_text().replace('__version__ = "', '__version__ = "7.'))
    assert differences(before, code_of(["baselines.autoaugment"], path=[str(tree)])) == [
        "baselines/policies/cifar10.yaml",
        "baselines/policies/own.yaml (new)",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "# first\n" + PLAIN.replace("    total", "\n    # why\n    total"),
        '"""A module."""\n' + PLAIN,
        PLAIN.replace("    total", '    """Its rate."""\n    total'),
        PLAIN.replace("import os\n", 'import os\n"""It stands below a name."""\n'),
        PLAIN.replace("low + step * 2", "(\n        low\n        + (step * 2)  # twice\n    )").replace("0.1", "0.10"),
        PLAIN.replace('"', "'").replace("low=0.1", "\n    low = 0.1,\n"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN + "if TYPE_CHECKING:\n    import torch\n",
        PLAIN + "if typing.TYPE_CHECKING:\n    import torch\n",
        "# coding: latin-1\n" + PLAIN,
    ],
)
def test_what_decides_nothing(tmp_path: Path, text: str) -> None:
    before = digest_of(tmp_path, PLAIN)
    assert text != PLAIN
    assert digest_of(tmp_path, text) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("step * 2", "step * 3"),
        ("low + step", "low - step"),
        ("low=0.1", "low=0.2"),
        ("import os", "import os.path"),
        ("import os", "import os as system"),
        ("{total:g}", "{total:f}"),
        ("low + step * 2", "(low + step) * 2"),
        ("    return", "    if low:\n        return"),
        ("def rate", "@cache\ndef rate"),
        ("step * 2", "step * '2'"),
    ],
)
def test_what_decides(tmp_path: Path, old: str, new: str) -> None:
    assert digest_of(tmp_path, PLAIN.replace(old, new)) != digest_of(tmp_path, PLAIN)


def test_docstrings_alone_leave_nothing(tmp_path: Path) -> None:
    assert digest_of(tmp_path, '"""Only words."""\n') == digest_of(tmp_path, "")
    assert digest_of(tmp_path, 'class A:\n    """Words."""\n') == digest_of(tmp_path, "class A:\n    pass\n")
    documented = 'class A(NamedTuple):\n    x: int\n    """One."""\n\n    y: int\n    """Other."""\n'
    assert digest_of(tmp_path, documented) == digest_of(tmp_path, "class A(NamedTuple):\n    x: int\n    y: int\n")
    assert digest_of(tmp_path, 'def f():\n    return "words"\n') != digest_of(tmp_path, "def f():\n    return ''\n")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("import pkg.a", {"a"}),
        ("import pkg.sub.c as d", {"sub/__init__", "sub/c"}),
        ("import pkg\n\nprint(pkg.sub.c.X)", {"sub/__init__", "sub/c"}),
        ("import pkg as p\n\nprint(p.a.X)", {"a"}),
        ("from pkg import sub\n\nprint(sub.c.X)", {"sub/__init__", "sub/c"}),
        ("from pkg import a", {"a"}),
        ("from pkg import missing", set()),
        ("from pkg.a import X", {"a"}),
        ("from pkg import *", {"b"}),
        ("from . import a", {"a"}),
        ("from .sub import c", {"sub/__init__", "sub/c"}),
        ("from .sub import *", {"sub/__init__"}),
        ("from .. import other", set()),
        ("from pkg.sub import deep", {"sub/__init__", "sub/deep", "a"}),
        ("from pkg.circle import one", {"circle/__init__", "circle/one", "circle/two"}),
        ("from pkg import Late", {"b"}),
        ("from pkg.space import far", {"space/far"}),
        ("def f():\n    from pkg import a", {"a"}),
        ("try:\n    from pkg import a\nexcept ImportError:\n    from pkg import b", {"a", "b"}),
        ("try:\n    pass\nfinally:\n    from pkg import a", {"a"}),
        ("match X:\n    case 1:\n        from pkg import a", {"a"}),
        ("if X:\n    import pkg.a\nelif Y:\n    import pkg.b", {"a", "b"}),
        ("if TYPE_CHECKING:\n    from pkg import a\nelse:\n    from pkg import b", {"b"}),
        ("if not TYPE_CHECKING:\n    from pkg import a\nelse:\n    from pkg import b", {"a"}),
        ("import missing, pkg.missing.x\nfrom pkg.missing import y", set()),
        ("import json, yaml", set()),
        ("import importlib\nimportlib.import_module('pkg.a')", {"a"}),
        ("def f():\n    return import_module('.sub.c', 'pkg').X", {"sub/__init__", "sub/c"}),
        ("__import__('pkg.a')\nimport_module('missing'), import_module(X), import_module('.')", {"a"}),
        ("def __getattr__(name):\n    return import_module('pkg.a')", set()),
    ],
)
def test_every_form_of_import(tmp_path: Path, text: str, wanted: set[str]) -> None:
    write(
        tmp_path,
        pkg__start=text,
        pkg__a="X = 1",
        pkg__b="X = 1",
        pkg__sub__c="X = 1",
        pkg__sub__deep="from ..a import X",
        pkg__circle__one="from pkg.circle import two",
        pkg__circle__two="from . import one",
    )
    declared = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .b import Late\n"
    (tmp_path / "pkg" / "__init__.py").write_text(f"__all__ = ['b']\n{declared}\ndef __getattr__(name): ...\n")
    (tmp_path / "pkg" / "space").mkdir()
    (tmp_path / "pkg" / "space" / "far.py").touch()
    expected = {f"pkg/{name}.py" for name in {"__init__", "start", *wanted}}
    assert files_of(tmp_path, "pkg.start") == expected


def test_a_package_that_exports_from_its_modules_and_one_in_two_places(tmp_path: Path) -> None:
    write(tmp_path, methods__start="from methods.parts import blur", methods__parts__inner="def blur(): ...")
    (tmp_path / "methods" / "parts" / "__init__.py").write_text("from .inner import blur\n")
    assert "methods/parts/inner.py" in files_of(tmp_path, "methods.start")
    for place, name in (("one", "a"), ("two", "b")):
        (tmp_path / place / "spread").mkdir(parents=True)
        (tmp_path / place / "spread" / f"{name}.py").write_text("from spread import a\n")
    code = code_of(["spread.b"], path=[str(tmp_path / "one"), str(tmp_path / "two")])
    assert set(code.files) == {"spread/a.py", "spread/b.py"}


def test_methods_from_outside_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, my_methods__own="from augmix.losses import cross_entropy\nimport kornia, cv2")
    monkeypatch.syspath_prepend(str(tmp_path))
    code = code_of(["my_methods.own"])
    assert {"my_methods/own.py", "my_methods/__init__.py", "augmix/losses.py"} <= set(code.files)
    assert set(code.packages) <= set(PACKAGES.values())
    assert "my_methods" not in sys.modules


def test_only_telling_names_are_data(tmp_path: Path) -> None:
    text = """
    NAMES = ["table.csv", "plain", "models", "plan", "code.py", "policies"]
    PATH = HERE / f"settings/{name}.yaml"
    OTHER = "deep is meant", "absent.csv", HERE / "inner/x.txt"
    """
    write(tmp_path, pkg__start=text.replace("\n    ", "\n"), pkg__code="", pkg__models__net="")
    folder = tmp_path / "pkg"
    for name in (
        "table.csv", "plain", "policies/a.yaml", "policies/b/c.yaml", "policies/.hidden", "policies/README.md",
        "policies/helper.py", "policies/__pycache__/helper.pyc", "settings/x.yaml", "deep/y.txt", "inner/x.txt",
        "unnamed.csv",
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("# text")
    assert files_of(tmp_path, "pkg.start") == {
        "pkg/__init__.py", "pkg/start.py", "pkg/table.csv", "pkg/policies/a.yaml", "pkg/policies/b/c.yaml",
        "pkg/policies/helper.py", "pkg/settings/x.yaml", "pkg/inner/x.txt",
    }  # fmt: skip


def test_folders_beside_a_lone_module_are_not_its_own(tmp_path: Path) -> None:
    write(tmp_path, lone='DATA, TABLE = settings["data"], "table.csv"')
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train_images.npy").touch()
    (tmp_path / "table.csv").touch()
    assert files_of(tmp_path, "lone") == {"lone.py", "table.csv"}


def test_code_that_cannot_be_digested_is_one_line(tmp_path: Path) -> None:
    path = [str(tmp_path)]
    write(tmp_path, pkg__broken="def f(:\n", pkg__null="x = '\0'", pkg__deep="x = " + "(" * 300 + ")" * 300)
    (tmp_path / "pkg" / "coded.py").write_bytes(b"x = '\xff'\n")
    for name in ("broken", "null", "deep", "coded"):
        with pytest.raises(UserError, match=rf"pkg/{name}\.py: not valid Python: ") as caught:
            code_of([f"pkg.{name}"], path=path)
        assert "\n" not in str(caught.value)
    for name in ("pkg.absent", "nowhere", "pkg.broken.f", "pkg..x", "builtins.x", ""):
        with pytest.raises(UserError, match=f"module '{name}' is not found"):
            code_of([name], path=path)
    (tmp_path / "pkg" / f"fast{EXTENSION_SUFFIXES[0]}").touch()
    write(tmp_path, pkg__user="from pkg import fast")
    with pytest.raises(UserError, match=r"pkg/fast\..*is compiled: .*fast\.py"):
        code_of(["pkg.user"], path=path)
    write(tmp_path, pkg__fast="x = 1")
    assert "pkg/fast.py" in code_of(["pkg.user"], path=path).files


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, pkg__a="import pkg.b", pkg__b="")
    (tmp_path / "pkg" / "b.py").unlink()
    (tmp_path / "pkg" / "b.py").symlink_to(tmp_path / "gone.py")
    with pytest.raises(UserError, match=r"pkg/b\.py cannot be read: No such file"):
        code_of(["pkg.a"], path=[str(tmp_path)])
    with pytest.raises(UserError, match=r"gone\.py cannot be read"):
        file_digest(tmp_path / "gone.py")


def test_differences_are_for_people() -> None:
    before = Code(
        {"augmix/mixing.py": "1", "augmix/old.py": "2"}, {"numpy": "2.3.1", "scipy": "1.1", "torch": "2.13.0"}
    )
    now = Code({"augmix/mixing.py": "3", "baselines/fmix.py": "4"}, {"numpy": "2.3.1", "av": "16.0", "torch": "2.14.1"})
    assert differences(before, now) == [
        "augmix/mixing.py", "augmix/old.py (gone)", "baselines/fmix.py (new)", "av 16.0 (new)", "scipy 1.1 (gone)",
        "torch 2.13.0 → 2.14.1",
    ]  # fmt: skip
    assert differences(now, now) == []


def test_code_goes_through_json(tmp_path: Path) -> None:
    code = code_of(["augmix.losses"])
    noted = code.as_json()
    assert noted["digest"] == code.digest
    assert len(code.digest) == 16
    assert Code.from_json(noted) == code
    swapped = Code(dict(reversed([*code.files.items()])), dict(reversed([*code.packages.items()])))
    assert swapped.digest == code.digest
    others: list[object] = [None, "3f2a", [], {}, {"files": {}}, {"files": [], "packages": {}}]
    for other in (*others, {"files": {"a": 1}, "packages": {}}):
        assert Code.from_json(other) is None


def test_digests_of_json_and_of_files(tmp_path: Path) -> None:
    assert json_digest({"b": 1, "a": [1.5, None]}) == json_digest({"a": [1.5, None], "b": 1})
    assert json_digest({"a": 1}) != json_digest({"a": 1.0})
    assert len(json_digest("x", 64)) == 64
    assert json_digest("x", 64).startswith(json_digest("x"))
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert file_digest(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()
