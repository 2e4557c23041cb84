//! Real packages from real registries, installed by `setup`. Slow, and in need of a network.

#![cfg(feature = "slow-tests")]

use std::env;

use crate::support::Repo;

/// Settings of the machine that lead to its registries.
const PASSED: &[&str] = &[
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "PIP_FIND_LINKS",
    "CARGO_HTTP_CAINFO",
];

#[track_caller]
fn check_accepted(repo: &Repo, said: &[&str]) {
    let mut command = repo.guard_command(["check", "HEAD"]);
    for name in PASSED {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    // Configuration files of the user's are found by `HOME`, which is another one here.
    if let Some(home) = env::var_os("HOME") {
        let npmrc = std::path::Path::new(&home).join(".npmrc");
        if npmrc.is_file() {
            command.env("npm_config_userconfig", npmrc);
        }
    }
    let answer = repo.answer_of(&mut command);
    assert!(answer.starts_with("exit: 0\n"), "{answer}");
    for said in said {
        assert!(answer.contains(said), "{said}: {answer}");
    }
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn a_django_project_on_postgres() {
    let repo = Repo::empty();
    repo.write(
        ".koan-guard.yaml",
        "\
version: 1
extends: [default, python]
proof:
  runner: pytest
  timeout: 300s
  setup:
    - python3 -m venv .venv
    - .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
  services:
    - preset: postgres
",
    )
    .write(
        "requirements.txt",
        "django>=4.2,<6\npsycopg[binary]>=3.1\npytest>=8,<10\npytest-django>=4.8\n",
    )
    .write(
        "pytest.ini",
        "[pytest]\nDJANGO_SETTINGS_MODULE = site_settings\npythonpath = .\n",
    )
    .write(
        "site_settings.py",
        "\
import os

SECRET_KEY = 'for tests'
INSTALLED_APPS = ['shop']
DEFAULT_AUTO_FIELD = 'django.db.models.AutoField'
DATABASES = {
    'default': {
        'ENGINE': 'django.db.backends.postgresql',
        'NAME': os.environ['PGDATABASE'],
        'USER': os.environ['PGUSER'],
        'HOST': os.environ['PGHOST'],
        'PORT': os.environ['PGPORT'],
    }
}
",
    )
    .write("shop/__init__.py", "")
    .write(
        "shop/models.py",
        "\
from django.db import models


class Price(models.Model):
    name = models.CharField(max_length=20)
    value = models.IntegerField()
    tags = models.JSONField(default=list)


def total():
    return Price.objects.aggregate(total=models.Sum('value'))['total']


def tagged(tag):
    return Price.objects.filter(tags__contains=[tag]).count()
",
    )
    .write(
        "tests/test_shop.py",
        "\
import pytest

from shop.models import Price, tagged, total


@pytest.mark.django_db
def test_two_prices():
    Price.objects.create(name='a', value=1, tags=['new'])
    Price.objects.create(name='b', value=2)
    assert total() == 3
    assert tagged('new') == 1
",
    )
    .commit("feat: prices of a shop");
    let models = repo.read("shop/models.py");
    let test = repo.read("tests/test_shop.py");
    repo.write(
        "shop/models.py",
        &models.replace("['total']\n", "['total'] or 0\n"),
    )
    .write(
        "tests/test_shop.py",
        &format!(
            "{test}\n\n@pytest.mark.django_db\ndef test_no_prices():\n    assert total() == 0\n"
        ),
    )
    .commit("fix: total of an empty shop");
    let said = [
        "FAIL_TO_PASS  tests/test_shop.py::test_no_prices",
        "installed by `python3 -m venv .venv`",
        "beside service postgres: postgres (PostgreSQL)",
    ];
    check_accepted(&repo, &said);
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn an_editable_install_leads_to_the_tree_under_test() {
    let repo = Repo::empty();
    let source = "import six\n\n\ndef total(prices):\n    result = prices[0]\n    for price in prices[1:]:\n        result += price\n    return six.ensure_str(str(result))\n";
    let test = "from cart import total\n\n\ndef test_of_two():\n    assert total([1, 2]) == '3'\n";
    repo.write(
        ".koan-guard.yaml",
        "\
version: 1
extends: [default, python]
proof:
  runner: pytest
  setup:
    - python3 -m venv .venv
    - .venv/bin/pip install --quiet --disable-pip-version-check -e . 'pytest>=8,<10'
",
    )
    .write(
        "pyproject.toml",
        "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n\n[project]\nname = 'cart'\nversion = '1'\ndependencies = ['six']\n\n[tool.setuptools.packages.find]\nwhere = ['src']\n",
    )
    .write("src/cart/__init__.py", source)
    .write("tests/test_cart.py", test)
    .commit("feat: total of a cart");
    let fixed = source
        .replace("prices[0]", "0")
        .replace("prices[1:]", "prices");
    repo.write("src/cart/__init__.py", &fixed)
        .write(
            "tests/test_cart.py",
            &format!("{test}\n\ndef test_of_nothing():\n    assert total([]) == '0'\n"),
        )
        .commit("fix: total of an empty cart");
    check_accepted(
        &repo,
        &["FAIL_TO_PASS  tests/test_cart.py::test_of_nothing"],
    );
}

#[test]
#[cfg_attr(not(feature = "slow-tests"), ignore = "slow")]
fn crates_are_fetched_once_and_built_without_a_network() {
    let repo = Repo::rust_sample();
    let manifest = repo.read("Cargo.toml") + "\n[dependencies]\nitoa = \"=1.0.15\"\n";
    let policy = repo.read(".koan-guard.yaml") + "  setup: [cargo fetch]\n";
    repo.write("Cargo.toml", &manifest)
        .write(".koan-guard.yaml", &policy)
        .remove("Cargo.lock");
    repo.write(".gitignore", "/target\nCargo.lock\n")
        .commit("build: itoa");
    let source = repo.read("src/lib.rs");
    let broken = source.replace(
        "prices[0] + prices[1..].iter().sum::<u32>()",
        "let sum = prices[0] + prices[1..].iter().sum::<u32>();\n    itoa::Buffer::new().format(sum).len() as u32 * 0 + sum",
    );
    assert_ne!(source, broken);
    repo.write("src/lib.rs", &broken).commit("feat: by itoa");
    let of_nothing =
        "\n    #[test]\n    fn of_nothing() {\n        assert_eq!(total(&[]), 0);\n    }\n}\n";
    let fixed = broken.replace("prices[0] + prices[1..].iter()", "prices.iter()");
    let fixed = fixed.trim_end().trim_end_matches('}').to_owned() + of_nothing;
    repo.write("src/lib.rs", &fixed)
        .commit("fix: total of an empty cart");
    check_accepted(
        &repo,
        &[
            "FAIL_TO_PASS  cart tests::of_nothing",
            "installed by `cargo fetch`",
        ],
    );
}
