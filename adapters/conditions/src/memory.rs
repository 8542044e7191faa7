//! How much memory is left, and how much this process takes.

use health_core::{
    Reason,
    condition::{Condition, Local},
};
use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::{Amount, InvalidCondition, amount::bytes_text, background::Background};

/// Passes while at least so much memory can still be had: of the machine, and of the container that the
/// process runs in.
///
/// - Of the machine: what the system can give without swapping, caches included (`MemAvailable` on
///   Linux).
/// - Of the container, where the process has a memory cgroup of its own (version 1 or 2): its limit
///   without the anonymous memory in it. The page cache counts as free, as the kernel gives it back
///   before it kills.
///
/// # Errors
///
/// If the amount is nothing, or more than everything.
///
/// # Examples
///
/// ```
/// use health_conditions::{Amount, available_memory};
///
/// let memory = available_memory(Amount::Percent(5))?;
/// # Ok::<(), health_conditions::InvalidCondition>(())
/// ```
pub fn available_memory(
    at_least: Amount,
) -> Result<Local<impl Condition + use<>>, InvalidCondition> {
    let at_least = at_least.validate("the memory")?;
    Ok(Local::new("memory", Background::new(move || Memory::now().judge(at_least))))
}

/// Passes while this process takes at most so many bytes of memory (its resident set).
///
/// A limit well below the one that the kernel kills at lets the process be restarted in good order: given
/// to the liveness of a monitor, it stops a leak.
///
/// # Errors
///
/// If the limit is zero.
///
/// # Examples
///
/// ```
/// use health_conditions::resident_memory;
///
/// let leak = resident_memory(800_000_000)?;
/// # Ok::<(), health_conditions::InvalidCondition>(())
/// ```
pub fn resident_memory(at_most: u64) -> Result<Local<impl Condition + use<>>, InvalidCondition> {
    if at_most == 0 {
        let message = "no process takes 0 bytes of memory: the limit must be greater than zero";
        return Err(InvalidCondition::new(message));
    }
    let look = move || {
        let resident = resident()?;
        if resident <= at_most {
            return Ok(());
        }
        let (resident, at_most) = (bytes_text(resident), bytes_text(at_most));
        Err(Reason::new(format!("{resident} resident, at most {at_most} wanted")))
    };
    Ok(Local::new("resident memory", Background::new(look)))
}

/// What can still be had of how much.
#[derive(Clone, Copy, Debug)]
struct Left {
    bytes: u64,
    of: u64,
}

#[derive(Clone, Copy, Debug)]
struct Memory {
    machine: Left,
    container: Option<Left>,
}

impl Memory {
    fn now() -> Self {
        let mut system = System::new();
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let machine = Left { bytes: system.available_memory(), of: system.total_memory() };
        // sysinfo's own "free" has the page cache taken off.
        let container = system.cgroup_limits().map(|limits| Left {
            bytes: limits.total_memory.saturating_sub(limits.rss),
            of: limits.total_memory,
        });
        Self { machine, container }
    }

    fn judge(self, at_least: Amount) -> Result<(), Reason> {
        if self.machine.of == 0 {
            return Err(Reason::new("the system does not tell how much memory it has"));
        }
        at_least.judge("of memory available", self.machine.bytes, self.machine.of)?;
        let Some(container) = self.container else {
            return Ok(());
        };
        at_least.judge("of the container's memory available", container.bytes, container.of)
    }
}

fn resident() -> Result<u64, Reason> {
    let own = Pid::from_u32(std::process::id());
    let mut system = System::new();
    let only_memory = ProcessRefreshKind::nothing().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[own]), false, only_memory);
    let process = system.process(own);
    let process = process.ok_or_else(|| Reason::new("the system does not tell of this process"))?;
    Ok(process.memory())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;

    #[test]
    fn the_machine_and_the_container_must_both_have_enough() {
        let much = Left { bytes: 8 * GB, of: 16 * GB };
        let little = Left { bytes: GB, of: 16 * GB };
        let table = [
            (much, None, ""),
            (much, Some(much), ""),
            (little, None, "1.0 GB of memory available, at least 2.0 GB wanted"),
            (
                much,
                Some(little),
                "1.0 GB of the container's memory available, at least 2.0 GB wanted",
            ),
            (Left { bytes: 0, of: 0 }, None, "the system does not tell how much memory it has"),
        ];
        for (machine, container, expected) in table {
            let judged = Memory { machine, container }.judge(Amount::Bytes(2 * GB));
            assert_eq!(judged.err().map_or_else(String::new, |it| it.to_string()), expected);
        }
    }
}
