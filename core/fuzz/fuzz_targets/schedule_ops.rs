#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| health_core_fuzz::schedule_operations(input));
