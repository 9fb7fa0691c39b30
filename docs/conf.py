"""How the documentation is built: from this repository alone, without a request to anywhere."""

import re
from typing import TYPE_CHECKING, Any

import aiml_music
from aiml_music import sandbox

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "aiml_music"
author = "The aiml_music maintainers"
copyright = author
release = version = aiml_music.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

# What stands in single backticks in a docstring becomes a link where there is something to link to.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_numpy_docstring = False
# Otherwise a field with a docstring of its own would be described twice.
napoleon_use_ivar = True
python_use_unqualified_type_names = True

myst_heading_anchors = 3

html_theme = "furo"
html_title = f"aiml_music {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False

_PUBLIC = {"aiml_music": aiml_music.__all__, "aiml_music.sandbox": sandbox.__all__}


def link_by_public_name(app: "Sphinx", env: "BuildEnvironment", node: Any, contnode: Any) -> Any:
    """Link a type to the page of its public name, not to the private module it is defined in."""
    module, _, name = node.get("reftarget", "").rpartition(".")
    for package, names in _PUBLIC.items():
        target = f"{package}.{name}"
        if name in names and module != package:
            domain = env.domains.python_domain
            return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, contnode)
    return None


def keep_the_colon(_app: "Sphinx", what: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Let the first line of a property's docstring be a sentence: before a colon, napoleon expects a type."""
    if what in {"attribute", "property"}:
        lines[:0] = ["..", ""]


def show_defaults(
    _app: "Sphinx", _what: str, _name: str, _obj: object, _options: object, words: str | None, answer: str | None
) -> tuple[str, str | None] | None:
    """Write defaults that have no words of their own as a reader would."""
    if words is None:
        return None
    for found, shown in (
        (r"<function (\w+)\.<locals>\.\w+>", r"\1()"),
        (r"=NOTHING", "={}"),
        (r"Unset\.UNSET", "UNSET"),
    ):
        words = re.sub(found, shown, words)
    return words, answer


def setup(app: "Sphinx") -> None:
    """Add what the configuration alone cannot say."""
    app.connect("missing-reference", link_by_public_name)
    app.connect("autodoc-process-docstring", keep_the_colon, priority=400)
    app.connect("autodoc-process-signature", show_defaults)
