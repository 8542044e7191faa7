//! The table of protocols and adapters, as the README shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::adapter::Adapter;
use crate::vector::Protocol;

/// How many vectors hold, and how many there are, by adapter and protocol.
///
/// [`Display`](fmt::Display) is a Markdown table: a column for each adapter, a row for the runtime it
/// ran on, and one for each protocol with `held/all` in each cell.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Matrix {
    cells: BTreeMap<(Protocol, Adapter), Cell>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Cell {
    held: usize,
    all: usize,
}

impl FromIterator<(Adapter, Protocol, bool)> for Matrix {
    fn from_iter<T: IntoIterator<Item = (Adapter, Protocol, bool)>>(outcomes: T) -> Self {
        let mut cells = BTreeMap::<_, Cell>::new();
        for (adapter, protocol, holds) in outcomes {
            let cell = cells.entry((protocol, adapter)).or_default();
            cell.all += 1;
            cell.held += usize::from(holds);
        }
        Self { cells }
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocols: BTreeSet<_> = self.cells.keys().map(|(protocol, _)| protocol).collect();
        let adapters: BTreeSet<_> = self.cells.keys().map(|(_, adapter)| adapter).collect();
        write!(f, "| protocol |")?;
        adapters.iter().try_for_each(|adapter| write!(f, " {adapter} |"))?;
        write!(f, "\n|---|")?;
        adapters.iter().try_for_each(|_| write!(f, "---|"))?;
        write!(f, "\n| *runtime* |")?;
        adapters.iter().try_for_each(|adapter| write!(f, " {} |", adapter.runtime()))?;
        for protocol in protocols {
            write!(f, "\n| {protocol} |")?;
            for adapter in &adapters {
                let cell = self.cells.get(&(*protocol, **adapter)).copied().unwrap_or_default();
                write!(f, " {}/{} |", cell.held, cell.all)?;
            }
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_markdown_table_of_what_holds() {
        let outcomes = [
            (Adapter::Hyper, Protocol::Triple, true),
            (Adapter::Hyper, Protocol::Grpc, true),
            (Adapter::Hyper, Protocol::Grpc, false),
        ];
        let table = Matrix::from_iter(outcomes).to_string();
        assert_eq!(
            table,
            "| protocol | hyper |\n|---|---|\n| *runtime* | tokio |\n| grpc | 1/2 |\n| triple | 1/1 |\n"
        );
    }
}
