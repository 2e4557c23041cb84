//! What must hold of any report: see [`crate::fuzzing`].

use std::path::Path;

use super::bats::tap;
use super::cargo::libtest;
use super::go::output;
use super::{Canary, events, javascript, junit, python, ruby};
use crate::suite::process::{End, Finished};

/// Gives the bytes to every reader of reports, as what a runner said that ended well and as what one said that did not.
pub fn reports(data: &[u8]) {
    let canary = Canary {
        name: "koan_0123456789abcdef".to_owned(),
        nonce: "fedcba98765432100123456789abcdef".to_owned(),
    };
    let knows = |secret: &str| {
        data.windows(secret.len())
            .any(|window| window == secret.as_bytes())
    };
    let _ = junit::Cases::default().read(data);
    for end in [End::Exit(0), End::Exit(1), End::Signal(9), End::TimedOut] {
        let finished = Finished {
            end,
            stdout: data.to_vec(),
            stderr: data.to_vec(),
            report: data.to_vec(),
            truncated: false,
        };
        for dialect in [&python::DIALECT, &javascript::DIALECT, &ruby::MINITEST] {
            let run = events::read(&finished, Some(&canary), dialect);
            // Damaged text may still hold the nonce in another spelling of JSON.
            if !knows(&canary.nonce) && !knows("\\u") {
                assert!(!run.distrust.is_empty(), "believed without the canary");
            }
        }
        let _ = tap::read(&finished, Some(("a test", &canary)));
        let _ = output::list(&finished, Some(&canary));
        let _ = output::read(&finished, "TestA", Some(&canary), Path::new("/tree"));
        let _ = libtest::list(&finished);
        let read = libtest::read(&finished, "tests::a", Some("tests::koan_0123456789abcdef"));
        if end == End::Exit(0) {
            // Beside a test of the guard's own, which fails, no process ends well.
            assert!(read.is_err(), "believed although the canary did not fail");
        }
    }
    let _ = (tap::files(data), tap::tests(data));
}
