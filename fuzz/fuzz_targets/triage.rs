#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| koan_guard::fuzzing::logs(data));
