# What follows drives unittest: discovery from the top of the tree, and a result class that sends what each test raised.

import random
import unittest
import unittest.mock


def module_name(order, path):
    """The dotted name of a test file, from the innermost source folder that holds it; `None` where a folder's name is no identifier."""
    source = max((source for source in order["sources"] if path.startswith(os.path.join(source, ""))), key=len)
    name = os.path.relpath(path, source)[: -len(".py")].replace(os.sep, ".")
    return name if all(part.isidentifier() for part in name.split(".")) else None


def discovered(order):
    """Like `python -m unittest discover`: packages, from the top; and folders named `test` or `tests`, packages or not."""
    found = []
    for source in order["sources"]:
        entered = {source}
        for folder, folders, names in walk(source):
            if folder not in entered:
                continue
            for name in folders:
                path = os.path.join(folder, name)
                is_package = os.path.isfile(os.path.join(path, "__init__.py"))
                is_below_tests = any(part in ("test", "tests") for part in os.path.relpath(path, source).split(os.sep))
                if is_package or is_below_tests:
                    entered.add(path)
            found += [os.path.join(folder, name) for name in names if is_test_name(name)]
    return list(dict.fromkeys(found))


def case_ids(module, names_of):
    """The tests that a module's classes hold, whatever its `load_tests` says."""
    ids = []
    for value in list(vars(module).values()):
        if isinstance(value, type) and issubclass(value, unittest.TestCase) and value not in (unittest.TestCase, unittest.FunctionTestCase):
            ids += ["%s.%s.%s" % (value.__module__, value.__qualname__, name) for name in names_of(value)]
    return ids


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def result_class(emit, describe):
    class Result(unittest.TestResult):
        def tell(self, test, when, outcome, exc=None, note="", xfail=False):
            emit("phase", id=test.id(), when=when, outcome=outcome, xfail=xfail, exc=exc and describe(*exc), note=first_line(note))

        def startTest(self, test):
            super().startTest(test)
            emit("begin", id=test.id())

        def stopTest(self, test):
            super().stopTest(test)
            emit("finish", id=test.id())

        def addSuccess(self, test):
            super().addSuccess(test)
            self.tell(test, "call", "passed")

        def addFailure(self, test, err):
            super().addFailure(test, err)
            self.tell(test, where_raised(err[2]), "failed", err)

        def addError(self, test, err):
            super().addError(test, err)
            if isinstance(test, unittest.TestCase):
                self.tell(test, where_raised(err[2]), "failed", err)
            else:
                emit("held", what=str(test), outcome="failed", exc=describe(*err), note="")

        def addSubTest(self, test, subtest, err):
            super().addSubTest(test, subtest, err)
            if err is not None:
                self.tell(test, "sub", "failed", err)

        def addSkip(self, test, reason):
            super().addSkip(test, reason)
            if isinstance(test, unittest.TestCase):
                # A skipped subtest is reported under its own object; it says nothing about the rest of its test.
                owner = getattr(test, "test_case", None)
                self.tell(owner or test, "sub" if owner else "call", "skipped", note=str(reason))
            else:
                emit("held", what=str(test), outcome="skipped", exc=None, note=first_line(str(reason)))

        def addExpectedFailure(self, test, err):
            super().addExpectedFailure(test, err)
            self.tell(test, "call", "skipped", err, xfail=True)

        def addUnexpectedSuccess(self, test):
            super().addUnexpectedSuccess(test)
            self.tell(test, "call", "failed", note="unexpected success")

    return Result


def main():
    leave = os._exit
    order = read_order()
    emit = open_report()
    emit("start")
    describe = describer(order)
    loader = unittest.TestLoader()
    names_of, load_module, load = loader.getTestCaseNames, importlib.import_module, loader.loadTestsFromModule
    load_class = loader.loadTestsFromTestCase
    suite_class, result = unittest.TestSuite, result_class(emit, describe)()
    enter_tree(order)
    files, own = wanted_files(order, is_test_name)
    files = discovered(order) + own if files is None else files
    canary, wanted = order["canary"], order["tests"] and set(order["tests"])
    n_broken, groups = 0, []

    def is_wanted(id):
        return order["tests"] is None or id in wanted or (canary is not None and canary in id)

    for path in dict.fromkeys(files):
        what = os.path.relpath(path, order["tree"])
        name = module_name(order, path)
        folder = os.path.dirname(path)
        if not os.path.isfile(os.path.join(folder, "__init__.py")) and folder not in sys.path:
            sys.path.append(folder)
        try:
            if name is None:
                raise ImportError("`%s` is no module name" % what)
            module = load_module(name)
            tests = list(flatten(load(module)))
        except unittest.SkipTest as skip:
            emit("skipped_file", what=what, detail=first_line(str(skip)))
            continue
        except BaseException:
            kind, error, trace = sys.exc_info()
            emit("not_collected", what=what, holds_canary=holds_canary(order, what), detail="", exc=describe(kind, error, trace))
            n_broken += 1
            continue
        kept = []
        for test in tests:
            if type(test).__name__ == "_FailedTest":
                emit("not_collected", what=what, holds_canary=holds_canary(order, what), detail="`load_tests` raised", exc=None)
                n_broken += 1
            elif is_wanted(test.id()):
                kept.append(test)
        ids = [test.id() for test in tests]
        # A `load_tests` that names its classes cannot know the guard's own.
        for value in list(vars(module).values()):
            if tests and canary is not None and isinstance(value, type) and issubclass(value, unittest.TestCase) and canary in value.__name__.lower():
                own_tests = [test for test in flatten(load_class(value)) if test.id() not in ids]
                kept += own_tests
                ids += [test.id() for test in own_tests]
        for id in case_ids(module, names_of):
            if id not in ids and is_wanted(id):
                emit("left_out", id=id, detail="left out by `load_tests`")
        groups.append(kept)

    if order["seed"] is not None:
        chance = random.Random(order["seed"])
        chance.shuffle(groups)
        for group in groups:
            classes = {}
            for test in group:
                classes.setdefault(type(test), []).append(test)
            shuffled = list(classes.values())
            chance.shuffle(shuffled)
            for tests in shuffled:
                chance.shuffle(tests)
            group[:] = [test for tests in shuffled for test in tests]

    def is_canary(test):
        return canary is not None and canary in test.id()

    groups.sort(key=lambda group: any(is_canary(test) for test in group))
    ordered = [test for group in groups for test in sorted(group, key=is_canary)]
    for test in ordered:
        emit("plan", id=test.id())
    suite_class(ordered).run(result)
    for name, file in foreign_modules(order):
        emit("foreign", name=name, file=file)
    status = 0 if result.wasSuccessful() and not n_broken else 1
    if status == 0 and not ordered:
        status = 5
    sys.stdout.flush()
    sys.stderr.flush()
    emit("end", status=status)
    # Not through `sys.exit`: what a test left to run at exit could change the status.
    leave(status)


main()
