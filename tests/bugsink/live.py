"""Feeds a real Bugsink through the real sentry-sdk with the bugs of `tests/fixtures/errors/shopapp`, and lets koan-guard read it.

usage: python3 tests/bugsink/live.py KOAN_GUARD [FOLDER]

Takes a few minutes and the network (PyPI: bugsink, sentry-sdk), and libfaketime, so that server and application live through the two weeks that
`drive.py` plans. What must hold: one bug is never split, and the grouping's pairwise F1 is at least 0.908. The truth is the bug's name, noted for each
event as it is sent. Each bug is read from a copy of the database that holds its events alone, so that it is known of every event what it is called. Last,
one error gets a fix, and the server is told.
"""

import collections
import glob
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
SHOP = os.path.join(HERE, "..", "fixtures", "errors", "shopapp")
LEAST_F1 = 0.908
NOW = "2026-11-22T18:30:00Z"

# Runs `drive.py` with the name of each event's bug noted before it is taken away.
DRIVER = """
import json, os, sys
sys.path.insert(0, os.getcwd())
truth = open(os.environ["TRUTH"], "a", buffering=1)
import drive
before = drive.before_send
def before_send(event, hint):
    kind = event.get("tags", {}).get("kind")
    truth.write(json.dumps([event["event_id"].replace("-", ""), kind]) + "\\n")
    return before(event, hint)
drive.before_send = before_send
drive.main()
"""


def faketime():
    for pattern in ["/usr/lib*/faketime/libfaketimeMT.so.1", "/usr/lib*/*/faketime/libfaketimeMT.so.1", "/usr/local/lib/faketime/libfaketimeMT.so.1"]:
        found = glob.glob(pattern)
        if found:
            return found[0]
    sys.exit("libfaketime is missing: install faketime")


def application(folder):
    """The shop with its keys spelt as real ones are: in the repository they begin with another letter, so that no scanner takes them for keys."""
    app = os.path.join(folder, "app")
    shutil.copytree(SHOP, app, ignore=shutil.ignore_patterns("__pycache__"))
    for path in glob.glob(os.path.join(app, "**", "*.py"), recursive=True):
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(text.replace("zk" + "_test_", "sk" + "_test_"))
    return app


def python_in(folder):
    python = os.path.join(folder, "venv", "bin", "python")
    if subprocess.run([python, "-c", "import bugsink, sentry_sdk"], capture_output=True).returncode if os.path.exists(python) else True:
        venv.create(os.path.join(folder, "venv"), with_pip=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "bugsink>=2.6,<3", "sentry-sdk>=2.75,<3"]
        subprocess.run(pip, check=True)
    return python


class Bugsink:
    """A server of one project, in a folder of its own."""

    def __init__(self, folder, python, port):
        self.folder, self.url = folder, f"http://127.0.0.1:{port}"
        self.bin = os.path.dirname(python)
        self.clock = os.path.join(folder, "clock.rc")
        self.database = os.path.join(folder, "db.sqlite3")
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SENTRY_")},
            "PATH": self.bin + os.pathsep + os.environ["PATH"],
            "DATABASE_PATH": self.database,
            "SNAPPEA_DATABASE_PATH": os.path.join(folder, "snappea.sqlite3"),
        }
        self.run("bugsink-create-conf", "--template=local", "--host=127.0.0.1", f"--port={port}", "-o", "bugsink_conf.py")
        with open(os.path.join(folder, "bugsink_conf.py")) as file:
            conf = file.read()
        with open(os.path.join(folder, "bugsink_conf.py"), "w") as file:
            file.write(conf.replace("BUGSINK = {", 'BUGSINK = {\n    "PHONEHOME": False,', 1))
        self.run("bugsink-manage", "migrate")
        self.run("bugsink-manage", "migrate", "snappea", "--database=snappea")
        with open(self.clock, "w") as file:
            file.write("2026-11-08 08:00:00\n")
        self.env |= {
            "LD_PRELOAD": faketime(),
            "FAKETIME_TIMESTAMP_FILE": self.clock,
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.token = self.run("bugsink-manage", "create_auth_token").split()[-1]
        make = (
            "from teams.models import Team; from projects.models import Project; t,_=Team.objects.get_or_create(name='T'); "
            "p,_=Project.objects.get_or_create(name='shop', team=t); print(p.dsn, p.id)"
        )
        self.dsn, self.project = self.run("bugsink-manage", "shell", "-v", "0", "-c", make).split()[-2:]
        with open(os.path.join(folder, "server.log"), "w") as log:
            self.server = subprocess.Popen(
                [os.path.join(self.bin, "bugsink-manage"), "runserver", "--noreload", f"127.0.0.1:{port}"],
                cwd=folder, env=self.env, stdout=log, stderr=log)
        for _ in range(600):
            try:
                urllib.request.urlopen(self.url + "/health/ready", timeout=5).read()
                return
            except OSError:
                time.sleep(0.2)
        sys.exit("Bugsink does not start")

    def run(self, program, *args):
        done = subprocess.run([os.path.join(self.bin, program), *args], cwd=self.folder, env=self.env, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{program} {args}: {done.stderr}")
        return done.stdout

    def feed(self, app, truth):
        env = {**self.env, "TRUTH": truth}
        args = [self.dsn, self.clock, self.url, self.token, self.project]
        subprocess.run([os.path.join(self.bin, "python"), "-c", DRIVER, *args], cwd=app, env=env, check=True, stdout=subprocess.DEVNULL)


class Shop:
    """A repository of the application, whose policy names a source."""

    def __init__(self, folder, guard, source, token="", more=""):
        self.folder, self.guard, self.token = folder, guard, token
        shutil.copytree(os.path.join(SHOP, "shop"), os.path.join(folder, "shop"), ignore=shutil.ignore_patterns("__pycache__"))
        with open(os.path.join(folder, ".koan-guard.yaml"), "w") as file:
            file.write(f"version: 1\nextends: [default, python]\nsources: [{source}]\n{more}proof: {{runner: none}}\n")
        person = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
        for args in [["init", "-q", "-b", "main"], ["add", "-A"], [*person, "commit", "-q", "-m", "feat: a shop"]]:
            subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True)

    def git(self, *args, text=None):
        env = {**os.environ, "GIT_COMMITTER_DATE": NOW, "GIT_AUTHOR_DATE": NOW}
        person = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
        return subprocess.run(["git", *person, *args], cwd=self.folder, env=env, input=text, check=True, capture_output=True, text=True).stdout.strip()

    def fix(self, issue):
        """A commit, and the line of the issue's log that says that it fixes it, as `run` writes it."""
        self.git("commit", "--allow-empty", "-q", "-m", "fix: an error of production")
        fix = self.git("rev-parse", "HEAD")
        line = {"v": 1, "n": 1, "at": NOW, "id": "0123456789abcdef", "by": "a@example.com", "op": "fixed", "commit": fix}
        blob = self.git("hash-object", "-w", "--stdin", text=json.dumps(line, separators=(",", ":")) + "\n")
        version, digits = issue.split(":")
        tree = blob
        for mode, name in [("100644 blob", digits[2:]), ("040000 tree", digits[:2]), ("040000 tree", version)]:
            tree = self.git("mktree", text=f"{mode} {tree}\t{name}\n")
        self.git("update-ref", "refs/koan/triage", self.git("commit-tree", "-m", "triage", tree))
        return fix

    def say(self, *args):
        env = {**os.environ, "ERRORS_TOKEN": self.token, "PUBLISH_TOKEN": self.token}
        done = subprocess.run([self.guard, *args], cwd=self.folder, env=env, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"koan-guard {args}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def digest(self):
        return json.loads(self.say("extract", "--now", NOW, "--since", "20d", "--most", "1000", "--format", "json"))


def pairs(n):
    return n * (n - 1) // 2


def judge(table):
    """Pairwise precision, recall and F1 of `{bug: {fingerprint: events}}`, bugs that are split, and groups of more than one bug."""
    groups = collections.Counter()
    members = collections.defaultdict(set)
    for bug, names in table.items():
        for name, n in names.items():
            groups[name] += n
            members[name].add(bug)
    both = sum(pairs(n) for names in table.values() for n in names.values())
    together = sum(pairs(n) for n in groups.values())
    of_one_bug = sum(pairs(sum(names.values())) for names in table.values())
    precision, recall = both / together, both / of_one_bug
    split = sorted(bug for bug, names in table.items() if len(names) > 1)
    mixed = sorted(sorted(bugs) for bugs in members.values() if len(bugs) > 1)
    return precision, recall, 2 * precision * recall / (precision + recall), len(groups), split, mixed


def main():
    guard = os.path.abspath(sys.argv[1])
    folder = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else tempfile.mkdtemp(prefix="koan-bugsink-")
    os.makedirs(folder, exist_ok=True)
    python = python_in(folder)
    place = tempfile.mkdtemp(prefix="bugsink-", dir=folder)
    bugsink = Bugsink(place, python, 8123)
    truth = os.path.join(place, "truth.jsonl")
    try:
        bugsink.feed(application(place), truth)
        api = os.path.join(place, "api")
        source = f"{{name: bugsink, kind: sentry, url: '{bugsink.url}', project: '{bugsink.project}', token_env: ERRORS_TOKEN, in_app: ['shop/**']}}"
        more = "triage: {publish: {source: bugsink, token_env: PUBLISH_TOKEN}}\n"
        shop = Shop(api, guard, source, bugsink.token, more)
        by_api = shop.digest()
        brief = shop.say("brief", by_api["errors"][0]["fingerprint"], "--now", NOW)
        ended = min(by_api["errors"], key=lambda one: one["last_seen"])["fingerprint"]
        fix = shop.fix(ended)
        published = shop.say("triage", "publish", ended, "--now", NOW)
    finally:
        bugsink.server.terminate()
        bugsink.server.wait()
    bugs = dict(json.loads(line) for line in open(truth))
    told = sqlite3.connect(bugsink.database).execute(
        "SELECT count(DISTINCT i.id) FROM issues_issue i JOIN issues_turningpoint t ON t.issue_id = i.id WHERE i.is_resolved AND t.comment LIKE ?",
        [f"Fixed by commit {fix}%"]).fetchone()[0]
    print(f"publish: {published.strip()}; {told} issues of Bugsink are resolved with that comment")
    source = "{name: bugsink, kind: sqlite, path: db.sqlite3, preset: bugsink, in_app: ['shop/**']}"
    shop = Shop(os.path.join(place, "database"), guard, source)
    copy = os.path.join(shop.folder, "db.sqlite3")
    whole = sqlite3.connect(bugsink.database)
    table = {}
    for bug in sorted(set(bugs.values())):
        if os.path.exists(copy):
            os.remove(copy)
        one = sqlite3.connect(copy)
        whole.backup(one)
        one.execute("PRAGMA journal_mode = DELETE")
        ids = [(event,) for event, kind in bugs.items() if kind == bug]
        one.execute("CREATE TEMP TABLE its(id TEXT PRIMARY KEY)")
        one.executemany("INSERT INTO its VALUES (?)", ids)
        one.execute("PRAGMA foreign_keys = OFF")
        one.execute("DELETE FROM events_event WHERE replace(event_id, '-', '') NOT IN (SELECT id FROM its)")
        one.commit()
        one.close()
        table[bug] = {error["fingerprint"]: error["count"] for error in shop.digest()["errors"]}
        print(f"{bug}: {table[bug]}", file=sys.stderr)
    n_events = sum(sum(names.values()) for names in table.values())
    precision, recall, f1, n_groups, split, mixed = judge(table)
    print(f"{len(bugs)} events sent, {n_events} read, {len(table)} bugs")
    print(f"groups {n_groups}, precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f}, split {split}, mixed {mixed}")
    print(f"over the web interface: {by_api['n_errors']} errors of {sum(one['count'] for one in by_api['errors'])} events, brief of {len(brief)} bytes")
    leaks = re.findall(r"\b4111 1111|[sz]k_test_[0-9a-f]{8}|@example\.(?:org|com)\b", json.dumps(by_api) + brief)
    wrong = {
        "bugs are split": split,
        f"F1 is below {LEAST_F1}": f1 < LEAST_F1,
        "events are missing": n_events != len(bugs),
        "secrets came through": leaks,
        "Bugsink was not told of the fix": told == 0,
    }
    wrong = [f"{what}: {found}" for what, found in wrong.items() if found]
    if wrong:
        sys.exit("\n".join(wrong))


main()
