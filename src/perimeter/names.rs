//! File names that say what a file is, as data.

use gix::bstr::ByteSlice as _;

/// Files that name dependencies.
pub(super) const MANIFESTS: &[&str] = &[
    // Rust
    "cargo.toml",
    // Python
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "requirements*.txt",
    "requirements*.in",
    "requirements/*.txt",
    "requirements/*.in",
    "constraints*.txt",
    "pipfile",
    "environment.yml",
    "environment.yaml",
    // JavaScript
    "package.json",
    "pnpm-workspace.yaml",
    ".pnpmfile.cjs",
    "deno.json",
    "deno.jsonc",
    "bower.json",
    "jsr.json",
    // Go
    "go.mod",
    "go.work",
    // Ruby
    "gemfile",
    "gems.rb",
    "*.gemspec",
    // PHP
    "composer.json",
    // Java, Kotlin, Scala, Clojure
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "settings.gradle",
    "settings.gradle.kts",
    "libs.versions.toml",
    "ivy.xml",
    "build.sbt",
    "deps.edn",
    "project.clj",
    // .NET
    "*.csproj",
    "*.fsproj",
    "*.vbproj",
    "directory.packages.props",
    "directory.build.props",
    "directory.build.targets",
    "packages.config",
    "nuget.config",
    "paket.dependencies",
    // Elixir, Erlang
    "mix.exs",
    "rebar.config",
    // Swift, Dart, C++, Haskell, Nix
    "package.swift",
    "podfile",
    "pubspec.yaml",
    "vcpkg.json",
    "conanfile.txt",
    "conanfile.py",
    "*.cabal",
    "stack.yaml",
    "flake.nix",
];

/// Files that run when a project is built.
pub(super) const BUILD_SCRIPTS: &[&str] = &[
    // Rust, Python, Ruby
    "build.rs",
    "setup.py",
    "noxfile.py",
    "*.gemspec",
    "rakefile",
    // C, C++ and everything
    "makefile",
    "gnumakefile",
    "makefile.am",
    "*.mk",
    "cmakelists.txt",
    "*.cmake",
    "configure",
    "configure.ac",
    "meson.build",
    "build.zig",
    "*.bazel",
    "build.sh",
    "build.ps1",
    "justfile",
    "taskfile.yml",
    "taskfile.yaml",
    // JavaScript
    "webpack.config.*",
    "rollup.config.*",
    "vite.config.*",
    "esbuild.config.*",
    "babel.config.*",
    "gulpfile.*",
    "gruntfile.*",
    // Java, Kotlin, Scala
    "build.gradle",
    "build.gradle.kts",
    "settings.gradle",
    "settings.gradle.kts",
    "pom.xml",
    "build.xml",
    "build.sbt",
    // .NET
    "*.csproj",
    "*.fsproj",
    "*.vbproj",
    "*.targets",
    "*.props",
    "*.sln",
    // Elixir, Erlang, Swift, Haskell, Nix
    "mix.exs",
    "rebar.config",
    "package.swift",
    "setup.hs",
    "flake.nix",
];

/// Files that run when a project is installed, or that say what does.
pub(super) const INSTALL_SCRIPTS: &[&str] = &[
    "install.sh",
    "install.ps1",
    "uninstall.sh",
    "postinstall.*",
    "preinstall.*",
    "binding.gyp",
    "extconf.rb",
    ".pnpmfile.cjs",
    "debian/preinst",
    "debian/postinst",
    "debian/prerm",
    "debian/postrm",
    "debian/rules",
    "*.postinst",
    "*.preinst",
    "*.spec",
    "pkgbuild",
    "*.nsi",
    "*.wxs",
    "*.podspec",
];

/// Files that tools write: which versions exactly.
pub(super) const LOCKFILES: &[&str] = &[
    "cargo.lock",
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "pipfile.lock",
    "pylock.toml",
    "pylock.*.toml",
    "conda-lock.yml",
    "pixi.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "bun.lockb",
    "deno.lock",
    "go.sum",
    "go.work.sum",
    "gemfile.lock",
    "gems.locked",
    "composer.lock",
    "gradle.lockfile",
    "*.lockfile",
    "verification-metadata.xml",
    "packages.lock.json",
    "project.assets.json",
    "paket.lock",
    "mix.lock",
    "rebar.lock",
    "package.resolved",
    "podfile.lock",
    "pubspec.lock",
    "conan.lock",
    "cabal.project.freeze",
    "stack.yaml.lock",
    "flake.lock",
];

/// Folders of foreign or generated files.
pub(super) const VENDORED_FOLDERS: &[&str] = &[
    "vendor",
    "node_modules",
    "third_party",
    "third-party",
    "thirdparty",
    "bower_components",
    "site-packages",
    ".venv",
    "__pycache__",
];

/// Names of files that tools write.
pub(super) const GENERATED_FILES: &[&str] = &[
    "*.min.js",
    "*.min.css",
    "*.min.mjs",
    "*.js.map",
    "*.css.map",
    "*_pb2.py",
    "*_pb2.pyi",
    "*_pb2_grpc.py",
    "*.pb.go",
    "*.pb.cc",
    "*.pb.h",
    "*.pb.rs",
    "*_pb.js",
    "*_pb.ts",
    "*_pb.d.ts",
    "*_pb.rb",
    "*.g.dart",
    "*.freezed.dart",
    "*.designer.cs",
    "*.g.cs",
    "*.generated.cs",
    "*.generated.ts",
    "*.generated.go",
    "*_generated.go",
    "zz_generated.*.go",
];

/// Whether the lower-case `path` matches one of `patterns`: a file name, or a folder and a name; each with at most one `*`.
pub(super) fn is_one_of(path: &[u8], patterns: &[&str]) -> bool {
    let name = path.rfind_byte(b'/').map_or(path, |at| &path[at + 1..]);
    patterns.iter().any(|pattern| {
        let n_slashes = pattern.bytes().filter(|&byte| byte == b'/').count();
        // Most are plain names.
        if n_slashes == 0
            && !pattern.starts_with('*')
            && pattern.bytes().next() != name.first().copied()
        {
            return false;
        }
        let mut slashes = path
            .iter()
            .enumerate()
            .rev()
            .filter(|&(_, &byte)| byte == b'/');
        let tail = slashes
            .nth(n_slashes)
            .map_or(path, |(at, _)| &path[at + 1..]);
        match pattern.split_once('*') {
            None => tail == pattern.as_bytes(),
            Some((head, end)) => {
                tail.len() >= head.len() + end.len()
                    && tail.starts_with(head.as_bytes())
                    && tail.ends_with(end.as_bytes())
                    && !tail[head.len()..tail.len() - end.len()].contains(&b'/')
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, patterns: &[&str], expected: bool) {
        assert_eq!(is_one_of(path.as_bytes(), patterns), expected, "{path}");
    }

    #[test]
    fn a_name_is_matched_in_every_folder() {
        check("cargo.lock", LOCKFILES, true);
        check("a/b/cargo.lock", LOCKFILES, true);
        check("a/mycargo.lock", LOCKFILES, false);
        check("cargo.lock/a", LOCKFILES, false);
    }

    #[test]
    fn a_star_stands_for_part_of_a_name() {
        check("a/requirements-dev.txt", MANIFESTS, true);
        check("a/requirements/dev.txt", MANIFESTS, true);
        check("requirements/a/dev.txt", MANIFESTS, false);
        check("a/x.csproj", MANIFESTS, true);
        check("docs/mix.exs.md", MANIFESTS, false);
        check("a/my-requirements-dev.txt", MANIFESTS, false);
    }
}
