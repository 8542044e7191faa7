#![doc = include_str!("docs/crate.md")]

// The tests here and those in `tests` share their clock, which names the crate as those do.
#[cfg(test)]
extern crate self as health_core;

mod cell;
mod code;
pub mod condition;
pub mod drain;
pub mod dubbo;
mod elapsed;
mod error;
mod hold;
#[cfg(feature = "http")]
pub mod http;
pub mod probe;
mod reason;
mod registry;
pub mod rpc;
pub mod rt;
mod status;
mod sync;
mod traffic;
mod transition;
mod watch;

pub use code::Code;
pub use error::{ConfigError, RpcError, TooManyWatchers};
pub use hold::Hold;
pub use reason::Reason;
pub use registry::{
    ConditionState, Group, Heartbeat, Overall, Registry, RegistryBuilder, ServiceState, Signal,
    Update,
};
pub use status::{Finding, OVERALL, Scope, ServingStatus};
pub use traffic::{RunningCall, Traffic};
pub use transition::{Cause, Transition, Transitions};
pub use watch::Watch;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_types_cross_threads_and_stay_small() {
        fn shared<T: Send + Sync + Unpin>() {}
        shared::<Registry>();
        shared::<Watch>();
        shared::<Transitions>();
        shared::<RpcError>();
        shared::<TooManyWatchers>();
        assert!(size_of::<Watch>() <= 32, "{}", size_of::<Watch>());
        assert!(size_of::<Option<Watch>>() <= 32);
    }
}
