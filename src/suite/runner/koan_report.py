"""Reports a test run to the guard: JSON lines over an inherited pipe, and the facts about exceptions that the guard judges by.

This file is put in front of `koan_pytest.py` and of `koan_unittest.py`; it runs before any file of the tree can be imported.
What test code can patch later (`os`, `json`, `sys`) is taken hold of now. Python 3.8 and later.
"""

import importlib
import json
import os
import sys
import types

MAX_FRAMES = 50
SKIPPED_FOLDERS = {"node_modules", "site-packages", "__pycache__", "venv", "build", "dist"}


def read_order():
    """What the guard asks for; and no trace of it left for the tests to find."""
    with open(sys.argv[1], encoding="utf-8") as file:
        order = json.load(file)
    source = os.path.join(order["tree"], "src")
    order["sources"] = [order["tree"]] + [source] * os.path.isdir(source)
    sys.argv[:] = [order["runner"]]
    return order


def open_report():
    """The only way to the pipe is the function that comes back. Every line holds a number and a secret that is as old as the process,
    so that a line from anywhere else, a fork's included, is told apart."""
    fd = int(os.environ.pop("KOAN_REPORT_FD"))
    os.set_inheritable(fd, False)
    secret = os.urandom(16).hex()
    count = 0
    write, getpid, dumps = os.write, os.getpid, json.dumps
    pid = getpid()

    def emit(event, **facts):
        nonlocal count
        if getpid() != pid:
            return
        # Half of a surrogate pair is no text that could be written.
        line = dumps({"secret": secret, "n": count, "event": event, **facts}, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        count += 1
        while line:
            line = line[write(fd, line) :]

    return emit


def enter_tree(order):
    """Makes the tree's code importable, before any installed copy of it."""
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != own]
    sys.path[:0] = order["sources"]
    os.environ["PYTHONPATH"] = os.pathsep.join(order["sources"])
    sys.modules.pop("__main__", None)
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.dont_write_bytecode = True
    if any(name.endswith(".pyc") for _, _, names in walk(order["tree"], bytecode=True) for name in names):
        # Committed bytecode could run in place of its source; a folder of our own has none.
        sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = os.path.join(os.environ["TMPDIR"], "pycache")
    importlib.invalidate_caches()


def walk(top, bytecode=False):
    """`os.walk` in a fixed order, without folders that hold nobody's tests."""
    for folder, folders, names in os.walk(top):
        skipped = SKIPPED_FOLDERS - {"__pycache__"} if bytecode else SKIPPED_FOLDERS
        folders[:] = sorted(name for name in folders if name not in skipped and not name.startswith("."))
        yield folder, folders, sorted(names)


def test_files(top, is_test):
    return [os.path.join(folder, name) for folder, _, names in walk(top) for name in names if is_test(name)]


def wanted_files(order, is_test):
    """The test files that the touched files stand for: themselves, or, for fixtures and helpers, the tests of the nearest folder that has
    any. `None` is the whole suite. The canary's own file is always wanted, and so is one in which it stands and that the project's settings do
    not name: where `python_files` is a file that imports the others."""
    tree = order["tree"]
    own = [path for path in test_files(tree, lambda name: name == "test_%s.py" % order["canary"])]
    unnamed = [path for path in order["changed"] if path.endswith(".py") and not is_test(os.path.basename(path))]
    own += [os.path.join(tree, path) for path in unnamed if holds_canary(order, path)]
    if order["files"] is None:
        return None, own
    files = []
    for path in order["files"]:
        path = os.path.join(tree, path)
        if not os.path.lexists(path):
            continue
        found = [path] if is_test(os.path.basename(path)) else []
        folder = path
        while not found and folder != tree:
            folder = os.path.dirname(folder)
            found = test_files(folder, is_test)
        files += found
    return list(dict.fromkeys(files + own)), own


def holds_canary(order, what):
    """Whether the canary stands in a file that could not be collected."""
    try:
        with open(os.path.join(order["tree"], what), "rb") as file:
            return order["canary"] is not None and order["canary"].encode() in file.read()
    except OSError:
        return False


def first_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:400] if lines else ""


def describer(order):
    """A function from an exception to facts about it. It judges nothing."""
    tree = os.path.join(order["tree"], "")
    roots = {tree, os.path.join(os.path.realpath(tree), "")}

    def in_tree(file):
        return next((file[len(root) :] for root in roots if file.startswith(root)), None)

    def place(file):
        path = in_tree(file)
        if path is not None:
            return "test" if is_test_code(path) else "tree"
        if file.endswith(("unittest/mock.py", "/mock/mock.py", "_pytest/monkeypatch.py")):
            return "patch"
        return "other"

    def owner(error):
        """What an AttributeError was asked of."""
        if not isinstance(error, AttributeError):
            return None
        name, message = getattr(error, "name", None), str(error)
        if name is None:
            if message.startswith("'NoneType' object"):
                return "none"
            if message.startswith(("module ", "partially initialized module ")):
                return "module"
            if message.startswith("type object "):
                return "class"
            return "unknown"
        value = error.obj
        if value is None:
            return "none"
        kind = type(value)
        if issubclass(kind, types.ModuleType):
            return "module"
        if issubclass(kind, type):
            return "class"
        module = sys.modules.get(kind.__module__)
        file = getattr(module, "__file__", None) or ""
        return "tree-instance" if in_tree(file) is not None else "instance"

    def describe(kind, error, trace):
        places, frames = [], []
        while trace is not None:
            code = trace.tb_frame.f_code
            places.append(place(code.co_filename))
            path = in_tree(code.co_filename)
            if path is not None:
                frames.append({"file": path, "function": code.co_name, "line": trace.tb_lineno or 0})
            trace = trace.tb_next
        try:
            message, obj = first_line(str(error).replace(tree, "")), owner(error)
        except BaseException as other:
            message, obj = "(its message raised %s)" % type(other).__name__, "unknown"
        return {
            "kind": kind.__name__,
            "bases": [base.__name__ for base in kind.__mro__],
            "message": message,
            "innermost": places[-1] if places else "none",
            "nearest": next((at for at in reversed(places) if at in ("test", "tree")), "none"),
            "owner": obj,
            "frames": frames[: -MAX_FRAMES - 1 : -1],
        }

    return describe


def where_raised(trace):
    """The phase of a TestCase by the frames of unittest itself, which has one word for all of them."""
    while trace is not None:
        name, file = trace.tb_frame.f_code.co_name, trace.tb_frame.f_code.co_filename
        if name in ("_callSetUp", "_callTearDown", "_callCleanup") and file.endswith(("unittest/case.py", "unittest/async_case.py")):
            return "setup" if name == "_callSetUp" else "teardown"
        trace = trace.tb_next
    return "call"


def is_test_code(path):
    *folders, name = path.split("/")
    return name == "conftest.py" or is_test_name(name) or any(folder in ("test", "tests", "testing") for folder in folders)


def is_test_name(name):
    return name.endswith(".py") and (name.startswith("test") or name.endswith("_test.py"))


def foreign_modules(order):
    """Loaded modules that the tree has itself, and that came from elsewhere: an installed copy was tested, not the tree."""
    tree = os.path.join(os.path.realpath(order["tree"]), "")
    checkout = order["checkout"] and os.path.join(os.path.realpath(order["checkout"]), "")
    prefixes = tuple(os.path.join(os.path.realpath(prefix), "") for prefix in (sys.prefix, sys.base_prefix))
    library = os.path.join(os.path.dirname(os.path.realpath(os.__file__)), "")

    def is_ours(name):
        for source in order["sources"]:
            path = os.path.join(source, name)
            if os.path.isfile(path + ".py") or os.path.isdir(path) and any(e.endswith(".py") for e in os.listdir(path)):
                return True
        return False

    folders = {}

    def real(file):
        # Hundreds of modules lie in a few folders, whose parts are each looked at once.
        folder, name = os.path.split(file)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        path = os.path.join(folders[folder], name)
        return os.path.realpath(path) if os.path.islink(path) else path

    ours, found = {}, []
    for name, module in sorted(sys.modules.items(), key=lambda entry: entry[0]):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str):
            continue
        file = real(file)
        top = name.partition(".")[0]
        is_standard = file.startswith(library) and "site-packages" not in file
        if file.startswith(tree) or is_standard:
            continue
        if checkout and file.startswith(checkout) and not file.startswith(prefixes):
            found.append((name, file))
            continue
        if top not in ours:
            ours[top] = is_ours(top)
        if ours[top]:
            found.append((name, file))
    return found
