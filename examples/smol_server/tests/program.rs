//! The program as an operator starts and stops it.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};

#[test]
fn a_closed_standard_output_does_not_spoil_the_drain() {
    let mut server = program("127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on 127.0.0.1:"), "{line}");
    let id = server.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

#[test]
fn an_address_that_cannot_be_had_is_an_error_that_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let rows = [
        (taken.as_str(), "choose another one", "IP:PORT"),
        ("127.0.0.1", "write IP:PORT", "another one"),
        ("127.0.0.1:99999", "write IP:PORT", "another one"),
        ("192.0.2.1:0", "", "another one"),
    ];
    for (address, told, not_told) in rows {
        let output = program(address).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{address}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with(&format!("error: cannot listen on {address}: ")), "{error}");
        assert!(error.contains(told) && !error.contains(not_told), "{error}");
    }
}

fn program(address: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_health-example-smol-server"));
    command.args(["--grace", "0", "--listen", address]);
    command
}
