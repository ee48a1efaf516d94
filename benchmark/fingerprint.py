"""What code a method is made of: the imports of its module inside this repository, hashed without comments and docstrings."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from splits.errors import ConfigError
from splits.files import stamp

ROOT = Path(__file__).resolve().parents[1]
GROUP = "kfbench.methods"  # benchmark.method has it too, but importing that is not this module's business
SHARED = ("benchmark.cell", "benchmark.scoring")  # what every cell runs, whatever its method

# Where and when a cell runs, how its data came to be (the data itself is hashed) and how results look: none of it
# changes a number, so a change there must not train anything again.
EXCLUDED = (
    "benchmark.cli",
    "benchmark.cluster",
    "benchmark.collect",
    "benchmark.commands",
    "benchmark.computing",
    "benchmark.config",
    "benchmark.declared",
    "benchmark.doctor",
    "benchmark.engine",
    "benchmark.estimate",
    "benchmark.fingerprint",
    "benchmark.hashing",
    "benchmark.index",
    "benchmark.local",
    "benchmark.plan",
    "benchmark.processes",
    "benchmark.progress",
    "benchmark.provenance",
    "benchmark.status",
    "benchmark.store",
    "benchmark.worker",
    "benchmark.workspace",
    "reports",
    "splits.audit",
    "splits.cli",
    "splits.corpora",
    "splits.download",
    "splits.draw",
    "splits.prepare",
)


@dataclass(frozen=True)
class Packages:
    """Top-level packages whose code counts, and the folder of each.

    A room outside the checkout is one more; everything else (torch, the standard library) is not ours to hash.
    """

    folders: Mapping[str, Path]

    def file(self, module: str) -> Path | None:
        """The file of a module, or None where it is none of ours."""
        top, *rest = module.split(".")
        if top not in self.folders:
            return None
        base = self.folders[top].joinpath(*rest)
        for candidate in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if candidate.is_file():
                return candidate
        return None


def packages(root: Path = ROOT, room: str | None = None) -> Packages:
    """The packages of a checkout, and a room that may stand elsewhere."""
    folders = {path.parent.name: path.parent for path in sorted(root.glob("*/__init__.py"))}
    if room and room.split(".")[0] not in folders:
        folders[room.split(".")[0]] = _folder(room.split(".")[0])
    return Packages(folders)


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)  # finds a top-level package without running it
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            f"room {package!r} (entry point {GROUP}) is not an installed package", "Install it again, or remove its entry point."
        )
    return Path(next(iter(spec.submodule_search_locations)))


def closure(start: Mapping[str, Path], known: Packages) -> dict[str, Path]:
    """Modules that the given ones import, directly or not, themselves included; `EXCLUDED` ones are not entered.

    Lazy imports inside functions count, and so does the `__init__` of every package on the way.
    """
    found: dict[str, Path] = {}
    waiting = list(start.items())
    while waiting:
        name, path = waiting.pop()
        if name in found or _excluded(name):
            continue
        found[name] = path
        for imported in (name, *_imports(_parse(path), name, is_package=path.name == "__init__.py")):
            parts = imported.split(".")
            for i in range(1, len(parts) + 1):
                prefix = ".".join(parts[:i])
                file = known.file(prefix)
                if file is not None and prefix not in found:
                    waiting.append((prefix, file))
    return dict(sorted(found.items()))


def _excluded(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in EXCLUDED)


def _imports(tree: ast.Module, module: str, *, is_package: bool) -> Iterator[str]:
    """Names that may be modules: `from a import b` gives a and a.b."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base:
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise ConfigError(f"{path}:{error.lineno}: not Python: {error.msg}", "Mend the file.") from None


@cache
def _digest_at(path: Path, stamp: str) -> str:
    return hashlib.sha256(canonical(_parse(path)).encode()).hexdigest()


def digest(path: Path) -> str:
    """sha256 of a module's code; comments, docstrings and layout do not count."""
    return _digest_at(path, stamp(path.stat()))


def canonical(node: object) -> str:
    """A syntax tree as text. Not `ast.dump`, which prints the same tree differently from one Python to the next."""
    if isinstance(node, list):
        return "[" + ",".join(canonical(item) for item in node if not _is_string_statement(item)) + "]"
    if isinstance(node, ast.AST):
        fields = ((name, getattr(node, name, None)) for name in sorted(node._fields))
        given = (f"{name}={canonical(value)}" for name, value in fields if value is not None and value != [])
        return f"{type(node).__name__}({','.join(given)})"
    return repr(node)


def _is_string_statement(node: object) -> bool:
    """A docstring, of a module or an attribute alike: a string that nobody uses."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@dataclass(frozen=True)
class Fingerprint:
    """The code of a method: sha256 of each module, and of all."""

    modules: Mapping[str, str]

    @property
    def sha256(self) -> str:
        text = "\n".join(f"{name} {sha}" for name, sha in sorted(self.modules.items()))
        return hashlib.sha256(text.encode()).hexdigest()


def of_method(method: str, root: Path = ROOT) -> Fingerprint:
    """The fingerprint of a method by name or as `path.py:Class`; nothing is imported.

    Raises:
        ConfigError: there is no such method, or a module is not Python.
    """
    name, path, room = locate(method, root)
    known = packages(root, room)
    start = {name: path} | {shared: file for shared in SHARED if (file := known.file(shared)) is not None}
    return Fingerprint({module: digest(file) for module, file in closure(start, known).items()})


def unhashed(method: str, root: Path = ROOT) -> dict[str, str]:
    """Modules that a method imports though no fingerprint holds them, each with the reason; empty where all is well.

    Raises:
        ConfigError: as `of_method`.
    """
    name, path, room = locate(method, root)
    known = packages(root, room)
    found: dict[str, str] = {}
    for module, file in closure({name: path}, known).items():
        for imported in _imports(_parse(file), module, is_package=file.name == "__init__.py"):
            top = imported.split(".")[0]
            if _excluded(imported) and known.file(imported) is not None:
                found[imported] = "it is the suite's own machinery, which a method must not see and no hash covers"
            elif top not in known.folders and file == path and (where := _of_the_users(top)) is not None:
                found[top] = f"{where} is neither installed nor part of the checkout"
    return found


def _of_the_users(package: str) -> Path | None:
    """Where a top-level package lies, if that is neither the standard library nor an installed one."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    places = [spec.origin, *(spec.submodule_search_locations or [])] if spec else []
    file = next((Path(place) for place in places if place and place not in ("built-in", "frozen")), None)
    paths = (sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib"))
    return None if file is None or any(file.is_relative_to(path) for path in paths) else file


def locate(method: str, root: Path = ROOT) -> tuple[str, Path, str | None]:
    """Module, file and room of a method's class, found by reading the rooms' sources.

    Raises:
        ConfigError: no room has a class with this `name`.
    """
    if ".py:" in method:
        path = Path(method.rsplit(":", 1)[0]).resolve()
        if not path.is_file():
            raise ConfigError(f"{path}: no such file", "A method outside the rooms is given as `path.py:Class`.")
        return path.stem, path, None
    found: set[str] = set()
    for module, file, room in _modules(root):
        here = {name for _, name in declared(file)}
        if method in here:
            return module, file, room
        found |= here
    raise ConfigError(f"there is no method {method!r}", f"Known: {', '.join(sorted(found)) or 'none'}; or give `path.py:Class`.")


def names(root: Path = ROOT) -> frozenset[str]:
    """Of every method of the registered rooms; nothing is imported."""
    return frozenset(name for _, file, _ in _modules(root) for _, name in declared(file))


def _modules(root: Path) -> Iterator[tuple[str, Path, str]]:
    """Module, file and room of everything that is scanned for methods."""
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.value):
        top, *rest = entry.value.split(".")
        base = (root / top if (root / top / "__init__.py").is_file() else _folder(top)).joinpath(*rest)
        for path in sorted(base.glob("*.py")):
            yield (entry.value if path.stem == "__init__" else f"{entry.value}.{path.stem}"), path, entry.value


def declared(path: Path) -> list[tuple[str, str]]:
    """Classes of a file that state a `name`, each with it, annotated or not; the file is read, not imported.

    Raises:
        ConfigError: it is not Python.
    """
    found = []
    for node in _parse(path).body:
        for line in node.body if isinstance(node, ast.ClassDef) else ():
            targets = line.targets if isinstance(line, ast.Assign) else [line.target] if isinstance(line, ast.AnnAssign) else []
            value = line.value if isinstance(line, ast.Assign | ast.AnnAssign) else None
            named = any(isinstance(target, ast.Name) and target.id == "name" for target in targets)
            if named and isinstance(node, ast.ClassDef) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                found.append((node.name, value.value))
    return found
