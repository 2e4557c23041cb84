# What follows drives pytest: a plugin that sends each phase's raw exception beside the outcome that pytest reports.

import random

import pytest

# Plugins that run tests again, elsewhere, in another order or not at all, or that fail a run for reasons of their own: by entry point, with
# their options (`=` where one takes a value). They are never loaded; where one is installed, its options and fixtures are known all the
# same, so that a configuration that names them still works.
BLOCKED = {
    "xdist": "-n= --numprocesses= --maxprocesses= --max-worker-restart= --dist= --tx= --px= --maxschedchunk= --rsyncdir= --rsyncignore="
    " --testrunuid= --loadscope-reorder --no-loadscope-reorder",
    "xdist.looponfail": "-f --looponfail",
    "rerunfailures": "--reruns= --reruns-delay= --only-rerun= --rerun-except= --fail-on-flaky",
    "flaky": "--force-flaky --no-flaky-report --no-success-flaky-report --max-runs= --min-passes=",
    "pytest-retry": "--retries= --retry-delay= --cumulative-timing=",
    "randomly": "--randomly-seed= --randomly-dont-reset-seed --randomly-dont-reorganize",
    "random_order": "--random-order --random-order-bucket= --random-order-seed=",
    "pytest_cov": "--cov? --cov-report= --cov-config= --cov-fail-under= --cov-context= --cov-precision= --cov-append --cov-branch --no-cov"
    " --no-cov-on-fail --cov-reset",
    "pytest_forked": "--forked --boxed",
    "testmon": "--testmon --testmon-noselect --testmon-nocollect --testmon-forceselect",
    "picked": "--picked? --mode= --parent-branch=",
}
INI = {"xdist": ["rsyncdirs", "rsyncignore", "looponfailroots"], "rerunfailures": ["reruns", "reruns_delay"],
       "pytest-retry": ["retries", "retry_delay", "cumulative_timing", "retry_outcome"]}
MARKERS = ["flaky(reruns): a test that may be tried again; here it is not", "xdist_group(name): unused", "no_cover: unused",
           "forked: unused", "random_order(disabled): unused"]


def pytest_plugin(order, emit, describe, blocked):
    collected, dropped, calling = {}, set(), []

    def facts(info):
        return info and describe(info.type, info.value, info.tb)

    def collection_facts(info):
        # pytest has an error of its own for a test module that cannot be imported.
        cause = info and isinstance(info.value, pytest.Collector.CollectError) and info.value.__cause__
        return describe(type(cause), cause, cause.__traceback__) if cause else facts(info)

    def is_wanted(item):
        return order["tests"] is None or item.nodeid in wanted or is_canary(item)

    def is_canary(item):
        return order["canary"] is not None and order["canary"] in item.nodeid

    wanted = set(order["tests"] or ())

    class Koan:
        def pytest_addoption(self, parser, pluginmanager):
            group = parser.getgroup("koan")
            names = {*blocked, *blocked.values()}
            consider = pluginmanager.consider_pluginarg
            # `-p NAME` in a configuration would lift the block.
            pluginmanager.consider_pluginarg = lambda arg: None if arg.strip() in names else consider(arg)
            for name, module in blocked.items():
                pluginmanager.set_blocked(name)
                pluginmanager.set_blocked(module)
                for option in BLOCKED[name].split():
                    if option[-1] == "=":
                        group._addoption(option[:-1], action="append")
                    elif option[-1] == "?":
                        group._addoption(option[:-1], action="append", nargs="?", const=True)
                    else:
                        group._addoption(option, action="store_true")
                for key in INI.get(name, ()):
                    parser.addini(key, "unused", type="args", default=[])

        @pytest.hookimpl(tryfirst=True)
        def pytest_load_initial_conftests(self, early_config):
            os.environ.pop("PYTEST_DISABLE_PLUGIN_AUTOLOAD", None)

        @pytest.hookimpl(trylast=True)
        def pytest_configure(self, config):
            for marker in MARKERS:
                config.addinivalue_line("markers", marker)
            patterns = config.getini("python_files")

            def is_test(name):
                from fnmatch import fnmatch

                return name.endswith(".py") and any(fnmatch(name, pattern.rpartition("/")[2]) for pattern in patterns)

            files, own = wanted_files(order, is_test)
            # An argument inside of another one is only collected by its name.
            for path in own:
                if not is_test(os.path.basename(path)):
                    config.addinivalue_line("python_files", os.path.basename(path))
            config.args = config.args + own if files is None else files

        def pytest_itemcollected(self, item):
            collected.setdefault(item.nodeid, item)

        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_make_collect_report(self, collector):
            report = (yield).get_result()
            info = getattr(getattr(report, "call", None), "excinfo", None)
            what = collector.nodeid or "."
            if report.outcome == "failed":
                text = str(report.longrepr).replace(os.path.join(order["tree"], ""), "")
                said = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")] or [first_line(text)]
                emit("not_collected", what=what, holds_canary=holds_canary(order, what), detail=said[0][:400], exc=collection_facts(info))
            elif report.outcome == "skipped":
                emit("skipped_file", what=what, detail=first_line(str(info.value)) if info else "")

        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_collection_modifyitems(self, session, config, items):
            yield
            kept = {}
            for item in items:
                if is_wanted(item):
                    kept.setdefault(item.nodeid, item)
            dropped.update(id for id, item in collected.items() if not is_wanted(item))
            # By file and class, so that fixtures of a module are not torn apart; the canary's file last, the canary last in it.
            groups = {}
            for item in kept.values():
                file, _, rest = item.nodeid.partition("::")
                groups.setdefault(file, {}).setdefault(rest.rpartition("::")[0], []).append(item)
            files = [[tests for tests in classes.values()] for classes in groups.values()]
            if order["seed"] is not None:
                chance = random.Random(order["seed"])
                chance.shuffle(files)
                for classes in files:
                    chance.shuffle(classes)
                    for tests in classes:
                        chance.shuffle(tests)
                flat = [[item for tests in classes for item in tests] for classes in files]
            else:
                by_file = {}
                for item in kept.values():
                    by_file.setdefault(item.nodeid.partition("::")[0], []).append(item)
                flat = list(by_file.values())
            flat.sort(key=lambda tests: any(is_canary(item) for item in tests))
            items[:] = [item for tests in flat for item in sorted(tests, key=is_canary)]

        @pytest.hookimpl(trylast=True)
        def pytest_collection_finish(self, session):
            chosen = {item.nodeid for item in session.items}
            for id in chosen - set(collected):
                emit("plan", id=id)
            for id in collected:
                if id in chosen:
                    emit("plan", id=id)
                elif id not in dropped:
                    emit("left_out", id=id, detail="deselected")

        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_runtest_protocol(self, item):
            emit("begin", id=item.nodeid)
            yield
            emit("finish", id=item.nodeid)

        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_runtest_call(self, item):
            calling.append(item)
            yield
            calling.clear()

        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_runtest_makereport(self, item, call):
            report = (yield).get_result()
            note = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
            when = report.when
            if when == "call" and call.excinfo:
                when = where_raised(call.excinfo.tb)
            said = {"xfail": True} if hasattr(report, "wasxfail") else {}
            if call.excinfo:
                said["exc"] = facts(call.excinfo)
            if isinstance(note, str):
                said["note"] = first_line(note)
            # A set-up that went well says nothing, and there are suites of a hundred thousand tests.
            if said or report.outcome != "passed" or when == "call" or calling:
                emit("phase", id=item.nodeid, when="sub" if calling else when, outcome=report.outcome, **said)

    return Koan()


def stand_in_fixtures():
    """What tests may ask of a blocked plugin."""
    fixtures = types.ModuleType("koan_fixtures")

    @pytest.fixture(scope="session")
    def worker_id():
        return "master"

    @pytest.fixture(scope="session")
    def testrun_uid():
        return "koan"

    fixtures.worker_id, fixtures.testrun_uid = worker_id, testrun_uid
    return fixtures


def installed_plugins():
    """The environment's plugins by entry point, those to load and those not to, with their modules. Taken before the tree is importable:
    a tree cannot add to them."""
    from importlib.metadata import distributions

    loaded, blocked = {}, {}
    for distribution in distributions():
        for entry in distribution.entry_points:
            if entry.group == "pytest11":
                plugins = blocked if entry.name in BLOCKED else loaded
                plugins[entry.name] = entry.value.partition(":")[0]
    return list(loaded), blocked


def main():
    leave = os._exit
    order = read_order()
    emit = open_report()
    emit("start")
    arguments = ["-q", "--tb=no", "--color=no", "--maxfail=0", "--continue-on-collection-errors", "--rootdir=" + order["tree"],
                 "-o", "required_plugins=", "-o", "cache_dir=" + os.path.join(os.environ["TMPDIR"], "pytest-cache")]
    loaded, blocked = installed_plugins()
    for name in loaded:
        arguments += ["-p", name]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    enter_tree(order)
    # Known to pytest from the beginning, because it looks for its configuration beside them; narrowed down once that is read.
    touched = [os.path.join(order["tree"], path) for path in order["files"] or ()]
    arguments += [path if path.endswith(".py") else os.path.dirname(path) for path in touched if os.path.exists(path)]
    if order["files"] is not None and not any(os.path.exists(path) for path in touched):
        arguments.append(order["tree"])
    plugins = [pytest_plugin(order, emit, describer(order), blocked)] + [stand_in_fixtures()] * ("xdist" in blocked)
    status = int(pytest.main(arguments, plugins=plugins))
    for name, file in foreign_modules(order):
        emit("foreign", name=name, file=file)
    sys.stdout.flush()
    sys.stderr.flush()
    emit("end", status=status)
    # Not through `sys.exit`: what a test left to run at exit could change the status.
    leave(status)


main()
