"""Hooks of MkDocs: pages that lie elsewhere in the repository, and links as the repository has them.

Links are written so that they hold where the files lie. Here they are turned to the site's places; a link to a file
that is no page of the site, or to a page of the repository's host, keeps its words alone. A link to nothing stays as it
is, and MkDocs refuses it.
"""

import base64
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

CHECKOUT = Path(__file__).parents[1]
sys.path.insert(0, str(CHECKOUT))  # which the command `mkdocs` does not do
ELSEWHERE = (
    "config/README.md", "containers/README.md", "tests/README.md", "workflow/profiles/README.md", "CHANGELOG.md",
    "CONTRIBUTING.md", "SECURITY.md", "NOTICE.md",
)  # fmt: skip
"""Files of the repository that are part of the site, under the same paths; README.md is its first page."""
LINK = re.compile(r"(!?)\[((?:[^\[\]]|!?\[[^\[\]]*\](?:\([^()]*\))?)*)\]\(([^()\s#]*)(#[^()\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from elsewhere, and the page of the commands."""
    from docs.generated import commands

    for name in ELSEWHERE:
        files.append(File.generated(config, name, abs_src_path=str(CHECKOUT / name)))
    files.append(File.generated(config, "index.md", abs_src_path=str(CHECKOUT / "README.md")))
    files.append(File.generated(config, "commands.md", content=commands()))
    for name, content in notebook(CHECKOUT / "docs" / "photograph.ipynb"):
        files.append(File.generated(config, name, content=content))
    return files


def notebook(path: Path) -> Iterator[tuple[str, str | bytes]]:
    """The pictures of an executed notebook, and last its page: code, what it printed, and the pictures."""
    parts = []
    for i, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        text = "".join(cell["source"])
        parts.append(f"```python\n{text}\n```" if cell["cell_type"] == "code" else text)
        for output in cell.get("outputs", ()):
            if "text" in output:
                parts.append(f"```text\n{''.join(output['text']).rstrip()}\n```")
            if picture := output.get("data", {}).get("image/png"):
                name = f"{path.stem}-{i}.png"
                yield name, base64.b64decode(picture)
                parts.append(f"![What the code above draws]({name})")
    parts.insert(1, f"[The notebook as a file]({path.name})")
    yield f"{path.stem}.md", "\n\n".join(parts)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page from the repository's places to the site's."""
    if not page.file.abs_src_path:  # of a page that is made, and kept nowhere
        return markdown
    source = PurePosixPath(relpath(page.file.abs_src_path, CHECKOUT))

    def turned(link: re.Match[str]) -> str:
        image, words, target, anchor = link.groups(default="")
        words = LINK.sub(turned, words)
        if not target or ":" in target:
            return "" if image else f"[{words}]({target}{anchor})"  # no page asks another host for a picture
        place = normpath(str(source.parent / target))
        site = "index.md" if place == "README.md" else place.removeprefix("docs/").replace(".ipynb", ".md")
        if site in files.src_uris:
            target = relpath(site, str(PurePosixPath(page.file.src_uri).parent))
        elif place.startswith("../") or (CHECKOUT / place).exists():
            return "" if image else words
        return f"{image}[{words}]({target}{anchor})"

    return LINK.sub(turned, markdown)


def on_config(config: MkDocsConfig, **_: Any) -> MkDocsConfig:
    """Say which version the pages are of."""
    from augmix import __version__

    config.site_name = f"augmix {__version__}"
    return config
