//! Conditions over peers, asked of real ones on the loopback interface.

mod evaluation;

use evaluation::{condition_of, evaluate};
use health_conditions::{dns, tcp};
use health_core::{Scope, condition::Scoped};
use tokio::net::TcpListener;

#[tokio::test]
async fn tcp_passes_while_somebody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut condition = condition_of(tcp(&address.to_string()).unwrap());
    assert_eq!(evaluate(&mut condition).await, "");
    let (accepted, _) = listener.accept().await.unwrap();

    drop((accepted, listener));
    let reason = evaluate(&mut condition).await;
    let expected = format!("cannot connect to {address}: Connection refused");
    assert!(reason.starts_with(&expected), "{reason}");
}

#[tokio::test]
async fn tcp_resolves_names() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut condition = condition_of(tcp(&format!("localhost:{port}")).unwrap());
    assert_eq!(evaluate(&mut condition).await, "");

    let mut nowhere = condition_of(tcp("nowhere.invalid:80").unwrap());
    let reason = evaluate(&mut nowhere).await;
    assert!(reason.starts_with("cannot connect to nowhere.invalid:80: "), "{reason}");
}

#[tokio::test]
async fn dns_passes_for_a_name_that_is_there() {
    assert_eq!(evaluate(&mut condition_of(dns("localhost").unwrap())).await, "");
    // RFC 6761 §6.4: nobody has it, and nobody ever will.
    let reason = evaluate(&mut condition_of(dns("nowhere.invalid").unwrap())).await;
    assert!(reason.starts_with("cannot resolve nowhere.invalid: "), "{reason}");
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let long = "x".repeat(254);
    for name in
        ["", " ", "a b", "a\n", ".", "a..b", ".a", "a..", "host:80", "http://host", "[::1]", &*long]
    {
        let error = dns(name).map(drop).unwrap_err().to_string();
        assert!(error.contains("write a host name alone") && error.len() < 200, "{error}");
    }
    for address in ["host", " host:80", &*format!("{long}:80")] {
        let error = tcp(address).map(drop).unwrap_err().to_string();
        assert!(error.contains("write host:port") && error.len() < 200, "{error}");
    }
}

#[test]
fn what_may_contain_a_password_is_refused_without_being_repeated() {
    let url = "postgres://greet:secret@host:5432";
    for error in [tcp(url).map(drop), tcp("greet:secret@host:80").map(drop), dns(url).map(drop)] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains("write ") && !error.contains("secret"), "{error}");
    }
}

#[test]
fn what_others_depend_on_too_is_shared_and_named_after_what_it_asks() {
    let (name, scope, _) = tcp("inventory.internal:443").unwrap().into_parts();
    assert_eq!((&*name, scope), ("tcp inventory.internal:443", Scope::Shared));
    let (name, scope, _) = dns("inventory.internal").unwrap().into_parts();
    assert_eq!((&*name, scope), ("dns inventory.internal", Scope::Shared));
    let (name, scope, _) = dns("inventory.internal").unwrap().named("inventory").into_parts();
    assert_eq!((&*name, scope), ("inventory", Scope::Shared));
}
