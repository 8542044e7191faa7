//! A database that is down must not restart every process of the fleet.

use std::time::Duration;

use health_core::{
    Reason,
    condition::{Condition, MonitorBuilder, Shared, every},
};

struct Postgres;

impl Condition for Postgres {
    async fn evaluate(&mut self) -> Result<(), Reason> {
        Ok(())
    }
}

fn add(builder: MonitorBuilder) -> MonitorBuilder {
    builder.liveness(Shared::new("postgres", Postgres), every(Duration::from_secs(10)))
}

fn main() {}
