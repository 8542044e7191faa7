//! What the programs print.

use std::{
    fmt::Arguments,
    io::{self, Write as _},
};

/// Prints a line, as `println!` does. That nobody reads it any more, as behind `| head -1`, is no reason
/// for a server to end.
#[macro_export]
macro_rules! say {
    ($($line:tt)*) => { $crate::output::print_line(::std::format_args!($($line)*)) };
}

/// Prints `line`, which [`say!`](crate::say) makes.
pub fn print_line(line: Arguments<'_>) {
    writeln!(io::stdout(), "{line}").ok();
}
