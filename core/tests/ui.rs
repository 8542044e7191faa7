//! What must not compile, and what the compiler says of it: `ui/*.stderr`.

#[test]
fn what_must_not_compile_does_not() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
